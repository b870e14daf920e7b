//! What the broker itself refuses: the code, and the text that says what was wrong and where.

use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::SendToFilter;
use antiphon_wire::service::messaging::SendToSession;
use antiphon_wire::value::Value;

use crate::BrokerConfig;
use crate::Limits;
use crate::Refusal;
use crate::batch::Void;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::encoded;
use crate::tests::world::error;
use crate::tests::world::hello;
use crate::tests::world::request;
use crate::tests::world::response;

#[test]
fn a_path_without_a_handler_on_it_or_above_it_is_unhandled() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a/b", &[]);
    for (written, path) in [("a", "a"), ("/a/bc/", "a/bc"), ("b/a/b", "b/a/b"), ("A/B", "A/B")] {
        w.send_to_path(&sender, 5, written);
        let text = format!("no handler for path {path}");
        assert_eq!(sender.received(), [error(5, Reason::UNHANDLED_MESSAGE, text)]);
    }
    assert_quiet(&[&sender, &handler]);
    assert_eq!(w.broker.stats().refused_requests(Refusal::NoHandler), 4);
}

#[test]
fn a_session_that_is_not_there_is_no_such_session() {
    let mut w = World::new();
    let (sender, gone) = (w.open("alice"), w.open("bob"));
    w.close(&gone, CloseReason::ConnectionLost);
    let SessionId { server, client } = sender.id();
    let (unknown, elsewhere) =
        (SessionId { server, client: 999 }, SessionId { server: server + 1, client });
    for id in [gone.id(), unknown, elsewhere] {
        w.send_to_session(&sender, 5, id);
        let text = format!("no session {id}");
        assert_eq!(sender.received(), [error(5, Reason::NO_SUCH_SESSION, text)]);
    }
    assert_quiet(&[&sender]);
}

#[test]
fn whoever_lacks_a_permission_is_told_which_and_where() {
    let mut w = World::new();
    let (handler, client) = (w.open("bob"), w.open_with_roles("alice", &[]));
    w.register(&handler, "Diffusion/a", &[]);
    let denied = |text: &str| [error(5, Reason::ACCESS_DENIED, format!("access denied: {text}"))];

    w.send_to_path(&client, 5, "/Diffusion/a/b");
    let at_path = "SEND_TO_MESSAGE_HANDLER is needed at path Diffusion/a/b";
    assert_eq!(client.received(), denied(at_path));
    w.send_to_session(&client, 5, handler.id());
    assert_eq!(client.received(), denied("SEND_TO_SESSION is needed at path p"));
    w.send_to_filter(&client, 5, "all");
    assert_eq!(client.received(), denied("SEND_TO_SESSION is needed at path p"));
    assert_quiet(&[&client, &handler]);
}

#[test]
fn a_handler_needs_permission_and_one_more_to_see_properties() {
    let mut w = World::new();
    let (client, blind) =
        (w.open_with_roles("a", &[]), w.open_with_roles("b", &["AUTHENTICATION_HANDLER"]));
    let denied = |text: &str| [error(1, Reason::ACCESS_DENIED, format!("access denied: {text}"))];
    w.ask_to_register(&client, "a", &[]);
    assert_eq!(client.received(), denied("REGISTER_HANDLER is needed at path a"));
    w.ask_to_register(&blind, "a", &["$Principal"]);
    assert_eq!(blind.received(), denied("VIEW_SESSION is needed at path a"));
    assert_eq!(w.broker.stats().routes, 0);
    w.register(&blind, "a", &[]);
}

#[test]
fn an_unknown_service_is_unsupported_and_the_session_lives_on() {
    let mut w = World::new();
    let client = w.open("alice");
    // Topics, a service of a later version, and those that only a server asks for.
    for number in [0, 61, 4_000_000_000, 82, 88, 103] {
        w.send(&client, &request(number, 5, b"whatever"));
        let text = format!("service {number} is not supported");
        assert_eq!(client.received(), [error(5, Reason::UNSUPPORTED, text)]);
    }
    w.ask(&client, Service::UserPing, 6, &Void);
    assert_eq!(client.received(), [response(6, &Void)]);
}

