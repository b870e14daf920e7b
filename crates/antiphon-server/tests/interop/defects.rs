//! Known defects of the published SDKs: the server bears them, and nobody hangs.

use serde_json::json;

use crate::commands::Handler;
use crate::sdk::Sdk;
use crate::sdk::for_every_sdk;
use crate::shown::INVALID_DATA;
use crate::shown::MAY_HAVE_RUN;
use crate::shown::REJECTED_REQUEST;
use crate::shown::REQUEST_TIME_OUT;
use crate::shown::UNHANDLED_MESSAGE;
use crate::shown::assert_failure;
use crate::stage::Stage;
use crate::values::double;
use crate::values::echo;
use crate::values::json_value;
use crate::values::reply;
use crate::values::string;

#[test]
fn the_corrupt_second_path_request_of_6_6rc1_is_an_error_and_not_the_end() {
    let Some(stage) = Stage::open(&[Sdk::Py66, Sdk::Js]) else {
        return;
    };
    let mut handling = stage.join(Sdk::Js, "control");
    handling.register(Handler::of("string", "orders", echo()));
    handling.stream(Handler::of("string", "inbox", echo()));
    let mut sending = stage.join(Sdk::Py66, "control");
    assert_eq!(sending.request_path("orders", &string("one")), Ok(string("one")));
    let failure = sending.request_path("orders", &string("two")).expect_err("an error");
    assert_failure(Sdk::Py66, &failure, INVALID_DATA, "");
    sending.ping();
    assert_eq!(
        sending.request_session(&handling.id(), "inbox", &string("three")),
        Ok(string("three"))
    );
}

for_every_sdk!(a_python_session_without_a_stream_keeps_silent_towards, super::no_python_stream);

fn no_python_stream(sender: Sdk) {
    let Some(stage) = Stage::open_impatient(&[sender, Sdk::Py66, Sdk::Py612]) else {
        return;
    };
    for target in [Sdk::Py66, Sdk::Py612] {
        let silent = stage.join(target, "client");
        let mut sending = stage.join(sender, "control");
        let failure =
            sending.request_session(&silent.id(), "no/stream", &string("x")).expect_err("an error");
        assert_failure(sender, &failure, REQUEST_TIME_OUT, MAY_HAVE_RUN);
    }
}

for_every_sdk!(a_javascript_session_without_a_stream_says_so_to, super::no_js_stream);

fn no_js_stream(sender: Sdk) {
    let Some(stage) = Stage::open(&[sender, Sdk::Js]) else {
        return;
    };
    let mut target = stage.join(Sdk::Js, "client");
    target.stream(Handler::of("string", "inbox", echo()));
    let mut sending = stage.join(sender, "control");
    let failure =
        sending.request_session(&target.id(), "no/stream", &string("x")).expect_err("an error");
    assert_failure(sender, &failure, UNHANDLED_MESSAGE, "no/stream");
    // It answers twice; the second answer must not be taken for that of the next request.
    assert_eq!(sending.request_session(&target.id(), "inbox", &string("x")), Ok(string("x")));
}

#[test]
fn a_handler_of_6_12_2_rejects_what_is_below_its_path() {
    // The server serves branches, but Python looks its handlers up by the exact path.
    let Some(stage) = Stage::open(&[Sdk::Py612, Sdk::Js]) else {
        return;
    };
    let mut handling = stage.join(Sdk::Py612, "control");
    handling.register(Handler::of("string", "branch", echo()));
    let mut sending = stage.join(Sdk::Js, "client");
    let failure = sending.request_path("branch/leaf", &string("x")).expect_err("an error");
    assert_failure(Sdk::Js, &failure, REJECTED_REQUEST, "Callback threw error");
    assert_eq!(sending.request_path("branch", &string("x")), Ok(string("x")));
}

#[test]
fn a_handler_of_6_6rc1_keeps_silent_on_what_is_below_its_path() {
    let Some(stage) = Stage::open_impatient(&[Sdk::Py66, Sdk::Js]) else {
        return;
    };
    let mut handling = stage.join(Sdk::Py66, "control");
    handling.register(Handler::of("string", "branch", echo()));
    let mut sending = stage.join(Sdk::Js, "client");
    let failure = sending.request_path("branch/leaf", &string("x")).expect_err("an error");
    assert_failure(Sdk::Js, &failure, REQUEST_TIME_OUT, MAY_HAVE_RUN);
}

#[test]
fn a_handler_of_6_6rc1_keeps_silent_on_values_written_the_modern_way() {
    // It refuses arrays and maps of indefinite length, and floats of fewer than eight bytes.
    let Some(stage) = Stage::open_impatient(&[Sdk::Py66, Sdk::Py612, Sdk::Js]) else {
        return;
    };
    let array = json_value(json!([1]));
    let half = double(1.5);
    for (sender, value) in [(Sdk::Js, &array), (Sdk::Py612, &array), (Sdk::Py612, &half)] {
        let mut handling = stage.join(Sdk::Py66, "control");
        let type_name = value["type"].as_str().expect("a value names its type");
        handling.register(Handler::of(type_name, "orders", echo()));
        let mut sending = stage.join(sender, "client");
        let failure = sending.request_path("orders", value).expect_err("an error");
        assert_failure(sender, &failure, REQUEST_TIME_OUT, MAY_HAVE_RUN);
        handling.ping();
        assert!(handling.events_so_far("request").is_empty(), "{sender} was understood");
    }
}

for_every_sdk!(
    the_garbled_answer_of_a_python_stream_that_returns_nothing_reaches,
    super::garbled_answer
);

fn garbled_answer(sender: Sdk) {
    let Some(stage) = Stage::open(&[sender, Sdk::Py66, Sdk::Py612]) else {
        return;
    };
    for target in [Sdk::Py66, Sdk::Py612] {
        let mut handling = stage.join(target, "client");
        let nothing = json!({"type": "string", "value": null});
        handling.stream(Handler::of("string", "inbox", reply(&nothing)));
        let mut sending = stage.join(sender, "control");
        let failure =
            sending.request_session(&handling.id(), "inbox", &string("x")).expect_err("an error");
        assert_failure(sender, &failure, INVALID_DATA, "");
        sending.ping();
    }
}

#[test]
fn a_filter_response_without_a_handler_does_no_harm() {
    // 6.12.2 answers the server's notification with an error.
    let Some(stage) = Stage::open(&[Sdk::Py612, Sdk::Js]) else {
        return;
    };
    let mut handling = stage.join(Sdk::Js, "client");
    handling.stream(Handler::of("string", "inbox", echo()));
    let mut sending = stage.join(Sdk::Py612, "control");
    let clients = "$Principal is 'client'";
    assert_eq!(sending.request_filter_unhandled(clients, "inbox", &string("x")), Ok(1));
    handling.event("request");
    assert_eq!(sending.request_session(&handling.id(), "inbox", &string("y")), Ok(string("y")));
    assert!(sending.events_so_far("filter_response").is_empty(), "nobody asked for the response");
}
