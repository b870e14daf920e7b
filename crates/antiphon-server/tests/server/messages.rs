//! Sessions that talk to each other, however their bytes are cut.

use antiphon_wire::codec::Encode;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::message;
use antiphon_wire::message::Message;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::Receiver;
use antiphon_wire::service::messaging::RegisterHandler;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::value::Value;

use crate::client::Client;
use crate::client::Frame;
use crate::client::Stream;
use crate::client::TestServer;
use crate::client::USER_PING;
use crate::client::USER_PONG;

/// Makes the session a handler for `path`.
pub(crate) async fn register<S: Stream>(client: &mut Client<S>, path: &str) {
    let body = RegisterHandler {
        receiver: Receiver,
        group: "",
        path,
        keys: Vec::new(),
        conversation: ConversationId(1),
    };
    client.request(Service::MessagingReceiverControlRegistration, 1, &body).await;
    assert_eq!(client.expect_message().await, [0x06, 1]);
}

pub(crate) async fn send<S: Stream>(
    client: &mut Client<S>,
    conversation: u64,
    path: &str,
    bytes: &[u8],
) {
    let body = SendRequest { path, value: Value { type_name: "binary", bytes } };
    client.request(Service::MessagingSend, conversation, &body).await;
}

/// Answers the next request with the value that it brought at its end.
pub(crate) async fn answer<S: Stream>(client: &mut Client<S>, bytes: &[u8]) {
    let request = client.expect_message().await;
    assert!(request.ends_with(bytes));
    let Ok(Message::Request { conversation, .. }) = Message::decode(&request) else {
        panic!("expected a request, not {request:02x?}");
    };
    let mut response = Vec::new();
    message::put_response(&mut response, conversation);
    Value { type_name: "binary", bytes }.encode(&mut response);
    client.message(&response).await;
}

#[tokio::test]
async fn a_request_reaches_the_handler_and_its_response_the_sender() {
    let server = TestServer::start();
    let mut handler = Client::open(server.address).await;
    let mut sender = Client::open(server.address).await;
    register(&mut handler, "orders").await;
    send(&mut sender, 9, "orders/eu", b"two").await;
    answer(&mut handler, b"two").await;
    assert_eq!(sender.expect_message().await, b"\x06\x09\x06binary\x03two");
}

#[tokio::test]
async fn a_response_travels_on_a_multi_threaded_runtime_too() {
    let runtime = antiphon_server::runtime(2).unwrap();
    let done = runtime.spawn(async {
        let server = TestServer::start();
        let mut handler = Client::open(server.address).await;
        let mut sender = Client::open(server.address).await;
        register(&mut handler, "orders").await;
        for conversation in 1..100 {
            send(&mut sender, conversation, "orders", b"x").await;
            answer(&mut handler, b"x").await;
            assert!(sender.expect_message().await.ends_with(b"\x06binary\x01x"));
        }
    });
    tokio::task::spawn_blocking(move || runtime.block_on(done)).await.unwrap().unwrap();
}

#[tokio::test]
async fn messages_may_come_in_any_pieces() {
    let server = TestServer::start();
    let mut client = Client::open(server.address).await;
    let whole = [&[0x82, 0x80 | USER_PING.len() as u8, 0, 0, 0, 0], USER_PING].concat();
    for byte in &whole {
        client.send(&[*byte]).await;
    }
    assert_eq!(client.frame().await, Frame::Message(USER_PONG.to_vec()));

    client.send(&whole.repeat(3)).await;
    for _ in 0..3 {
        assert_eq!(client.frame().await, Frame::Message(USER_PONG.to_vec()));
    }

    let (first, second, third) = (&USER_PING[..1], &USER_PING[1..2], &USER_PING[2..]);
    client
        .send(&[&[0x02, 1], first, &[0x00, 1], second, &[0x89, 0, 0x80, 1], third].concat())
        .await;
    assert_eq!(client.frame().await, Frame::Pong(Vec::new()));
    assert_eq!(client.frame().await, Frame::Message(USER_PONG.to_vec()));
}

#[tokio::test]
async fn unmasked_frames_are_taken() {
    let server = TestServer::start();
    let mut client = Client::open(server.address).await;
    client.send(&[&[0x82, USER_PING.len() as u8], USER_PING].concat()).await;
    assert_eq!(client.frame().await, Frame::Message(USER_PONG.to_vec()));
}

#[tokio::test]
async fn a_message_of_the_largest_size_arrives_whole() {
    let server = TestServer::start();
    let mut handler = Client::open(server.address).await;
    let mut sender = Client::open(server.address).await;
    register(&mut handler, "large").await;
    let bytes: Vec<u8> = (0..(1_u32 << 20) - 100).map(|n| (n % 251) as u8).collect();
    send(&mut sender, 9, "large", &bytes).await;
    answer(&mut handler, &bytes).await;
    let response = sender.expect_message().await;
    assert!(response.ends_with(&bytes));
    sender.expect_alive().await;
}

#[tokio::test]
async fn a_session_may_become_another_principal() {
    let server = TestServer::start();
    let mut client = Client::open(server.address).await;
    let change = |password: &[u8]| [b"\x00\x05\x09\x06client\x01\x08", password].concat();
    client.message(&change(b"passwork")).await;
    assert_eq!(client.expect_message().await, [0x06, 9, 0]);
    client.message(&change(b"password")).await;
    assert_eq!(client.expect_message().await, [0x06, 9, 1]);
    // A `client` may not register handlers: error 103.
    client.message(b"\x00\x61\x18\x58\x00\x01p\x00\x18").await;
    let refused = client.expect_message().await;
    assert_eq!((refused[..2].to_vec(), refused.last()), (vec![0x07, 0x18], Some(&103)));
}
