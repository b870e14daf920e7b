//! Connections that are open and carry nothing any more, in one direction or in both, as when a cable is cut.

use crate::proxy::Flow;
use crate::proxy::Proxy;
use crate::stage::PATIENT;
use crate::stage::Stage;
use crate::stage::ask;
use crate::stage::ask_many;
use crate::stage::echo;
use crate::stage::expect_error;
use crate::stage::expect_resumed;
use crate::stage::join;

/// A handler behind a network that holds back one request or its answer.
async fn a_handler_is_found_and_serves_again(held: &[Flow]) {
    let handler_timeout = ("LIVENESS_HANDLER_TIMEOUT", "600ms");
    let stage = Stage::open(&[&PATIENT[..], &[handler_timeout]].concat());
    let proxy = Proxy::to(stage.socket_address());
    let handler = join(&proxy.address().to_string()).await;
    let (_registration, mut seen) = echo(&handler, "orders").await;
    let sender = stage.join().await;
    let mut events = handler.events();
    proxy.hold(held);
    expect_error(ask(&sender, "orders", 1).await, 107);
    proxy.release();
    expect_resumed(&mut events).await;
    assert_eq!(ask(&sender, "orders", 2).await.unwrap(), 2);
    let seen: Vec<_> = std::iter::from_fn(|| seen.try_recv().ok()).collect();
    assert!([&[2][..], &[1, 2]].contains(&seen.as_slice()), "nothing came twice: {seen:?}");
    stage.settle();
    assert_eq!(stage.ended("recipient_silent"), 1);
    stage.end_well();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_found_on_a_connection_that_carries_nothing() {
    a_handler_is_found_and_serves_again(&[Flow::ToServer, Flow::ToClient]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_found_on_a_connection_that_carries_nothing_to_it() {
    a_handler_is_found_and_serves_again(&[Flow::ToClient]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_found_on_a_connection_that_carries_nothing_from_it() {
    a_handler_is_found_and_serves_again(&[Flow::ToServer]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_has_the_answers_that_came_while_its_connection_carried_nothing() {
    let pings = [("PING_PERIOD", "500ms"), ("LIVENESS_MISSED_PINGS", "4")];
    let stage = Stage::open(&[&PATIENT[..], &pings].concat());
    let proxy = Proxy::to(stage.socket_address());
    let handler = stage.join().await;
    let (_registration, mut seen) = echo(&handler, "orders").await;
    let sender = join(&proxy.address().to_string()).await;
    let mut events = sender.events();
    proxy.hold(&[Flow::ToClient]);
    let flying = ask_many(&sender, "orders", 0..20);
    for _ in 0..20 {
        seen.recv().await.unwrap();
    }
    stage.settle();
    stage.expect_away(1);
    proxy.release();
    expect_resumed(&mut events).await;
    for (number, request) in (0..).zip(flying) {
        assert_eq!(request.await.unwrap().unwrap(), number);
    }
    assert_eq!(ask(&sender, "orders", 20).await.unwrap(), 20);
    assert_eq!(seen.recv().await, Some(20), "nothing came twice");
    assert_eq!(stage.settle(), 21);
    stage.end_well();
}
