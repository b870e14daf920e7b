//! Services that are not spoken here: an error each, and the session goes on.

use serde_json::Value;
use serde_json::json;

use crate::agent::Failure;
use crate::commands::Handler;
use crate::sdk::Sdk;
use crate::sdk::for_every_published_sdk;
use crate::shown::UNSUPPORTED;
use crate::shown::assert_failure;
use crate::stage::Stage;
use crate::values::echo;
use crate::values::string;

for_every_published_sdk!(a_subscription_is_unsupported, super::subscription);

fn subscription(sdk: Sdk) {
    check_unsupported(sdk, "subscribe", &json!({"selector": "?prices//"}));
}

#[test]
fn a_new_topic_is_unsupported_for_6_12_2() {
    check_unsupported(Sdk::Py612, "add_topic", &json!({"path": "prices/eu"}));
}

#[test]
fn a_new_topic_is_refused_to_javascript_without_a_word() {
    check(Sdk::Js, "add_topic", &json!({"path": "prices/eu"}), |failure| {
        assert_eq!(failure.class(), "undefined", "its SDK keeps the reason to itself");
    });
}

fn check_unsupported(sdk: Sdk, command: &str, parameters: &Value) {
    check(sdk, command, parameters, |failure| {
        assert_failure(sdk, failure, UNSUPPORTED, "");
    });
}

fn check(sdk: Sdk, command: &str, parameters: &Value, expect: impl Fn(&Failure)) {
    let Some(stage) = Stage::open(&[sdk]) else {
        return;
    };
    let mut session = stage.join(sdk, "control");
    session.register(Handler::of("string", "mirror", echo()));
    for _ in 0..2 {
        expect(&session.call(command, parameters.clone()).expect_err("an error"));
    }
    assert_eq!(session.request_path("mirror", &string("me")), Ok(string("me")));
}
