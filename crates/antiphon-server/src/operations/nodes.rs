//! The nodes of the cluster as this one sees them, as JSON. What the names mean is written in `docs/cluster.md`.

use antiphon_broker::LinkState;
use antiphon_broker::NodeStatus;
use antiphon_wire::ids::NodeId;
use serde::Serialize;

use crate::cluster::outbound::Carried;
use crate::shared::Shared;

/// Everything that is known.
#[derive(Debug, Serialize)]
pub(super) struct Cluster {
    /// `null` if this server is alone.
    name: Option<String>,
    this: This,
    nodes: Vec<Node>,
}

#[derive(Debug, Serialize)]
struct This {
    node: String,
    name: String,
    version: &'static str,
    state: &'static str,
    sessions: u64,
    handlers: u64,
    in_flight: u64,
}

/// Another node, and the link to it.
#[derive(Debug, Serialize)]
pub(super) struct Node {
    pub(super) node: String,
    name: String,
    version: String,
    pub(super) link: &'static str,
    pub(super) sessions: u64,
    pub(super) handlers: u64,
    pub(super) in_flight: u64,
    pub(super) waiting_bytes: u64,
    pub(super) underway_bytes: u64,
    pub(super) blocked: bool,
    pub(super) sent_bytes: u64,
    pub(super) sent_transmissions: u64,
    pub(super) received_bytes: u64,
}

impl Cluster {
    pub(super) fn look(shared: &Shared) -> Self {
        let config = shared.config.load();
        let stats = shared.broker.stats();
        let this = This {
            node: shown(shared.node),
            name: config.server_name.clone(),
            version: env!("CARGO_PKG_VERSION"),
            state: shared.readiness.get().name(),
            sessions: stats.sessions as u64,
            handlers: shared.broker.path_figures().iter().map(|figures| figures.handlers).sum(),
            in_flight: stats.ledger.in_flight,
        };
        let name = config.cluster.is_on().then(|| config.cluster.name.clone());
        Self { name, this, nodes: nodes(shared) }
    }

    pub(super) fn json(&self) -> String {
        // Nothing in it can fail to be written.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

/// The other nodes.
pub(super) fn nodes(shared: &Shared) -> Vec<Node> {
    let carried = shared.cluster.carried();
    let node = |status: NodeStatus| {
        let carried = carried.get(&status.node).copied().unwrap_or_default();
        Node::of(status, carried)
    };
    shared.broker.nodes().into_iter().map(node).collect()
}

impl Node {
    fn of(status: NodeStatus, carried: Carried) -> Self {
        Self {
            node: shown(status.node),
            name: status.name,
            version: status.version,
            link: match status.state {
                LinkState::Greeting => "greeting",
                LinkState::Learning => "learning",
                LinkState::Up => "up",
                LinkState::Leaving => "leaving",
            },
            sessions: status.sessions,
            handlers: status.handlers,
            in_flight: status.in_flight.into(),
            waiting_bytes: status.queued_bytes as u64,
            underway_bytes: carried.underway_bytes,
            blocked: status.is_blocked || carried.is_blocked,
            sent_bytes: carried.sent_bytes,
            sent_transmissions: carried.transmissions,
            received_bytes: carried.received_bytes,
        }
    }
}

fn shown(node: NodeId) -> String {
    format!("{:016x}", node.0)
}
