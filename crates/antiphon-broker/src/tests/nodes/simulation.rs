//! Nodes, clients and a fabric that loses, doubles, delays and swaps what is on its way, cuts links on one side or both,
//! stands still and kills nodes, as one number decides; clients lose their connections and come back, to their node or to
//! another one. Whatever happens, each request has one outcome, none is delivered twice, and an error that calls a retry safe is
//! true.

mod returning;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::message;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::messaging::FilterResponse;
use antiphon_wire::service::messaging::HandlerRequest;
use antiphon_wire::service::messaging::Outcome;
use antiphon_wire::service::messaging::SendRequest;
use antiphon_wire::service::messaging::SendToFilter;
use antiphon_wire::service::messaging::SendToSession;
use antiphon_wire::service::messaging::Sent;
use antiphon_wire::value::Value;
use returning::Line;

use crate::BrokerConfig;
use crate::Limits;
use crate::LinkState;
use crate::tests::nodes::fabric::Fabric;
use crate::tests::nodes::fabric::node_id;
use crate::tests::world::Client;
use crate::tests::world::Received;
use crate::tests::world::decoded;
use crate::tests::world::encoded;
use crate::tests::world::request;

const NODES: usize = 3;
const STEPS: usize = 300;
const SEEDS: u64 = 400;
const PATHS: [&str; 4] = ["a", "a/b", "c", "d"];

/// The sequence of a seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// A request, and what its sender has been told.
#[derive(Debug, Default)]
struct Asked {
    sender: Option<SessionId>,
    to: Option<SessionId>,
    is_filter: bool,
    /// The count of a filter request.
    count: Option<u32>,
    outcomes: Vec<(Option<SessionId>, Result<u64, Reason>)>,
    delivered: Vec<SessionId>,
}

struct Person {
    node: usize,
    client: Client,
    /// What it has yet to answer.
    owes: Vec<(ConversationId, u64)>,
    paths: BTreeSet<&'static str>,
    line: Line,
}

struct Simulation {
    f: Fabric,
    dice: Dice,
    people: Vec<Person>,
    asked: BTreeMap<u64, Asked>,
    /// Requests of senders that are gone.
    forgiven: BTreeSet<u64>,
    /// Of the last session that can be taken up again.
    tokens: u64,
    /// Of the last request. That of registrations is never one of them.
    numbers: u64,
    /// What happened at all, so that the test can fail for want of it.
    seen: BTreeMap<&'static str, u64>,
}

