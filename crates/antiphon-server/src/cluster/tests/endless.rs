//! A node that transmits without an end.

use std::sync::Arc;

use antiphon_broker::LinkState;
use antiphon_wire::ids::NodeId;
use antiphon_wire::node::Header;
use antiphon_wire::node::Kind;
use parking_lot::Mutex;

use crate::cluster::fabric::FabricError;
use crate::cluster::fabric::Peer;
use crate::cluster::fabric::Way;
use crate::cluster::frame::Frame;
use crate::cluster::frame::Piece;
use crate::cluster::frame::Receipt;
use crate::cluster::link::Link;
use crate::config::ClusterConfig;
use crate::config::Config;
use crate::operations::audit::Audit;
use crate::shared::Shared;
use crate::tls::Acceptors;

const MAILBOX: usize = 100_000;

/// What a link sends.
#[derive(Default)]
struct Wire(Mutex<Vec<Vec<u8>>>);

impl Way for Wire {
    fn send(&self, frame: Vec<u8>) -> Result<(), FabricError> {
        self.0.lock().push(frame);
        Ok(())
    }
}

impl Wire {
    /// The last greeting.
    fn greeting(&self) -> Header {
        let frames = self.0.lock();
        let pieces = frames.iter().filter_map(|frame| Frame::read(frame).unwrap().piece);
        let mut headers = pieces.map(|piece| Header::split(piece.bytes).unwrap().0);
        headers.rfind(|header| header.kind == Kind::Greeting).unwrap()
    }
}

/// The other end of a link.
struct End {
    shared: Shared,
    wire: Arc<Wire>,
    link: Link,
    sent: u64,
}

impl End {
    fn new() -> Self {
        let cluster = ClusterConfig { mailbox: MAILBOX, ..ClusterConfig::default() };
        let config = Config { cluster, ..Config::dev("127.0.0.1:0".parse().unwrap()) };
        let audit = Audit::start(None).unwrap();
        let shared = Shared::new(config, NodeId(1), (Acceptors::default(), audit)).unwrap();
        let (wire, peer) = (Arc::<Wire>::default(), Peer { node: NodeId(2), incarnation: 1 });
        let link = Link::new(peer, wire.clone(), &shared).unwrap();
        Self { shared, wire, link, sent: 0 }
    }

    fn send(&mut self, is_first: bool, is_last: bool, bytes: &[u8]) {
        let piece = Piece { from: 7, offset: self.sent, is_first, is_last, bytes };
        self.sent = piece.end();
        let frame = Frame { receipt: Receipt::default(), piece: Some(piece) };
        self.link.receive(&frame.bytes(), &self.shared);
    }

    fn greet(&mut self) {
        let to = self.wire.greeting().from;
        let greeting = Header { kind: Kind::Greeting, from: 5, to, sequence: 0 };
        self.send(true, true, &greeting.to_bytes());
    }

    fn state(&self) -> LinkState {
        self.shared.broker.nodes()[0].state
    }
}

#[test]
fn a_link_over_which_a_transmission_does_not_end_begins_anew() {
    let mut end = End::new();
    assert_eq!(end.state(), LinkState::Greeting);
    end.greet();
    assert_eq!(end.state(), LinkState::Learning);
    let before = end.wire.greeting();
    let piece = vec![0; MAILBOX / 2];
    end.send(true, false, &piece);
    (0..3).for_each(|_| end.send(false, false, &piece));
    assert_eq!(end.state(), LinkState::Learning, "two mailboxes are kept");
    end.send(false, false, b"x");
    assert_eq!(end.state(), LinkState::Greeting);
    assert_ne!(end.wire.greeting().from, before.from, "the other end has to begin anew too");
    // What follows is not kept either.
    (0..10).for_each(|_| end.send(false, false, &piece));
    assert_eq!(end.state(), LinkState::Greeting);
    end.greet();
    assert_eq!(end.state(), LinkState::Learning);
}
