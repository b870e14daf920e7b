//! How sessions begin, go on and end.

use std::future::poll_fn;
use std::pin::Pin;

use antiphon::CloseReason;
use antiphon::Credentials;
use antiphon::ErrorKind;
use antiphon::ReconnectPolicy;
use antiphon::Session;
use antiphon::SessionEvent;
use antiphon::SessionId;
use antiphon::SessionState;
use futures_core::Stream;

use crate::stage::Echo;
use crate::stage::TestServer;
use crate::stage::expect_echo;
use crate::stage::register;
use crate::stage::within;

fn password() -> Credentials {
    Credentials::Password("password".to_owned())
}

/// Waits until the server does not know the session any more.
async fn gone(observer: &Session, id: SessionId) {
    let filter = format!("$SessionId is '{id}'");
    within(async { while observer.clients().fetch(&filter, &[], 0).await.unwrap().total > 0 {} })
        .await;
}

#[tokio::test]
async fn a_session_without_settings_is_anonymous() {
    let server = TestServer::start();
    let session = within(Session::connect(server.url())).await.unwrap();
    assert_eq!(session.state(), SessionState::Connected);
    let properties = session.properties().await.unwrap();
    assert_eq!(properties["$Principal"], "");
    assert_eq!(properties["$SessionId"], session.id().to_string());
}

#[tokio::test]
async fn a_session_knows_its_properties_and_reaches_the_server() {
    let server = TestServer::start();
    let (session, other) = (server.join().await, server.join().await);
    assert_ne!(session.id(), other.id());
    let properties = session.properties().await.unwrap();
    assert_eq!(properties["$Principal"], "admin");
    assert_eq!(properties["$SessionId"], session.id().to_string());
    assert!(properties["$Environment"].starts_with("RUST_"), "{properties:?}");
    assert!(!properties.contains_key("$Roles"));
    assert!(session.ping().await.unwrap() > std::time::Duration::ZERO);
    assert!(format!("{session:?}").contains(&session.id().to_string()));
}

#[tokio::test]
async fn another_principal_brings_other_rights() {
    let server = TestServer::start();
    let session = server.join_as_client().await;
    let denied = session.messaging().register_request_handler("path", Echo, &[]).await;
    assert_eq!(denied.err().unwrap().kind(), ErrorKind::AccessDenied);
    session.change_principal("admin", password()).await.unwrap();
    assert_eq!(session.properties().await.unwrap()["$Principal"], "admin");
    let _registration = register(&session, "path", Echo).await;
    expect_echo(&session, "path").await;
}

#[tokio::test]
async fn wrong_credentials_change_nothing() {
    let server = TestServer::start();
    let session = server.join_as_client().await;
    for (principal, credentials) in [
        ("admin", Credentials::Password("wrong".to_owned())),
        ("admin", Credentials::None),
        ("admin", Credentials::Custom(b"password".to_vec())),
        ("stranger", password()),
    ] {
        let error = session.change_principal(principal, credentials).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AuthenticationFailed, "{principal}");
        assert!(error.text().contains(principal) && !error.text().contains("wrong"), "{error}");
    }
    assert_eq!(session.properties().await.unwrap()["$Principal"], "client");
}

#[tokio::test]
async fn events_begin_with_connected_and_end_with_closed() {
    let server = TestServer::start();
    let session = server.join().await;
    let mut events = session.events();
    let first = within(events.next()).await.unwrap();
    assert!(matches!(first, SessionEvent::Connected(id) if id == session.id()));
    within(session.close()).await;
    let last = within(poll_fn(|cx| Pin::new(&mut events).poll_next(cx))).await.unwrap();
    assert!(matches!(last, SessionEvent::Closed(CloseReason::ClosedByClient)));
    assert!(within(events.next()).await.is_none());
    // Who comes later hears the end alone.
    let mut late = session.events();
    let only = within(late.next()).await.unwrap();
    assert!(matches!(only, SessionEvent::Closed(CloseReason::ClosedByClient)));
    assert!(within(late.next()).await.is_none());
}

#[tokio::test]
async fn a_session_that_is_closed_here_is_gone_at_the_server_when_that_returns() {
    let server = TestServer::start();
    let (session, observer) = (server.join().await, server.join().await);
    let (id, clone) = (session.id(), session.clone());
    within(session.close()).await;
    let filter = format!("$SessionId is '{id}'");
    assert_eq!(observer.clients().fetch(&filter, &[], 0).await.unwrap().total, 0);
    // It is over for all handles, and closing it again has no effect.
    assert_eq!(clone.state(), SessionState::Closed(CloseReason::ClosedByClient));
    within(clone.close()).await;
    assert_eq!(within(clone.closed()).await, CloseReason::ClosedByClient);
}

