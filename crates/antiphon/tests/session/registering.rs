//! How handlers come and go: with the server's knowledge, and for a session alone.

use antiphon::Addressing;
use antiphon::Error;
use antiphon::ErrorKind;
use antiphon::Registration;
use antiphon::Session;

use crate::stage::Echo;
use crate::stage::Reply;
use crate::stage::TestServer;
use crate::stage::add;
use crate::stage::ask;
use crate::stage::gate;
use crate::stage::register;
use crate::stage::within;

async fn by_path(session: &Session, path: &str) -> Result<String, Error> {
    within(session.messaging().send_request_to_path(path, "x")).await
}

async fn by_id(session: &Session, path: &str) -> Result<String, Error> {
    within(session.messaging().send_request_to_session(path, session.id(), "x")).await
}

fn unhandled(asked: Result<String, Error>) -> bool {
    asked.is_err_and(|error| error.kind() == ErrorKind::UnhandledMessage)
}

/// Waits until nobody answers at the path.
async fn until_unhandled(sending: &Session, path: &str) {
    within(async { while !unhandled(by_path(sending, path).await) {} }).await;
}

/// Registers as soon as an earlier registration, which is being taken back, is gone.
async fn register_again(session: &Session, path: &str, reply: &'static str) -> Registration {
    let registering = async {
        loop {
            match session.messaging().register_request_handler(path, Reply(reply), &[]).await {
                Ok(registration) => return registration,
                Err(error) => assert_eq!(error.kind(), ErrorKind::HandlerConflict),
            }
            tokio::task::yield_now().await;
        }
    };
    within(registering).await
}

#[tokio::test]
async fn dropping_a_registration_removes_the_handler() {
    let server = TestServer::start();
    let (handling, sending) = (server.join().await, server.join().await);
    let registration = register(&handling, "path", Echo).await;
    assert_eq!(by_path(&sending, "path").await.unwrap(), "x");
    drop(registration);
    until_unhandled(&sending, "path").await;
    let _again = register_again(&handling, "path", "again").await;
    assert_eq!(by_path(&sending, "path").await.unwrap(), "again");
}

