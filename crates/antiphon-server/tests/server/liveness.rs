//! Clients that are gone without a farewell: sockets that stay open, on which nothing comes any more.

use std::time::Duration;

use antiphon_server::Config;
use antiphon_server::PathRule;
use antiphon_wire::message::ABORT_MESSAGE;

use crate::client::Client;
use crate::client::Frame;
use crate::client::TestServer;
use crate::messages::answer;
use crate::messages::register;
use crate::messages::send;
use crate::reconnecting::SOUND;
use crate::reconnecting::Ticket;
use crate::reconnecting::expect_error;
use crate::reconnecting::expect_ping;

/// Requests to `orders` may take an hour; only silence ends them.
fn impatient(config: &mut Config) {
    config.liveness.handler_timeout = Duration::from_millis(600);
    let timeout = Some(Duration::from_secs(3600));
    config.paths = vec![PathRule { path: "orders".to_owned(), timeout, choice: None }];
}

#[tokio::test]
async fn a_handler_that_falls_silent_is_asked_and_then_ended_with_its_requests() {
    let server = TestServer::with(impatient);
    let mut handler = Client::open(server.address).await;
    let mut sender = Client::open(server.address).await;
    register(&mut handler, "orders").await;
    send(&mut sender, 9, "orders", b"x").await;
    handler.expect_message().await;
    expect_error(&mut sender, 9, 107).await;
    expect_ping(&mut handler).await;
    assert_eq!(handler.frame().await, Frame::Message(ABORT_MESSAGE.to_vec()));
    assert_eq!(handler.frame().await, Frame::Close(1000));
    assert_eq!(handler.frame().await, Frame::End);
    // The sender owes nothing, and may be as silent as it likes.
    sender.expect_alive().await;
}

#[tokio::test]
async fn a_handler_that_can_come_back_loses_its_connection_and_its_requests_and_nothing_else() {
    let (mut handler, ticket) = Ticket::open_with(SOUND, impatient).await;
    let mut sender = ticket.sender().await;
    send(&mut sender, 9, "orders", b"x").await;
    handler.expect_message().await;
    expect_error(&mut sender, 9, 107).await;
    expect_ping(&mut handler).await;
    assert_eq!(handler.frame().await, Frame::End);

    let mut handler = ticket.resume(3, 2).await;
    send(&mut sender, 10, "orders", b"y").await;
    answer(&mut handler, b"y").await;
    assert!(sender.expect_message().await.ends_with(b"\x06binary\x01y"));
}

#[tokio::test]
async fn what_comes_too_late_on_a_connection_that_was_given_up_is_not_served() {
    let (mut handler, ticket) = Ticket::open_with(SOUND, impatient).await;
    let mut sender = ticket.sender().await;
    send(&mut sender, 9, "orders", b"x").await;
    expect_error(&mut sender, 9, 107).await;
    // It answers the request and the ping, but nobody is there to hear it.
    handler.expect_message().await;
    handler.expect_message().await;
    assert_eq!(handler.frame().await, Frame::End);
    drop(handler);
    // Had the server counted what was sent, it would expect another number.
    ticket.resume(3, 2).await;
}
