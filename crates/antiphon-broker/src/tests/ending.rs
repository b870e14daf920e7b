//! How sessions end, and what becomes of the requests that they sent or had to answer.

use std::sync::Arc;

use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::message::CLOSE_REQUEST_MESSAGE;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::events::ListenerAction;
use antiphon_wire::service::events::PropertiesListener;
use antiphon_wire::service::locks::AcquireLock;
use antiphon_wire::service::locks::LockScope;
use antiphon_wire::service::messaging::Outcome;
use antiphon_wire::service::messaging::SendToSession;
use antiphon_wire::service::messaging::Sent;

use crate::Next;
use crate::Outbox;
use crate::batch::Void;
use crate::draining::Phase;
use crate::tests::world::Client;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::encoded;
use crate::tests::world::error;
use crate::tests::world::hello;
use crate::tests::world::outcome;
use crate::tests::world::request;
use crate::tests::world::response;
use crate::tests::world::world;

fn ended(conversation: u64, handler: &Client) -> Received {
    let text = format!("session {} ended; the request may have been executed", handler.id());
    error(conversation, Reason::NO_SUCH_SESSION, text)
}

#[test]
fn a_handler_that_ends_answers_each_of_its_requests_by_an_error() {
    let mut w = World::new();
    let (sender, other, handler) = (w.open("alice"), w.open("carol"), w.open("bob"));
    w.register(&handler, "a", &[]);
    w.send_to_path(&sender, 1, "a");
    w.send_to_session(&sender, 2, handler.id());
    w.send_to_filter(&sender, 3, "$Principal is 'bob'");
    w.send_to_path(&other, 1, "a");
    w.send_to_path(&sender, 4, "a");
    let held = handler.conversations();
    w.respond(&handler, held[4], &world());
    assert_eq!(sender.received(), [response(3, &Sent::To(1)), response(4, &world())]);

    w.close(&handler, CloseReason::IoException);
    let received = sender.received();
    assert_eq!(received[..2], [ended(1, &handler), ended(2, &handler)]);
    let text = format!("session {} ended; the request may have been executed", handler.id());
    let error = Outcome::Error { reason: Reason::NO_SUCH_SESSION, text: &text };
    let [Received::Request { service: Service::FilterResponse, body, .. }] = &received[2..] else {
        panic!("{received:?}");
    };
    assert_eq!(*body, outcome(handler.id(), error));
    assert_eq!(other.received(), [ended(1, &handler)]);
    w.advance(20_000);
    assert_quiet(&[&sender, &other]);
}

#[test]
fn an_answer_to_a_sender_that_has_gone_is_dropped() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a", &[]);
    w.send_to_path(&sender, 1, "a");
    w.send_to_session(&sender, 2, handler.id());
    w.send_to_filter(&sender, 3, "$Principal is 'bob'");
    let held = handler.conversations();
    w.close(&sender, CloseReason::ClosedByClient);
    assert_eq!(sender.received(), [response(3, &Sent::To(1)), Received::Close(Some(1000))]);
    w.respond(&handler, held[0], &world());
    w.fail(&handler, held[1], Reason::REJECTED_REQUEST, "no");
    w.advance(10_000);
    assert_quiet(&[&sender, &handler]);
}

#[test]
fn nobody_keeps_a_session_that_has_ended() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.send_to_session(&sender, 1, handler.id());
    w.send_to_filter(&sender, 2, "all");
    let action = ListenerAction::Register(vec![]);
    let listen = PropertiesListener { action, conversation: ConversationId(9) };
    let lock = AcquireLock { name: "x", request: 0, scope: LockScope::Session };
    for client in [&sender, &handler] {
        w.ask(client, Service::SessionPropertiesRegistration, 3, &listen);
        w.ask(client, Service::AcquireSessionLock, 4, &lock);
    }
    w.close(&handler, CloseReason::ConnectionLost);
    w.close(&sender, CloseReason::ConnectionLost);
    w.touched();
    for client in [sender, handler] {
        assert_eq!(Arc::strong_count(&client.session), 1);
    }
    let stats = w.broker.stats();
    assert_eq!((stats.sessions, stats.routes), (0, 0));
}

#[test]
fn very_many_handlers_of_a_session_that_has_ended_leave_in_pieces_and_are_asked_nothing() {
    let mut w = World::new();
    let (sender, handler, other) = (w.open("alice"), w.open("bob"), w.open("bob"));
    let paths: Vec<_> = (0..1_000).map(|number| format!("a/{number}")).collect();
    paths.iter().for_each(|path| w.register(&handler, path, &[]));
    w.register(&other, "a", &[]);
    w.close(&handler, CloseReason::ClosedByClient);
    assert!(w.broker.stats().routes > 900, "all were taken out at once");
    for (number, path) in paths.iter().enumerate().step_by(100) {
        // The path above has one that is there.
        w.send_to_path(&sender, number as u64, path);
        assert_eq!(other.conversations().len(), 1);
    }
    assert!(w.broker.has_departed());
    let mut pieces = 1;
    while w.broker.clear(&mut Outbox::default()) {
        pieces += 1;
    }
    assert!(pieces > 10, "{pieces} pieces");
    assert!(!w.broker.has_departed());
    assert_eq!(w.broker.stats().routes, 1);
}

