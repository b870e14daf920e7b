//! What operators are served: a listener of their own, and the audit log. Opens nothing.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::defaults;

/// Where operators ask. Table `[operations]` of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationsConfig {
    /// Default `127.0.0.1:8081`.
    pub listen: OperationsAddress,
}

/// Address and port; port 0 takes a free one; `None`, in the file `"off"`, for no such listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationsAddress(pub Option<SocketAddr>);

impl Default for OperationsConfig {
    fn default() -> Self {
        Self { listen: OperationsAddress(Some(defaults::OPERATIONS)) }
    }
}

/// What is written down. Table `[audit]` of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditConfig {
    /// The file that the audit log is appended to. Default: none, and no audit log.
    pub file: Option<PathBuf>,
}
