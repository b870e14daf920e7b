//! Handlers and senders that end without a word: kill -9.

use std::process::Stdio;

use antiphon::ErrorKind;

use crate::fifo::Fifo;
use crate::process::Handler;
use crate::stage::PATIENT;
use crate::stage::Process;
use crate::stage::Stage;
use crate::stage::ask;
use crate::stage::ask_many;
use crate::stage::echo;
use crate::stage::expect_error;

const REQUESTS: i64 = 20;

/// A handler at `orders` that never answers.
fn idler(stage: &Stage) -> Handler {
    Handler::start(stage, &["orders", "--echo", "--delay", "1h"])
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_end_with_the_session_of_a_handler_that_is_killed() {
    let keep_for = ("RECOVERY_KEEP_FOR", "300ms");
    let stage = Stage::open(&[&PATIENT[..], &[keep_for]].concat());
    let mut doomed = idler(&stage);
    let sender = stage.join().await;
    let flying = ask_many(&sender, "orders", 0..REQUESTS);
    for _ in 0..REQUESTS {
        doomed.event("request");
    }
    doomed.signal("KILL");
    for request in flying {
        expect_error(request.await.unwrap(), 107);
    }
    let nobody = ask(&sender, "orders", 0).await.unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::UnhandledMessage, "{nobody}");
    assert_eq!(stage.settle(), REQUESTS as u64);
    assert_eq!(stage.ended("recipient_ended"), REQUESTS as u64);
    stage.end_well();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_to_a_handler_that_was_killed_end_in_time_while_its_session_is_kept() {
    let stage = Stage::open(&[("REQUEST_TIMEOUT", "400ms")]);
    let doomed = idler(&stage);
    let sender = stage.join().await;
    doomed.signal("KILL");
    stage.expect_away(1);
    for request in ask_many(&sender, "orders", 0..REQUESTS) {
        expect_error(request.await.unwrap(), 102);
    }
    assert_eq!(stage.settle(), REQUESTS as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_handler_takes_over_from_one_that_is_killed() {
    let stage = Stage::open(&PATIENT);
    let mut doomed = idler(&stage);
    let sender = stage.join().await;
    let mut flying = ask_many(&sender, "orders", 0..1);
    doomed.event("request");
    let other = stage.join().await;
    let (_registration, _seen) = echo(&other, "orders").await;
    doomed.signal("KILL");
    for number in 0..50 {
        assert_eq!(ask(&sender, "orders", number).await.unwrap(), number);
    }
    // Its session is kept for a minute, and the request may wait for it for an hour, unless somebody ends it.
    sender.clients().close(doomed.session.parse().unwrap()).await.unwrap();
    expect_error(flying.remove(0).await.unwrap(), 107);
    stage.settle();
}

#[tokio::test(flavor = "multi_thread")]
async fn senders_and_handlers_that_are_killed_at_full_speed_leave_nothing_behind() {
    let stage = Stage::open(&[("RECOVERY_KEEP_FOR", "300ms")]);
    let (handler, sender) = (stage.join().await, stage.join().await);
    let (_registration, _seen) = echo(&handler, "orders").await;
    let load = ["bench", "--requesters", "4", "--handlers", "4", "--seconds", "3600"];
    let mut command = stage.admin(&load);
    command.stderr(Stdio::null());
    let bench = Process::start(command);
    stage.expect("antiphon_requests_ended_total", "", |ended| ended > 1_000);
    bench.signal("KILL");
    stage.expect_sessions(2);
    for number in 0..50 {
        assert_eq!(ask(&sender, "orders", number).await.unwrap(), number);
    }
    stage.settle();
    stage.end_well();
}

#[test]
fn an_answer_to_a_sender_that_was_killed_harms_nobody() {
    let stage = Stage::open(&PATIENT);
    let fifo = Fifo::make();
    let mut handler = Handler::start(&stage, &["orders", "--exec", &fifo.wait_at("orders/slow")]);
    let doomed = Process::start(stage.admin(&["request", "orders/slow", "x"]));
    handler.event("request");
    doomed.signal("KILL");
    stage.expect_sessions(1);
    fifo.release();
    stage.settle();
    assert_eq!(stage.ended("cancelled"), 1);
    assert_eq!(stage.said(&["request", "orders", "x"]).code, Some(0));
    stage.settle();
    stage.end_well();
}
