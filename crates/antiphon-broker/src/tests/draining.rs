//! A server that is about to stop: who is refused what, who leaves when, and that nobody loses anything.

use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::connect::Refusal;
use antiphon_wire::error::Reason;

use crate::Left;
use crate::batch::Void;
use crate::tests::world::Client;
use crate::tests::world::EVERYTHING;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::error;
use crate::tests::world::response;
use crate::tests::world::world;

fn drain(w: &mut World, most: usize) -> Left {
    w.broker.drain(most, &mut w.outbox)
}

fn left(sessions: usize, requests: usize) -> Left {
    Left { sessions, requests }
}

fn too_late(conversation: u64, what: &str) -> Received {
    let text = format!("the server is shutting down; {what}");
    error(conversation, Reason::CLUSTER_ROUTING, text)
}

fn parting() -> [Received; 2] {
    [Received::Abort, Received::Close(Some(1001))]
}

#[track_caller]
fn assert_parted(client: &Client) {
    assert_eq!(client.received(), parting());
}

#[test]
fn nobody_comes_in_any_more_and_nobody_registers() {
    let mut w = World::new();
    let client = w.open("bob");
    assert_eq!(drain(&mut w, 0), left(1, 0));
    let refusal = w.try_open("ty=WB&v=29", "alice", EVERYTHING);
    assert_eq!(refusal.err(), Some(Refusal::ServerInitialising));
    w.ask_to_register(&client, "a", &[]);
    assert_eq!(client.received(), [too_late(1, "the handler was not registered")]);
    assert_eq!(w.broker.stats().routes, 0);
}

#[test]
fn sessions_leave_a_slice_at_a_time_and_those_that_handle_last() {
    let mut w = World::new();
    let handlers = [w.open("bob"), w.open("bob"), w.open("bob")];
    handlers.iter().for_each(|handler| w.register(handler, "a", &[]));
    let askers = [w.open("alice"), w.open("alice"), w.open("alice")];
    for expected in [4, 3, 1, 0, 0] {
        assert_eq!(drain(&mut w, 2), left(expected, 0));
    }
    handlers.iter().chain(&askers).for_each(assert_parted);
    assert_eq!((w.broker.stats().sessions, w.broker.stats().routes), (0, 0));
}

#[test]
fn who_stays_is_served_until_its_turn_comes() {
    let mut w = World::new();
    let (handler, first, second) = (w.open("bob"), w.open("alice"), w.open("alice"));
    w.register(&handler, "a", &[]);
    assert_eq!(drain(&mut w, 1), left(2, 0));
    let (gone, there) = if first.session.has_ended() { (first, second) } else { (second, first) };
    assert_parted(&gone);
    w.send_to_path(&there, 1, "a");
    let (_, conversation, _) = handler.request();
    w.respond(&handler, conversation, &world());
    assert_eq!(there.received(), [response(1, &world())]);
}

#[test]
fn what_a_session_that_leaves_has_asked_is_answered_but_it_asks_no_more() {
    let mut w = World::new();
    let (handler, sender) = (w.open("bob"), w.open("alice"));
    w.register(&handler, "a", &[]);
    w.send_to_path(&sender, 1, "a");
    let (_, conversation, _) = handler.request();
    for _ in 0..3 {
        assert_eq!(drain(&mut w, 10), left(2, 1));
    }
    w.send_to_path(&sender, 2, "a");
    w.send_to_session(&sender, 3, handler.id());
    w.send_to_filter(&sender, 4, "all");
    let refused =
        [2, 3, 4].map(|conversation| too_late(conversation, "the request was not delivered"));
    assert_eq!(sender.received(), refused);
    w.respond(&handler, conversation, &world());
    assert_eq!(sender.received(), [response(1, &world())]);
    assert_eq!(drain(&mut w, 10), left(1, 0));
    assert_parted(&sender);
    assert_eq!(drain(&mut w, 10), left(0, 0));
    assert_parted(&handler);
    assert_quiet(&[&sender, &handler]);
}

#[test]
fn a_handler_may_ask_others_for_what_it_has_to_answer() {
    let mut w = World::new();
    let (front, back, sender) = (w.open("bob"), w.open("carol"), w.open("alice"));
    w.register(&front, "front", &[]);
    w.register(&back, "back", &[]);
    w.send_to_path(&sender, 1, "front");
    let (_, outer, _) = front.request();
    assert_eq!(drain(&mut w, 10), left(3, 1));
    w.send_to_path(&front, 2, "back");
    let (_, inner, _) = back.request();
    assert_eq!(drain(&mut w, 10), left(3, 2));
    w.respond(&back, inner, &world());
    assert_eq!(front.received(), [response(2, &world())]);
    w.respond(&front, outer, &world());
    assert_eq!(sender.received(), [response(1, &world())]);
    assert_eq!(drain(&mut w, 10), left(2, 0));
    assert_eq!(drain(&mut w, 10), left(0, 0));
}

