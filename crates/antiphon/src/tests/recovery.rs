//! What becomes of requests, handlers and filter requests when a connection is lost.

use std::time::Duration;

use antiphon_wire::connect::Refusal;
use tokio::time::timeout;

use crate::error::ErrorKind;
use crate::events::CloseReason;
use crate::events::SessionEvent;
use crate::events::SessionState;
use crate::messaging::RequestContext;
use crate::reconnect::ReconnectPolicy;
use crate::tests::fake_server::FakeServer;
use crate::tests::fake_server::Keeps;
use crate::tests::open;
use crate::tests::open_with;
use crate::tests::pipe::Cut;
use crate::tests::reconnected;
use crate::tests::within;

/// Enough for the connection response and nothing else.
const ONLY_THE_RESPONSE: usize = 57;

#[tokio::test(start_paused = true)]
async fn a_session_that_the_server_has_kept_goes_on() {
    let server = FakeServer::new(Keeps::Everything);
    let session = open(&server).await;
    let (id, mut events) = (session.id(), session.events());
    server.hang_up();
    assert!(reconnected(&mut events).await);
    assert_eq!(session.id(), id);
    let echo = within(session.messaging().send_request_to_path::<String>("echo", "again")).await;
    assert_eq!(echo.unwrap(), "again");
}

