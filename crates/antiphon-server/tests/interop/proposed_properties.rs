//! What a client proposes when it connects, and what the server knows of it besides.

use std::env;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use serde_json::Value;
use serde_json::json;

use crate::commands::Handler;
use crate::sdk::Sdk;
use crate::sdk::for_every_sdk;
use crate::stage::Stage;
use crate::values::echo;
use crate::values::string;

const SERVER_NAME: &str = "tills-eu-1";

/// All that is special in the encodings of the header and of the query.
fn department(sdk: Sdk) -> String {
    let everywhere = r#"Zoë's "R\D", 東京; 100%41 a+b&c=d \n"#;
    match sdk {
        // It leaves control characters raw, which its HTTP library refuses to send.
        Sdk::Py66 => everywhere.to_owned(),
        Sdk::Py612 | Sdk::Js | Sdk::Rust => format!("{everywhere}\t\r\n"),
    }
}

fn proposal(sdk: Sdk) -> Value {
    json!({"Department": department(sdk), "Floor": "3", "$Country": "DE", "$Principal": "admin"})
}

for_every_sdk!(proposed_properties_can_be_filtered_by, super::filtered_by);

fn filtered_by(sdk: Sdk) {
    let Some(stage) = Stage::open(&[sdk, Sdk::Js]) else {
        return;
    };
    let mut proposing = stage.join_proposing(sdk, "client", proposal(sdk));
    proposing.stream(Handler::of("string", "inbox", echo()));
    let _other = stage.join_proposing(sdk, "client", json!({"Department": "Sales"}));
    let mut sending = stage.join(Sdk::Js, "control");
    let literal = department(sdk).replace('\\', r"\\").replace('\'', r"\'");
    let filter = format!("Department is '{literal}'");
    assert_eq!(sending.request_filter(&filter, "inbox", &string("x")), Ok(1));
    assert_eq!(sending.event("filter_response")["session_id"], proposing.id());
}

for_every_sdk!(proposed_properties_reach_handlers, super::seen_by_handlers);

fn seen_by_handlers(sdk: Sdk) {
    let Some(stage) = Stage::open(&[sdk, Sdk::Py612, Sdk::Js, Sdk::Rust]) else {
        return;
    };
    for handler in [Sdk::Py612, Sdk::Js, Sdk::Rust] {
        let mut handling = stage.join(handler, "control");
        handling.register_with_keys(Handler::of("string", "orders", echo()), &["*U"]);
        let mut sending = stage.join_proposing(sdk, "client", proposal(sdk));
        assert_eq!(sending.request_path("orders", &string("x")), Ok(string("x")));
        let expected = json!({"Department": department(sdk), "Floor": "3"});
        assert_eq!(handling.event("request")["properties"], expected, "{handler}");
    }
}

for_every_sdk!(the_fixed_properties_are_the_servers_own, super::fixed);

fn fixed(sdk: Sdk) {
    let opened = Stage::open_with(&[sdk, Sdk::Js], |config| {
        config.server_name = SERVER_NAME.to_owned();
    });
    let Some(stage) = opened else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    let before = now();
    let session = stage.join_proposing(sdk, "client", proposal(sdk));
    let after = now();
    let parameters = json!({"session_id": session.id(), "keys": ["*F"]});
    let mut fixed = admin.must("get_properties", parameters);

    let start: u128 = fixed["$StartTime"].as_str().and_then(|text| text.parse().ok()).expect("ms");
    assert!((before..=after).contains(&start), "{start} not in {before}..={after}");
    let environment = fixed["$Environment"].as_str().expect("text").to_owned();
    let begins = match sdk {
        Sdk::Py66 => "UNKNOWN",
        Sdk::Py612 => "PYTHON_cpython_3.",
        Sdk::Js => "NODE_",
        Sdk::Rust => &format!("RUST_{}_{}", env::consts::OS, sdk.release()),
    };
    assert!(environment.starts_with(begins), "{environment}");

    let told = fixed.as_object_mut().expect("a map");
    for checked in ["$StartTime", "$Environment"] {
        told.remove(checked);
    }
    let connector = told.remove("$Connector").expect("a connector");
    assert!(connector.as_str().is_some_and(|name| !name.is_empty()), "{connector}");
    let expected = json!({
        "$SessionId": session.id(),
        "$Principal": "client",
        "$Roles": "\"CLIENT\"",
        "$ClientType": sdk.client_type(),
        "$Transport": "WEBSOCKET",
        "$ServerName": SERVER_NAME,
        "$ClientIP": "127.0.0.1",
        "$Country": "",
        "$Language": "",
        "$Latitude": "NaN",
        "$Longitude": "NaN",
    });
    assert_eq!(fixed, expected);
}

/// Milliseconds since 1970.
fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis()
}
