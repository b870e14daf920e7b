//! Closing sessions, and changing their properties and roles: one by id, or all that match a filter.

use antiphon_wire::error::Reason;
use antiphon_wire::ids::SessionId;
use antiphon_wire::service::CountOrErrors;
use antiphon_wire::service::ErrorReport;
use antiphon_wire::service::Properties;
use antiphon_wire::service::Service;
use antiphon_wire::service::control::ChangeRoles;
use antiphon_wire::service::control::ChangeRolesFilter;
use antiphon_wire::service::control::CloseClient;
use antiphon_wire::service::control::CloseClientFilter;
use antiphon_wire::service::control::GetSessionProperties;
use antiphon_wire::service::control::PropertiesChanged;
use antiphon_wire::service::control::SetSessionProperties;
use antiphon_wire::service::control::SetSessionPropertiesFilter;

use crate::Next;
use crate::batch::Void;
use crate::filter::Filter;
use crate::tests::world::Client;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::encoded;
use crate::tests::world::error;
use crate::tests::world::request;
use crate::tests::world::response;

const PARTING: [Received; 2] = [Received::Abort, Received::Close(Some(1000))];

fn count(conversation: u64, count: u32) -> Received {
    response(conversation, &CountOrErrors { count, errors: vec![] })
}

/// Reads properties of a session as another one sees them.
fn properties(w: &mut World, asker: &Client, of: SessionId, keys: &[&str]) -> Received {
    let body = GetSessionProperties { session: of, keys: keys.to_vec() };
    w.ask(asker, Service::GetSessionProperties, 3, &body);
    let mut received = asker.received();
    assert_eq!(received.len(), 1);
    received.remove(0)
}

fn set<'a>(
    session: SessionId,
    set: &[(&'a str, &'a str)],
    remove: &[&'a str],
) -> SetSessionProperties<'a> {
    let (set, remove) = (Some(set.to_vec()), Some(remove.to_vec()));
    SetSessionProperties { session, set, remove }
}

#[test]
fn a_session_is_closed_by_another() {
    let mut w = World::new();
    let (controller, victim) = (w.open("alice"), w.open("bob"));
    w.ask(&controller, Service::CloseClient, 5, &CloseClient { session: victim.id() });
    assert_eq!(controller.received(), [response(5, &Void)]);
    assert_eq!(victim.received(), PARTING);
    w.ask(&controller, Service::CloseClient, 6, &CloseClient { session: victim.id() });
    let text = format!("no session {}", victim.id());
    assert_eq!(controller.received(), [error(6, Reason::NO_SUCH_SESSION, text)]);
    assert_quiet(&[&controller, &victim]);
}

#[test]
fn a_session_that_closes_itself_is_answered_first() {
    let mut w = World::new();
    let client = w.open("alice");
    let message = request(14, 5, &encoded(&CloseClient { session: client.id() }));
    assert!(matches!(w.send(&client, &message), Next::Closed));
    assert_eq!(client.received(), [&[response(5, &Void)], &PARTING[..]].concat());
    assert_quiet(&[&client]);
}

#[test]
fn the_sessions_that_match_are_closed_and_counted_the_asker_among_them() {
    let mut w = World::new();
    let clients = [w.open("bob"), w.open("alice"), w.open("bob"), w.open("bob")];
    let close = |filter| CloseClientFilter { filter };
    w.ask(&clients[1], Service::CloseClientFilter, 5, &close("$Principal is 'bob'"));
    assert_eq!(clients[1].received(), [count(5, 3)]);
    for victim in [&clients[0], &clients[2], &clients[3]] {
        assert_eq!(victim.received(), PARTING);
    }
    w.ask(&clients[1], Service::CloseClientFilter, 6, &close("$Principal is 'bob'"));
    assert_eq!(clients[1].received(), [count(6, 0)]);
    w.ask(&clients[1], Service::CloseClientFilter, 7, &close("all"));
    assert_eq!(clients[1].received(), [&[count(7, 1)], &PARTING[..]].concat());
    assert_eq!(w.broker.stats().sessions, 0);
}

