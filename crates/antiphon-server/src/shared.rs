//! What all connections of a server have in common, and how it is put together from the configuration.

use std::sync::Arc;

use antiphon_broker::Broker;
use antiphon_broker::BrokerConfig;
use antiphon_wire::ids::NodeId;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::auth::Authenticators;
use crate::clock::Clock;
use crate::cluster::members::Members;
use crate::config::Config;
use crate::config::ConfigError;
use crate::door::Door;
use crate::line::Line;
use crate::operations::audit::Audit;
use crate::operations::figures::Figures;
use crate::operations::waits::Waits;
use crate::readiness::Ready;
use crate::security::Contents;
use crate::security::Home;
use crate::security::Store;
use crate::security::StoreError;
use crate::security::Updates;
use crate::tls::Acceptors;
use crate::turns::Turns;
use crate::upgrade::Rules;

/// What all connections of a server have in common.
pub(crate) struct Shared {
    pub(crate) broker: Broker<Line>,
    pub(crate) authenticators: Authenticators,
    pub(crate) figures: Figures,
    pub(crate) waits: Arc<Waits>,
    pub(crate) audit: Audit,
    pub(crate) updates: Updates,
    pub(crate) clock: Clock,
    pub(crate) maximum_message: usize,
    /// What counts at present.
    pub(crate) config: ArcSwap<Config>,
    /// Held by whoever changes it.
    pub(crate) reloading: Mutex<()>,
    pub(crate) readiness: Ready,
    pub(crate) rules: ArcSwap<Rules>,
    pub(crate) door: Arc<Door>,
    pub(crate) acceptors: Acceptors,
    /// Of sessions that have more to say than others.
    pub(crate) turns: Arc<Turns>,
    /// Of connections that want to become sessions.
    pub(crate) handshake_turns: Arc<Turns>,
    /// For messages that take long: one at a time.
    pub(crate) aside: Arc<Semaphore>,
    pub(crate) node: NodeId,
    /// The other nodes.
    pub(crate) cluster: Members,
}

impl Shared {
    /// What `config` says, for a node whose session ids begin with `node`.
    ///
    /// # Errors
    /// A file that it names cannot be used.
    pub(crate) fn new(
        config: Config,
        node: NodeId,
        (acceptors, audit): (Acceptors, Audit),
    ) -> Result<Self, ConfigError> {
        let store = open_store(&config)?;
        let authenticators = Authenticators::new(&config, store.clone())?;
        let home = Home::new(store, config.dev);
        let Contents { security, principals } = home.contents();
        let clock = Clock::start();
        Ok(Self {
            authenticators,
            updates: Updates::new(home),
            figures: Figures::new(),
            waits: Arc::new(Waits::new(clock)),
            clock,
            maximum_message: config.limits.maximum_message,
            readiness: Ready::new(),
            rules: ArcSwap::from_pointee(Rules::new(&config)),
            door: Arc::new(Door::new(&config.limits)),
            acceptors,
            turns: Turns::new(LONG_TURNS_AT_ONCE),
            handshake_turns: Turns::new(HANDSHAKES_AT_ONCE),
            aside: Arc::new(Semaphore::new(1)),
            node,
            cluster: Members::default(),
            broker: Broker::new(BrokerConfig {
                node,
                notes: audit.is_on(),
                security,
                principals,
                authenticators: config.security.sessions(config.dev),
                ..broker_config(&config)
            }),
            audit,
            config: ArcSwap::from_pointee(config),
            reloading: Mutex::default(),
        })
    }
}

/// Reads of large messages between two turns of everybody else: all of them, as long as they take little time.
const LONG_TURNS_AT_ONCE: usize = 64;

/// Steps of handshakes between two turns of everybody else: each takes some microseconds, and some hundred with TLS.
const HANDSHAKES_AT_ONCE: usize = 2;

/// What the configuration says to the broker.
pub(crate) fn broker_config(config: &Config) -> BrokerConfig {
    BrokerConfig {
        server_name: config.server_name.clone(),
        ping_period: config.ping_period,
        limits: config.limits.of_broker(),
        request_timeout: config.request_timeout,
        paths: config.paths.clone(),
        choice: config.choice,
        recovery: config.recovery,
        liveness: antiphon_broker::Liveness {
            missed_pings: config.liveness.missed_pings,
            handler_timeout: config.liveness.handler_timeout,
        },
        nodes: antiphon_broker::Nodes {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            gather: config.cluster.gather,
            mailbox: config.cluster.mailbox,
        },
        ..BrokerConfig::default()
    }
}

pub(crate) fn open_store(config: &Config) -> Result<Option<Arc<Store>>, ConfigError> {
    let Some(path) = &config.security.store else { return Ok(None) };
    Store::open(path).map(|store| Some(Arc::new(store))).map_err(|problem| unusable_store(&problem))
}

/// What is wrong with a configuration whose store cannot be read.
pub(crate) fn unusable_store(problem: &StoreError) -> ConfigError {
    ConfigError::Invalid {
        key: "security.store".to_owned(),
        problem: format!("cannot be used: {problem}"),
        fix: "put that right".to_owned(),
    }
}
