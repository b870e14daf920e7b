//! Encrypted sessions: both versions of TLS, bytes in any pieces, faults, certificates of clients, and certificates that
//! are replaced.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use antiphon_server::ClientCertificates;
use antiphon_server::Config;
use antiphon_server::ListenerConfig;
use antiphon_wire::codec::put_varint;
use antiphon_wire::websocket::put_masked_message;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::io::ReadBuf;
use tokio::net::TcpSocket;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::HandshakeKind;
use tokio_rustls::rustls::ProtocolVersion;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::version::TLS12;
use tokio_rustls::rustls::version::TLS13;

use crate::certificates::Authority;
use crate::certificates::Files;
use crate::client::Client;
use crate::client::Frame;
use crate::client::Stream;
use crate::client::TestServer;
use crate::client::any_port;
use crate::client::within;
use crate::door::expect_guarded;
use crate::messages::answer;
use crate::messages::register;
use crate::messages::send;

/// A server whose first listener speaks TLS and whose second does not.
struct Secure {
    server: TestServer,
    authority: Authority,
    files: Files,
}

impl Secure {
    fn start() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (authority, files) = (Authority::new(), Files::new());
        let listener = files.listener(&authority.sign("localhost"));
        let server = TestServer::with(|config| {
            config.listeners = vec![listener, ListenerConfig::plain(any_port())];
            change(config);
        });
        Self { server, authority, files }
    }

    /// One that asks for certificates.
    fn asking(clients: &Authority, how: ClientCertificates) -> Self {
        let (authority, files) = (Authority::new(), Files::new());
        let listener = files.asking_listener(&authority.sign("localhost"), clients, how);
        let server = TestServer::with(|config| config.listeners = vec![listener]);
        Self { server, authority, files }
    }

    fn client(&self) -> Arc<ClientConfig> {
        self.authority.client(&[&TLS13], None)
    }

    async fn open(&self) -> Client<TlsStream<TcpStream>> {
        Client::open_over(self.connect(self.client()).await.unwrap()).await
    }

    async fn connect(&self, client: Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
        let stream = within(TcpStream::connect(self.server.address)).await.unwrap();
        establish(client, stream).await
    }
}

async fn establish<S: Stream>(client: Arc<ClientConfig>, stream: S) -> io::Result<TlsStream<S>> {
    let name = ServerName::try_from("localhost").unwrap();
    within(TlsConnector::from(client).connect(name, stream)).await
}

#[tokio::test]
async fn sessions_speak_either_version() {
    let secure = Secure::start();
    for (version, expected) in
        [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)]
    {
        let mut config = ClientConfig::clone(&secure.authority.client(&[version], None));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let stream = secure.connect(Arc::new(config)).await.unwrap();
        let session = stream.get_ref().1;
        assert_eq!(session.protocol_version(), Some(expected));
        assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
        let mut client = Client::open_over(stream).await;
        client.expect_alive().await;
        client.send(&[0x88, 0x00]).await;
        assert_eq!(client.frame().await, Frame::Close(1000));
        // Without a proper end of TLS, reading would fail.
        assert_eq!(client.frame().await, Frame::End);
    }
}

#[tokio::test]
async fn both_kinds_of_listener_lead_to_the_same_sessions() {
    let secure = Secure::start();
    let mut handler = secure.open().await;
    let mut sender = Client::open(secure.server.addresses[1]).await;
    register(&mut handler, "orders").await;
    send(&mut sender, 9, "orders", b"question").await;
    answer(&mut handler, b"question").await;
    assert_eq!(sender.expect_message().await, b"\x06\x09\x06binary\x08question");
}

#[tokio::test]
async fn large_messages_arrive_whole_in_both_directions() {
    let secure = Secure::start();
    for version in [&TLS12, &TLS13] {
        let client = || secure.authority.client(&[version], None);
        let mut handler = Client::open_over(secure.connect(client()).await.unwrap()).await;
        let mut sender = Client::open_over(secure.connect(client()).await.unwrap()).await;
        register(&mut handler, "orders").await;
        let large: Vec<u8> = (0..1_000_000).map(|index| (index % 251) as u8).collect();
        send(&mut sender, 9, "orders", &large).await;
        answer(&mut handler, &large).await;
        assert!(sender.expect_message().await.ends_with(&large));
    }
}

/// Writes one byte at a time.
struct Trickle(TcpStream);

