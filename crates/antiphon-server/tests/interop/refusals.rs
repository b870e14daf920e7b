//! What the server itself refuses, and how each SDK shows it.

use crate::commands::Handler;
use crate::sdk::Sdk;
use crate::sdk::for_every_sdk;
use crate::shown::ACCESS_DENIED;
use crate::shown::NO_SUCH_SESSION;
use crate::shown::UNHANDLED_MESSAGE;
use crate::shown::assert_failure;
use crate::stage::Stage;
use crate::values::echo;
use crate::values::string;

for_every_sdk!(a_path_without_a_handler_is_refused, super::no_handler);

fn no_handler(sdk: Sdk) {
    let Some(stage) = Stage::open(&[sdk]) else {
        return;
    };
    let mut sending = stage.join(sdk, "client");
    let failure = sending.request_path("nobody/here", &string("x")).expect_err("an error");
    assert_failure(sdk, &failure, UNHANDLED_MESSAGE, "nobody/here");
    sending.ping();
}

for_every_sdk!(a_session_that_has_closed_is_unknown, super::closed_session);

fn closed_session(sdk: Sdk) {
    let Some(stage) = Stage::open(&[sdk, Sdk::Js]) else {
        return;
    };
    let mut gone = stage.join(Sdk::Js, "client");
    let gone_id = gone.id();
    gone.close();
    let mut sending = stage.join(sdk, "control");
    let failure = sending.request_session(&gone_id, "inbox", &string("x")).expect_err("an error");
    assert_failure(sdk, &failure, NO_SUCH_SESSION, &gone_id);
}

for_every_sdk!(a_session_that_never_was_is_unknown, super::unknown_session);

fn unknown_session(sdk: Sdk) {
    let Some(stage) = Stage::open(&[sdk]) else {
        return;
    };
    let mut sending = stage.join(sdk, "control");
    let nobody = "0000000000000001-0000000000000002";
    let failure = sending.request_session(nobody, "inbox", &string("x")).expect_err("an error");
    assert_failure(sdk, &failure, NO_SUCH_SESSION, nobody);
}

for_every_sdk!(a_client_may_not_send_to_sessions_or_filters_or_register, super::client_is_limited);

fn client_is_limited(sdk: Sdk) {
    let Some(stage) = Stage::open(&[sdk, Sdk::Js]) else {
        return;
    };
    let mut target = stage.join(Sdk::Js, "control");
    target.stream(Handler::of("string", "inbox", echo()));
    let mut client = stage.join(sdk, "client");

    let to_session =
        client.request_session(&target.id(), "inbox", &string("x")).expect_err("an error");
    assert_failure(sdk, &to_session, ACCESS_DENIED, "inbox");
    let to_filter = client.request_filter("all", "inbox", &string("x")).expect_err("an error");
    assert_failure(sdk, &to_filter, ACCESS_DENIED, "inbox");
    let registration =
        client.try_register(Handler::of("string", "my/path", echo())).expect_err("an error");
    assert_failure(sdk, &registration, ACCESS_DENIED, "my/path");

    target.ping();
    assert!(target.events_so_far("request").is_empty(), "a refused request was delivered");
}

for_every_sdk!(a_filter_that_does_not_parse_is_reported, super::bad_filter);

fn bad_filter(sdk: Sdk) {
    let Some(stage) = Stage::open(&[sdk]) else {
        return;
    };
    let mut sending = stage.join(sdk, "control");
    let failure =
        sending.request_filter("$Principal iss 'x'", "inbox", &string("x")).expect_err("an error");
    match sdk {
        Sdk::Js | Sdk::Rust => {
            let class = if sdk == Sdk::Js { "ErrorReports" } else { "InvalidFilter" };
            assert_eq!(failure.class(), class);
            let report = &failure.reports()[0];
            let message = report["message"].as_str().expect("a report has a message");
            assert!(message.len() > 1, "{failure:?}");
            assert_eq!(report["line"], 1, "{failure:?}");
            assert!(report["column"].is_u64(), "{failure:?}");
        }
        Sdk::Py612 => {
            // Given the list of reports that JavaScript takes, it shows one control character.
            assert_eq!(failure.class(), "MessagingError");
            assert!(failure.message().len() > 1, "{failure:?}");
        }
        // It fails to take the report apart, whatever its form.
        Sdk::Py66 => assert_eq!(failure.class(), "ValueError"),
    }
    sending.ping();
}

for_every_sdk!(a_filter_that_nobody_matches_counts_zero, super::nobody_matches);

fn nobody_matches(sdk: Sdk) {
    let Some(stage) = Stage::open(&[sdk]) else {
        return;
    };
    let mut sending = stage.join(sdk, "control");
    assert_eq!(sending.request_filter("$Principal is 'nobody'", "inbox", &string("x")), Ok(0));
    sending.ping();
    assert!(sending.events_so_far("filter_response").is_empty(), "a response from nobody");
}
