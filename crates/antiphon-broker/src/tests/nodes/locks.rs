//! Session locks have one holder in the whole cluster.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use antiphon_wire::codec::Decode;
use antiphon_wire::ids::SessionId;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::locks::AcquireLock;
use antiphon_wire::service::locks::CancelAcquireLock;
use antiphon_wire::service::locks::GetSessionLock;
use antiphon_wire::service::locks::HeldLock;
use antiphon_wire::service::locks::LockDetails;
use antiphon_wire::service::locks::LockScope;

use crate::BrokerConfig;
use crate::tests::nodes::fabric::Fabric;
use crate::tests::world::Client;
use crate::tests::world::Received;
use crate::tests::world::assert_quiet;
use crate::tests::world::response;

/// A session on each node.
fn clients(count: usize) -> (Fabric, Vec<Client>) {
    let mut f = Fabric::new(count);
    let clients = (0..count).map(|node| f.nodes[node].open("alice")).collect();
    f.run();
    (f, clients)
}

fn acquire(f: &mut Fabric, (node, client): (usize, &Client), name: &str) {
    let body = AcquireLock { name, request: 5, scope: LockScope::Session };
    f.nodes[node].ask(client, Service::AcquireSessionLock, 5, &body);
    f.run();
}

fn release(f: &mut Fabric, (node, client): (usize, &Client), name: &str, sequence: u64) {
    let body = HeldLock { name, sequence, scope: LockScope::Session };
    f.nodes[node].ask(client, Service::ReleaseSessionLock, 6, &body);
    assert_eq!(client.received(), [response(6, &true)]);
    f.run();
}

/// The grant, if that is all that was received.
fn granted(client: &Client) -> Option<u64> {
    match &client.received()[..] {
        [] => None,
        [Received::Response { conversation: 5, body }] => {
            Some(HeldLock::decode_all(body).unwrap().sequence)
        }
        other => panic!("{other:?}"),
    }
}

const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

#[test]
fn a_lock_goes_from_node_to_node_in_the_order_in_which_they_asked() {
    // Names enough that each node manages some of them.
    for name in NAMES {
        let (mut f, clients) = clients(3);
        let mut last = 0;
        for order in [[0, 1, 2], [2, 0, 1]] {
            for node in order {
                acquire(&mut f, (node, &clients[node]), name);
            }
            for (at, node) in order.into_iter().enumerate() {
                let sequence = granted(&clients[node]).unwrap();
                assert!(sequence > last, "{sequence} after {last}");
                last = sequence;
                for other in &order[at + 1..] {
                    assert_eq!(granted(&clients[*other]), None);
                }
                release(&mut f, (node, &clients[node]), name, sequence);
            }
        }
        assert_quiet(&clients.iter().collect::<Vec<_>>());
    }
}

#[test]
fn sessions_of_one_node_do_not_keep_a_lock_among_themselves() {
    let (mut f, clients) = clients(2);
    let second = f.nodes[0].open("bob");
    acquire(&mut f, (0, &clients[0]), "a");
    acquire(&mut f, (0, &second), "a");
    acquire(&mut f, (1, &clients[1]), "a");
    let first = granted(&clients[0]).unwrap();
    release(&mut f, (0, &clients[0]), "a", first);
    acquire(&mut f, (0, &clients[0]), "a");
    let then = granted(&second).unwrap();
    release(&mut f, (0, &second), "a", then);
    let then = granted(&clients[1]).expect("the other node is next");
    assert_eq!(granted(&clients[0]), None);
    release(&mut f, (1, &clients[1]), "a", then);
    assert!(granted(&clients[0]).is_some());
}

#[test]
fn a_wait_that_is_given_up_is_not_granted_on_any_node() {
    let (mut f, clients) = clients(2);
    for name in NAMES {
        acquire(&mut f, (0, &clients[0]), name);
        let sequence = granted(&clients[0]).unwrap();
        acquire(&mut f, (1, &clients[1]), name);
        let cancel = CancelAcquireLock { name, request: 5 };
        f.nodes[1].ask(&clients[1], Service::CancelAcquireSessionLock, 7, &cancel);
        // The release crosses it.
        release(&mut f, (0, &clients[0]), name, sequence);
        assert_eq!(clients[1].received().len(), 2);
        acquire(&mut f, (0, &clients[0]), name);
        assert!(granted(&clients[0]).is_some());
    }
}

