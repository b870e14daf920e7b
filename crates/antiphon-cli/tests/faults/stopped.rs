//! Handlers and senders that stand still: SIGSTOP. Their sockets stay open, and the system answers for them.

use std::process::Stdio;

use crate::fifo::Fifo;
use crate::process::Handler;
use crate::stage::PATIENT;
use crate::stage::Process;
use crate::stage::Stage;
use crate::stage::ask;
use crate::stage::ask_many;
use crate::stage::expect_error;

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_stands_still_is_passed_over_until_it_goes_on() {
    let handler_timeout = ("LIVENESS_HANDLER_TIMEOUT", "600ms");
    let stage = Stage::open(&[&PATIENT[..], &[handler_timeout]].concat());
    let mut still = Handler::start(&stage, &["orders", "--echo"]);
    let other = Handler::start(&stage, &["orders", "--echo"]);
    let sender = stage.join().await;
    still.signal("STOP");
    let mut lost = 0;
    for request in ask_many(&sender, "orders", 0..8) {
        let outcome = request.await.unwrap();
        if outcome.is_err() {
            expect_error(outcome, 107);
            lost += 1;
        }
    }
    assert!((1..8).contains(&lost), "{lost} of 8 went to one of two handlers");
    for number in 0..50 {
        assert_eq!(ask(&sender, "orders", number).await.unwrap(), number);
    }
    still.signal("CONT");
    assert_eq!(still.event("reconnected")["session"], still.session);
    other.signal("TERM");
    assert_eq!(other.end(), Some(0));
    assert_eq!(ask(&sender, "orders", 1).await.unwrap(), 1);
    stage.settle();
    assert_eq!(stage.ended("recipient_silent"), lost);
    stage.end_well();
}

/// A sender process whose request waits, and the handler that it waits for.
fn waiting(stage: &Stage, fifo: &Fifo) -> (Handler, Process) {
    let mut handler = Handler::start(stage, &["orders", "--exec", &fifo.wait_at("orders/slow")]);
    let mut command = stage.admin(&["request", "orders/slow", "x", "--timeout", "1h"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let sender = Process::start(command);
    handler.event("request");
    (handler, sender)
}

#[test]
fn a_sender_that_stands_still_for_a_while_has_its_answer_when_it_goes_on() {
    let stage = Stage::open(&PATIENT);
    let fifo = Fifo::make();
    let (_handler, sender) = waiting(&stage, &fifo);
    sender.signal("STOP");
    fifo.release();
    stage.settle();
    assert_eq!(stage.said(&["request", "orders", "x"]).code, Some(0), "others are served");
    sender.signal("CONT");
    let (code, out, err) = sender.end();
    assert_eq!((code, out.as_str()), (Some(0), "released\n"), "{err}");
}

#[test]
fn a_sender_that_stands_still_for_too_long_is_given_up_and_hears_of_it() {
    let pings = [("PING_PERIOD", "500ms"), ("LIVENESS_MISSED_PINGS", "4")];
    let stage = Stage::open(&[&PATIENT[..], &pings].concat());
    let fifo = Fifo::make();
    let (_handler, sender) = waiting(&stage, &fifo);
    sender.signal("STOP");
    // Such a session cannot come back, so it ends. Its handler's is left.
    stage.expect_sessions(1);
    sender.signal("CONT");
    let (code, _, err) = sender.end();
    assert_eq!(code, Some(7), "{err}");
    assert!(err.contains("may have been executed"), "{err}");
    fifo.release();
    stage.settle();
    assert_eq!(stage.ended("cancelled"), 1);
    assert_eq!(stage.said(&["request", "orders", "x"]).code, Some(0));
}
