//! Sessions that are cut off from the server and come back.

use std::collections::HashMap;
use std::time::Duration;

use antiphon_server::Config;
use antiphon_server::PathRule;
use serde_json::Value;
use serde_json::json;

use crate::agent::Pending;
use crate::commands::Handler;
use crate::proxy::Flow;
use crate::proxy::Proxy;
use crate::sdk::Sdk;
use crate::stage::Session;
use crate::stage::Stage;
use crate::values::echo;
use crate::values::hold;
use crate::values::int64;
use crate::values::string;

/// Long enough a series for what goes wrong at the second or third loss.
const CUTS: i64 = 20;
/// Requests between two cuts.
const AT_ONCE: i64 = 20;

/// The SDKs that come back.
const COMING_BACK: [Sdk; 3] = [Sdk::Js, Sdk::Py612, Sdk::Rust];

#[test]
fn a_handler_that_is_cut_off_serves_again() {
    let Some(stage) = Stage::open(&COMING_BACK) else {
        return;
    };
    for sdk in COMING_BACK {
        let proxy = Proxy::to(stage.address());
        let mut handling = stage.join_through(&proxy, sdk, "control");
        handling.register(Handler::of("string", "orders", echo()));
        let mut sending = stage.join(Sdk::Js, "client");
        for cut in 0..3 {
            proxy.cut();
            handling.expect_cut();
            handling.expect_back();
            let answer = sending.request_path("orders", &string("x"));
            assert_eq!(answer, Ok(string("x")), "{sdk} after cut {cut}");
        }
        handling.ping();
        assert_eq!(handling.events_so_far("request").len(), 3, "{sdk}");
        assert!(handling.events_so_far("handler_closed").is_empty(), "{sdk}");
        handling.close();
        sending.close();
    }
}

#[test]
fn a_handler_gets_what_it_missed_while_it_was_cut_off() {
    let Some(stage) = Stage::open(&COMING_BACK) else {
        return;
    };
    for sdk in COMING_BACK {
        let proxy = Proxy::to(stage.address());
        let mut handling = stage.join_through(&proxy, sdk, "control");
        handling.register(Handler::of("int64", "orders", echo()));
        let mut sending = stage.join(Sdk::Js, "client");
        // Whatever it answers to what it missed, it is as good as before.
        for _ in 0..3 {
            proxy.break_down();
            handling.expect_cut();
            let sent = (0..AT_ONCE).map(|n| sending.send_to_path("orders", &int64(n))).collect();
            sending.ping();
            proxy.mend();
            handling.expect_back();
            let succeeded = expect_all_settled(&mut sending, sent, &mut handling);
            assert_eq!(succeeded as i64, AT_ONCE, "{sdk}");
        }
        handling.close();
    }
}

/// Python is not found so, since it says nothing either while it works.
#[test]
fn a_handler_whose_connection_carries_nothing_any_more_is_found_and_serves_again() {
    let Some(stage) = Stage::open_with(&[Sdk::Js], |config| {
        config.liveness.handler_timeout = Duration::from_millis(600);
        let timeout = Some(Duration::from_secs(3600));
        config.paths = vec![PathRule { path: "orders".to_owned(), timeout, choice: None }];
    }) else {
        return;
    };
    for sdk in [Sdk::Js, Sdk::Rust] {
        let proxy = Proxy::to(stage.address());
        let mut handling = stage.join_through(&proxy, sdk, "control");
        handling.register(Handler::of("string", "orders", echo()));
        let mut sending = stage.join(Sdk::Js, "client");
        proxy.hold(&[Flow::ToServer, Flow::ToClient]);
        let failure = sending.request_path("orders", &string("x")).unwrap_err();
        assert_eq!(failure.code(), Some(107), "{sdk}");
        proxy.release();
        handling.expect_cut();
        handling.expect_back();
        serve_again(&mut handling, "string");
        let answer = sending.request_path("orders", &string("y"));
        assert_eq!(answer, Ok(string("y")), "{sdk}");
        handling.close();
        sending.close();
    }
}

