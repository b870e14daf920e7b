//! What people and lost clients are answered over HTTP.

use antiphon_server::Config;
use antiphon_server::ListenerConfig;
use antiphon_server::Origins;

use crate::client::Client;
use crate::client::TestServer;
use crate::client::any_port;
use crate::door::expect_guarded;

/// The status line's code and the whole answer.
async fn ask(server: &TestServer, request: &str) -> (u16, String) {
    let mut client = Client::connect(server.address).await;
    client.send(format!("{request}\r\nHost: localhost\r\n\r\n").as_bytes()).await;
    let answer = String::from_utf8(client.rest().await).unwrap();
    let code = answer.split(' ').nth(1).unwrap_or_default().parse().unwrap_or_default();
    (code, answer)
}

#[tokio::test]
async fn a_browser_is_told_what_this_is_and_how_to_connect() {
    let server = TestServer::start();
    for (request, expected) in [
        ("GET / HTTP/1.1", 200),
        ("GET /diffusion HTTP/1.1", 426),
        ("GET /behind/a/proxy/diffusion?x=y HTTP/1.1", 426),
        ("POST /diffusion HTTP/1.1", 426),
    ] {
        let (code, answer) = ask(&server, request).await;
        assert_eq!(code, expected, "{request}");
        assert!(answer.contains("Antiphon"), "{answer}");
        assert!(answer.contains("ws://HOST:PORT/diffusion"), "{answer}");
    }
}

#[tokio::test]
async fn a_wrong_path_is_not_found_and_the_right_one_named() {
    let server = TestServer::start();
    for request in ["GET /wrong HTTP/1.1", "GET /diffusion/ HTTP/1.1", "POST / HTTP/1.1"] {
        let (code, answer) = ask(&server, request).await;
        assert_eq!(code, 404, "{request}");
        assert!(answer.contains("path that ends in /diffusion"), "{answer}");
    }
    let mut client = Client::connect(server.address).await;
    client.ask_for_upgrade("/wrong?v=29", "").await;
    assert!(client.head().await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let server = TestServer::start();
    assert_eq!(ask(&server, "HELLO").await.0, 400);
    let long = format!("GET /diffusion HTTP/1.1\r\nX: {}", "x".repeat(1 << 16));
    assert_eq!(ask(&server, &long).await.0, 431);
}

#[tokio::test]
async fn a_connection_without_a_usable_version_gets_an_explanation() {
    let server = TestServer::start();
    for query in ["", "?v=", "?v=abc", "?v=256", "?v=-1"] {
        let mut client = Client::connect(server.address).await;
        client.ask_for_upgrade(&format!("/diffusion{query}"), "").await;
        let answer = String::from_utf8(client.rest().await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{query}: {answer}");
        assert!(answer.contains("parameter v must be"), "{query}: {answer}");
    }
}

#[tokio::test]
async fn a_websocket_request_without_its_key_is_refused() {
    let server = TestServer::start();
    let request = "GET /diffusion?v=29 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket";
    let (code, answer) = ask(&server, request).await;
    assert_eq!(code, 400, "{answer}");
}

#[tokio::test]
async fn no_browser_keeps_or_misreads_an_answer() {
    let server = TestServer::start();
    for request in ["GET / HTTP/1.1", "GET /diffusion HTTP/1.1", "GET /wrong HTTP/1.1"] {
        let answer = ask(&server, request).await.1;
        assert!(answer.contains("\r\ncontent-type: text/plain; charset=utf-8\r\n"), "{answer}");
        expect_guarded(&answer);
    }
}

#[tokio::test]
async fn the_size_of_a_request_is_limited() {
    let server = TestServer::with(|config| {
        config.limits.request_head = 8 << 10;
        config.limits.request_target = 1000;
        config.limits.request_headers = 10;
    });
    let padded = |length| format!("GET /diffusion?x={} HTTP/1.1", "x".repeat(length));
    assert_eq!(ask(&server, &padded(900)).await.0, 426);
    let (code, answer) = ask(&server, &padded(1000)).await;
    assert_eq!((code, answer.ends_with("too long.\n")), (414, true), "{answer}");
    let many = |count| format!("GET /diffusion HTTP/1.1{}", "\r\nX: y".repeat(count));
    assert_eq!(ask(&server, &many(9)).await.0, 426);
    assert_eq!(ask(&server, &many(10)).await.0, 431);
    let large = format!("GET /diffusion HTTP/1.1\r\nX: {}", "x".repeat(8 << 10));
    assert_eq!(ask(&server, &large).await.0, 431);
}

/// What a web page of `origin` is answered.
async fn ask_from(server: &TestServer, origin: &str) -> String {
    let mut client = Client::connect(server.address).await;
    let headers = if origin.is_empty() { String::new() } else { format!("Origin: {origin}\r\n") };
    client.ask_for_upgrade("/diffusion?v=29", &headers).await;
    client.head().await
}

#[tokio::test]
async fn a_web_page_may_connect_if_its_site_is_permitted() {
    let listed = || Origins::Listed(vec!["https://app.example".to_owned()]);
    for (origins, origin, code) in [
        (Origins::Any, "https://evil.example", 101),
        (listed(), "https://app.example", 101),
        (listed(), "https://evil.example", 403),
        (listed(), "", 101),
        (Origins::Same, "http://localhost", 101),
        (Origins::Same, "https://evil.example", 403),
    ] {
        let server = TestServer::with(|config| config.http.origins = origins.clone());
        let head = ask_from(&server, origin).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {code} ")), "{origins:?} {origin}: {head}");
    }
    let server = TestServer::with(|config| config.http.origins = listed());
    let mut client = Client::connect(server.address).await;
    client.ask_for_upgrade("/diffusion?v=29", "Origin: https://evil.example\r\n").await;
    let answer = String::from_utf8(client.rest().await).unwrap();
    assert!(answer.contains("Web pages of this site may not connect"), "{answer}");
}

#[tokio::test]
async fn every_listener_leads_to_the_same_server() {
    let config = |config: &mut Config| config.listeners.push(ListenerConfig::plain(any_port()));
    let server = TestServer::with(config);
    let [one, other] = server.addresses[..] else { panic!("two listeners") };
    assert_ne!(one, other);
    let (mut one, mut other) = (Client::open(one).await, Client::open(other).await);
    one.expect_alive().await;
    other.expect_alive().await;
    server.stop();
    // Whoever was not told would wait for ever.
    one.rest().await;
    other.rest().await;
}
