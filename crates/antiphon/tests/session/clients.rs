//! Looking at other sessions, and closing them.

use std::time::Duration;
use std::time::SystemTime;

use antiphon::ALL_FIXED_PROPERTIES;
use antiphon::ALL_USER_PROPERTIES;
use antiphon::ErrorKind;
use antiphon::Session;
use antiphon::SessionId;

use crate::stage::TestServer;
use crate::stage::within;

const CLIENTS: &str = "$Principal is 'client'";

async fn join_team(server: &TestServer, team: &str) -> Session {
    let builder = server.builder().principal("client").property("Team", team);
    within(builder.connect()).await.unwrap()
}

fn nobody() -> SessionId {
    "1-1".parse().unwrap()
}

#[tokio::test]
async fn the_sessions_that_match_are_listed_in_the_order_of_their_start() {
    let server = TestServer::start();
    let (blue, red) = (join_team(&server, "blue").await, join_team(&server, "red").await);
    let observer = server.join().await;
    let fetched = observer.clients().fetch(CLIENTS, &["Team"], 10).await.unwrap();
    assert_eq!(fetched.total, 2);
    let ids: Vec<_> = fetched.sessions.iter().map(|session| session.id).collect();
    assert_eq!(ids, [blue.id(), red.id()]);
    let teams: Vec<_> = fetched.sessions.iter().map(|session| &session.properties).collect();
    assert_eq!(teams.iter().map(|team| team["Team"].as_str()).collect::<Vec<_>>(), ["blue", "red"]);
    // What was not asked for is not told.
    assert!(teams.iter().all(|team| team.len() == 1), "{teams:?}");
    let age = SystemTime::now().duration_since(fetched.sessions[0].start_time).unwrap_or_default();
    assert!(age < Duration::from_secs(3600), "{age:?}");
}

#[tokio::test]
async fn a_limit_bounds_the_list_and_not_the_count() {
    let server = TestServer::start();
    let sessions = [join_team(&server, "a").await, join_team(&server, "b").await];
    let observer = server.join().await;
    let one = observer.clients().fetch(CLIENTS, &[], 1).await.unwrap();
    assert_eq!((one.sessions.len(), one.total), (1, 2));
    assert_eq!((one.sessions[0].id, one.sessions[0].properties.len()), (sessions[0].id(), 0));
    let none = observer.clients().fetch(CLIENTS, &[], 0).await.unwrap();
    assert_eq!((none.sessions.len(), none.total), (0, 2));
    let nobody = observer.clients().fetch("$Principal is 'stranger'", &[], 9).await.unwrap();
    assert_eq!((nobody.sessions.len(), nobody.total), (0, 0));
}

#[tokio::test]
async fn all_properties_of_a_kind_can_be_asked_for() {
    let server = TestServer::start();
    let client = join_team(&server, "blue").await;
    let clients = server.join().await.clients().clone();
    let user = clients.properties(client.id(), &[ALL_USER_PROPERTIES]).await.unwrap();
    assert_eq!(user.into_iter().collect::<Vec<_>>(), [("Team".to_owned(), "blue".to_owned())]);
    let fixed = clients.properties(client.id(), &[ALL_FIXED_PROPERTIES]).await.unwrap();
    assert!(fixed.keys().all(|key| key.starts_with('$')), "{fixed:?}");
    assert_eq!(fixed["$SessionId"], client.id().to_string());
    let fetched = clients.fetch(CLIENTS, &[ALL_FIXED_PROPERTIES], 1).await.unwrap();
    assert_eq!(fetched.sessions[0].properties, fixed);
    let both = clients.properties(client.id(), &["Team", "$Principal", "Absent"]).await.unwrap();
    assert_eq!(both.len(), 2);
}

#[tokio::test]
async fn a_session_that_does_not_exist_has_no_properties_and_cannot_be_closed() {
    let server = TestServer::start();
    let clients = server.join().await.clients().clone();
    let error = clients.properties(nobody(), &["$Principal"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSuchSession);
    let error = clients.close(nobody()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSuchSession);
}

#[tokio::test]
async fn a_session_that_was_closed_is_not_listed_any_more() {
    let server = TestServer::start();
    let (client, observer) = (join_team(&server, "blue").await, server.join().await);
    observer.clients().close(client.id()).await.unwrap();
    assert_eq!(observer.clients().fetch(CLIENTS, &[], 0).await.unwrap().total, 0);
    within(client.closed()).await;
    let error = observer.clients().close(client.id()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSuchSession);
}

#[tokio::test]
async fn without_the_permission_others_are_out_of_sight() {
    let server = TestServer::start();
    let (client, other) = (server.join_as_client().await, server.join().await);
    let clients = client.clients();
    let fetched = clients.fetch(CLIENTS, &[], 1).await.err();
    let properties = clients.properties(other.id(), &["$Principal"]).await.err();
    let closed = clients.close(other.id()).await.err();
    for error in [fetched, properties, closed] {
        assert_eq!(error.unwrap().kind(), ErrorKind::AccessDenied);
    }
    other.ping().await.unwrap();
}

#[tokio::test]
async fn a_filter_that_does_not_parse_is_refused_with_its_place() {
    let server = TestServer::start();
    let error = server.join().await.clients().fetch("$Principal is", &[], 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidFilter);
    assert_eq!(error.filter_errors()[0].line, 1);
}
