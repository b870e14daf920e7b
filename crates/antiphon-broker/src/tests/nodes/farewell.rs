//! A node that goes: nobody is told that something may have been executed which was sent to it meanwhile.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use antiphon_wire::error::Reason;
use antiphon_wire::ids::SessionId;
use antiphon_wire::message::Message;
use antiphon_wire::node::Frames;
use antiphon_wire::node::Header;
use antiphon_wire::node::NodeService;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::messaging::Sent;

use crate::Broken;
use crate::BrokerConfig;
use crate::tests::nodes::fabric::Fabric;
use crate::tests::nodes::fabric::node_id;
use crate::tests::nodes::simulation::Dice;
use crate::tests::world::Client;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::assert_quiet;
use crate::tests::world::error;
use crate::tests::world::hello;
use crate::tests::world::response;

fn say_farewell(f: &mut Fabric, node: usize) -> usize {
    let World { broker, outbox, .. } = &mut f.nodes[node];
    broker.say_farewell(outbox)
}

/// All nodes have heard it and have nothing more to say to this one.
fn part_well(f: &mut Fabric, node: usize) {
    assert_eq!(say_farewell(f, node), f.nodes.len() - 1);
    f.run();
    assert_eq!(say_farewell(f, node), 0);
}

/// The services that are called in the first thing on its way, each with whether it has to be answered.
fn calls(f: &Fabric, way: (usize, usize)) -> Vec<(NodeService, bool)> {
    let ways = f.ways.get(&way).into_iter().flatten();
    let messages = ways.flat_map(|sent| Frames::new(Header::split(sent).unwrap().1));
    let call = |message: &[u8]| match Message::decode(message).unwrap() {
        Message::Request { service, conversation, .. } => {
            let service = NodeService::from_number(service).unwrap();
            Some((service, conversation.0 != 0 || service == NodeService::ManySessions))
        }
        _ => None,
    };
    messages.filter_map(|message| call(message.unwrap())).collect()
}

#[test]
fn whoever_has_heard_a_farewell_looks_for_others() {
    let mut f = Fabric::new(3);
    let sender = f.nodes[0].open("alice");
    let (gone, stays) = (f.nodes[1].open("bob"), f.nodes[2].open("bob"));
    f.nodes[1].register(&gone, "a", &[]);
    f.nodes[2].register(&stays, "a", &[]);
    f.run();
    f.nodes[1].close(&gone, CloseReason::Aborted);
    part_well(&mut f, 1);
    for conversation in 0..4 {
        f.nodes[0].send_to_path(&sender, conversation, "a");
    }
    f.nodes[0].send_to_session(&sender, 5, gone.id());
    assert_eq!(
        sender.received(),
        [error(5, Reason::NO_SUCH_SESSION, format!("no session {}", gone.id()))]
    );
    f.nodes[0].send_to_filter(&sender, 6, "$Principal is 'bob'");
    f.transmit();
    let asked = calls(&f, (0, 1));
    assert!(asked.iter().all(|(_, is_answered)| !is_answered), "{asked:?}");
    f.run();
    assert_eq!(sender.received(), [response(6, &Sent::To(1))]);
    assert_eq!(f.nodes[0].outbox.unheard, [], "it has no sessions, so it was not to be asked");
    f.cut(0, 1);
    let asked = stays.conversations();
    assert_eq!(asked.len(), 5);
    asked.iter().for_each(|asked| f.nodes[2].respond(&stays, *asked, &hello()));
    f.run();
    assert_eq!(sender.received().len(), 5);
    assert_quiet(&[&sender, &stays]);
}

