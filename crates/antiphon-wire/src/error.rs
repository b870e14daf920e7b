//! Reason codes that travel in errors, and the faults of bytes that cannot be read.
//!
//! A [`Malformed`] is always the fault of whoever sent the bytes. A [`Reason`] may come from us or, unread, from a
//! handler, which is why it is a number with names and not a closed enum.

use std::fmt;

use thiserror::Error;

/// Why bytes could not be read: the message, the field and the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{message}, field {field}: {fault}")]
pub struct Malformed {
    /// The message that was being read.
    pub message: &'static str,
    /// The field at which reading stopped.
    pub field: &'static str,
    /// What was wrong with it.
    pub fault: Fault,
}

impl Malformed {
    /// Names the message and field of a fault, unless an inner message already did.
    #[must_use]
    pub fn within(self, message: &'static str, field: &'static str) -> Self {
        if !self.field.is_empty() {
            return self;
        }
        Self { message, field, fault: self.fault }
    }
}

impl From<Fault> for Malformed {
    fn from(fault: Fault) -> Self {
        Self { message: "", field: "", fault }
    }
}

/// What is wrong with some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// The input ends inside the item.
    #[error("the message ends inside it")]
    Truncated,
    /// A varint has more bytes than its width allows.
    #[error("the varint does not end within its width")]
    Overlong,
    /// Text is not UTF-8.
    #[error("the text is not UTF-8")]
    NotUtf8,
    /// A count is larger than what the remaining bytes can hold.
    #[error("the count {0} exceeds what the message can hold")]
    Count(u32),
    /// A tag or enum byte has no meaning.
    #[error("the byte {0} has no meaning")]
    Tag(u8),
    /// A number is not the one that must stand there.
    #[error("the number {0} has no meaning")]
    Number(u32),
    /// Bytes follow the end of the message.
    #[error("{0} bytes follow the end of the message")]
    Trailing(usize),
}

/// A reason code of an error, as it travels in SERVICE_ERROR and FILTER_RESPONSE.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reason(pub u32);

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        impl Reason {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// The protocol's name of the code, if it has one here.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

reasons! {
    /// Communication failed; a JavaScript client also says so of a service that it does not know.
    COMMUNICATION_FAILURE = 100,
    /// The session is closed.
    SESSION_CLOSED = 101,
    /// No answer came in time.
    REQUEST_TIME_OUT = 102,
    /// The caller lacks a permission.
    ACCESS_DENIED = 103,
    /// The service is not available here.
    UNSUPPORTED = 104,
    /// An application callback failed.
    CALLBACK_EXCEPTION = 105,
    /// The data is invalid.
    INVALID_DATA = 106,
    /// An addressed session does not exist.
    NO_SUCH_SESSION = 107,
    /// The data type does not fit.
    INCOMPATIBLE_DATATYPE = 108,
    /// Nobody handles the message.
    UNHANDLED_MESSAGE = 109,
    /// The cluster is rearranging; retry is safe.
    CLUSTER_REPARTITION = 110,
    /// The cluster could not route the request; retry is safe.
    CLUSTER_ROUTING = 112,
    /// The session already has a handler on the path.
    HANDLER_CONFLICT = 201,
    /// The path is illegal.
    INVALID_PATH = 202,
    /// The recipient, or the server for it, refused the request.
    REJECTED_REQUEST = 9003,
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "reason {}", self.0),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
