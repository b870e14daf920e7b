//! Who may log in, from outside: a slow authenticator is nobody else's trouble, and a token that ends takes its session
//! along.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::SystemTime;

use antiphon_server::config::JwtConfig;
use antiphon_server::config::WebhookConfig;
use antiphon_wire::connect::Credentials;
use antiphon_wire::service::Service;
use antiphon_wire::service::principal::ReAuthenticate;
use ring::hmac;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;

use crate::client::Client;
use crate::client::Frame;
use crate::client::TestServer;
use crate::client::within;

pub(crate) const SECRET: &str = "a secret of more than thirty-two bytes";

fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * place)) as usize & 63]));
        }
    }
    text
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) fn token(subject: &str, expires: u64) -> String {
    signed(SECRET, subject, expires)
}

/// A token by whoever knows this secret.
pub(crate) fn signed(secret: &str, subject: &str, expires: u64) -> String {
    let part = |json: serde_json::Value| base64url(json.to_string().as_bytes());
    let claims = json!({"sub": subject, "exp": expires, "roles": ["CLIENT"]});
    let message = format!("{}.{}", part(json!({"alg": "HS256"})), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", base64url(signature.as_ref()))
}

fn with_tokens() -> (TestServer, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, SECRET).unwrap();
    let server = TestServer::with(|config| {
        config.security.authenticators = Some(vec!["jwt".to_owned(), "dev".to_owned()]);
        let leeway = Duration::ZERO;
        config.security.jwt = JwtConfig { secret: Some(path), leeway, ..JwtConfig::default() };
    });
    (server, folder)
}

pub(crate) async fn connect(address: SocketAddr, principal: &str, token: &str) -> Client {
    let mut credentials = vec![1];
    antiphon_wire::codec::put_bytes(&mut credentials, token.as_bytes());
    let password = base64url(&credentials);
    Client::upgrade(address, &format!("ty=WB&v=29&username={principal}&password={password}")).await
}

#[tokio::test]
async fn a_token_opens_a_session_and_ends_it() {
    let (server, _folder) = with_tokens();
    let mut lasting = connect(server.address, "bob", &token("bob", now() + 3_600)).await;
    lasting.expect_accepted(29).await;
    let mut short = connect(server.address, "", &token("ann", now() + 2)).await;
    short.expect_accepted(29).await;
    assert_eq!(short.frame().await, Frame::Message(vec![0x1c]));
    assert_eq!(short.frame().await, Frame::Close(1000));
    lasting.expect_alive().await;

    for (principal, token) in [
        ("bob", token("bob", now() - 1)),
        ("ann", token("bob", now() + 3_600)),
        ("bob", format!("{}x", token("bob", now() + 3_600))),
    ] {
        let mut refused = connect(server.address, principal, &token).await;
        assert_eq!(refused.frame().await, Frame::Message(vec![0x23, 29, 116]));
    }
}

#[tokio::test]
async fn another_token_moves_the_end() {
    let (server, _folder) = with_tokens();
    let ends = now() + 3;
    let mut client = connect(server.address, "bob", &token("bob", ends)).await;
    client.expect_accepted(29).await;
    let later = token("bob", now() + 3_600);
    let credentials = Credentials::Password(&later);
    let again = ReAuthenticate { principal: "bob", credentials, proposed: vec![] };
    client.request(Service::ReAuthenticate, 1, &again).await;
    assert_eq!(client.frame().await, Frame::Message(vec![6, 1, 1]));
    let mut other = connect(server.address, "", &token("ann", ends)).await;
    other.expect_accepted(29).await;
    assert_eq!(other.frame().await, Frame::Message(vec![0x1c]));
    client.expect_alive().await;
}

/// A service that takes questions and answers none before it is told to.
async fn answer(stream: &mut TcpStream, decision: &str) {
    let body = format!("{{\"decision\": \"{decision}\"}}");
    let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    within(stream.write_all(reply.as_bytes())).await.unwrap();
}

#[tokio::test]
async fn a_slow_authenticator_is_nobody_elses_trouble() {
    let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", service.local_addr().unwrap());
    let server = TestServer::with(|config| {
        let names = ["dev", "webhook"].map(str::to_owned).to_vec();
        config.security.authenticators = Some(names);
        let timeout = Duration::from_secs(20);
        config.security.webhook = WebhookConfig { url, timeout, ..WebhookConfig::default() };
    });
    let mut session = Client::open(server.address).await;
    let mut again = Client::open(server.address).await;

    let mut slow = Client::upgrade(server.address, "ty=WB&v=29&username=slow").await;
    let (mut first, _) = within(service.accept()).await.unwrap();
    within(first.read(&mut [0; 4096])).await.unwrap();
    let credentials = Credentials::Custom(&[1]);
    let question = ReAuthenticate { principal: "other", credentials, proposed: vec![] };
    again.request(Service::ReAuthenticate, 1, &question).await;
    let (mut second, _) = within(service.accept()).await.unwrap();
    within(second.read(&mut [0; 4096])).await.unwrap();

    // Both are being decided, and all others are served.
    for _ in 0..10 {
        session.expect_alive().await;
        Client::open(server.address).await.expect_alive().await;
    }
    again.message(crate::client::USER_PING).await;
    answer(&mut second, "allow").await;
    assert_eq!(again.frame().await, Frame::Message(vec![6, 1, 1]));
    assert_eq!(again.frame().await, Frame::Message(crate::client::USER_PONG.to_vec()));
    answer(&mut first, "deny").await;
    assert_eq!(slow.frame().await, Frame::Message(vec![0x23, 29, 116]));
}
