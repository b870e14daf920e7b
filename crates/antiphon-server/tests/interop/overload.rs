//! A handler that has as many requests as it may: others are taken, or the sender hears at once.

use antiphon_server::Config;
use serde_json::json;

use crate::commands::Handler;
use crate::sdk::Sdk;
use crate::sdk::for_every_pair;
use crate::sdk::for_every_sdk;
use crate::shown::OVERLOADED;
use crate::shown::REJECTED_REQUEST;
use crate::shown::assert_failure;
use crate::stage::Stage;
use crate::values::hold;
use crate::values::string;

fn one_request_per_handler(config: &mut Config) {
    config.limits.requests_per_handler = 1;
}

for_every_pair!(a_busy_handler_gets_no_second_request, super::second_is_refused);

fn second_is_refused(sender: Sdk, handler: Sdk) {
    let Some(stage) = Stage::open_with(&[sender, handler], one_request_per_handler) else {
        return;
    };
    let mut handling = stage.join(handler, "control");
    handling.register(Handler::of("string", "jobs", hold()));
    handling.stream(Handler::of("string", "jobs", hold()));
    let mut first = stage.join(sender, "client");
    let mut second = stage.join(sender, "control");

    let pending = first.send_to_path("jobs", &string("one"));
    assert_eq!(handling.event("request")["value"], string("one"));
    let to_path = second.request_path("jobs", &string("two")).expect_err("an error");
    assert_failure(sender, &to_path, REJECTED_REQUEST, OVERLOADED);
    let to_session =
        second.request_session(&handling.id(), "jobs", &string("two")).expect_err("an error");
    assert_failure(sender, &to_session, REJECTED_REQUEST, OVERLOADED);

    assert_eq!(handling.must("release", json!({}))["released"], 1);
    assert_eq!(first.wait(pending), Ok(string("one")));
    // It has room again.
    let pending = second.send_to_path("jobs", &string("three"));
    assert_eq!(handling.event("request")["value"], string("three"));
    handling.must("release", json!({}));
    assert_eq!(second.wait(pending), Ok(string("three")));
}

for_every_sdk!(the_second_request_goes_to_the_handler_that_is_free, super::other_takes_over);

fn other_takes_over(sdk: Sdk) {
    let Some(stage) = Stage::open_with(&[sdk], one_request_per_handler) else {
        return;
    };
    let mut busy = stage.join(sdk, "control");
    let mut free = stage.join(sdk, "control");
    let mut senders = [(); 3].map(|()| stage.join(sdk, "client"));
    busy.register(Handler::of("string", "jobs", hold()));
    let first = senders[0].send_to_path("jobs", &string("one"));
    assert_eq!(busy.event("request")["value"], string("one"));
    free.register(Handler::of("string", "jobs", hold()));
    let second = senders[1].send_to_path("jobs", &string("two"));
    assert_eq!(free.event("request")["value"], string("two"));
    let failure = senders[2].request_path("jobs", &string("three")).expect_err("an error");
    assert_failure(sdk, &failure, REJECTED_REQUEST, OVERLOADED);

    for (handling, sending, pending, text) in
        [(&mut busy, 0, first, "one"), (&mut free, 1, second, "two")]
    {
        assert_eq!(handling.must("release", json!({}))["released"], 1);
        assert_eq!(senders[sending].wait(pending), Ok(string(text)));
    }
}
