//! How a node that starts finds the others, makes sure that none of them is called as it is, and knows that it has a link to all.

use std::io;
use std::pin::pin;
use std::time::Duration;

use antiphon_broker::LinkState;
use tokio::time::Instant;
use tokio::time::sleep;
use tracing::info;
use tracing::warn;

use crate::cluster::Cluster;
use crate::cluster::fabric::Fabric;

impl<F: Fabric> Cluster<F> {
    /// Ready when there is a link to every node that is here and for a moment no further one came, or alone after
    /// `cluster.join_timeout` if nobody is. Without seeds, nobody is looked for.
    ///
    /// # Errors
    /// Another server is this node already.
    pub(crate) async fn join(&mut self) -> io::Result<()> {
        let config = self.shared.config.load_full();
        let deadline = Instant::now() + config.cluster.join_timeout;
        let seeks = !config.cluster.seeds.is_empty();
        if seeks && self.find(deadline).await {
            self.refuse_twins(2 * config.cluster.lease).await?;
        }
        let Some(fabric) = &mut self.fabric else { return Ok(()) };
        let announced = fabric.announce().await;
        announced.map_err(|problem| io::Error::other(format!("no cluster: {problem}")))?;
        if seeks {
            self.settle(deadline).await;
        }
        Ok(())
    }

    /// Waits until all is known of all nodes that are here, and none came for a moment.
    async fn settle(&mut self, deadline: Instant) {
        let mut known = None;
        let mut since = Instant::now();
        loop {
            let states: Vec<_> = self.shared.broker.nodes().iter().map(|node| node.state).collect();
            let is_whole = states.iter().all(|state| *state >= LinkState::Up);
            let nodes = states.len();
            if known.as_ref() != Some(&states) {
                known = Some(states);
                since = Instant::now();
            }
            if nodes > 0 && is_whole && since.elapsed() >= QUIET {
                return info!(nodes, "joined the cluster");
            }
            if Instant::now() >= deadline {
                let text = "cluster.join_timeout is over: serving without nodes that are not found, or not linked yet";
                return warn!(nodes, "{text}");
            }
            self.follow_for(LOOK).await;
        }
    }

    /// A former run of this node may take a lease to be gone for all.
    async fn refuse_twins(&mut self, patience: Duration) -> io::Result<()> {
        // Who is there is told at once, by each connection.
        self.follow_for(QUIET).await;
        let deadline = Instant::now() + patience;
        while self.twin.is_some() && Instant::now() < deadline {
            self.follow_for(LOOK).await;
        }
        if self.twin.is_none() {
            return Ok(());
        }
        let node = self.own.node.0;
        Err(io::Error::other(format!(
            "another server of the cluster is node {node:016x}; give each its own file with the key `cluster.node_file`"
        )))
    }

    /// Whether another node was found in time.
    async fn find(&mut self, deadline: Instant) -> bool {
        loop {
            let Some(fabric) = &self.fabric else { return false };
            if fabric.is_connected().await {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            self.follow_for(LOOK).await;
        }
    }

    async fn follow_for(&mut self, time: Duration) {
        let mut end = pin!(sleep(time));
        while !self.step(end.as_mut()).await {}
    }
}

/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// For so long nothing new is heard: nodes learn of each other within milliseconds.
const QUIET: Duration = Duration::from_millis(200);
