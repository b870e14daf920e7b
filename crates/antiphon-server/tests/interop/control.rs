//! The control API of JavaScript 6.12.1: properties, closing, roles.

use serde_json::Value;
use serde_json::json;

use crate::commands::Handler;
use crate::sdk::Sdk;
use crate::shown::ACCESS_DENIED;
use crate::shown::NO_SUCH_SESSION;
use crate::shown::assert_failure;
use crate::stage::Session;
use crate::stage::Stage;
use crate::values::echo;
use crate::values::string;

const CLIENTS: &str = "$Principal is 'client'";
const NOBODY: &str = "0000000000000001-0000000000000002";

fn properties(session: &mut Session, of: &str, keys: &[&str]) -> Value {
    session.must("get_properties", json!({"session_id": of, "keys": keys}))
}

#[test]
fn properties_of_any_sdk_can_be_read_by_key() {
    let Some(stage) = Stage::open(&Sdk::ALL) else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    for sdk in Sdk::ALL {
        let target = stage.join(sdk, "client");
        let some = properties(&mut admin, &target.id(), &["$Principal", "$ClientType", "Missing"]);
        assert_eq!(
            some,
            json!({"$Principal": "client", "$ClientType": sdk.client_type()}),
            "{sdk}"
        );
        let fixed = properties(&mut admin, &target.id(), &["*F"]);
        assert_eq!(fixed["$SessionId"], target.id(), "{sdk}");
    }
}

#[test]
fn properties_of_an_unknown_session_cannot_be_read() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    let failure = admin
        .call("get_properties", json!({"session_id": NOBODY, "keys": ["*F"]}))
        .expect_err("an error");
    assert_eq!(failure.message(), "Invalid session ID");
}

#[test]
fn own_properties_are_the_fixed_ones_without_the_roles() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut session = stage.join(Sdk::Js, "client");
    let own = session.must("own_properties", json!({}));
    assert_eq!(own["$SessionId"], session.id());
    assert_eq!(own["$Principal"], "client");
    assert_eq!(own["$Roles"], Value::Null);
}

#[test]
fn set_properties_tells_what_was_there_before() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    let target = stage.join(Sdk::Js, "client");
    let mut set = |changes: Value| {
        admin.must("set_properties", json!({"session_id": target.id(), "properties": changes}))
    };
    assert_eq!(set(json!({"Department": "Accounts"})), json!({"Department": null}));
    assert_eq!(
        set(json!({"Department": "Payroll", "Floor": "3"})),
        json!({"Department": "Accounts", "Floor": null})
    );
    assert_eq!(set(json!({"Department": null})), json!({"Department": "Payroll"}));
    assert_eq!(properties(&mut admin, &target.id(), &["*U"]), json!({"Floor": "3"}));
}

#[test]
fn properties_are_set_for_all_that_a_filter_matches() {
    let Some(stage) = Stage::open(&Sdk::ALL) else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    let matched = [stage.join(Sdk::Py66, "client"), stage.join(Sdk::Py612, "client")];
    let other = stage.join(Sdk::Js, "control");
    let changed = admin
        .must("set_properties_filter", json!({"filter": CLIENTS, "properties": {"Team": "blue"}}));
    assert_eq!(changed["count"], 2);
    for session in &matched {
        assert_eq!(properties(&mut admin, &session.id(), &["*U"]), json!({"Team": "blue"}));
    }
    assert_eq!(properties(&mut admin, &other.id(), &["*U"]), json!({}));
}

#[test]
fn a_property_that_was_set_can_be_filtered_by() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    let mut blue = stage.join(Sdk::Js, "client");
    blue.stream(Handler::of("string", "inbox", echo()));
    let _green = stage.join(Sdk::Js, "client");
    admin.must("set_properties", json!({"session_id": blue.id(), "properties": {"Team": "blue"}}));
    assert_eq!(admin.request_filter("Team is 'blue'", "inbox", &string("x")), Ok(1));
    assert_eq!(admin.event("filter_response")["session_id"], blue.id());
}

#[test]
fn bad_filters_are_reported_and_change_nothing() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    let bad = "$Principal iss 'client'";
    for (command, parameters) in [
        ("set_properties_filter", json!({"filter": bad, "properties": {"Team": "blue"}})),
        ("close_session", json!({"target": bad})),
        ("change_roles", json!({"target": bad, "remove": [], "add": ["OPERATOR"]})),
    ] {
        let failure = admin.call(command, parameters).expect_err("an error");
        assert!(failure.reports()[0]["message"].is_string(), "{command} shows {failure:?}");
    }
    admin.ping();
}

