//! Which properties of a sender its request brings to a handler, and which clients are spared them.

use antiphon_wire::service::Properties;
use antiphon_wire::service::Service;
use antiphon_wire::service::control::SetSessionProperties;
use antiphon_wire::service::messaging::HandlerRequest;

use crate::tests::world::Client;
use crate::tests::world::EVERYTHING;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::decoded;
use crate::tests::world::response;
use crate::tests::world::world;

/// A sender that proposed `Department` and `Site`.
fn sender(w: &mut World) -> Client {
    let query = "ty=PY&v=22&sp=%22Site%22%2C%22London%22%2C%22Department%22%2C%22Sales%22";
    let sender = w.open_as(query, "alice", &["B", "A"]);
    assert_eq!(sender.received(), [Received::Welcome]);
    sender
}

/// Registers with these keys, sends a request and hands its properties to `check`.
fn delivered(keys: &[&str], check: impl Fn(&Client, &Properties<'_>)) {
    let mut w = World::new();
    let (sender, handler) = (sender(&mut w), w.open("bob"));
    w.register(&handler, "a", keys);
    w.send_to_path(&sender, 5, "a");
    let (_, conversation, body) = handler.request();
    check(&sender, &decoded::<HandlerRequest<'_>>(&body).properties);
    w.respond(&handler, conversation, &world());
    assert_eq!(sender.received(), [response(5, &world())]);
}

#[test]
fn no_keys_bring_no_properties() {
    delivered(&[], |_, properties| assert_eq!(*properties, []));
}

#[test]
fn named_keys_bring_the_properties_that_the_sender_has() {
    let keys = ["Site", "$Principal", "Nothing", "$Nothing", "site", "Site"];
    delivered(&keys, |_, properties| {
        assert_eq!(*properties, [("$Principal", "alice"), ("Site", "London")]);
    });
}

#[test]
fn a_star_and_u_bring_all_user_properties() {
    delivered(&["*U", "$Roles"], |_, properties| {
        let roles = ("$Roles", r#""A","B","CLIENT""#);
        assert_eq!(*properties, [roles, ("Department", "Sales"), ("Site", "London")]);
    });
}

#[test]
fn a_star_and_f_bring_all_fixed_properties() {
    delivered(&["*F", "Site"], |sender, properties| {
        let id = sender.id().to_string();
        let expected = [
            ("$ClientIP", "127.0.0.1"),
            ("$ClientType", "PYTHON"),
            ("$Connector", "test"),
            ("$Country", ""),
            ("$Environment", "UNKNOWN"),
            ("$Language", ""),
            ("$Latitude", "NaN"),
            ("$Longitude", "NaN"),
            ("$Principal", "alice"),
            ("$Roles", r#""A","B","CLIENT""#),
            ("$ServerName", "antiphon"),
            ("$SessionId", &id),
            ("$StartTime", "1700000001000"),
            ("$Transport", "WEBSOCKET"),
            ("Site", "London"),
        ];
        assert_eq!(*properties, expected);
    });
}

#[test]
fn both_stars_bring_everything_once() {
    delivered(&["*U", "*F", "Site", "$Principal"], |_, properties| {
        assert_eq!(properties.len(), 16);
        assert!(properties.is_sorted_by(|one, other| one.0 < other.0));
    });
}

/// Python before protocol 25 misreads any property and then never answers.
#[test]
fn old_python_handlers_get_an_empty_map_and_all_others_the_properties() {
    for (client, reads) in [
        ("ty=PY&v=19", false),
        ("ty=PY&v=20", false),
        ("ty=PY&v=21", false),
        ("ty=PY&v=22", false),
        ("ty=PY&v=23", false),
        ("ty=PY&v=24", false),
        ("ty=PY&v=25", true),
        ("ty=PY&v=29", true),
        ("ty=WB&v=19", true),
        ("ty=WB&v=29", true),
        ("ty=WJ&v=22", true),
        ("ty=&v=24", true),
    ] {
        let mut w = World::new();
        let (sender, handler) = (w.open("alice"), w.open_as(client, "bob", EVERYTHING));
        assert_eq!(handler.received(), [Received::Welcome]);
        w.register(&handler, "a", &["*F", "*U"]);
        w.send_to_path(&sender, 5, "a");
        let (_, _, body) = handler.request();
        let properties = decoded::<HandlerRequest<'_>>(&body).properties;
        assert_eq!(properties.len(), if reads { 14 } else { 0 }, "{client}");
    }
}

#[test]
fn a_handler_is_told_the_properties_that_the_sender_has_at_the_time() {
    let mut w = World::new();
    let (sender, handler) = (sender(&mut w), w.open("bob"));
    w.register(&handler, "a", &["*U"]);
    let change = SetSessionProperties {
        session: sender.id(),
        set: Some(vec![("Site", "Paris")]),
        remove: Some(vec!["Department"]),
    };
    w.ask(&handler, Service::SetSessionProperties, 2, &change);
    handler.received();
    w.send_to_path(&sender, 5, "a");
    let (_, _, body) = handler.request();
    assert_eq!(decoded::<HandlerRequest<'_>>(&body).properties, [("Site", "Paris")]);
}