#[test]
fn a_message_that_is_none_ends_its_session_and_answers_its_requests() {
    let garbage: [&[u8]; 9] = [
        b"",
        b"\x01",
        b"\x05\x00",
        b"\x40\x55\x01",
        b"\x80\x55\x01",
        b"\x00",
        b"\x00\x55",
        b"\x07\x05\x02\xff\xff\x01",
        b"\x1c",
    ];
    for bytes in garbage {
        let mut w = World::new();
        let (sender, handler) = (w.open("alice"), w.open("bob"));
        w.register(&handler, "a", &[]);
        w.send_to_path(&sender, 5, "a");
        handler.request();
        assert!(matches!(w.send(&handler, bytes), Next::Closed), "{bytes:?}");
        assert_eq!(handler.received(), [Received::Abort, Received::Close(Some(1002))]);
        assert_eq!(sender.received(), [ended(5, &handler)]);
        w.send_to_path(&sender, 6, "a");
        let unhandled = error(6, Reason::UNHANDLED_MESSAGE, "no handler for path a");
        assert_eq!(sender.received(), [unhandled]);
        assert_quiet(&[&sender, &handler]);
    }
}

#[test]
fn what_follows_the_end_in_the_same_read_is_not_served() {
    let mut w = World::new();
    let (client, handler) = (w.open("alice"), w.open("bob"));
    let ping = request(56, 1, &[]);
    let ask = encoded(&SendToSession { session: handler.id(), path: "p", value: hello() });
    w.send_together(&client, &[ping.clone(), vec![0xff], ping, request(86, 2, &ask)]);
    let parting = [Received::Abort, Received::Close(Some(1002))];
    assert_eq!(client.received(), [&[response(1, &Void)], &parting[..]].concat());
    assert_quiet(&[&client, &handler]);
}

#[test]
fn a_client_that_closes_is_answered_by_a_close_alone() {
    let mut w = World::new();
    let client = w.open("alice");
    assert!(matches!(w.send(&client, CLOSE_REQUEST_MESSAGE), Next::Closed));
    assert_eq!(client.received(), [Received::Close(Some(1000))]);
    w.close(&client, CloseReason::ConnectionLost);
    assert_quiet(&[&client]);
    assert_eq!(w.broker.stats().sessions, 0);
}

#[test]
fn each_reason_has_its_close_code() {
    for (reason, code) in [
        (CloseReason::ConnectionLost, 1000),
        (CloseReason::ClosedByController, 1000),
        (CloseReason::ClientUnresponsive, 1000),
        (CloseReason::Aborted, 1001),
        (CloseReason::InvalidInboundMessage, 1002),
        (CloseReason::MessageQueueLimitReached, 1008),
        (CloseReason::MessageTooLarge, 1009),
        (CloseReason::InternalError, 1011),
    ] {
        let mut w = World::new();
        let client = w.open("alice");
        w.close(&client, reason);
        w.close(&client, CloseReason::InternalError);
        assert_eq!(client.received(), [Received::Abort, Received::Close(Some(code))], "{reason:?}");
    }
}

#[test]
fn a_shut_down_answers_every_request_once_and_then_aborts_every_session() {
    let mut w = World::new();
    let (sender, handler, idle) = (w.open("alice"), w.open("bob"), w.open("carol"));
    w.register(&handler, "a", &[]);
    w.send_to_path(&sender, 1, "a");
    w.send_to_session(&handler, 2, sender.id());
    w.send_to_filter(&sender, 3, "$Principal is 'carol'");
    sender.received();
    handler.received();
    idle.received();
    w.shut_down();

    let text = "the server is shutting down; the request may have been executed";
    let [goodbye, close] = [Received::Abort, Received::Close(Some(1001))];
    let received = sender.received();
    let [first, Received::Request { service: Service::FilterResponse, body, .. }, rest @ ..] =
        &received[..]
    else {
        panic!("{received:?}");
    };
    assert_eq!(*first, error(1, Reason::SESSION_CLOSED, text));
    let closed = Outcome::Error { reason: Reason::SESSION_CLOSED, text };
    assert_eq!(*body, outcome(idle.id(), closed));
    assert_eq!(rest, [goodbye.clone(), close.clone()]);
    let answered = error(2, Reason::SESSION_CLOSED, text);
    assert_eq!(handler.received(), [answered, goodbye.clone(), close.clone()]);
    assert_eq!(idle.received(), [goodbye, close]);
    w.shut_down();
    w.advance(60_000);
    assert_quiet(&[&sender, &handler, &idle]);
    assert_eq!((w.broker.stats().sessions, w.broker.stats().routes), (0, 0));
}

#[test]
fn a_request_that_meets_a_shut_down_is_refused_and_can_be_retried_elsewhere() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a", &[]);
    // As another thread sees it that is in the middle of a batch.
    w.broker.enter(Phase::ShuttingDown);
    w.send_to_path(&sender, 1, "a");
    w.send_to_session(&sender, 2, handler.id());
    w.send_to_filter(&sender, 3, "all");
    let text = "the server is shutting down; the request was not delivered";
    let refused = |conversation| error(conversation, Reason::CLUSTER_ROUTING, text);
    assert_eq!(sender.received(), [refused(1), refused(2), refused(3)]);
    assert_quiet(&[&sender, &handler]);
}
