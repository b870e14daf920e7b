//! Nodes connected by Zenoh, embedded as a peer: no multicast, seeds to begin with, the others by gossip. A node is here for as long as
//! its liveliness token is; frames are publications on a key that names both ends. Nothing is queried.
//!
//! ```text
//! antiphon/CLUSTER/node/NODE/INCARNATION                              tokens
//! antiphon/CLUSTER/to/NODE/INCARNATION/from/NODE/INCARNATION          frames
//! ```

use std::net::TcpListener;
use std::sync::Arc;

use antiphon_wire::ids::NodeId;
use zenoh::Wait;
use zenoh::liveliness::LivelinessToken;
use zenoh::pubsub::Publisher;
use zenoh::qos::CongestionControl;
use zenoh::qos::Priority;
use zenoh::sample::SampleKind;

use crate::cluster::fabric::Events;
use crate::cluster::fabric::Fabric;
use crate::cluster::fabric::FabricError;
use crate::cluster::fabric::Peer;
use crate::cluster::fabric::Way;
use crate::config::ClusterConfig;

/// A member of a network of peers.
pub(crate) struct Zenoh {
    session: zenoh::Session,
    prefix: String,
    addresses: Vec<String>,
    own: Peer,
    /// Dropped when it leaves.
    token: Option<LivelinessToken>,
}

impl Zenoh {
    /// Listens, begins to connect, and tells of nodes that are here; does not wait for them.
    ///
    /// # Errors
    /// What the configuration names cannot be used.
    pub(crate) async fn open(
        config: &ClusterConfig,
        own: Peer,
        events: Arc<dyn Events>,
    ) -> Result<Self, FabricError> {
        let addresses: Vec<_> = config.listen.iter().map(|address| with_port(address)).collect();
        let session = zenoh::open(settings(config, &addresses)?).await.map_err(failed)?;
        let prefix = format!("antiphon/{}", config.name);
        // What comes for this node is heard before anybody can know of it.
        let frames = Arc::clone(&events);
        session
            .declare_subscriber(format!("{prefix}/to/{}/from/*/*", named(own)))
            .callback(move |sample| {
                if let Some(peer) = peer_in(sample.key_expr().as_str()) {
                    frames.received(peer, &sample.payload().to_bytes());
                }
            })
            .background()
            .await
            .map_err(failed)?;
        session
            .liveliness()
            .declare_subscriber(format!("{prefix}/node/*/*"))
            .history(true)
            .callback(move |sample| match (peer_in(sample.key_expr().as_str()), sample.kind()) {
                (Some(peer), SampleKind::Put) => events.here(peer),
                (Some(peer), SampleKind::Delete) => events.gone(peer),
                (None, _) => {}
            })
            .background()
            .await
            .map_err(failed)?;
        Ok(Self { session, prefix, addresses, own, token: None })
    }
}

impl Fabric for Zenoh {
    async fn announce(&mut self) -> Result<(), FabricError> {
        let key = format!("{}/node/{}", self.prefix, named(self.own));
        self.token = Some(self.session.liveliness().declare_token(key).await.map_err(failed)?);
        Ok(())
    }

    fn addresses(&self) -> &[String] {
        &self.addresses
    }

    async fn is_connected(&self) -> bool {
        self.session.info().peers_zid().await.next().is_some()
    }

    async fn way(&self, to: Peer) -> Result<Arc<dyn Way>, FabricError> {
        let key = format!("{}/to/{}/from/{}", self.prefix, named(to), named(self.own));
        let publisher = self
            .session
            .declare_publisher(key)
            .congestion_control(CongestionControl::Block)
            .priority(Priority::InteractiveHigh)
            // What belongs together is together already. Batching would let a thread that comes at the wrong moment wait a millisecond.
            .express(true)
            .await
            .map_err(failed)?;
        Ok(Arc::new(publisher))
    }

    async fn leave(mut self) {
        drop(self.token.take());
        // Whatever goes wrong, it is over.
        let _ = self.session.close().await;
    }
}

impl Way for Publisher<'static> {
    fn send(&self, frame: Vec<u8>) -> Result<(), FabricError> {
        self.put(frame).wait().map_err(failed)
    }
}

/// With a free port in place of 0: Zenoh does not say which one it has got.
fn with_port(address: &str) -> String {
    let Some(host) = address.strip_suffix(":0") else { return address.to_owned() };
    let free = TcpListener::bind(address).and_then(|listener| listener.local_addr());
    // If there is none, Zenoh says why.
    free.map_or_else(|_| address.to_owned(), |free| format!("{host}:{}", free.port()))
}

fn settings(cluster: &ClusterConfig, listen: &[String]) -> Result<zenoh::Config, FabricError> {
    let protocol = if cluster.is_encrypted() { "tls" } else { "tcp" };
    let endpoints = |addresses: &[String]| {
        let endpoints = addresses.iter().map(|address| format!("{protocol}/{address}"));
        json(&endpoints.collect::<Vec<_>>())
    };
    let lease = cluster.lease.as_millis();
    let mut settings = vec![
        ("mode", json("peer")),
        ("scouting/multicast/enabled", json(&false)),
        ("listen/endpoints", endpoints(listen)),
        ("connect/endpoints", endpoints(&cluster.seeds)),
        ("connect/retry", r#"{ period_init_ms: 200, period_max_ms: 2000 }"#.to_owned()),
        ("transport/link/tx/lease", lease.to_string()),
        // Each frame takes one batch, so this is more than may be on its way; there cannot be more of them.
        ("transport/link/tx/queue/size/interactive_high", "16".to_owned()),
        // More ways in than nodes are of no use to anybody.
        ("transport/unicast/max_sessions", MOST_NODES.to_string()),
    ];
    if let (Some(certificate), Some(key), Some(ca)) =
        (&cluster.certificate, &cluster.key, &cluster.ca)
    {
        settings.extend([
            ("transport/link/tls/root_ca_certificate", json(ca)),
            ("transport/link/tls/listen_certificate", json(certificate)),
            ("transport/link/tls/listen_private_key", json(key)),
            ("transport/link/tls/connect_certificate", json(certificate)),
            ("transport/link/tls/connect_private_key", json(key)),
            // Both ends prove that the cluster's own authority knows them, which is all that there is to be proved; gossip
            // names addresses, not hosts.
            ("transport/link/tls/enable_mtls", json(&true)),
            ("transport/link/tls/verify_name_on_connect", json(&false)),
        ]);
    }
    let mut config = zenoh::Config::default();
    for (key, value) in settings {
        let problem = |problem| FabricError(format!("{key} = {value}: {problem}"));
        config.insert_json5(key, &value).map_err(problem)?;
    }
    Ok(config)
}

fn json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn failed(problem: zenoh::Error) -> FabricError {
    FabricError(problem.to_string())
}

/// As a part of a key.
fn named(peer: Peer) -> String {
    format!("{:016x}/{:016x}", peer.node.0, peer.incarnation)
}

/// The peer at the end of a key.
fn peer_in(key: &str) -> Option<Peer> {
    let mut parts = key.rsplit('/').map(|part| u64::from_str_radix(part, 16).ok());
    let incarnation = parts.next()??;
    let node = NodeId(parts.next()??);
    Some(Peer { node, incarnation })
}

const MOST_NODES: usize = 100;
