//! Time limits, recipients that go away, and futures that are dropped.

use std::time::Duration;

use antiphon::ErrorKind;
use antiphon::Limits;

use crate::stage::Echo;
use crate::stage::Silence;
use crate::stage::TestServer;
use crate::stage::add;
use crate::stage::ask;
use crate::stage::expect_echo;
use crate::stage::gate;
use crate::stage::register;
use crate::stage::within;

/// Whatever waits for it waits for nothing else.
const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn the_server_gives_up_a_handler_that_does_not_answer() {
    let server = TestServer::with(|config| config.request_timeout = SHORT);
    let session = server.join().await;
    let _registration = register(&session, "path", Silence).await;
    let asked = session.messaging().send_request_to_path::<String>("path", "x");
    let error = within(asked).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::RequestTimeOut, Some(102)));
    assert!(error.is_timeout() && error.may_have_executed());
}

#[tokio::test]
async fn the_sender_gives_up_when_its_own_time_is_over() {
    let server = TestServer::start();
    let session = server.join().await;
    let _registration = register(&session, "path", Silence).await;
    let messaging = session.messaging().with_timeout(SHORT);
    let error = within(messaging.send_request_to_path::<String>("path", "x")).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::RequestTimeOut, None));
    assert!(error.is_timeout() && error.may_have_executed());
    session.ping().await.unwrap();
}

#[tokio::test]
async fn the_time_limit_of_a_session_counts_for_all_its_calls() {
    let server = TestServer::start();
    let session = within(server.builder().request_timeout(SHORT).connect()).await.unwrap();
    let handling = server.join().await;
    let _registration = register(&handling, "path", Silence).await;
    let error = within(ask(&session, "path")).await.unwrap().unwrap_err();
    assert!(error.is_timeout() && error.may_have_executed());
}

#[tokio::test]
async fn an_answer_that_comes_too_late_disturbs_nothing() {
    let server = TestServer::start();
    let session = server.join().await;
    let (mut gate, gated) = gate();
    let _registration = register(&session, "path", gated).await;
    let messaging = session.messaging().with_timeout(SHORT);
    let error = within(messaging.send_request_to_path::<String>("path", "late")).await.unwrap_err();
    assert!(error.is_timeout());
    gate.arrival().await;
    gate.let_through(2);
    expect_echo(&session, "path").await;
}

#[tokio::test]
async fn a_request_whose_turn_did_not_come_was_not_sent() {
    let server = TestServer::start();
    let handling = server.join().await;
    let (mut gate, gated) = gate();
    let _registration = register(&handling, "path", gated).await;
    let limits = Limits { requests_in_flight: 1, ..Limits::default() };
    let sending = within(server.builder().limits(limits).connect()).await.unwrap();
    let first = ask(&sending, "path");
    gate.arrival().await;
    let messaging = sending.messaging().with_timeout(SHORT);
    let error = within(messaging.send_request_to_path::<String>("path", "x")).await.unwrap_err();
    assert!(error.is_timeout() && !error.may_have_executed());
    gate.let_through(1);
    within(first).await.unwrap().unwrap();
    handling.ping().await.unwrap();
    assert_eq!(gate.arrived(), 0);
}

#[tokio::test]
async fn dropping_a_request_makes_room_for_the_next() {
    let server = TestServer::start();
    let handling = server.join().await;
    let (mut gate, gated) = gate();
    let _silent = register(&handling, "held", gated).await;
    let _echo = register(&handling, "echo", Echo).await;
    let limits = Limits { requests_in_flight: 1, ..Limits::default() };
    let sending = within(server.builder().limits(limits).connect()).await.unwrap();
    let request = ask(&sending, "held");
    gate.arrival().await;
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    expect_echo(&sending, "echo").await;
    // The handler answers all the same, and nobody takes notice.
    gate.let_through(1);
    handling.ping().await.unwrap();
    expect_echo(&sending, "echo").await;
}

#[tokio::test]
async fn a_recipient_that_ends_before_it_answers_may_have_acted() {
    let server = TestServer::start();
    let (handling, sending) = (server.join().await, server.join().await);
    let (mut gate, gated) = gate();
    let (mut addressed_gate, addressed) = crate::stage::gate();
    register(&handling, "path", gated).await.keep();
    add(&handling, "path", addressed).keep();
    let by_path = ask(&sending, "path");
    gate.arrival().await;
    let (messaging, target) = (sending.messaging().clone(), handling.id());
    let by_id = tokio::spawn(async move {
        messaging.send_request_to_session::<String>("path", target, "x").await
    });
    addressed_gate.arrival().await;
    within(handling.close()).await;
    for asked in [by_path, by_id] {
        let error = within(asked).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSuchSession);
        assert!(error.may_have_executed(), "{error}");
    }
}

#[tokio::test]
async fn closing_a_session_ends_its_requests_in_flight() {
    let server = TestServer::start();
    let (handling, sending) = (server.join().await, server.join().await);
    let (mut gate, gated) = gate();
    let _registration = register(&handling, "path", gated).await;
    let request = ask(&sending, "path");
    gate.arrival().await;
    within(sending.close()).await;
    let error = within(request).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SessionClosed);
    assert!(error.is_closed() && error.may_have_executed());
}

#[tokio::test]
async fn a_session_that_is_closed_sends_nothing() {
    let server = TestServer::start();
    let session = server.join().await;
    within(session.close()).await;
    let messaging = session.messaging();
    let asked_path = messaging.send_request_to_path::<String>("path", "x").await.err();
    let asked_filter = messaging.request_filter::<String>("$Principal is 'x'", "a", "x").await;
    let registered = messaging.register_request_handler("path", Echo, &[]).await;
    let added = messaging.add_request_handler("path", Echo, antiphon::Addressing::Addressed);
    let pinged = session.ping().await.err();
    for error in [asked_path, asked_filter.err(), registered.err(), added.err(), pinged] {
        let error = error.unwrap();
        assert_eq!(error.kind(), ErrorKind::SessionClosed);
        assert!(error.is_closed() && !error.may_have_executed());
    }
}
