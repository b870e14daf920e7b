//! Requests to a filter: first how many were asked, then exactly so many outcomes.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use antiphon::ErrorKind;
use antiphon::FilterResponses;
use antiphon::Limits;
use antiphon::Session;
use antiphon::Value;
use futures_core::Stream;
use tokio::time::Instant;

use crate::stage::Echo;
use crate::stage::Reject;
use crate::stage::Reply;
use crate::stage::Silence;
use crate::stage::TestServer;
use crate::stage::add;
use crate::stage::gate;
use crate::stage::within;

const CLIENTS: &str = "$Principal is 'client'";

async fn request(session: &Session) -> FilterResponses<String> {
    let asked = session.messaging().request_filter::<String>(CLIENTS, "path", "x");
    within(asked).await.unwrap()
}

#[tokio::test]
async fn everybody_who_matches_is_asked_and_every_outcome_comes() {
    let server = TestServer::start();
    let [echoing, rejecting, panicking, without] = [(); 4].map(|()| server.join_as_client());
    let (echoing, rejecting) = (echoing.await, rejecting.await);
    let (panicking, without) = (panicking.await, without.await);
    let bystander = server.join().await;
    let _echo = add(&echoing, "path", Echo);
    let _reject = add(&rejecting, "path", Reject("not today"));
    let panic = async |text: String, _| {
        assert!(text.is_empty(), "a panic that belongs to this test");
        Ok(text)
    };
    let _panic = add(&panicking, "path", panic);
    let _bystander = add(&bystander, "path", Reply("nobody asked"));
    let sending = server.join().await;
    let responses = request(&sending).await;
    assert_eq!((responses.expected(), responses.received(), responses.missing()), (4, 0, 4));
    let collected = within(responses.collect_all()).await;
    assert_eq!((collected.expected, collected.outcomes.len(), collected.missing()), (4, 4, 0));
    let answers: Vec<_> = collected.responses().collect();
    assert_eq!(answers, [(echoing.id(), &"x".to_owned())]);
    let errors: BTreeMap<_, _> = collected
        .errors()
        .map(|(session, error)| (session.unwrap().to_string(), error.clone()))
        .collect();
    assert_eq!(errors.len(), 3);
    for (session, kind) in [
        (&rejecting, ErrorKind::Rejected),
        (&panicking, ErrorKind::CallbackException),
        (&without, ErrorKind::UnhandledMessage),
    ] {
        assert_eq!(errors[&session.id().to_string()].kind(), kind);
    }
    assert_eq!(errors[&rejecting.id().to_string()].text(), "not today");
}

#[tokio::test]
async fn that_nobody_matches_is_no_error() {
    let server = TestServer::start();
    let session = server.join().await;
    let mut responses = request(&session).await;
    assert_eq!((responses.expected(), responses.missing()), (0, 0));
    assert!(within(responses.next()).await.is_none());
    let collected = within(responses.collect_all()).await;
    assert_eq!((collected.expected, collected.outcomes.len()), (0, 0));
}

#[tokio::test]
async fn the_session_that_asks_is_asked_too_if_it_matches() {
    let server = TestServer::start();
    let session = server.join().await;
    let _echo = add(&session, "path", Echo);
    let filter = format!("$SessionId is '{}'", session.id());
    let asked = session.messaging().request_filter::<String>(&filter, "path", "x").await;
    let collected = within(asked.unwrap().collect_all()).await;
    assert_eq!(collected.responses().collect::<Vec<_>>(), [(session.id(), &"x".to_owned())]);
}

#[tokio::test]
async fn a_filter_that_does_not_parse_is_refused_with_the_place_of_the_fault() {
    let server = TestServer::start();
    let session = server.join().await;
    let filter = "$Principal is 'a' and\n  $Country equals 'b'";
    let asked = session.messaging().request_filter::<String>(filter, "path", "x").await;
    let error = asked.err().unwrap();
    assert_eq!((error.kind(), error.may_have_executed()), (ErrorKind::InvalidFilter, false));
    let place = &error.filter_errors()[0];
    assert_eq!((place.line, place.column), (2, 12), "{error}");
    assert!(!place.message.is_empty());
    assert!(error.to_string().contains("line 2, column 12"), "{error}");
    let asked = session.messaging().send_request_to_filter("", "path", "x").await;
    assert_eq!(asked.unwrap_err().kind(), ErrorKind::InvalidFilter);
}

#[tokio::test]
async fn without_the_permission_nobody_is_asked() {
    let server = TestServer::start();
    let client = server.join_as_client().await;
    let (gate, gated) = gate();
    let _gated = add(&client, "path", gated);
    let asked = client.messaging().request_filter::<String>(CLIENTS, "path", "x").await;
    assert_eq!(asked.err().unwrap().kind(), ErrorKind::AccessDenied);
    client.ping().await.unwrap();
    assert_eq!(gate.arrived(), 0);
}

