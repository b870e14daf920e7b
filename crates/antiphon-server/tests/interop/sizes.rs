//! Large messages: below the limit they pass, above it they cost the sender its session.

use antiphon_server::Config;
use serde_json::Value;
use serde_json::json;

use crate::commands::Handler;
use crate::sdk::Sdk;
use crate::sdk::for_every_pair;
use crate::sdk::for_every_sdk;
use crate::stage::Stage;
use crate::values::echo;
use crate::values::string;

const KIB: usize = 1024;
const LIMIT: usize = 64 * KIB;

fn limited(config: &mut Config) {
    config.limits.maximum_message = LIMIT;
}

fn text_of(bytes: usize) -> Value {
    string(&"antiphon".repeat(bytes / 8))
}

for_every_pair!(sixty_kibibytes_pass_both_ways, super::large_passes);

fn large_passes(sender: Sdk, handler: Sdk) {
    let Some(stage) = Stage::open_with(&[sender, handler], limited) else {
        return;
    };
    let large = text_of(60 * KIB);
    let mut handling = stage.join(handler, "control");
    handling.register(Handler::of("string", "large", echo()));
    handling.stream(Handler::of("string", "large", echo()));
    let mut sending = stage.join(sender, "control");
    assert_eq!(sending.request_path("large", &large), Ok(large.clone()));
    assert_eq!(sending.request_session(&handling.id(), "large", &large), Ok(large));
}

for_every_sdk!(a_message_above_the_limit_ends_only_its_session, super::too_large);

fn too_large(sdk: Sdk) {
    let Some(stage) = Stage::open_with(&[sdk, Sdk::Js], limited) else {
        return;
    };
    let mut handling = stage.join(Sdk::Js, "control");
    handling.register(Handler::of("string", "large", echo()));
    let mut watching = stage.join(Sdk::Js, "admin");
    let mut other = stage.join(sdk, "client");
    let mut sending = stage.join(sdk, "operator");
    watching.must("listen", json!({"filter": "$Principal is 'operator'"}));
    assert_eq!(watching.event("session_event")["open"], true);

    sending.send_to_path("large", &text_of(70 * KIB));
    sending.expect_closed_by_server();
    let closed = watching.event("session_event");
    assert_eq!((&closed["state"], &closed["close_reason"]), (&json!("CLOSED"), &json!(5)));
    assert_eq!(other.request_path("large", &string("small")), Ok(string("small")));
    assert_eq!(handling.event("request")["sender"], other.id(), "nothing else was delivered");
}
