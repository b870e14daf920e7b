//! How a server ends without harm.

use std::time::Duration;

use antiphon_server::Config;
use antiphon_server::Readiness;
use antiphon_server::Server;
use antiphon_wire::message::ABORT_MESSAGE;

use crate::client::ADMIN;
use crate::client::Client;
use crate::client::Frame;
use crate::client::TestServer;
use crate::client::any_port;
use crate::client::within;
use crate::messages::answer;
use crate::messages::register;
use crate::messages::send;
use crate::reconnecting::SOUND;
use crate::reconnecting::Ticket;
use crate::reconnecting::expect_error;

async fn expect_parting(mut client: Client) {
    assert_eq!(client.frame().await, Frame::Message(ABORT_MESSAGE.to_vec()));
    assert_eq!(client.frame().await, Frame::Close(1001));
    assert_eq!(client.frame().await, Frame::End);
}

/// A handler of `orders` and a sender, with one request to be answered.
async fn under_way(server: &TestServer) -> (Client, Client) {
    let mut handler = Client::open(server.address).await;
    let mut sender = Client::open(server.address).await;
    register(&mut handler, "orders").await;
    send(&mut sender, 9, "orders", b"x").await;
    // So that the server has read it.
    sender.expect_alive().await;
    (handler, sender)
}

#[tokio::test]
async fn what_is_under_way_is_finished_before_anybody_is_sent_away() {
    let server = TestServer::with(|config| config.drain.timeout = Duration::from_secs(3600));
    let (mut handler, mut sender) = under_way(&server).await;
    let idle = Client::open(server.address).await;
    server.handle.drain();
    expect_parting(idle).await;

    let mut late = Client::upgrade(server.address, &format!("v=29&{ADMIN}")).await;
    assert_eq!(late.frame().await, Frame::Message(vec![b'#', 29, 119]));
    assert_eq!((late.frame().await, late.frame().await), (Frame::Close(1000), Frame::End));
    // The sender has to leave, and asks no more. What it was told is that it can try again.
    send(&mut sender, 10, "orders", b"y").await;
    expect_error(&mut sender, 10, 112).await;

    answer(&mut handler, b"x").await;
    assert!(sender.expect_message().await.ends_with(b"\x06binary\x01x"));
    expect_parting(sender).await;
    expect_parting(handler).await;
    within(server.running).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_not_finished_in_time_is_cut_off_with_an_error() {
    let server = TestServer::with(|config| config.drain.timeout = Duration::from_millis(300));
    let (mut handler, mut sender) = under_way(&server).await;
    server.handle.drain();
    expect_error(&mut sender, 9, 101).await;
    assert!(handler.expect_message().await.ends_with(b"x"));
    expect_parting(sender).await;
    expect_parting(handler).await;
    within(server.running).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_session_may_come_back_for_what_is_under_way() {
    let configure = |config: &mut Config| config.drain.timeout = Duration::from_secs(3600);
    let (handler, ticket) = Ticket::open_with(SOUND, configure).await;
    let mut sender = ticket.sender().await;
    send(&mut sender, 9, "orders", b"x").await;
    sender.expect_alive().await;
    drop(handler);
    ticket.server.handle.drain();
    let mut handler = ticket.resume(1, 2).await;
    answer(&mut handler, b"x").await;
    assert!(sender.expect_message().await.ends_with(b"\x06binary\x01x"));
    expect_parting(sender).await;
    expect_parting(handler).await;
    within(ticket.server.running).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_without_sessions_ends_at_once_and_says_that_it_is_not_ready() {
    let config = Config::dev(any_port());
    let timeout = config.drain.timeout;
    let server = Server::bind(config).unwrap();
    let handle = server.handle();
    assert_eq!(handle.readiness(), Readiness::Starting);
    let running = tokio::spawn(server.run(std::future::pending::<()>()));
    while handle.readiness() == Readiness::Starting {
        tokio::task::yield_now().await;
    }
    assert_eq!(handle.readiness(), Readiness::Ready);
    handle.clone().drain();
    assert_eq!(handle.readiness(), Readiness::Draining);
    tokio::time::timeout(timeout / 2, running).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn an_end_without_a_drain_does_not_wait_for_what_is_under_way() {
    let server = TestServer::with(|config| config.drain.timeout = Duration::from_secs(3600));
    let (handler, mut sender) = under_way(&server).await;
    server.handle.drain();
    let mut late = Client::upgrade(server.address, &format!("v=29&{ADMIN}")).await;
    assert_eq!(late.frame().await, Frame::Message(vec![b'#', 29, 119]));
    let stopping = server.stop();
    expect_error(&mut sender, 9, 101).await;
    drop((handler, sender, late));
    within(stopping).await.unwrap().unwrap();
}