#[tokio::test]
async fn the_outcomes_are_a_stream() {
    let server = TestServer::start();
    let (one, other) = (server.join_as_client().await, server.join_as_client().await);
    let (_one, _other) = (add(&one, "path", Echo), add(&other, "path", Echo));
    let sending = server.join().await;
    let mut responses = request(&sending).await;
    for left in [2, 1] {
        assert_eq!(responses.size_hint(), (left, Some(left)));
        let next = within(poll_fn(|cx| Pin::new(&mut responses).poll_next(cx))).await;
        assert_eq!(next.unwrap().outcome.unwrap(), "x");
    }
    assert_eq!(responses.size_hint(), (0, Some(0)));
    assert!(within(poll_fn(|cx| Pin::new(&mut responses).poll_next(cx))).await.is_none());
    assert_eq!((responses.received(), responses.missing()), (2, 0));
}

#[tokio::test]
async fn the_first_outcomes_can_be_taken_without_the_rest() {
    let server = TestServer::start();
    let (quick, silent) = (server.join_as_client().await, server.join_as_client().await);
    let _quick = add(&quick, "path", Reply("quick"));
    let _silent = add(&silent, "path", Silence);
    let sending = server.join().await;
    let collected = within(request(&sending).await.first(1)).await;
    assert_eq!(collected.responses().collect::<Vec<_>>(), [(quick.id(), &"quick".to_owned())]);
    assert_eq!((collected.expected, collected.missing()), (2, 1));
    let none = within(request(&sending).await.first(0)).await;
    assert_eq!((none.outcomes.len(), none.missing()), (0, 2));
    let _quick_as_well = add(&silent, "path", Reply("quick"));
    let all = within(request(&sending).await.first(5)).await;
    assert_eq!((all.outcomes.len(), all.missing()), (2, 0));
}

#[tokio::test]
async fn what_has_come_by_a_deadline_is_taken_and_who_is_missing_is_known() {
    let server = TestServer::start();
    let (quick, slow) = (server.join_as_client().await, server.join_as_client().await);
    let (mut quick_gate, quick_gated) = gate();
    let (_gate, slow_gated) = gate();
    let _quick = add(&quick, "path", quick_gated);
    let _slow = add(&slow, "path", slow_gated);
    let sending = server.join().await;
    let mut responses = request(&sending).await;
    let mut missing = within(responses.missing_sessions()).await.unwrap();
    missing.sort_by_key(ToString::to_string);
    let mut both = [quick.id(), slow.id()];
    both.sort_by_key(ToString::to_string);
    assert_eq!(missing, both);
    quick_gate.arrival().await;
    quick_gate.let_through(1);
    let first = within(responses.next()).await.unwrap();
    assert_eq!(first.session, Some(quick.id()));
    assert_eq!(within(responses.missing_sessions()).await.unwrap(), [slow.id()]);
    let rest = within(responses.until(Instant::now() + Duration::from_millis(10))).await;
    assert_eq!((rest.expected, rest.outcomes.len()), (2, 0));
}

#[tokio::test]
async fn an_outcome_that_is_there_is_taken_though_the_deadline_has_passed() {
    let server = TestServer::start();
    let (quick, silent) = (server.join_as_client().await, server.join_as_client().await);
    let _quick = add(&quick, "path", Reply("quick"));
    let _silent = add(&silent, "path", Silence);
    let sending = server.join().await;
    let responses = request(&sending).await;
    // Every ping is behind what came before it: the request, then the outcome.
    for session in [&quick, &quick, &sending] {
        session.ping().await.unwrap();
    }
    let collected = within(responses.until(Instant::now())).await;
    assert_eq!((collected.outcomes.len(), collected.missing()), (1, 1));
}

#[tokio::test]
async fn a_stream_whose_time_is_over_ends_with_an_error_for_each_that_is_missing() {
    let server = TestServer::start();
    let (quick, silent) = (server.join_as_client().await, server.join_as_client().await);
    let _quick = add(&quick, "path", Reply("quick"));
    let _silent = add(&silent, "path", Silence);
    let sending = server.join().await;
    let messaging = sending.messaging().with_timeout(Duration::from_secs(5));
    let asked = messaging.request_filter::<String>(CLIENTS, "path", "x");
    let mut responses = within(asked).await.unwrap();
    assert_eq!(within(responses.next()).await.unwrap().outcome.unwrap(), "quick");
    // Only this side's time passes; the server's is the system's.
    tokio::time::pause();
    let last = within(responses.next()).await.unwrap();
    let error = last.outcome.unwrap_err();
    assert!(last.session.is_none() && error.is_timeout() && error.may_have_executed());
    assert!(within(responses.next()).await.is_none());
}

