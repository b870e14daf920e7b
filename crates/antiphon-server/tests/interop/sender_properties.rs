//! Session properties of the sender, for handlers that asked for them.

use serde_json::Value;
use serde_json::json;

use crate::commands::Handler;
use crate::sdk::Sdk;
use crate::sdk::for_every_sdk;
use crate::stage::Session;
use crate::stage::Stage;
use crate::values::echo;
use crate::values::string;

for_every_sdk!(a_javascript_handler_sees_the_properties_of, super::seen_by_js);
for_every_sdk!(a_python_handler_sees_the_properties_of, super::seen_by_py612);
for_every_sdk!(a_rust_handler_sees_the_properties_of, super::seen_by_rust);

fn seen_by_js(sender: Sdk) {
    seen_by(Sdk::Js, sender);
}

fn seen_by_py612(sender: Sdk) {
    seen_by(Sdk::Py612, sender);
}

fn seen_by_rust(sender: Sdk) {
    seen_by(Sdk::Rust, sender);
}

fn seen_by(handler: Sdk, sender: Sdk) {
    let Some(stage) = Stage::open(&[handler, sender, Sdk::Js]) else {
        return;
    };
    let mut handling = stage.join(handler, "control");
    handling.register_with_keys(Handler::of("string", "one", echo()), &["$Principal"]);
    handling.register_with_keys(Handler::of("string", "fixed", echo()), &["*F"]);
    handling.register_with_keys(Handler::of("string", "user", echo()), &["*U"]);
    handling.register_with_keys(Handler::of("string", "both", echo()), &["*U", "$Principal", "*F"]);
    let mut admin = stage.join(Sdk::Js, "admin");
    let mut ask = |path: &str| {
        let mut sending = stage.join(sender, "client");
        let properties = json!({"Department": "Accounts", "Floor": "3"});
        admin.must("set_properties", json!({"session_id": sending.id(), "properties": properties}));
        (properties_of(&mut sending, &mut handling, path), sending.id())
    };

    assert_eq!(ask("one").0, json!({"$Principal": "client"}));
    assert_eq!(ask("user").0, json!({"Department": "Accounts", "Floor": "3"}));
    let (fixed, id) = ask("fixed");
    check_fixed(&fixed, sender, &id);
    assert_eq!(fixed["Department"], Value::Null);
    let (both, id) = ask("both");
    check_fixed(&both, sender, &id);
    assert_eq!(both["Department"], "Accounts");
}

fn properties_of(sending: &mut Session, handling: &mut Session, path: &str) -> Value {
    assert_eq!(sending.request_path(path, &string("x")), Ok(string("x")));
    handling.event("request")["properties"].clone()
}

fn check_fixed(properties: &Value, sender: Sdk, session_id: &str) {
    assert_eq!(properties["$SessionId"], session_id);
    assert_eq!(properties["$Principal"], "client");
    assert_eq!(properties["$ClientType"], sender.client_type());
    assert_eq!(properties["$Transport"], "WEBSOCKET");
    assert_eq!(properties["$Roles"], "\"CLIENT\"");
    assert!(properties["$StartTime"].is_string(), "{properties}");
}

#[test]
fn a_handler_that_asked_for_nothing_gets_none() {
    let Some(stage) = Stage::open(&[Sdk::Js, Sdk::Rust]) else {
        return;
    };
    for handler in [Sdk::Js, Sdk::Rust] {
        let mut handling = stage.join(handler, "control");
        handling.register(Handler::of("string", "plain", echo()));
        let mut sending = stage.join(Sdk::Js, "client");
        assert_eq!(properties_of(&mut sending, &mut handling, "plain"), json!({}), "{handler}");
    }
}

#[test]
fn a_handler_of_6_6rc1_that_asks_for_properties_is_still_served() {
    // It cannot decode them and would keep silent: it has to be sent none.
    let Some(stage) = Stage::open(&[Sdk::Py66, Sdk::Js]) else {
        return;
    };
    let mut handling = stage.join(Sdk::Py66, "control");
    handling.register_with_keys(Handler::of("string", "old", echo()), &["$Principal", "*F", "*U"]);
    let mut sending = stage.join(Sdk::Js, "client");
    assert_eq!(sending.request_path("old", &string("x")), Ok(string("x")));
}
