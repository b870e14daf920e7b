//! The other nodes that are here, each with its link.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use antiphon_wire::ids::NodeId;
use parking_lot::RwLock;
use tracing::error;

use crate::cluster::fabric::Peer;
use crate::cluster::fabric::Way;
use crate::cluster::link::Link;
use crate::cluster::outbound::Carried;
use crate::shared::Shared;

/// The links.
#[derive(Default)]
pub(crate) struct Members {
    links: RwLock<BTreeMap<NodeId, Arc<Link>>>,
    ended: AtomicU64,
}

impl Members {
    /// A node is here. A former run of it is not.
    pub(crate) fn admit(&self, peer: Peer, way: Arc<dyn Way>, shared: &Shared) {
        let mut links = self.links.write();
        let former = links.remove(&peer.node);
        // With the lock held, so that the node's first answer finds it.
        match Link::new(peer, way, shared) {
            Ok(link) => drop(links.insert(peer.node, Arc::new(link))),
            Err(problem) => {
                error!(%problem, "no link to a node: the system gives no random numbers")
            }
        }
        drop(links);
        self.end(former, shared);
    }

    /// A node is gone.
    pub(crate) fn remove(&self, peer: Peer, shared: &Shared) {
        let mut links = self.links.write();
        let is_present = links.get(&peer.node).is_some_and(|link| link.peer() == peer);
        let link = if is_present { links.remove(&peer.node) } else { None };
        drop(links);
        self.end(link, shared);
    }

    /// All are, for this one.
    pub(crate) fn clear(&self, shared: &Shared) {
        let links = std::mem::take(&mut *self.links.write());
        self.end(links.into_values(), shared);
    }

    fn end(&self, links: impl IntoIterator<Item = Arc<Link>>, shared: &Shared) {
        for link in links {
            self.ended.fetch_add(1, Relaxed);
            link.end(shared);
        }
    }

    /// How many links have ended.
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Relaxed)
    }

    /// Serves a frame. One of a node that is not known is lost, and made good by the next greeting.
    pub(crate) fn receive(&self, from: Peer, frame: &[u8], shared: &Shared) {
        let link =
            self.links.read().get(&from.node).filter(|link| link.peer() == from).map(Arc::clone);
        if let Some(link) = link {
            link.receive(frame, shared);
        }
    }

    /// Whether all that was to be told has arrived everywhere.
    pub(crate) fn have_settled(&self) -> bool {
        self.links.read().values().all(|link| link.has_settled())
    }

    /// What each link has carried.
    pub(crate) fn carried(&self) -> BTreeMap<NodeId, Carried> {
        self.links.read().iter().map(|(node, link)| (*node, link.carried())).collect()
    }
}
