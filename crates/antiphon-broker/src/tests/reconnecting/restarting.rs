//! Sessions that come back after messages were lost: most begin anew, some end.

use antiphon_wire::connect::Credentials;
use antiphon_wire::connect::Refusal;
use antiphon_wire::connect::Resumed;
use antiphon_wire::error::Reason;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::locks::LockScope;
use antiphon_wire::service::principal::ChangePrincipal;

use super::JAVASCRIPT;
use super::PYTHON;
use super::RUST;
use super::back;
use super::check_told;
use super::closed;
use super::ended;
use super::intact;
use super::listen;
use super::lose;
use super::open;
use super::patient;
use super::patient_with;
use super::ping;
use super::pong;
use super::reconnect;
use super::restarted;
use super::services::acquire;
use super::services::granted;
use super::token;
use super::tokens;
use super::unhandled;
use super::written;
use crate::Grant;
use crate::Next;
use crate::Recovery;
use crate::batch::Void;
use crate::tests::world::Client;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::encoded;
use crate::tests::world::request;
use crate::tests::world::response;
use crate::tests::world::world;

/// A session that has sent three messages and was sent three.
fn three(w: &mut World, ty: &str) -> Client {
    let client = open(w, ty, "bob");
    (1..=3).for_each(|n| ping(w, &client, n));
    assert_eq!(client.received().len(), 3);
    client
}

#[test]
fn the_response_of_a_restart_is_exact() {
    let mut w = World::new();
    let client = three(&mut w, JAVASCRIPT);
    lose(&mut w, &client);
    reconnect(&mut w, JAVASCRIPT, "bob", (5, 3)).unwrap();
    let mut expected = vec![0x82, 55, b'#', 29, 106];
    expected.extend(client.id().server.to_be_bytes());
    expected.extend(client.id().client.to_be_bytes());
    expected.extend(token("bob").0);
    expected.extend(30_000_u64.to_be_bytes());
    expected.extend((1_u32 << 20).to_be_bytes());
    assert_eq!(written(&client), expected);
}

/// Counts that a session cannot be resumed with that has sent three messages and was sent three.
const LOST: [(u64, u64); 5] = [(5, 3), (u64::MAX, 3), (1, 4), (4, u64::MAX), (5, 4)];

#[test]
fn a_client_that_cannot_repeat_what_is_missing_begins_anew() {
    for ty in [JAVASCRIPT, RUST, "WJ", "DN", "C", "A", "I"] {
        for counts in LOST {
            let mut w = patient();
            let client = three(&mut w, ty);
            lose(&mut w, &client);
            reconnect(&mut w, ty, "bob", counts).unwrap();
            assert_eq!(back(&client), (Resumed::WithLoss, vec![]), "{ty} {counts:?}");
            assert_eq!(tokens(&w), 1);
        }
    }
}

#[test]
fn python_is_refused_instead_and_its_session_ends() {
    for counts in LOST {
        let mut w = patient();
        let (sender, watcher) = (w.open("alice"), w.open("carol"));
        let client = three(&mut w, PYTHON);
        listen(&mut w, &watcher, &[]);
        w.send_to_session(&sender, 1, client.id());
        lose(&mut w, &client);
        assert_eq!(watcher.received().len(), 1);
        let counts = (counts.0, counts.1.saturating_add(1));
        let refusal = reconnect(&mut w, PYTHON, "bob", counts);
        assert_eq!(refusal, Err(Refusal::ReconnectionFailedMessageLoss), "{counts:?}");
        check_told(&watcher, &client, [closed(CloseReason::LostMessages)]);
        assert_eq!(sender.received(), [ended(1, &client)]);
        assert_eq!((tokens(&w), w.broker.stats().sessions), (0, 2));
        assert_eq!(reconnect(&mut w, PYTHON, "bob", (0, 3)), Err(Refusal::UnknownSession));
    }
}

#[test]
fn the_extreme_counts_still_resume() {
    for (counts, missed) in [((4, 3), 0), ((0, 0), 3), ((0, 3), 0), ((4, 0), 3)] {
        for ty in [PYTHON, RUST] {
            let mut w = patient();
            let client = three(&mut w, ty);
            lose(&mut w, &client);
            reconnect(&mut w, ty, "bob", counts).unwrap();
            let (resumed, sent) = back(&client);
            assert_eq!(resumed, Resumed::Intact { next_client_sequence: 4 });
            assert_eq!(sent.len(), missed);
        }
    }
}

