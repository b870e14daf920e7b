//! Sessions over TLS, as the published SDKs speak it.

use crate::commands::Handler;
use crate::sdk::Sdk;
use crate::sdk::for_every_published_sdk;
use crate::stage::Stage;
use crate::values::echo;
use crate::values::string;

for_every_published_sdk!(a_session_asks_and_answers_over_tls, super::asks_and_answers);

fn asks_and_answers(sdk: Sdk) {
    let Some(stage) = Stage::open_encrypted(&[sdk]) else {
        return;
    };
    let mut handling = stage.join(sdk, "control");
    handling.register(Handler::of("string", "encrypted", echo()));
    let mut sending = stage.join(sdk, "client");
    let large = string(&"antiphon".repeat(50_000));
    assert_eq!(sending.request_path("encrypted", &large), Ok(large));
}
