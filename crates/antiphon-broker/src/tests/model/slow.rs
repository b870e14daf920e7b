//! Sessions that read slowly or not at all, with mailboxes so small that they fill.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::Ordering::Relaxed;

use antiphon_wire::codec::Encode;
use antiphon_wire::ids::SessionId;
use antiphon_wire::message;
use antiphon_wire::message::Message;
use antiphon_wire::service::messaging::FilterResponse;
use antiphon_wire::service::messaging::Sent;
use antiphon_wire::value::Value;
use antiphon_wire::websocket::Decoder;
use antiphon_wire::websocket::Event;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::BrokerConfig;
use crate::Connection;
use crate::Flush;
use crate::Limits;
use crate::Spare;
use crate::tests::model::cases;
use crate::tests::world::Client;
use crate::tests::world::World;
use crate::tests::world::decoded;

#[derive(Debug, Clone, Copy)]
enum Op {
    ToPath(usize),
    ToSession(usize, usize),
    ToFilter(usize),
    /// The socket of a session takes so many bytes.
    Read(usize, usize),
    /// A session answers the first that it has read, with a value of so many bytes.
    Answer(usize, usize),
    Advance,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let who = || 0..ASKERS;
    let op = prop_oneof![
        5 => who().prop_map(Op::ToPath),
        4 => (who(), 0..SESSIONS).prop_map(|(who, to)| Op::ToSession(who, to)),
        3 => who().prop_map(Op::ToFilter),
        8 => (0..READERS, prop_oneof![0..200usize, Just(10_000)]).prop_map(|(who, n)| Op::Read(who, n)),
        6 => (who(), 0..200usize).prop_map(|(who, length)| Op::Answer(who, length)),
        1 => Just(Op::Advance),
    ];
    vec(op, 1..200)
}

/// A session, what its socket has taken, and what it knows.
struct Slow {
    client: Client,
    bytes: Vec<u8>,
    is_blocked: bool,
    to_answer: Vec<u64>,
    /// For each request how many outcomes it had, and how many it is to have once that is known.
    requests: BTreeMap<u64, (u32, Option<u32>)>,
}

impl Slow {
    /// Writes at most so many bytes; tells how many there were to write at least.
    fn read(&mut self, most: usize) -> usize {
        let (bytes, mut left, mut waiting) = (&mut self.bytes, most, 0);
        self.client.session.unblock(Connection::FIRST);
        let outcome = self.client.session.flush(&mut Spare::default(), |_, some| {
            waiting = waiting.max(some.len());
            let taken = some.len().min(left);
            left -= taken;
            bytes.extend_from_slice(&some[..taken]);
            if taken == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken) }
        });
        self.is_blocked = outcome == Flush::Blocked;
        self.decode();
        waiting
    }

    fn decode(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        let (mut decoder, mut used) = (Decoder::new(1 << 20), 0);
        while let Some((length, event)) = decoder.next(&mut bytes[used..]).unwrap() {
            used += length;
            match event {
                Event::Message(message) if message[0] != b'#' => self.hear(message),
                Event::Message(_) | Event::Close(_) => {}
                other => panic!("{other:?}"),
            }
        }
        self.bytes = bytes.split_off(used);
    }

    fn hear(&mut self, bytes: &[u8]) {
        let (conversation, body) = match Message::decode(bytes).unwrap() {
            Message::Request { service: 103, body, .. } => {
                let FilterResponse { conversation, .. } = decoded(body);
                (conversation, None)
            }
            Message::Request { conversation, .. } => return self.to_answer.push(conversation.0),
            Message::Response { conversation, body } => (conversation, Some(body)),
            Message::Error { conversation, .. } => (conversation, None),
            _ => return,
        };
        let (had, promised) = self.requests.get_mut(&conversation.0).unwrap();
        match (&promised, body) {
            (None, Some(body)) => {
                let Sent::To(count) = decoded(body) else { panic!("refused") };
                *promised = Some(count);
            }
            (None, None) => *promised = Some(0),
            (Some(_), _) => *had += 1,
        }
        assert!(promised.is_some_and(|promised| *had <= promised), "{conversation:?} twice");
    }
}

struct Run {
    world: World,
    sessions: Vec<Slow>,
    /// Those whose bytes somebody was told to write.
    touched: BTreeSet<SessionId>,
    next: u64,
}