#[test]
fn a_session_that_ends_gives_up_its_locks_to_other_nodes() {
    let (mut f, clients) = clients(2);
    acquire(&mut f, (0, &clients[0]), "a");
    acquire(&mut f, (1, &clients[1]), "a");
    f.nodes[0].close(&clients[0], CloseReason::ConnectionLost);
    f.run();
    assert!(granted(&clients[1]).is_some());
}

#[test]
fn what_a_lost_node_held_is_free_and_what_it_managed_has_another_manager() {
    for name in NAMES {
        let (mut f, clients) = clients(3);
        let second = f.nodes[1].open("bob");
        acquire(&mut f, (0, &clients[0]), name);
        granted(&clients[0]).unwrap();
        acquire(&mut f, (1, &clients[1]), name);
        acquire(&mut f, (1, &second), name);
        f.cut(0, 1);
        assert_eq!(granted(&clients[1]), None, "node 2 still knows the holder");
        f.cut(0, 2);
        f.run();
        let sequence = granted(&clients[1]).unwrap();
        release(&mut f, (1, &clients[1]), name, sequence);
        assert!(granted(&second).unwrap() > sequence);
    }
}

#[test]
fn each_side_of_a_partition_grants_and_afterwards_both_holders_count() {
    let (mut f, clients) = clients(2);
    acquire(&mut f, (0, &clients[0]), "a");
    let one = granted(&clients[0]).unwrap();
    f.cut(0, 1);
    acquire(&mut f, (1, &clients[1]), "a");
    let other = granted(&clients[1]).unwrap();
    assert_ne!(one, other);
    f.heal(0, 1);
    let third = f.nodes[0].open("carol");
    acquire(&mut f, (0, &third), "a");
    release(&mut f, (0, &clients[0]), "a", one);
    assert_eq!(granted(&third), None);
    release(&mut f, (1, &clients[1]), "a", other);
    assert!(granted(&third).unwrap() > one.max(other));
    f.assert_up();
}

#[test]
fn holders_are_told_wherever_they_are() {
    let (mut f, clients) = clients(3);
    for (node, name) in [(0, "a"), (1, "b"), (2, "c")] {
        acquire(&mut f, (node, &clients[node]), name);
    }
    acquire(&mut f, (0, &clients[0]), "c");
    let sequences: Vec<_> = clients.iter().skip(1).map(|client| granted(client).unwrap()).collect();
    let own = clients[0].received();
    let [Received::Response { body, .. }] = &own[..] else { panic!("{own:?}") };
    let own = HeldLock::decode_all(body).unwrap().sequence;
    let details = |node: usize, server, sequence| LockDetails {
        server,
        holder: clients[node].id(),
        sequence,
    };
    for (name, expected) in [
        ("a", Some(details(0, "node 0", own))),
        ("c", Some(details(2, "node 2", sequences[1]))),
        ("d", None),
    ] {
        let body = GetSessionLock { name };
        f.nodes[0].ask(&clients[0], Service::GetSessionLock, 8, &body);
        f.run();
        assert_eq!(clients[0].received(), [response(8, &expected)]);
    }
    f.nodes[0].ask(&clients[0], Service::GetSessionLocks, 9, &crate::batch::Void);
    f.run();
    let all = vec![
        ("a", details(0, "node 0", own)),
        ("b", details(1, "node 1", sequences[0])),
        ("c", details(2, "node 2", sequences[1])),
    ];
    assert_eq!(clients[0].received(), [response(9, &all)]);
}

/// Sessions that acquire and release while links begin anew and nodes are started again, but none is taken for lost.
struct Simulation {
    f: Fabric,
    dice: crate::tests::nodes::simulation::Dice,
    people: Vec<(usize, Client)>,
    /// Who holds what, by which grant.
    held: BTreeMap<&'static str, (SessionId, u64)>,
    waiting: BTreeSet<(SessionId, &'static str)>,
    last: BTreeMap<&'static str, u64>,
    granted: u64,
}

const CONTENDED: [&str; 3] = ["a", "b", "c"];

impl Simulation {
    fn step(&mut self) {
        match self.dice.below(20) {
            0..=4 => self.acquire(),
            5..=8 => self.release(),
            9..=14 => {
                self.f.transmit();
                let ways = self.f.pairs();
                self.f.deliver(ways[self.dice.below(ways.len())]);
            }
            15 => self.f.run(),
            16 => {
                self.f.transmit();
                let ways = self.f.pairs();
                let way = ways[self.dice.below(ways.len())];
                if let Some(queue) = self.f.ways.get_mut(&way) {
                    queue.pop_front();
                }
            }
            17 => self.f.nodes.iter_mut().for_each(|world| world.advance(300)),
            18 if self.dice.below(3) == 0 => self.kill(),
            _ => self.cancel(),
        }
        self.read();
    }

