//! Why connections do not become sessions: the reasons, their names and what clients are told.

use std::fmt;

/// Why a connection did not become a session. The broker's and the authenticators' reasons are theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Limit `connections`.
    Connections,
    /// Limit `connections_per_address`.
    ConnectionsPerAddress,
    /// Limit `handshakes_per_address`.
    HandshakesPerAddress,
    /// Limit `connects_per_address`.
    ConnectsPerAddress,
    /// Limit `handshake_timeout`.
    Timeout,
    /// There was no TLS session.
    Tls,
    /// There was no HTTP request that asks for a WebSocket.
    Http,
    /// `[http] origins` does not have the web page.
    Origin,
}

impl Refused {
    pub(crate) const ALL: [Self; 8] = [
        Self::Connections,
        Self::ConnectionsPerAddress,
        Self::HandshakesPerAddress,
        Self::ConnectsPerAddress,
        Self::Timeout,
        Self::Tls,
        Self::Http,
        Self::Origin,
    ];

    /// One word for logs and metrics.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::HandshakesPerAddress => "handshakes_per_address",
            Self::ConnectsPerAddress => "connects_per_address",
            Self::Timeout => "handshake_timeout",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Origin => "origin",
        }
    }

    /// Whether a limit is why.
    pub(super) const fn is_limit(self) -> bool {
        !matches!(self, Self::Timeout | Self::Tls | Self::Http | Self::Origin)
    }

    /// What HTTP says about it.
    pub(super) const fn answer(self) -> &'static [u8] {
        match self {
            Self::Connections => FULL,
            _ => TOO_MANY,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Retry-After: 5\r\n\
    Connection: close\r\n\
    \r\n\
    This server has as many connections as it may have.\n";

const TOO_MANY: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Retry-After: 5\r\n\
    Connection: close\r\n\
    \r\n\
    There are too many connections from your address, or too many new ones.\n";
