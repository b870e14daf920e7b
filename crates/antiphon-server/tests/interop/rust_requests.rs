//! Rust senders: answers of another type than was asked for, and answers that nobody waits for.

use serde_json::json;

use crate::commands::Handler;
use crate::sdk::Sdk;
use crate::sdk::for_every_sdk;
use crate::stage::Stage;
use crate::values::hold;
use crate::values::int64;
use crate::values::reply;
use crate::values::string;

for_every_sdk!(
    an_answer_of_another_type_is_an_error_after_the_fact_from,
    super::answer_of_other_type
);

fn answer_of_other_type(handler: Sdk) {
    let Some(stage) = Stage::open(&[handler, Sdk::Rust]) else {
        return;
    };
    let mut handling = stage.join(handler, "control");
    handling.register(Handler {
        path: "length",
        request_type: "string",
        response_type: "int64",
        behaviour: reply(&int64(5)),
    });
    let mut sending = stage.join(Sdk::Rust, "client");
    let failure = sending.request_path("length", &string("hello")).expect_err("no string");
    assert_eq!((failure.class(), failure.code()), ("Value", None));
    assert_eq!(failure.may_have_executed(), Some(true));
    assert!(failure.message().contains("int64"), "{failure:?}");
    assert_eq!(handling.event("request")["value"], string("hello"));

    let asking =
        json!({"path": "length", "type": "string", "value": "x", "response_type": "value"});
    assert_eq!(sending.call("request_path", asking), Ok(int64(5)));
}

#[test]
fn an_answer_that_nobody_waits_for_is_not_taken_for_another() {
    // Python handles one request at a time.
    let Some(stage) = Stage::open(&[Sdk::Js, Sdk::Rust]) else {
        return;
    };
    for handler in [Sdk::Js, Sdk::Rust] {
        let mut handling = stage.join(handler, "client");
        handling.stream(Handler::of("string", "slow", hold()));
        let mut sending = stage.join(Sdk::Rust, "control");
        let target = handling.id();
        let dropped = sending.send_to_session(&target, "slow", &string("one"));
        assert_eq!(handling.event("request")["value"], string("one"));
        sending.must("cancel", json!({"target": dropped.id()}));
        assert_eq!(sending.wait(dropped).expect_err("no answer").class(), "Cancelled");
        let kept = sending.send_to_session(&target, "slow", &string("two"));
        assert_eq!(handling.event("request")["value"], string("two"));
        assert_eq!(handling.must("release", json!({}))["released"], 2);
        assert_eq!(sending.wait(kept), Ok(string("two")), "{handler}");
    }
}
