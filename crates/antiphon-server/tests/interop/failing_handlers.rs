//! Handlers that refuse, fail, keep silent or leave: the sender always hears of it.

use std::time::Duration;
use std::time::Instant;

use serde_json::Value;

use crate::agent::Failure;
use crate::agent::Pending;
use crate::commands::Handler;
use crate::sdk::Sdk;
use crate::sdk::for_every_pair;
use crate::shown::CALLBACK_EXCEPTION;
use crate::shown::MAY_HAVE_RUN;
use crate::shown::NO_SUCH_SESSION;
use crate::shown::REJECTED_REQUEST;
use crate::shown::REQUEST_TIME_OUT;
use crate::shown::UNHANDLED_MESSAGE;
use crate::shown::assert_failure;
use crate::stage::SHORT;
use crate::stage::Session;
use crate::stage::Stage;
use crate::values::echo;
use crate::values::hold;
use crate::values::reject;
use crate::values::silent;
use crate::values::string;
use crate::values::throw;

/// What a sender hears: the code and a part of the text.
type Heard = (u64, &'static str);

/// Generous towards a busy machine, and well below the default deadline of ten seconds.
const AT_ONCE: Duration = Duration::from_secs(5);
const TEXT: &str = "no such order";
const GIVEN_UP: Heard = (REQUEST_TIME_OUT, MAY_HAVE_RUN);

/// All that 6.12.2 says of any failure in a registered handler.
const PYTHON_FAILED: Heard = (REJECTED_REQUEST, "Callback threw error");

/// Rust keeps the text of a panic, which may be anything, to its own side.
const PANICKED: Heard =
    (CALLBACK_EXCEPTION, "the handler panicked; the request may have been executed");

for_every_pair!(a_registered_handler_that_rejects, super::registered_rejects);

fn registered_rejects(sender: Sdk, handler: Sdk) {
    let heard = match handler {
        Sdk::Js | Sdk::Rust => (REJECTED_REQUEST, TEXT),
        Sdk::Py612 => PYTHON_FAILED,
        Sdk::Py66 => GIVEN_UP,
    };
    check_registered(sender, handler, reject(TEXT), heard);
}

for_every_pair!(a_registered_handler_that_throws, super::registered_throws);

fn registered_throws(sender: Sdk, handler: Sdk) {
    let heard = match handler {
        Sdk::Js => (CALLBACK_EXCEPTION, TEXT),
        Sdk::Rust => PANICKED,
        Sdk::Py612 => PYTHON_FAILED,
        Sdk::Py66 => GIVEN_UP,
    };
    check_registered(sender, handler, throw(TEXT), heard);
}

for_every_pair!(a_registered_handler_that_keeps_silent, super::registered_keeps_silent);

fn registered_keeps_silent(sender: Sdk, handler: Sdk) {
    check_registered(sender, handler, silent(), GIVEN_UP);
}

for_every_pair!(an_addressed_session_that_rejects, super::addressed_rejects);

fn addressed_rejects(sender: Sdk, handler: Sdk) {
    let heard = match handler {
        Sdk::Js | Sdk::Py612 | Sdk::Rust => (REJECTED_REQUEST, TEXT),
        Sdk::Py66 => GIVEN_UP,
    };
    check_addressed(sender, handler, reject(TEXT), heard);
}

for_every_pair!(an_addressed_session_that_throws, super::addressed_throws);

fn addressed_throws(sender: Sdk, handler: Sdk) {
    let heard = match handler {
        Sdk::Js => (CALLBACK_EXCEPTION, TEXT),
        Sdk::Rust => PANICKED,
        Sdk::Py612 | Sdk::Py66 => GIVEN_UP,
    };
    check_addressed(sender, handler, throw(TEXT), heard);
}

for_every_pair!(an_addressed_session_that_keeps_silent, super::addressed_keeps_silent);

fn addressed_keeps_silent(sender: Sdk, handler: Sdk) {
    check_addressed(sender, handler, silent(), GIVEN_UP);
}

for_every_pair!(a_registered_handler_that_leaves, super::registered_leaves);

fn registered_leaves(sender: Sdk, handler: Sdk) {
    let Some(stage) = Stage::open(&[sender, handler]) else {
        return;
    };
    let mut handling = stage.join(handler, "control");
    handling.register(Handler::of("string", "orders", hold()));
    let mut sending = stage.join(sender, "client");
    let pending = sending.send_to_path("orders", &string("one"));
    check_leaving(&mut handling, &mut sending, pending);
}

for_every_pair!(an_addressed_session_that_leaves, super::addressed_leaves);

fn addressed_leaves(sender: Sdk, handler: Sdk) {
    let Some(stage) = Stage::open(&[sender, handler]) else {
        return;
    };
    let mut handling = stage.join(handler, "client");
    handling.stream(Handler::of("string", "orders", hold()));
    let mut sending = stage.join(sender, "control");
    let pending = sending.send_to_session(&handling.id(), "orders", &string("one"));
    check_leaving(&mut handling, &mut sending, pending);
}

#[test]
fn a_javascript_handler_that_throws_is_deregistered_by_its_sdk() {
    let Some(stage) = Stage::open(&[Sdk::Js]) else {
        return;
    };
    let mut handling = stage.join(Sdk::Js, "control");
    handling.register(Handler::of("string", "orders", throw(TEXT)));
    let mut sending = stage.join(Sdk::Js, "client");
    sending.request_path("orders", &string("one")).expect_err("an error");
    handling.event("handler_error");
    handling.ping();
    let failure = sending.request_path("orders", &string("two")).expect_err("an error");
    assert_failure(Sdk::Js, &failure, UNHANDLED_MESSAGE, "orders");
}

/// 6.6rc1 shows no code: only the speed tells this error from that of the deadline.
fn check_leaving(handling: &mut Session, sending: &mut Session, pending: Pending) {
    handling.event("request");
    let left = Instant::now();
    handling.close();
    let failure = sending.wait(pending).expect_err("an error");
    assert_failure(sending.sdk(), &failure, NO_SUCH_SESSION, MAY_HAVE_RUN);
    let elapsed = left.elapsed();
    assert!(elapsed < AT_ONCE, "told only {elapsed:?} after the handler left");
}

fn check_registered(sender: Sdk, handler: Sdk, behaviour: Value, heard: Heard) {
    let Some(stage) = open(heard, &[sender, handler]) else {
        return;
    };
    let mut handling = stage.join(handler, "control");
    handling.register(Handler::of("string", "orders", behaviour));
    handling.register(Handler::of("string", "echo", echo()));
    let mut sending = stage.join(sender, "client");
    let asked = Instant::now();
    let failure = sending.request_path("orders", &string("one")).expect_err("an error");
    check(sender, &failure, heard, asked.elapsed());
    assert_eq!(handling.event("request")["value"], string("one"));
    if heard != GIVEN_UP {
        assert_eq!(sending.request_path("echo", &string("two")), Ok(string("two")));
    }
    sending.ping();
}

fn check_addressed(sender: Sdk, handler: Sdk, behaviour: Value, heard: Heard) {
    let Some(stage) = open(heard, &[sender, handler]) else {
        return;
    };
    let mut handling = stage.join(handler, "client");
    handling.stream(Handler::of("string", "orders", behaviour));
    handling.stream(Handler::of("string", "echo", echo()));
    let mut sending = stage.join(sender, "control");
    let target = handling.id();
    let asked = Instant::now();
    let failure = sending.request_session(&target, "orders", &string("one")).expect_err("an error");
    check(sender, &failure, heard, asked.elapsed());
    assert_eq!(handling.event("request")["value"], string("one"));
    if heard != GIVEN_UP {
        // JavaScript follows its first answer with further errors, which must not count.
        assert_eq!(sending.request_session(&target, "echo", &string("two")), Ok(string("two")));
    }
    sending.ping();
}

/// Only a server that need not wait for a slow handler may be impatient.
fn open(heard: Heard, sdks: &[Sdk]) -> Option<Stage> {
    if heard == GIVEN_UP { Stage::open_impatient(sdks) } else { Stage::open(sdks) }
}

fn check(sender: Sdk, failure: &Failure, heard: Heard, elapsed: Duration) {
    let (code, text) = heard;
    assert_failure(sender, failure, code, text);
    if heard == GIVEN_UP {
        assert!(elapsed >= SHORT, "given up after {elapsed:?}, before the deadline of {SHORT:?}");
        assert!(elapsed < SHORT + AT_ONCE, "given up only after {elapsed:?}");
    }
}
