//! What others can ask of a running server.

use std::sync::Arc;

use crate::server::Shared;

/// Reaches a server while it runs, from any thread. It keeps nothing running.
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
}