#[tokio::test]
async fn a_session_that_another_closes_learns_who_closed_it() {
    let server = TestServer::start();
    let (session, other) = (server.join().await, server.join().await);
    let mut events = session.events();
    let _ = within(events.next()).await;
    other.clients().close(session.id()).await.unwrap();
    assert_eq!(within(session.closed()).await, CloseReason::ClosedByServer);
    let last = within(events.next()).await.unwrap();
    assert!(matches!(last, SessionEvent::Closed(CloseReason::ClosedByServer)));
    let error = session.ping().await.unwrap_err();
    assert!(error.is_closed() && !error.may_have_executed());
}

#[tokio::test]
async fn a_server_that_shuts_down_closes_its_sessions() {
    let server = TestServer::start();
    let sessions = [server.join().await, server.join().await];
    server.stop().await;
    for session in sessions {
        assert_eq!(within(session.closed()).await, CloseReason::ClosedByServer);
    }
}

#[tokio::test]
async fn a_session_may_want_to_come_back_after_the_server_closed_it() {
    let server = TestServer::start();
    let policy = ReconnectPolicy::default()
        .first_delay(std::time::Duration::from_millis(1))
        .after_server_close(true);
    let session = within(server.builder().reconnect(policy).connect()).await.unwrap();
    let (old, other) = (session.id(), server.join().await);
    let _registration = register(&session, "path", Echo).await;
    let mut events = session.events();
    let _ = within(events.next()).await;
    other.clients().close(old).await.unwrap();
    assert!(matches!(within(events.next()).await, Some(SessionEvent::Recovering)));
    let Some(SessionEvent::Reconnected { session: new, resumed }) = within(events.next()).await
    else {
        panic!("the session did not come back");
    };
    assert!(!resumed && new != old && new == session.id());
    // The handler is registered again, before anything else is sent.
    expect_echo(&session, "path").await;
}

#[tokio::test]
async fn dropping_the_last_handle_closes_the_session() {
    let server = TestServer::start();
    let (session, observer) = (server.join().await, server.join().await);
    let (id, clone, messaging) = (session.id(), session.clone(), session.messaging().clone());
    let mut events = session.events();
    drop(session);
    clone.ping().await.unwrap();
    drop(clone);
    // A part of it is a handle too.
    let error = messaging.send_request_to_path::<String>("path", "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnhandledMessage);
    drop(messaging);
    gone(&observer, id).await;
    let _ = within(events.next()).await;
    let last = within(events.next()).await;
    assert!(matches!(last, Some(SessionEvent::Closed(CloseReason::ClosedByClient))));
}

#[tokio::test]
async fn a_registration_keeps_its_session() {
    let server = TestServer::start();
    let (session, observer) = (server.join().await, server.join().await);
    let id = session.id();
    let registration = register(&session, "path", Echo).await;
    drop(session);
    expect_echo(&observer, "path").await;
    drop(registration);
    gone(&observer, id).await;
    let asked = observer.messaging().send_request_to_path::<String>("path", "x").await;
    assert_eq!(asked.unwrap_err().kind(), ErrorKind::UnhandledMessage);
}

#[tokio::test]
async fn a_stream_of_outcomes_keeps_its_session() {
    let server = TestServer::start();
    let (session, client) = (server.join().await, server.join_as_client().await);
    let (mut gate, gated) = crate::stage::gate();
    let _gated = crate::stage::add(&client, "path", gated);
    let filter = "$Principal is 'client'";
    let responses = session.messaging().request_filter::<String>(filter, "path", "x").await;
    drop(session);
    gate.arrival().await;
    gate.let_through(1);
    let collected = within(responses.unwrap().collect_all()).await;
    assert_eq!(collected.responses().count(), 1);
}

#[tokio::test]
async fn clones_share_handlers_and_state() {
    let server = TestServer::start();
    let session = server.join().await;
    let clone = session.clone();
    assert_eq!(session.id(), clone.id());
    let _registration = register(&session, "path", Echo).await;
    let conflict = clone.messaging().register_request_handler("path", Echo, &[]).await;
    assert_eq!(conflict.err().unwrap().kind(), ErrorKind::HandlerConflict);
    let task = tokio::spawn(async move { clone.ping().await });
    within(task).await.unwrap().unwrap();
}
