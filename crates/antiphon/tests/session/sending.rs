//! Requests to a path and to a session, and how they fail.

use antiphon::ErrorKind;
use antiphon::SessionId;
use antiphon::ValueError;

use crate::stage::Echo;
use crate::stage::Reply;
use crate::stage::Silence;
use crate::stage::TestServer;
use crate::stage::add;
use crate::stage::gate;
use crate::stage::register;
use crate::stage::within;

fn nobody() -> SessionId {
    "0123456789abcdef-0123456789abcdef".parse().unwrap()
}

#[tokio::test]
async fn a_request_to_a_path_is_answered() {
    let server = TestServer::start();
    let (handling, sending) = (server.join().await, server.join_as_client().await);
    let _registration = register(&handling, "greetings", Reply("hello")).await;
    let answer = sending.messaging().send_request_to_path::<String>("greetings", "x").await;
    assert_eq!(answer.unwrap(), "hello");
}

#[tokio::test]
async fn slashes_around_a_path_do_not_matter() {
    let server = TestServer::start();
    let session = server.join().await;
    let registration = register(&session, "/a/b/", Reply("hello")).await;
    assert_eq!(registration.path(), "a/b");
    for path in ["a/b", "/a/b", "a/b/", "//a/b//"] {
        let answer = session.messaging().send_request_to_path::<String>(path, "x").await;
        assert_eq!(answer.unwrap(), "hello", "{path}");
    }
}

#[tokio::test]
async fn a_request_to_a_session_is_answered_by_that_session() {
    let server = TestServer::start();
    let (one, other) = (server.join_as_client().await, server.join_as_client().await);
    let _one = add(&one, "name", Reply("one"));
    let _other = add(&other, "name", Reply("other"));
    let sending = server.join().await;
    for (session, name) in [(&one, "one"), (&other, "other")] {
        let messaging = sending.messaging();
        let answer = messaging.send_request_to_session::<String>("name", session.id(), "x").await;
        assert_eq!(answer.unwrap(), name);
    }
}

#[tokio::test]
async fn a_session_can_ask_itself() {
    let server = TestServer::start();
    let session = server.join().await;
    let _registration = register(&session, "path", Reply("by path")).await;
    let _addressed = add(&session, "path", Reply("by id"));
    let messaging = session.messaging();
    assert_eq!(messaging.send_request_to_path::<String>("path", "x").await.unwrap(), "by path");
    let answer = messaging.send_request_to_session::<String>("path", session.id(), "x").await;
    assert_eq!(answer.unwrap(), "by id");
}

#[tokio::test]
async fn a_path_that_nobody_handles_is_an_error_and_nothing_happened() {
    let server = TestServer::start();
    let session = server.join().await;
    let error = session.messaging().send_request_to_path::<String>("a", "x").await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::UnhandledMessage, Some(109)));
    assert!(!error.may_have_executed() && !error.is_timeout() && !error.is_overloaded());
    assert!(error.to_string().contains('a'), "{error}");
}

#[tokio::test]
async fn a_session_that_does_not_exist_is_an_error_and_nothing_happened() {
    let server = TestServer::start();
    let messaging = server.join().await.messaging().clone();
    let asked = messaging.send_request_to_session::<String>("a", nobody(), "x").await;
    let error = asked.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::NoSuchSession, Some(107)));
    assert!(!error.may_have_executed());
}

#[tokio::test]
async fn a_session_without_a_handler_for_the_path_is_an_error() {
    let server = TestServer::start();
    let (handling, sending) = (server.join().await, server.join().await);
    let _elsewhere = add(&handling, "elsewhere", Echo);
    // A registration is for requests to the path, not for those that are addressed.
    let _registration = register(&handling, "here", Echo).await;
    let messaging = sending.messaging();
    let asked = messaging.send_request_to_session::<String>("here", handling.id(), "x").await;
    let error = asked.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnhandledMessage);
    assert!(!error.may_have_executed());
    assert!(error.text().contains("here"), "{error}");
}