#[test]
fn a_session_that_is_cut_off_keeps_its_lock() {
    let Some(stage) = Stage::open(&[Sdk::Js, Sdk::Py612]) else {
        return;
    };
    let mut admin = stage.join(Sdk::Js, "admin");
    for sdk in [Sdk::Js, Sdk::Py612] {
        let proxy = Proxy::to(stage.address());
        let mut owner = stage.join_through(&proxy, sdk, "control");
        let sequence = owner.must("lock", json!({"name": "vault"}))["sequence"].clone();
        for _ in 0..2 {
            proxy.cut();
            owner.expect_cut();
            owner.expect_back();
            owner.ping();
            let details = admin.must("get_lock", json!({"name": "vault"}));
            assert_eq!(
                (&details["session_id"], &details["sequence"]),
                (&json!(owner.id()), &sequence)
            );
        }
        assert_eq!(owner.must("unlock", json!({"name": "vault"}))["released"], true, "{sdk}");
    }
}

/// A sender that is cut off has one request in flight at a handler that holds it.
fn cut_in_flight(sdk: Sdk, while_cut: impl FnOnce(&mut Session), later: impl FnOnce(&mut Session)) {
    let Some(stage) = Stage::open(&[sdk, Sdk::Js]) else {
        return;
    };
    let proxy = Proxy::to(stage.address());
    let mut handling = stage.join(Sdk::Js, "control");
    handling.register(Handler::of("string", "slow", hold()));
    let mut sending = stage.join_through(&proxy, sdk, "client");
    let pending = sending.send_to_path("slow", &string("x"));
    handling.event("request");
    proxy.break_down();
    sending.expect_cut();
    while_cut(&mut handling);
    proxy.mend();
    sending.expect_back();
    later(&mut handling);
    assert_eq!(sending.wait(pending), Ok(string("x")));
    handling.ping();
    assert!(handling.events_so_far("request").is_empty(), "the request came twice");
}

/// The ping behind the answer shows that the server has it.
fn release(handling: &mut Session) {
    assert_eq!(handling.must("release", json!({}))["released"], 1);
    handling.ping();
}

#[test]
fn javascript_gets_an_answer_that_was_given_while_it_was_cut_off() {
    cut_in_flight(Sdk::Js, release, |_| {});
}

#[test]
fn javascript_gets_an_answer_that_is_given_after_it_came_back() {
    cut_in_flight(Sdk::Js, |_| {}, release);
}

#[test]
fn rust_gets_an_answer_that_was_given_while_it_was_cut_off() {
    cut_in_flight(Sdk::Rust, release, |_| {});
}

#[test]
fn rust_gets_an_answer_that_is_given_after_it_came_back() {
    cut_in_flight(Sdk::Rust, |_| {}, release);
}

/// Sends requests, of which some are answered and some are not whenever `proxy` cuts the connections. `mend` comes
/// after every cut. Returns what was sent.
fn send_through_cuts(
    proxy: &Proxy,
    sending: &mut Session,
    mut mend: impl FnMut(&mut Session),
) -> Vec<Pending> {
    let mut sent = Vec::new();
    for cut in 0..CUTS {
        let first = sent.len();
        let numbers = cut * AT_ONCE..(cut + 1) * AT_ONCE;
        sent.extend(numbers.map(|n| sending.send_to_path("orders", &int64(n))));
        sending.await_answer(sent[first]);
        proxy.cut();
        mend(sending);
    }
    sent
}

/// Waits until a session that was cut off is connected.
fn expect_mended(session: &mut Session) {
    if session.sdk() == Sdk::Py612 {
        // A ping that it sends while it is cut off may be lost.
        session.expect_cut();
        session.expect_back();
    }
    expect_connected(session);
}

/// Waits until the session is connected.
fn expect_connected(session: &mut Session) {
    while session.call("ping", json!({})).is_err() {
        session.expect_back();
    }
}

/// What an application does whose session may have begun anew, as JavaScript must if it has more than one message to repeat.
fn serve_again(session: &mut Session, type_name: &str) {
    expect_connected(session);
    if !session.events_so_far("handler_closed").is_empty() {
        session.register(Handler::of(type_name, "orders", echo()));
    }
}

