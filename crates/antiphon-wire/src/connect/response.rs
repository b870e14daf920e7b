//! The connection response: the first message of the server, alone in its WebSocket message.
//!
//! ```text
//! success  23 | version | code | server part (8) | client part (8) | token (24) | ping period (8) | last word (4)
//! refusal  23 | version | code
//! ```
//!
//! The version is always the client's own, in refusals too, or the client hides the real reason behind a mismatch.
//! A success has exactly 55 bytes: Python reads no other length.

use crate::connect::ProtocolVersion;
use crate::ids::SessionId;
use crate::ids::SessionToken;

/// What a client is told about its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The session.
    pub session: SessionId,
    /// With which it may come back.
    pub token: SessionToken,
    /// In milliseconds; 0 for no pings.
    pub ping_period: u64,
    /// The largest message that the server takes, in bytes.
    pub maximum_message: u32,
}

/// How a session came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumed {
    /// Nothing was lost; the next client message that the server expects has this number.
    Intact {
        /// Counted from 1 since the session began.
        next_client_sequence: u32,
    },
    /// Messages were lost, and both sides forget their conversations.
    WithLoss,
}

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// There are too many sessions.
    LicenseExceeded = 113,
    /// Sessions cannot be taken up again here.
    ReconnectionUnsupported = 114,
    /// The parameters are malformed, or the protocol version is not spoken here.
    ConnectionProtocolError = 115,
    /// The credentials are wrong.
    AuthenticationFailed = 116,
    /// The session to take up is not known.
    UnknownSession = 117,
    /// The session to take up has lost messages.
    ReconnectionFailedMessageLoss = 118,
    /// The server is not ready.
    ServerInitialising = 119,
}

/// Appends the response to a new session.
pub fn put_accepted(out: &mut Vec<u8>, version: ProtocolVersion, accepted: &Accepted) {
    put_success(out, version, OK, accepted, accepted.maximum_message);
}

/// Appends the response to a session that came back.
pub fn put_resumed(
    out: &mut Vec<u8>,
    version: ProtocolVersion,
    accepted: &Accepted,
    resumed: Resumed,
) {
    let (code, last_word) = match resumed {
        Resumed::Intact { next_client_sequence } => (RECONNECTED, next_client_sequence),
        Resumed::WithLoss => (RECONNECTED_WITH_MESSAGE_LOSS, accepted.maximum_message),
    };
    put_success(out, version, code, accepted, last_word);
}

/// Appends a refusal. `version` is what the client asked for, spoken here or not.
pub fn put_refused(out: &mut Vec<u8>, version: u8, refusal: Refusal) {
    out.extend_from_slice(&[MAGIC, version, refusal as u8]);
}

fn put_success(
    out: &mut Vec<u8>,
    version: ProtocolVersion,
    code: u8,
    accepted: &Accepted,
    last_word: u32,
) {
    let Accepted { session, token, ping_period, maximum_message: _ } = accepted;
    out.extend_from_slice(&[MAGIC, version.number(), code]);
    out.extend_from_slice(&session.server.to_be_bytes());
    out.extend_from_slice(&session.client.to_be_bytes());
    out.extend_from_slice(&token.0);
    out.extend_from_slice(&ping_period.to_be_bytes());
    out.extend_from_slice(&last_word.to_be_bytes());
}

const MAGIC: u8 = b'#';
const OK: u8 = 100;
const RECONNECTED: u8 = 105;
const RECONNECTED_WITH_MESSAGE_LOSS: u8 = 106;
