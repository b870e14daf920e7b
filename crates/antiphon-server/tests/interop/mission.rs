//! The messaging API of Python and Rust, method by method: all parameters used, their documented
//! meaning asserted. 6.12.2 has the same methods under names of its own: `register_request_handler`
//! is `add_request_handler` there, and `add_request_handler` is `add_stream_handler`.

use serde_json::Value;
use serde_json::json;

use crate::agent::Outcome;
use crate::commands::Handler;
use crate::sdk::Sdk;
use crate::shown::MAY_HAVE_RUN;
use crate::shown::REQUEST_TIME_OUT;
use crate::shown::UNHANDLED_MESSAGE;
use crate::shown::assert_failure;
use crate::stage::Session;
use crate::stage::Stage;
use crate::values::echo;
use crate::values::int64;
use crate::values::reject;
use crate::values::reply;
use crate::values::string;

const CLIENTS: &str = "$Principal is 'client'";

/// How Python numbers the type `int64`; data types may be given by name, number or class.
const INT64_NUMBER: u64 = 18;

#[test]
fn the_messaging_api_of_6_6rc1_does_as_documented() {
    check_api(Sdk::Py66);
}

#[test]
fn the_messaging_api_of_6_12_2_does_as_documented() {
    check_api(Sdk::Py612);
}

#[test]
fn the_messaging_api_of_rust_does_as_documented() {
    check_api(Sdk::Rust);
}

fn check_api(sdk: Sdk) {
    if let Some(stage) = Stage::open(&[sdk, Sdk::Js]) {
        register_request_handler(&stage, sdk);
        send_request_to_path(&stage, sdk);
        send_request_to_session(&stage, sdk);
        send_request_to_filter(&stage, sdk);
        add_filter_response_handler(&stage, sdk);
    }
    if let Some(impatient) = Stage::open_impatient(&[sdk, Sdk::Js]) {
        add_request_handler(&impatient, sdk);
    }
}

/// Types by class and by number, where there are such; all fixed and all user properties of the
/// sender.
fn register_request_handler(stage: &Stage, sdk: Sdk) {
    let mut handling = stage.join(sdk, "control");
    handling.must(
        "register",
        json!({
            "path": "documented/register",
            "request_type": by_class(sdk, "string"),
            "response_type": forms_of_int64(sdk)[1],
            "behaviour": reply(&int64(5)),
            "keys": ["*F", "*U"],
        }),
    );
    let mut sending = stage.join_proposing(Sdk::Js, "client", json!({"Team": "blue"}));
    let answer = sending.call("request_path", asking("documented/register", &json!("int64")));
    assert_eq!(answer, Ok(int64(5)));
    let seen = handling.event("request");
    assert_eq!(seen["value"], string("hello"));
    assert_eq!(seen["sender"], sending.id());
    if sdk == Sdk::Py66 {
        // It cannot decode properties, so that it is sent none.
        assert_eq!(seen["properties"], Value::Null);
    } else {
        assert_eq!(seen["properties"]["Team"], "blue");
        assert_eq!(seen["properties"]["$SessionId"], sending.id());
    }
}

/// Without a response type it is that of the request, for which in Rust the agent sees; Python
/// takes it in three forms.
fn send_request_to_path(stage: &Stage, sdk: Sdk) {
    let mut handling = stage.join(Sdk::Js, "control");
    handling.register(Handler::of("string", "documented/echo", echo()));
    handling.register(length_at("documented/length"));
    // A session for each: the second path request of 6.6rc1 is corrupt.
    let ask = |path, response_type: &Value| {
        stage.join(sdk, "client").call("request_path", asking(path, response_type))
    };
    check_response_types(sdk, ask, "documented/length");
}

fn send_request_to_session(stage: &Stage, sdk: Sdk) {
    let mut handling = stage.join(Sdk::Js, "client");
    handling.stream(Handler::of("string", "documented/echo", echo()));
    handling.stream(length_at("documented/length"));
    let mut sending = stage.join(sdk, "control");
    let ask = |path, response_type: &Value| {
        let mut parameters = asking(path, response_type);
        parameters["session_id"] = json!(handling.id());
        sending.call("request_session", parameters)
    };
    check_response_types(sdk, ask, "documented/length");
}

/// The number of sessions that match, and a response from each.
fn send_request_to_filter(stage: &Stage, sdk: Sdk) {
    let mut targets = [stage.join(Sdk::Js, "client"), stage.join(Sdk::Js, "client")];
    for target in &mut targets {
        target.stream(Handler::of("string", "documented/jobs", echo()));
    }
    let mut sending = stage.join(sdk, "control");
    let sent = sending.request_filter(CLIENTS, "documented/jobs", &string("dig"));
    assert_eq!(sent, Ok(2));
    let mut heard = [(); 2].map(|()| {
        let event = sending.event("filter_response");
        assert_eq!(event["value"], string("dig"));
        event["session_id"].as_str().expect("an id").to_owned()
    });
    heard.sort_unstable();
    let mut expected = targets.each_ref().map(Session::id);
    expected.sort_unstable();
    assert_eq!(heard, expected);
}

