//! What a handler can be, what it is told, and what becomes of its answer.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use antiphon::ALL_FIXED_PROPERTIES;
use antiphon::ALL_USER_PROPERTIES;
use antiphon::ErrorKind;
use antiphon::Limits;
use antiphon::Rejection;
use antiphon::RequestContext;
use antiphon::RequestHandler;
use antiphon::Session;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::stage::Echo;
use crate::stage::Reject;
use crate::stage::Reply;
use crate::stage::Silence;
use crate::stage::TestServer;
use crate::stage::add;
use crate::stage::expect_echo;
use crate::stage::register;
use crate::stage::within;

struct Counter(AtomicI64);

impl RequestHandler for Counter {
    type Request = i64;
    type Response = i64;

    async fn handle(&self, step: i64, _: RequestContext) -> Result<i64, Rejection> {
        Ok(self.0.fetch_add(step, Ordering::Relaxed) + step)
    }
}

async fn ask(session: &Session, path: &str) -> Result<String, antiphon::Error> {
    within(session.messaging().send_request_to_path(path, "7")).await
}

#[tokio::test]
async fn a_type_keeps_its_state_between_requests() {
    let server = TestServer::start();
    let session = server.join().await;
    let _registration = register(&session, "counter", Counter(AtomicI64::new(40))).await;
    let messaging = session.messaging();
    assert_eq!(messaging.send_request_to_path::<i64>("counter", 1_i64).await.unwrap(), 41);
    assert_eq!(messaging.send_request_to_path::<i64>("counter", 1_i64).await.unwrap(), 42);
}

#[tokio::test]
async fn closures_of_every_form_are_handlers() {
    async fn function(text: String, _: RequestContext) -> Result<String, Rejection> {
        Ok(text)
    }
    let server = TestServer::start();
    let session = server.join().await;
    let plain = |text: String, _: RequestContext| async move { Ok(text) };
    let shared = Arc::new("7".to_owned());
    let capturing = move |_: String, _: RequestContext| {
        let shared = Arc::clone(&shared);
        async move { Ok((*shared).clone()) }
    };
    let ready = |text: String, _: RequestContext| std::future::ready(Ok(text));
    let _registrations = [
        register(&session, "plain", plain).await,
        register(&session, "capturing", capturing).await,
        register(&session, "ready", ready).await,
        register(&session, "async", async |text: String, _| Ok(text)).await,
        register(&session, "function", function).await,
    ];
    for path in ["plain", "capturing", "ready", "async", "function"] {
        assert_eq!(ask(&session, path).await.unwrap(), "7", "{path}");
    }
}

#[tokio::test]
async fn a_handler_is_told_the_path_and_who_asks() {
    let server = TestServer::start();
    let (handling, sending) = (server.join().await, server.join().await);
    let (told, mut seen) = mpsc::unbounded_channel();
    let tell = move |_: String, context: RequestContext| {
        let told = told.clone();
        async move { Ok(told.send(context).map(|()| String::new())?) }
    };
    let _addressed = add(&handling, "addressed", tell.clone());
    let _registration = register(&handling, "path", tell).await;
    let before = Instant::now();
    ask(&sending, "path/below").await.unwrap();
    let context = seen.recv().await.unwrap();
    assert_eq!((context.path(), context.sender()), ("path/below", Some(sending.id())));
    assert_eq!((context.properties().count(), context.property("$Principal")), (0, None));
    assert!(context.deadline() >= before + Limits::default().handler_timeout);
    // The server does not tell more of requests that are addressed.
    let messaging = sending.messaging();
    let id = handling.id();
    messaging.send_request_to_session::<String>("addressed", id, "x").await.unwrap();
    let context = seen.recv().await.unwrap();
    assert_eq!((context.path(), context.sender()), ("addressed", None));
}

