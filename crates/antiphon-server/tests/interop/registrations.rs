//! Which handler a path request reaches, and when a registration ends.

use serde_json::json;

use crate::commands::Handler;
use crate::sdk::Sdk;
use crate::sdk::for_every_sdk;
use crate::shown::HANDLER_CONFLICT;
use crate::shown::UNHANDLED_MESSAGE;
use crate::shown::assert_failure;
use crate::stage::Stage;
use crate::values::echo;
use crate::values::reply;
use crate::values::string;

for_every_sdk!(a_session_cannot_register_a_path_twice, super::second_registration_conflicts);

fn second_registration_conflicts(sdk: Sdk) {
    let Some(stage) = Stage::open(&[sdk]) else {
        return;
    };
    let mut session = stage.join(sdk, "control");
    session.register(Handler::of("string", "taken/path", echo()));
    let failure =
        session.try_register(Handler::of("string", "taken/path", echo())).expect_err("an error");
    if sdk == Sdk::Rust {
        // It knows without asking the server.
        assert_eq!((failure.class(), failure.code()), ("HandlerConflict", None));
        assert!(failure.message().contains("taken/path"), "{failure:?}");
    } else {
        assert_failure(sdk, &failure, HANDLER_CONFLICT, "taken/path");
    }
}

for_every_sdk!(two_sessions_can_register_the_same_path, super::path_is_shared);

fn path_is_shared(sdk: Sdk) {
    let Some(stage) = Stage::open(&[sdk, Sdk::Js]) else {
        return;
    };
    let mut one = stage.join(sdk, "control");
    let mut other = stage.join(Sdk::Js, "control");
    let mut sending = stage.join(Sdk::Js, "client");
    one.register(Handler::of("string", "shared", reply(&string("one"))));
    other.register(Handler::of("string", "shared", reply(&string("other"))));
    other.close();
    assert_eq!(sending.request_path("shared", &string("x")), Ok(string("one")));
}

for_every_sdk!(a_handler_serves_the_branch_below_its_path, super::serves_a_branch);

fn serves_a_branch(sender: Sdk) {
    // Python does not: see the module `defects`.
    let Some(stage) = Stage::open(&[sender, Sdk::Js, Sdk::Rust]) else {
        return;
    };
    for handler in [Sdk::Js, Sdk::Rust] {
        let mut handling = stage.join(handler, "control");
        handling.register(Handler::of("string", "a/b", echo()));
        let mut sending = stage.join(sender, "client");
        assert_eq!(sending.request_path("a/b/c", &string("x")), Ok(string("x")), "{handler}");
        assert_eq!(handling.event("request")["path"], "a/b/c", "{handler}");
        handling.close();
    }
}

#[test]
fn the_most_specific_path_wins() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut inner = stage.join(Sdk::Js, "control");
    let mut outer = stage.join(Sdk::Js, "control");
    let mut sending = stage.join(Sdk::Js, "client");
    inner.register(Handler::of("string", "a/b/c", reply(&string("inner"))));
    outer.register(Handler::of("string", "a/b", reply(&string("outer"))));
    for (path, served_by) in
        [("a/b", "outer"), ("a/b/x", "outer"), ("a/b/c", "inner"), ("a/b/c/d", "inner")]
    {
        assert_eq!(sending.request_path(path, &string("x")), Ok(string(served_by)), "{path}");
    }
}

#[test]
fn a_branch_ends_at_whole_segments() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut handling = stage.join(Sdk::Js, "control");
    let mut sending = stage.join(Sdk::Js, "client");
    handling.register(Handler::of("string", "a/b", echo()));
    for path in ["a/bc", "a", "b"] {
        let failure = sending.request_path(path, &string("x")).expect_err("an error");
        assert_failure(Sdk::Js, &failure, UNHANDLED_MESSAGE, path);
    }
}

#[test]
fn a_deregistered_handler_gets_no_more_requests() {
    // Python has no way to deregister.
    let Some(stage) = Stage::open(&[Sdk::Js, Sdk::Rust]) else {
        return;
    };
    for handler in [Sdk::Js, Sdk::Rust] {
        check_deregistration(&stage, handler);
    }
}

fn check_deregistration(stage: &Stage, handler: Sdk) {
    let mut handling = stage.join(handler, "control");
    let mut sending = stage.join(Sdk::Js, "client");
    handling.register(Handler::of("string", "shop", echo()));
    assert_eq!(sending.request_path("shop", &string("x")), Ok(string("x")));
    handling.must("deregister", json!({"path": "shop"}));
    let failure = sending.request_path("shop", &string("x")).expect_err("an error");
    assert_failure(Sdk::Js, &failure, UNHANDLED_MESSAGE, "shop");

    handling.register(Handler::of("string", "shop", reply(&string("open again"))));
    assert_eq!(sending.request_path("shop", &string("x")), Ok(string("open again")));
}

for_every_sdk!(a_registration_ends_with_its_session, super::registration_ends_with_session);

fn registration_ends_with_session(handler: Sdk) {
    let Some(stage) = Stage::open(&[handler, Sdk::Js]) else {
        return;
    };
    let mut handling = stage.join(handler, "control");
    let mut sending = stage.join(Sdk::Js, "client");
    let mut watching = stage.join(Sdk::Js, "admin");
    handling.register(Handler::of("string", "shop", echo()));
    assert_eq!(sending.request_path("shop", &string("x")), Ok(string("x")));
    let gone = handling.id();
    watching.must("listen", json!({"filter": format!("$SessionId is '{gone}'")}));
    assert_eq!(watching.event("session_event")["state"], "ACTIVE");
    handling.close();
    assert_eq!(watching.event("session_event")["state"], "CLOSED");
    let failure = sending.request_path("shop", &string("x")).expect_err("an error");
    assert_failure(Sdk::Js, &failure, UNHANDLED_MESSAGE, "shop");
}