impl Run {
    fn new() -> Self {
        let limits = Limits { mailbox: MAILBOX, ..Limits::default() };
        let mut world = World::with(BrokerConfig { limits, ..BrokerConfig::default() });
        let mut sessions = Vec::new();
        for place in 0..SESSIONS {
            let client = world.open("ann");
            if place == 0 || place >= ASKERS {
                world.register(&client, "a", &[]);
            }
            let (bytes, to_answer, requests) = (Vec::new(), Vec::new(), BTreeMap::new());
            sessions.push(Slow { client, bytes, is_blocked: false, to_answer, requests });
        }
        world.touched();
        Self { world, sessions, touched: BTreeSet::new(), next: 100 }
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::ToPath(who) => {
                let (client, conversation) = self.ask(who, Some(1));
                self.world.send_to_path(&client, conversation, "a");
            }
            Op::ToSession(who, to) => {
                let (client, conversation) = self.ask(who, Some(1));
                let to = self.sessions[to].client.id();
                self.world.send_to_session(&client, conversation, to);
            }
            Op::ToFilter(who) => {
                // The outcomes quote 99: one such request for each session.
                if !self.sessions[who].requests.contains_key(&99) {
                    let next = std::mem::replace(&mut self.next, 99);
                    let (client, conversation) = self.ask(who, None);
                    self.next = next;
                    self.world.send_to_filter(&client, conversation, "all");
                }
            }
            Op::Read(who, most) => self.read(who, most),
            Op::Answer(who, length) => self.answer(who, length),
            Op::Advance => self.world.advance(5_000),
        }
        self.note_touched();
    }

    fn ask(&mut self, who: usize, promised: Option<u32>) -> (Client, u64) {
        let slow = &mut self.sessions[who];
        let conversation = self.next;
        self.next += 1;
        if !slow.client.session.has_ended() {
            let before = slow.requests.insert(conversation, (0, promised));
            assert_eq!(before, None);
        }
        (slow.client.clone(), conversation)
    }

    fn read(&mut self, who: usize, most: usize) {
        let slow = &mut self.sessions[who];
        let is_expected = self.touched.remove(&slow.client.id()) || slow.is_blocked;
        let waiting = slow.read(most);
        assert_eq!(waiting > 0, is_expected, "session {who}");
        let most = if who < ASKERS { 2 * MAILBOX + LONGEST } else { MAILBOX };
        assert!(waiting <= most, "{waiting} bytes waited for session {who}");
    }

    fn answer(&mut self, who: usize, length: usize) {
        let slow = &mut self.sessions[who];
        if slow.to_answer.is_empty() {
            return;
        }
        let mut bytes = Vec::new();
        let conversation = antiphon_wire::ids::ConversationId(slow.to_answer.remove(0));
        message::put_response(&mut bytes, conversation);
        Value { type_name: "binary", bytes: &vec![0; length] }.encode(&mut bytes);
        let client = slow.client.clone();
        self.world.send(&client, &bytes);
    }

    fn note_touched(&mut self) {
        for id in self.world.touched() {
            assert!(self.touched.insert(id), "{id} is listed twice");
        }
    }

    /// Everything that is not answered times out, and everybody reads: no request is without its outcome.
    fn finish(mut self) {
        self.world.advance(10_000);
        self.note_touched();
        for who in 0..SESSIONS {
            self.read(who, usize::MAX);
            let slow = &self.sessions[who];
            assert_eq!(slow.client.session.in_flight(), 0);
            assert_eq!(slow.client.session.awaiting.load(Relaxed), 0);
            assert!(slow.bytes.is_empty());
            for (conversation, (had, promised)) in &slow.requests {
                let answered = Some(*had) == *promised;
                assert!(
                    answered || slow.client.session.has_ended(),
                    "session {who}: {conversation}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn slow_readers_lose_at_most_their_session(ops in ops()) {
        let mut run = Run::new();
        for op in ops {
            run.step(op);
        }
        run.finish();
    }
}

const SESSIONS: usize = 5;
/// The others ask nothing, so all that they are sent are requests.
const ASKERS: usize = 3;
/// The others read nothing before the end.
const READERS: usize = 2;
const MAILBOX: usize = 300;
/// Of any message here.
const LONGEST: usize = 300;