#[test]
fn messages_beyond_the_bounds_are_lost() {
    let by_count = Recovery { messages: 2, ..Recovery::default() };
    let by_bytes = Recovery { bytes: 2 * PONG_FRAME, ..Recovery::default() };
    for recovery in [by_count, by_bytes] {
        for (received, resumes) in [(0, false), (1, true), (2, true)] {
            let mut w = patient_with(recovery);
            let client = three(&mut w, RUST);
            lose(&mut w, &client);
            reconnect(&mut w, RUST, "bob", (1, received)).unwrap();
            let (resumed, missed) = back(&client);
            let expected: Vec<_> = (received + 1..=3).map(pong).collect();
            let lost = (Resumed::WithLoss, vec![]);
            assert_eq!((resumed, missed), if resumes { intact(4, expected) } else { lost });
        }
    }
}

/// The frame of an empty response to a low conversation.
const PONG_FRAME: usize = 4;

#[test]
fn messages_beyond_the_bounds_are_lost_while_the_client_is_away() {
    let recovery = Recovery { messages: 2, ..Recovery::default() };
    let mut w = patient_with(recovery);
    let (client, other) = (open(&mut w, RUST, "bob"), w.open("alice"));
    lose(&mut w, &client);
    (1..=3).for_each(|n| w.send_to_session(&other, n, client.id()));
    assert_eq!(other.received(), []);
    reconnect(&mut w, RUST, "bob", (1, 0)).unwrap();
    assert_eq!(back(&client), (Resumed::WithLoss, vec![]));
    let mut outcomes = other.received();
    outcomes.sort_by_key(|outcome| format!("{outcome:?}"));
    assert_eq!(outcomes, [1, 2, 3].map(|n| restarted(n, &client)));
    assert_quiet(&[&client, &other]);
}

/// A session that begins anew with two handlers, a listener, a lock that is waited for and a request to answer.
fn begin_anew() -> (World, Client, Client) {
    let mut w = patient();
    let (client, other) = (open(&mut w, RUST, "bob"), w.open("alice"));
    w.register(&client, "a", &[]);
    w.register(&client, "a/b", &[]);
    listen(&mut w, &client, &[]);
    acquire(&mut w, &client, 1, "x", LockScope::Session);
    acquire(&mut w, &other, 8, "x", LockScope::Session);
    w.send_to_path(&other, 1, "a/b");
    client.received();
    lose(&mut w, &client);
    w.send_to_session(&other, 2, client.id());
    reconnect(&mut w, RUST, "bob", (9, 3)).unwrap();
    assert_eq!(back(&client), (Resumed::WithLoss, vec![]));
    (w, client, other)
}

#[test]
fn a_restart_ends_all_conversations() {
    let (mut w, client, other) = begin_anew();
    let mut outcomes = other.received();
    outcomes.sort_by_key(|outcome| format!("{outcome:?}"));
    let lock = granted(8, "x", 1, LockScope::Session);
    assert_eq!(outcomes, [restarted(1, &client), restarted(2, &client), lock]);
    w.send_to_path(&other, 3, "a/b");
    let Received::Error { conversation: 3, reason: Reason::UNHANDLED_MESSAGE, .. } =
        &other.received()[..][0]
    else {
        panic!()
    };
    w.send_to_path(&other, 4, "a");
    assert_eq!(other.received(), [unhandled(4)]);
    w.open("dora");
    assert_quiet(&[&client, &other]);
    assert_eq!((w.broker.stats().routes, tokens(&w)), (0, 1));
}

/// Clients use conversations again: it would be taken for an answer to another request.
#[test]
fn a_client_that_began_anew_is_not_told_of_what_it_asked_before() {
    let mut w = patient();
    let (client, other) = (open(&mut w, RUST, "bob"), w.open("alice"));
    w.register(&other, "a", &[]);
    w.send_to_path(&client, 1, "a");
    w.send_to_session(&client, 2, other.id());
    w.send_to_filter(&client, 3, "all");
    assert_eq!(client.received().len(), 2);
    let asked = other.conversations();
    assert_eq!(asked.len(), 3);
    lose(&mut w, &client);
    reconnect(&mut w, RUST, "bob", (9, 2)).unwrap();
    assert_eq!(back(&client), (Resumed::WithLoss, vec![]));
    asked.into_iter().for_each(|conversation| w.respond(&other, conversation, &world()));
    assert_quiet(&[&client, &other]);
    w.send_to_path(&client, 1, "a");
    w.respond(&other, other.request().1, &world());
    assert_eq!(client.received(), [response(1, &world())]);
}

