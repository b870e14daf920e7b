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
//! The command line is not read here; it writes over the fields of a [`Config`].

mod defaults;
mod listener;
mod raw;
mod suggestion;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use antiphon_broker::BrokerConfig;
use antiphon_broker::Choice;
use antiphon_broker::PathRule;
use antiphon_broker::Recovery;
use thiserror::Error;

pub use crate::config::listener::ListenerConfig;
use crate::config::raw::RawConfig;

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

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {problem}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        problem: String,
    },
    /// The file is not TOML, has a key that does not exist, or a value of the wrong kind.
    #[error("the configuration is not valid: {problem}")]
    Malformed {
        /// The line, and what is wrong in it.
        problem: String,
    },
    /// A value makes no sense.
    #[error("{key} {problem}; {fix}")]
    Invalid {
        /// The key, with its table.
        key: String,
        /// What is wrong with its value.
        problem: String,
        /// What to do.
        fix: String,
    },
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
    /// The first thing that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
            path: path.to_owned(),
            problem: error.to_string(),
        })?;
        Self::parse(&text)
    }

    /// Reads and checks the text of a file.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let raw: RawConfig = toml::from_str(text).map_err(|error| malformed(&error))?;
        let config = raw.complete()?;
        config.check()?;
        Ok(config)
    }

    /// Checks what the types of the fields leave open.
    ///
    /// # Errors
    /// The first value that makes no sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        let limits = &self.limits;
        listener::check(&self.listeners)?;
        at_least_one("threads", self.threads)?;
        at_least_one("limits.sessions", limits.sessions)?;
        at_least_one("limits.handshakes", limits.handshakes)?;
        at_least_one("limits.requests_per_handler", limits.requests_per_handler as usize)?;
        at_least_one("limits.requests_per_sender", limits.requests_per_sender as usize)?;
        some_time("limits.handshake_timeout", limits.handshake_timeout)?;
        some_time("request_timeout", self.request_timeout)?;
        limits.check_sizes()?;
        for (index, rule) in self.paths.iter().enumerate() {
            check_rule(rule, &self.paths[..index])?;
        }
        Ok(())
    }
}

impl Limits {
    fn check_sizes(&self) -> Result<(), ConfigError> {
        if !MESSAGE_SIZES.contains(&self.maximum_message) {
            return Err(ConfigError::Invalid {
                key: "limits.maximum_message".to_owned(),
                problem: format!("is {} bytes", self.maximum_message),
                fix: format!(
                    "choose between {} and {}",
                    MESSAGE_SIZES.start(),
                    MESSAGE_SIZES.end()
                ),
            });
        }
        if self.mailbox < self.maximum_message {
            return Err(ConfigError::Invalid {
                key: "limits.mailbox".to_owned(),
                problem: format!("is {} bytes, less than the largest message", self.mailbox),
                fix: format!(
                    "raise it to at least limits.maximum_message, {}",
                    self.maximum_message
                ),
            });
        }
        Ok(())
    }
}

/// Names the line of the error, and the key that was probably meant.
fn malformed(error: &toml::de::Error) -> ConfigError {
    let mut problem = error.to_string();
    if let Some(known) = suggestion::suggestion(error.message()) {
        problem.push_str(&format!("did you mean `{known}`?\n"));
    }
    ConfigError::Malformed { problem: problem.trim_end().to_owned() }
}

fn at_least_one(key: &str, value: usize) -> Result<(), ConfigError> {
    if value > 0 {
        return Ok(());
    }
    Err(ConfigError::Invalid {
        key: key.to_owned(),
        problem: "is 0".to_owned(),
        fix: "choose at least 1, or leave the key out for its default".to_owned(),
    })
}

fn some_time(key: &str, value: Duration) -> Result<(), ConfigError> {
    if !value.is_zero() {
        return Ok(());
    }
    Err(ConfigError::Invalid {
        key: key.to_owned(),
        problem: "allows no time at all".to_owned(),
        fix: "write a duration such as \"10s\", or leave the key out for its default".to_owned(),
    })
}

fn check_rule(rule: &PathRule, earlier: &[PathRule]) -> Result<(), ConfigError> {
    let key = format!("path {:?}", rule.path);
    let path = antiphon_wire::path::Path::parse(&rule.path);
    if let Err(problem) = path {
        return Err(ConfigError::Invalid {
            key,
            problem: format!("is illegal: {problem}"),
            fix: "write segments separated by single slashes, such as \"orders/eu\"".to_owned(),
        });
    }
    let same = |other: &PathRule| antiphon_wire::path::Path::parse(&other.path) == path;
    if earlier.iter().any(same) {
        return Err(ConfigError::Invalid {
            key,
            problem: "has more than one [[path]] table".to_owned(),
            fix: "put timeout and choice into one".to_owned(),
        });
    }
    rule.timeout.map_or(Ok(()), |timeout| some_time(&format!("{key} timeout"), timeout))
}

/// The connection response announces the size in 31 usable bits; below a kilobyte not even a login fits.
const MESSAGE_SIZES: std::ops::RangeInclusive<usize> = 1024..=i32::MAX as usize;
