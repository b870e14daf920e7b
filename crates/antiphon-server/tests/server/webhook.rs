//! A webhook over `https`, with an authority of its own: who signs its certificate decides whether it is believed, and a
//! reload changes that.

use std::sync::Arc;
use std::time::Duration;

use antiphon_server::Config;
use antiphon_server::config::WebhookConfig;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::certificates::Authority;
use crate::certificates::Files;
use crate::certificates::Signed;
use crate::client::Client;
use crate::client::TestServer;
use crate::client::any_port;

/// A service that lets everybody in who is asked about with the right bearer token; returns its URL.
async fn service(identity: &Signed) -> String {
    let key = PrivateKeyDer::try_from(identity.key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/login", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // It may be cut off: not everybody trusts it.
            tokio::spawn(answer(acceptor.clone(), stream));
        }
    });
    url
}

async fn answer(acceptor: TlsAcceptor, stream: TcpStream) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut question = Vec::new();
    while !question.ends_with(b"}") {
        if stream.read_buf(&mut question).await? == 0 {
            return Ok(());
        }
    }
    let question = String::from_utf8(question).unwrap().to_ascii_lowercase();
    let is_told = question.contains("authorization: bearer s3cret\r\n");
    let decision = if is_told { "allow" } else { "deny" };
    let body = format!("{{\"decision\": \"{decision}\", \"roles\": [\"CLIENT\"]}}");
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).await?;
    stream.flush().await?;
    // Until the other side ends it.
    let _ = stream.read_buf(&mut Vec::new()).await?;
    Ok(())
}

async fn lets_in(server: &TestServer) -> bool {
    let mut client = Client::upgrade(server.address, "ty=WB&v=29&username=bob").await;
    match client.expect_message().await.get(2) {
        Some(100) => true,
        Some(116) => false,
        code => panic!("{code:?}"),
    }
}

#[tokio::test]
async fn a_service_is_believed_if_its_certificate_is_signed_by_the_configured_authority() {
    let (own, other, files) = (Authority::new(), Authority::new(), Files::new());
    let url = service(&own.sign("localhost")).await;
    let ca = files.write("ca.pem", &other.certificate.pem());
    let secret = files.write("secret", "wrong\n");
    let mut config = Config { dev: false, ..Config::dev(any_port()) };
    config.security.authenticators = Some(vec!["webhook".to_owned()]);
    config.security.webhook = WebhookConfig {
        url,
        ca: Some(ca),
        secret: Some(secret),
        timeout: Duration::from_secs(20),
        ..WebhookConfig::default()
    };
    let server = TestServer::with(|running| *running = config.clone());
    assert!(!lets_in(&server).await, "signed by somebody else");

    files.write("ca.pem", &own.certificate.pem());
    assert!(!lets_in(&server).await, "read again only when told to");
    server.handle.reload(&config).unwrap();
    assert!(!lets_in(&server).await, "without the right bearer token");
    files.write("secret", "s3cret\n");
    server.handle.reload(&config).unwrap();
    assert!(lets_in(&server).await);

    files.write("ca.pem", "");
    let error = server.handle.reload(&config).unwrap_err().to_string();
    assert!(error.contains("security.webhook.ca"), "{error}");
    assert!(lets_in(&server).await, "as before");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_believed() {
    let (own, files) = (Authority::new(), Files::new());
    let url = service(&own.sign("elsewhere.example")).await;
    let (ca, secret) = (files.write("ca.pem", &own.certificate.pem()), files.write("s", "s3cret"));
    let server = TestServer::with(|config| {
        config.dev = false;
        config.security.authenticators = Some(vec!["webhook".to_owned()]);
        let (ca, secret) = (Some(ca), Some(secret));
        config.security.webhook = WebhookConfig { url, ca, secret, ..WebhookConfig::default() };
    });
    assert!(!lets_in(&server).await);
}