#[tokio::test]
async fn a_response_of_another_type_is_an_error_that_names_both_types() {
    let server = TestServer::start();
    let session = server.join().await;
    let _registration = register(&session, "path", Reply("text")).await;
    let error = session.messaging().send_request_to_path::<i64>("path", "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Value);
    assert!(error.may_have_executed());
    let source = std::error::Error::source(&error).unwrap();
    let expected = ValueError::Incompatible { found: "string".to_owned(), wanted: "int64" };
    assert_eq!(source.downcast_ref::<ValueError>(), Some(&expected));
    assert!(error.to_string().contains("string") && error.to_string().contains("int64"), "{error}");
}

#[tokio::test]
async fn an_invalid_path_is_refused_wherever_it_is_given() {
    let server = TestServer::start();
    let session = server.join().await;
    let messaging = session.messaging();
    for path in ["", "/", "a//b"] {
        let asked = messaging.send_request_to_path::<String>(path, "x").await;
        let asked = asked.expect_err(path);
        assert_eq!((asked.kind(), asked.may_have_executed()), (ErrorKind::InvalidPath, false));
        let asked = messaging.send_request_to_session::<String>(path, session.id(), "x").await;
        assert_eq!(asked.expect_err(path).kind(), ErrorKind::InvalidPath);
        let asked = messaging.request_filter::<String>("$Principal is 'x'", path, "x").await;
        assert_eq!(asked.expect_err(path).kind(), ErrorKind::InvalidPath);
        let registered = messaging.register_request_handler(path, Echo, &[]).await;
        assert_eq!(registered.err().unwrap().kind(), ErrorKind::InvalidPath);
        let added = messaging.add_request_handler(path, Echo, antiphon::Addressing::Addressed);
        assert_eq!(added.err().unwrap().kind(), ErrorKind::InvalidPath);
    }
    session.ping().await.unwrap();
}

#[tokio::test]
async fn what_a_principal_may_not_do_is_denied() {
    let server = TestServer::start();
    let (client, other) = (server.join_as_client().await, server.join().await);
    let messaging = client.messaging();
    let registered = messaging.register_request_handler("path", Echo, &[]).await;
    let asked_session = messaging.send_request_to_session::<String>("a", other.id(), "x").await;
    let asked_path = messaging.send_request_to_path::<String>("Diffusion/a", "x").await;
    for error in [registered.err(), asked_session.err(), asked_path.err()] {
        let error = error.unwrap();
        assert_eq!((error.kind(), error.code()), (ErrorKind::AccessDenied, Some(103)));
        assert!(!error.may_have_executed());
    }
    // What was refused is not half there.
    client.ping().await.unwrap();
    let error = messaging.send_request_to_path::<String>("path", "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnhandledMessage);
}

#[tokio::test]
async fn a_server_that_has_too_much_for_a_handler_says_so_and_nothing_happened() {
    let server = TestServer::with(|config| config.limits.requests_per_handler = 1);
    let (handling, sending) = (server.join().await, server.join().await);
    let (mut gate, gated) = gate();
    let _registration = register(&handling, "path", gated).await;
    let first = crate::stage::ask(&sending, "path");
    gate.arrival().await;
    let error = sending.messaging().send_request_to_path::<String>("path", "x").await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Overloaded, Some(9003)));
    assert!(error.is_overloaded() && !error.may_have_executed() && !error.is_timeout());
    gate.let_through(1);
    assert_eq!(within(first).await.unwrap().unwrap(), "question");
    assert_eq!(gate.arrived(), 0);
}

#[tokio::test]
async fn a_server_that_has_too_much_from_a_sender_says_so() {
    let server = TestServer::with(|config| config.limits.requests_per_sender = 1);
    let (handling, sending) = (server.join().await, server.join().await);
    let (mut gate, gated) = gate();
    let _registration = register(&handling, "held", gated).await;
    let _silent = register(&handling, "other", Silence).await;
    let first = crate::stage::ask(&sending, "held");
    gate.arrival().await;
    let error = sending.messaging().send_request_to_path::<String>("other", "x").await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_executed()), (ErrorKind::Overloaded, false));
    gate.let_through(1);
    within(first).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_message_that_is_too_large_for_the_server_does_not_go_unnoticed() {
    let server = TestServer::with(|config| config.limits.maximum_message = 4096);
    let reconnect = antiphon::ReconnectPolicy::never();
    let session = within(server.builder().reconnect(reconnect).connect()).await.unwrap();
    let _registration = register(&session, "path", Echo).await;
    let large = "x".repeat(8192);
    let asked = session.messaging().send_request_to_path::<String>("path", large);
    assert!(within(asked).await.is_err());
}
