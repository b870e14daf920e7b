//! What is known of the other nodes, for people.

use std::sync::atomic::Ordering::Relaxed;

use antiphon_wire::ids::NodeId;

use crate::broker::Broker;
use crate::session::Session;

/// What is known of another node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStatus {
    /// Which node.
    pub node: NodeId,
    /// The version of its software, once it is known.
    pub version: String,
    /// Its `$ServerName`, once it is known.
    pub name: String,
    /// Whether the link is up.
    pub state: LinkState,
    /// Its open sessions, as it said last.
    pub sessions: u64,
    /// Its handlers.
    pub handlers: u64,
    /// What it has yet to answer to this node.
    pub in_flight: u32,
    /// Bytes that wait for it.
    pub queued_bytes: usize,
    /// Whether the link takes no more bytes at the moment.
    pub is_blocked: bool,
}

/// The state of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkState {
    /// The other node has not answered yet.
    Greeting,
    /// It has, and tells of its handlers.
    Learning,
    /// All is known.
    Up,
    /// It is about to stop.
    Leaving,
}

impl<X> Broker<X> {
    /// The other nodes that this one has links to, in the order of their ids.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeStatus> {
        self.links().iter().filter_map(|link| self.status(link)).collect()
    }

    fn status(&self, link: &Session<X>) -> Option<NodeStatus> {
        let peer = link.peer.as_ref()?;
        let (version, name) = peer.introduction.lock().clone();
        let (handlers, is_whole) = peer.table.lock().summary();
        let (queued_bytes, is_blocked) = link.queue();
        let state = match peer.is_established() {
            false => LinkState::Greeting,
            true if peer.is_leaving.load(Relaxed) => LinkState::Leaving,
            true if is_whole => LinkState::Up,
            true => LinkState::Learning,
        };
        let (node, sessions) = (link.node(), peer.sessions.load(Relaxed));
        let in_flight = link.in_flight();
        Some(NodeStatus {
            node,
            version,
            name,
            state,
            sessions,
            handlers,
            in_flight,
            queued_bytes,
            is_blocked,
        })
    }
}
