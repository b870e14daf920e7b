//! What a session gets when it comes back without loss, and that its conversations go on.

use std::time::Duration;

use antiphon_wire::connect::Resumed;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::Outcome;
use antiphon_wire::service::messaging::Sent;

use super::RUST;
use super::back;
use super::intact;
use super::lose;
use super::open;
use super::patient;
use super::ping;
use super::pong;
use super::reconnect;
use super::token;
use super::written;
use crate::BrokerConfig;
use crate::batch::Void;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::error;
use crate::tests::world::outcome;
use crate::tests::world::response;
use crate::tests::world::world;

#[test]
fn the_response_tells_the_next_message_that_is_expected() {
    let mut w = World::new();
    let client = open(&mut w, RUST, "bob");
    ping(&mut w, &client, 1);
    ping(&mut w, &client, 2);
    client.received();
    lose(&mut w, &client);
    reconnect(&mut w, RUST, "bob", (1, 2)).unwrap();
    let mut expected = vec![0x82, 55, b'#', 29, 105];
    expected.extend(client.id().server.to_be_bytes());
    expected.extend(client.id().client.to_be_bytes());
    expected.extend(token("bob").0);
    expected.extend(30_000_u64.to_be_bytes());
    expected.extend(3_u32.to_be_bytes());
    assert_eq!(written(&client), expected);
    assert_eq!(w.touched().last(), Some(&client.id()));
}

#[test]
fn all_that_was_missed_comes_once_and_in_order() {
    let mut w = patient();
    let (client, other) = (open(&mut w, RUST, "bob"), w.open("alice"));
    (1..=5).for_each(|n| ping(&mut w, &client, n));
    assert_eq!(client.received().len(), 5);
    lose(&mut w, &client);
    w.send_to_session(&other, 1, client.id());
    assert_eq!(client.received(), []);
    w.send_to_session(&other, 2, client.id());
    reconnect(&mut w, RUST, "bob", (1, 3)).unwrap();
    let (resumed, mut missed) = back(&client);
    let requests = missed.split_off(2);
    assert_eq!((resumed, missed), intact(6, [pong(4), pong(5)]));
    let [one, two] = requests.try_into().unwrap();
    for (request, number) in [(one, 1), (two, 2)] {
        let Received::Request { service: Service::MessagingSend, conversation, .. } = request
        else {
            panic!("{request:?}");
        };
        w.respond(&client, conversation, &world());
        assert_eq!(other.received(), [response(number, &world())]);
    }
    lose(&mut w, &client);
    reconnect(&mut w, RUST, "bob", (1, 7)).unwrap();
    assert_eq!(back(&client), intact(8, []));
    assert_quiet(&[&client, &other]);
}

#[test]
fn what_was_never_written_comes_once() {
    let mut w = patient();
    let client = open(&mut w, RUST, "bob");
    (1..=3).for_each(|n| ping(&mut w, &client, n));
    lose(&mut w, &client);
    assert_eq!(client.received(), []);
    for _ in 0..2 {
        reconnect(&mut w, RUST, "bob", (1, 0)).unwrap();
        assert_eq!(back(&client), intact(4, [pong(1), pong(2), pong(3)]));
        assert_quiet(&[&client]);
    }
    ping(&mut w, &client, 4);
    assert_eq!(client.received(), [pong(4)]);
    reconnect(&mut w, RUST, "bob", (1, 3)).unwrap();
    assert_eq!(back(&client), intact(5, [pong(4)]));
}

#[test]
fn what_a_session_misses_is_kept_once() {
    let mut w = patient();
    let client = open(&mut w, RUST, "bob");
    lose(&mut w, &client);
    (1..=1_000).for_each(|n| ping(&mut w, &client, n));
    assert!(client.session.buffered() < 200, "{} bytes", client.session.buffered());
    reconnect(&mut w, RUST, "bob", (1, 0)).unwrap();
    assert_eq!(back(&client), intact(1_001, (1..=1_000).map(pong).collect::<Vec<_>>()));
}

#[test]
fn what_an_answer_acknowledges_is_not_kept() {
    for (received, resumes) in [(1, false), (2, true), (3, true), (4, true)] {
        let mut w = patient();
        let (client, other) = (open(&mut w, RUST, "bob"), w.open("alice"));
        (1..=3).for_each(|n| w.send_to_session(&other, n, client.id()));
        let held = client.conversations();
        w.respond(&client, held[1], &world());
        ping(&mut w, &client, 1);
        client.received();
        reconnect(&mut w, RUST, "bob", (0, received)).unwrap();
        let (resumed, missed) = back(&client);
        if resumes {
            assert_eq!(resumed, Resumed::Intact { next_client_sequence: 3 });
            assert_eq!(missed.len() as u64, 4 - received);
        } else {
            assert_eq!((resumed, missed), (Resumed::WithLoss, vec![]));
        }
    }
}

