//! Logging in, pinging, and changing who one is.

use serde_json::json;

use crate::commands::Handler;
use crate::pool::Agent;
use crate::sdk::Sdk;
use crate::sdk::for_every_sdk;
use crate::shown::ACCESS_DENIED;
use crate::shown::assert_failure;
use crate::stage::Stage;
use crate::values::echo;

for_every_sdk!(bad_credentials_are_refused, super::bad_credentials);

fn bad_credentials(sdk: Sdk) {
    let Some(stage) = Stage::open(&[sdk]) else {
        return;
    };
    let mut agent = Agent::take(sdk);
    for credentials in [
        json!({"principal": "admin", "password": "wrong"}),
        json!({"principal": "nobody", "password": "password"}),
        json!({"principal": "admin"}),
    ] {
        let failure = stage.connect_with(&mut agent, credentials).expect_err("an error");
        match sdk {
            Sdk::Js => assert_eq!((failure.class(), failure.code()), ("CloseReasonImpl", Some(99))),
            Sdk::Py66 | Sdk::Py612 => {
                assert_eq!(failure.class(), "ServerConnectionResponseError");
                assert!(failure.message().contains("AUTHENTICATION_FAILED"), "{failure:?}");
            }
            Sdk::Rust => assert_eq!(failure.class(), "AuthenticationFailed"),
        }
    }
}

for_every_sdk!(an_anonymous_session_connects_and_may_little, super::anonymous);

fn anonymous(sdk: Sdk) {
    let Some(stage) = Stage::open(&[sdk]) else {
        return;
    };
    let mut agent = Agent::take(sdk);
    stage.connect_with(&mut agent, json!({})).expect("anonymous sessions are allowed");
    let failure =
        agent.try_register(Handler::of("string", "a/path", echo())).expect_err("an error");
    assert_failure(sdk, &failure, ACCESS_DENIED, "a/path");
}

for_every_sdk!(a_session_can_ping_the_server, super::pings);

fn pings(sdk: Sdk) {
    let Some(stage) = Stage::open(&[sdk]) else {
        return;
    };
    let mut session = stage.join(sdk, "client");
    session.ping();
    session.ping();
}

for_every_sdk!(every_session_has_an_id_of_its_own, super::ids_differ);

fn ids_differ(sdk: Sdk) {
    let Some(stage) = Stage::open(&[sdk]) else {
        return;
    };
    let mut session = stage.join(sdk, "client");
    let first = session.id();
    stage.rejoin(&mut session);
    assert_ne!(first, session.id());
    for half in session.id().split('-') {
        let number = u64::from_str_radix(half, 16).expect("hexadecimal");
        assert!(number < 1 << 63, "6.6rc1 cannot address {}", session.id());
    }
}

#[test]
fn a_changed_principal_brings_its_permissions() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut session = stage.join(Sdk::Js, "client");
    session.try_register(Handler::of("string", "a/path", echo())).expect_err("an error");
    session.must("change_principal", json!({"principal": "control", "password": "password"}));
    assert_eq!(session.must("principal", json!({})), "control");
    assert_eq!(session.must("own_properties", json!({}))["$Principal"], "control");
    session.register(Handler::of("string", "a/path", echo()));
}

#[test]
fn a_failed_change_of_principal_leaves_the_session_as_it_was() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut session = stage.join(Sdk::Js, "control");
    let failure = session
        .call("change_principal", json!({"principal": "admin", "password": "wrong"}))
        .expect_err("an error");
    assert!(failure.message().contains("authentication"), "{failure:?}");
    assert_eq!(session.must("principal", json!({})), "control");
    assert_eq!(session.must("own_properties", json!({}))["$Principal"], "control");
    session.register(Handler::of("string", "a/path", echo()));
}

#[test]
fn reauthentication_says_whether_the_credentials_were_good() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut session = stage.join(Sdk::Js, "control");
    let wrong = json!({"principal": "control", "password": "wrong"});
    assert_eq!(session.must("reauthenticate", wrong), false);
    let right = json!({"principal": "control", "password": "password"});
    assert_eq!(session.must("reauthenticate", right), true);
    session.ping();
}
