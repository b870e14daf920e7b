//! Who is turned away at the door, and how. That each limit is kept shows `limits`.

use antiphon_server::Config;
use antiphon_server::ListenerConfig;

use crate::certificates::Authority;
use crate::certificates::Files;
use crate::client::Client;
use crate::client::TestServer;
use crate::client::any_port;

/// All that is said to a connection that says nothing.
async fn refusal(server: &TestServer) -> String {
    let mut client = Client::connect(server.address).await;
    String::from_utf8(client.rest().await).unwrap()
}

/// The server, which runs on this thread, closes a socket and lets its place go in one step, so there is no moment between.
#[tokio::test]
async fn the_place_of_a_connection_is_free_as_soon_as_its_socket_is_closed() {
    let server = TestServer::with(|config| config.limits.connections = 2);
    let mut first = Client::open(server.address).await;
    for _ in 0..20 {
        let second = Client::open(server.address).await;
        assert!(refusal(&server).await.starts_with("HTTP/1.1 503 "));
        second.leave().await;
    }
    first.expect_alive().await;
}

#[tokio::test]
async fn no_browser_keeps_or_misreads_what_is_said_at_the_door() {
    let turn_away = |change: fn(&mut Config)| async move {
        let server = TestServer::with(|config| {
            config.limits.proxies.clear();
            change(config);
        });
        let _first = Client::connect(server.address).await;
        refusal(&server).await
    };
    let full = turn_away(|config| config.limits.connections = 1).await;
    let too_many = turn_away(|config| config.limits.connections_per_address = 1).await;
    for (code, said) in [(503, full), (429, too_many)] {
        assert!(said.starts_with(&format!("HTTP/1.1 {code} ")), "{said}");
        for header in ["retry-after: 5", "content-type: text/plain; charset=utf-8"] {
            assert!(said.contains(&format!("\r\n{header}\r\n")), "{header} in {said}");
        }
        expect_guarded(&said);
    }
}

/// Insists on the headers that every answer in words has.
pub(crate) fn expect_guarded(answer: &str) {
    for header in [
        "connection: close",
        "cache-control: no-store",
        "content-security-policy: default-src 'none'; frame-ancestors 'none'",
        "referrer-policy: no-referrer",
        "x-content-type-options: nosniff",
    ] {
        assert!(answer.contains(&format!("\r\n{header}\r\n")), "{header} in {answer}");
    }
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
