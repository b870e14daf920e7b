//! Watching sessions come, change and go: services 81, 82, 189 and 190.
//!
//! Both kinds of listener, the older 81 and the newer 189, are told by the same [`SessionEvents`].

use crate::codec::Decode;
use crate::codec::Encode;
use crate::codec::Reader;
use crate::codec::byte_enum;
use crate::codec::record;
use crate::error::Fault;
use crate::error::Malformed;
use crate::ids::ConversationId;
use crate::ids::SessionId;
use crate::service::Properties;

record! {
    /// 81: registers a session properties listener, or removes it.
    PropertiesListener<'a> {
        /// Register, or remove.
        action: ListenerAction<'a>,
        /// Names the listener.
        conversation: ConversationId,
    }
}

/// What [`PropertiesListener`] asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenerAction<'a> {
    /// Start to listen, with the keys of the properties to be told.
    Register(Vec<&'a str>),
    /// Stop.
    Deregister,
}

impl Encode for ListenerAction<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Register(keys) => {
                out.push(0);
                keys.encode(out);
            }
            Self::Deregister => out.push(1),
        }
    }
}

impl<'a> Decode<'a> for ListenerAction<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(match reader.byte()? {
            0 => Self::Register(Vec::decode(reader)?),
            1 => Self::Deregister,
            tag => return Err(Fault::Tag(tag).into()),
        })
    }
}

record! {
    /// 189: registers a session event listener. The answer is a list of error reports, empty if accepted.
    EventListener<'a> {
        /// Whether the client can follow a cluster; without meaning here.
        cluster_aware: bool,
        /// Only sessions that match this session filter.
        filter: Option<&'a str>,
        /// Which properties to tell.
        keys: Option<Vec<&'a str>>,
        /// Only sessions that started after this time, in milliseconds since 1970.
        after: Option<u64>,
        /// Names the listener.
        conversation: ConversationId,
    }
}

record! {
    /// 190: removes a session event listener.
    RemoveEventListener {
        /// Names the listener.
        conversation: ConversationId,
    }
}

record! {
    /// 82: what happened.
    SessionEvents<'a> {
        /// The listener.
        conversation: ConversationId,
        /// In the order in which it happened.
        events: Vec<SessionEvent<'a>>,
    }
}

record! {
    /// What happened to one session.
    SessionEvent<'a> {
        /// Which session.
        session: SessionId,
        /// What.
        change: SessionChange<'a>,
    }
}

/// What happened to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionChange<'a> {
    /// It opened, with these properties.
    Opened(Properties<'a>),
    /// It changed.
    Updated {
        /// In which way.
        kind: UpdateKind,
        /// The properties concerned.
        properties: Vec<(&'a str, PropertyChange<'a>)>,
    },
    /// It closed, with these properties at the end.
    Closed {
        /// Why.
        reason: CloseReason,
        /// Its last properties.
        properties: Properties<'a>,
    },
}

impl Encode for SessionChange<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Opened(properties) => {
                out.push(0);
                properties.encode(out);
            }
            Self::Updated { kind, properties } => {
                out.push(1);
                kind.encode(out);
                properties.encode(out);
            }
            Self::Closed { reason, properties } => {
                out.push(2);
                reason.encode(out);
                properties.encode(out);
            }
        }
    }
}

impl<'a> Decode<'a> for SessionChange<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(match reader.byte()? {
            0 => Self::Opened(Vec::decode(reader)?),
            1 => Self::Updated {
                kind: UpdateKind::decode(reader)?,
                properties: Vec::decode(reader)?,
            },
            2 => Self::Closed {
                reason: CloseReason::decode(reader)?,
                properties: Vec::decode(reader)?,
            },
            tag => return Err(Fault::Tag(tag).into()),
        })
    }
}

byte_enum! {
    /// In which way a session changed.
    UpdateKind {
        /// Its properties changed.
        Updated = 0,
        /// It came back.
        Reconnected = 1,
        /// It moved to another node.
        FailedOver = 2,
        /// Its connection was lost.
        Disconnected = 3,
    }
}

/// How one property changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PropertyChange<'a> {
    /// It is new.
    New(&'a str),
    /// It had another value.
    Changed {
        /// Before.
        old: &'a str,
        /// After.
        new: &'a str,
    },
    /// It is gone.
    Removed(&'a str),
    /// It is told without having changed.
    Same(&'a str),
}

impl Encode for PropertyChange<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        let (tag, first, second) = match *self {
            Self::New(new) => (1, new, None),
            Self::Changed { old, new } => (2, old, Some(new)),
            Self::Removed(old) => (3, old, None),
            Self::Same(value) => (4, value, None),
        };
        out.push(tag);
        first.encode(out);
        if let Some(second) = second {
            second.encode(out);
        }
    }
}

impl<'a> Decode<'a> for PropertyChange<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(match reader.byte()? {
            1 => Self::New(<&str>::decode(reader)?),
            2 => Self::Changed { old: <&str>::decode(reader)?, new: <&str>::decode(reader)? },
            3 => Self::Removed(<&str>::decode(reader)?),
            4 => Self::Same(<&str>::decode(reader)?),
            tag => return Err(Fault::Tag(tag).into()),
        })
    }
}

byte_enum! {
    /// Why a session closed, as listeners are told.
    CloseReason {
        /// The connection was lost.
        ConnectionLost = 0,
        /// The connection failed.
        IoException = 1,
        /// The client did not answer.
        ClientUnresponsive = 2,
        /// The client did not read its messages.
        MessageQueueLimitReached = 3,
        /// The client closed it.
        ClosedByClient = 4,
        /// The client sent a message above the limit.
        MessageTooLarge = 5,
        /// The server failed.
        InternalError = 6,
        /// The client sent what is not a message.
        InvalidInboundMessage = 7,
        /// The server aborted it.
        Aborted = 8,
        /// Messages were lost.
        LostMessages = 9,
        /// Another session closed it.
        ClosedByController = 11,
        /// It moved to another node.
        FailedOver = 12,
        /// Its authentication expired.
        Expired = 13,
        /// Its authentication was revoked.
        Revoked = 14,
        /// Another session took it over.
        SessionTakenOver = 15,
    }
}
