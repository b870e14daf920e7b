//! Brokers, the links between them, and what is on its way.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use antiphon_wire::ids::NodeId;

use crate::Broken;
use crate::BrokerConfig;
use crate::Connection;
use crate::Flush;
use crate::LinkState;
use crate::NodeStatus;
use crate::Session;
use crate::Spare;
use crate::tests::world::World;

/// Nodes by number, from 0; the id of each is one hundred more.
pub(crate) struct Fabric {
    pub(crate) nodes: Vec<World>,
    /// From the first to the second.
    links: BTreeMap<(usize, usize), Arc<Session<()>>>,
    /// What is on its way.
    pub(crate) ways: BTreeMap<(usize, usize), VecDeque<Vec<u8>>>,
    /// Whose links take nothing.
    pub(crate) stuck: Vec<(usize, usize)>,
    pub(crate) broken: Vec<Broken>,
    config: BrokerConfig,
    incarnations: u64,
}

pub(crate) fn node_id(node: usize) -> NodeId {
    NodeId(100 + node as u64)
}

impl Fabric {
    /// So many nodes, all linked.
    pub(crate) fn new(count: usize) -> Self {
        Self::with(count, &BrokerConfig::default())
    }

    pub(crate) fn with(count: usize, config: &BrokerConfig) -> Self {
        let mut fabric = Self {
            nodes: Vec::new(),
            links: BTreeMap::new(),
            ways: BTreeMap::new(),
            stuck: Vec::new(),
            broken: Vec::new(),
            config: config.clone(),
            incarnations: 1_000,
        };
        for node in 0..count {
            fabric.nodes.push(Self::node(node, config));
        }
        for (from, to) in fabric.pairs() {
            fabric.join(from, to);
        }
        fabric.run();
        fabric
    }

    fn node(node: usize, config: &BrokerConfig) -> World {
        let server_name = format!("node {node}");
        World::with(BrokerConfig { node: node_id(node), server_name, ..config.clone() })
    }

    pub(crate) fn pairs(&self) -> Vec<(usize, usize)> {
        let all = 0..self.nodes.len();
        all.clone()
            .flat_map(|from| all.clone().map(move |to| (from, to)))
            .filter(|(from, to)| from != to)
            .collect()
    }

    /// A node is there from the beginning of its life.
    pub(crate) fn add(&mut self, config: &BrokerConfig) -> usize {
        let node = self.nodes.len();
        self.nodes.push(Self::node(node, config));
        for other in 0..node {
            self.join(other, node);
            self.join(node, other);
        }
        self.run();
        node
    }

    pub(crate) fn join(&mut self, from: usize, to: usize) {
        self.incarnations += 1_000;
        let world = &mut self.nodes[from];
        let (now, outbox) = (world.now, &mut world.outbox);
        let link = world.broker.join((node_id(to), self.incarnations), (), now, outbox);
        self.links.insert((from, to), link);
    }

    /// One node learns that the other is lost; what is on its way to it is lost too.
    pub(crate) fn part(&mut self, from: usize, to: usize) {
        let Some(link) = self.links.remove(&(from, to)) else { return };
        self.ways.remove(&(from, to));
        let world = &mut self.nodes[from];
        world.broker.part(&link, &mut world.outbox);
    }

    /// Both learn that the other is lost.
    pub(crate) fn cut(&mut self, one: usize, other: usize) {
        self.part(one, other);
        self.part(other, one);
    }

    pub(crate) fn heal(&mut self, one: usize, other: usize) {
        self.join(one, other);
        self.join(other, one);
        self.run();
    }

    /// A node is killed and started again. Nobody has noticed yet.
    pub(crate) fn restart(&mut self, node: usize) {
        let mut fresh = Self::node(node, &self.config);
        fresh.now = self.nodes[node].now;
        self.nodes[node] = fresh;
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            self.links.remove(&(node, other));
            self.ways.remove(&(node, other));
            self.join(node, other);
        }
    }

    /// A way that took nothing takes all again.
    pub(crate) fn release(&mut self, way: (usize, usize)) {
        self.stuck.retain(|stuck| *stuck != way);
        if let Some(link) = self.links.get(&way) {
            // The connection that is blocked is the present one, whichever it is.
            (0..100).for_each(|connection| link.unblock(Connection(connection)));
            link.touch(&mut self.nodes[way.0].outbox);
        }
    }

    pub(crate) fn has_link(&self, from: usize, to: usize) -> bool {
        self.links.contains_key(&(from, to))
    }

    pub(crate) fn link(&self, from: usize, to: usize) -> &Arc<Session<()>> {
        &self.links[&(from, to)]
    }

    /// Writes what the outboxes name.
    pub(crate) fn transmit(&mut self) {
        for node in 0..self.nodes.len() {
            let World { broker, outbox, .. } = &mut self.nodes[node];
            while broker.clear(outbox) {}
            let touched: Vec<_> = outbox.touched.drain(..).collect();
            for link in touched.iter().filter(|session| session.is_link()) {
                let to = (link.node().0 - 100) as usize;
                if self.links.get(&(node, to)).is_some_and(|present| Arc::ptr_eq(present, link)) {
                    self.transmit_over((node, to));
                }
            }
        }
    }

    fn transmit_over(&mut self, way: (usize, usize)) {
        let queue = self.ways.entry(way).or_default();
        let is_stuck = self.stuck.contains(&way);
        let written = self.links[&way].transmit(&mut Spare::default(), |_, header, bytes| {
            if is_stuck {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            queue.push_back([header, bytes].concat());
            Ok(())
        });
        assert!(matches!(written, Flush::Done | Flush::Blocked), "{written:?}");
    }

    /// Hands over the first transmission of a way.
    pub(crate) fn deliver(&mut self, (from, to): (usize, usize)) -> bool {
        let bytes = self.ways.get_mut(&(from, to)).and_then(VecDeque::pop_front);
        let Some(bytes) = bytes else { return false };
        self.hand(from, to, &bytes);
        true
    }

    pub(crate) fn hand(&mut self, from: usize, to: usize, bytes: &[u8]) {
        // The link that leads back.
        let Some(link) = self.links.get(&(to, from)) else { return };
        let world = &mut self.nodes[to];
        let taken = world.broker.transmission(link, bytes, world.now, &mut world.outbox);
        self.broken.extend(taken.err());
    }

    /// Until nothing is on its way any more.
    pub(crate) fn run(&mut self) {
        for _ in 0..1_000 {
            self.transmit();
            let delivered = self.pairs().into_iter().filter(|way| self.deliver(*way)).count();
            if delivered == 0 {
                return;
            }
        }
        panic!("it never ends");
    }

    /// Lets time pass on all nodes, sweeps and runs.
    pub(crate) fn advance(&mut self, millis: u64) {
        self.nodes.iter_mut().for_each(|world| world.advance(millis));
        self.run();
    }

    pub(crate) fn statuses(&self, node: usize) -> Vec<NodeStatus> {
        self.nodes[node].broker.nodes()
    }

    /// All links that are there are up, and nothing has broken since this was asked last.
    #[track_caller]
    pub(crate) fn assert_up(&mut self) {
        for node in 0..self.nodes.len() {
            for status in self.statuses(node) {
                assert_eq!(status.state, LinkState::Up, "{status:?}");
            }
        }
        assert_eq!(std::mem::take(&mut self.broken), []);
    }
}