#[test]
fn a_link_that_is_new_or_begins_anew_is_told_too() {
    let mut f = Fabric::new(2);
    part_well(&mut f, 1);
    f.add(&BrokerConfig::default());
    assert_eq!(say_farewell(&mut f, 1), 1, "the new one");
    f.run();
    assert_eq!(say_farewell(&mut f, 1), 0);
    f.nodes[0].advance(600);
    f.transmit();
    f.ways.remove(&(0, 1));
    f.nodes[0].advance(600);
    f.run();
    assert_eq!(std::mem::take(&mut f.broken), [Broken::Gap, Broken::BegunAnew]);
    assert_eq!(say_farewell(&mut f, 1), 1, "the one whose word was lost");
    f.run();
    assert_eq!(say_farewell(&mut f, 1), 0);
}

#[test]
fn nodes_that_go_at_the_same_time_do_not_wait_for_each_other() {
    let mut f = Fabric::new(3);
    assert_eq!((say_farewell(&mut f, 0), say_farewell(&mut f, 1)), (2, 2));
    f.transmit();
    let farewells = |f: &Fabric| {
        let said = [(0, 1), (1, 0)].map(|way| calls(f, way));
        said.map(|calls| calls.iter().filter(|(call, _)| *call == NodeService::Farewell).count())
    };
    assert_eq!(farewells(&f), [1, 1]);
    assert!(f.deliver((0, 1)) && f.deliver((1, 0)));
    f.transmit();
    assert_eq!(farewells(&f), [0, 0], "once is enough");
    f.run();
    assert_eq!((say_farewell(&mut f, 0), say_farewell(&mut f, 1)), (0, 0));
}

#[test]
fn a_node_that_does_not_answer_is_counted_until_it_is_lost() {
    let mut f = Fabric::new(3);
    f.stuck.push((2, 1));
    assert_eq!(say_farewell(&mut f, 1), 2);
    f.run();
    assert_eq!(say_farewell(&mut f, 1), 1);
    f.cut(1, 2);
    assert_eq!(say_farewell(&mut f, 1), 0);
}

/// Three nodes under load, of which the second goes.
struct Restart {
    f: Fabric,
    dice: Dice,
    senders: [(usize, Client); 2],
    /// Those of the node that goes come first.
    handlers: Vec<(usize, Client)>,
    asked: u64,
    /// The outcomes of each request.
    ended: BTreeMap<u64, Vec<String>>,
    goes: bool,
}

const GOES: usize = 1;

impl Restart {
    fn new(seed: u64) -> Self {
        let mut f = Fabric::new(3);
        let senders = [0, 2].map(|node| (node, f.nodes[node].open("alice")));
        let handlers = [GOES, GOES, 2].map(|node| (node, f.nodes[node].open("bob"))).to_vec();
        for (node, handler) in &handlers {
            f.nodes[*node].register(handler, "a", &[]);
        }
        f.run();
        let (asked, ended) = (0, BTreeMap::new());
        Self { f, dice: Dice(seed), senders, handlers, asked, ended, goes: false }
    }

    fn step(&mut self) {
        self.f.transmit();
        match self.dice.below(8) {
            0..=2 => self.ask(),
            3 => self.answer(),
            _ => {
                let ways = self.f.pairs();
                let way = ways[self.dice.below(ways.len())];
                self.f.deliver(way);
            }
        }
        self.read();
    }

    fn ask(&mut self) {
        let (node, sender) = self.senders[self.dice.below(2)].clone();
        let world = &mut self.f.nodes[node];
        self.asked += 1;
        match self.dice.below(3) {
            0 => {
                let client = 1 + self.dice.below(2) as u64;
                let to = SessionId { server: node_id(GOES).0, client };
                world.send_to_session(&sender, self.asked, to);
            }
            1 => world.send_to_filter(&sender, self.asked, "$Principal is 'bob'"),
            _ => world.send_to_path(&sender, self.asked, "a"),
        }
    }

    fn answer(&mut self) {
        for (node, handler) in &self.handlers {
            for received in handler.received() {
                if let Received::Request { service, conversation, .. } = received
                    && matches!(service, Service::MessagingSend | Service::MessagingReceiverClient)
                {
                    self.f.nodes[*node].respond(handler, conversation, &hello());
                }
            }
        }
    }

