//! What whoever runs a server may do with it while it runs.

use std::sync::Arc;

use crate::config::Config;
use crate::config::ConfigError;
use crate::server::Shared;

/// A running server, seen from outside. Clones are the same server.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Takes over what can change while the server runs: the certificates and keys of its listeners, and what they ask of
    /// clients. No session notices; new connections see it.
    ///
    /// # Errors
    /// What makes no sense; everything is as it was then.
    pub fn reload(&self, config: &Config) -> Result<(), ConfigError> {
        config.check()?;
        self.shared.acceptors.reload(&config.listeners)
    }
}
