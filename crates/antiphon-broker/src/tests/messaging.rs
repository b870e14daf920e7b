//! Requests and their outcomes: each row of the outcome table, from both ends.

use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::messaging::FilterResponse;
use antiphon_wire::service::messaging::HandlerRequest;
use antiphon_wire::service::messaging::Outcome;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::Sent;
use antiphon_wire::value::Value;

use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::decoded;
use crate::tests::world::encoded;
use crate::tests::world::hello;
use crate::tests::world::world;

#[test]
fn a_request_to_a_path_reaches_its_handler_and_the_response_its_sender() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a/b", &["$Principal"]);

    w.send_to_path(&sender, 5, "/a/b/c/");
    let (service, conversation, body) = handler.request();
    assert_eq!(service, Service::MessagingReceiverClient);
    let expected = HandlerRequest {
        registration: ConversationId(7),
        sender: sender.id(),
        path: "/a/b/c/",
        properties: vec![("$Principal", "alice")],
        value: hello(),
    };
    assert_eq!(decoded::<HandlerRequest<'_>>(&body), expected);

    w.respond(&handler, conversation, &world());
    assert_eq!(
        sender.received(),
        [Received::Response { conversation: 5, body: encoded(&world()) }]
    );
    assert_eq!(handler.received(), []);
}

#[test]
fn the_first_answer_wins_and_later_ones_are_dropped() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a", &[]);
    w.send_to_path(&sender, 5, "a");
    let (_, conversation, _) = handler.request();
    w.fail(&handler, conversation, Reason::UNHANDLED_MESSAGE, "no stream");
    w.fail(&handler, conversation, Reason::CALLBACK_EXCEPTION, "failed");
    w.respond(&handler, conversation, &world());
    let first = Received::Error {
        conversation: 5,
        reason: Reason::UNHANDLED_MESSAGE,
        text: "no stream".into(),
    };
    assert_eq!(sender.received(), [first]);
    assert_eq!(w.broker.stats().stray_answers, 2);
}

#[test]
fn another_session_cannot_answer_for_the_handler() {
    let mut w = World::new();
    let (sender, handler, forger) = (w.open("alice"), w.open("bob"), w.open("mallory"));
    w.register(&handler, "a", &[]);
    w.send_to_path(&sender, 5, "a");
    let (_, conversation, _) = handler.request();
    w.respond(&forger, conversation, &world());
    assert_eq!(sender.received(), []);
    w.respond(&handler, conversation, &world());
    assert_eq!(sender.received().len(), 1);
}

#[test]
fn an_unanswered_request_times_out_once() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a", &[]);
    w.send_to_path(&sender, 5, "a");
    let (_, conversation, _) = handler.request();
    w.advance(9_999);
    assert_eq!(sender.received(), []);
    w.advance(1);
    let text = "no response within 10s; the request may have been executed";
    let timeout =
        Received::Error { conversation: 5, reason: Reason::REQUEST_TIME_OUT, text: text.into() };
    assert_eq!(sender.received(), [timeout]);
    w.respond(&handler, conversation, &world());
    w.advance(60_000);
    assert!(!sender.received().iter().any(|message| matches!(message, Received::Response { .. })));
}

#[test]
fn a_filter_request_tells_the_count_first_and_then_one_outcome_for_each_match() {
    let mut w = World::new();
    let (sender, one, two, other) =
        (w.open("alice"), w.open("bob"), w.open("bob"), w.open("carol"));
    w.send_to_filter(&sender, 5, "$Principal is 'bob'");
    assert_eq!(
        sender.received(),
        [Received::Response { conversation: 5, body: encoded(&Sent::To(2)) }]
    );
    assert_eq!(other.received(), []);
    let (service, conversation, body) = one.request();
    assert_eq!(service, Service::MessagingSend);
    assert_eq!(decoded::<SendRequest<'_>>(&body), SendRequest { path: "p", value: hello() });
    w.respond(&one, conversation, &world());
    w.close(&two, CloseReason::ConnectionLost);

    let outcomes = sender.received();
    let bodies = outcomes.iter().map(|message| match message {
        Received::Request { service: Service::FilterResponse, body, .. } => {
            decoded::<FilterResponse<'_>>(body)
        }
        other => panic!("{other:?}"),
    });
    let bodies: Vec<_> = bodies.collect();
    let text = format!("session {} ended; the request may have been executed", two.id());
    let conversation = ConversationId(99);
    let ended = Outcome::Error { reason: Reason::NO_SUCH_SESSION, text: &text };
    assert_eq!(
        bodies,
        [
            FilterResponse { conversation, session: one.id(), outcome: Outcome::Response(world()) },
            FilterResponse { conversation, session: two.id(), outcome: ended },
        ]
    );
}

#[test]
fn an_echo_of_the_request_is_not_relayed_as_a_response() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.send_to_session(&sender, 5, handler.id());
    let (_, conversation, _) = handler.request();
    w.respond(&handler, conversation, &SendRequest { path: "p", value: hello() });
    let [Received::Error { conversation: 5, reason: Reason::INVALID_DATA, text }] =
        &sender.received()[..]
    else {
        panic!("an error was expected");
    };
    assert!(text.contains("malformed response"), "{text}");
}

#[test]
fn a_value_that_is_not_whole_reaches_no_handler() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a", &[]);
    let value = Value { type_name: "string", bytes: b"\x65hell" };
    w.ask(&sender, Service::MessagingSend, 5, &SendRequest { path: "a", value });
    assert!(matches!(
        sender.received()[..],
        [Received::Error { conversation: 5, reason: Reason::INVALID_DATA, .. }]
    ));
    assert_eq!(handler.received(), []);
}