/// How often the handler saw each number. All are answered, and its ping comes behind them, so no more will come.
fn seen(handling: &mut Session) -> HashMap<String, usize> {
    expect_connected(handling);
    let mut seen = HashMap::new();
    for request in handling.events_so_far("request") {
        let number = request["value"]["value"].as_str().expect("a number").to_owned();
        *seen.entry(number).or_default() += 1;
    }
    seen
}

/// Waits for every outcome, and insists that no request came twice and none was answered without. How many succeeded.
fn expect_all_settled(sending: &mut Session, sent: Vec<Pending>, handling: &mut Session) -> usize {
    let outcomes: Vec<_> = sent.into_iter().map(|pending| sending.wait(pending)).collect();
    let seen = seen(handling);
    assert!(seen.values().all(|&times| times == 1), "a request came twice: {seen:?}");
    let mut succeeded = 0;
    for (n, outcome) in (0..).zip(outcomes) {
        if let Ok(answer) = outcome {
            assert_eq!(answer, int64(n));
            assert!(seen.contains_key(&n.to_string()), "nobody saw {n}");
            succeeded += 1;
        }
    }
    succeeded
}

#[test]
fn rust_loses_nothing_through_many_cuts() {
    // Nothing is to end but by its answer.
    let patient = |config: &mut Config| config.request_timeout = Duration::from_secs(50);
    let Some(stage) = Stage::open_with(&[Sdk::Rust], patient) else {
        return;
    };
    let proxy = Proxy::to(stage.address());
    let mut handling = stage.join_through(&proxy, Sdk::Rust, "control");
    handling.register(Handler::of("int64", "orders", echo()));
    let mut sending = stage.join_through(&proxy, Sdk::Rust, "client");
    let sent = send_through_cuts(&proxy, &mut sending, |_| {});
    let succeeded = expect_all_settled(&mut sending, sent, &mut handling);
    assert_eq!(succeeded as i64, CUTS * AT_ONCE);
}

fn every_request_of_a_sender_ends_through_many_cuts(sdk: Sdk) {
    let Some(stage) = Stage::open(&[sdk]) else {
        return;
    };
    let proxy = Proxy::to(stage.address());
    let mut handling = stage.join(Sdk::Rust, "control");
    handling.register(Handler::of("int64", "orders", echo()));
    let mut sending = stage.join_through(&proxy, sdk, "client");
    let sent = send_through_cuts(&proxy, &mut sending, expect_mended);
    let succeeded = expect_all_settled(&mut sending, sent, &mut handling);
    assert!(succeeded as i64 >= CUTS, "one before every cut, at least");
    let answer: Value = int64(-1);
    assert_eq!(sending.request_path("orders", &answer), Ok(answer), "the session goes on");
}

fn every_request_to_a_handler_ends_through_many_cuts(sdk: Sdk) {
    let Some(stage) = Stage::open_impatient(&[sdk]) else {
        return;
    };
    let proxy = Proxy::to(stage.address());
    let mut handling = stage.join_through(&proxy, sdk, "control");
    handling.register(Handler::of("int64", "orders", echo()));
    let mut sending = stage.join(Sdk::Rust, "client");
    let sent = send_through_cuts(&proxy, &mut sending, |_| {
        expect_mended(&mut handling);
        serve_again(&mut handling, "int64");
    });
    let succeeded = expect_all_settled(&mut sending, sent, &mut handling);
    assert!(succeeded as i64 >= CUTS, "one before every cut, at least");
    let answer: Value = int64(-1);
    assert_eq!(sending.request_path("orders", &answer), Ok(answer), "the session goes on");
}

#[test]
fn every_request_of_a_javascript_sender_ends_through_many_cuts() {
    every_request_of_a_sender_ends_through_many_cuts(Sdk::Js);
}

#[test]
fn every_request_of_a_python_sender_ends_through_many_cuts() {
    every_request_of_a_sender_ends_through_many_cuts(Sdk::Py612);
}

#[test]
fn every_request_to_a_javascript_handler_ends_through_many_cuts() {
    every_request_to_a_handler_ends_through_many_cuts(Sdk::Js);
}

#[test]
fn every_request_to_a_python_handler_ends_through_many_cuts() {
    every_request_to_a_handler_ends_through_many_cuts(Sdk::Py612);
}
