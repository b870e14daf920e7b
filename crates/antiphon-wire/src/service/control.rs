//! Acting on other sessions: services 14, 67, 105, 106, 123, 124, 162, 168 and 202.
//!
//! The answer to the services that take a filter is [`super::CountOrErrors`], except for [`SessionFetch`]. The answer
//! to 67 and 202 is an optional map of properties, to 14 and 123 nothing.

use crate::codec::Decode;
use crate::codec::Encode;
use crate::codec::Reader;
use crate::codec::record;
use crate::error::Fault;
use crate::error::Malformed;
use crate::ids::SessionId;
use crate::service::ErrorReport;
use crate::service::Properties;

record! {
    /// 14: closes a session.
    CloseClient {
        /// Which one.
        session: SessionId,
    }
}

record! {
    /// 162: closes the matching sessions.
    CloseClientFilter<'a> {
        /// Session filter.
        filter: &'a str,
    }
}

record! {
    /// 67: reads properties.
    GetSessionProperties<'a> {
        /// Whose.
        session: SessionId,
        /// Which; `*F` and `*U` stand for all fixed and all user-defined ones.
        keys: Vec<&'a str>,
    }
}

record! {
    /// 105: changes properties of one session.
    SetSessionProperties<'a> {
        /// Whose.
        session: SessionId,
        /// New values.
        set: Option<Properties<'a>>,
        /// Keys to remove.
        remove: Option<Vec<&'a str>>,
    }
}

record! {
    /// The answer to [`SetSessionProperties`].
    PropertiesChanged<'a> {
        /// What changed, with the previous values.
        previous: Option<Properties<'a>>,
        /// Keys that had no value before.
        created: Option<Vec<&'a str>>,
    }
}

record! {
    /// 106: changes properties of the matching sessions.
    SetSessionPropertiesFilter<'a> {
        /// Session filter.
        filter: &'a str,
        /// New values.
        set: Option<Properties<'a>>,
        /// Keys to remove.
        remove: Option<Vec<&'a str>>,
    }
}

record! {
    /// 123: changes the roles of one session.
    ChangeRoles<'a> {
        /// Whose.
        session: SessionId,
        /// Roles to take away.
        remove: Vec<&'a str>,
        /// Roles to give.
        add: Vec<&'a str>,
    }
}

record! {
    /// 124: changes the roles of the matching sessions.
    ChangeRolesFilter<'a> {
        /// Session filter.
        filter: &'a str,
        /// Roles to take away.
        remove: Vec<&'a str>,
        /// Roles to give.
        add: Vec<&'a str>,
    }
}

record! {
    /// 168: lists the matching sessions.
    SessionFetch<'a> {
        /// Session filter.
        filter: &'a str,
        /// Which properties to tell; absent for none.
        keys: Option<Vec<&'a str>>,
        /// Only sessions that started at or after this time, in milliseconds since 1970.
        from: Option<u64>,
        /// Only sessions that started at or before this time, in milliseconds since 1970.
        to: Option<u64>,
        /// At most so many sessions.
        limit: Option<u32>,
        /// At most so many bytes of result.
        maximum_size: u32,
        /// Whether to tell the start times.
        with_start_time: bool,
    }
}

record! {
    /// One session in a [`Fetched`].
    FetchedSession<'a> {
        /// Milliseconds since 1970, if asked for.
        start_time: Option<u64>,
        /// The properties asked for.
        properties: Properties<'a>,
    }
}

/// The answer to [`SessionFetch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched<'a> {
    /// The sessions.
    Sessions {
        /// Those told, in the order of their start.
        sessions: Vec<FetchedSession<'a>>,
        /// How many match, told or not.
        total: u32,
    },
    /// The filter was refused.
    Refused(Vec<ErrorReport<'a>>),
}

impl Encode for Fetched<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Sessions { sessions, total } => {
                out.push(0);
                sessions.encode(out);
                total.encode(out);
            }
            Self::Refused(reports) => {
                out.push(1);
                reports.encode(out);
            }
        }
    }
}

impl<'a> Decode<'a> for Fetched<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(match reader.byte()? {
            0 => Self::Sessions { sessions: Vec::decode(reader)?, total: reader.varint32()? },
            1 => Self::Refused(Vec::decode(reader)?),
            tag => return Err(Fault::Tag(tag).into()),
        })
    }
}