#[test]
fn a_session_goes_on_after_a_restart_and_both_sides_count_anew() {
    let (mut w, client, other) = begin_anew();
    other.received();
    w.register(&client, "a", &[]);
    w.send_to_path(&other, 5, "a");
    w.respond(&client, client.request().1, &world());
    assert_eq!(other.received(), [response(5, &world())]);
    ping(&mut w, &client, 7);
    // So far three messages came from it, and three went to it: two responses and a request.
    for _ in 0..2 {
        lose(&mut w, &client);
        reconnect(&mut w, RUST, "bob", (4, 2)).unwrap();
        assert_eq!(back(&client), intact(4, [pong(7)]));
    }
    lose(&mut w, &client);
    reconnect(&mut w, RUST, "bob", (1, 4)).unwrap();
    assert_eq!(back(&client), (Resumed::WithLoss, vec![]));
}

/// Its counts may be those of before: what it would send again has been served.
#[test]
fn a_client_that_may_not_know_of_a_restart_is_told_again() {
    let mut w = patient();
    let client = open(&mut w, RUST, "bob");
    let other = w.open("alice");
    (1..=2).for_each(|n| w.send_to_session(&client, n, other.id()));
    assert_eq!(other.conversations().len(), 2);
    // It lacks a message that is not kept.
    reconnect(&mut w, RUST, "bob", (1, 5)).unwrap();
    assert_eq!(back(&client), (Resumed::WithLoss, vec![]));
    for _ in 0..2 {
        lose(&mut w, &client);
        reconnect(&mut w, RUST, "bob", (1, 0)).unwrap();
        assert_eq!(back(&client), (Resumed::WithLoss, vec![]));
    }
    ping(&mut w, &client, 3);
    lose(&mut w, &client);
    reconnect(&mut w, RUST, "bob", (1, 0)).unwrap();
    assert_eq!(back(&client), intact(2, [pong(3)]));
}

#[test]
fn the_answer_to_a_ping_from_before_a_restart_acknowledges_nothing() {
    let mut w = World::new();
    let client = three(&mut w, RUST);
    w.advance(30_000);
    let (_, old, _) = client.request();
    reconnect(&mut w, RUST, "bob", (5, 4)).unwrap();
    assert_eq!(back(&client), (Resumed::WithLoss, vec![]));
    ping(&mut w, &client, 7);
    w.respond(&client, old, &Void);
    reconnect(&mut w, RUST, "bob", (1, 0)).unwrap();
    assert_eq!(back(&client), intact(3, [pong(7)]));
}

#[test]
fn listeners_are_told_that_a_session_that_began_anew_is_back() {
    let mut w = patient();
    let (client, watcher) = (open(&mut w, RUST, "bob"), w.open("carol"));
    listen(&mut w, &watcher, &[]);
    reconnect(&mut w, RUST, "bob", (2, 0)).unwrap();
    assert_eq!(watcher.received().len(), 1);
    w.advance(1_000_000);
    assert_eq!(w.broker.stats().sessions, 2);
    lose(&mut w, &client);
    w.advance(60_000);
    assert_eq!(w.broker.stats().sessions, 1);
}

#[test]
fn who_began_anew_is_not_told_what_became_of_an_authentication() {
    let mut w = patient();
    let client = three(&mut w, JAVASCRIPT);
    let body = ChangePrincipal { principal: "carol", credentials: Credentials::None };
    let Next::Authenticate(asked) = w.send(&client, &request(5, 9, &encoded(&body))) else {
        panic!("not asked");
    };
    lose(&mut w, &client);
    reconnect(&mut w, JAVASCRIPT, "bob", (6, 3)).unwrap();
    assert_eq!(back(&client), (Resumed::WithLoss, vec![]));
    let grant = Some(Grant { principal: "carol".to_owned(), ..Grant::default() });
    w.broker.batch(&client.session, w.now).authenticated(&asked, grant, &mut w.outbox);
    assert_eq!(client.session.profile().properties.get("$Principal"), Some("bob"));
    assert_quiet(&[&client]);
}

#[test]
fn who_resumes_is_told_what_became_of_an_authentication() {
    let mut w = patient();
    let client = three(&mut w, JAVASCRIPT);
    let body = ChangePrincipal { principal: "carol", credentials: Credentials::None };
    let Next::Authenticate(asked) = w.send(&client, &request(5, 9, &encoded(&body))) else {
        panic!("not asked");
    };
    lose(&mut w, &client);
    w.broker.batch(&client.session, w.now).authenticated(&asked, None, &mut w.outbox);
    reconnect(&mut w, JAVASCRIPT, "bob", (5, 3)).unwrap();
    let (resumed, sent) = back(&client);
    assert_eq!(resumed, Resumed::Intact { next_client_sequence: 5 });
    assert_eq!(sent[0], response(9, &false));
}
