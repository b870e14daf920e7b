//! What a peer can do against the WebSocket protocol or our limits, and the close code for it.
//!
//! Nothing here sends the close frame or ends the connection.

use thiserror::Error;

use super::MAX_CONTROL;

/// Why a connection must end.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Violation {
    /// An extension is in use that was never agreed.
    #[error("reserved bits are set in a WebSocket frame, but no extension was agreed")]
    ReservedBits,
    /// A kind of frame that RFC 6455 leaves undefined.
    #[error("a WebSocket frame has the reserved opcode {0}")]
    ReservedOpcode(u8),
    /// A text message; only binary ones are spoken.
    #[error("a WebSocket text message came, but only binary messages are accepted")]
    TextMessage,
    /// A ping, pong or close that claims to be a fragment.
    #[error("a WebSocket control frame is fragmented")]
    ControlFragmented,
    /// A ping, pong or close with more than 125 bytes of payload.
    #[error("a WebSocket control frame declares more than {MAX_CONTROL} bytes of payload")]
    ControlTooLong,
    /// A continuation without a message to continue.
    #[error("a WebSocket continuation frame came, but no message had begun")]
    UnexpectedContinuation,
    /// A new message before the last fragment of the one that had begun.
    #[error("a WebSocket message began before the fragmented one ahead of it had ended")]
    MissingContinuation,
    /// More payload than the limit, in one frame or in the fragments up to this one.
    #[error("a WebSocket message has {length} bytes or more, the limit is {limit}")]
    MessageTooLarge {
        /// Bytes of payload that came in earlier fragments and that this frame declares.
        length: u64,
        /// The limit of the decoder, in bytes.
        limit: usize,
    },
    /// A payload length in more bytes than it needs.
    #[error("a WebSocket frame declares its payload length in more bytes than needed")]
    NonMinimalLength,
    /// A payload length with its highest bit set.
    #[error("a WebSocket frame declares a payload length of 2^63 or more")]
    LengthTooLarge,
    /// A close with half a close code.
    #[error("a WebSocket close frame has a payload of one byte, but a close code needs two")]
    BadClosePayload,
    /// A close code that is never sent.
    #[error("a WebSocket close frame has the close code {0}, which is not one to be sent")]
    BadCloseCode(u16),
    /// A close with a reason that is not text.
    #[error("the reason in a WebSocket close frame is not UTF-8")]
    BadCloseReason,
}

impl Violation {
    /// The close code that tells the peer.
    pub fn close_code(&self) -> u16 {
        match self {
            Self::TextMessage => 1003,
            Self::BadCloseReason => 1007,
            Self::MessageTooLarge { .. } => 1009,
            Self::ReservedBits
            | Self::ReservedOpcode(_)
            | Self::ControlFragmented
            | Self::ControlTooLong
            | Self::UnexpectedContinuation
            | Self::MissingContinuation
            | Self::NonMinimalLength
            | Self::LengthTooLarge
            | Self::BadClosePayload
            | Self::BadCloseCode(_) => 1002,
        }
    }
}
