//! What operators are served: a listener of their own, and the audit log. Opens nothing.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::defaults;

/// Where operators ask. Table `[operations]` of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationsConfig {
    /// Address and port; port 0 takes a free one; `None`, in the file `"off"`, for no such listener. Default
    /// `127.0.0.1:8081`.
    pub listen: Option<SocketAddr>,
}

impl Default for OperationsConfig {
    fn default() -> Self {
        Self { listen: Some(defaults::OPERATIONS) }
    }
}

/// What is written down. Table `[audit]` of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditConfig {
    /// The file that the audit log is appended to. Default: none, and no audit log.
    pub file: Option<PathBuf>,
}
