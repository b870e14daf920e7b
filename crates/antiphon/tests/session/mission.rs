//! The mission's API, method by method: every parameter used, its documented meaning asserted.

use antiphon::ALL_FIXED_PROPERTIES;
use antiphon::ALL_USER_PROPERTIES;
use antiphon::Addressing;
use antiphon::RequestContext;
use antiphon::Session;
use tokio::sync::mpsc;

use crate::stage::Echo;
use crate::stage::Reject;
use crate::stage::Reply;
use crate::stage::TestServer;
use crate::stage::add;
use crate::stage::within;

#[tokio::test]
async fn the_missions_methods_do_as_documented() {
    let server = TestServer::start();
    let (handling, sending) = (server.join().await, server.join().await);
    add_request_handler(&handling, &sending).await;
    register_request_handler(&server, &handling).await;
    send_request_to_path(&handling, &sending).await;
    send_request_to_session(&handling, &sending).await;
    send_request_to_filter(&server, &sending).await;
}

/// "True to handle the requests addressed to the session's ID or using a session filter; False for unaddressed
/// requests."
async fn add_request_handler(handling: &Session, sending: &Session) {
    let (adding, asking) = (handling.messaging(), sending.messaging());
    let registered =
        adding.register_request_handler("documented/both", Reply("registered"), &[]).await.unwrap();
    let _unaddressed = adding
        .add_request_handler("documented/both", Reply("unaddressed"), Addressing::Unaddressed)
        .unwrap();
    let _addressed = adding
        .add_request_handler("documented/both", Reply("addressed"), Addressing::Addressed)
        .unwrap();
    let answer: String = asking.send_request_to_path("documented/both", "x").await.unwrap();
    assert_eq!(answer, "unaddressed");
    let id = handling.id();
    let answer: String = asking.send_request_to_session("documented/both", id, "x").await.unwrap();
    assert_eq!(answer, "addressed");
    let filter = format!("$SessionId is '{id}'");
    let responses = asking.request_filter::<String>(&filter, "documented/both", "x").await.unwrap();
    let collected = within(responses.collect_all()).await;
    assert_eq!(collected.responses().collect::<Vec<_>>(), [(id, &"addressed".to_owned())]);
    registered.close().await.unwrap();
}

/// "A list of keys of session properties that should be supplied with each request."
async fn register_request_handler(server: &TestServer, handling: &Session) {
    let sending = within(server.builder().property("Team", "blue").connect()).await.unwrap();
    let (told, mut seen) = mpsc::unbounded_channel();
    let length = move |text: String, context: RequestContext| {
        let told = told.clone();
        async move { Ok(told.send(context).map(|()| text.len() as i64)?) }
    };
    let keys = [ALL_FIXED_PROPERTIES, ALL_USER_PROPERTIES];
    let registered =
        handling.messaging().register_request_handler("documented/register", length, &keys).await;
    let answer = sending.messaging().send_request_to_path::<i64>("documented/register", "hello");
    assert_eq!(within(answer).await.unwrap(), 5);
    let context = seen.recv().await.unwrap();
    assert_eq!(context.sender(), Some(sending.id()));
    assert_eq!(context.property("Team"), Some("blue"));
    assert_eq!(context.property("$SessionId"), Some(sending.id().to_string().as_str()));
    registered.unwrap().close().await.unwrap();
}

/// "The response value of the provided response_type."
async fn send_request_to_path(handling: &Session, sending: &Session) {
    let registered = handling.messaging().register_request_handler("documented/echo", Echo, &[]);
    let registered = registered.await.unwrap();
    let messaging = sending.messaging();
    let text: String = messaging.send_request_to_path("documented/echo", "hello").await.unwrap();
    let number: i64 = messaging.send_request_to_path("documented/echo", 5_i64).await.unwrap();
    assert_eq!((text.as_str(), number), ("hello", 5));
    registered.close().await.unwrap();
}

/// "The ID of the session to send the request to."
async fn send_request_to_session(handling: &Session, sending: &Session) {
    let _echo = add(handling, "documented/echo", Echo);
    let messaging = sending.messaging();
    let asked = messaging.send_request_to_session::<f64>("documented/echo", handling.id(), 0.5_f64);
    assert_eq!(within(asked).await.unwrap(), 0.5);
}

/// "The number of sessions that correspond to the filter, which is the number of responses that can be expected. When
/// each of the responses is received, the handler registered for the filter will be executed."
async fn send_request_to_filter(server: &TestServer, sending: &Session) {
    let filter = "$Principal is 'client'";
    let (echoing, rejecting) = (server.join_as_client().await, server.join_as_client().await);
    let _echo = add(&echoing, "documented/jobs", Echo);
    let _reject = add(&rejecting, "documented/jobs", Reject("not today"));
    let (told, mut outcomes) = mpsc::unbounded_channel();
    let failed = told.clone();
    let _handler = sending.messaging().add_filter_response_handler(
        filter,
        move |session, response: String| {
            let _ = told.send((session, response));
        },
        move |session, error| {
            let _ = failed.send((session.unwrap(), error.text().to_owned()));
        },
    );
    let sent = sending.messaging().send_request_to_filter(filter, "documented/jobs", "dig").await;
    assert_eq!(sent.unwrap(), 2);
    let mut seen = [(); 2].map(|()| None);
    for place in &mut seen {
        *place = within(outcomes.recv()).await;
    }
    for expected in [(echoing.id(), "dig".to_owned()), (rejecting.id(), "not today".to_owned())] {
        assert!(seen.contains(&Some(expected)), "{seen:?}");
    }
}
