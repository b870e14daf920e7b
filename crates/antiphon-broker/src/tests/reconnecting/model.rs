//! A search for requests that are lost or executed twice when connections are cut in between.
//!
//! Two clients keep what they send and count what they receive, as the Rust SDK does. Everything between them and the
//! broker may stop anywhere: bytes that are half written, messages under way, a loss that only the client notices.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use antiphon_wire::connect::ConnectionResponse;
use antiphon_wire::connect::ProtocolVersion;
use antiphon_wire::connect::Resumed;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::message;
use antiphon_wire::recovery::Bounds;
use antiphon_wire::recovery::Recovery;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::HandlerRequest;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::SendToSession;
use antiphon_wire::value::Value;
use proptest::collection::vec;
use proptest::prelude::*;

use super::RUST;
use super::lose_old;
use super::open_for;
use super::reconnect;
use crate::BrokerConfig;
use crate::Connection;
use crate::Next;
use crate::Spare;
use crate::tests::model::cases;
use crate::tests::world::Client;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::decoded;
use crate::tests::world::encoded;
use crate::tests::world::read_all;
use crate::tests::world::request;

/// One of the two clients.
type Who = usize;

const SENDER: Who = 0;
const HANDLER: Who = 1;
const PRINCIPALS: [&str; 2] = ["alice", "bob"];

#[derive(Debug, Clone, Copy)]
enum Op {
    /// The sender sends a request, to the path or to the session of the handler.
    Send { to_path: bool },
    /// The handler answers one of the requests that it has read.
    Answer(usize),
    /// The broker writes so many bytes.
    Write(Who, usize),
    /// A client reads so many messages.
    Read(Who, usize),
    /// The broker reads so many messages.
    Arrive(Who, usize),
    /// The connection is cut. Unless the broker notices, it reads on what is under way, and writes into the void.
    Cut { who: Who, noticed: bool },
    /// A client without a connection asks for its session.
    Return(Who),
    /// It is time for pings.
    Tick,
}

struct Peer {
    client: Client,
    principal: &'static str,
    /// Counted from the handshake.
    sent: Recovery,
    received: u64,
    /// The last connection, and whether the client believes in it.
    number: Connection,
    is_linked: bool,
    /// The connection response has been read, so messages may be sent.
    is_greeted: bool,
    /// Bytes under way to the client.
    inward: Vec<u8>,
    /// Messages under way to the broker, and on which connection.
    outward: VecDeque<(Connection, Vec<u8>)>,
}

impl Peer {
    fn new(w: &mut World, principal: &'static str) -> Self {
        Self {
            client: open_for(w, (RUST, KEPT_FOR), principal),
            principal,
            sent: Recovery::new(Bounds { messages: usize::MAX, bytes: usize::MAX }),
            received: 0,
            number: Connection::FIRST,
            is_linked: true,
            is_greeted: true,
            inward: Vec::new(),
            outward: VecDeque::new(),
        }
    }

    /// Sends now or, without a connection, when there is one.
    fn send(&mut self, message: Vec<u8>) {
        self.sent.push(&message);
        if self.is_greeted {
            self.outward.push_back((self.number, message));
        }
    }

    fn write(&mut self, mut room: usize) {
        let session = self.client.session.clone();
        session.unblock(self.number);
        session.flush(&mut Spare::default(), |connection, bytes| {
            assert_eq!(connection, self.number);
            let count = bytes.len().min(room);
            if count == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            room -= count;
            if self.is_linked {
                self.inward.extend(&bytes[..count]);
            }
            Ok(count)
        });
    }

    /// Reads one message; `None` if none is there, or only the connection response.
    fn read(&mut self) -> Option<Received> {
        let whole = usize::from(*self.inward.get(1)?) + 2;
        if self.inward.len() < whole {
            return None;
        }
        let mut frame: Vec<u8> = self.inward.drain(..whole).collect();
        if self.is_greeted {
            self.received += 1;
            return read_all(&mut frame).pop();
        }
        self.greet(&frame[2..]);
        None
    }

    /// Reads the connection response and sends again what the broker lacks.
    fn greet(&mut self, response: &[u8]) {
        let version = ProtocolVersion::supported(29).unwrap();
        let response = ConnectionResponse::decode(response, version);
        let Ok(ConnectionResponse::Resumed {
            resumed: Resumed::Intact { next_client_sequence: next },
            ..
        }) = response
        else {
            panic!("{response:?}");
        };
        self.is_greeted = true;
        let Self { sent, outward, number, .. } = self;
        assert!(sent.replay(next.into(), |message| outward.push_back((*number, message.to_vec()))));
    }

    fn cut(&mut self, w: &mut World, noticed: bool) {
        self.is_linked = false;
        self.is_greeted = false;
        self.inward.clear();
        if noticed {
            self.outward.clear();
            lose_old(w, &self.client, self.number);
        }
    }

    fn come_back(&mut self, w: &mut World) {
        if !self.is_linked {
            let counts = (self.sent.lowest(), self.received);
            self.number = reconnect(w, RUST, self.principal, counts).unwrap();
            self.is_linked = true;
        }
    }

    /// The broker reads one message, as a driver does.
    fn arrive(&mut self, w: &mut World) {
        let Some((connection, message)) = self.outward.pop_front() else { return };
        let mut batch = w.broker.batch(&self.client.session, w.now);
        if batch.connection() == connection {
            assert!(matches!(batch.message(&message, &mut w.outbox), Next::Continue));
        }
    }
}

struct Run {
    w: World,
    peers: [Peer; 2],
    /// The outcomes of each request.
    requests: Vec<usize>,
    /// How often the handler has seen each.
    seen: BTreeMap<Vec<u8>, usize>,
    unanswered: Vec<(ConversationId, Vec<u8>)>,
}

