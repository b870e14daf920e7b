//! The fabric as it is used, between sessions of Zenoh in this process.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;
use std::time::Instant;

use antiphon_wire::ids::NodeId;

use crate::cluster::fabric::Events;
use crate::cluster::fabric::Fabric;
use crate::cluster::fabric::Peer;
use crate::cluster::outbound::LARGEST_PIECE;
use crate::cluster::outbound::MOST_UNDERWAY;
use crate::cluster::outbound::MOST_UNTOLD;
use crate::cluster::zenoh::Zenoh;
use crate::config::ClusterConfig;

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Here(Peer),
    Gone(Peer),
    Frame(Peer, Vec<u8>),
}

struct Recorder(mpsc::Sender<Told>);

impl Events for Recorder {
    fn here(&self, peer: Peer) {
        let _ = self.0.send(Told::Here(peer));
    }

    fn gone(&self, peer: Peer) {
        let _ = self.0.send(Told::Gone(peer));
    }

    fn received(&self, from: Peer, frame: &[u8]) {
        let _ = self.0.send(Told::Frame(from, frame.to_vec()));
    }
}

struct Node {
    zenoh: Zenoh,
    own: Peer,
    told: mpsc::Receiver<Told>,
}

impl Node {
    async fn start(number: u64, config: &ClusterConfig) -> Self {
        let own = Peer { node: NodeId(number), incarnation: 1_000 + number };
        let (sender, told) = mpsc::channel();
        let mut zenoh = Zenoh::open(config, own, Arc::new(Recorder(sender))).await.unwrap();
        zenoh.announce().await.unwrap();
        Self { zenoh, own, told }
    }

    /// What it is told next of others.
    fn next(&self) -> Told {
        loop {
            match self.told.recv_timeout(Duration::from_secs(30)).unwrap() {
                Told::Here(peer) if peer == self.own => {}
                told => return told,
            }
        }
    }
}

fn alone() -> ClusterConfig {
    ClusterConfig { listen: vec!["127.0.0.1:0".to_owned()], ..ClusterConfig::default() }
}

fn beside(node: &Node) -> ClusterConfig {
    ClusterConfig { seeds: node.zenoh.addresses().to_vec(), ..alone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_find_each_other_through_one_seed_and_miss_whoever_leaves() {
    let a = Node::start(1, &alone()).await;
    let b = Node::start(2, &beside(&a)).await;
    assert_eq!((a.next(), b.next()), (Told::Here(b.own), Told::Here(a.own)));
    let c = Node::start(3, &beside(&a)).await;
    assert_eq!((a.next(), b.next()), (Told::Here(c.own), Told::Here(c.own)));
    let mut seen = [c.next(), c.next()];
    seen.sort_by_key(|told| format!("{told:?}"));
    assert_eq!(seen, [Told::Here(a.own), Told::Here(b.own)]);
    b.zenoh.leave().await;
    assert_eq!((a.next(), c.next()), (Told::Gone(b.own), Told::Gone(b.own)));
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_arrive_in_order_and_only_where_they_belong() {
    let a = Node::start(1, &alone()).await;
    let b = Node::start(2, &beside(&a)).await;
    let c = Node::start(3, &beside(&a)).await;
    for node in [&a, &b, &c] {
        assert!(matches!((node.next(), node.next()), (Told::Here(_), Told::Here(_))));
    }
    let way = a.zenoh.way(b.own).await.unwrap();
    for number in 0..2_000_u32 {
        let length = if number % 100 == 0 { 60_000 } else { number as usize % 50 };
        way.send([&number.to_le_bytes()[..], &vec![7; length]].concat()).unwrap();
    }
    for number in 0..2_000_u32 {
        let Told::Frame(from, frame) = b.next() else { panic!("no frame") };
        assert_eq!((from, &frame[..4]), (a.own, &number.to_le_bytes()[..]));
    }
    assert!(c.told.try_iter().all(|told| told == Told::Here(c.own)));
}

#[tokio::test(flavor = "multi_thread")]
async fn clusters_of_other_names_do_not_mix() {
    let a = Node::start(1, &alone()).await;
    let other = ClusterConfig { name: "other".to_owned(), ..beside(&a) };
    let b = Node::start(2, &other).await;
    let c = Node::start(3, &beside(&a)).await;
    assert_eq!((a.next(), c.next()), (Told::Here(c.own), Told::Here(a.own)));
    assert!(b.told.try_iter().all(|told| told == Told::Here(b.own)));
}

/// Its callback is what reads, so while that waits nothing is read.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_node_that_reads_nothing_as_long_as_the_window_is_kept() {
    let a = Node::start(1, &alone()).await;
    for length in [100, 33_000, LARGEST_PIECE + 34] {
        let (release, held) = mpsc::channel::<()>();
        let own = Peer { node: NodeId(length as u64), incarnation: 1 };
        let stuck = Arc::new(Stuck(parking_lot::Mutex::new(held)));
        let mut b = Zenoh::open(&beside(&a), own, stuck).await.unwrap();
        b.announce().await.unwrap();
        while a.next() != Told::Here(own) {}
        let way = a.zenoh.way(own).await.unwrap();
        let began = Instant::now();
        // More than a socket takes besides would only be more to be read.
        for _ in 0..MOST_UNDERWAY + MOST_UNDERWAY.div_ceil(MOST_UNTOLD as usize) {
            way.send(vec![0; length]).unwrap();
        }
        assert!(began.elapsed() < Duration::from_secs(2), "it waited");
        drop(release);
        b.leave().await;
    }
}

struct Stuck(parking_lot::Mutex<mpsc::Receiver<()>>);

impl Events for Stuck {
    fn here(&self, _: Peer) {}

    fn gone(&self, _: Peer) {}

    fn received(&self, _: Peer, _: &[u8]) {
        let _ = self.0.lock().recv();
    }
}
