//! Why connections do not become sessions: the reasons, their names and what clients are told.

use std::fmt;

use http::StatusCode;

use crate::notice;

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
    /// Limits `request_head` and `request_headers`.
    RequestHead,
    /// Limit `request_target`.
    RequestTarget,
    /// `[http] origins` does not have the web page.
    Origin,
}

impl Refused {
    pub(crate) const ALL: [Self; 10] = [
        Self::Connections,
        Self::ConnectionsPerAddress,
        Self::HandshakesPerAddress,
        Self::ConnectsPerAddress,
        Self::Timeout,
        Self::Tls,
        Self::Http,
        Self::RequestHead,
        Self::RequestTarget,
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
            Self::RequestHead => "request_head",
            Self::RequestTarget => "request_target",
            Self::Origin => "origin",
        }
    }

    /// Whether it is said aloud: a limit of the server or of an address is met, which may concern others too.
    pub(super) const fn is_limit(self) -> bool {
        matches!(
            self,
            Self::Connections
                | Self::ConnectionsPerAddress
                | Self::HandshakesPerAddress
                | Self::ConnectsPerAddress
        )
    }

    /// What HTTP says about it.
    pub(super) fn answer(self) -> Vec<u8> {
        let (status, text) = match self {
            Self::Connections => (StatusCode::SERVICE_UNAVAILABLE, FULL),
            _ => (StatusCode::TOO_MANY_REQUESTS, TOO_MANY),
        };
        notice::bytes(status, "retry-after: 5\r\n", text)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

const FULL: &str = "This server has as many connections as it may have.\n";

const TOO_MANY: &str = "There are too many connections from your address, or too many new ones.\n";
