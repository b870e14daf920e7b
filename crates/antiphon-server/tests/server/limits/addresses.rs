//! Limits on connections, and on the HTTP requests with which they begin.

use std::time::Duration;

use tokio::io::AsyncReadExt;

use crate::client::ADMIN;
use crate::client::Client;
use crate::limits::stage::Stage;

pub(super) async fn connections() {
    let mut stage = Stage::set("[limits]\nconnections = 3").await;
    let mut third = stage.open().await;
    let said = stage.told("").await;
    assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("as many connections"), "{said}");
    stage.go_on().await;
    third.expect_alive().await;
    assert_eq!(stage.failed("connections").await, 1);
}

pub(super) async fn connections_per_address() {
    let mut stage = Stage::set("[limits]\nconnections_per_address = 3").await;
    let mut third = stage.open().await;
    let said = stage.told("").await;
    assert!(said.starts_with("HTTP/1.1 429 ") && said.contains("from your address"), "{said}");
    stage.go_on().await;
    third.expect_alive().await;
    assert_eq!(stage.failed("connections_per_address").await, 1);
}

pub(super) async fn handshakes_per_address() {
    let mut stage = Stage::set("[limits]\nhandshakes_per_address = 2").await;
    let _silent =
        [Client::connect(stage.server.address).await, Client::connect(stage.server.address).await];
    let said = stage.told("").await;
    assert!(said.starts_with("HTTP/1.1 429 "), "{said}");
    stage.go_on().await;
    assert_eq!(stage.failed("handshakes_per_address").await, 1);
}

pub(super) async fn connects_per_address() {
    let mut stage = Stage::set("[limits]\nconnects_per_address = 1").await;
    let mut refused = 0;
    for _ in 0..200 {
        refused += u64::from(is_refused(&stage).await);
        stage.go_on().await;
    }
    // Five at once, and one more for each second that the test takes.
    assert!(refused > 0, "nobody was refused");
    assert!(stage.failed("connects_per_address").await >= refused);
}

/// Whether a new connection is refused; one that is not says nothing of use and goes.
async fn is_refused(stage: &Stage) -> bool {
    let mut client = Client::connect(stage.server.address).await;
    client.send(b"HELLO\r\n\r\n").await;
    // A refusal may be lost with the connection, since what was sent to it is not read.
    let mut answer = Vec::new();
    let _ = client.stream.read_to_end(&mut answer).await;
    !answer.starts_with(b"HTTP/1.1 400 ")
}

pub(super) async fn proxies() {
    let mut stage = Stage::set("[limits]\nconnections_per_address = 2").await;
    assert!(stage.told("").await.starts_with("HTTP/1.1 429 "));
    stage.reload(|limits| limits.proxies = vec!["127.0.0.0/8".parse().unwrap()]);
    let mut third = stage.open().await;
    stage.go_on().await;
    third.expect_alive().await;
    stage.reload(|limits| limits.proxies.clear());
    assert!(stage.told("").await.starts_with("HTTP/1.1 429 "));
    stage.go_on().await;
    assert_eq!(stage.failed("connections_per_address").await, 2);
}

pub(super) async fn handshakes() {
    let mut stage = Stage::set("[limits]\nhandshakes = 2").await;
    let before = stage.met("handshakes").await;
    let first = Client::connect(stage.server.address).await;
    let second = Client::connect(stage.server.address).await;
    while stage.met("handshakes").await == before {
        stage.go_on().await;
    }
    let mut waiting = Client::connect(stage.server.address).await;
    waiting.ask_for_upgrade(&format!("/diffusion?ty=WB&v=29&{ADMIN}"), "").await;
    for _ in 0..20 {
        stage.go_on().await;
    }
    // Sessions go on, and it is not its turn yet.
    let nothing = waiting.stream.try_read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(nothing, Err(std::io::ErrorKind::WouldBlock));
    first.leave().await;
    assert!(waiting.head().await.starts_with("HTTP/1.1 101 "));
    waiting.expect_accepted(29).await;
    drop(second);
    stage.go_on().await;
}

pub(super) async fn handshake_timeout() {
    let mut stage = Stage::set("").await;
    stage.reload(|limits| limits.handshake_timeout = Duration::from_millis(100));
    let mut silent = Client::connect(stage.server.address).await;
    let mut slow = Client::connect(stage.server.address).await;
    slow.send(b"GET /diffusion?").await;
    stage.go_on().await;
    assert_eq!(silent.rest().await, b"");
    stage.go_on().await;
    // What it had begun to say may be all that keeps the end from being an orderly one.
    let _ = slow.stream.read_to_end(&mut Vec::new()).await;
    stage.go_on().await;
    assert_eq!(stage.failed("handshake_timeout").await, 2);
}

pub(super) async fn request_head() {
    let mut stage = Stage::set("[limits]\nrequest_head = 8192").await;
    let long = format!("GET /diffusion HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(16 << 10));
    let said = stage.told(&long).await;
    assert!(said.starts_with("HTTP/1.1 431 "), "{said}");
    stage.go_on().await;
    assert_eq!(stage.failed("request_head").await, 1);
}

pub(super) async fn request_headers() {
    let mut stage = Stage::set("[limits]\nrequest_headers = 8").await;
    let many = format!("GET /diffusion HTTP/1.1\r\n{}\r\n", "X: x\r\n".repeat(9));
    let said = stage.told(&many).await;
    assert!(said.starts_with("HTTP/1.1 431 "), "{said}");
    stage.go_on().await;
    assert_eq!(stage.failed("request_head").await, 1);
}

pub(super) async fn request_target() {
    let mut stage = Stage::set("[limits]\nrequest_target = 300").await;
    let long = format!("GET /diffusion?{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(300));
    let said = stage.told(&long).await;
    assert!(said.starts_with("HTTP/1.1 414 "), "{said}");
    stage.go_on().await;
    assert_eq!(stage.failed("request_target").await, 1);
}