#[test]
fn what_the_answer_to_a_ping_acknowledges_is_not_kept() {
    for (received, resumed) in
        [(1, Resumed::WithLoss), (2, Resumed::Intact { next_client_sequence: 3 })]
    {
        let mut w = World::new();
        let client = open(&mut w, RUST, "bob");
        ping(&mut w, &client, 1);
        client.received();
        w.advance(30_000);
        let (_, conversation, _) = client.request();
        w.respond(&client, conversation, &Void);
        lose(&mut w, &client);
        reconnect(&mut w, RUST, "bob", (0, received)).unwrap();
        assert_eq!(back(&client), (resumed, vec![]));
    }
}

#[test]
fn a_handler_keeps_its_registration_and_its_requests() {
    let mut w = patient();
    let (sender, handler) = (w.open("alice"), open(&mut w, RUST, "bob"));
    w.register(&handler, "a", &[]);
    w.send_to_path(&sender, 1, "a");
    w.send_to_path(&sender, 2, "a");
    let held = handler.conversations();
    w.respond(&handler, held[0], &world());
    lose(&mut w, &handler);
    assert_eq!(sender.received(), [response(1, &world())]);
    w.advance(59_999);
    reconnect(&mut w, RUST, "bob", (3, 3)).unwrap();
    assert_eq!(back(&handler), intact(3, []));
    w.respond(&handler, held[1], &world());
    assert_eq!(sender.received(), [response(2, &world())]);
    w.send_to_path(&sender, 3, "a");
    w.respond(&handler, handler.request().1, &world());
    assert_eq!(sender.received(), [response(3, &world())]);
    assert_quiet(&[&sender, &handler]);
}

#[test]
fn a_sender_gets_every_outcome_when_it_is_back() {
    let mut w = patient();
    let (sender, handler) = (open(&mut w, RUST, "alice"), w.open("bob"));
    w.register(&handler, "a", &[]);
    w.send_to_path(&sender, 1, "a");
    w.send_to_session(&sender, 2, handler.id());
    w.send_to_filter(&sender, 3, "$Principal is 'bob'");
    let held = handler.conversations();
    assert_eq!(sender.received(), [response(3, &Sent::To(1))]);
    lose(&mut w, &sender);
    w.respond(&handler, held[1], &world());
    w.fail(&handler, held[0], Reason::REJECTED_REQUEST, "no");
    w.respond(&handler, held[2], &world());
    assert_quiet(&[&sender, &handler]);
    reconnect(&mut w, RUST, "alice", (4, 1)).unwrap();
    let (resumed, missed) = back(&sender);
    assert_eq!(resumed, Resumed::Intact { next_client_sequence: 4 });
    let [first, second, Received::Request { service: Service::FilterResponse, body, .. }] =
        &missed[..]
    else {
        panic!("{missed:?}");
    };
    assert_eq!(*first, response(2, &world()));
    assert_eq!(*second, error(1, Reason::REJECTED_REQUEST, "no"));
    assert_eq!(*body, outcome(handler.id(), Outcome::Response(world())));
    assert_quiet(&[&sender, &handler]);
}

#[test]
fn requests_expire_while_their_handler_is_away() {
    let request_timeout = Duration::from_secs(10);
    let mut w = World::with(BrokerConfig { request_timeout, ..BrokerConfig::default() });
    let (sender, handler) = (w.open("alice"), open(&mut w, RUST, "bob"));
    w.register(&handler, "a", &[]);
    w.send_to_path(&sender, 1, "a");
    let (_, held, _) = handler.request();
    lose(&mut w, &handler);
    w.send_to_path(&sender, 2, "a");
    w.advance(10_000);
    let text = "no response within 10s; the request may have been executed";
    let expired = |number| error(number, Reason::REQUEST_TIME_OUT, text);
    assert_eq!(sender.received(), [expired(1), expired(2)]);
    reconnect(&mut w, RUST, "bob", (0, 2)).unwrap();
    let (_, missed) = back(&handler);
    let [Received::Request { conversation, .. }] = &missed[..] else { panic!("{missed:?}") };
    for late in [held, *conversation, ConversationId(77)] {
        w.respond(&handler, late, &world());
    }
    assert_quiet(&[&sender, &handler]);
}
