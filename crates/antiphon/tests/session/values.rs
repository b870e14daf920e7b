//! Every data type, as a request and as a response, through the server.

use std::collections::BTreeMap;

use antiphon::DataType;
use antiphon::ErrorKind;
use antiphon::Json;
use antiphon::JsonValue;
use antiphon::RecordV2;
use antiphon::RequestContext;
use antiphon::Session;
use antiphon::Value;
use bytes::Bytes;
use serde::Deserialize;
use serde::Serialize;

use crate::stage::Echo;
use crate::stage::TestServer;
use crate::stage::register;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    item: String,
    count: u32,
    notes: BTreeMap<String, Option<f64>>,
}

fn order() -> Order {
    let notes = BTreeMap::from([("weight".to_owned(), Some(0.5)), ("height".to_owned(), None)]);
    Order { item: "tea".to_owned(), count: 3, notes }
}

/// Sends the value to a handler for just this type, which answers with it.
async fn check<T: DataType + Clone + PartialEq + std::fmt::Debug>(session: &Session, value: T) {
    let same = |value: T, _: RequestContext| async move { Ok(value) };
    let registration = register(session, "typed", same).await;
    let answer = session.messaging().send_request_to_path::<T>("typed", value.clone()).await;
    assert_eq!(answer.unwrap(), value);
    registration.close().await.unwrap();
}

#[tokio::test]
async fn every_type_goes_there_and_comes_back() {
    let server = TestServer::start();
    let session = server.join().await;
    check(&session, String::new()).await;
    check(&session, "grüße".to_owned()).await;
    check(&session, i64::MIN).await;
    check(&session, -0.5_f64).await;
    check(&session, f64::INFINITY).await;
    check(&session, Bytes::from_static(&[0, 255])).await;
    check(&session, vec![0_u8; 100_000]).await;
    check(&session, Json(order())).await;
    check(&session, JsonValue::default()).await;
    check(&session, RecordV2 { records: vec![vec!["a".to_owned(), String::new()], vec![]] }).await;
    check(&session, Some(7_i64)).await;
}

#[tokio::test]
async fn a_handler_of_any_type_sees_which_type_came() {
    let server = TestServer::start();
    let session = server.join().await;
    let _registration = register(&session, "any", Echo).await;
    let messaging = session.messaging();
    let ask = async |value: Value| messaging.send_request_to_path::<Value>("any", value).await;
    for value in [
        Value::String("x".to_owned()),
        Value::Int64(5),
        Value::Double(5.0),
        Value::Json(serde_json::json!({"a": [1, null]})),
        Value::Binary(Bytes::from_static(b"\x05")),
        Value::RecordV2(RecordV2::default()),
    ] {
        assert_eq!(ask(value.clone()).await.unwrap(), value);
    }
}

#[tokio::test]
async fn the_response_may_be_of_another_type_than_the_request() {
    let server = TestServer::start();
    let session = server.join().await;
    let length = async |text: String, _| Ok(text.len() as i64);
    let _registration = register(&session, "length", length).await;
    let messaging = session.messaging();
    assert_eq!(messaging.send_request_to_path::<i64>("length", "four").await.unwrap(), 4);
    // More general types take it in, too.
    let json: JsonValue = messaging.send_request_to_path("length", "four").await.unwrap();
    assert_eq!(json.0, serde_json::json!(4));
    let bytes: Bytes = messaging.send_request_to_path("length", "four").await.unwrap();
    assert_eq!(bytes, Bytes::from_static(&[4]));
}

#[tokio::test]
async fn null_is_a_response_to_those_who_have_a_place_for_it() {
    let server = TestServer::start();
    let session = server.join().await;
    let nothing = async |_: String, _| Ok(None::<i64>);
    let _registration = register(&session, "null", nothing).await;
    let messaging = session.messaging();
    assert_eq!(messaging.send_request_to_path::<Option<i64>>("null", "x").await.unwrap(), None);
    let error = messaging.send_request_to_path::<i64>("null", "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Value);
}

#[tokio::test]
async fn json_of_another_shape_is_refused_by_the_side_that_wanted_it() {
    let server = TestServer::start();
    let session = server.join().await;
    let count = async |Json(order): Json<Order>, _| Ok(Json(order.count));
    let _registration = register(&session, "count", count).await;
    let messaging = session.messaging();
    let answer = messaging.send_request_to_path::<Json<u32>>("count", Json(order())).await;
    assert_eq!(answer.unwrap(), Json(3));
    let asked = messaging.send_request_to_path::<Json<u32>>("count", Json("tea".to_owned())).await;
    assert_eq!(asked.unwrap_err().kind(), ErrorKind::InvalidData);
    let asked = messaging.send_request_to_path::<Json<Order>>("count", Json(order())).await;
    assert_eq!(asked.unwrap_err().kind(), ErrorKind::Value);
}

#[tokio::test]
async fn a_value_that_cannot_be_written_is_not_sent() {
    let server = TestServer::start();
    let session = server.join().await;
    let _registration = register(&session, "any", Echo).await;
    let mark = RecordV2 { records: vec![vec!["\u{1}".to_owned()]] };
    let messaging = session.messaging();
    let error = messaging.send_request_to_path::<Value>("any", mark).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_executed()), (ErrorKind::Value, false));
}
