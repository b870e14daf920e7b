//! The outer frame: one message in one binary WebSocket message.
//!
//! ```text
//! SERVICE_REQUEST   00 | varint service | varint conversation id | body
//! SERVICE_RESPONSE  06 | varint conversation id | body
//! SERVICE_ERROR     07 | varint conversation id | string text | varint reason
//! ABORT             1c
//! CLOSE_REQUEST     1d
//! ```
//!
//! Responses and errors do not say which service they answer: the conversation id alone tells.

use crate::codec::Decode;
use crate::codec::Encode;
use crate::codec::Reader;
use crate::codec::put_varint;
use crate::error::Fault;
use crate::error::Malformed;
use crate::error::Reason;
use crate::ids::ConversationId;
use crate::service::Service;

/// One message, its body still encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// Asks for a service, which may be one that nobody knows.
    Request {
        /// The service's number; [`Service::from_number`] names it.
        service: u32,
        /// Allotted by the requester.
        conversation: ConversationId,
        /// The service's request body.
        body: &'a [u8],
    },
    /// Answers a request.
    Response {
        /// Copied from the request.
        conversation: ConversationId,
        /// The service's response body.
        body: &'a [u8],
    },
    /// Fails a request.
    Error {
        /// Copied from the request.
        conversation: ConversationId,
        /// For people.
        text: &'a str,
        /// For programs.
        reason: Reason,
    },
    /// The server ends the session.
    Abort,
    /// The client ends the session.
    CloseRequest,
}

impl<'a> Message<'a> {
    /// Reads one whole message. The body of a request or response is not looked at. Bytes behind the other messages
    /// are ignored: an error may carry a third field that means nothing here.
    ///
    /// # Errors
    /// An empty message, an unknown type byte (flag bits included: no client sets them), or a malformed header.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        Self::read(bytes).map_err(|fault| fault.within("message", "header"))
    }

    fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let message = match reader.byte()? {
            REQUEST => {
                let service = reader.varint32()?;
                let conversation = ConversationId(reader.varint64()?);
                Self::Request { service, conversation, body: reader.rest() }
            }
            RESPONSE => {
                let conversation = ConversationId(reader.varint64()?);
                Self::Response { conversation, body: reader.rest() }
            }
            ERROR => {
                let conversation = ConversationId(reader.varint64()?);
                let text = <&str>::decode(&mut reader)?;
                Self::Error { conversation, text, reason: Reason(reader.varint32()?) }
            }
            ABORT => Self::Abort,
            CLOSE_REQUEST => Self::CloseRequest,
            tag => return Err(Fault::Tag(tag).into()),
        };
        Ok(message)
    }
}

/// Appends the header of a request; its body follows.
pub fn put_request(out: &mut Vec<u8>, service: Service, conversation: ConversationId) {
    put_call(out, service.number(), conversation);
}

/// Appends the header of a request for a service of any registry.
#[inline]
pub(crate) fn put_call(out: &mut Vec<u8>, service: u32, conversation: ConversationId) {
    out.push(REQUEST);
    put_varint(out, u64::from(service));
    conversation.encode(out);
}

/// Appends the header of a response; its body follows.
pub fn put_response(out: &mut Vec<u8>, conversation: ConversationId) {
    out.push(RESPONSE);
    conversation.encode(out);
}

/// Appends a whole error.
pub fn put_error(out: &mut Vec<u8>, conversation: ConversationId, reason: Reason, text: &str) {
    out.push(ERROR);
    conversation.encode(out);
    text.encode(out);
    put_varint(out, u64::from(reason.0));
}

/// The whole message with which a server ends a session.
pub const ABORT_MESSAGE: &[u8] = &[ABORT];

/// The whole message with which a client ends its session.
pub const CLOSE_REQUEST_MESSAGE: &[u8] = &[CLOSE_REQUEST];

const REQUEST: u8 = 0;
const RESPONSE: u8 = 6;
const ERROR: u8 = 7;
const ABORT: u8 = 28;
const CLOSE_REQUEST: u8 = 29;
