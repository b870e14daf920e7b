//! Several servers, one system. What nodes tell each other and what follows from it the broker decides; here are the links
//! between them.
//!
//! | module | holds |
//! |---|---|
//! | `identity` | who this node is |
//! | `fabric` | what is needed of whatever connects nodes |
//! | `zenoh` | Zenoh, which does |
//! | `members` | the other nodes, each with its link |
//! | `link`, `inbound` | one link: what comes over it |
//! | `outbound` | what goes out over it, in bounds |
//! | `frame` | the bytes |
//! | `joining` | how a node finds the others, and when it is ready |

pub(crate) mod fabric;
mod frame;
pub(crate) mod identity;
mod inbound;
mod joining;
pub(crate) mod link;
pub(crate) mod members;
#[cfg(not(feature = "cluster"))]
mod nothing;
pub(crate) mod outbound;
#[cfg(feature = "cluster")]
mod zenoh;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::interval;
use tokio::time::timeout;
use tracing::error;
use tracing::info;
use tracing::warn;

use crate::cluster::fabric::Events;
use crate::cluster::fabric::Fabric;
use crate::cluster::fabric::Peer;
use crate::flush;
use crate::shared::Shared;

/// This node's part in the cluster. All links end when it is dropped.
pub(crate) struct Cluster<F: Fabric> {
    /// Present until it leaves.
    fabric: Option<F>,
    own: Peer,
    presences: UnboundedReceiver<Presence>,
    shared: Arc<Shared>,
    /// Another run of this node, which should not be there.
    twin: Option<Peer>,
}

/// Whether a node is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Here(Peer),
    Gone(Peer),
}

/// Where a fabric tells what it hears. Frames are served at once, on its own threads; nodes come and go in their order.
struct Ears {
    presences: UnboundedSender<Presence>,
    shared: Arc<Shared>,
}

impl Events for Ears {
    fn here(&self, peer: Peer) {
        // Nobody listens any more when it ends.
        let _ = self.presences.send(Presence::Here(peer));
    }

    fn gone(&self, peer: Peer) {
        let _ = self.presences.send(Presence::Gone(peer));
    }

    fn received(&self, from: Peer, frame: &[u8]) {
        self.shared.cluster.receive(from, frame, &self.shared);
    }
}

/// The membership of this node, if there are to be other nodes. It ends when it is dropped.
pub(crate) struct Membership(Option<(oneshot::Sender<()>, JoinSet<()>)>);

/// Finds the other nodes, if there are to be any, and follows them from then on.
///
/// # Errors
/// What the configuration names cannot be used, or another server is this node.
pub(crate) async fn join(shared: &Arc<Shared>) -> io::Result<Membership> {
    if !shared.config.load().cluster.is_on() {
        return Ok(Membership(None));
    }
    let mut cluster = open(shared).await?;
    cluster.introduce();
    cluster.join().await?;
    let (stop, stopped) = oneshot::channel();
    let mut following = JoinSet::new();
    following.spawn(cluster.follow(async {
        // Whichever way it ends.
        let _ = stopped.await;
    }));
    Ok(Membership(Some((stop, following))))
}

impl Membership {
    /// Says farewell to the other nodes. It goes when none of them sends anything any more that would have to be answered, and
    /// all have what was answered at last.
    pub(crate) async fn leave(self, shared: &Shared) {
        let Some((stop, mut following)) = self.0 else { return };
        let mut silent = 0;
        let parting = async {
            let mut looks = interval(BETWEEN_LOOKS);
            loop {
                looks.tick().await;
                silent = shared.broker.say_farewell(&mut flush::delivery());
                if silent == 0 && shared.cluster.have_settled() {
                    break;
                }
            }
        };
        if timeout(LONGEST_FAREWELL, parting).await.is_err() {
            warn!(nodes = silent, "left without an answer of other nodes to the farewell");
        }
        let _ = stop.send(());
        if timeout(LONGEST_FAREWELL, following.join_next()).await.is_err() {
            warn!("left the cluster without a farewell");
        }
    }
}