#[test]
fn properties_of_another_session_are_read_by_key() {
    let mut w = World::new();
    let (asker, other) = (w.open("alice"), w.open("bob"));
    w.ask(&asker, Service::SetSessionProperties, 5, &set(other.id(), &[("b", "2")], &[]));
    asker.received();
    let some = |properties: Properties<'static>| response(3, &Some(properties));
    let named = properties(&mut w, &asker, other.id(), &["b", "$Principal", "none"]);
    assert_eq!(named, some(vec![("$Principal", "bob"), ("b", "2")]));
    assert_eq!(properties(&mut w, &asker, other.id(), &["*U"]), some(vec![("b", "2")]));
    assert_eq!(properties(&mut w, &asker, other.id(), &[]), some(vec![]));
    let unknown = SessionId { server: 1, client: 999 };
    assert_eq!(
        properties(&mut w, &asker, unknown, &["*U"]),
        Received::Response { conversation: 3, body: vec![0] }
    );
    assert_quiet(&[&other]);
}

#[test]
fn own_properties_are_the_fixed_ones_without_the_roles() {
    let mut w = World::new();
    let client = w.open_as("ty=WB&v=29&sp=%22a%22%2C%221%22", "alice", &[]);
    client.received();
    w.ask(&client, Service::GetOwnSessionProperties, 5, &Void);
    let id = client.id().to_string();
    let own: Properties<'_> = vec![
        ("$ClientIP", "127.0.0.1"),
        ("$ClientType", "JAVASCRIPT_BROWSER"),
        ("$Connector", "test"),
        ("$Country", ""),
        ("$Environment", "UNKNOWN"),
        ("$Language", ""),
        ("$Latitude", "NaN"),
        ("$Longitude", "NaN"),
        ("$Principal", "alice"),
        ("$ServerName", "antiphon"),
        ("$SessionId", &id),
        ("$StartTime", "1700000001000"),
        ("$Transport", "WEBSOCKET"),
    ];
    assert_eq!(client.received(), [response(5, &Some(own))]);
}

#[test]
fn setting_properties_tells_the_previous_values_and_what_is_new() {
    let mut w = World::new();
    let (asker, other) = (w.open("alice"), w.open("bob"));
    let changed = |previous: &[(&'static str, &'static str)], created: &[&'static str]| {
        let previous = Some(previous.to_vec()).filter(|previous| !previous.is_empty());
        let created = Some(created.to_vec()).filter(|created| !created.is_empty());
        response(5, &PropertiesChanged { previous, created })
    };
    let id = other.id();
    let steps: [(_, &[&str], _); 5] = [
        (
            vec![("a", "1"), ("b", "2"), ("$Country", "fr")],
            &[],
            changed(&[("$Country", "")], &["a", "b"]),
        ),
        (vec![("a", "one"), ("b", "2")], &["none"], changed(&[("a", "1")], &[])),
        (vec![("c", "3")], &["a"], changed(&[("a", "one")], &["c"])),
        (vec![], &["none", "$Principal"], changed(&[], &[])),
        (vec![("$Principal", "eve"), ("$SessionId", "1")], &["$Roles"], changed(&[], &[])),
    ];
    for (values, remove, expected) in steps {
        w.ask(&asker, Service::SetSessionProperties, 5, &set(id, &values, remove));
        assert_eq!(asker.received(), [expected]);
    }
    let keys = ["*U", "$Country", "$Principal"];
    let after = vec![("$Country", "FR"), ("$Principal", "bob"), ("b", "2"), ("c", "3")];
    assert_eq!(properties(&mut w, &asker, id, &keys), response(3, &Some(after)));
    assert_quiet(&[&other]);
}

