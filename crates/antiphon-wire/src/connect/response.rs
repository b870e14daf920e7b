//! The connection response: the first message of the server, alone in its WebSocket message.
//!
//! ```text
//! success  23 | version | code | server part (8) | client part (8) | token (24) | ping period (8) | last word (4)
//! refusal  23 | version | code
//! ```
//!
//! The version is always the client's own, in refusals too, or the client hides the real reason behind a mismatch.
//! A success has exactly 55 bytes: Python reads no other length. What stands behind it is not read here, as in
//! JavaScript.

use thiserror::Error;

use crate::codec::Decode;
use crate::codec::Encode;
use crate::codec::Reader;
use crate::codec::byte_enum;
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

byte_enum! {
    /// Why a connection is refused.
    Refusal {
        /// The protocol version is not spoken there. Only read: Antiphon says [`Refusal::ConnectionProtocolError`],
        /// because Python takes this one for a success.
        Downgrade = 102,
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
}

/// A connection response as a client reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionResponse {
    /// The session is new.
    Accepted(Accepted),
    /// The session came back. It keeps the largest message that it was told when it was new.
    Resumed {
        /// The session.
        session: SessionId,
        /// With which it may come back the next time.
        token: SessionToken,
        /// In milliseconds; 0 for no pings.
        ping_period: u64,
        /// How it came back.
        resumed: Resumed,
    },
    /// There is no session.
    Refused(Refusal),
}

/// Why a connection response cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadResponse {
    /// It is not whole.
    #[error("a connection response has {length} bytes, but needs {needed} or more")]
    Truncated {
        /// How many bytes there are.
        length: usize,
        /// How many there are at least, as far as can be told.
        needed: usize,
    },
    /// It is something else: it does not begin with `#`.
    #[error("a connection response begins with the byte {0:#04x}, not with 0x23")]
    Magic(u8),
    /// It is in another version than the client's.
    #[error("a connection response is in protocol version {0}, which is not the client's")]
    Version(u8),
    /// Its code is not known.
    #[error("a connection response has the unknown code {0}")]
    Code(u8),
}

impl ConnectionResponse {
    /// Reads the first message of a server to a client that speaks `version`.
    ///
    /// # Errors
    /// The first fault.
    pub fn decode(bytes: &[u8], version: ProtocolVersion) -> Result<Self, BadResponse> {
        let truncated = |needed| BadResponse::Truncated { length: bytes.len(), needed };
        let &[magic, answered, code, ref rest @ ..] = bytes else {
            return Err(truncated(REFUSAL_SIZE));
        };
        if magic != MAGIC {
            return Err(BadResponse::Magic(magic));
        }
        if answered != version.number() {
            return Err(BadResponse::Version(answered));
        }
        let response = match code {
            OK => Success::read(rest).map(Success::accepted),
            RECONNECTED => Success::read(rest).map(Success::intact),
            RECONNECTED_WITH_MESSAGE_LOSS => Success::read(rest).map(Success::with_loss),
            code => {
                let refusal = Refusal::decode(&mut Reader::new(&[code]));
                return refusal.map(Self::Refused).map_err(|_| BadResponse::Code(code));
            }
        };
        response.ok_or_else(|| truncated(SUCCESS_SIZE))
    }
}

/// What follows the code of a success.
struct Success {
    session: SessionId,
    token: SessionToken,
    ping_period: u64,
    last_word: u32,
}

impl Success {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (server, rest) = bytes.split_first_chunk()?;
        let (client, rest) = rest.split_first_chunk()?;
        let (token, rest) = rest.split_first_chunk()?;
        let (ping_period, rest) = rest.split_first_chunk()?;
        let (last_word, _) = rest.split_first_chunk()?;
        Some(Self {
            session: SessionId {
                server: u64::from_be_bytes(*server),
                client: u64::from_be_bytes(*client),
            },
            token: SessionToken(*token),
            // Below 0 it means what 0 does.
            ping_period: i64::from_be_bytes(*ping_period).try_into().unwrap_or(0),
            last_word: u32::from_be_bytes(*last_word),
        })
    }

    fn accepted(self) -> ConnectionResponse {
        let Self { session, token, ping_period, last_word } = self;
        ConnectionResponse::Accepted(Accepted {
            session,
            token,
            ping_period,
            maximum_message: last_word,
        })
    }

    fn intact(self) -> ConnectionResponse {
        let next_client_sequence = self.last_word;
        self.resumed(Resumed::Intact { next_client_sequence })
    }

    fn with_loss(self) -> ConnectionResponse {
        self.resumed(Resumed::WithLoss)
    }

    fn resumed(self, resumed: Resumed) -> ConnectionResponse {
        let Self { session, token, ping_period, last_word: _ } = self;
        ConnectionResponse::Resumed { session, token, ping_period, resumed }
    }
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
    out.extend_from_slice(&[MAGIC, version]);
    refusal.encode(out);
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
/// A refusal, in bytes.
const REFUSAL_SIZE: usize = 3;
/// A success, in bytes.
const SUCCESS_SIZE: usize = 55;
