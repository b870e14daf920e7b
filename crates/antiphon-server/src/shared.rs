//! What all connections of a server have in common, and how it is put together from the configuration.

use std::sync::Arc;

use antiphon_broker::Broker;
use antiphon_broker::BrokerConfig;
use antiphon_wire::ids::NodeId;
use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::auth::Authenticators;
use crate::clock::Clock;
use crate::config::Config;
use crate::config::ConfigError;
use crate::door::Door;
use crate::line::Line;
use crate::operations::audit::Audit;
use crate::operations::figures::Figures;
use crate::readiness::Ready;
use crate::security::Contents;
use crate::security::Home;
use crate::security::Store;
use crate::security::StoreError;
use crate::security::Updates;
use crate::tls::Acceptors;
use crate::upgrade::Rules;

/// What all connections of a server have in common.
pub(crate) struct Shared {
    pub(crate) broker: Broker<Line>,
    pub(crate) authenticators: Authenticators,
    pub(crate) figures: Figures,
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
        Ok(Self {
            authenticators,
            updates: Updates::new(home),
            figures: Figures::new(),
            clock: Clock::start(),
            maximum_message: config.limits.maximum_message,
            readiness: Ready::new(),
            rules: ArcSwap::from_pointee(Rules::new(&config)),
            door: Arc::new(Door::new(&config.limits)),
            acceptors,
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

/// What the configuration says to the broker.
pub(crate) fn broker_config(config: &Config) -> BrokerConfig {
    let limits = &config.limits;
    BrokerConfig {
        server_name: config.server_name.clone(),
        ping_period: config.ping_period,
        limits: antiphon_broker::Limits {
            sessions: limits.sessions,
            message: limits.maximum_message,
            mailbox: limits.mailbox,
            requests_per_handler: limits.requests_per_handler,
            requests_per_sender: limits.requests_per_sender,
            ..antiphon_broker::Limits::default()
        },
        request_timeout: config.request_timeout,
        paths: config.paths.clone(),
        choice: config.choice,
        recovery: config.recovery,
        liveness: antiphon_broker::Liveness {
            missed_pings: config.liveness.missed_pings,
            handler_timeout: config.liveness.handler_timeout,
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
