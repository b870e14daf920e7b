//! A server that shuts down: all sessions hear of it, and no call is left waiting.

use serde_json::json;

use crate::commands::Handler;
use crate::sdk::Sdk;
use crate::sdk::for_every_pair;
use crate::shown::MAY_HAVE_RUN;
use crate::shown::SESSION_CLOSED;
use crate::shown::assert_failure;
use crate::stage::Stage;
use crate::values::hold;
use crate::values::string;

for_every_pair!(a_shutdown_ends_pending_calls_and_sessions, super::shutdown);

fn shutdown(sender: Sdk, handler: Sdk) {
    let Some(mut stage) = Stage::open(&[sender, handler]) else {
        return;
    };
    let mut handling = stage.join(handler, "control");
    handling.register(Handler::of("string", "orders", hold()));
    let mut sending = stage.join(sender, "client");
    let pending = sending.send_to_path("orders", &string("x"));
    handling.event("request");
    stage.stop();
    let failure = sending.wait(pending).expect_err("an error");
    assert_failure(sender, &failure, SESSION_CLOSED, MAY_HAVE_RUN);
    sending.expect_closed_by_server();
    if handler.is_python() {
        // It reads on only when its running handler is done.
        assert_eq!(handling.must("release", json!({}))["released"], 1);
    }
    handling.expect_closed_by_server();
}
