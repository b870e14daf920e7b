//! What whoever runs a server may do with it while it runs. What then happens to sessions is said where they are.

use std::sync::Arc;

use crate::config::Config;
use crate::config::ConfigError;
use crate::server::Shared;
use crate::server::broker_config;

/// A running server, seen from outside. Clones are the same server.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Takes over what can change while the server runs; see [`crate::config::Key::is_live`]. No session notices. The keys that
    /// have changed and need a restart are returned; they stay as they were.
    ///
    /// # Errors
    /// What makes no sense; everything is as it was then.
    pub fn reload(&self, config: &Config) -> Result<Vec<&'static str>, ConfigError> {
        let _alone = self.shared.reloading.lock();
        let (config, waiting) = self.shared.config.load().reloaded(config);
        // What is new may not fit to what had to stay.
        config.check()?;
        self.shared.broker.reconfigure(&broker_config(&config));
        self.shared.config.store(Arc::new(config));
        Ok(waiting)
    }
}
