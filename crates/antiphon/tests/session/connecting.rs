//! Why a session cannot be opened, and what is said of it.

use std::time::Duration;

use antiphon::Credentials;
use antiphon::Error;
use antiphon::ErrorKind;
use antiphon::Session;
use antiphon::TlsOptions;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::stage::TestServer;
use crate::stage::within;

/// A server that reads one HTTP request and answers with these bytes.
async fn answering(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            stream.read_buf(&mut request).await.unwrap();
        }
        stream.write_all(answer).await.unwrap();
    });
    url
}

async fn refusal(url: &str) -> Error {
    within(Session::connect(url)).await.unwrap_err()
}

#[tokio::test]
async fn wrong_credentials_are_refused() {
    let server = TestServer::start();
    for builder in [
        server.builder().password("wrong"),
        server.builder().credentials(Credentials::None),
        server.builder().credentials(Credentials::Custom(vec![1, 2, 3])),
        server.builder().principal("stranger"),
    ] {
        let error = within(builder.connect()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AuthenticationFailed);
        assert!(!error.may_have_executed() && !error.is_closed());
    }
}

#[tokio::test]
async fn a_server_with_too_many_sessions_refuses_more() {
    let server = TestServer::with(|config| config.limits.sessions = 1);
    let _first = server.join().await;
    let error = within(server.builder().connect()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = refusal(&format!("ws://{address}")).await;
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn a_web_server_is_recognised_as_such() {
    let url = answering(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
    let error = refusal(&url).await;
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.text().contains("404") && error.text().contains("URL"), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_not_for_this_request_is_refused() {
    let url = answering(
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    )
    .await;
    assert_eq!(refusal(&url).await.kind(), ErrorKind::Connect);
}

#[tokio::test]
async fn what_speaks_no_http_is_no_connection() {
    for answer in [&b"SSH-2.0-OpenSSH_9.6\r\n"[..], b""] {
        let error = refusal(&answering(answer).await).await;
        assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    }
}

#[tokio::test]
async fn a_url_of_another_form_is_refused_before_anything_is_tried() {
    for url in
        ["", "localhost:8080", "http://localhost", "ws://", "ws://a:b@localhost", "ws://h:0x1"]
    {
        let error = refusal(url).await;
        assert_eq!(error.kind(), ErrorKind::InvalidUrl, "{url}");
        assert!(error.to_string().contains("ws://HOST:PORT"), "{error}");
    }
}

#[tokio::test]
async fn a_url_may_have_the_servers_path_already() {
    let server = TestServer::start();
    for path in ["", "/", "/diffusion", "/diffusion/"] {
        let url = format!("{}{path}", server.url());
        let session = within(Session::connect(&url)).await.unwrap();
        session.ping().await.unwrap();
    }
}

#[tokio::test]
async fn a_name_of_a_host_is_looked_up() {
    let server = TestServer::start();
    let url = server.url().replace("127.0.0.1", "localhost");
    let session = within(Session::connect(&url)).await.unwrap();
    session.ping().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let builder = Session::builder(&url).connect_timeout(Duration::from_secs(3));
    let start = tokio::time::Instant::now();
    let error = builder.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.text().contains("3s"), "{error}");
    assert!(start.elapsed() >= Duration::from_secs(3));
}

#[tokio::test]
async fn tls_options_without_tls_are_refused() {
    let builder = Session::builder("ws://127.0.0.1:1").tls(TlsOptions::new());
    let error = builder.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    assert!(error.text().contains("wss://"), "{error}");
}

#[tokio::test]
async fn secrets_are_not_shown() {
    let builder = Session::builder("ws://127.0.0.1:1").password("hunter2");
    let shown = format!("{builder:?} {:?}", Credentials::Password("hunter2".to_owned()));
    assert!(!shown.contains("hunter2"), "{shown}");
}
