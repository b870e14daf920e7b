//! What an operator can set: a TOML file or plain values, checked before anything starts.
//!
//! ```toml
//! request_timeout = "10s"
//!
//! [[listener]]
//! address = "0.0.0.0:8080"
//!
//! [limits]
//! sessions = 50_000
//!
//! [[path]]
//! path = "reports"
//! timeout = "2m"
//! choice = "sticky"
//! ```
//!
//! A [`Config`] may also be put together from a file, the environment and flags, by [`Layers`]. What keys there are stands
//! in one table, [`keys()`].

mod check;
mod cluster;
mod defaults;
mod file;
mod http;
mod keys;
mod layers;
mod limits;
mod listener;
mod log;
mod network;
mod operations;
mod page;
mod problem;
mod security;
mod setting;
mod span;
pub(crate) mod suggestion;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use antiphon_broker::BrokerConfig;
use antiphon_broker::Choice;
use antiphon_broker::PathRule;
use antiphon_broker::Recovery;

pub use crate::config::cluster::ClusterConfig;
pub use crate::config::http::HttpConfig;
pub use crate::config::http::Origins;
use crate::config::keys::KEYS;
pub use crate::config::keys::Key;
pub use crate::config::keys::keys;
pub use crate::config::layers::Flag;
pub use crate::config::layers::Layers;
pub use crate::config::layers::Loaded;
use crate::config::layers::Loader;
pub use crate::config::layers::Value;
pub use crate::config::limits::Limits;
pub use crate::config::listener::ClientCertificates;
pub use crate::config::listener::ListenerConfig;
pub use crate::config::log::Log;
pub use crate::config::log::LogFormat;
pub use crate::config::network::Network;
pub use crate::config::operations::AuditConfig;
pub use crate::config::operations::OperationsAddress;
pub use crate::config::operations::OperationsConfig;
pub use crate::config::page::default_file;
pub use crate::config::page::initial_file;
pub use crate::config::page::key_table;
pub use crate::config::problem::ConfigError;
pub use crate::config::problem::Problem;
pub use crate::config::problem::Refused;
pub use crate::config::problem::Source;
pub use crate::config::security::AttemptsConfig;
pub use crate::config::security::CertificateConfig;
pub use crate::config::security::JwtConfig;
pub use crate::config::security::NameIn;
pub(crate) use crate::config::security::SESSION;
pub use crate::config::security::SecurityConfig;
pub use crate::config::security::WebhookConfig;
pub use crate::config::span::Span;

/// How a server behaves. The fields are named as in the file, but `listeners` is there `[[listener]]`, and `paths` is
/// `[[path]]`.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where clients connect. Default: `127.0.0.1:8080` without encryption.
    pub listeners: Vec<ListenerConfig>,
    /// The name that sessions see as property `$ServerName`. Default: the host's name, else `antiphon`.
    pub server_name: String,
    /// Threads that serve sockets. Default: half of the cores, at least 2.
    pub threads: usize,
    /// Development mode: principals with well-known passwords, and every proposed property is believed.
    pub dev: bool,
    /// How often a session is pinged; zero for never. Default `30s`.
    pub ping_period: Duration,
    /// How long a handler may take. Default `10s`.
    pub request_timeout: Duration,
    /// How one of several equal handlers is chosen: `least-in-flight` (default), `round-robin` or `sticky`.
    pub choice: Choice,
    /// What is logged. Table `[log]` of the file.
    pub log: Log,
    /// How sessions are kept that lose their connection. Table `[recovery]` of the file.
    pub recovery: Recovery,
    /// When a client that says nothing is taken for gone. Table `[liveness]` of the file.
    pub liveness: Liveness,
    /// How the server ends without harm. Table `[drain]` of the file.
    pub drain: Drain,
    /// Who is let in. Table `[security]` of the file.
    pub security: SecurityConfig,
    /// What is asked of the HTTP request with which a connection begins. Table `[http]` of the file.
    pub http: HttpConfig,
    /// Where operators ask. Table `[operations]` of the file.
    pub operations: OperationsConfig,
    /// What is written down. Table `[audit]` of the file.
    pub audit: AuditConfig,
    /// The servers that this one belongs to. Table `[cluster]` of the file.
    pub cluster: ClusterConfig,
    /// Bounds.
    pub limits: Limits,
    /// Other timeouts and choices for a path and all below it.
    pub paths: Vec<PathRule>,
}