#[test]
fn a_body_that_ends_early_is_invalid_data_at_its_field() {
    let mut w = World::new();
    let client = w.open("alice");
    let first_fields = [
        (5, "ChangePrincipal, field principal"),
        (14, "CloseClient, field session"),
        (67, "GetSessionProperties, field session"),
        (81, "PropertiesListener, field action"),
        (85, "SendRequest, field path"),
        (86, "SendToSession, field session"),
        (97, "RegisterHandler, field receiver"),
        (98, "DeregisterHandler, field receiver"),
        (102, "SendToFilter, field conversation"),
        (105, "SetSessionProperties, field session"),
        (106, "SetSessionPropertiesFilter, field filter"),
        (114, "AcquireLock, field name"),
        (115, "CancelAcquireLock, field name"),
        (116, "HeldLock, field name"),
        (119, "RegisterAuthenticator, field receiver"),
        (121, "DeregisterAuthenticator, field receiver"),
        (123, "ChangeRoles, field session"),
        (124, "ChangeRolesFilter, field filter"),
        (162, "CloseClientFilter, field filter"),
        (168, "SessionFetch, field filter"),
        (189, "EventListener, field cluster_aware"),
        (190, "RemoveEventListener, field conversation"),
        (196, "GetSessionLock, field name"),
        (203, "ReAuthenticate, field principal"),
    ];
    for (service, field) in first_fields {
        w.send(&client, &request(service, 5, &[]));
        let text = format!("{field}: the message ends inside it");
        assert_eq!(client.received(), [error(5, Reason::INVALID_DATA, text)], "{service}");
    }
    for service in [55, 56, 197, 202] {
        w.send(&client, &request(service, 5, &[0]));
        let text = "this service has no request body";
        assert_eq!(client.received(), [error(5, Reason::INVALID_DATA, text)], "{service}");
    }
}

#[test]
fn a_malformed_body_is_invalid_data_that_says_what_is_wrong() {
    let mut w = World::new();
    let client = w.open("alice");
    let mut too_long = encoded(&SendRequest { path: "a", value: hello() });
    too_long.push(0);
    let cases: [(u32, &[u8], &str); 5] = [
        (85, &[1, 0xff], "SendRequest, field path: the text is not UTF-8"),
        (85, b"\x01a\x06str", "Value, field type_name: the message ends inside it"),
        (85, &too_long, "message, field end: 1 bytes follow the end of the message"),
        (97, &[85], "RegisterHandler, field receiver: the number 85 has no meaning"),
        (
            97,
            b"\x58\x00\x01a\x20",
            "RegisterHandler, field keys: the count 32 exceeds what the message can hold",
        ),
    ];
    for (service, body, text) in cases {
        w.send(&client, &request(service, 5, body));
        assert_eq!(client.received(), [error(5, Reason::INVALID_DATA, text)]);
    }
}

