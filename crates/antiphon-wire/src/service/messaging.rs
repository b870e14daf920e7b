//! Requests, responses and handlers: services 85, 86, 88, 97, 98, 102 and 103.
//!
//! ```text
//! sender --85 path--> server --88--> registered handler
//! sender --86 session--> server --85--> that session
//! sender --102 filter--> server --85--> each match;  server --103--> sender, once for each
//! ```
//!
//! The response to 85, 86 and 88 is a [`Value`] alone.

use crate::codec::Decode;
use crate::codec::Encode;
use crate::codec::Reader;
use crate::codec::byte_enum;
use crate::codec::put_varint;
use crate::codec::record;
use crate::error::Fault;
use crate::error::Malformed;
use crate::error::Reason;
use crate::ids::ConversationId;
use crate::ids::SessionId;
use crate::service::ErrorReport;
use crate::service::Properties;
use crate::service::Service;
use crate::value::Value;

record! {
    /// 85: a request to a path; also what an addressed session is sent.
    SendRequest<'a> {
        /// As the sender wrote it.
        path: &'a str,
        /// The request.
        value: Value<'a>,
    }
}

record! {
    /// 86: a request to one session.
    SendToSession<'a> {
        /// The addressee.
        session: SessionId,
        /// As the sender wrote it.
        path: &'a str,
        /// The request.
        value: Value<'a>,
    }
}

record! {
    /// 88: a request as its handler gets it.
    HandlerRequest<'a> {
        /// The conversation of the registration, not of this request.
        registration: ConversationId,
        /// Who asks.
        sender: SessionId,
        /// As the sender wrote it.
        path: &'a str,
        /// The sender's properties, as far as the registration asked for them.
        properties: Properties<'a>,
        /// The request.
        value: Value<'a>,
    }
}

record! {
    /// [`HandlerRequest`] without its value, for whoever passes that on as it came.
    HandlerRequestHead<'a> {
        /// See there, as for the rest.
        registration: ConversationId,
        /// Who asks.
        sender: SessionId,
        /// As the sender wrote it.
        path: &'a str,
        /// As far as the registration asked for them.
        properties: Properties<'a>,
    }
}

record! {
    /// 97: makes the session a handler for a path and all below it.
    RegisterHandler<'a> {
        /// Always 88.
        receiver: Receiver,
        /// `default` or empty; without meaning.
        group: &'a str,
        /// The top of the branch.
        path: &'a str,
        /// Which properties of each sender to deliver with its requests.
        keys: Vec<&'a str>,
        /// Quoted in every request for this handler.
        conversation: ConversationId,
    }
}

record! {
    /// 98: undoes [`RegisterHandler`]. The group and keys are repeated without meaning.
    DeregisterHandler<'a> {
        /// Always 88.
        receiver: Receiver,
        /// Without meaning.
        group: &'a str,
        /// The path of the registration.
        path: &'a str,
        /// Without meaning.
        keys: Vec<&'a str>,
    }
}

record! {
    /// 102: a request to every session that matches a filter.
    SendToFilter<'a> {
        /// Quoted in every outcome.
        conversation: ConversationId,
        /// Session filter.
        filter: &'a str,
        /// As the sender wrote it.
        path: &'a str,
        /// The request.
        value: Value<'a>,
    }
}

record! {
    /// 103: one outcome of a filter request.
    FilterResponse<'a> {
        /// The conversation of [`SendToFilter`].
        conversation: ConversationId,
        /// Whose outcome it is.
        session: SessionId,
        /// The outcome.
        outcome: Outcome<'a>,
    }
}

/// The service that a handler will be called with: always [`Service::MessagingReceiverClient`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receiver;

impl Encode for Receiver {
    fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(Service::MessagingReceiverClient.number()));
    }
}

impl<'a> Decode<'a> for Receiver {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let number = reader.varint32()?;
        if number != Service::MessagingReceiverClient.number() {
            return Err(Fault::Number(number).into());
        }
        Ok(Self)
    }
}

/// How one addressee of a filter request answered. Note that here the reason precedes the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// It answered.
    Response(Value<'a>),
    /// It did not, or with an error.
    Error {
        /// For programs.
        reason: Reason,
        /// For people.
        text: &'a str,
    },
}

impl Encode for Outcome<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Response(value) => {
                Tag::First.encode(out);
                value.encode(out);
            }
            Self::Error { reason, text } => {
                Tag::Second.encode(out);
                put_varint(out, u64::from(reason.0));
                text.encode(out);
            }
        }
    }
}

impl<'a> Decode<'a> for Outcome<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(match Tag::decode(reader)? {
            Tag::First => Self::Response(Value::decode(reader)?),
            Tag::Second => {
                let reason = Reason(reader.varint32()?);
                Self::Error { reason, text: <&str>::decode(reader)? }
            }
        })
    }
}

/// The answer to [`SendToFilter`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent<'a> {
    /// To how many sessions the request was sent; that many outcomes follow.
    To(u32),
    /// The filter was refused, in the form that most SDKs read: a list of reports.
    Refused(Vec<ErrorReport<'a>>),
    /// The filter was refused, in the form that the Python SDKs read: one report. It cannot be told from the list
    /// when read back, so decoding never yields it.
    RefusedOnce(ErrorReport<'a>),
}

impl Encode for Sent<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::To(count) => {
                Tag::First.encode(out);
                count.encode(out);
            }
            Self::Refused(reports) => {
                Tag::Second.encode(out);
                reports.encode(out);
            }
            Self::RefusedOnce(report) => {
                Tag::Second.encode(out);
                report.encode(out);
            }
        }
    }
}

impl<'a> Decode<'a> for Sent<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(match Tag::decode(reader)? {
            Tag::First => Self::To(reader.varint32()?),
            Tag::Second => Self::Refused(Vec::decode(reader)?),
        })
    }
}

byte_enum! {
    /// Which of two alternatives follows.
    Tag {
        /// The answer that was hoped for.
        First = 0,
        /// The other one.
        Second = 1,
    }
}