fn number(value: &Value<'_>) -> u64 {
    u64::from_be_bytes(value.bytes.try_into().unwrap())
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let limits = Limits { requests_per_handler: 4, ..Limits::default() };
        // Nobody here answers pings.
        let ping_period = std::time::Duration::ZERO;
        let f =
            Fabric::with(NODES, &BrokerConfig { limits, ping_period, ..BrokerConfig::default() });
        let mut simulation = Self {
            f,
            dice: Dice(seed),
            people: Vec::new(),
            asked: BTreeMap::new(),
            forgiven: BTreeSet::new(),
            tokens: 0,
            numbers: 1,
            seen: BTreeMap::new(),
        };
        for node in 0..NODES {
            for _ in 0..2 {
                simulation.enter(node);
            }
        }
        simulation
    }

    fn note(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn step(&mut self) {
        match self.dice.below(43) {
            0..=6 => self.ask(),
            7..=9 => self.register(),
            10..=15 => self.answer(),
            16..=25 => {
                self.f.transmit();
                let way = self.way();
                self.f.deliver(way);
            }
            26..=27 => self.f.run(),
            28..=29 => {
                self.f.transmit();
                self.harm_a_way();
            }
            30..=31 => self.stick(),
            32 => self.part_or_join(),
            33 => self.leave(),
            34 => {
                let node = self.dice.below(NODES);
                self.enter(node);
            }
            35 if self.dice.below(4) == 0 => self.kill(),
            40..=42 => self.lose_or_come_back(),
            _ => {
                let millis = [10, 100, 600, 1_100, 4_000][self.dice.below(5)];
                for node in 0..NODES {
                    // Some stand still.
                    if self.dice.below(5) > 0 {
                        self.f.nodes[node].advance(millis);
                    }
                }
            }
        }
        self.read();
    }

    fn way(&mut self) -> (usize, usize) {
        let ways = self.f.pairs();
        ways[self.dice.below(ways.len())]
    }

    fn ask(&mut self) {
        let Some(at) = self.somebody() else { return };
        self.numbers += 1;
        let number = self.numbers;
        let bytes = number.to_be_bytes();
        let value = Value { type_name: "binary", bytes: &bytes };
        let sender = Some(self.people[at].client.id());
        let mut asked = Asked { sender, ..Asked::default() };
        let (service, body) = match self.dice.below(4) {
            0 => {
                let to = self.people[self.dice.below(self.people.len())].client.id();
                asked.to = Some(to);
                let body = SendToSession { session: to, path: "p", value };
                (Service::MessagingReceiverServer, encoded(&body))
            }
            1 => {
                asked.is_filter = true;
                let filter = ["all", "$Principal is 'bob'"][self.dice.below(2)];
                let conversation = ConversationId(number);
                let body = SendToFilter { conversation, filter, path: "p", value };
                (Service::MessagingFilterSend, encoded(&body))
            }
            _ => {
                let path = PATHS[self.dice.below(PATHS.len())];
                (Service::MessagingSend, encoded(&SendRequest { path, value }))
            }
        };
        self.asked.insert(number, asked);
        self.say(at, request(service.number(), number, &body));
    }

    fn somebody(&mut self) -> Option<usize> {
        (!self.people.is_empty()).then(|| self.dice.below(self.people.len()))
    }

    fn register(&mut self) {
        let Some(at) = self.somebody().filter(|at| !self.people[*at].line.is_away()) else {
            return;
        };
        let path = PATHS[self.dice.below(PATHS.len())];
        let Person { node, client, paths, line, .. } = &mut self.people[at];
        line.says();
        if paths.remove(path) {
            self.f.nodes[*node].deregister(client, u64::MAX, path);
        } else {
            paths.insert(path);
            self.f.nodes[*node].ask_to_register(client, path, &["$Principal"]);
        }
    }

    fn answer(&mut self) {
        let Some(at) = self.somebody() else { return };
        let luck = self.dice.below(6);
        let Some((conversation, number)) = self.people[at].owes.pop() else { return };
        let mut answer = Vec::new();
        match luck {
            0 => message::put_error(&mut answer, conversation, Reason::CALLBACK_EXCEPTION, "no"),
            1 => return,
            _ => {
                let bytes = number.to_be_bytes();
                message::put_response(&mut answer, conversation);
                Value { type_name: "binary", bytes: &bytes }.encode(&mut answer);
            }
        }
        for _ in 0..if luck == 2 { 2 } else { 1 } {
            self.say(at, answer.clone());
        }
    }

    fn harm_a_way(&mut self) {
        let way = self.way();
        let harm = self.dice.below(3);
        let Some(queue) = self.f.ways.get_mut(&way).filter(|queue| queue.len() > 1) else { return };
        match harm {
            0 => drop(queue.pop_front()),
            1 => queue.swap(0, 1),
            _ => {
                let again = queue[0].clone();
                queue.push_back(again);
            }
        }
        self.note(["dropped", "swapped", "doubled"][harm]);
    }

    fn stick(&mut self) {
        let way = self.way();
        if self.f.stuck.contains(&way) {
            self.f.release(way);
        } else {
            self.f.stuck.push(way);
        }
    }

    fn part_or_join(&mut self) {
        let (from, to) = self.way();
        if self.f.has_link(from, to) {
            self.f.part(from, to);
            if self.dice.below(2) == 0 {
                self.f.part(to, from);
            }
            self.note("parted");
        } else {
            self.f.join(from, to);
        }
    }

    fn leave(&mut self) {
        let Some(at) = self.somebody() else { return };
        let Person { node, client, .. } = self.people.swap_remove(at);
        self.f.nodes[node].close(&client, CloseReason::ConnectionLost);
        self.forgive(&client);
    }

    /// Whoever is gone is told nothing any more.
    fn forgive(&mut self, client: &Client) {
        let gone = client.id();
        let forgiven = self.asked.extract_if(.., |_, asked| asked.sender == Some(gone));
        self.forgiven.extend(forgiven.map(|(number, _)| number));
    }

    fn kill(&mut self) {
        let node = self.dice.below(NODES);
        let (gone, stay) = std::mem::take(&mut self.people)
            .into_iter()
            .partition::<Vec<_>, _>(|person| person.node == node);
        self.people = stay;
        self.f.restart(node);
        self.note("killed");
        for person in gone {
            self.forgive(&person.client);
            self.try_elsewhere(&person);
        }
    }

    /// Everybody reads what was sent to him.
    fn read(&mut self) {
        for at in 0..self.people.len() {
            let client = self.people[at].client.clone();
            let received = client.received();
            // Whoever is away hears nothing, whatever the server believes.
            if !self.people[at].line.is_away() {
                self.hear(at, received);
            }
        }
    }

    fn received(&mut self, at: usize, client: SessionId, received: Received) {
        match received {
            Received::Request { service: Service::FilterResponse, body, .. } => {
                let FilterResponse { conversation, session, outcome } = decoded(&body);
                let asked = self.asked.get_mut(&conversation.0).unwrap();
                assert_eq!(asked.sender, Some(client), "told to another session");
                assert!(asked.count.is_some(), "an outcome before the count of {conversation:?}");
                let outcome = match outcome {
                    Outcome::Response(value) => Ok(number(&value)),
                    Outcome::Error { reason, .. } => Err(reason),
                };
                asked.outcomes.push((Some(session), outcome));
            }
            Received::Request { service, conversation, body } => {
                let number = match service {
                    Service::MessagingSend => number(&decoded::<SendRequest<'_>>(&body).value),
                    Service::MessagingReceiverClient => {
                        let request: HandlerRequest<'_> = decoded(&body);
                        assert_eq!(request.properties.len(), 1);
                        number(&request.value)
                    }
                    _ => return,
                };
                self.people[at].owes.push((conversation, number));
                if let Some(asked) = self.asked.get_mut(&number) {
                    asked.delivered.push(client);
                }
            }
            Received::Response { conversation, body } => {
                self.answered(client, conversation, &body);
            }
            Received::Error { conversation, reason, .. } => {
                assert!(!self.forgiven.contains(&conversation), "told to another session");
                // Registrations may be refused too.
                if let Some(asked) = self.asked.get_mut(&conversation) {
                    assert_eq!(asked.sender, Some(client), "told to another session");
                    asked.outcomes.push((None, Err(reason)));
                }
            }
            other => panic!("{client} was sent {other:?}"),
        }
    }

    fn answered(&mut self, client: SessionId, conversation: u64, body: &[u8]) {
        assert!(!self.forgiven.contains(&conversation), "told to another session");
        let Some(asked) = self.asked.get_mut(&conversation) else { return };
        assert_eq!(asked.sender, Some(client), "told to another session");
        // Confirmations have the first number too, and no body.
        if body.is_empty() {
            return;
        }
        if asked.is_filter {
            let Ok(Sent::To(count)) = Sent::decode_all(body) else { panic!("no count: {body:?}") };
            assert_eq!(asked.count.replace(count), None, "two counts of {conversation}");
            return;
        }
        let value = Value::decode_all(body).unwrap();
        asked.outcomes.push((None, Ok(number(&value))));
    }

    /// All is well again, and everything that is still under way ends.
    fn settle(&mut self) {
        for way in self.f.pairs() {
            self.f.release(way);
            if !self.f.has_link(way.0, way.1) {
                self.f.join(way.0, way.1);
            }
        }
        self.all_come_back();
        for _ in 0..30 {
            self.f.advance(500);
            self.read();
        }
    }

    fn judge(&mut self) {
        let mut asked = std::mem::take(&mut self.asked);
        for (number, asked) in &mut asked {
            self.judge_one(*number, asked);
        }
        for node in 0..NODES {
            for status in self.f.statuses(node) {
                assert_eq!(status.state, LinkState::Up, "{status:?}");
                assert_eq!((status.in_flight, status.queued_bytes), (0, 0), "{status:?}");
                let there = |person: &&Person| node_id(person.node) == status.node;
                let handlers = self.people.iter().filter(there).map(|person| person.paths.len());
                assert_eq!(status.handlers, handlers.sum::<usize>() as u64, "of node {node}");
            }
        }
    }

    fn judge_one(&mut self, number: u64, asked: &mut Asked) {
        let Asked { outcomes, delivered, .. } = asked;
        let many = delivered.len();
        delivered.sort();
        delivered.dedup();
        assert_eq!(delivered.len(), many, "{number} was delivered twice to one session");
        for (_, outcome) in &*outcomes {
            if let Ok(answer) = outcome {
                assert_eq!(*answer, number, "somebody else's answer");
            }
        }
        if asked.is_filter {
            let refused = [(None, Err(Reason::CLUSTER_ROUTING))];
            if *outcomes == refused {
                return;
            }
            let count = asked.count.unwrap_or_else(|| panic!("no count of {number}"));
            let told: BTreeSet<_> = outcomes.iter().map(|(session, _)| *session).collect();
            let (told, all) = (told.len(), outcomes.len());
            assert_eq!((told, all), (count as usize, count as usize), "outcomes of {number}");
            self.note("filter requests");
            return;
        }
        assert_eq!(outcomes.len(), 1, "outcomes of {number}: {outcomes:?}");
        assert!(many <= 1, "{number} was delivered to {delivered:?}");
        if let (Some(to), [delivered]) = (asked.to, &delivered[..]) {
            assert_eq!(to, *delivered);
        }
        let is_safe =
            [Reason::UNHANDLED_MESSAGE, Reason::REJECTED_REQUEST, Reason::CLUSTER_ROUTING];
        match outcomes[0].1 {
            Ok(_) => self.note("responses"),
            Err(reason) if is_safe.contains(&reason) => {
                assert_eq!(many, 0, "{number} was delivered, and yet {reason}");
                self.note("not delivered");
            }
            Err(Reason::NO_SUCH_SESSION) => self.note("lost"),
            Err(Reason::REQUEST_TIME_OUT) => self.note("timed out"),
            Err(_) => self.note("errors"),
        }
    }
}

#[test]
fn whatever_becomes_of_nodes_and_links_every_request_ends_exactly_once() {
    let seeds = std::env::var("ANTIPHON_NODES_SEEDS").map_or(0..SEEDS, |seeds| {
        let (from, to) = seeds.split_once("..").unwrap();
        from.parse().unwrap()..to.parse().unwrap()
    });
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in seeds.clone() {
        let run = std::panic::catch_unwind(|| {
            let mut simulation = Simulation::new(seed);
            for _ in 0..STEPS {
                simulation.step();
            }
            simulation.settle();
            simulation.judge();
            simulation.seen
        });
        let Ok(one) = run else { panic!("replay with ANTIPHON_NODES_SEEDS={seed}..{}", seed + 1) };
        for (what, count) in one {
            *seen.entry(what).or_default() += count;
        }
    }
    if seeds == (0..SEEDS) {
        let often = seen.values().filter(|count| **count > 50).count();
        assert_eq!(often, 15, "{seen:?}");
    }
}
