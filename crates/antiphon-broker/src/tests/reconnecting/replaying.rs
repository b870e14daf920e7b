//! What the JavaScript SDK sends after a 105: it may repeat the oldest message instead of sending all, and lose count.

use antiphon_wire::connect::Resumed;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::SendRequest;

use super::JAVASCRIPT;
use super::PYTHON;
use super::RUST;
use super::back;
use super::lose;
use super::open;
use super::patient;
use super::ping;
use super::pong;
use super::reconnect;
use crate::Next;
use crate::batch::Void;
use crate::tests::world::Client;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::encoded;
use crate::tests::world::hello;
use crate::tests::world::request;

/// A JavaScript session that has just been resumed, a handler of `a`, and the ping that the session has to answer.
fn resumed(w: &mut World) -> (Client, Client, ConversationId) {
    let (client, handler) = (open(w, JAVASCRIPT, "bob"), w.open("alice"));
    w.register(&handler, "a", &[]);
    lose(w, &client);
    let ping = resume(w, &client, (1, 0), 1);
    (client, handler, ping)
}

/// The session comes back; its ping.
#[track_caller]
fn resume(w: &mut World, client: &Client, counts: (u64, u64), next: u32) -> ConversationId {
    reconnect(w, JAVASCRIPT, "bob", counts).unwrap();
    let (resumed, missed) = back(client);
    assert_eq!(resumed, Resumed::Intact { next_client_sequence: next });
    match &missed[..] {
        [Received::Request { service: Service::SystemPing, conversation, .. }] => *conversation,
        other => panic!("{other:?}"),
    }
}

/// Whatever it has, it begins anew.
#[track_caller]
fn check_restart(w: &mut World, client: &Client, counts: (u64, u64)) {
    lose(w, client);
    reconnect(w, JAVASCRIPT, "bob", counts).unwrap();
    assert_eq!(back(client), (Resumed::WithLoss, vec![]));
}

fn to_a(conversation: u64) -> Vec<u8> {
    let body = SendRequest { path: "a", value: hello() };
    request(Service::MessagingSend.number(), conversation, &encoded(&body))
}

#[test]
fn a_repeated_message_is_not_executed_and_the_client_begins_anew() {
    let mut w = patient();
    let (client, handler, _) = resumed(&mut w);
    assert!(matches!(w.send(&client, &to_a(1)), Next::Continue));
    assert!(matches!(w.send(&client, &to_a(1)), Next::Reconnect));
    assert_eq!(handler.conversations().len(), 1);
    check_restart(&mut w, &client, (1, 1));
}

#[test]
fn a_repetition_counts_wherever_it_comes_before_the_answer_to_the_ping() {
    let mut w = patient();
    let (client, handler, _) = resumed(&mut w);
    for number in [1, 2, 3] {
        assert!(matches!(w.send(&client, &to_a(number)), Next::Continue));
    }
    assert!(matches!(w.send(&client, &to_a(3)), Next::Reconnect));
    assert_eq!(handler.conversations().len(), 3);
    check_restart(&mut w, &client, (1, 1));
}

#[test]
fn after_one_message_that_may_be_a_repetition_the_client_begins_anew() {
    let mut w = patient();
    let (client, handler, pinged) = resumed(&mut w);
    w.send(&client, &to_a(1));
    w.respond(&client, pinged, &Void);
    // From here on nothing is watched, but the count stays in doubt.
    for _ in 0..2 {
        assert!(matches!(w.send(&client, &to_a(2)), Next::Continue));
    }
    assert_eq!(handler.conversations().len(), 3);
    check_restart(&mut w, &client, (1, 1));
}

#[test]
fn a_client_that_had_nothing_to_send_again_resumes_again() {
    let mut w = patient();
    let (client, handler, mut pinged) = resumed(&mut w);
    for times in 0..4 {
        w.respond(&client, pinged, &Void);
        // What is the same as the message before is now a request like any other.
        for _ in 0..2 {
            assert!(matches!(w.send(&client, &to_a(9)), Next::Continue));
        }
        assert_eq!(handler.conversations().len(), 2);
        lose(&mut w, &client);
        pinged = resume(&mut w, &client, (1, times + 1), 3 * times as u32 + 4);
    }
}

#[test]
fn a_client_that_is_lost_before_it_has_answered_the_ping_begins_anew() {
    let mut w = patient();
    let (client, ..) = resumed(&mut w);
    check_restart(&mut w, &client, (1, 1));
}

#[test]
fn the_answer_to_another_ping_ends_no_doubt() {
    let mut w = World::new();
    let (client, _, _) = resumed(&mut w);
    w.advance(30_000);
    let (_, later, _) = client.request();
    w.respond(&client, later, &Void);
    check_restart(&mut w, &client, (1, 2));
}

#[test]
fn a_client_that_has_begun_anew_is_trusted_again() {
    let mut w = patient();
    let (client, handler, _) = resumed(&mut w);
    check_restart(&mut w, &client, (1, 1));
    for _ in 0..2 {
        assert!(matches!(w.send(&client, &to_a(1)), Next::Continue));
    }
    assert_eq!(handler.conversations().len(), 2);
    lose(&mut w, &client);
    resume(&mut w, &client, (1, 0), 3);
}

#[test]
fn no_other_client_is_watched() {
    for ty in [RUST, PYTHON, "WJ"] {
        let mut w = patient();
        let client = open(&mut w, ty, "bob");
        for times in 0..3 {
            lose(&mut w, &client);
            reconnect(&mut w, ty, "bob", (0, 2 * times)).unwrap();
            let next_client_sequence = 2 * times as u32 + 1;
            assert_eq!(back(&client), (Resumed::Intact { next_client_sequence }, vec![]));
            ping(&mut w, &client, 4);
            ping(&mut w, &client, 4);
            assert_eq!(client.received(), [pong(4), pong(4)]);
        }
    }
}
