//! Requests and what handlers answer: relayed once, to the sender, unchanged unless they are malformed.

use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::HandlerRequest;
use antiphon_wire::service::messaging::Outcome;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::Sent;
use antiphon_wire::value::Value;

use crate::End;
use crate::Kind;
use crate::Refusal;
use crate::tests::world::Client;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::decoded;
use crate::tests::world::encoded;
use crate::tests::world::error;
use crate::tests::world::hello;
use crate::tests::world::outcome;
use crate::tests::world::response;
use crate::tests::world::world;

/// A sender, and a handler on the path `a`.
fn pair(w: &mut World) -> (Client, Client) {
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a", &[]);
    (sender, handler)
}

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
    assert_eq!(sender.received(), [response(5, &world())]);
    assert_quiet(&[&sender, &handler]);
}

#[test]
fn a_request_to_a_session_reaches_it_without_a_handler() {
    let mut w = World::new();
    let (sender, recipient, other) = (w.open("alice"), w.open("bob"), w.open("bob"));
    w.send_to_session(&sender, 5, recipient.id());
    let (service, conversation, body) = recipient.request();
    assert_eq!(service, Service::MessagingSend);
    assert_eq!(decoded::<SendRequest<'_>>(&body), SendRequest { path: "p", value: hello() });
    w.respond(&recipient, conversation, &world());
    assert_eq!(sender.received(), [response(5, &world())]);
    assert_quiet(&[&sender, &recipient, &other]);
}

#[test]
fn every_type_of_value_is_carried_both_ways_unchanged() {
    let mut w = World::new();
    let (sender, handler) = pair(&mut w);
    let values: [(&str, &[u8]); 8] = [
        ("string", b"\xf6"),
        ("string", b"\x62\xc3\xa9"),
        ("json", b"\xa1\x61a\x82\x01\xf5"),
        ("binary", b""),
        ("binary", b"\x00\xff"),
        ("int64", b"\x1b\x7f\xff\xff\xff\xff\xff\xff\xff"),
        ("double", b"\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00"),
        ("record_v2", b"a\x02b\x01"),
    ];
    for (type_name, bytes) in values {
        let value = Value { type_name, bytes };
        let body = SendRequest { path: "a", value: value.clone() };
        w.ask(&sender, Service::MessagingSend, 5, &body);
        let (_, conversation, body) = handler.request();
        assert_eq!(decoded::<HandlerRequest<'_>>(&body).value, value);
        w.respond(&handler, conversation, &value);
        assert_eq!(sender.received(), [response(5, &value)]);
    }
    assert_quiet(&[&sender, &handler]);
}

#[test]
fn answers_in_any_order_find_their_requests() {
    let mut w = World::new();
    let (sender, handler) = pair(&mut w);
    for conversation in 1..=4 {
        w.send_to_path(&sender, conversation, "a");
    }
    let held = handler.conversations();
    for at in [2, 0, 3, 1] {
        let bytes = [0x61, b'0' + at];
        let value = Value { type_name: "string", bytes: &bytes };
        w.respond(&handler, held[usize::from(at)], &value);
        assert_eq!(sender.received(), [response(u64::from(at) + 1, &value)]);
    }
    assert_quiet(&[&sender, &handler]);
}

#[test]
fn an_error_of_a_handler_is_relayed_verbatim() {
    let mut w = World::new();
    let (sender, handler) = pair(&mut w);
    let errors = [
        (Reason::CALLBACK_EXCEPTION, "failed\n  at line 1"),
        (Reason::INCOMPATIBLE_DATATYPE, ""),
        (Reason::REJECTED_REQUEST, "no, thank you"),
        (Reason::UNHANDLED_MESSAGE, "no stream"),
        (Reason(0), "é"),
        (Reason(4711), "own code"),
        (Reason(u32::MAX), "largest"),
        (Reason::COMMUNICATION_FAILURE, "the Unknown client service is not at the start"),
    ];
    for (reason, text) in errors {
        w.send_to_path(&sender, 5, "a");
        let (_, conversation, _) = handler.request();
        w.fail(&handler, conversation, reason, text);
        assert_eq!(sender.received(), [error(5, reason, text)]);

        w.send_to_filter(&sender, 6, "$Principal is 'bob'");
        let (_, conversation, _) = handler.request();
        assert_eq!(sender.received(), [response(6, &Sent::To(1))]);
        w.fail(&handler, conversation, reason, text);
        let expected = outcome(handler.id(), Outcome::Error { reason, text });
        assert_eq!(sender.bodies(Service::FilterResponse), [expected]);
    }
    assert_eq!(w.broker.stats().ledger.ended(End::HandlerError), 16);
    assert_quiet(&[&sender, &handler]);
}

#[test]
fn a_client_that_does_not_know_the_service_yet_does_not_handle_the_message() {
    let mut w = World::new();
    let (sender, handler) = pair(&mut w);
    let text = "Unknown client service: 88";
    w.send_to_path(&sender, 5, "a");
    let (_, conversation, _) = handler.request();
    w.fail(&handler, conversation, Reason::COMMUNICATION_FAILURE, text);
    assert_eq!(sender.received(), [error(5, Reason::UNHANDLED_MESSAGE, text)]);

    w.send_to_filter(&sender, 6, "$Principal is 'bob'");
    let (_, conversation, _) = handler.request();
    sender.received();
    w.fail(&handler, conversation, Reason::COMMUNICATION_FAILURE, text);
    let unhandled = Outcome::Error { reason: Reason::UNHANDLED_MESSAGE, text };
    assert_eq!(sender.bodies(Service::FilterResponse), [outcome(handler.id(), unhandled)]);
    assert_quiet(&[&sender, &handler]);
}

#[test]
fn the_first_answer_wins_and_later_ones_are_dropped() {
    let mut w = World::new();
    let (sender, handler) = pair(&mut w);
    w.send_to_path(&sender, 5, "a");
    let (_, conversation, _) = handler.request();
    w.fail(&handler, conversation, Reason::UNHANDLED_MESSAGE, "no stream");
    w.fail(&handler, conversation, Reason::CALLBACK_EXCEPTION, "failed");
    w.respond(&handler, conversation, &world());
    assert_eq!(sender.received(), [error(5, Reason::UNHANDLED_MESSAGE, "no stream")]);
    assert_eq!(w.broker.stats().stray_answers, 2);
    // The place of the old request is taken by a new one, which the old name does not answer.
    w.send_to_path(&sender, 6, "a");
    let (_, next, _) = handler.request();
    w.respond(&handler, conversation, &world());
    assert_eq!(sender.received(), []);
    w.respond(&handler, next, &world());
    assert_eq!(sender.received(), [response(6, &world())]);
    assert_quiet(&[&sender, &handler]);
}

#[test]
fn another_session_cannot_answer_for_the_handler() {
    let mut w = World::new();
    let (sender, handler) = pair(&mut w);
    let forger = w.open("mallory");
    w.send_to_path(&sender, 5, "a");
    let (_, conversation, _) = handler.request();
    w.respond(&forger, conversation, &world());
    w.fail(&sender, conversation, Reason::REJECTED_REQUEST, "by the sender itself");
    assert_eq!(sender.received(), []);
    w.respond(&handler, conversation, &world());
    assert_eq!(sender.received(), [response(5, &world())]);
    assert_quiet(&[&sender, &handler, &forger]);
}

#[test]
fn a_malformed_response_is_invalid_data_at_the_sender() {
    let mut w = World::new();
    let (sender, handler) = pair(&mut w);
    let cases: [(&[u8], &str); 5] = [
        (b"", "Value, field type_name: the message ends inside it"),
        (b"\x06string\x05ab", "Value, field bytes: the message ends inside it"),
        (b"\x06string\x01\x60!", "message, field end: 1 bytes follow the end of the message"),
        (b"\x03str\x01\x60", "unknown data type"),
        (b"\x06string\x01\x01", "the bytes are not of type string"),
    ];
    for (body, wrong) in cases {
        w.send_to_path(&sender, 5, "a");
        let (_, conversation, _) = handler.request();
        w.send(&handler, &[b"\x06", &encoded(&conversation)[..], body].concat());
        let text = format!("session {} sent a malformed response: {wrong}", handler.id());
        assert_eq!(sender.received(), [error(5, Reason::INVALID_DATA, text)]);
    }
    // What an old Python client says when it has no handler: the request as it came.
    w.send_to_path(&sender, 5, "a");
    let (_, conversation, _) = handler.request();
    w.respond(&handler, conversation, &SendRequest { path: "a", value: hello() });
    let wrong = "message, field end: 7 bytes follow the end of the message";
    let text = format!("session {} sent a malformed response: {wrong}", handler.id());
    assert_eq!(sender.received(), [error(5, Reason::INVALID_DATA, text)]);
    assert_eq!(w.broker.stats().ledger.ended(End::Responded), 0);
    assert_quiet(&[&sender, &handler]);
}

#[test]
fn what_happened_is_counted() {
    let mut w = World::new();
    let (sender, handler) = pair(&mut w);
    w.send_to_path(&sender, 1, "a");
    w.send_to_path(&sender, 2, "a");
    w.send_to_path(&sender, 3, "a");
    w.send_to_path(&sender, 4, "nobody");
    w.send_to_filter(&sender, 5, "all");
    let held = handler.conversations();
    w.respond(&handler, held[0], &world());
    w.fail(&handler, held[1], Reason::REJECTED_REQUEST, "no");
    w.respond(&handler, held[1], &world());
    w.advance(60_000);
    let stats = w.broker.stats();
    assert_eq!((stats.sessions, stats.routes), (2, 1));
    let ended = |end| stats.ledger.ended(end);
    let accepted =
        [Kind::Path, Kind::Session, Kind::Filter].map(|kind| stats.ledger.accepted(kind));
    assert_eq!(accepted, [3, 0, 2]);
    assert_eq!((ended(End::Responded), ended(End::HandlerError), ended(End::TimedOut)), (1, 1, 3));
    assert_eq!((stats.refused_requests(Refusal::NoHandler), stats.stray_answers), (1, 1));
}