    fn read(&mut self) {
        for (_, sender) in &self.senders {
            for received in sender.received() {
                let (conversation, outcome) = match received {
                    Received::Response { conversation, .. } => (conversation, String::new()),
                    Received::Error { conversation, text, .. } => (conversation, text),
                    Received::Request { body, .. } => (0, String::from_utf8_lossy(&body).into()),
                    other => panic!("{other:?}"),
                };
                assert!(!outcome.contains("may have been executed"), "{outcome}");
                self.ended.entry(conversation).or_default().push(outcome);
            }
        }
    }

    /// The node drains, says farewell, and is cut off as soon as it may go.
    fn go(&mut self) {
        let World { broker, outbox, .. } = &mut self.f.nodes[GOES];
        if broker.drain(1, outbox).sessions > 0 {
            return;
        }
        let silent = broker.say_farewell(outbox);
        self.f.transmit();
        // It has no mail, and all that it has sent has arrived.
        let has_settled = |to| {
            let on_its_way = self.f.ways.get(&(GOES, to)).is_some_and(|way| !way.is_empty());
            !on_its_way && !self.f.link(GOES, to).has_mail()
        };
        if silent == 0 && has_settled(0) && has_settled(2) {
            self.f.cut(0, GOES);
            self.f.cut(2, GOES);
            self.goes = false;
        }
    }
}

#[test]
fn nothing_is_lost_that_was_sent_to_a_node_while_it_went() {
    let (mut offered_again, mut refused) = (0, 0);
    for seed in 0..300 {
        let mut run = Restart::new(seed);
        (0..50).for_each(|_| run.step());
        run.goes = true;
        while run.goes {
            run.step();
            run.go();
        }
        (0..20).for_each(|_| run.step());
        for _ in 0..10 {
            run.f.run();
            run.answer();
            run.read();
        }
        for number in 1..=run.asked {
            assert_eq!(run.ended.get(&number).map(Vec::len), Some(1), "{number} of seed {seed}");
        }
        refused += run.ended.values().flatten().filter(|text| text.contains("no session")).count();
        for node in [0, 2] {
            let ledger = run.f.nodes[node].broker.stats().ledger;
            offered_again += ledger.accepted(crate::Kind::Rerouted);
        }
    }
    assert!(offered_again > 300 && refused > 300, "{offered_again} {refused}");
}

/// Whoever has looked at the link before the farewell came must not use it afterwards.
#[test]
fn behind_a_farewell_there_is_no_request_whichever_thread_sends_it() {
    for _ in 0..20 {
        let mut f = Fabric::new(2);
        let handler = f.nodes[1].open("bob");
        f.nodes[1].register(&handler, "a", &[]);
        f.run();
        assert_eq!(say_farewell(&mut f, 1), 1);
        f.transmit();
        let (link, broker) = (f.link(0, 1).clone(), f.nodes[0].broker.clone());
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut world = World::new();
                    world.broker = broker.clone();
                    let sender = world.open("alice");
                    let mut conversation = 0;
                    while !stop.load(Relaxed) {
                        conversation += 1;
                        world.send_to_path(&sender, conversation, "a");
                        world.send_to_session(&sender, conversation, handler.id());
                        sender.received();
                    }
                    // Its requests are not answered.
                    std::mem::forget(world);
                });
            }
            while link.in_flight() < 50 {
                thread::yield_now();
            }
            f.deliver((1, 0));
            stop.store(true, Relaxed);
        });
        // It is in the outbox of one of the threads.
        f.transmit_over((0, 1));
        let calls = calls(&f, (0, 1));
        let farewell = calls.iter().position(|(service, _)| *service == NodeService::Farewell);
        let (before, behind) = calls.split_at(farewell.unwrap());
        assert!(before.len() >= 50);
        assert!(behind.iter().all(|(_, is_answered)| !is_answered), "{behind:?}");
        std::mem::forget(f);
    }
}
