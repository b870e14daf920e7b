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
mod defaults;
mod file;
mod keys;
mod layers;
mod listener;
mod log;
mod page;
mod problem;
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

use crate::config::keys::KEYS;
pub use crate::config::keys::Key;
pub use crate::config::keys::keys;
pub use crate::config::layers::Flag;
pub use crate::config::layers::Layers;
pub use crate::config::layers::Loaded;
use crate::config::layers::Loader;
pub use crate::config::layers::Value;
pub use crate::config::listener::ListenerConfig;
pub use crate::config::log::Log;
pub use crate::config::log::LogFormat;
pub use crate::config::page::default_file;
pub use crate::config::page::key_table;
pub use crate::config::problem::ConfigError;
pub use crate::config::problem::Origin;
pub use crate::config::problem::Problem;
pub use crate::config::problem::Refused;
pub use crate::config::span::Span;

/// How a server behaves. The fields are named as in the file, but `listeners` is there `[[listener]]`, and `paths` is
/// `[[path]]`.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where clients connect. Default: `127.0.0.1:8080` without encryption.
    pub listeners: Vec<ListenerConfig>,
    /// The name that sessions see as property `$ServerName`. Default: the host's name, else `antiphon`.
    pub server_name: String,
    /// Threads that serve sockets. Default: half of the cores, at least 1.
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
    /// Bounds.
    pub limits: Limits,
    /// Other timeouts and choices for a path and all below it.
    pub paths: Vec<PathRule>,
}

/// What one client, or all together, may take. Table `[limits]` of the file.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The largest message taken from a client, in bytes. Default 1 MiB.
    pub maximum_message: usize,
    /// How many bytes may wait for one session. Default 8 MiB.
    pub mailbox: usize,
    /// Sessions at once. Default 100,000.
    pub sessions: usize,
    /// Connections at once that have not become a session yet. Default 1,000.
    pub handshakes: usize,
    /// Unanswered requests at one handler session. Default 16,384.
    pub requests_per_handler: u32,
    /// Unanswered requests of one sender. Default 16,384.
    pub requests_per_sender: u32,
    /// How long a connection may take to become a session. Default `10s`.
    pub handshake_timeout: Duration,
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
            limits: Limits::default(),
            paths: Vec::new(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let broker = antiphon_broker::Limits::default();
        Self {
            maximum_message: broker.message,
            mailbox: broker.mailbox,
            sessions: broker.sessions,
            handshakes: defaults::HANDSHAKES,
            requests_per_handler: broker.requests_per_handler,
            requests_per_sender: broker.requests_per_sender,
            handshake_timeout: defaults::HANDSHAKE_TIMEOUT,
        }
    }
}

impl Config {
    /// Development mode on an address.
    #[must_use]
    pub fn dev(address: SocketAddr) -> Self {
        Self { listeners: vec![ListenerConfig::plain(address)], dev: true, ..Self::default() }
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
            (key.copy)(&mut config, new);
        }
        let waits = |key: &&Key| key.values(&config) != key.values(new);
        let waiting = KEYS.iter().filter(waits).map(Key::name).collect();
        (config, waiting)
    }
}
