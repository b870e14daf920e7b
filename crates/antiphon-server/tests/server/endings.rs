//! How connections end, and how the server does.

use std::time::Duration;
use std::time::Instant;

use antiphon_wire::message::ABORT_MESSAGE;
use antiphon_wire::message::CLOSE_REQUEST_MESSAGE;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::Client;
use crate::client::Frame;
use crate::client::TestServer;
use crate::client::within;
use crate::messages::register;
use crate::messages::send;

#[tokio::test]
async fn a_ping_is_answered_at_once_with_its_payload() {
    let server = TestServer::start();
    let mut client = Client::open(server.address).await;
    client.send(&[0x89, 0x00]).await;
    assert_eq!(client.frame().await, Frame::Pong(Vec::new()));
    client.send(&[0x89, 0x84, 1, 1, 1, 1, b'a', b'b', b'c', b'd']).await;
    assert_eq!(client.frame().await, Frame::Pong(b"`cbe".to_vec()));
    client.send(&[0x8a, 0x00]).await;
    client.expect_alive().await;
}

#[tokio::test]
async fn a_close_frame_is_answered_by_one_and_the_end() {
    let server = TestServer::start();
    for close in [&[0x88, 0x02, 0x03, 0xe8][..], &[0x88, 0x02, 0x03, 0xe9], &[0x88, 0x00]] {
        let mut client = Client::open(server.address).await;
        client.send(close).await;
        assert_eq!(client.frame().await, Frame::Close(1000), "{close:02x?}");
        assert_eq!(client.frame().await, Frame::End, "{close:02x?}");
    }
}

#[tokio::test]
async fn a_close_request_is_answered_by_a_close_frame_and_the_end() {
    let server = TestServer::start();
    let mut client = Client::open(server.address).await;
    client.message(CLOSE_REQUEST_MESSAGE).await;
    assert_eq!(client.frame().await, Frame::Close(1000));
    assert_eq!(client.frame().await, Frame::End);
}

/// Leaves the server in the way of `leave` with one request unanswered, and insists that the sender hears of it.
async fn check_that_requests_fail(leave: impl AsyncFnOnce(Client)) {
    let server = TestServer::start();
    let mut handler = Client::open(server.address).await;
    let mut sender = Client::open(server.address).await;
    register(&mut handler, "orders").await;
    send(&mut sender, 9, "orders", b"x").await;
    handler.expect_message().await;
    leave(handler).await;
    let error = sender.expect_message().await;
    assert_eq!((error[..2].to_vec(), error.last()), (vec![0x07, 9], Some(&107)));
    send(&mut sender, 10, "orders", b"x").await;
    let error = sender.expect_message().await;
    assert_eq!((error[..2].to_vec(), error.last()), (vec![0x07, 10], Some(&109)));
}

#[tokio::test]
async fn a_lost_connection_fails_what_it_had_to_answer() {
    check_that_requests_fail(async |handler| drop(handler)).await;
}

#[tokio::test]
async fn a_reset_connection_fails_what_it_had_to_answer() {
    check_that_requests_fail(async |handler| {
        handler.stream.set_zero_linger().unwrap();
        drop(handler);
    })
    .await;
}

#[tokio::test]
async fn a_half_closed_connection_fails_what_it_had_to_answer() {
    check_that_requests_fail(async |mut handler| {
        handler.stream.shutdown().await.unwrap();
        assert_eq!(handler.frame().await, Frame::Message(ABORT_MESSAGE.to_vec()));
    })
    .await;
}

#[tokio::test]
async fn a_closed_connection_fails_what_it_had_to_answer() {
    check_that_requests_fail(async |mut handler| handler.send(&[0x88, 0x00]).await).await;
}

#[tokio::test]
async fn a_session_that_another_closes_is_told_and_its_socket_ends() {
    let server = TestServer::start();
    let mut admin = Client::open(server.address).await;
    let mut victim = Client::upgrade(server.address, "v=29").await;
    victim.expect_accepted(29).await;
    // Service 162 closes every session that matches a filter.
    admin.message(b"\x00\xa2\x01\x09\x10$Principal is ''").await;
    assert_eq!(victim.frame().await, Frame::Message(ABORT_MESSAGE.to_vec()));
    assert_eq!(victim.frame().await, Frame::Close(1000));
    assert_eq!(victim.frame().await, Frame::End);
    assert_eq!(admin.expect_message().await[..2], [0x06, 9]);
}

#[tokio::test]
async fn a_silent_session_is_pinged_and_then_ended() {
    let server = TestServer::with(|config| config.ping_period = Duration::from_millis(150));
    let mut client = Client::open(server.address).await;
    let ping = client.expect_message().await;
    assert_eq!(ping[..2], [0x00, 55]);
    let mut last = Frame::Message(ping);
    while last != Frame::End {
        last = client.frame().await;
    }
}

#[tokio::test]
async fn a_request_times_out_when_its_handler_is_silent() {
    let server = TestServer::with(|config| config.request_timeout = Duration::from_millis(50));
    let mut handler = Client::open(server.address).await;
    let mut sender = Client::open(server.address).await;
    register(&mut handler, "orders").await;
    send(&mut sender, 9, "orders", b"x").await;
    let error = sender.expect_message().await;
    assert_eq!((error[..2].to_vec(), error.last()), (vec![0x07, 9], Some(&102)));
}

#[tokio::test]
async fn a_server_that_stops_tells_every_session_and_accepts_no_more() {
    let server = TestServer::start();
    let address = server.address;
    let mut first = Client::open(address).await;
    let mut second = Client::open(address).await;
    let stopping = server.stop();
    for client in [&mut first, &mut second] {
        assert_eq!(client.frame().await, Frame::Message(ABORT_MESSAGE.to_vec()));
        assert_eq!(client.frame().await, Frame::Close(1001));
        assert_eq!(client.frame().await, Frame::End);
    }
    drop((first, second));
    within(stopping).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_server_that_stops_does_not_wait_for_handshakes() {
    let server = TestServer::with(|config| {
        config.limits.handshake_timeout = Duration::from_secs(3600);
    });
    let mut silent = Client::connect(server.address).await;
    let mut slow = Client::connect(server.address).await;
    slow.send(b"GET /diffusion").await;
    Client::open(server.address).await.expect_alive().await;
    within(server.stop()).await.unwrap().unwrap();
    assert_eq!((silent.rest().await, slow.rest().await), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn a_client_that_does_not_close_holds_the_server_up_only_shortly() {
    let server = TestServer::start();
    let _client = Client::open(server.address).await;
    let started = Instant::now();
    within(server.stop()).await.unwrap().unwrap();
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_server_that_is_dropped_drops_its_connections() {
    let server = TestServer::start();
    let mut client = Client::open(server.address).await;
    server.running.abort();
    client.rest().await;
    assert!(TcpStream::connect(server.address).await.is_err());
}
