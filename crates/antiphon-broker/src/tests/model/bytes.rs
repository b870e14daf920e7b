//! Whatever bytes one session sends, nothing panics, and others notice only what the protocol defines.

use std::sync::atomic::Ordering::Relaxed;

use antiphon_wire::codec::put_varint;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::Next;
use crate::Outbox;
use crate::tests::model::cases;
use crate::tests::model::naive::Caller;
use crate::tests::model::naive::Naive;
use crate::tests::model::naive::Person;
use crate::tests::model::op::Call;
use crate::tests::model::op::Open;
use crate::tests::model::op::call;
use crate::tests::world::Client;
use crate::tests::world::EVERYTHING;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::encoded;
use crate::tests::world::world;

#[derive(Debug, Clone)]
enum Input {
    Raw(Vec<u8>),
    /// The type of a message, and more.
    Message(u8, Vec<u8>),
    /// A request for a service, and a body.
    Request(u32, Vec<u8>),
    /// A message as it should be, changed in some places.
    Changed(Call, Vec<Change>),
}

#[derive(Debug, Clone, Copy)]
enum Change {
    Flip(u16, u8),
    Set(u16, u8),
    Insert(u16, u8),
    Remove(u16),
    Cut(u16),
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let body = || vec(byte(), 0..40);
    let message = (select(vec![0u8, 6, 7, 28, 29, 64]), body());
    let request = (prop_oneof![0..256u32, any::<u32>()], body());
    let input = prop_oneof![
        1 => vec(any::<u8>(), 0..60).prop_map(Input::Raw),
        2 => message.prop_map(|(kind, rest)| Input::Message(kind, rest)),
        4 => request.prop_map(|(service, body)| Input::Request(service, body)),
        12 => (call(), vec(change(), 0..4)).prop_map(|(call, some)| Input::Changed(call, some)),
    ];
    vec(input, 1..60)
}

/// Small numbers are lengths, counts and tags; the largest ones make long varints.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![4 => 0..6u8, 1 => 0x80..=0xff_u8, 2 => any::<u8>()]
}

fn change() -> impl Strategy<Value = Change> {
    // Most messages are short.
    let place = || 0..48u16;
    prop_oneof![
        (place(), 0..8u8).prop_map(|(place, bit)| Change::Flip(place, bit)),
        (place(), byte()).prop_map(|(place, byte)| Change::Set(place, byte)),
        (place(), byte()).prop_map(|(place, byte)| Change::Insert(place, byte)),
        place().prop_map(Change::Remove),
        place().prop_map(Change::Cut),
    ]
}

impl Change {
    fn apply(self, bytes: &mut Vec<u8>) {
        let place = |place: u16| usize::from(place) % bytes.len().max(1);
        match self {
            Self::Insert(at, byte) => bytes.insert(place(at), byte),
            Self::Cut(at) => bytes.truncate(place(at)),
            _ if bytes.is_empty() => {}
            Self::Flip(at, bit) => {
                let at = place(at);
                bytes[at] ^= 1 << bit;
            }
            Self::Set(at, byte) => {
                let at = place(at);
                bytes[at] = byte;
            }
            Self::Remove(at) => {
                bytes.remove(place(at));
            }
        }
    }
}

/// A request that waits for its answer, and somebody who sends whatever comes to mind.
struct Siege {
    world: World,
    sender: Client,
    handler: Client,
    attacker: Client,
    roles: &'static [&'static str],
    naive: Naive,
    conversation: u64,
}

impl Siege {
    fn new(roles: &'static [&'static str]) -> Self {
        let mut world = World::new();
        let (sender, handler) = (world.open("alice"), world.open("bob"));
        let attacker = world.open_as("ty=PY&v=25", "mallory", roles);
        world.register(&handler, "a", &["$Principal"]);
        world.send_to_path(&sender, 5, "a");
        let mut naive = Naive::default();
        for client in [&sender, &handler, &attacker] {
            let open = Open { query: "", principal: "", roles: vec![], property: None };
            naive.people.push(Person::new(client.id(), &open, 0));
        }
        Self { world, sender, handler, attacker, roles, naive, conversation: 0 }
    }

    fn bytes(&mut self, input: &Input) -> Vec<u8> {
        self.conversation += 1;
        match input {
            Input::Raw(bytes) => bytes.clone(),
            Input::Message(kind, rest) => [&[*kind], &rest[..]].concat(),
            Input::Request(service, body) => {
                let mut bytes = vec![0];
                put_varint(&mut bytes, u64::from(*service));
                put_varint(&mut bytes, self.conversation);
                [bytes, body.clone()].concat()
            }
            Input::Changed(call, changes) => {
                let caller = Caller { me: 2, conversation: self.conversation };
                let mut bytes = self.naive.bytes(caller, call);
                changes.iter().for_each(|change| change.apply(&mut bytes));
                bytes
            }
        }
    }

    fn attack(&mut self, input: &Input) {
        let bytes = self.bytes(input);
        let mut outbox = Outbox::default();
        let mut batch = self.world.broker.batch(&self.attacker.session, self.world.now);
        let mut next = batch.message(&bytes, &mut outbox);
        if let Next::Authenticate(asked) = &next {
            let _ = asked.credentials();
            batch.authenticated(asked, None, &mut outbox);
            next = Next::Continue;
        }
        drop(batch);
        // Reading it checks that it can be read.
        let received = self.attacker.received();
        assert_eq!(matches!(next, Next::Closed), self.attacker.session.has_ended(), "{received:?}");
        if self.attacker.session.has_ended() {
            self.attacker = self.world.open_as("ty=PY&v=25", "mallory", self.roles);
            self.naive.people[2].id = self.attacker.id();
        }
    }

    /// All sessions, and what is still to be answered, are in order again once time has passed.
    fn check(mut self) {
        assert!(self.world.broker.registry.read().is_consistent());
        self.world.advance(10_000);
        for client in [&self.sender, &self.handler, &self.attacker] {
            assert_eq!(client.session.in_flight(), 0);
            assert_eq!(client.session.awaiting.load(Relaxed), 0);
        }
        self.world.shut_down();
        assert_eq!((self.world.broker.stats().sessions, self.world.broker.stats().routes), (0, 0));
    }
}

fn is_answer(received: &Received) -> bool {
    matches!(
        received,
        Received::Response { conversation: 5, .. } | Received::Error { conversation: 5, .. }
    )
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn whoever_may_do_little_harms_nobody(inputs in inputs()) {
        let mut siege = Siege::new(&["AUTHENTICATION_HANDLER"]);
        let (_, conversation, _) = siege.handler.request();
        for input in &inputs {
            siege.attack(input);
            prop_assert_eq!(siege.sender.received(), vec![]);
            let received = siege.handler.received();
            let is_request = |one: &Received| matches!(one, Received::Request { .. });
            prop_assert!(received.iter().all(is_request), "{:?}", received);
        }
        siege.world.respond(&siege.handler, conversation, &world());
        let response = Received::Response { conversation: 5, body: encoded(&world()) };
        prop_assert_eq!(siege.sender.received(), vec![response]);
        siege.check();
    }

    #[test]
    fn whoever_may_do_everything_still_leaves_each_request_one_outcome(inputs in inputs()) {
        let mut siege = Siege::new(EVERYTHING);
        for input in &inputs {
            siege.attack(input);
        }
        siege.world.advance(10_000);
        let received = siege.sender.received();
        let answers = received.iter().filter(|one| is_answer(one)).count();
        let ended = siege.sender.session.has_ended();
        prop_assert!(answers == 1 || answers == 0 && ended, "{:?}", received);
        siege.check();
    }
}