/// The sender's properties that a handler with these keys is told.
async fn told(server: &TestServer, keys: &[&str]) -> Vec<(String, String)> {
    let handling = server.join().await;
    let builder = server.builder().property("Team", "blue").property("Floor", "2");
    let sending = within(builder.connect()).await.unwrap();
    let (told, mut seen) = mpsc::unbounded_channel();
    let tell = move |_: String, context: RequestContext| {
        let told = told.clone();
        async move { Ok(told.send(context).map(|()| String::new())?) }
    };
    let registered = handling.messaging().register_request_handler("path", tell, keys).await;
    ask(&sending, "path").await.unwrap();
    registered.unwrap().close().await.unwrap();
    let context = seen.recv().await.unwrap();
    let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let mut properties: Vec<_> = context.properties().map(owned).collect();
    properties.sort();
    properties
}

#[tokio::test]
async fn a_handler_is_told_the_properties_that_it_asks_for() {
    let server = TestServer::start();
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(told(&server, &["$Principal"]).await, [pair("$Principal", "admin")]);
    let both = [pair("$Principal", "admin"), pair("Team", "blue")];
    assert_eq!(told(&server, &["Team", "$Principal", "Absent"]).await, both);
    let user = [pair("Floor", "2"), pair("Team", "blue")];
    assert_eq!(told(&server, &[ALL_USER_PROPERTIES, "Team"]).await, user);
    let fixed = told(&server, &[ALL_FIXED_PROPERTIES]).await;
    assert!(fixed.iter().all(|(key, _)| key.starts_with('$')), "{fixed:?}");
    for key in ["$Principal", "$SessionId", "$Environment"] {
        assert!(fixed.iter().any(|property| property.0 == key), "{key} is not in {fixed:?}");
    }
    let all = told(&server, &[ALL_FIXED_PROPERTIES, ALL_USER_PROPERTIES]).await;
    assert_eq!(all.len(), fixed.len() + 2);
}

#[tokio::test]
async fn a_handler_answers_for_the_branch_below_it_unless_another_is_nearer() {
    let server = TestServer::start();
    let session = server.join().await;
    let _high = register(&session, "a", Reply("high")).await;
    let low = register(&session, "a/b/c", Reply("low")).await;
    for (path, who) in
        [("a", "high"), ("a/b", "high"), ("a/x/y", "high"), ("a/b/c", "low"), ("a/b/c/d", "low")]
    {
        assert_eq!(ask(&session, path).await.unwrap(), who, "{path}");
    }
    assert_eq!(ask(&session, "ab").await.unwrap_err().kind(), ErrorKind::UnhandledMessage);
    low.close().await.unwrap();
    assert_eq!(ask(&session, "a/b/c/d").await.unwrap(), "high");
}

#[tokio::test]
async fn addressed_requests_find_the_nearest_handler_too() {
    let server = TestServer::start();
    let session = server.join().await;
    let _high = add(&session, "a", Reply("high"));
    let _low = add(&session, "a/b", Reply("low"));
    for (path, who) in [("a", "high"), ("/a/x", "high"), ("a/b", "low"), ("a/b/c/", "low")] {
        let messaging = session.messaging();
        let answer = messaging.send_request_to_session::<String>(path, session.id(), "x").await;
        assert_eq!(answer.unwrap(), who, "{path}");
    }
}

#[tokio::test]
async fn a_rejection_comes_to_the_sender_with_its_text() {
    let server = TestServer::start();
    let session = server.join().await;
    let _registration = register(&session, "path", Reject("not on a sunday")).await;
    let error = ask(&session, "path").await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Rejected, Some(9003)));
    assert_eq!(error.text(), "not on a sunday");
    assert!(error.may_have_executed() && !error.is_overloaded());
}

#[tokio::test]
async fn every_error_can_be_passed_on_as_a_rejection() {
    let server = TestServer::start();
    let session = server.join().await;
    let half = async |text: String, _| {
        let number: i64 = text.parse()?;
        Ok(number / 2)
    };
    let _registration = register(&session, "half", half).await;
    let messaging = session.messaging();
    assert_eq!(messaging.send_request_to_path::<i64>("half", "8").await.unwrap(), 4);
    let error = messaging.send_request_to_path::<i64>("half", "eight").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_eq!(error.text(), "eight".parse::<i64>().unwrap_err().to_string());
}