#[tokio::test]
async fn another_session_takes_over_from_a_registration_that_is_dropped_without_a_gap() {
    let server = TestServer::start();
    let (old, new) = (server.join().await, server.join().await);
    let sending = server.join().await;
    for turns in 0..30 {
        let registration = register(&old, "path", Echo).await;
        let successor = register(&new, "path", Echo).await;
        let asked: Vec<_> = (0..20).map(|_| ask(&sending, "path")).collect();
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        drop(registration);
        for request in asked {
            let answer = within(request).await.unwrap();
            assert_eq!(answer.expect("an answer"), "question", "after {turns} turns");
        }
        register_again(&old, "path", "to see the end of the first").await.close().await.unwrap();
        successor.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_registration_that_is_closed_is_gone_when_that_returns() {
    let server = TestServer::start();
    let (handling, sending) = (server.join().await, server.join().await);
    let registration = register(&handling, "path", Echo).await;
    registration.close().await.unwrap();
    assert!(unhandled(by_path(&sending, "path").await));
    let again = register(&handling, "path", Reply("again")).await;
    assert_eq!(by_path(&sending, "path").await.unwrap(), "again");
    again.close().await.unwrap();
}

#[tokio::test]
async fn requests_that_came_before_a_registration_was_closed_are_answered() {
    let server = TestServer::start();
    let (handling, sending) = (server.join().await, server.join().await);
    let (mut gate, gated) = gate();
    let registration = register(&handling, "path", gated).await;
    let asked = ask(&sending, "path");
    gate.arrival().await;
    registration.close().await.unwrap();
    gate.let_through(1);
    assert_eq!(within(asked).await.unwrap().unwrap(), "question");
}

#[tokio::test]
async fn requests_on_their_way_while_a_registration_is_closed_are_handled() {
    let server = TestServer::start();
    let (handling, sending) = (server.join().await, server.join().await);
    // Wherever the requests are when the closing begins.
    for turns in 0..30 {
        let registration = register(&handling, "path", Echo).await;
        let asked: Vec<_> = (0..20).map(|_| ask(&sending, "path")).collect();
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        registration.close().await.unwrap();
        for request in asked {
            if let Err(error) = within(request).await.unwrap() {
                assert!(!error.text().contains("removed"), "after {turns} turns: {error}");
            }
        }
    }
}

#[tokio::test]
async fn a_handler_that_is_kept_stays_for_as_long_as_the_session() {
    let server = TestServer::start();
    let (handling, sending) = (server.join().await, server.join().await);
    register(&handling, "path", Echo).await.keep();
    add(&handling, "path", Reply("addressed")).keep();
    assert_eq!(by_path(&sending, "path").await.unwrap(), "x");
    assert_eq!(by_id(&handling, "path").await.unwrap(), "addressed");
    within(handling.close()).await;
    assert!(unhandled(by_path(&sending, "path").await));
}

#[tokio::test]
async fn one_session_registers_a_path_once() {
    let server = TestServer::start();
    let (session, other) = (server.join().await, server.join().await);
    let registration = register(&session, "a/b", Reply("first")).await;
    let second = session.messaging().register_request_handler("/a/b", Echo, &[]).await;
    let error = second.err().unwrap();
    assert_eq!((error.kind(), error.may_have_executed()), (ErrorKind::HandlerConflict, false));
    assert!(error.text().contains("a/b"), "{error}");
    // The first is not disturbed, and another session may have the path as well.
    assert_eq!(by_path(&session, "a/b").await.unwrap(), "first");
    let _other = register(&other, "a/b", Reply("first")).await;
    registration.close().await.unwrap();
    let _again = register(&session, "a/b", Reply("first")).await;
    assert_eq!(by_path(&session, "a/b").await.unwrap(), "first");
}

#[tokio::test]
async fn a_registration_that_the_server_refuses_leaves_nothing_behind() {
    let server = TestServer::start();
    let (client, sending) = (server.join_as_client().await, server.join().await);
    let refused = client.messaging().register_request_handler("path", Echo, &[]).await;
    assert_eq!(refused.err().unwrap().kind(), ErrorKind::AccessDenied);
    client
        .change_principal("admin", antiphon::Credentials::Password("password".to_owned()))
        .await
        .unwrap();
    let _registration = register(&client, "path", Reply("now")).await;
    assert_eq!(by_path(&sending, "path").await.unwrap(), "now");
}

#[tokio::test]
async fn dropping_the_future_of_a_registration_takes_it_back() {
    let server = TestServer::start();
    let session = server.join().await;
    {
        let mut registering =
            std::pin::pin!(session.messaging().register_request_handler("path", Echo, &[]));
        // Polled once, it is under way.
        tokio::select! {
            biased;
            _ = &mut registering => panic!("the server cannot have answered"),
            () = std::future::ready(()) => {}
        }
    }
    until_unhandled(&session, "path").await;
    let _again = register_again(&session, "path", "again").await;
    assert_eq!(by_path(&session, "path").await.unwrap(), "again");
}

#[tokio::test]
async fn a_local_handler_takes_the_place_of_a_registered_one() {
    let server = TestServer::start();
    let session = server.join().await;
    let registration = register(&session, "path", Reply("registered")).await;
    let messaging = session.messaging();
    let local =
        messaging.add_request_handler("path", Reply("local"), Addressing::Unaddressed).unwrap();
    assert_eq!(by_path(&session, "path").await.unwrap(), "local");
    // The one that was replaced does not take its successor with it, but the server is told.
    registration.close().await.unwrap();
    assert!(unhandled(by_path(&session, "path").await));
    let _again = register(&session, "path", Reply("again")).await;
    drop(local);
    assert_eq!(by_path(&session, "path").await.unwrap(), "again");
}

#[tokio::test]
async fn a_local_handler_alone_answers_no_requests_to_its_path() {
    let server = TestServer::start();
    let session = server.join().await;
    let messaging = session.messaging();
    let _local = messaging.add_request_handler("path", Echo, Addressing::Unaddressed).unwrap();
    assert!(unhandled(by_path(&session, "path").await));
    assert!(unhandled(by_id(&session, "path").await));
}

#[tokio::test]
async fn of_two_addressed_handlers_the_later_one_counts_until_it_goes() {
    let server = TestServer::start();
    let session = server.join().await;
    let first = add(&session, "path", Reply("first"));
    let second = add(&session, "/path/", Reply("second"));
    assert_eq!(by_id(&session, "path").await.unwrap(), "second");
    drop(first);
    assert_eq!(by_id(&session, "path").await.unwrap(), "second");
    second.close().await.unwrap();
    assert!(unhandled(by_id(&session, "path").await));
}

#[tokio::test]
async fn addressed_and_unaddressed_handlers_do_not_meet() {
    let server = TestServer::start();
    let session = server.join().await;
    let registration = register(&session, "path", Reply("unaddressed")).await;
    let addressed = add(&session, "path", Reply("addressed"));
    assert_eq!(by_path(&session, "path").await.unwrap(), "unaddressed");
    assert_eq!(by_id(&session, "path").await.unwrap(), "addressed");
    drop(addressed);
    assert!(unhandled(by_id(&session, "path").await));
    assert_eq!(by_path(&session, "path").await.unwrap(), "unaddressed");
    drop(registration);
}
