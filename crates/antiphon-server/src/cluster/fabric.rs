//! What a cluster needs of whatever connects its nodes: to hear which nodes there are, and to send bytes to one of them. It
//! decides nothing, and who the nodes are and what the bytes mean is not its business.

use std::future::Future;
use std::sync::Arc;

use antiphon_wire::ids::NodeId;
use thiserror::Error;

/// One run of one node: a node that was started anew is another peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Peer {
    pub(crate) node: NodeId,
    /// When it started, in microseconds since 1970.
    pub(crate) incarnation: u64,
}

/// Connects this node with the others, for as long as it lives.
pub(crate) trait Fabric: Send + Sync + 'static {
    /// Tells the others that this node is here.
    fn announce(&mut self) -> impl Future<Output = Result<(), FabricError>> + Send;

    /// Where others can connect.
    fn addresses(&self) -> &[String];

    /// Whether there is a connection to another node, announced or not.
    fn is_connected(&self) -> impl Future<Output = bool> + Send;

    /// Makes a way to a node that is here.
    fn way(&self, to: Peer) -> impl Future<Output = Result<Arc<dyn Way>, FabricError>> + Send;

    /// Says farewell, so that others need not find out.
    fn leave(self) -> impl Future<Output = ()> + Send;
}

/// Where frames for one node go. They arrive whole and in order, or not at all.
pub(crate) trait Way: Send + Sync {
    /// Never waits, as long as no more than [`super::outbound::MOST_UNDERWAY`] pieces are on their way, and the receipts for as many.
    ///
    /// # Errors
    /// The node cannot be reached; that it is gone is told besides.
    fn send(&self, frame: Vec<u8>) -> Result<(), FabricError>;
}

/// What a fabric tells, from threads of its own.
pub(crate) trait Events: Send + Sync + 'static {
    /// A node is here, perhaps for some time already. Nodes come more than once, and this one too.
    fn here(&self, peer: Peer);

    /// It is not any more.
    fn gone(&self, peer: Peer);

    /// A frame of a peer, which may not be known to be here yet.
    fn received(&self, from: Peer, frame: &[u8]);
}

/// What a fabric says when it cannot do what it should.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub(crate) struct FabricError(pub(crate) String);
