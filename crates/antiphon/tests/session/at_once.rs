//! Many handlers and many requests at the same time, and their bounds.

use std::sync::Arc;

use antiphon::ErrorKind;
use antiphon::Limits;
use antiphon::Rejection;
use antiphon::RequestContext;
use antiphon::Session;
use antiphon::Value;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::stage::Echo;
use crate::stage::TestServer;
use crate::stage::add;
use crate::stage::ask;
use crate::stage::gate;
use crate::stage::register;
use crate::stage::within;

async fn join_limited(server: &TestServer, limits: Limits) -> Session {
    within(server.builder().limits(limits).connect()).await.unwrap()
}

/// Sends as many numbers at once, each in a text of `length` characters, and insists on getting each one back.
async fn expect_numbers(session: &Session, count: usize, length: usize) {
    let mut requests = JoinSet::new();
    for number in 0..count {
        let messaging = session.messaging().clone();
        let text = format!("{number:0length$}");
        requests.spawn(async move {
            let answer = messaging.send_request_to_path::<String>("echo", text.clone()).await;
            assert_eq!(answer.unwrap(), text);
        });
    }
    while let Some(done) = within(requests.join_next()).await {
        done.unwrap();
    }
}

#[tokio::test]
async fn a_thousand_requests_at_once_are_each_answered_with_their_own_value() {
    let server = TestServer::start();
    let (handling, sending) = (server.join().await, server.join().await);
    let _registration = register(&handling, "echo", Echo).await;
    expect_numbers(&sending, 1000, 4).await;
}

#[tokio::test]
async fn a_session_that_asks_itself_answers_a_thousand_requests() {
    let server = TestServer::start();
    let session = server.join().await;
    let _registration = register(&session, "echo", Echo).await;
    expect_numbers(&session, 1000, 4).await;
}

#[tokio::test]
async fn with_little_room_to_send_all_requests_are_answered_all_the_same() {
    let server = TestServer::start();
    let limits = Limits { outbound: 1 << 10, ..Limits::default() };
    let handling = join_limited(&server, limits.clone()).await;
    let sending = join_limited(&server, limits).await;
    let _registration = register(&handling, "echo", Echo).await;
    expect_numbers(&sending, 1000, 100).await;
}

#[tokio::test]
async fn few_turns_are_enough_for_many_requests() {
    let server = TestServer::start();
    let handling = server.join().await;
    let sending =
        join_limited(&server, Limits { requests_in_flight: 2, ..Limits::default() }).await;
    let _registration = register(&handling, "echo", Echo).await;
    expect_numbers(&sending, 300, 4).await;
}

#[tokio::test]
async fn handlers_of_one_session_run_at_the_same_time() {
    const COUNT: usize = 64;
    let server = TestServer::start();
    let (handling, sending) = (server.join().await, server.join().await);
    let barrier = Arc::new(Barrier::new(COUNT));
    let meet = move |value: Value, _: RequestContext| {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
            Ok(value)
        }
    };
    let _registration = register(&handling, "echo", meet).await;
    expect_numbers(&sending, COUNT, 2).await;
}

#[tokio::test]
async fn no_more_handlers_run_than_allowed_and_the_others_wait_their_turn() {
    let server = TestServer::start();
    let limits = Limits { handler_concurrency: 2, ..Limits::default() };
    let (handling, sending) = (join_limited(&server, limits).await, server.join().await);
    let (mut gate, gated) = gate();
    let _registration = register(&handling, "path", gated).await;
    let _echo = add(&handling, "echo", Echo);
    let asked: Vec<_> = (0..5).map(|_| ask(&sending, "path")).collect();
    gate.arrival().await;
    gate.arrival().await;
    // The server has passed on all five when it answers this.
    sending.ping().await.unwrap();
    handling.ping().await.unwrap();
    assert_eq!(gate.arrived(), 0);
    gate.let_through(1);
    gate.arrival().await;
    handling.ping().await.unwrap();
    assert_eq!(gate.arrived(), 0);
    gate.let_through(4);
    for request in asked {
        assert_eq!(within(request).await.unwrap().unwrap(), "question");
    }
    assert_eq!(gate.arrived(), 2);
}

#[tokio::test]
async fn requests_that_find_no_room_at_the_handler_are_refused_and_not_executed() {
    let server = TestServer::start();
    let limits = Limits { handler_concurrency: 1, handler_queue: 1, ..Limits::default() };
    let (handling, sending) = (join_limited(&server, limits).await, server.join().await);
    let (mut gate, gated) = gate();
    let _registration = register(&handling, "path", gated).await;
    let mut requests = JoinSet::new();
    for _ in 0..5 {
        let messaging = sending.messaging().clone();
        requests.spawn(async move { messaging.send_request_to_path::<Value>("path", "x").await });
    }
    gate.arrival().await;
    for _ in 0..3 {
        let error = within(requests.join_next()).await.unwrap().unwrap().unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Overloaded, Some(9003)));
        assert!(error.is_overloaded() && !error.may_have_executed());
    }
    gate.let_through(2);
    while let Some(answer) = within(requests.join_next()).await {
        answer.unwrap().unwrap();
    }
    gate.arrival().await;
    assert_eq!(gate.arrived(), 0);
}

#[tokio::test]
async fn a_session_with_no_room_for_waiting_requests_answers_one_after_the_other() {
    let server = TestServer::start();
    let limits = Limits { handler_concurrency: 1, handler_queue: 0, ..Limits::default() };
    let session = join_limited(&server, limits).await;
    let reject = async |_: Value, _| Err::<Value, _>(Rejection::new("no"));
    let _registration = register(&session, "path", reject).await;
    for _ in 0..10 {
        let asked = session.messaging().send_request_to_path::<Value>("path", "x");
        assert_eq!(within(asked).await.unwrap_err().kind(), ErrorKind::Rejected);
    }
}