#[tokio::test(start_paused = true)]
async fn a_response_that_was_lost_on_the_way_is_fetched() {
    let server = FakeServer::new(Keeps::Everything);
    server.cut([Cut { to_client: ONLY_THE_RESPONSE, ..Cut::NEVER }]);
    let session = open(&server).await;
    let echo = within(session.messaging().send_request_to_path::<String>("echo", "hello")).await;
    assert_eq!(echo.unwrap(), "hello");
    assert_eq!((server.executed(), server.connections()), (vec!["hello".to_owned()], 2));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_lost_on_the_way_is_sent_again_and_executed_once() {
    let server = FakeServer::new(Keeps::Everything);
    server.cut([Cut { to_server: 10, ..Cut::NEVER }]);
    let session = open(&server).await;
    let messaging = session.messaging();
    let echoes = async {
        tokio::join!(
            messaging.send_request_to_path::<String>("echo", "one"),
            messaging.send_request_to_path::<String>("echo", "two"),
        )
    };
    let (one, two) = within(echoes).await;
    assert_eq!((one.unwrap(), two.unwrap()), ("one".to_owned(), "two".to_owned()));
    assert_eq!(server.executed(), ["one", "two"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_in_flight_fails_when_the_server_has_lost_the_session() {
    for keeps in [Keeps::Nothing, Keeps::OnlyTheSession] {
        let server = FakeServer::new(keeps);
        let session = open(&server).await;
        let (id, mut events) = (session.id(), session.events());
        let messaging = session.messaging();
        let request = messaging.send_request_to_path::<String>("silent", "hello");
        let (answer, resumed) = within(async {
            tokio::join!(request, async {
                while server.executed().is_empty() {
                    tokio::task::yield_now().await;
                }
                server.hang_up();
                reconnected(&mut events).await
            })
        })
        .await;
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SessionClosed, "{error}");
        assert!(error.may_have_executed() && error.text().contains("may have been executed"));
        assert_eq!(resumed, keeps == Keeps::OnlyTheSession);
        assert_eq!(session.id() == id, keeps == Keeps::OnlyTheSession);
        assert_eq!(server.executed(), ["hello"], "it was not repeated");
    }
}

#[tokio::test(start_paused = true)]
async fn handlers_are_registered_again_when_the_session_was_lost() {
    for keeps in [Keeps::Nothing, Keeps::OnlyTheSession] {
        let server = FakeServer::new(keeps);
        let session = open(&server).await;
        let shout = |text: String, _: RequestContext| async move { Ok(text.to_uppercase()) };
        let registration = session.messaging().register_request_handler("shout", shout, &[]);
        let _registration = within(registration).await.unwrap();
        let mut events = session.events();
        server.hang_up();
        reconnected(&mut events).await;
        within(session.ping()).await.unwrap();
        assert_eq!(server.registered(), ["shout"]);
        server.ask_handler("shout", 7, "hello");
        answered(&server, 1).await;
        assert_eq!(server.answers(), [(7, Ok("HELLO".to_owned()))]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_survives_with_its_session_and_answers_what_it_was_asked_meanwhile() {
    let server = FakeServer::new(Keeps::Everything);
    let session = open(&server).await;
    let slow = |text: String, _: RequestContext| async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(text)
    };
    let registration = session.messaging().register_request_handler("slow", slow, &[]);
    let _registration = within(registration).await.unwrap();
    let mut events = session.events();
    server.ask_handler("slow", 1, "before");
    within(session.ping()).await.unwrap();
    server.set_down(true);
    server.hang_up();
    // Asked while there is no connection; answered while there is still none.
    server.ask_handler("slow", 2, "between");
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.set_down(false);
    assert!(reconnected(&mut events).await);
    answered(&server, 2).await;
    let expected = [(1, Ok("before".to_owned())), (2, Ok("between".to_owned()))];
    assert_eq!(server.answers(), expected);
    assert_eq!(server.registered(), ["slow"], "once");
}

#[tokio::test(start_paused = true)]
async fn an_answer_never_goes_to_a_later_session() {
    let server = FakeServer::new(Keeps::Nothing);
    let session = open(&server).await;
    let slow = |text: String, _: RequestContext| async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        Ok(text)
    };
    let registration = session.messaging().register_request_handler("slow", slow, &[]);
    let _registration = within(registration).await.unwrap();
    let mut events = session.events();
    server.ask_handler("slow", 1, "old");
    within(session.ping()).await.unwrap();
    server.hang_up();
    assert!(!reconnected(&mut events).await);
    tokio::time::sleep(Duration::from_secs(6)).await;
    within(session.ping()).await.unwrap();
    assert_eq!(server.answers(), []);
}

#[tokio::test(start_paused = true)]
async fn a_filter_request_gets_all_its_outcomes_even_if_the_session_is_lost() {
    let server = FakeServer::new(Keeps::Nothing);
    let session = open(&server).await;
    let mut responses =
        within(session.messaging().request_filter::<String>("all", "x", "hello")).await.unwrap();
    assert_eq!(responses.expected(), 3);
    let first = within(responses.next()).await.unwrap();
    assert_eq!((first.session.is_some(), first.outcome.unwrap()), (true, "hello".to_owned()));
    server.hang_up();
    let rest = within(responses.collect_all()).await;
    let errors: Vec<_> = rest.errors().map(|(session, error)| (session, error.kind())).collect();
    assert_eq!(errors, [(None, ErrorKind::SessionClosed); 2]);
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_the_connection_but_not_for_ever() {
    let server = FakeServer::new(Keeps::Nothing);
    let session = open(&server).await;
    server.set_down(true);
    server.hang_up();
    let mut events = session.events();
    while session.state() == SessionState::Connected {
        within(events.next()).await;
    }
    let patient = session.messaging().with_timeout(Duration::from_secs(30));
    let hasty = session.messaging().with_timeout(Duration::from_secs(5));
    let (echo, late, ()) = within(async {
        tokio::join!(
            patient.send_request_to_path::<String>("echo", "patient"),
            hasty.send_request_to_path::<String>("echo", "hasty"),
            async {
                tokio::time::sleep(Duration::from_secs(10)).await;
                server.set_down(false);
            },
        )
    })
    .await;
    assert_eq!(echo.unwrap(), "patient");
    let late = late.unwrap_err();
    assert!(late.is_timeout() && !late.may_have_executed(), "{late}");
    assert_eq!(server.executed(), ["patient"]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_found_out() {
    let server = FakeServer::new(Keeps::Everything);
    server.announce_pings(1000);
    let session = open(&server).await;
    let mut events = session.events();
    // The model never pings, and time passes by itself.
    assert!(reconnected(&mut events).await);
}

#[tokio::test(start_paused = true)]
async fn without_a_policy_to_come_back_a_lost_connection_is_the_end() {
    let server = FakeServer::new(Keeps::Everything);
    let session = open_with(&server, ReconnectPolicy::never()).await;
    server.hang_up();
    assert_eq!(within(session.closed()).await, CloseReason::ConnectionLost);
    assert_eq!(server.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_gives_up_when_it_was_told_to() {
    let server = FakeServer::new(Keeps::Everything);
    let policy = ReconnectPolicy::default().give_up_after(Duration::from_secs(20));
    let session = open_with(&server, policy).await;
    server.set_down(true);
    server.hang_up();
    let lost = tokio::time::Instant::now();
    assert_eq!(within(session.closed()).await, CloseReason::ConnectionLost);
    let waited = lost.elapsed();
    assert!((20..21).contains(&waited.as_secs()), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn refusals_are_told_apart() {
    for (refusal, reason) in [
        (Refusal::AuthenticationFailed, CloseReason::AccessDenied),
        (Refusal::ConnectionProtocolError, CloseReason::Refused),
    ] {
        let server = FakeServer::new(Keeps::Everything);
        let session = open(&server).await;
        server.refuse_with(Some(refusal));
        server.hang_up();
        assert_eq!(within(session.closed()).await, reason);
    }
    // Those that pass are waited out.
    let server = FakeServer::new(Keeps::Everything);
    let session = open(&server).await;
    let mut events = session.events();
    server.refuse_with(Some(Refusal::ServerInitialising));
    server.hang_up();
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(session.state(), SessionState::Recovering);
    server.refuse_with(None);
    assert!(reconnected(&mut events).await);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_the_server_closed_stays_closed_unless_asked_to_come_back() {
    let server = FakeServer::new(Keeps::Everything);
    let stays = open(&server).await;
    let policy = ReconnectPolicy::default().after_server_close(true);
    let comes_back = open_with(&server, policy).await;
    let (id, mut events) = (comes_back.id(), comes_back.events());
    server.abort();
    assert_eq!(within(stays.closed()).await, CloseReason::ClosedByServer);
    assert!(!reconnected(&mut events).await);
    assert_ne!(comes_back.id(), id);
}

#[tokio::test(start_paused = true)]
async fn a_session_can_be_closed_while_it_has_no_connection() {
    let server = FakeServer::new(Keeps::Everything);
    let session = open(&server).await;
    let mut events = session.events();
    server.set_down(true);
    server.hang_up();
    while !matches!(within(events.next()).await, Some(SessionEvent::Recovering)) {}
    timeout(Duration::from_secs(1), session.close()).await.expect("it does not wait");
    assert_eq!(session.state(), SessionState::Closed(CloseReason::ClosedByClient));
    let refused = within(session.ping()).await.unwrap_err();
    assert!(refused.is_closed() && !refused.may_have_executed(), "{refused}");
}

/// Waits until handlers have answered `count` requests.
async fn answered(server: &FakeServer, count: usize) {
    within(async {
        while server.answers().len() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}
