//! The Antiphon server: sockets, time and configuration around [`antiphon_broker`].
//!
//! ```no_run
//! use antiphon_server::{Config, Server, runtime};
//!
//! let config = Config::dev("127.0.0.1:8080".parse()?);
//! let runtime = runtime(config.threads)?;
//! let server = Server::bind(config)?;
//! runtime.block_on(server.run(std::future::pending::<()>()))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A connection passes these modules in order:
//!
//! | module | does |
//! |---|---|
//! | `listener` | accepts sockets, backs off when the system has none left |
//! | `door` | turns away whoever is one too many, and counts |
//! | `tls` | encrypts, and proves who the server and perhaps the client is |
//! | `upgrade` | HTTP: answers people, turns WebSocket requests into raw sockets |
//! | `handshake` | authenticates, opens the session or refuses the connection |
//! | `connection` | one task a session: bytes to frames to the broker, and the end |
//! | `operations` | beside them: health, metrics and the audit log, for operators |
//! | `flush` | writes what the broker put into mailboxes, in as few writes as possible |
//!
//! Nothing here decides who gets which message; that is the broker's.

pub mod config;

pub mod security;

mod asking;
mod auth;
mod clock;
mod connection;
mod door;
mod drain;
mod flush;
mod handle;
mod handshake;
mod inbound;
mod inspection;
mod keepalive;
mod line;
mod listener;
mod notice;
mod operations;
mod origin;
mod random;
mod readiness;
mod server;
mod shared;
mod socket;
mod tasks;
mod tls;
mod turns;
mod upgrade;

pub use config::AuditConfig;
pub use config::ClientCertificates;
pub use config::Config;
pub use config::ConfigError;
pub use config::Drain;
pub use config::HttpConfig;
pub use config::Limits;
pub use config::ListenerConfig;
pub use config::Liveness;
pub use config::Network;
pub use config::OperationsConfig;
pub use config::Origins;
pub use flush::runtime;
pub use handle::Handle;
pub use inspection::inspect;
pub use readiness::Readiness;
pub use server::BindError;
pub use server::Server;

pub use antiphon_broker::Choice;
pub use antiphon_broker::PathRule;
pub use antiphon_broker::Recovery;