impl AsyncRead for Trickle {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Trickle {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, &bytes[..bytes.len().min(1)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn bytes_may_come_one_at_a_time() {
    let secure = Secure::start();
    let stream = TcpStream::connect(secure.server.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let stream = establish(secure.client(), Trickle(stream)).await.unwrap();
    let mut client = Client::open_over(stream).await;
    client.expect_alive().await;
    client.expect_alive().await;
}

#[tokio::test]
async fn a_client_that_reads_late_gets_everything_in_order() {
    let secure = Secure::with(|config| {
        config.limits.mailbox = 64 << 20;
        config.limits.mailbox_messages = REQUESTS as usize;
    });
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = within(socket.connect(secure.server.address)).await.unwrap();
    let mut client = Client::open_over(establish(secure.client(), stream).await.unwrap()).await;

    // Each is answered by an error of some 40 bytes: together more than all buffers on the way hold.
    let mut requests = Vec::new();
    for conversation in 0..REQUESTS {
        let mut message = vec![0, 1];
        put_varint(&mut message, conversation);
        put_masked_message(&mut requests, [1, 2, 3, 4], &message);
    }
    client.send(&requests).await;
    for expected in 0..REQUESTS {
        let mut head = vec![0x07];
        put_varint(&mut head, expected);
        let error = client.expect_message().await;
        assert!(error.starts_with(&head), "expected answer {expected}, not {error:02x?}");
    }
    client.expect_alive().await;
}

/// Several times what a socket buffers at most.
const REQUESTS: u64 = 300_000;

#[tokio::test]
async fn a_client_that_reads_nothing_is_ended_and_nobody_else_waits() {
    let secure = Secure::with(|config| {
        config.limits.maximum_message = 1 << 16;
        config.limits.mailbox = 1 << 20;
    });
    let mut other = secure.open().await;
    let client = secure.open().await;
    let (mut reading, mut writing) = tokio::io::split(client.stream);
    let mut requests = Vec::new();
    for _ in 0..10_000 {
        put_masked_message(&mut requests, [1, 2, 3, 4], &[0, 1, 9]);
    }
    // Writing ends when the server has had enough; nothing is read before.
    let written = async { while writing.write_all(&requests).await.is_ok() {} };
    within(written).await;
    other.expect_alive().await;
    let mut rest = Vec::new();
    let _ = within(reading.read_to_end(&mut rest)).await;
    other.expect_alive().await;
}

#[tokio::test]
async fn keys_may_be_renewed_in_a_session() {
    let secure = Secure::start();
    let mut client = secure.open().await;
    for _ in 0..3 {
        client.stream.get_mut().1.refresh_traffic_keys().unwrap();
        client.expect_alive().await;
    }
}

#[tokio::test]
async fn http_without_tls_is_told_what_to_speak() {
    let secure = Secure::start();
    let mut client = Client::connect(secure.server.address).await;
    client.ask_for_upgrade("/diffusion?v=29", "").await;
    let answer = String::from_utf8(client.rest().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("wss://"), "{answer}");
    expect_guarded(&answer);
}

#[tokio::test]
async fn a_browser_is_shown_the_url_with_tls() {
    let secure = Secure::start();
    let mut client = Client::over(secure.connect(secure.client()).await.unwrap());
    client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let answer = String::from_utf8(client.rest().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("wss://"), "{answer}");
}

#[tokio::test]
async fn a_refusal_is_told_over_tls_too() {
    let secure = Secure::start();
    let mut client = Client::over(secure.connect(secure.client()).await.unwrap());
    client.ask_for_upgrade("/diffusion?v=29&username=nobody", "").await;
    client.head().await;
    assert_eq!(client.frame().await, Frame::Message(vec![b'#', 29, 116]));
    assert_eq!(client.frame().await, Frame::Close(1000));
    assert_eq!(client.frame().await, Frame::End);
}

#[tokio::test]
async fn faults_of_tls_cost_their_connection_alone() {
    let secure = Secure::start();
    let mut other = secure.open().await;
    let client_hello = {
        let (mut ours, theirs) = tokio::io::duplex(1 << 16);
        let client = secure.client();
        let connecting = tokio::spawn(async move { establish(client, theirs).await.map(drop) });
        let mut hello = vec![0; 1 << 12];
        let length = within(ours.read(&mut hello)).await.unwrap();
        connecting.abort();
        hello.truncate(length);
        hello
    };
    for bytes in [
        b"\x16\x03\x01\x00\x05hello".to_vec(),
        b"\x16\x03\x01\xff\xff".to_vec(),
        vec![0; 100],
        [&client_hello[..], &[0x55; 100]].concat(),
        [&client_hello[..], &client_hello[..]].concat(),
    ] {
        let mut client = Client::connect(secure.server.address).await;
        client.send(&bytes).await;
        let mut answer = Vec::new();
        let _ = within(client.stream.read_to_end(&mut answer)).await;
        other.expect_alive().await;
    }
    // And one in a session.
    let mut client = secure.open().await;
    within(client.stream.get_mut().0.write_all(&[0x17, 3, 3, 0, 20, 1, 2, 3])).await.unwrap();
    within(client.stream.get_mut().0.write_all(&[0; 100])).await.unwrap();
    let mut rest = Vec::new();
    assert!(within(client.stream.read_to_end(&mut rest)).await.is_err(), "there is an alert");
    other.expect_alive().await;
}

#[tokio::test]
async fn who_says_nothing_is_cut_off_after_the_time_for_a_handshake() {
    let secure =
        Secure::with(|config| config.limits.handshake_timeout = Duration::from_millis(100));
    let mut silent = Client::connect(secure.server.address).await;
    let mut slow = Client::connect(secure.server.address).await;
    slow.send(b"\x16\x03\x01").await;
    let mut half = Client::over(secure.connect(secure.client()).await.unwrap());
    half.send(b"GET /diffusion").await;
    assert_eq!((silent.rest().await, slow.rest().await), (Vec::new(), Vec::new()));
    let mut rest = Vec::new();
    let _ = within(half.stream.read_to_end(&mut rest)).await;
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn a_certificate_that_is_required_must_be_there_and_be_signed() {
    let (clients, others) = (Authority::new(), Authority::new());
    let secure = Secure::asking(&clients, ClientCertificates::Required);
    for version in [&TLS12, &TLS13] {
        let good = secure.authority.client(&[version], Some(&clients.sign("client")));
        let mut session = Client::open_over(secure.connect(good.clone()).await.unwrap()).await;
        session.expect_alive().await;
        check_full(&secure, good).await;
        for identity in [None, Some(&others.sign("client"))] {
            check_refused(&secure, secure.authority.client(&[version], identity)).await;
        }
        session.expect_alive().await;
    }
}

#[tokio::test]
async fn a_certificate_that_is_optional_may_be_missing_but_not_be_wrong() {
    let (clients, others) = (Authority::new(), Authority::new());
    let secure = Secure::asking(&clients, ClientCertificates::Optional);
    for identity in [None, Some(&clients.sign("client"))] {
        let client = secure.authority.client(&[&TLS13], identity);
        Client::open_over(secure.connect(client).await.unwrap()).await.expect_alive().await;
    }
    let wrong = secure.authority.client(&[&TLS13], Some(&others.sign("client")));
    check_refused(&secure, wrong).await;
}

/// With TLS 1.3 a client learns only behind its handshake that its certificate is refused.
async fn check_refused(secure: &Secure, client: Arc<ClientConfig>) {
    let Ok(mut stream) = secure.connect(client).await else { return };
    let mut answer = Vec::new();
    let refused = within(stream.read_to_end(&mut answer)).await;
    assert!(refused.is_err(), "{answer:?}");
}

async fn check_full(secure: &Secure, client: Arc<ClientConfig>) {
    let stream = secure.connect(client).await.unwrap();
    assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
}

#[tokio::test]
async fn a_tls_session_is_resumed() {
    let secure = Secure::start();
    for version in [&TLS12, &TLS13] {
        let client = secure.authority.client(&[version], None);
        let mut first = Client::open_over(secure.connect(client.clone()).await.unwrap()).await;
        first.expect_alive().await;
        let stream = secure.connect(client).await.unwrap();
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed));
        Client::open_over(stream).await.expect_alive().await;
    }
}

/// The certificate that a new connection is shown.
async fn shown(secure: &Secure) -> Vec<u8> {
    let stream = secure.connect(secure.client()).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn certificates_are_replaced_under_load_and_no_session_notices() {
    let secure = Secure::start();
    let (mut before, mut plain) =
        (secure.open().await, Client::open(secure.server.addresses[1]).await);
    let mut config = Config::dev(any_port());
    for _ in 0..5 {
        let new = secure.authority.sign("localhost");
        config.listeners = vec![secure.files.listener(&new), ListenerConfig::plain(any_port())];
        before.message(crate::client::USER_PING).await;
        secure.server.handle.reload(&config).unwrap();
        assert_eq!(before.frame().await, Frame::Message(crate::client::USER_PONG.to_vec()));
        assert_eq!(shown(&secure).await, new.certificate.der().to_vec());
        plain.expect_alive().await;
    }
    secure.open().await.expect_alive().await;
}

#[tokio::test]
async fn certificates_that_are_of_no_use_replace_nothing() {
    let first = Files::new();
    let secure = Secure::with(|config| {
        let authority = Authority::new();
        let address = SocketAddr::from(([127, 0, 0, 2], 0));
        let other = ListenerConfig { address, ..first.listener(&authority.sign("localhost")) };
        config.listeners.push(other);
    });
    let old = shown(&secure).await;
    let new = secure.authority.sign("localhost");
    let good = secure.files.listener(&new);
    let bad = ListenerConfig {
        address: SocketAddr::from(([127, 0, 0, 2], 0)),
        key: Some(secure.files.write("other.pem", &secure.authority.sign("x").key.serialize_pem())),
        ..good.clone()
    };
    let config = Config { listeners: vec![good.clone(), bad], ..Config::dev(any_port()) };
    let error = secure.server.handle.reload(&config).unwrap_err().to_string();
    assert!(error.contains("other.pem"), "{error}");
    assert_eq!(shown(&secure).await, old);
    secure.server.handle.reload(&Config { listeners: vec![good], ..config }).unwrap();
    assert_eq!(shown(&secure).await, new.certificate.der().to_vec());
}
