//! Two nodes, and threads that do everything at once: nobody waits for ever, and all accounts balance.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::events::EventListener;
use antiphon_wire::service::locks::AcquireLock;
use antiphon_wire::service::locks::GetSessionLock;
use antiphon_wire::service::locks::LockScope;
use parking_lot::Mutex;

use crate::Broker;
use crate::BrokerConfig;
use crate::Millis;
use crate::Session;
use crate::Spare;
use crate::tests::nodes::fabric::node_id;
use crate::tests::nodes::simulation::Dice;
use crate::tests::world::Client;
use crate::tests::world::EVERYTHING;
use crate::tests::world::Received;
use crate::tests::world::World;
use crate::tests::world::assert_balanced;
use crate::tests::world::hello;

const THREADS: u64 = 3;
const ROUNDS: u64 = 1_000;

/// Two nodes by number; what is on its way from each.
struct Pair {
    brokers: [Arc<Broker<()>>; 2],
    links: [Arc<Session<()>>; 2],
    ways: [Mutex<VecDeque<Vec<u8>>>; 2],
    /// Held while transmissions of a way are handed over, so that they keep their order.
    readers: [Mutex<()>; 2],
    now: AtomicU64,
    lost: AtomicU64,
}

impl Pair {
    /// Does what a call has left to do, and what follows from that.
    fn carry_out(&self, node: usize, world: &mut World) {
        while let Some(session) = world.outbox.touched.pop() {
            if session.is_link() {
                self.transmit(node, &session);
                continue;
            }
            let client = Client { session };
            for received in client.received() {
                if let Received::Request { service, conversation, .. } = received
                    && matches!(service, Service::MessagingSend | Service::MessagingReceiverClient)
                {
                    world.respond(&client, conversation, &hello());
                }
            }
        }
        world.outbox.unheard.clear();
    }

    fn transmit(&self, node: usize, link: &Session<()>) {
        let mut spare = Spare::default();
        link.transmit(&mut spare, |_, header, bytes| {
            self.ways[node].lock().push_back([header, bytes].concat());
            Ok(())
        });
    }

    /// Hands over what comes from the other node; now and then something is lost.
    fn read(&self, node: usize, world: &mut World) {
        let Some(_reader) = self.readers[node].try_lock() else { return };
        for _ in 0..20 {
            let bytes = self.ways[1 - node].lock().pop_front();
            let Some(bytes) = bytes else { return };
            if self.lost.load(Relaxed) > 0 && bytes.len() % 97 == 13 {
                self.lost.fetch_sub(1, Relaxed);
                continue;
            }
            let link = &self.links[node];
            let _ = self.brokers[node].transmission(link, &bytes, world.now, &mut world.outbox);
            self.carry_out(node, world);
        }
    }

    fn work(&self, node: usize, seed: u64) {
        let (mut world, mut dice) = (self.world(node), Dice(seed));
        let mut client = world.open_as("ty=WB&v=29", "bob", EVERYTHING);
        for round in 0..ROUNDS {
            world.now = Millis(self.now.fetch_add(1, Relaxed));
            let path = ["a", "b", "c"][dice.below(3)];
            match dice.below(12) {
                0..=3 => world.send_to_path(&client, round, path),
                4 => world.ask_to_register(&client, path, &["$Principal"]),
                5 => world.deregister(&client, round, path),
                6 => world.send_to_filter(&client, round, "all"),
                7 => {
                    let (node, client_part) = (dice.below(2), 1 + dice.below(6) as u64);
                    let to = SessionId { server: node_id(node).0, client: client_part };
                    world.send_to_session(&client, round, to);
                }
                8 => {
                    let body =
                        AcquireLock { name: path, request: round, scope: LockScope::Session };
                    world.ask(&client, Service::AcquireSessionLock, round, &body);
                }
                9 => {
                    let body = EventListener {
                        cluster_aware: true,
                        filter: Some("all"),
                        keys: None,
                        after: None,
                        conversation: ConversationId(round),
                    };
                    world.ask(&client, Service::SessionEventRegistration, round, &body);
                    let body = GetSessionLock { name: path };
                    world.ask(&client, Service::GetSessionLock, round, &body);
                }
                10 => {
                    world.close(&client, CloseReason::ClosedByClient);
                    client = world.open_as("ty=WB&v=29", "bob", EVERYTHING);
                }
                _ => world.broker.sweep(world.now, &mut world.outbox),
            }
            self.carry_out(node, &mut world);
            self.read(node, &mut world);
        }
        world.close(&client, CloseReason::ClosedByClient);
        self.carry_out(node, &mut world);
        // Its broker is still at work, so that its account cannot be read yet.
        std::mem::forget(world);
    }

    fn world(&self, node: usize) -> World {
        let mut world = World::new();
        world.broker = self.brokers[node].clone();
        world
    }
}

fn pair() -> Pair {
    let config = |node| {
        let ping_period = std::time::Duration::ZERO;
        BrokerConfig { node: node_id(node), ping_period, ..BrokerConfig::default() }
    };
    let brokers = [0, 1].map(|node| Arc::new(Broker::new(config(node))));
    let mut outbox = crate::Outbox::default();
    let mut join = |node: usize| {
        let other = (node_id(1 - node), 1_000 * (node as u64 + 1));
        brokers[node].join(other, (), Millis(0), &mut outbox)
    };
    let links = [join(0), join(1)];
    let pair = Pair {
        links,
        brokers,
        ways: Default::default(),
        readers: Default::default(),
        now: AtomicU64::new(1_000),
        lost: AtomicU64::new(10),
    };
    (0..2).for_each(|node| pair.transmit(node, &pair.links[node]));
    pair
}

#[test]
fn threads_of_two_nodes_do_not_stop_each_other() {
    let pair = &pair();
    thread::scope(|scope| {
        for thread in 0..2 * THREADS {
            scope.spawn(move || pair.work((thread % 2) as usize, thread));
        }
    });
    // All that is still under way ends.
    pair.lost.store(0, Relaxed);
    let mut worlds = [pair.world(0), pair.world(1)];
    for _ in 0..60 {
        let now = Millis(pair.now.fetch_add(500, Relaxed));
        for (node, world) in worlds.iter_mut().enumerate() {
            world.now = now;
            world.broker.sweep(now, &mut world.outbox);
            pair.carry_out(node, world);
            for _ in 0..100 {
                pair.read(node, world);
            }
        }
    }
    for (broker, link) in pair.brokers.iter().zip(&pair.links) {
        assert_balanced(broker);
        assert_eq!(broker.stats().ledger.in_flight, 0);
        assert!(link.is_established());
    }
}
