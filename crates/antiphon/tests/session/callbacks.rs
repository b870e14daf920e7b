//! Requests to a filter whose outcomes go to callbacks, as the mission's API has it.

use antiphon::Error;
use antiphon::ErrorKind;
use antiphon::FilterHandler;
use antiphon::Session;
use antiphon::SessionId;
use tokio::sync::mpsc;

use crate::stage::Echo;
use crate::stage::Reject;
use crate::stage::Reply;
use crate::stage::TestServer;
use crate::stage::add;
use crate::stage::gate;
use crate::stage::within;

const CLIENTS: &str = "$Principal is 'client'";

type Outcomes = mpsc::UnboundedReceiver<(Option<SessionId>, Result<String, Error>)>;

/// Adds callbacks for [`CLIENTS`] that pass on what they are told.
fn listen(session: &Session) -> (FilterHandler, Outcomes) {
    let (told, outcomes) = mpsc::unbounded_channel();
    let failed = told.clone();
    let handler = session.messaging().add_filter_response_handler(
        CLIENTS,
        move |session, response: String| {
            let _ = told.send((Some(session), Ok(response)));
        },
        move |session, error| {
            let _ = failed.send((session, Err(error)));
        },
    );
    (handler, outcomes)
}

async fn send(session: &Session) -> usize {
    let sent = session.messaging().send_request_to_filter(CLIENTS, "path", "x");
    within(sent).await.unwrap()
}

#[tokio::test]
async fn responses_and_errors_go_to_their_callbacks() {
    let server = TestServer::start();
    let (echoing, rejecting) = (server.join_as_client().await, server.join_as_client().await);
    let _echo = add(&echoing, "path", Echo);
    let _reject = add(&rejecting, "path", Reject("not today"));
    let sending = server.join().await;
    let (_handler, mut outcomes) = listen(&sending);
    for _ in 0..2 {
        assert_eq!(send(&sending).await, 2);
        for _ in 0..2 {
            match within(outcomes.recv()).await.unwrap() {
                (session, Ok(response)) => {
                    assert_eq!((session, response.as_str()), (Some(echoing.id()), "x"));
                }
                (session, Err(error)) => {
                    assert_eq!(
                        (session, error.kind()),
                        (Some(rejecting.id()), ErrorKind::Rejected)
                    );
                }
            }
        }
    }
    assert!(outcomes.is_empty());
}

#[tokio::test]
async fn a_response_of_another_type_goes_to_the_callback_for_errors() {
    let server = TestServer::start();
    let client = server.join_as_client().await;
    let _number = add(&client, "path", async |_: String, _| Ok(5_i64));
    let sending = server.join().await;
    let (_handler, mut outcomes) = listen(&sending);
    assert_eq!(send(&sending).await, 1);
    let (session, outcome) = within(outcomes.recv()).await.unwrap();
    assert_eq!((session, outcome.unwrap_err().kind()), (Some(client.id()), ErrorKind::Value));
}

#[tokio::test]
async fn callbacks_are_for_their_own_filter_alone() {
    let server = TestServer::start();
    let client = server.join_as_client().await;
    let _echo = add(&client, "path", Echo);
    let sending = server.join().await;
    let (_handler, mut outcomes) = listen(&sending);
    let same_meaning = "$Principal is  'client'";
    let sent = sending.messaging().send_request_to_filter(same_meaning, "path", "other").await;
    assert_eq!(sent.unwrap(), 1);
    send(&sending).await;
    let (_, outcome) = within(outcomes.recv()).await.unwrap();
    assert_eq!(outcome.unwrap(), "x");
}

#[tokio::test]
async fn callbacks_that_were_dropped_are_not_called() {
    let server = TestServer::start();
    let client = server.join_as_client().await;
    let _echo = add(&client, "path", Echo);
    let sending = server.join().await;
    let (handler, mut outcomes) = listen(&sending);
    drop(handler);
    assert_eq!(send(&sending).await, 1);
    // They are gone, and their ends of the channel with them.
    assert!(within(outcomes.recv()).await.is_none());
}

#[tokio::test]
async fn callbacks_that_are_dropped_are_still_owed_the_outcomes_of_earlier_requests() {
    let server = TestServer::start();
    let client = server.join_as_client().await;
    let (mut gate, gated) = gate();
    let _gated = add(&client, "path", gated);
    let sending = server.join().await;
    let (handler, mut outcomes) = listen(&sending);
    assert_eq!(send(&sending).await, 1);
    gate.arrival().await;
    drop(handler);
    gate.let_through(1);
    assert_eq!(within(outcomes.recv()).await.unwrap().1.unwrap(), "x");
    assert!(within(outcomes.recv()).await.is_none());
}

#[tokio::test]
async fn later_callbacks_take_the_place_of_earlier_ones() {
    let server = TestServer::start();
    let client = server.join_as_client().await;
    let _reply = add(&client, "path", Reply("hello"));
    let sending = server.join().await;
    let (first, mut old) = listen(&sending);
    let (second, mut new) = listen(&sending);
    assert!(within(old.recv()).await.is_none());
    // What was replaced does not remove its successor.
    drop(first);
    assert_eq!(send(&sending).await, 1);
    assert_eq!(within(new.recv()).await.unwrap().1.unwrap(), "hello");
    second.keep();
    assert_eq!(send(&sending).await, 1);
    assert_eq!(within(new.recv()).await.unwrap().1.unwrap(), "hello");
}

#[tokio::test]
async fn a_callback_that_panics_is_called_for_the_next_outcome_all_the_same() {
    let server = TestServer::start();
    let clients = [server.join_as_client().await, server.join_as_client().await];
    let _handlers = clients.each_ref().map(|client| add(client, "path", Echo));
    let sending = server.join().await;
    let (told, mut calls) = mpsc::unbounded_channel();
    let _handler = sending.messaging().add_filter_response_handler(
        CLIENTS,
        move |_, response: String| {
            let _ = told.send(());
            assert!(response.is_empty(), "a panic that belongs to this test");
        },
        |_, _| {},
    );
    assert_eq!(send(&sending).await, 2);
    within(calls.recv()).await.unwrap();
    within(calls.recv()).await.unwrap();
}

#[tokio::test]
async fn without_callbacks_the_count_is_told_and_the_outcomes_are_dropped() {
    let server = TestServer::start();
    let client = server.join_as_client().await;
    let (mut gate, gated) = gate();
    let _gated = add(&client, "path", gated);
    let sending = server.join().await;
    assert_eq!(send(&sending).await, 1);
    gate.arrival().await;
    gate.let_through(1);
    client.ping().await.unwrap();
    sending.ping().await.unwrap();
}