impl Run {
    fn new() -> Self {
        let mut w = World::with(BrokerConfig {
            ping_period: Duration::from_secs(1),
            request_timeout: Duration::from_secs(1_000_000),
            recovery: crate::Recovery {
                keep_for: Duration::from_millis(KEPT_FOR),
                ..crate::Recovery::default()
            },
            ..BrokerConfig::default()
        });
        let mut peers = PRINCIPALS.map(|principal| Peer::new(&mut w, principal));
        w.register(&peers[HANDLER].client, "a", &[]);
        // What it has sent and received so far.
        peers[HANDLER].sent.push(&[]);
        peers[HANDLER].received = 1;
        Self { w, peers, requests: Vec::new(), seen: BTreeMap::new(), unanswered: Vec::new() }
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Send { to_path } => self.send(to_path),
            Op::Answer(which) => {
                if !self.unanswered.is_empty() {
                    self.answer(which % self.unanswered.len());
                }
            }
            Op::Write(who, room) => self.peers[who].write(room),
            Op::Read(who, count) => (0..count).for_each(|_| self.read(who)),
            Op::Arrive(who, count) => {
                (0..count).for_each(|_| self.peers[who].arrive(&mut self.w));
            }
            Op::Cut { who, noticed } => self.peers[who].cut(&mut self.w, noticed),
            Op::Return(who) => self.peers[who].come_back(&mut self.w),
            Op::Tick => {
                self.peers.iter().for_each(|peer| peer.client.session.heard(self.w.now));
                self.w.advance(1_000);
            }
        }
    }

    fn send(&mut self, to_path: bool) {
        let number = self.requests.len();
        let bytes = payload(number);
        let value = Value { type_name: "string", bytes: &bytes };
        let (service, body) = if to_path {
            (Service::MessagingSend, encoded(&SendRequest { path: "a", value }))
        } else {
            let session = self.peers[HANDLER].client.id();
            let body = SendToSession { session, path: "a", value };
            (Service::MessagingReceiverServer, encoded(&body))
        };
        self.requests.push(0);
        self.peers[SENDER].send(request(service.number(), number as u64, &body));
    }

    fn answer(&mut self, which: usize) {
        let (conversation, bytes) = self.unanswered.swap_remove(which);
        let value = Value { type_name: "string", bytes: &bytes };
        self.peers[HANDLER].send(answer(conversation, &encoded(&value)));
    }

    fn read(&mut self, who: Who) {
        match self.peers[who].read() {
            None => {}
            Some(Received::Request { service: Service::SystemPing, conversation, .. }) => {
                self.peers[who].send(answer(conversation, &[]));
            }
            Some(Received::Request { service, conversation, body }) if who == HANDLER => {
                let value = if service == Service::MessagingReceiverClient {
                    decoded::<HandlerRequest<'_>>(&body).value
                } else {
                    decoded::<SendRequest<'_>>(&body).value
                };
                *self.seen.entry(value.bytes.to_vec()).or_default() += 1;
                self.unanswered.push((conversation, value.bytes.to_vec()));
            }
            Some(Received::Response { conversation, body }) if who == SENDER => {
                let number = conversation as usize;
                assert_eq!(decoded::<Value<'_>>(&body).bytes, payload(number));
                self.requests[number] += 1;
            }
            Some(other) => panic!("{who} got {other:?}"),
        }
    }

    /// Everybody comes back, and nothing is cut any more.
    fn finish(mut self) {
        for round in 0..ROUNDS {
            for who in [SENDER, HANDLER] {
                self.step(Op::Return(who));
                self.step(Op::Write(who, usize::MAX));
                self.step(Op::Read(who, 1_000));
                self.step(Op::Arrive(who, 1_000));
                (0..self.unanswered.len()).for_each(|_| self.answer(0));
            }
            assert!(round < ROUNDS - 1 || self.peers.iter().all(|peer| peer.outward.is_empty()));
        }
        assert!(self.requests.iter().all(|outcomes| *outcomes == 1), "{:?}", self.requests);
        assert_eq!(self.seen.len(), self.requests.len());
        assert!(self.seen.values().all(|times| *times == 1), "{:?}", self.seen);
        let [sender, handler] = &self.peers;
        assert_quiet(&[&sender.client, &handler.client]);
    }
}

/// A string of five digits in CBOR.
fn payload(number: usize) -> Vec<u8> {
    format!("\x65{number:05}").into_bytes()
}

fn answer(conversation: ConversationId, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    message::put_response(&mut bytes, conversation);
    bytes.extend_from_slice(body);
    bytes
}

/// In milliseconds: no search takes as long.
const KEPT_FOR: u64 = 1_000_000;

/// A request, its way to the handler, its answer and the way back, and some to spare.
const ROUNDS: usize = 6;

fn op() -> impl Strategy<Value = Op> {
    let who = 0..2_usize;
    prop_oneof![
        8 => any::<bool>().prop_map(|to_path| Op::Send { to_path }),
        6 => any::<usize>().prop_map(Op::Answer),
        8 => (who.clone(), 1..200_usize).prop_map(|(who, room)| Op::Write(who, room)),
        8 => (who.clone(), 1..6_usize).prop_map(|(who, count)| Op::Read(who, count)),
        8 => (who.clone(), 1..6_usize).prop_map(|(who, count)| Op::Arrive(who, count)),
        3 => (who.clone(), any::<bool>()).prop_map(|(who, noticed)| Op::Cut { who, noticed }),
        5 => who.prop_map(Op::Return),
        2 => Just(Op::Tick),
    ]
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn every_request_is_executed_once_and_has_one_outcome(ops in vec(op(), 1..250)) {
        let mut run = Run::new();
        ops.into_iter().for_each(|op| run.step(op));
        run.finish();
    }
}
