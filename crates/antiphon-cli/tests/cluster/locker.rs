//! Session locks, which the Rust SDK does not offer, over the bare wire.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::message;
use antiphon_wire::message::Message;
use antiphon_wire::service::Service;
use antiphon_wire::service::locks::AcquireLock;
use antiphon_wire::service::locks::HeldLock;
use antiphon_wire::service::locks::LockScope;
use antiphon_wire::websocket::Decoder;
use antiphon_wire::websocket::Event;
use antiphon_wire::websocket::put_masked_message;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::stage::within;

/// The lock of all of them.
const NAME: &str = "ledger";

const SCOPE: LockScope = LockScope::Session;

/// A session that has asked for the lock.
pub(crate) struct Locker {
    stream: TcpStream,
    decoder: Decoder,
    received: Vec<u8>,
    /// Bodies, by conversation.
    answers: BTreeMap<u64, Vec<u8>>,
}

impl Locker {
    /// Joins, and asks.
    pub(crate) async fn ask(server: SocketAddr) -> Self {
        let stream = within(TcpStream::connect(server)).await.unwrap();
        let mut locker = Self {
            stream,
            decoder: Decoder::new(usize::MAX),
            received: Vec::new(),
            answers: BTreeMap::new(),
        };
        locker.stream.write_all(UPGRADE.as_bytes()).await.unwrap();
        let end = loop {
            if let Some(at) = locker.received.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            within(locker.stream.read_buf(&mut locker.received)).await.unwrap();
        };
        locker.received.drain(..end);
        // That it is a session now.
        locker.message().await;
        let body = AcquireLock { name: NAME, request: 1, scope: SCOPE };
        locker.request(Service::AcquireSessionLock, GRANT, |out| body.encode(out)).await;
        locker.be_heard().await;
        locker
    }

    /// Waits until it has the lock. The grant.
    pub(crate) async fn granted(&mut self) -> u64 {
        let body = self.answer(GRANT).await;
        let HeldLock { name, sequence, .. } = HeldLock::decode_all(&body).unwrap();
        assert_eq!(name, NAME);
        sequence
    }

    /// Gives back what it was granted.
    pub(crate) async fn give_back(&mut self, sequence: u64) {
        let body = HeldLock { name: NAME, sequence, scope: SCOPE };
        self.request(Service::ReleaseSessionLock, RELEASE, |out| body.encode(out)).await;
        assert_eq!(self.answer(RELEASE).await, [1]);
    }

    /// Insists, after a round trip, that it has not been granted the lock.
    pub(crate) async fn expect_waiting(&mut self) {
        self.be_heard().await;
        assert!(!self.answers.contains_key(&GRANT), "it was granted the lock");
    }

    /// Waits until the server has read all that it has said.
    pub(crate) async fn be_heard(&mut self) {
        self.request(Service::UserPing, PING, |_| {}).await;
        self.answer(PING).await;
    }

    /// The body of an answer. Others that come before it are for later.
    async fn answer(&mut self, wanted: u64) -> Vec<u8> {
        loop {
            if let Some(body) = self.answers.remove(&wanted) {
                return body;
            }
            let bytes = self.message().await;
            match Message::decode(&bytes).unwrap() {
                Message::Response { conversation, body } => {
                    self.answers.insert(conversation.0, body.to_vec());
                }
                Message::Request { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn request(
        &mut self,
        service: Service,
        conversation: u64,
        put_body: impl FnOnce(&mut Vec<u8>),
    ) {
        let (mut bytes, mut frame) = (Vec::new(), Vec::new());
        message::put_request(&mut bytes, service, ConversationId(conversation));
        put_body(&mut bytes);
        put_masked_message(&mut frame, *b"mask", &bytes);
        within(self.stream.write_all(&frame)).await.unwrap();
    }

    async fn message(&mut self) -> Vec<u8> {
        loop {
            if let Some((used, event)) = self.decoder.next(&mut self.received).unwrap() {
                let Event::Message(payload) = event else { panic!("{event:?}") };
                let payload = payload.to_vec();
                self.received.drain(..used);
                return payload;
            }
            let count = within(self.stream.read_buf(&mut self.received)).await.unwrap();
            assert_ne!(count, 0, "the server ended");
        }
    }
}

/// Conversations.
const GRANT: u64 = 1;
const RELEASE: u64 = 2;
const PING: u64 = 3;

/// As `admin`, with `01 08 "password"` in Base64.
const UPGRADE: &str = "GET /diffusion?ty=WB&v=29&username=admin&password=AQhwYXNzd29yZA%3D%3D HTTP/1.1\r\n\
    Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