#[test]
fn an_illegal_path_is_shown_with_the_rule_that_it_breaks() {
    let mut w = World::new();
    let client = w.open("alice");
    let (long, deep) = ("é".repeat(513), ["s"; 65].join("/"));
    let cases = [
        ("", r#""": a path has at least one segment"#.to_owned()),
        ("//", r#""//": a path has at least one segment"#.to_owned()),
        ("a//b", r#""a//b": a path has no empty segment"#.to_owned()),
        (&long, format!("{:?}: a path has at most 1024 bytes, not 1026", "é".repeat(200))),
        (&deep, format!("{deep:?}: a path has at most 64 segments, not 65")),
    ];
    for (path, text) in cases {
        let refusal = error(1, Reason::INVALID_PATH, format!("invalid path {text}"));
        w.ask_to_register(&client, path, &[]);
        w.deregister(&client, 1, path);
        w.send_to_path(&client, 1, path);
        let to = SendToSession { session: client.id(), path, value: hello() };
        w.ask(&client, Service::MessagingReceiverServer, 1, &to);
        let (conversation, filter) = (ConversationId(9), "all");
        let to = SendToFilter { conversation, filter, path, value: hello() };
        w.ask(&client, Service::MessagingFilterSend, 1, &to);
        assert_eq!(client.received(), [(); 5].map(|()| refusal.clone()), "{path}");
    }
    assert_quiet(&[&client]);
}

#[test]
fn a_value_that_does_not_fit_its_type_reaches_nobody() {
    let mut w = World::new();
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a", &[]);
    let cases: [(&str, &[u8], &str); 4] = [
        ("text", b"\x61a", "unknown data type"),
        ("string", b"\x01", "the bytes are not of type string"),
        ("double", b"\x01", "the bytes are not of type double"),
        ("json", b"\x01\x01", "the bytes of the json value are not one CBOR item"),
    ];
    for (type_name, bytes, text) in cases {
        let value = Value { type_name, bytes };
        let refusal = error(5, Reason::INVALID_DATA, text);
        let (path, session) = ("a", handler.id());
        w.ask(&sender, Service::MessagingSend, 5, &SendRequest { path, value: value.clone() });
        let to = SendToSession { session, path, value: value.clone() };
        w.ask(&sender, Service::MessagingReceiverServer, 5, &to);
        let (conversation, filter) = (ConversationId(9), "all");
        let to = SendToFilter { conversation, filter, path, value };
        w.ask(&sender, Service::MessagingFilterSend, 5, &to);
        assert_eq!(sender.received(), [refusal.clone(), refusal.clone(), refusal]);
    }
    assert_quiet(&[&sender, &handler]);
}

#[test]
fn a_session_has_one_handler_on_a_path() {
    let mut w = World::new();
    let (one, other) = (w.open("alice"), w.open("bob"));
    w.register(&one, "a/b", &[]);
    w.ask_to_register(&one, "/a/b/", &[]);
    let text = "the session already has a handler on this path: a/b";
    assert_eq!(one.received(), [error(1, Reason::HANDLER_CONFLICT, text)]);
    w.register(&other, "a/b", &[]);
    w.register(&one, "a", &[]);
    w.register(&one, "a/b/c", &[]);
}

#[test]
fn a_handler_beyond_the_limit_of_its_session_is_not_registered() {
    let limits = Limits { handlers_per_session: 1, ..Limits::default() };
    let mut w = World::with(BrokerConfig { limits, ..BrokerConfig::default() });
    let (sender, handler) = (w.open("alice"), w.open("bob"));
    w.register(&handler, "a", &[]);
    w.ask_to_register(&handler, "b", &[]);
    let text = "overloaded: the session has too many handlers";
    assert_eq!(handler.received(), [error(1, Reason::REJECTED_REQUEST, text)]);
    w.send_to_path(&sender, 5, "b");
    let text = "no handler for path b";
    assert_eq!(sender.received(), [error(5, Reason::UNHANDLED_MESSAGE, text)]);

    w.deregister(&handler, 2, "a");
    assert_eq!(handler.received(), [response(2, &Void)]);
    w.register(&handler, "b", &[]);
}

#[test]
fn too_many_property_keys_are_invalid_data() {
    let mut w = World::new();
    let handler = w.open("bob");
    let keys: Vec<String> = (0..257).map(|number| format!("key{number}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    w.ask_to_register(&handler, "a", &keys);
    let text = "more than 256 different property keys asked for";
    assert_eq!(handler.received(), [error(1, Reason::INVALID_DATA, text)]);
    assert_eq!(w.broker.stats().routes, 0);
    w.register(&handler, "a", &keys[..256]);
}
