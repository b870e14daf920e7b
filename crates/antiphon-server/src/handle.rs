//! What whoever runs a server may do with it while it runs. What then happens to sessions is said where they are.

use std::sync::Arc;

use crate::readiness::Readiness;
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
