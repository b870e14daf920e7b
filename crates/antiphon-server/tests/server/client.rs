//! A server to test against, and a client that sends exactly the bytes it is told and shows exactly what comes back.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use antiphon_server::Config;
use antiphon_server::Server;
use antiphon_wire::codec::Encode;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::message;
use antiphon_wire::service::Service;
use antiphon_wire::websocket::put_masked_message;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A development server on a free port of this host.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    /// Of every listener; `address` is the first.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) running: JoinHandle<io::Result<()>>,
    stop: oneshot::Sender<()>,
}

impl TestServer {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::dev(any_port());
        change(&mut config);
        let server = Server::bind(config).unwrap();
        let addresses = server.local_addrs().to_vec();
        let (stop, stopped) = oneshot::channel();
        Self { address: addresses[0], addresses, running: tokio::spawn(server.run(stopped)), stop }
    }

    /// Begins to drain and returns what still runs.
    pub(crate) fn stop(self) -> JoinHandle<io::Result<()>> {
        self.stop.send(()).unwrap();
        self.running
    }
}

pub(crate) fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// A connection, and what was received on it but not looked at.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    received: Vec<u8>,
}

/// A frame from the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Message(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16),
    /// The end of the stream.
    End,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(within(TcpStream::connect(address)).await.unwrap())
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        Self { stream, received: Vec::new() }
    }

    /// Connects and asks for the WebSocket; the server must agree.
    pub(crate) async fn upgrade(address: SocketAddr, query: &str) -> Self {
        let mut client = Self::connect(address).await;
        client.ask_for_upgrade(&format!("/diffusion?{query}"), "").await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        client
    }

    /// A session as `admin`, whose connection response has been read.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let mut client = Self::upgrade(address, &format!("ty=WB&v=29&{ADMIN}")).await;
        client.expect_accepted(29).await;
        client
    }

    pub(crate) async fn ask_for_upgrade(&mut self, target: &str, headers: &str) {
        let request = format!("GET {target} HTTP/1.1\r\n{WEBSOCKET}{headers}\r\n");
        self.send(request.as_bytes()).await;
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        within(self.stream.write_all(bytes)).await.unwrap();
    }

    /// Sends one message as a client does, masked.
    pub(crate) async fn message(&mut self, payload: &[u8]) {
        let mut frame = Vec::new();
        put_masked_message(&mut frame, *b"mask", payload);
        self.send(&frame).await;
    }

    pub(crate) async fn request(
        &mut self,
        service: Service,
        conversation: u64,
        body: &impl Encode,
    ) {
        let mut bytes = Vec::new();
        message::put_request(&mut bytes, service, ConversationId(conversation));
        body.encode(&mut bytes);
        self.message(&bytes).await;
    }

    /// Asks the server whether it is there, and insists on the answer.
    pub(crate) async fn expect_alive(&mut self) {
        self.message(USER_PING).await;
        assert_eq!(self.frame().await, Frame::Message(USER_PONG.to_vec()));
    }

    /// Reads the connection response to a new session.
    pub(crate) async fn expect_accepted(&mut self, version: u8) -> Vec<u8> {
        let response = self.expect_message().await;
        assert_eq!((response.len(), &response[..3]), (55, &[b'#', version, 100][..]));
        response
    }

    pub(crate) async fn expect_message(&mut self) -> Vec<u8> {
        match self.frame().await {
            Frame::Message(payload) => payload,
            other => panic!("expected a message, not {other:?}"),
        }
    }

    /// The next frame, which must come soon.
    pub(crate) async fn frame(&mut self) -> Frame {
        let Some(header) = self.take(2).await else { return Frame::End };
        let length = match header[1] {
            126 => number(&self.take(2).await.unwrap()),
            127 => number(&self.take(8).await.unwrap()),
            short => usize::from(short),
        };
        let payload = self.take(length).await.unwrap();
        match header[0] {
            0x82 => Frame::Message(payload),
            0x8a => Frame::Pong(payload),
            0x88 => Frame::Close(number(&payload) as u16),
            other => panic!("unexpected first byte {other:02x} of a frame"),
        }
    }

    /// The head of an HTTP response.
    pub(crate) async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                return String::from_utf8(self.received.drain(..end + 4).collect()).unwrap();
            }
            assert!(self.fill().await, "the stream ended in an HTTP head");
        }
    }

    /// All that comes until the server closes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.fill().await {}
        std::mem::take(&mut self.received)
    }

    /// Closes its side and waits until the server, which has read everything by then, closes too.
    pub(crate) async fn leave(mut self) {
        within(self.stream.shutdown()).await.unwrap();
        self.rest().await;
    }

    /// `None` at the end of the stream.
    async fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.received.len() < count {
            if !self.fill().await {
                assert!(self.received.is_empty(), "the stream ended in a frame");
                return None;
            }
        }
        Some(self.received.drain(..count).collect())
    }

    async fn fill(&mut self) -> bool {
        within(self.stream.read_buf(&mut self.received)).await.unwrap() > 0
    }
}

/// Fails instead of waiting for ever.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("no answer in 20 s")
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// Credentials as parameters: the password is `01 08 "password"` in Base64.
pub(crate) const ADMIN: &str = "username=admin&password=AQhwYXNzd29yZA%3D%3D";

/// What RFC 6455 wants in an upgrade request.
pub(crate) const WEBSOCKET: &str = "Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Service 56 in conversation 7, without a body, and its answer.
pub(crate) const USER_PING: &[u8] = &[0x00, 56, 7];
pub(crate) const USER_PONG: &[u8] = &[0x06, 7];
