//! Message paths: which are illegal, and what slashes at the ends mean.

use crate::commands::Handler;
use crate::sdk::Sdk;
use crate::sdk::for_every_pair;
use crate::sdk::for_every_sdk;
use crate::shown::INVALID_PATH;
use crate::shown::assert_failure;
use crate::stage::Stage;
use crate::values::echo;
use crate::values::string;

const ILLEGAL: [&str; 3] = ["", "/", "a//b"];

for_every_sdk!(a_request_to_an_illegal_path_is_refused, super::illegal_to_send);

fn illegal_to_send(sdk: Sdk) {
    let Some(stage) = Stage::open(&[sdk]) else {
        return;
    };
    let mut target = stage.join(sdk, "control");
    let mut sending = stage.join(sdk, "control");
    for path in ILLEGAL {
        let to_path = sending.request_path(path, &string("x")).expect_err("an error");
        assert_failure(sdk, &to_path, INVALID_PATH, path);
        let to_session =
            sending.request_session(&target.id(), path, &string("x")).expect_err("an error");
        assert_failure(sdk, &to_session, INVALID_PATH, path);
        let to_filter = sending.request_filter("all", path, &string("x")).expect_err("an error");
        assert_failure(sdk, &to_filter, INVALID_PATH, path);
    }
    target.stream(Handler::of("string", "legal", echo()));
    let answer = sending.request_session(&target.id(), "legal", &string("x"));
    assert_eq!(answer, Ok(string("x")));
}

for_every_sdk!(a_registration_of_an_illegal_path_is_refused, super::illegal_to_register);

fn illegal_to_register(sdk: Sdk) {
    let Some(stage) = Stage::open(&[sdk]) else {
        return;
    };
    let mut session = stage.join(sdk, "control");
    for path in ILLEGAL {
        let failure =
            session.try_register(Handler::of("string", path, echo())).expect_err("an error");
        if sdk == Sdk::Rust {
            // It does not ask the server, and does not repeat the path.
            assert_eq!((failure.class(), failure.code()), ("InvalidPath", None), "{path:?}");
            assert_eq!(failure.may_have_executed(), Some(false), "{path:?}");
        } else {
            assert_failure(sdk, &failure, INVALID_PATH, path);
        }
    }
    session.register(Handler::of("string", "legal", echo()));
    assert_eq!(session.request_path("legal", &string("x")), Ok(string("x")));
}

for_every_sdk!(slashes_at_the_ends_of_a_request_arrive_as_sent_by, super::slashes_arrive);

fn slashes_arrive(sender: Sdk) {
    let Some(stage) = Stage::open(&[sender, Sdk::Js]) else {
        return;
    };
    let mut handling = stage.join(Sdk::Js, "control");
    handling.register(Handler::of("string", "a/b", echo()));
    for path in ["/a/b", "a/b/", "/a/b/", "/a/b/c/"] {
        let mut sending = stage.join(sender, "client");
        assert_eq!(sending.request_path(path, &string("x")), Ok(string("x")), "{path}");
        assert_eq!(handling.event("request")["path"], path);
    }
}

for_every_pair!(slashes_at_the_ends_of_a_registration_do_not_matter, super::slashes_register);

fn slashes_register(sender: Sdk, handler: Sdk) {
    let Some(stage) = Stage::open(&[sender, handler]) else {
        return;
    };
    let mut handling = stage.join(handler, "control");
    handling.register(Handler::of("string", "/a/b/", echo()));
    let mut sending = stage.join(sender, "client");
    // Python looks its handlers up by the exact text.
    let path = if handler.is_python() { "/a/b/" } else { "a/b" };
    assert_eq!(sending.request_path(path, &string("x")), Ok(string("x")));
    assert_eq!(handling.event("request")["path"], path);
}