#[tokio::test]
async fn the_servers_time_limit_is_an_outcome_with_its_session() {
    let server = TestServer::with(|config| config.request_timeout = Duration::from_millis(50));
    let (silent, sending) = (server.join_as_client().await, server.join().await);
    let _silent = add(&silent, "path", Silence);
    let collected = within(request(&sending).await.collect_all()).await;
    let (session, error) = collected.errors().next().unwrap();
    assert_eq!((session, error.kind()), (Some(silent.id()), ErrorKind::RequestTimeOut));
}

#[tokio::test]
async fn a_recipient_that_ends_is_an_outcome_too() {
    let server = TestServer::start();
    let (ending, sending) = (server.join_as_client().await, server.join().await);
    let (mut gate, gated) = gate();
    let _gated = add(&ending, "path", gated);
    let id = ending.id();
    let responses = request(&sending).await;
    gate.arrival().await;
    within(ending.close()).await;
    let collected = within(responses.collect_all()).await;
    let (session, error) = collected.errors().next().unwrap();
    assert_eq!((session, error.kind()), (Some(id), ErrorKind::NoSuchSession));
    assert!(error.may_have_executed());
}

#[tokio::test]
async fn responses_beyond_the_bytes_allowed_become_errors_and_the_count_stays() {
    let server = TestServer::start();
    let clients = [server.join_as_client().await, server.join_as_client().await];
    let _handlers = clients.each_ref().map(|client| add(client, "path", Echo));
    let limits = Limits { filter_responses: 150, ..Limits::default() };
    let sending = within(server.builder().limits(limits).connect()).await.unwrap();
    let hundred = "x".repeat(100);
    let asked = sending.messaging().request_filter::<Value>(CLIENTS, "path", hundred).await;
    let responses = asked.unwrap();
    for session in [&clients[0], &clients[0], &clients[1], &clients[1], &sending] {
        session.ping().await.unwrap();
    }
    let collected = within(responses.collect_all()).await;
    assert_eq!((collected.responses().count(), collected.errors().count()), (1, 1));
    let (session, error) = collected.errors().next().unwrap();
    assert!(clients.iter().any(|client| Some(client.id()) == session));
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    assert!(error.is_overloaded(), "{error}");
}

#[tokio::test]
async fn a_response_of_another_type_is_an_error_in_its_place() {
    let server = TestServer::start();
    let (client, sending) = (server.join_as_client().await, server.join().await);
    let _handler = add(&client, "path", Reply("text"));
    let asked = sending.messaging().request_filter::<i64>(CLIENTS, "path", "x").await;
    let collected = within(asked.unwrap().collect_all()).await;
    let (session, error) = collected.errors().next().unwrap();
    assert_eq!((session, error.kind()), (Some(client.id()), ErrorKind::Value));
}

#[tokio::test]
async fn outcomes_that_nobody_waits_for_disturb_nothing() {
    let server = TestServer::start();
    let (client, sending) = (server.join_as_client().await, server.join().await);
    let (mut gate, gated) = gate();
    let _gated = add(&client, "path", gated);
    drop(request(&sending).await);
    gate.arrival().await;
    gate.let_through(2);
    client.ping().await.unwrap();
    let collected = within(request(&sending).await.collect_all()).await;
    assert_eq!(collected.responses().count(), 1);
}

#[tokio::test]
async fn closing_the_session_ends_the_stream_with_the_count_kept() {
    let server = TestServer::start();
    let (client, sending) = (server.join_as_client().await, server.join().await);
    let _silent = add(&client, "path", Silence);
    let responses = request(&sending).await;
    within(sending.close()).await;
    let collected = within(responses.collect_all()).await;
    assert_eq!((collected.expected, collected.outcomes.len()), (1, 1));
    let (session, error) = collected.errors().next().unwrap();
    assert!(session.is_none() && error.is_closed() && error.may_have_executed());
}

#[tokio::test]
async fn many_filter_requests_at_once_do_not_mix() {
    let server = TestServer::start();
    let clients = [server.join_as_client().await, server.join_as_client().await];
    let _handlers = clients.each_ref().map(|client| add(client, "path", Echo));
    let sending = server.join().await;
    let mut requests = tokio::task::JoinSet::new();
    for number in 0..100_i64 {
        let messaging = sending.messaging().clone();
        requests.spawn(async move {
            let asked = messaging.request_filter::<i64>(CLIENTS, "path", number).await;
            let collected = asked.unwrap().collect_all().await;
            let answers: Vec<_> = collected.responses().map(|response| *response.1).collect();
            assert_eq!(answers, [number, number]);
        });
    }
    while let Some(done) = within(requests.join_next()).await {
        done.unwrap();
    }
}