/// When a client that says nothing is taken for gone. Table `[liveness]` of the file.
#[derive(Debug, Clone)]
pub struct Liveness {
    /// For how many ping periods a client may be silent. Default 3.
    pub missed_pings: u32,
    /// For how long a client may be silent that has requests to answer; zero for as long as others. Default `15s`.
    pub handler_timeout: Duration,
    /// For how long the client's host may leave bytes unacknowledged, or take none; zero for as long as the system lets
    /// it. Linux only. Default `60s`.
    pub tcp_user_timeout: Duration,
    /// After how much silence the client's host is asked whether the connection is there; zero for never. Default `30s`.
    pub tcp_idle: Duration,
    /// How soon it is asked again. Default `10s`.
    pub tcp_interval: Duration,
    /// How often it is asked in vain before the connection is lost. Default 3.
    pub tcp_probes: u32,
}

/// How the server ends without harm. Table `[drain]` of the file.
#[derive(Debug, Clone)]
pub struct Drain {
    /// How long requests that are under way may take, and sessions to leave. Default `30s`.
    pub timeout: Duration,
    /// How many sessions leave in a second; more if they would not all have left after half of the time. Default 500.
    pub rate: u32,
}

impl Default for Config {
    fn default() -> Self {
        let broker = BrokerConfig::default();
        Self {
            listeners: vec![ListenerConfig::default()],
            server_name: defaults::server_name(),
            threads: defaults::threads(),
            dev: false,
            ping_period: broker.ping_period,
            request_timeout: broker.request_timeout,
            choice: broker.choice,
            log: Log::default(),
            recovery: broker.recovery,
            liveness: Liveness::default(),
            drain: Drain::default(),
            security: SecurityConfig::default(),
            http: HttpConfig::default(),
            operations: OperationsConfig::default(),
            audit: AuditConfig::default(),
            cluster: ClusterConfig::default(),
            limits: Limits::default(),
            paths: Vec::new(),
        }
    }
}

impl Default for Liveness {
    fn default() -> Self {
        let broker = antiphon_broker::Liveness::default();
        Self {
            missed_pings: broker.missed_pings,
            handler_timeout: broker.handler_timeout,
            tcp_user_timeout: defaults::TCP_USER_TIMEOUT,
            tcp_idle: defaults::TCP_IDLE,
            tcp_interval: defaults::TCP_INTERVAL,
            tcp_probes: defaults::TCP_PROBES,
        }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self { timeout: defaults::DRAIN_TIMEOUT, rate: defaults::DRAIN_RATE }
    }
}

impl Config {
    /// Development mode on an address, without a listener for operators: a program that has a server in it needs none.
    #[must_use]
    pub fn dev(address: SocketAddr) -> Self {
        Self {
            listeners: vec![ListenerConfig::plain(address)],
            dev: true,
            operations: OperationsConfig { listen: OperationsAddress(None) },
            ..Self::default()
        }
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, Refused> {
        let layers = Layers { file: Some(path.to_owned()), ..Layers::default() };
        Ok(layers.load()?.config)
    }

    /// Reads and checks the text of a file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let mut loader = Loader::new();
        loader.file(Path::new(""), text);
        Ok(loader.finish()?.config)
    }

    /// Checks what the types of the fields leave open.
    ///
    /// # Errors
    /// The first value that makes no sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        check::problems(self).into_iter().next().map_or(Ok(()), Err)
    }

    /// What becomes of this configuration when `new` takes its place without a restart, and the keys that have changed
    /// and need one.
    #[must_use]
    pub fn reloaded(&self, new: &Self) -> (Self, Vec<&'static str>) {
        let mut config = self.clone();
        for key in KEYS.iter().filter(|key| key.is_live()) {
            key.take_over(&mut config, new);
        }
        for (listener, before) in config.listeners.iter_mut().zip(&self.listeners) {
            // Whether it speaks TLS is settled when it is bound.
            if listener.certificate.is_some() != before.certificate.is_some() {
                listener.clone_from(before);
            }
        }
        let waiting = config.differences(new);
        (config, waiting)
    }

    /// The keys that have another value in `other`.
    pub(crate) fn differences(&self, other: &Self) -> Vec<&'static str> {
        let differs = |key: &&Key| key.values(self) != key.values(other);
        KEYS.iter().filter(differs).map(Key::name).collect()
    }
}