#[test]
fn illegal_properties_change_nothing() {
    let mut w = World::new();
    let (asker, other) = (w.open("alice"), w.open("bob"));
    let (long_key, long_value) = ("k".repeat(129), "v".repeat(4097));
    let id = other.id();
    let cases = [
        (("a b", "1"), r#"property key "a b" is empty or has a blank, line break, quote, parenthesis or comma"#.to_owned()),
        (("", "1"), r#"property key "" is empty or has a blank, line break, quote, parenthesis or comma"#.to_owned()),
        ((&*long_key, "1"), format!("property key {:?}... is longer than 128 bytes", &long_key[1..])),
        (("c", &*long_value), r#"value of property "c" is longer than 4096 bytes"#.to_owned()),
    ];
    for (illegal, text) in cases {
        let change = set(id, &[("a", "1"), illegal], &[]);
        w.ask(&asker, Service::SetSessionProperties, 5, &change);
        let SetSessionProperties { set, remove, .. } = change;
        let change = SetSessionPropertiesFilter { filter: "all", set, remove };
        w.ask(&asker, Service::SetSessionPropertiesFilter, 5, &change);
        let refusal = error(5, Reason::INVALID_DATA, text);
        assert_eq!(asker.received(), [refusal.clone(), refusal]);
    }
    let none: Properties<'_> = vec![];
    assert_eq!(properties(&mut w, &asker, id, &["*U"]), response(3, &Some(none)));
    let gone = SessionId { server: 1, client: 999 };
    w.ask(&asker, Service::SetSessionProperties, 5, &set(gone, &[("a", "1")], &[]));
    let text = "no session 0000000000000001-00000000000003e7";
    assert_eq!(asker.received(), [error(5, Reason::NO_SUCH_SESSION, text)]);
}

#[test]
fn the_sessions_that_match_are_changed_and_counted() {
    let mut w = World::new();
    let (asker, one, two) = (w.open("alice"), w.open("bob"), w.open("bob"));
    let set = |filter, value| {
        let set = Some(vec![("a", value)]);
        SetSessionPropertiesFilter { filter, set, remove: None }
    };
    let service = Service::SetSessionPropertiesFilter;
    w.ask(&asker, service, 5, &set("$Principal is 'bob'", "1"));
    assert_eq!(asker.received(), [count(5, 2)]);
    // The index follows.
    w.ask(&asker, service, 5, &set("a is '1' or $Principal is 'alice'", "2"));
    assert_eq!(asker.received(), [count(5, 3)]);
    w.ask(&asker, service, 5, &set("a is '1'", "3"));
    assert_eq!(asker.received(), [count(5, 0)]);
    assert!(w.broker.registry.read().is_consistent());
    for client in [&asker, &one, &two] {
        let values = properties(&mut w, &asker, client.id(), &["a"]);
        assert_eq!(values, response(3, &Some(vec![("a", "2")])));
    }
    assert_quiet(&[&one, &two]);
}

#[test]
fn a_session_that_would_have_too_many_properties_stays_as_it_is_and_is_not_counted() {
    let mut w = World::new();
    let (asker, full, other) = (w.open("alice"), w.open("bob"), w.open("bob"));
    let keys: Vec<String> = (0..64).map(|number| format!("key{number:02}")).collect();
    let values: Properties<'_> = keys.iter().map(|key| (&**key, "")).collect();
    w.ask(&asker, Service::SetSessionProperties, 5, &set(full.id(), &values, &[]));
    asker.received();
    let one_more = set(full.id(), &[("key00", "new"), ("more", "")], &[]);
    w.ask(&asker, Service::SetSessionProperties, 5, &one_more);
    let text = r#"property "more" would be one too many: a session has at most 64 user properties"#;
    assert_eq!(asker.received(), [error(5, Reason::INVALID_DATA, text)]);

    let filter = "$Principal is 'bob'";
    let SetSessionProperties { set, remove, .. } = one_more;
    let change = SetSessionPropertiesFilter { filter, set, remove };
    w.ask(&asker, Service::SetSessionPropertiesFilter, 5, &change);
    assert_eq!(asker.received(), [count(5, 1)]);
    let of_full = properties(&mut w, &asker, full.id(), &["key00", "more"]);
    assert_eq!(of_full, response(3, &Some(vec![("key00", "")])));
    let of_other = properties(&mut w, &asker, other.id(), &["*U"]);
    assert_eq!(of_other, response(3, &Some(vec![("key00", "new"), ("more", "")])));
}

#[test]
fn changed_roles_count_from_the_next_read_on() {
    let mut w = World::new();
    let (controller, client) = (w.open("alice"), w.open_with_roles("bob", &[]));
    let mut change = |remove: &[&str], add: &[&str]| {
        let (remove, add) = (remove.to_vec(), add.to_vec());
        let body = ChangeRoles { session: client.id(), remove, add };
        w.ask(&controller, Service::ChangeAuthorisationRoles, 5, &body);
        assert_eq!(controller.received(), [response(5, &Void)]);
        w.ask_to_register(&client, "a", &[]);
        w.deregister(&client, 2, "a");
        client.received().swap_remove(0)
    };
    let denied =
        error(1, Reason::ACCESS_DENIED, "access denied: REGISTER_HANDLER is needed at path a");
    let accepted = response(1, &Void);
    assert_eq!(change(&["NONE"], &["OPERATOR"]), denied);
    assert_eq!(change(&[], &["CLIENT_CONTROL"]), accepted);
    assert_eq!(change(&["CLIENT_CONTROL"], &[]), denied);
    let roles = properties(&mut w, &controller, client.id(), &["$Roles"]);
    assert_eq!(roles, response(3, &Some(vec![("$Roles", r#""CLIENT","OPERATOR""#)])));
}

#[test]
fn the_sessions_that_match_get_other_roles_and_are_counted() {
    let mut w = World::new();
    let (controller, one, two) = (w.open("alice"), w.open("bob"), w.open("bob"));
    let filter = "$Principal is 'bob'";
    let body = ChangeRolesFilter { filter, remove: vec!["ADMINISTRATOR"], add: vec!["R"] };
    w.ask(&controller, Service::ChangeAuthorisationRolesFilter, 5, &body);
    assert_eq!(controller.received(), [count(5, 2)]);
    let roles = vec![("$Roles", r#""CLIENT","CLIENT_CONTROL","R""#)];
    for client in [&one, &two] {
        let told = properties(&mut w, &controller, client.id(), &["$Roles"]);
        assert_eq!(told, response(3, &Some(roles.clone())));
    }
    let close = CloseClientFilter { filter: "hasRoles 'R'" };
    w.ask(&controller, Service::CloseClientFilter, 6, &close);
    assert_eq!(controller.received(), [count(6, 2)]);
}

#[test]
fn a_change_of_no_role_or_of_one_role_both_ways_is_invalid() {
    let mut w = World::new();
    let client = w.open("alice");
    let cases: [(&[&str], &[&str], &str); 2] = [
        (&[], &[], "no role is to be removed or added"),
        (&["A", "B"], &["C", "B"], "role B is to be both removed and added"),
    ];
    for (remove, add, text) in cases {
        let (session, remove, add) = (client.id(), remove.to_vec(), add.to_vec());
        let body = ChangeRoles { session, remove: remove.clone(), add: add.clone() };
        w.ask(&client, Service::ChangeAuthorisationRoles, 5, &body);
        let body = ChangeRolesFilter { filter: "all", remove, add };
        w.ask(&client, Service::ChangeAuthorisationRolesFilter, 5, &body);
        let refusal = error(5, Reason::INVALID_DATA, text);
        assert_eq!(client.received(), [refusal.clone(), refusal]);
    }
}

#[test]
fn a_filter_that_cannot_be_parsed_is_answered_with_zero_and_the_reason() {
    let mut w = World::new();
    let (client, other) = (w.open("alice"), w.open("bob"));
    let filter = "$Principal was 'bob'";
    let refused = Filter::parse(filter).unwrap_err();
    let (message, line, column) = (refused.message(), refused.line(), refused.column());
    let errors = vec![ErrorReport { message, line, column }];
    let refusal = response(5, &CountOrErrors { count: 0, errors });
    w.ask(&client, Service::CloseClientFilter, 5, &CloseClientFilter { filter });
    let body = SetSessionPropertiesFilter { filter, set: None, remove: None };
    w.ask(&client, Service::SetSessionPropertiesFilter, 5, &body);
    let body = ChangeRolesFilter { filter, remove: vec![], add: vec!["A"] };
    w.ask(&client, Service::ChangeAuthorisationRolesFilter, 5, &body);
    assert_eq!(client.received(), [refusal.clone(), refusal.clone(), refusal]);
    assert_quiet(&[&client, &other]);
}
