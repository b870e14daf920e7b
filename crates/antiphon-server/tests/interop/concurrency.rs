//! Many requests at once: every answer finds its own request.
//!
//! Senders of 6.6rc1 are left out: their concurrent calls share one result.

use serde_json::json;

use crate::agent::Pending;
use crate::commands::Handler;
use crate::sdk::Sdk;
use crate::sdk::for_every_sdk;
use crate::stage::Session;
use crate::stage::Stage;
use crate::values::echo;
use crate::values::hold;
use crate::values::int64;

const MANY: i64 = 50;
const SENDERS: [Sdk; 3] = [Sdk::Py612, Sdk::Js, Sdk::Rust];

for_every_sdk!(fifty_path_requests_at_once_are_answered_by, super::many_to_a_path);

fn many_to_a_path(handler: Sdk) {
    let Some(stage) = Stage::open(&[handler, Sdk::Py612, Sdk::Js]) else {
        return;
    };
    let mut handling = stage.join(handler, "control");
    handling.register(Handler::of("int64", "many", echo()));
    for sender in SENDERS {
        let mut sending = stage.join(sender, "client");
        let sent: Vec<Pending> =
            (0..MANY).map(|n| sending.send_to_path("many", &int64(n))).collect();
        expect_own_answers(&mut sending, sent);
    }
}

for_every_sdk!(fifty_session_requests_at_once_are_answered_by, super::many_to_a_session);

fn many_to_a_session(handler: Sdk) {
    let Some(stage) = Stage::open(&[handler, Sdk::Py612, Sdk::Js]) else {
        return;
    };
    let mut handling = stage.join(handler, "client");
    handling.stream(Handler::of("int64", "many", echo()));
    let target = handling.id();
    for sender in SENDERS {
        let mut sending = stage.join(sender, "control");
        let sent: Vec<Pending> =
            (0..MANY).map(|n| sending.send_to_session(&target, "many", &int64(n))).collect();
        expect_own_answers(&mut sending, sent);
    }
}

#[test]
fn answers_may_come_in_any_order() {
    let Some(stage) = Stage::open(&SENDERS) else {
        return;
    };
    for sender in SENDERS {
        let mut handling = stage.join(Sdk::Js, "control");
        handling.register(Handler::of("int64", "many", hold()));
        let mut sending = stage.join(sender, "client");
        let sent: Vec<Pending> =
            (0..MANY).map(|n| sending.send_to_path("many", &int64(n))).collect();
        for _ in 0..MANY {
            handling.event("request");
        }
        // The latest request is answered first.
        assert_eq!(handling.must("release", json!({}))["released"], MANY);
        expect_own_answers(&mut sending, sent);
    }
}

fn expect_own_answers(sending: &mut Session, sent: Vec<Pending>) {
    for (n, pending) in (0..).zip(sent) {
        assert_eq!(sending.wait(pending), Ok(int64(n)), "request {n}");
    }
}