#[cfg(feature = "cluster")]
async fn open(shared: &Arc<Shared>) -> io::Result<Cluster<impl Fabric>> {
    let (ears, presences) = ears(shared);
    let config = shared.config.load().cluster.clone();
    let own = identity::run_of(shared.node);
    let opened = zenoh::Zenoh::open(&config, own, ears).await;
    let fabric = opened.map_err(|problem| io::Error::other(format!("no cluster: {problem}")))?;
    Ok(Cluster::new(fabric, own, presences, Arc::clone(shared)))
}

#[cfg(not(feature = "cluster"))]
async fn open(_shared: &Arc<Shared>) -> io::Result<Cluster<std::convert::Infallible>> {
    Err(io::Error::other("no cluster: this program was built without it"))
}

fn ears(shared: &Arc<Shared>) -> (Arc<Ears>, UnboundedReceiver<Presence>) {
    let (sender, presences) = unbounded_channel();
    (Arc::new(Ears { presences: sender, shared: Arc::clone(shared) }), presences)
}

impl<F: Fabric> Cluster<F> {
    fn new(
        fabric: F,
        own: Peer,
        presences: UnboundedReceiver<Presence>,
        shared: Arc<Shared>,
    ) -> Self {
        Self { fabric: Some(fabric), own, presences, shared, twin: None }
    }

    fn introduce(&self) {
        let Some(fabric) = &self.fabric else { return };
        let addresses = fabric.addresses().join(" ");
        let config = &self.shared.config.load().cluster;
        let (node, name) = (self.own.node.0, &config.name);
        info!("node {node:016x} of cluster {name}; other nodes connect to {addresses}");
        if !config.is_encrypted() {
            warn!(
                "nodes are not encrypted and do not prove who they are: whoever reaches that address can do everything; see cluster.certificate"
            );
        }
    }

    /// Follows nodes that come and go, until it is to stop. Then it says farewell, and ends all links.
    pub(crate) async fn follow(mut self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        while !self.step(stop.as_mut()).await {}
        if let Some(fabric) = self.fabric.take() {
            fabric.leave().await;
        }
    }

    /// Waits for the next thing to do, and does it. True if `end` came first.
    async fn step(&mut self, end: impl Future<Output = ()>) -> bool {
        let presence = tokio::select! {
            () = end => return true,
            Some(presence) = self.presences.recv() => presence,
        };
        // Not within the select, which would cut it off.
        self.hear(presence).await;
        false
    }

    async fn hear(&mut self, presence: Presence) {
        match presence {
            Presence::Here(peer) | Presence::Gone(peer) if peer == self.own => {}
            Presence::Here(peer) if peer.node == self.own.node => {
                error!(
                    node = %format_args!("{:016x}", peer.node.0),
                    "another server says that it is this node; is its cluster.node_file a copy of this one's?"
                );
                self.twin = Some(peer);
            }
            Presence::Here(peer) => {
                let Some(fabric) = &self.fabric else { return };
                match fabric.way(peer).await {
                    Ok(way) => self.shared.cluster.admit(peer, way, &self.shared),
                    Err(problem) => warn!(%problem, "there is no way to a node"),
                }
            }
            Presence::Gone(peer) if self.twin == Some(peer) => self.twin = None,
            Presence::Gone(peer) => self.shared.cluster.remove(peer, &self.shared),
        }
    }
}

impl<F: Fabric> Drop for Cluster<F> {
    fn drop(&mut self) {
        // Links hold ways, and ways what tells of frames, so that nothing would ever be freed.
        self.shared.cluster.clear(&self.shared);
    }
}

/// For the farewells of others, and again for taking the token away; whoever does not hear of it finds out.
const LONGEST_FAREWELL: Duration = Duration::from_secs(1);

/// Nobody is told when the last piece has arrived, or a link has begun anew, and it is only waited for once.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