#[tokio::test]
async fn a_panic_is_an_error_at_the_sender_and_nothing_else() {
    let server = TestServer::start();
    let (handling, sending) = (server.join().await, server.join().await);
    let panicking = async |text: String, _| {
        assert!(text.is_empty(), "a panic that belongs to this test");
        Ok(text)
    };
    let _panicking = register(&handling, "panic", panicking).await;
    let _echo = register(&handling, "echo", Echo).await;
    for _ in 0..3 {
        let error = ask(&sending, "panic").await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::CallbackException, Some(105)));
        assert!(error.may_have_executed());
        assert!(error.text().contains("panicked"), "{error}");
    }
    expect_echo(&sending, "echo").await;
    let answer = sending.messaging().send_request_to_path::<String>("panic", "").await;
    assert_eq!(answer.unwrap(), "");
}

#[tokio::test]
async fn a_panic_frees_the_place_of_its_handler() {
    let server = TestServer::start();
    let limits = Limits { handler_concurrency: 1, handler_queue: 0, ..Limits::default() };
    let session = within(server.builder().limits(limits).connect()).await.unwrap();
    let panicking = |_: String, _: RequestContext| -> std::future::Ready<_> {
        panic!("a panic before there is a future, that belongs to this test")
    };
    let panicking = move |text: String, context: RequestContext| {
        let future: std::future::Ready<Result<String, Rejection>> = panicking(text, context);
        future
    };
    let _panicking = register(&session, "panic", panicking).await;
    let _echo = register(&session, "echo", Echo).await;
    for _ in 0..3 {
        let error = ask(&session, "panic").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CallbackException);
        expect_echo(&session, "echo").await;
    }
}

#[tokio::test]
async fn a_handler_that_is_too_slow_is_given_up_where_it_runs() {
    let server = TestServer::start();
    let limits = Limits { handler_timeout: Duration::from_millis(20), ..Limits::default() };
    let handling = within(server.builder().limits(limits).connect()).await.unwrap();
    let sending = server.join().await;
    let _registration = register(&handling, "path", Silence).await;
    let error = ask(&sending, "path").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RequestTimeOut);
    assert!(error.is_timeout() && error.may_have_executed());
    assert!(error.text().contains("handler"), "{error}");
}

#[tokio::test]
async fn a_request_of_a_type_that_the_handler_does_not_take_is_refused() {
    let server = TestServer::start();
    let session = server.join().await;
    let _registration = register(&session, "path", Reply("text")).await;
    let messaging = session.messaging();
    let error = messaging.send_request_to_path::<String>("path", 5_i64).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::IncompatibleDataType, Some(108)));
    assert!(error.text().contains("int64") && error.text().contains("string"), "{error}");
}

#[tokio::test]
async fn a_response_that_cannot_be_written_is_an_error_at_the_sender() {
    let server = TestServer::start();
    let session = server.join().await;
    let unwritable =
        async |_: String, _| Ok(antiphon::RecordV2 { records: vec![vec!["\u{2}".to_owned()]] });
    let _registration = register(&session, "path", unwritable).await;
    let error = ask(&session, "path").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CallbackException);
}

#[tokio::test]
async fn a_handler_may_ask_others_by_its_own_session() {
    let server = TestServer::start();
    let session = server.join().await;
    let _inner = register(&session, "inner", Reply("from within")).await;
    let asking = session.messaging().clone();
    let outer = move |text: String, _: RequestContext| {
        let asking = asking.clone();
        async move { Ok(asking.send_request_to_path::<String>("inner", text).await?) }
    };
    let _outer = register(&session, "outer", outer).await;
    assert_eq!(ask(&session, "outer").await.unwrap(), "from within");
}
