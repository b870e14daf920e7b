//! What whoever runs a server may do with it while it runs. What then happens to sessions is said where they are.

use std::sync::Arc;

use crate::config::Config;
use crate::config::ConfigError;
use crate::operations::audit::Event;
use crate::readiness::Readiness;
use crate::shared::Shared;
use crate::shared::broker_config;
use crate::shared::unusable_store;
use crate::upgrade::Rules;

/// A running server, seen from outside. Clones are the same server.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Goes on with the audit log in a new file of the same name, because somebody has renamed the present one.
    pub fn reopen_audit_log(&self) {
        self.shared.audit.reopen();
    }

    /// Takes over what can change while the server runs; see [`crate::config::Key::is_live`]. All files that the
    /// configuration names are read again: certificates, the security store, and what authenticators need. No session
    /// notices; new connections see it. The keys that have changed and need a restart are returned; they stay as they
    /// were.
    ///
    /// # Errors
    /// What makes no sense; everything is as it was then.
    pub fn reload(&self, config: &Config) -> Result<Vec<&'static str>, ConfigError> {
        let _alone = self.shared.reloading.lock();
        let old = self.shared.config.load_full();
        let (config, waiting) = old.reloaded(config);
        // What is new may not fit to what had to stay.
        config.check()?;
        // The steps that can fail come first, and the store, which is read and takes effect at once, last of them.
        let certificates = self.shared.acceptors.load(&config.listeners)?;
        let authenticators = self.shared.authenticators.renew(&config)?;
        let reloaded = self.shared.updates.reload(&self.shared.broker);
        let store = reloaded.map_err(|problem| unusable_store(&problem))?;
        certificates.take_effect();
        authenticators.take_effect(&config);
        self.shared.rules.store(Arc::new(Rules::new(&config)));
        self.shared.broker.reconfigure(&broker_config(&config));
        let changed = old.differences(&config);
        self.shared.audit.write(|| Event::Reload { changed: &changed, waiting: &waiting, store });
        self.shared.config.store(Arc::new(config));
        Ok(waiting)
    }

    /// Makes the server end without harm: it takes no new sessions and handlers, requests that are under way are
    /// answered, and sessions leave one after the other. [`crate::Server::run`] returns when all have left, or after
    /// `drain.timeout`, when it ends what is left.
    pub fn drain(&self) {
        self.shared.readiness.advance_to(Readiness::Draining);
    }

    /// Whether the server wants work.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.shared.readiness.get()
    }
}