/// With a callback for errors, which 6.12.2 never calls, and without, which Rust does not allow.
fn add_filter_response_handler(stage: &Stage, sdk: Sdk) {
    let mut echoing = stage.join(Sdk::Js, "client");
    echoing.stream(Handler::of("string", "documented/jobs", echo()));
    let mut rejecting = stage.join(Sdk::Js, "client");
    rejecting.stream(Handler::of("string", "documented/jobs", reject("not today")));
    let with_errors: &[bool] = if sdk == Sdk::Rust { &[true] } else { &[true, false] };
    for &errors in with_errors {
        let mut sending = stage.join(sdk, "control");
        sending.must("filter_handler", json!({"filter": CLIENTS, "errors": errors}));
        let sent = sending.request_filter_unhandled(CLIENTS, "documented/jobs", &string("dig"));
        assert_eq!(sent, Ok(2));
        let told = if errors && sdk != Sdk::Py612 { 2 } else { 1 };
        let events: Vec<Value> = (0..told).map(|_| sending.event("filter_response")).collect();
        let (failed, answered): (Vec<_>, Vec<_>) =
            events.iter().partition(|event| event["error"].is_object());
        assert_eq!(answered.len(), 1, "{events:?}");
        assert_eq!(answered[0]["value"], string("dig"));
        assert_eq!(answered[0]["session_id"], echoing.id());
        assert!(failed.iter().all(|event| event["error"]["message"] == "not today"), "{events:?}");
        if sdk == Sdk::Rust {
            assert_eq!(failed[0]["session_id"], rejecting.id());
        }
        sending.ping();
        assert!(sending.events_so_far("filter_response").is_empty(), "a response too many");
    }
}

/// `addressed` tells which requests a handler takes: those to the session, or those to the path.
fn add_request_handler(stage: &Stage, sdk: Sdk) {
    let mut handling = stage.join(sdk, "control");
    handling.register(Handler::of("string", "documented/both", reply(&string("registered"))));
    let mut add = |path: &str, addressed: bool, text: &str| {
        handling.must(
            "stream",
            json!({
                "path": path,
                "request_type": "string",
                "response_type": by_class(sdk, "string"),
                "behaviour": reply(&string(text)),
                "addressed": addressed,
            }),
        );
    };
    add("documented/both", false, "unaddressed");
    add("documented/both", true, "addressed");
    add("documented/never", false, "unaddressed");
    let mut sending = stage.join(Sdk::Js, "control");
    let target = handling.id();
    let to_path = sending.request_path("documented/both", &string("x"));
    assert_eq!(to_path, Ok(string("unaddressed")));
    let to_session = sending.request_session(&target, "documented/both", &string("x"));
    assert_eq!(to_session, Ok(string("addressed")));
    let filter = format!("$SessionId is '{target}'");
    assert_eq!(sending.request_filter(&filter, "documented/both", &string("x")), Ok(1));
    assert_eq!(sending.event("filter_response")["value"], string("addressed"));
    let failure =
        sending.request_session(&target, "documented/never", &string("x")).expect_err("an error");
    let (code, text) = match sdk {
        // It tells, where Python keeps silent.
        Sdk::Rust => (UNHANDLED_MESSAGE, "documented/never"),
        _ => (REQUEST_TIME_OUT, MAY_HAVE_RUN),
    };
    assert_failure(Sdk::Js, &failure, code, text);
}

fn check_response_types(
    sdk: Sdk,
    mut ask: impl FnMut(&'static str, &Value) -> Outcome,
    length: &'static str,
) {
    assert_eq!(ask("documented/echo", &Value::Null), Ok(string("hello")));
    for form in forms_of_int64(sdk) {
        assert_eq!(ask(length, &form), Ok(int64(5)), "{form}");
    }
    ask(length, &Value::Null).expect_err("a number is no string");
}

fn by_class(sdk: Sdk, name: &str) -> Value {
    if sdk.is_python() { json!({"class": name}) } else { json!(name) }
}

/// Rust has types where Python has names for them.
fn forms_of_int64(sdk: Sdk) -> [Value; 3] {
    let number = if sdk.is_python() { json!(INT64_NUMBER) } else { json!("int64") };
    [json!("int64"), number, by_class(sdk, "int64")]
}

fn length_at(path: &str) -> Handler<'_> {
    Handler { path, request_type: "string", response_type: "int64", behaviour: reply(&int64(5)) }
}

fn asking(path: &str, response_type: &Value) -> Value {
    json!({"path": path, "type": "string", "value": "hello", "response_type": response_type})
}
