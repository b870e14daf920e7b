//! Reading and changing who may do what, by the readers and script builders of JavaScript 6.12.1.

use serde_json::Value;
use serde_json::json;

use crate::sdk::Sdk;
use crate::shown::ACCESS_DENIED;
use crate::shown::assert_failure;
use crate::stage::Session;
use crate::stage::Stage;

fn role(session: &mut Session, name: &str) -> Value {
    let security = session.must("get_security", json!({}));
    let roles = security["roles"].as_array().expect("a list");
    roles.iter().find(|role| role["name"] == name).cloned().unwrap_or_default()
}

#[test]
fn everybody_is_told_its_own_permissions() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut client = stage.join(Sdk::Js, "client");
    assert_eq!(client.must("permissions", json!({})), json!([]));
    let at = client.must("permissions", json!({"path": "a/b"}));
    assert_eq!(at, json!(["READ_TOPIC", "SELECT_TOPIC", "SEND_TO_MESSAGE_HANDLER"]));
    let mut operator = stage.join(Sdk::Js, "operator");
    assert_eq!(operator.must("permissions", json!({})), json!(["VIEW_SERVER", "VIEW_SESSION"]));
}

#[test]
fn roles_that_its_builder_writes_are_read_back_and_hold_at_once() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    let mut client = stage.join(Sdk::Js, "client");
    let name = "o'b\\r\"\n";
    let calls = json!([
        ["setGlobalPermissions", name, ["VIEW_SESSION", "VIEW_SERVER"]],
        ["setDefaultPathPermissions", name, ["READ_TOPIC", "ACQUIRE_LOCK"]],
        ["setPathPermissions", name, "/a/b/", []],
        ["setPathPermissions", name, "gone", ["READ_TOPIC"]],
        ["removePathPermissions", name, "gone"],
        ["setRoleIncludes", name, ["OPERATOR"]],
        ["setRoleLockedByPrincipal", name, "admin"],
        ["setRoleIncludes", "CLIENT", [name]],
        ["setRolesForAnonymousSessions", []],
        ["setRolesForNamedSessions", ["CLIENT", "OTHER"]],
        ["isolatePath", "x"],
        ["isolatePath", "y"],
        ["deisolatePath", "x"],
    ]);
    // The stock OPERATOR includes CLIENT, so this closes a circle, and nothing at all is changed.
    let failure = admin.call("update_security", json!({"calls": calls})).expect_err("a circle");
    assert_eq!(failure.class(), "ErrorReports");
    assert_eq!(client.must("permissions", json!({})), json!([]));

    let mut calls = calls;
    calls[5] = json!(["setRoleIncludes", name, ["LATER"]]);
    admin.must("update_security", json!({"calls": calls}));
    assert_eq!(client.must("permissions", json!({})), json!(["VIEW_SERVER", "VIEW_SESSION"]));
    let security = admin.must("get_security", json!({}));
    assert_eq!(security["anonymous"], json!([]));
    assert_eq!(security["named"], json!(["CLIENT", "OTHER"]));
    assert_eq!(security["isolatedPaths"], json!(["y"]));
    let expected = json!({
        "name": name,
        "global": ["VIEW_SESSION", "VIEW_SERVER"],
        "default": ["READ_TOPIC", "ACQUIRE_LOCK"],
        "topic": {"a/b": []},
        "roles": ["LATER"],
        "lockingPrincipal": "admin",
    });
    assert_eq!(role(&mut admin, name), expected);
}

#[test]
fn principals_that_its_builder_writes_are_read_back_and_can_log_in() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    let calls = json!([
        ["addPrincipal", "o'b", "password", ["OPERATOR"]],
        ["addPrincipal", "locked", "p'a\\ss\"", [], "o'b"],
        ["addPrincipal", "gone", "password", []],
        ["verifyPassword", "locked", "p'a\\ss\""],
        ["setPassword", "gone", "another"],
        ["removePrincipal", "gone"],
        ["assignRoles", "client", []],
        ["abstainAnonymousConnections"],
        ["denyAnonymousConnections"],
        ["allowAnonymousConnections", ["CLIENT"]],
        ["trustClientProposedPropertyIn", "Region", ["EU", "US"]],
        ["trustClientProposedPropertyMatches", "Floor", "[0-9]+\\.'"],
    ]);
    admin.must("update_principals", json!({"calls": calls}));
    let told = admin.must("get_principals", json!({}));
    let some = |name: &str| {
        let principals = told["principals"].as_array().expect("a list");
        principals.iter().find(|principal| principal["name"] == name).cloned()
    };
    assert_eq!(some("o'b"), Some(json!({"name": "o'b", "roles": ["OPERATOR"]})));
    let locked = json!({"name": "locked", "roles": [], "lockingPrincipal": "o'b"});
    assert_eq!(some("locked"), Some(locked));
    assert_eq!(some("client"), Some(json!({"name": "client", "roles": []})));
    assert_eq!(some("gone"), None);
    assert_eq!(told["anonymous"], json!({"action": "allow", "roles": ["CLIENT"]}));
    let trusted = &told["trustedClientProposedProperties"];
    assert_eq!(trusted["Region"]["values"], json!(["EU", "US"]));
    assert_eq!(trusted["Floor"]["regex"], "[0-9]+\\.'");

    let proposal = json!({"Region": "EU", "Floor": "3"});
    let mut added = stage.join_proposing(Sdk::Js, "o'b", proposal);
    assert_eq!(added.must("permissions", json!({})), json!(["VIEW_SERVER", "VIEW_SESSION"]));
    let keys = json!({"session_id": added.id(), "keys": ["*U"]});
    assert_eq!(admin.must("get_properties", keys), json!({"Region": "EU"}));
    let failure = admin
        .call("update_principals", json!({"calls": [["removePrincipal", "locked"]]}))
        .expect_err("it is locked");
    assert_eq!(failure.class(), "ErrorReports");
}

#[test]
fn security_is_for_those_who_are_permitted() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut control = stage.join(Sdk::Js, "control");
    // An empty script is not even sent.
    let roles = json!({"calls": [["isolatePath", "x"]]});
    let principals = json!({"calls": [["denyAnonymousConnections"]]});
    for (command, parameters, permission) in [
        ("get_security", json!({}), "VIEW_SECURITY"),
        ("get_principals", json!({}), "VIEW_SECURITY"),
        ("update_security", roles, "MODIFY_SECURITY"),
        ("update_principals", principals, "MODIFY_SECURITY"),
    ] {
        let failure = control.call(command, parameters).expect_err("no permission");
        assert_failure(Sdk::Js, &failure, ACCESS_DENIED, permission);
    }
    let mut admin = stage.join(Sdk::Js, "admin");
    let target = json!({"session_id": control.id()});
    let failure = admin.call("revoke", target).expect_err("no permission");
    assert_failure(Sdk::Js, &failure, ACCESS_DENIED, "AUTHENTICATE");
}

#[test]
fn a_revoked_session_is_closed() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut control = stage.join(Sdk::Js, "control");
    let mut target = stage.join(Sdk::Js, "client");
    control.must("revoke", json!({"session_id": target.id()}));
    target.expect_closed_by_server();
}
