//! Deadlines of their own for branches of paths.

use std::time::Duration;
use std::time::Instant;

use antiphon_server::PathRule;
use serde_json::json;

use crate::commands::Handler;
use crate::sdk::Sdk;
use crate::sdk::for_every_sdk;
use crate::shown::MAY_HAVE_RUN;
use crate::shown::REQUEST_TIME_OUT;
use crate::shown::assert_failure;
use crate::stage::SHORT;
use crate::stage::Stage;
use crate::values::hold;
use crate::values::silent;
use crate::values::string;

/// The default deadline where the rule has the shorter one: nobody waits for it.
const LONG: Duration = Duration::from_secs(50);

/// Generous towards a busy machine.
const SOON: Duration = Duration::from_secs(10);

fn rule(path: &str, timeout: Duration) -> PathRule {
    PathRule { path: path.to_owned(), timeout: Some(timeout), choice: None }
}

for_every_sdk!(a_shorter_deadline_of_a_branch_ends_its_requests, super::shorter);

fn shorter(sdk: Sdk) {
    let opened = Stage::open_with(&[sdk], |config| {
        config.request_timeout = LONG;
        config.paths = vec![rule("quick", SHORT)];
    });
    let Some(stage) = opened else {
        return;
    };
    let mut handling = stage.join(sdk, "control");
    handling.register(Handler::of("string", "quick/orders", silent()));
    let mut sending = stage.join(sdk, "client");
    let asked = Instant::now();
    let failure = sending.request_path("quick/orders", &string("x")).expect_err("an error");
    let elapsed = asked.elapsed();
    assert_failure(sdk, &failure, REQUEST_TIME_OUT, MAY_HAVE_RUN);
    assert!((SHORT..SHORT + SOON).contains(&elapsed), "given up after {elapsed:?}");
}

for_every_sdk!(a_longer_deadline_of_a_branch_lets_a_handler_think, super::longer);

fn longer(sdk: Sdk) {
    let opened = Stage::open_with(&[sdk], |config| {
        config.request_timeout = SHORT;
        config.paths = vec![rule("slow", LONG)];
    });
    let Some(stage) = opened else {
        return;
    };
    let mut thinking = stage.join(sdk, "control");
    thinking.register(Handler::of("string", "slow/orders", hold()));
    let mut dead = stage.join(sdk, "control");
    dead.register(Handler::of("string", "other", silent()));
    let mut patient = stage.join(sdk, "client");
    let mut impatient = stage.join(sdk, "client");

    let pending = patient.send_to_path("slow/orders", &string("x"));
    thinking.event("request");
    // Sent later, and given up first.
    let failure = impatient.request_path("other", &string("x")).expect_err("an error");
    assert_failure(sdk, &failure, REQUEST_TIME_OUT, MAY_HAVE_RUN);
    patient.ping();
    assert!(!patient.has_answered(pending), "the default deadline counted");
    thinking.must("release", json!({}));
    assert_eq!(patient.wait(pending), Ok(string("x")));
}
