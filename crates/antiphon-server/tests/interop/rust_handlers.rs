//! What senders of every SDK hear from a Rust handler that declares a type, or none.

use serde_json::Value;
use serde_json::json;

use crate::commands::Handler;
use crate::sdk::Sdk;
use crate::sdk::for_every_sdk;
use crate::shown::INCOMPATIBLE_DATATYPE;
use crate::shown::UNHANDLED_MESSAGE;
use crate::shown::assert_failure;
use crate::stage::Stage;
use crate::values::binary;
use crate::values::double;
use crate::values::echo;
use crate::values::int64;
use crate::values::json_value;
use crate::values::record;
use crate::values::reply;
use crate::values::string;

/// Whichever type comes.
const ANY: &str = "value";

/// One value of each type that the SDK can send.
fn samples(sender: Sdk) -> Vec<Value> {
    let mut samples = vec![
        string("x"),
        int64(-7),
        double(0.1),
        json_value(json!({"list": [1, null]})),
        binary("00ff80"),
    ];
    if !sender.is_python() {
        samples.push(record(&[&["a", "b"], &["c"]]));
    }
    samples
}

for_every_sdk!(a_handler_of_whichever_type_sees_what_was_sent_by, super::any_type);

fn any_type(sender: Sdk) {
    let Some(stage) = Stage::open(&[sender, Sdk::Rust]) else {
        return;
    };
    let mut handling = stage.join(Sdk::Rust, "client");
    handling.stream(Handler::of(ANY, "any", echo()));
    let mut sending = stage.join(sender, "control");
    for sample in samples(sender) {
        let answer = sending.request_session(&handling.id(), "any", &sample);
        assert_eq!(answer, Ok(sample.clone()));
        assert_eq!(handling.event("request")["value"], sample);
    }
}

for_every_sdk!(a_handler_of_another_type_refuses_what_was_sent_by, super::other_type);

fn other_type(sender: Sdk) {
    let Some(stage) = Stage::open(&[sender, Sdk::Rust]) else {
        return;
    };
    let mut handling = stage.join(Sdk::Rust, "client");
    let mut sending = stage.join(sender, "control");
    for declared in ["string", "int64", "double", "json", "record_v2"] {
        handling.stream(Handler::of(declared, declared, echo()));
        for sample in samples(sender).iter().filter(|sample| !takes(declared, sample)) {
            let failure = sending
                .request_session(&handling.id(), declared, sample)
                .expect_err("another type is refused");
            assert_failure(sender, &failure, INCOMPATIBLE_DATATYPE, declared);
        }
    }
    handling.ping();
    assert!(handling.events_so_far("request").is_empty(), "the handler was called");
}

/// Every type takes its own, and json takes what is JSON besides.
fn takes(declared: &str, sample: &Value) -> bool {
    let sent = &sample["type"];
    sent == declared
        || declared == "json" && (sent == "string" || sent == "int64" || sent == "double")
}

for_every_sdk!(a_handler_of_a_general_type_takes_what_was_sent_by, super::general_types);

fn general_types(sender: Sdk) {
    let Some(stage) = Stage::open(&[sender, Sdk::Rust]) else {
        return;
    };
    let mut handling = stage.join(Sdk::Rust, "client");
    handling.stream(Handler::of("json", "json", reply(&string("ok"))));
    handling.stream(Handler::of("binary", "binary", reply(&string("ok"))));
    let mut sending = stage.join(sender, "control");
    for (path, sample, seen) in [
        ("json", string("x"), json_value(json!("x"))),
        ("json", int64(-7), json_value(json!(-7))),
        ("json", double(0.1), json_value(json!(0.1))),
        // Their CBOR.
        ("binary", string("x"), binary("6178")),
        ("binary", int64(-7), binary("26")),
    ] {
        let parameters = json!({
            "path": path,
            "session_id": handling.id(),
            "type": sample["type"],
            "value": sample["value"],
            "response_type": "string",
        });
        assert_eq!(sending.call("request_session", parameters), Ok(string("ok")));
        assert_eq!(handling.event("request")["value"], seen, "{sample} for {path}");
    }
}

for_every_sdk!(a_null_answer_reaches, super::null_answer);

fn null_answer(sender: Sdk) {
    let Some(stage) = Stage::open(&[sender, Sdk::Rust]) else {
        return;
    };
    let mut handling = stage.join(Sdk::Rust, "control");
    let null = json!({"type": "string", "value": null});
    handling.register(Handler::of("string", "nothing", reply(&null)));
    let mut sending = stage.join(sender, "client");
    let mut asking = json!({"path": "nothing", "type": "string", "value": "x"});
    if sender == Sdk::Rust {
        asking["response_type"] = json!(ANY);
    }
    let answer = sending.call("request_path", asking);
    match sender {
        Sdk::Js | Sdk::Py612 => assert_eq!(answer, Ok(json!({"type": null, "value": null}))),
        Sdk::Rust => assert_eq!(answer, Ok(null)),
        // It asks the null for its type.
        Sdk::Py66 => assert_eq!(answer.expect_err("its error").class(), "AttributeError"),
    }
    sending.ping();
}

for_every_sdk!(a_session_without_a_handler_says_so_to, super::no_handler);

fn no_handler(sender: Sdk) {
    let Some(stage) = Stage::open(&[sender, Sdk::Rust]) else {
        return;
    };
    let mut target = stage.join(Sdk::Rust, "client");
    target.stream(Handler::of("string", "inbox", echo()));
    let mut sending = stage.join(sender, "control");
    let failure =
        sending.request_session(&target.id(), "no/handler", &string("x")).expect_err("an error");
    assert_failure(sender, &failure, UNHANDLED_MESSAGE, "no/handler");
    // Below its path it is the handler's.
    assert_eq!(sending.request_session(&target.id(), "inbox/a", &string("x")), Ok(string("x")));
}
