//! Where the server can be reached: an address, and how clients are spoken to there. Opens nothing.

use std::net::SocketAddr;

use crate::config::ConfigError;
use crate::config::defaults;

/// One address to listen on. Table `[[listener]]` of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerConfig {
    /// Address and port; port 0 takes a free one. Default `127.0.0.1:8080`.
    pub address: SocketAddr,
}

impl ListenerConfig {
    /// WebSocket without encryption, `ws://`.
    #[must_use]
    pub const fn plain(address: SocketAddr) -> Self {
        Self { address }
    }
}

impl Default for ListenerConfig {
    fn default() -> Self {
        Self::plain(defaults::LISTEN)
    }
}

/// Checks all listeners of a server.
pub(super) fn check(listeners: &[ListenerConfig]) -> Result<(), ConfigError> {
    if listeners.is_empty() {
        return Err(ConfigError::Invalid {
            key: "listener".to_owned(),
            problem: "has no address, so nobody can connect".to_owned(),
            fix: "write a [[listener]] table with address = \"127.0.0.1:8080\"".to_owned(),
        });
    }
    Ok(())
}
