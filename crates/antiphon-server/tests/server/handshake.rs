//! Connection responses and refusals, byte for byte.

use std::time::Duration;
use std::time::Instant;

use crate::client::ADMIN;
use crate::client::Client;
use crate::client::Frame;
use crate::client::TestServer;
use crate::client::USER_PING;
use crate::client::USER_PONG;

const VERSIONS: [u8; 8] = [19, 20, 21, 22, 23, 24, 25, 29];

#[tokio::test]
async fn every_supported_version_opens_a_session_by_query() {
    let server = TestServer::start();
    for version in VERSIONS {
        let mut client = Client::upgrade(server.address, &format!("v={version}&{ADMIN}")).await;
        client.expect_accepted(version).await;
        client.expect_alive().await;
    }
}

#[tokio::test]
async fn every_supported_version_opens_a_session_by_headers() {
    let server = TestServer::start();
    for version in VERSIONS {
        let mut client = Client::connect(server.address).await;
        let headers = format!(
            "v: {version}\r\nca: 10\r\nusername: admin\r\nr: 0\r\npassword: AQhwYXNzd29yZA==\r\n\
             ty: PY\r\nsp: \"k\",\"Zoë\",\"$Environment\",\"PYTHON_cpython_3.11.7\"\r\n"
        );
        client.ask_for_upgrade("/behind/a/proxy/diffusion", &headers).await;
        assert!(client.head().await.starts_with("HTTP/1.1 101 "));
        client.expect_accepted(version).await;
        client.expect_alive().await;
    }
}

#[tokio::test]
async fn the_connection_response_says_what_the_server_does() {
    let server = TestServer::with(|config| {
        config.ping_period = Duration::from_millis(30_000);
        config.limits.maximum_message = 65_536;
    });
    let mut client = Client::upgrade(server.address, "v=25").await;
    let first = client.expect_accepted(25).await;
    let mut client = Client::upgrade(server.address, "v=25").await;
    let second = client.expect_accepted(25).await;

    assert_eq!(first[3..11], second[3..11], "one server, one server part");
    assert!(first[3] < 0x80, "Python cannot address more than 63 bits");
    assert_ne!(first[11..19], second[11..19]);
    assert_ne!(first[19..43], second[19..43], "tokens must not repeat");
    assert!(
        first[19..43].iter().all(|&byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    );
    assert_eq!(first[43..], [0, 0, 0, 0, 0, 0, 0x75, 0x30, 0, 1, 0, 0]);
}

#[tokio::test]
async fn the_upgrade_agrees_to_the_key_and_to_no_extension() {
    let server = TestServer::start();
    let mut client = Client::connect(server.address).await;
    let extension = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    client.ask_for_upgrade("/diffusion?v=29", extension).await;
    let head = client.head().await.to_lowercase();
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{head}");
    assert!(head.contains("connection: upgrade\r\n"), "{head}");
    assert!(!head.contains("extensions"), "{head}");
}

#[tokio::test]
async fn refusals_are_three_bytes_in_the_version_of_the_client() {
    let server = TestServer::start();
    let token = "c=AAAAAAAAAAAAAAAAAAAAAAAA";
    for (query, expected) in [
        ("v=26".to_owned(), [0x23, 26, 115]),
        ("v=4".to_owned(), [0x23, 4, 115]),
        ("v=255".to_owned(), [0x23, 255, 115]),
        ("v=25&password=%21".to_owned(), [0x23, 25, 115]),
        ("v=25&sp=%22".to_owned(), [0x23, 25, 115]),
        ("v=25&r=soon".to_owned(), [0x23, 25, 115]),
        ("v=25&c=short".to_owned(), [0x23, 25, 115]),
        ("v=29&username=admin".to_owned(), [0x23, 29, 116]),
        ("v=29&username=admin&password=AQJwdw==".to_owned(), [0x23, 29, 116]),
        ("v=29&username=nobody&password=AQhwYXNzd29yZA".to_owned(), [0x23, 29, 116]),
        (format!("v=29&{ADMIN}&{token}&cs=0&ss=0"), [0x23, 29, 117]),
    ] {
        let mut client = Client::upgrade(server.address, &query).await;
        assert_eq!(client.frame().await, Frame::Message(expected.to_vec()), "{query}");
        assert_eq!(client.frame().await, Frame::Close(1000), "{query}");
        assert_eq!(client.frame().await, Frame::End, "{query}");
    }
}

#[tokio::test]
async fn a_session_too_many_is_refused_until_another_ends() {
    let server = TestServer::with(|config| config.limits.sessions = 1);
    let mut first = Client::open(server.address).await;
    let mut second = Client::upgrade(server.address, "v=29").await;
    assert_eq!(second.frame().await, Frame::Message(vec![0x23, 29, 113]));

    first.send(&[0x88, 0x80, 0, 0, 0, 0]).await;
    assert_eq!(first.frame().await, Frame::Close(1000));
    Client::open(server.address).await.expect_alive().await;
}

#[tokio::test]
async fn without_development_mode_all_are_refused() {
    let server = TestServer::with(|config| config.dev = false);
    for query in ["v=29".to_owned(), format!("v=29&{ADMIN}")] {
        let mut client = Client::upgrade(server.address, &query).await;
        assert_eq!(client.frame().await, Frame::Message(vec![0x23, 29, 116]), "{query}");
    }
}

#[tokio::test]
async fn bytes_right_behind_the_upgrade_request_are_not_lost() {
    let server = TestServer::start();
    let mut client = Client::connect(server.address).await;
    let mut bytes =
        format!("GET /diffusion?v=29 HTTP/1.1\r\n{}\r\n", crate::client::WEBSOCKET).into_bytes();
    bytes.extend([0x82, USER_PING.len() as u8]);
    bytes.extend(USER_PING);
    bytes.extend([0x82, USER_PING.len() as u8]);
    client.send(&bytes).await;
    client.head().await;
    client.expect_accepted(29).await;
    assert_eq!(client.frame().await, Frame::Message(USER_PONG.to_vec()));
    client.send(USER_PING).await;
    assert_eq!(client.frame().await, Frame::Message(USER_PONG.to_vec()));
}

#[tokio::test]
async fn who_says_nothing_is_cut_off_after_the_time_for_a_handshake() {
    let server = TestServer::with(|config| {
        config.limits.handshake_timeout = Duration::from_millis(100);
    });
    for said in ["", "GET /diffusion?v=29 HTTP/1.1\r\nHost:"] {
        let mut client = Client::connect(server.address).await;
        client.send(said.as_bytes()).await;
        assert_eq!(client.rest().await, b"", "{said}");
    }
}

#[tokio::test]
async fn a_handshake_too_many_waits_until_another_ends() {
    let allowed = Duration::from_millis(200);
    let server = TestServer::with(|config| {
        config.limits.handshakes = 1;
        config.limits.handshake_timeout = allowed;
    });
    let started = Instant::now();
    let _silent = Client::connect(server.address).await;
    Client::open(server.address).await.expect_alive().await;
    assert!(started.elapsed() >= allowed);
}
