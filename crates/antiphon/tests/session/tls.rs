//! Encrypted sessions: a proxy in front of the server ends TLS, as one does where Antiphon runs.

use std::sync::Arc;

use antiphon::ErrorKind;
use antiphon::ReconnectPolicy;
use antiphon::Session;
use antiphon::TlsOptions;
use rcgen::BasicConstraints;
use rcgen::Certificate;
use rcgen::CertificateParams;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use tokio::io::copy_bidirectional;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;

use crate::stage::Echo;
use crate::stage::TestServer;
use crate::stage::expect_echo;
use crate::stage::register;
use crate::stage::within;

/// Signs certificates.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
struct Signed {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, name: &str) -> Signed {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        Signed { certificate: params.signed_by(&key, &self.issuer).unwrap(), key }
    }

    /// Trust in this authority alone.
    fn trusted(&self) -> TlsOptions {
        TlsOptions::new().root_certificates_pem(self.certificate.pem().as_bytes()).unwrap()
    }
}

impl Signed {
    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }
}

/// Ends TLS for a server at `localhost`, and lets in only who shows a certificate of `clients`, if there is one.
fn acceptor(authority: &Authority, clients: Option<&Authority>) -> TlsAcceptor {
    let identity = authority.sign("localhost");
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = match clients {
        None => config.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.certificate.der().clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            config.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let chain = vec![identity.certificate.der().clone()];
    TlsAcceptor::from(Arc::new(config.with_single_cert(chain, identity.private_key()).unwrap()))
}

/// Lets `acceptor` stand before the server; the port at which it does.
async fn guard(server: &TestServer, acceptor: TlsAcceptor) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = server.address().to_owned();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, address) = (acceptor.clone(), address.clone());
            tokio::spawn(async move {
                let mut outside = acceptor.accept(stream).await?;
                let mut inside = TcpStream::connect(address).await?;
                copy_bidirectional(&mut outside, &mut inside).await
            });
        }
    });
    port
}

async fn connect(port: u16, tls: TlsOptions) -> Result<Session, antiphon::Error> {
    let builder = Session::builder(&format!("wss://localhost:{port}")).tls(tls);
    let builder = builder.principal("admin").password("password");
    within(builder.reconnect(ReconnectPolicy::never()).connect()).await
}

#[tokio::test]
async fn a_server_with_a_trusted_certificate_is_spoken_to() {
    let (server, authority) = (TestServer::start(), Authority::new());
    let port = guard(&server, acceptor(&authority, None)).await;
    let session = connect(port, authority.trusted()).await.unwrap();
    let _registration = register(&session, "path", Echo).await;
    expect_echo(&session, "path").await;
    let large = "x".repeat(500_000);
    let answer = session.messaging().send_request_to_path::<String>("path", large.clone());
    assert!(within(answer).await.unwrap() == large);
    within(session.close()).await;
}

#[tokio::test]
async fn a_server_with_another_certificate_is_not_trusted() {
    let (server, authority) = (TestServer::start(), Authority::new());
    let port = guard(&server, acceptor(&authority, None)).await;
    for tls in [Authority::new().trusted(), TlsOptions::new()] {
        let error = connect(port, tls).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tls);
        assert!(error.text().contains("certificate"), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_trusted() {
    let (server, authority) = (TestServer::start(), Authority::new());
    let port = guard(&server, acceptor(&authority, None)).await;
    let builder = Session::builder(&format!("wss://127.0.0.1:{port}")).tls(authority.trusted());
    let error = within(builder.connect()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
}

#[tokio::test]
async fn a_certificate_is_shown_to_a_server_that_asks_for_one() {
    let (server, authority, clients) = (TestServer::start(), Authority::new(), Authority::new());
    let port = guard(&server, acceptor(&authority, Some(&clients))).await;
    let client = clients.sign("client");
    let (chain, key) = (client.certificate.pem(), client.key.serialize_pem());
    let tls = authority.trusted().client_certificate_pem(chain.as_bytes(), key.as_bytes()).unwrap();
    let session = connect(port, tls).await.unwrap();
    session.ping().await.unwrap();
}

#[tokio::test]
async fn without_the_certificate_that_the_server_asks_for_there_is_no_session() {
    let (server, authority, clients) = (TestServer::start(), Authority::new(), Authority::new());
    let port = guard(&server, acceptor(&authority, Some(&clients))).await;
    let error = connect(port, authority.trusted()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Tls | ErrorKind::Connect), "{error:?}");
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_one_with_it() {
    let (server, authority) = (TestServer::start(), Authority::new());
    let port = server.address().rsplit_once(':').unwrap().1.parse().unwrap();
    let error = connect(port, authority.trusted()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
}