#[test]
fn a_handler_that_leaves_answers_what_it_has_and_gets_nothing_new() {
    let mut w = World::new();
    let (one, other) = (w.open("bob"), w.open("carol"));
    w.register(&one, "a", &[]);
    w.register(&other, "b", &[]);
    assert_eq!(drain(&mut w, 0), left(2, 0));
    // Each has something to answer of the other.
    w.send_to_path(&one, 1, "b");
    w.send_to_path(&other, 2, "a");
    let (of_other, of_one) = (other.conversations(), one.conversations());
    assert_eq!(drain(&mut w, 10), left(2, 2));
    w.send_to_path(&one, 3, "b");
    w.send_to_session(&one, 4, other.id());
    let gone = error(4, Reason::NO_SUCH_SESSION, format!("no session {}", other.id()));
    assert_eq!(one.received(), [too_late(3, "the request was not delivered"), gone]);
    w.respond(&other, of_other[0], &world());
    assert_eq!(one.received(), [response(1, &world())]);
    assert_eq!(drain(&mut w, 10), left(2, 1));
    w.respond(&one, of_one[0], &world());
    assert_eq!(other.received(), [response(2, &world())]);
    assert_eq!(drain(&mut w, 10), left(0, 0));
    [&one, &other].into_iter().for_each(assert_parted);
}

#[test]
fn a_session_without_a_connection_may_come_back_for_what_is_under_way() {
    let mut w = World::new();
    let (handler, sender) = (w.open("bob"), w.open_as("ty=RS&v=29&r=60000", "alice", EVERYTHING));
    w.register(&handler, "a", &[]);
    w.send_to_path(&sender, 1, "a");
    let (_, conversation, _) = handler.request();
    let connection = w.broker.batch(&sender.session, w.now).connection();
    w.broker.lose(&sender.session, connection, w.now, &mut w.outbox);
    assert_eq!(drain(&mut w, 10), left(2, 1));
    let token = String::from_utf8(w.token.0.to_vec()).unwrap();
    let query = format!("ty=RS&v=29&r=60000&c={token}&cs=1&ss=0");
    let request = ConnectionRequest::parse(&query, |_| None).unwrap();
    w.broker.reconnect(&request, w.now, |_, _| {}, &mut w.outbox).unwrap();
    assert_eq!(sender.received(), [Received::Welcome]);
    w.respond(&handler, conversation, &world());
    assert_eq!(sender.received(), [response(1, &world())]);
    assert_eq!(drain(&mut w, 10), left(1, 0));
    assert_parted(&sender);
}

#[test]
fn a_shut_down_ends_what_a_drain_has_not() {
    let mut w = World::new();
    let (handler, sender) = (w.open("bob"), w.open("alice"));
    w.register(&handler, "a", &[]);
    w.send_to_path(&sender, 1, "a");
    handler.request();
    assert_eq!(drain(&mut w, 10), left(2, 1));
    w.shut_down();
    let text = "the server is shutting down; the request may have been executed";
    let answered = error(1, Reason::SESSION_CLOSED, text);
    assert_eq!(sender.received(), [&[answered], &parting()[..]].concat());
    assert_parted(&handler);
    assert_eq!(drain(&mut w, 10), left(0, 0));
    assert_quiet(&[&sender, &handler]);
}

#[test]
fn after_a_deregistration_is_confirmed_no_request_for_it_follows() {
    let mut w = World::new();
    let (old, new, sender) = (w.open("bob"), w.open("carol"), w.open("alice"));
    w.register(&old, "a", &[]);
    w.send_to_path(&sender, 1, "a");
    let (_, conversation, _) = old.request();
    w.register(&new, "a", &[]);
    // Another thread has found the route in this moment.
    let broker = w.broker.clone();
    let guard = broker.routes.guard();
    let path = antiphon_wire::path::Path::parse("a").unwrap();
    let handler = broker.routes.above(path, &guard).next().unwrap().handlers.get(0).clone();
    assert!(handler.is_registered());
    w.deregister(&old, 9, "a");
    assert!(!handler.is_registered());
    assert_eq!(old.received(), [response(9, &Void)]);
    w.respond(&old, conversation, &world());
    w.send_to_path(&sender, 2, "a");
    let (_, conversation, _) = new.request();
    w.respond(&new, conversation, &world());
    assert_eq!(sender.received(), [response(1, &world()), response(2, &world())]);
    assert_quiet(&[&old, &new, &sender]);
}