    fn somebody(&mut self) -> (usize, Client) {
        self.people[self.dice.below(self.people.len())].clone()
    }

    fn acquire(&mut self) {
        let (node, client) = self.somebody();
        let name = CONTENDED[self.dice.below(CONTENDED.len())];
        let holds = self.held.get(name).is_some_and(|(holder, _)| *holder == client.id());
        if holds || !self.waiting.insert((client.id(), name)) {
            return;
        }
        let body = AcquireLock { name, request: 5, scope: LockScope::Session };
        self.f.nodes[node].ask(&client, Service::AcquireSessionLock, 5, &body);
    }

    fn release(&mut self) {
        let (node, client) = self.somebody();
        let own = self.held.iter().find(|(_, (holder, _))| *holder == client.id());
        let Some((name, (_, sequence))) = own.map(|(name, held)| (*name, *held)) else { return };
        self.held.remove(name);
        let body = HeldLock { name, sequence, scope: LockScope::Session };
        self.f.nodes[node].ask(&client, Service::ReleaseSessionLock, 6, &body);
    }

    fn cancel(&mut self) {
        let (node, client) = self.somebody();
        let name = CONTENDED[self.dice.below(CONTENDED.len())];
        self.read();
        if self.waiting.remove(&(client.id(), name)) {
            let cancel = CancelAcquireLock { name, request: 5 };
            self.f.nodes[node].ask(&client, Service::CancelAcquireSessionLock, 7, &cancel);
        }
    }

    fn kill(&mut self) {
        // What all who knew it have taken with them nobody knows: one is killed at a time.
        self.f.advance(600);
        self.f.advance(600);
        self.read();
        let node = self.dice.below(3);
        for (at, client) in &mut self.people {
            if *at == node {
                let gone = client.id();
                self.held.retain(|_, (holder, _)| *holder != gone);
                self.waiting.retain(|(waiting, _)| *waiting != gone);
            }
        }
        self.f.restart(node);
        for (at, client) in &mut self.people {
            if *at == node {
                *client = self.f.nodes[node].open("alice");
            }
        }
    }

    fn read(&mut self) {
        for (_, client) in self.people.clone() {
            for received in client.received() {
                let Received::Response { conversation: 5, body } = received else { continue };
                let held = HeldLock::decode_all(&body).unwrap();
                let name = CONTENDED.into_iter().find(|name| *name == held.name).unwrap();
                assert!(self.waiting.remove(&(client.id(), name)), "{name} was not asked for");
                let before = self.held.insert(name, (client.id(), held.sequence));
                assert_eq!(before, None, "{name} has two holders");
                let last = self.last.insert(name, held.sequence).unwrap_or(0);
                assert!(held.sequence > last, "{} follows {last}", held.sequence);
                self.granted += 1;
            }
        }
    }

    /// Nothing is lost any more: everybody gets what he waits for.
    fn settle(&mut self) {
        for _ in 0..200 {
            self.f.advance(600);
            self.read();
            if self.waiting.is_empty() {
                return;
            }
            for (name, (holder, sequence)) in std::mem::take(&mut self.held) {
                let (node, client) =
                    self.people.iter().find(|(_, client)| client.id() == holder).cloned().unwrap();
                let body = HeldLock { name, sequence, scope: LockScope::Session };
                self.f.nodes[node].ask(&client, Service::ReleaseSessionLock, 6, &body);
            }
        }
        panic!("these wait for ever: {:?}", self.waiting);
    }
}

#[test]
fn while_no_node_is_lost_a_lock_has_one_holder_and_nobody_waits_for_ever() {
    let mut granted = 0;
    for seed in 0..300 {
        let run = std::panic::catch_unwind(|| {
            let ping_period = std::time::Duration::ZERO;
            let config = BrokerConfig { ping_period, ..BrokerConfig::default() };
            let mut simulation = Simulation {
                f: Fabric::with(3, &config),
                dice: crate::tests::nodes::simulation::Dice(seed),
                people: Vec::new(),
                held: BTreeMap::new(),
                waiting: BTreeSet::new(),
                last: BTreeMap::new(),
                granted: 0,
            };
            for node in [0, 0, 1, 1, 2, 2] {
                let client = simulation.f.nodes[node].open("alice");
                simulation.people.push((node, client));
            }
            (0..400).for_each(|_| simulation.step());
            simulation.settle();
            simulation.granted
        });
        granted += run.unwrap_or_else(|_| panic!("seed {seed}"));
    }
    assert!(granted > 5_000, "{granted}");
}
