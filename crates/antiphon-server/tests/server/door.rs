//! Limits on connections: whoever is one too many is told so or cut off, and nobody else notices.

use std::time::Duration;

use antiphon_server::Config;
use antiphon_server::Limits;
use antiphon_server::ListenerConfig;

use crate::certificates::Authority;
use crate::certificates::Files;
use crate::client::Client;
use crate::client::TestServer;
use crate::client::any_port;

fn limited(change: impl FnOnce(&mut Limits)) -> TestServer {
    TestServer::with(|config: &mut Config| {
        config.limits.proxies.clear();
        change(&mut config.limits);
    })
}

/// Connects until the server says that it is enough, and returns what it says.
async fn refusal(server: &TestServer) -> String {
    let mut client = Client::connect(server.address).await;
    String::from_utf8(client.rest().await).unwrap()
}

/// A connection is let in as soon as another has gone, but not before the server has noticed.
async fn let_in(server: &TestServer) -> Client {
    loop {
        let mut client = Client::connect(server.address).await;
        client.ask_for_upgrade(&format!("/diffusion?v=29&{}", crate::client::ADMIN), "").await;
        let head = client.head().await;
        if head.starts_with("HTTP/1.1 101 ") {
            client.expect_accepted(29).await;
            return client;
        }
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_connection_too_many_is_refused_until_another_ends() {
    let server = limited(|limits| limits.connections = 2);
    let mut first = Client::open(server.address).await;
    let second = Client::open(server.address).await;
    let said = refusal(&server).await;
    assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("as many connections"), "{said}");
    first.expect_alive().await;
    second.leave().await;
    let_in(&server).await.expect_alive().await;
    first.expect_alive().await;
}

#[tokio::test]
async fn an_address_has_a_limit_of_its_own() {
    let server = limited(|limits| limits.connections_per_address = 1);
    let mut first = Client::open(server.address).await;
    let said = refusal(&server).await;
    assert!(said.starts_with("HTTP/1.1 429 ") && said.contains("from your address"), "{said}");
    first.expect_alive().await;
}

#[tokio::test]
async fn who_opens_no_session_keeps_only_itself_out() {
    let server = limited(|limits| limits.handshakes_per_address = 2);
    let mut session = Client::open(server.address).await;
    let _silent = [Client::connect(server.address).await, Client::connect(server.address).await];
    let said = refusal(&server).await;
    assert!(said.starts_with("HTTP/1.1 429 "), "{said}");
    session.expect_alive().await;
}

#[tokio::test]
async fn a_flood_of_connections_is_stopped_and_sessions_go_on() {
    let server = limited(|limits| limits.connects_per_address = 1);
    let mut session = Client::open(server.address).await;
    let mut refused = 0;
    for _ in 0..200 {
        refused += usize::from(refusal_or_none(&server).await);
        session.expect_alive().await;
    }
    // Five at once, and one more for each second that the test takes.
    assert!(refused > 0, "nobody was refused");
}

/// Whether a new connection is refused; one that is not says nothing and goes.
async fn refusal_or_none(server: &TestServer) -> bool {
    let mut client = Client::connect(server.address).await;
    client.send(b"HELLO\r\n\r\n").await;
    // A refusal may be lost with the connection, since what was sent to it is not read.
    let mut answer = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut client.stream, &mut answer).await;
    !answer.starts_with(b"HTTP/1.1 400 ")
}

#[tokio::test]
async fn proxies_are_not_counted_by_address() {
    let server = TestServer::with(|config| {
        config.limits.connections_per_address = 1;
        config.limits.connects_per_address = 1;
    });
    let mut sessions = Vec::new();
    for _ in 0..10 {
        sessions.push(Client::open(server.address).await);
    }
}

#[tokio::test]
async fn over_tls_one_too_many_is_cut_off_before_it_costs_anything() {
    let (authority, files) = (Authority::new(), Files::new());
    let tls = files.listener(&authority.sign("localhost"));
    let server = TestServer::with(|config| {
        config.listeners = vec![tls, ListenerConfig::plain(any_port())];
        config.limits.connections = 1;
    });
    let mut session = Client::open(server.addresses[1]).await;
    assert_eq!(refusal(&server).await, "");
    session.expect_alive().await;
}
