//! Encrypted sessions.

use antiphon::ErrorKind;
use antiphon::ReconnectPolicy;
use antiphon::Session;
use antiphon::TlsOptions;
use antiphon_server::ClientCertificates;
use antiphon_server::ListenerConfig;
use rcgen::BasicConstraints;
use rcgen::Certificate;
use rcgen::CertificateParams;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::watch;

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

/// A server at `localhost` that lets in only who shows a certificate of `clients`, if there is one.
struct Encrypted {
    server: TestServer,
    _files: TempDir,
}

impl Encrypted {
    fn start(authority: &Authority, clients: Option<&Authority>) -> Self {
        let (identity, files) = (authority.sign("localhost"), TempDir::new().unwrap());
        let write = |name: &str, text: String| {
            let path = files.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let certificate = write("certificate.pem", identity.certificate.pem());
        let key = write("key.pem", identity.key.serialize_pem());
        let server = TestServer::with(|config| {
            let mut listener = ListenerConfig::tls(config.listeners[0].address, certificate, key);
            if let Some(clients) = clients {
                listener.client_ca = Some(write("clients.pem", clients.certificate.pem()));
                listener.client_certificates = ClientCertificates::Required;
            }
            config.listeners = vec![listener];
        });
        Self { server, _files: files }
    }

    fn port(&self) -> u16 {
        port(&self.server)
    }
}

fn port(server: &TestServer) -> u16 {
    server.address().rsplit_once(':').unwrap().1.parse().unwrap()
}

async fn connect(port: u16, tls: TlsOptions) -> Result<Session, antiphon::Error> {
    let builder = Session::builder(&format!("wss://localhost:{port}")).tls(tls);
    let builder = builder.principal("admin").password("password");
    within(builder.reconnect(ReconnectPolicy::never()).connect()).await
}

#[tokio::test]
async fn a_server_with_a_trusted_certificate_is_spoken_to() {
    let authority = Authority::new();
    let server = Encrypted::start(&authority, None);
    let port = server.port();
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
    let authority = Authority::new();
    let server = Encrypted::start(&authority, None);
    let port = server.port();
    for tls in [Authority::new().trusted(), TlsOptions::new()] {
        let error = connect(port, tls).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tls);
        assert!(error.text().contains("certificate"), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_trusted() {
    let authority = Authority::new();
    let server = Encrypted::start(&authority, None);
    let port = server.port();
    let builder = Session::builder(&format!("wss://127.0.0.1:{port}")).tls(authority.trusted());
    let error = within(builder.connect()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
}

#[tokio::test]
async fn a_certificate_is_shown_to_a_server_that_asks_for_one() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = Encrypted::start(&authority, Some(&clients));
    let port = server.port();
    let client = clients.sign("client");
    let (chain, key) = (client.certificate.pem(), client.key.serialize_pem());
    let tls = authority.trusted().client_certificate_pem(chain.as_bytes(), key.as_bytes()).unwrap();
    let session = connect(port, tls).await.unwrap();
    session.ping().await.unwrap();
}

#[tokio::test]
async fn without_the_certificate_that_the_server_asks_for_there_is_no_session() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = Encrypted::start(&authority, Some(&clients));
    let port = server.port();
    let error = connect(port, authority.trusted()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_one_with_it() {
    let (server, authority) = (TestServer::start(), Authority::new());
    let error = connect(port(&server), authority.trusted()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
}

#[tokio::test]
async fn a_session_outlives_its_encrypted_connection() {
    let authority = Authority::new();
    let server = Encrypted::start(&authority, None);
    let proxy = Cuttable::before(server.server.address()).await;
    let builder =
        Session::builder(&format!("wss://localhost:{}", proxy.port)).tls(authority.trusted());
    let builder = builder.principal("admin").password("password");
    let session = within(builder.connect()).await.unwrap();
    let _registration = register(&session, "path", Echo).await;
    let id = session.id();
    for _ in 0..3 {
        expect_echo(&session, "path").await;
        proxy.cut();
    }
    expect_echo(&session, "path").await;
    assert_eq!(session.id(), id);
    within(session.close()).await;
}

/// Stands before a server, knows nothing of TLS, and cuts connections off.
struct Cuttable {
    port: u16,
    cut: watch::Sender<()>,
}

impl Cuttable {
    async fn before(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cut, cuts) = watch::channel(());
        let address = address.to_owned();
        tokio::spawn(async move {
            while let Ok((mut outside, _)) = listener.accept().await {
                let (mut cuts, address) = (cuts.clone(), address.clone());
                cuts.mark_unchanged();
                tokio::spawn(async move {
                    let mut inside = TcpStream::connect(address).await?;
                    tokio::select! {
                        ended = copy_bidirectional(&mut outside, &mut inside) => ended.map(drop),
                        _ = cuts.changed() => Ok(()),
                    }
                });
            }
        });
        Self { port, cut }
    }

    fn cut(&self) {
        self.cut.send_replace(());
    }
}