#[test]
fn a_client_may_not_control_others() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut client = stage.join(Sdk::Js, "client");
    let other = stage.join(Sdk::Js, "client");
    for (command, parameters) in [
        ("get_properties", json!({"session_id": other.id(), "keys": ["*F"]})),
        ("set_properties", json!({"session_id": other.id(), "properties": {"Team": "blue"}})),
        ("set_properties_filter", json!({"filter": "all", "properties": {"Team": "blue"}})),
        ("close_session", json!({"target": other.id()})),
        ("close_session", json!({"target": "all"})),
        ("change_roles", json!({"target": other.id(), "remove": [], "add": ["OPERATOR"]})),
        ("listen", json!({})),
    ] {
        let failure = client.call(command, parameters).expect_err("an error");
        assert_failure(Sdk::Js, &failure, ACCESS_DENIED, "");
    }
}

#[test]
fn a_session_is_closed_by_its_id() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    let mut target = stage.join(Sdk::Js, "client");
    assert_eq!(admin.must("close_session", json!({"target": target.id()}))["count"], 1);
    assert_eq!(
        target.event("closed")["reason"]["id"],
        1,
        "closed by the server, and not to come back"
    );
    let failure = admin.request_session(&target.id(), "inbox", &string("x")).expect_err("an error");
    assert_failure(Sdk::Js, &failure, NO_SUCH_SESSION, &target.id());
}

#[test]
fn a_rust_session_learns_that_it_was_closed() {
    let Some(stage) = Stage::open(&[Sdk::Js, Sdk::Rust]) else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    let mut target = stage.join(Sdk::Rust, "client");
    assert_eq!(admin.must("close_session", json!({"target": target.id()}))["count"], 1);
    target.expect_closed_by_server();
}

#[test]
fn a_python_session_learns_that_it_was_closed() {
    let Some(stage) = Stage::open(&[Sdk::Js, Sdk::Py612]) else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    let mut target = stage.join(Sdk::Py612, "client");
    assert_eq!(target.event("state")["state"], "CONNECTED_ACTIVE");
    assert_eq!(admin.must("close_session", json!({"target": target.id()}))["count"], 1);
    assert_eq!(target.event("state")["state"], "CLOSED_BY_SERVER");
}

#[test]
fn all_sessions_that_a_filter_matches_are_closed() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    let mut targets = [stage.join(Sdk::Js, "client"), stage.join(Sdk::Js, "client")];
    let mut other = stage.join(Sdk::Js, "control");
    assert_eq!(admin.must("close_session", json!({"target": CLIENTS}))["count"], 2);
    for target in &mut targets {
        target.event("closed");
    }
    other.ping();
    assert_eq!(admin.must("close_session", json!({"target": CLIENTS}))["count"], 0);
}

#[test]
fn an_unknown_session_cannot_be_controlled() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    for (command, parameters) in [
        ("close_session", json!({"target": NOBODY})),
        ("change_roles", json!({"target": NOBODY, "remove": [], "add": ["OPERATOR"]})),
        ("set_properties", json!({"session_id": NOBODY, "properties": {"Team": "blue"}})),
    ] {
        let failure = admin.call(command, parameters).expect_err("an error");
        assert_failure(Sdk::Js, &failure, NO_SUCH_SESSION, NOBODY);
    }
}

#[test]
fn changed_roles_take_and_lose_effect() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    let mut target = stage.join(Sdk::Js, "client");
    let id = target.id();
    target.try_register(Handler::of("string", "one", echo())).expect_err("an error");

    admin.must(
        "change_roles",
        json!({"target": id, "remove": ["CLIENT"], "add": ["CLIENT_CONTROL"]}),
    );
    assert_eq!(properties(&mut admin, &id, &["$Roles"])["$Roles"], "\"CLIENT_CONTROL\"");
    target.register(Handler::of("string", "one", echo()));

    admin.must(
        "change_roles",
        json!({"target": id, "remove": ["CLIENT_CONTROL"], "add": ["CLIENT"]}),
    );
    let failure = target.try_register(Handler::of("string", "two", echo())).expect_err("an error");
    assert_failure(Sdk::Js, &failure, ACCESS_DENIED, "two");
}

#[test]
fn roles_change_for_all_that_a_filter_matches() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    let targets = [stage.join(Sdk::Js, "client"), stage.join(Sdk::Js, "client")];
    let change = json!({"target": CLIENTS, "remove": [], "add": ["OPERATOR"]});
    assert_eq!(admin.must("change_roles", change)["count"], 2);
    for target in &targets {
        assert_eq!(
            properties(&mut admin, &target.id(), &["$Roles"])["$Roles"],
            "\"CLIENT\",\"OPERATOR\""
        );
    }
}
