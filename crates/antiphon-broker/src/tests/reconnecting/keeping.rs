//! How long a session is kept, and what is left of it afterwards.

use std::time::Duration;

use antiphon_wire::connect::Refusal;
use antiphon_wire::error::Reason;
use antiphon_wire::message::CLOSE_REQUEST_MESSAGE;
use antiphon_wire::service::events::CloseReason;

use super::JAVASCRIPT;
use super::PYTHON;
use super::RUST;
use super::check_told;
use super::closed;
use super::ended;
use super::listen;
use super::lose;
use super::open;
use super::open_for;
use super::patient;
use super::patient_with;
use super::reconnect;
use super::tokens;
use super::unhandled;
use crate::BrokerConfig;
use crate::Limits;
use crate::Recovery;
use crate::tests::world::Client;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::error;

/// A sender that awaits an answer of a handler, and somebody who listens.
fn waiting(w: &mut World, handler: (&str, u64)) -> (Client, Client, Client) {
    let (sender, watcher) = (w.open("alice"), w.open("carol"));
    let handler = open_for(w, handler, "bob");
    w.register(&handler, "a", &[]);
    listen(w, &watcher, &[]);
    w.send_to_path(&sender, 1, "a");
    handler.request();
    (sender, handler, watcher)
}

#[track_caller]
fn check_over(w: &mut World, (sender, handler, watcher): &(Client, Client, Client)) {
    assert_eq!(sender.received(), [ended(1, handler)]);
    w.send_to_path(sender, 2, "a");
    assert_eq!(sender.received(), [unhandled(2)]);
    check_told(watcher, handler, [closed(CloseReason::ConnectionLost)]);
    assert_eq!((tokens(w), w.broker.stats().sessions, w.broker.stats().routes), (0, 2, 0));
    assert_eq!(reconnect(w, JAVASCRIPT, "bob", (0, 0)), Err(Refusal::UnknownSession));
    assert_quiet(&[sender, watcher]);
}

#[test]
fn a_session_that_does_not_want_to_be_kept_ends_with_its_connection() {
    let mut w = patient();
    let all = waiting(&mut w, (JAVASCRIPT, 0));
    assert!(!all.1.session.can_come_back());
    lose(&mut w, &all.1);
    check_over(&mut w, &all);
}

#[test]
fn a_server_that_keeps_nothing_ends_sessions_with_their_connection() {
    let mut w = patient_with(Recovery { keep_for: Duration::ZERO, ..Recovery::default() });
    let all = waiting(&mut w, (JAVASCRIPT, 60_000));
    lose(&mut w, &all.1);
    check_over(&mut w, &all);
}

#[test]
fn a_session_is_kept_for_as_long_as_client_and_server_both_want() {
    for (client, server, kept) in
        [(60_000, 20_000, 20_000), (5_000, 60_000, 5_000), (u64::MAX, 7_000, 7_000)]
    {
        let keep_for = Duration::from_millis(server);
        let mut w = patient_with(Recovery { keep_for, ..Recovery::default() });
        let all = waiting(&mut w, (RUST, client));
        w.advance(100_000);
        lose(&mut w, &all.1);
        assert!(all.2.received().len() == 1 && tokens(&w) == 1);
        w.advance(kept - 1);
        assert_eq!((w.broker.stats().sessions, w.broker.stats().routes), (3, 1));
        assert!(all.0.received().is_empty() && all.2.received().is_empty());
        w.advance(1);
        check_over(&mut w, &all);
    }
}

#[test]
fn the_time_begins_anew_with_every_loss() {
    let mut w = patient();
    let client = open(&mut w, RUST, "bob");
    for _ in 0..3 {
        lose(&mut w, &client);
        w.advance(59_999);
        reconnect(&mut w, RUST, "bob", (1, 0)).unwrap();
        w.advance(1_000_000);
    }
    assert_eq!((tokens(&w), w.broker.stats().sessions), (1, 1));
    lose(&mut w, &client);
    // A second loss of the same connection changes nothing.
    w.advance(59_999);
    lose(&mut w, &client);
    w.advance(1);
    assert_eq!((tokens(&w), w.broker.stats().sessions), (0, 0));
}

#[test]
fn an_unknown_token_is_refused() {
    let mut w = patient();
    let client = open(&mut w, RUST, "bob");
    assert_eq!(reconnect(&mut w, RUST, "alice", (0, 0)), Err(Refusal::UnknownSession));
    assert_quiet(&[&client]);
    assert_eq!(tokens(&w), 1);
}

#[test]
fn no_ending_leaves_a_token_behind() {
    let endings: [fn(&mut World, &Client); 8] = [
        |w, client| w.close(client, CloseReason::ClosedByController),
        |w, client| w.close(client, CloseReason::IoException),
        |w, client| drop(w.send(client, CLOSE_REQUEST_MESSAGE)),
        |w, client| drop(w.send(client, b"\xff")),
        |w, _| w.shut_down(),
        |w, client| {
            lose(w, client);
            w.close(client, CloseReason::ClosedByController);
        },
        |w, client| {
            lose(w, client);
            w.advance(60_000);
        },
        |w, _| {
            let refusal = reconnect(w, PYTHON, "bob", (0, 1));
            assert_eq!(refusal, Err(Refusal::ReconnectionFailedMessageLoss));
        },
    ];
    for end in endings {
        let mut w = patient();
        let client = open(&mut w, PYTHON, "bob");
        assert_eq!(tokens(&w), 1);
        end(&mut w, &client);
        assert_eq!((tokens(&w), w.broker.stats().sessions), (0, 0));
        assert_eq!(reconnect(&mut w, PYTHON, "bob", (0, 0)), Err(Refusal::UnknownSession));
        lose(&mut w, &client);
        w.advance(60_000);
    }
}

#[test]
fn a_silent_session_leaves_no_token_behind() {
    let mut w = World::new();
    open(&mut w, RUST, "bob");
    for _ in 0..5 {
        w.advance(30_000);
    }
    assert_eq!((tokens(&w), w.broker.stats().sessions), (0, 0));
}

#[test]
fn a_session_that_is_refused_leaves_no_token_behind() {
    let limits = Limits { sessions: 1, ..Limits::default() };
    let mut w = World::with(BrokerConfig { limits, ..BrokerConfig::default() });
    open(&mut w, RUST, "bob");
    w.token = super::token("alice");
    let refused = w.try_open("ty=RS&v=29&r=60000", "alice", &[]);
    assert!(matches!(refused, Err(Refusal::LicenseExceeded)));
    assert_eq!(reconnect(&mut w, RUST, "alice", (0, 0)), Err(Refusal::UnknownSession));
    assert_eq!(tokens(&w), 1);
}

#[test]
fn a_shut_down_ends_sessions_without_a_connection() {
    let mut w = patient();
    let (sender, handler, watcher) = waiting(&mut w, (RUST, 60_000));
    lose(&mut w, &handler);
    watcher.received();
    w.touched();
    w.shut_down();
    let text = "the server is shutting down; the request may have been executed";
    let parting = [Received::Abort, Received::Close(Some(1001))];
    let answered = error(1, Reason::SESSION_CLOSED, text);
    assert_eq!(sender.received(), [&[answered], &parting[..]].concat());
    assert!(!w.touched().contains(&handler.id()));
    assert_eq!((tokens(&w), w.broker.stats().sessions, w.broker.stats().routes), (0, 0, 0));
    assert_eq!(reconnect(&mut w, RUST, "bob", (0, 0)), Err(Refusal::UnknownSession));
}
