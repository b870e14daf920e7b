//! A JavaScript session that decides who is let in.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::agent::Outcome;
use crate::pool::Agent;
use crate::sdk::Sdk;
use crate::shown::ACCESS_DENIED;
use crate::shown::assert_failure;
use crate::stage::Session;
use crate::stage::Stage;

/// What examples of the SDK register.
const NAME: &str = "before-system-handler";

fn decide(gatekeeper: &mut Session, answers: &Value) {
    gatekeeper.must("set_authenticator", json!({"name": NAME, "answers": answers}));
}

fn connect(stage: &Stage, sdk: Sdk, principal: &str, properties: &Value) -> (Agent, Outcome) {
    let mut agent = Agent::take(sdk);
    let credentials =
        json!({"principal": principal, "password": "what it takes", "properties": properties});
    let outcome = stage.connect_with(&mut agent, credentials);
    (agent, outcome)
}

/// The next question about this principal; what is asked about others is passed over.
fn question_about(gatekeeper: &mut Session, principal: &str) -> Value {
    loop {
        let asked = gatekeeper.event("asked");
        if asked["principal"] == principal {
            return asked;
        }
    }
}

#[test]
fn a_session_lets_others_in_and_says_with_what() {
    let Some(stage) = Stage::open(&[Sdk::Js, Sdk::Py612]) else {
        return;
    };
    let mut gatekeeper = stage.join(Sdk::Js, "control");
    let answers = json!({
        "ann": {"$Roles": "\"OPERATOR\"", "Department": "sales", "$Country": "de"},
        "bob": "allow",
        "eve": "deny",
    });
    decide(&mut gatekeeper, &answers);
    for sdk in [Sdk::Js, Sdk::Py612] {
        let (mut ann, outcome) = connect(&stage, sdk, "ann", &json!({"Floor": "7"}));
        let id = outcome.expect("let in")["session_id"].clone();
        let asked = question_about(&mut gatekeeper, "ann");
        assert_eq!(asked["properties"]["$Transport"], "WEBSOCKET");
        assert_eq!(asked["proposed"]["Floor"], "7");
        let mut admin = stage.join(Sdk::Js, "admin");
        let keys = json!(["$Principal", "$Roles", "$Country", "Department", "Floor"]);
        let seen = admin.must("get_properties", json!({"session_id": id, "keys": keys}));
        assert_eq!(
            seen,
            json!({
                "$Principal": "ann", "$Roles": "\"CLIENT\",\"OPERATOR\"", "$Country": "DE",
                "Department": "sales",
            }),
            "{sdk}: what is proposed is the authenticator's to give"
        );
        admin.close();
        ann.close();

        let (mut bob, outcome) = connect(&stage, sdk, "bob", &json!({}));
        outcome.expect("let in");
        bob.close();
        let (_, outcome) = connect(&stage, sdk, "eve", &json!({}));
        outcome.expect_err("refused");
    }
}

#[test]
fn whom_a_session_leaves_to_others_is_asked_for_a_password() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut gatekeeper = stage.join(Sdk::Js, "control");
    decide(&mut gatekeeper, &json!({"admin": "deny"}));
    stage.join(Sdk::Js, "client").close();
    question_about(&mut gatekeeper, "client");
    let mut agent = Agent::take(Sdk::Js);
    let admin = json!({"principal": "admin", "password": "password"});
    stage.connect_with(&mut agent, admin.clone()).expect_err("the session goes first");

    gatekeeper.must("remove_authenticator", json!({}));
    stage.connect_with(&mut agent, admin).expect("nobody is asked any more");
    agent.close();
}

#[test]
fn a_session_that_does_not_answer_lets_nobody_in() {
    let short = |config: &mut antiphon_server::Config| {
        config.security.session_timeout = Duration::from_millis(300);
    };
    let Some(stage) = Stage::open_with(&[Sdk::Js], short) else {
        return;
    };
    let mut gatekeeper = stage.join(Sdk::Js, "control");
    decide(&mut gatekeeper, &json!({"client": "silent"}));
    let (_, outcome) = connect(&stage, Sdk::Js, "client", &json!({}));
    outcome.expect_err("refused");
    // The question that nobody answered disturbs nothing.
    gatekeeper.ping();
    stage.join(Sdk::Js, "admin").close();
}

#[test]
fn a_session_becomes_who_another_says() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut gatekeeper = stage.join(Sdk::Js, "control");
    decide(&mut gatekeeper, &json!({"ann": "allow"}));
    let mut client = stage.join(Sdk::Js, "client");
    let credentials = json!({"principal": "ann", "password": "what it takes"});
    client.must("change_principal", credentials);
    assert_eq!(client.must("principal", json!({})), "ann");
    client
        .call("change_principal", json!({"principal": "bob", "password": "x"}))
        .expect_err("refused");
    assert_eq!(client.must("principal", json!({})), "ann");
}

#[test]
fn deciding_needs_permission_and_a_name_that_is_configured() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut client = stage.join(Sdk::Js, "client");
    let parameters = json!({"name": NAME, "answers": {}});
    let failure = client.call("set_authenticator", parameters).expect_err("an error");
    assert_failure(Sdk::Js, &failure, ACCESS_DENIED, "");
    let mut control = stage.join(Sdk::Js, "control");
    let parameters = json!({"name": "another", "answers": {}});
    control.call("set_authenticator", parameters).expect_err("an error");
}
