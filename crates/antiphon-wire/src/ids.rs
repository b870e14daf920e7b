//! Session ids, conversation ids and session tokens.

use std::fmt;
use std::hash::Hash;
use std::hash::Hasher;
use std::hint::black_box;
use std::str::FromStr;

use thiserror::Error;

use crate::codec::Decode;
use crate::codec::Encode;
use crate::codec::Reader;
use crate::codec::put_varint;
use crate::error::Malformed;

/// Names a session: the node that opened it and the session on that node.
///
/// Both halves stay below 2^63, because Python 6.6rc1 cannot address larger ones. The text form is two groups of 16
/// lower-case hex digits joined by `-`. In messages the halves are varints, in the connection response fixed words.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId {
    /// The node's part.
    pub server: u64,
    /// The session's part.
    pub client: u64,
}

/// Names a node: the server part of the ids of the sessions that it owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u64);

impl SessionId {
    /// The node that owns the session.
    #[must_use]
    pub const fn node(self) -> NodeId {
        NodeId(self.server)
    }
}

impl Encode for SessionId {
    fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.server);
        put_varint(out, self.client);
    }
}

impl<'a> Decode<'a> for SessionId {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(Self { server: reader.varint64()?, client: reader.varint64()? })
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:016x}", self.server, self.client)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is not a session id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a session id is two groups of at most 16 hex digits joined by `-`")]
pub struct NotASessionId;

impl FromStr for SessionId {
    type Err = NotASessionId;

    fn from_str(text: &str) -> Result<Self, NotASessionId> {
        let (server, client) = text.split_once('-').ok_or(NotASessionId)?;
        let half = |hex: &str| match hex.len() {
            1..=16 if hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
                u64::from_str_radix(hex, 16).ok()
            }
            _ => None,
        };
        match (half(server), half(client)) {
            (Some(server), Some(client)) => Ok(Self { server, client }),
            _ => Err(NotASessionId),
        }
    }
}

/// Ties an answer to its request. Each direction of a session allots its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConversationId(pub u64);

impl Encode for ConversationId {
    fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.0);
    }
}

impl<'a> Decode<'a> for ConversationId {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(Self(reader.varint64()?))
    }
}

/// The secret with which a client asks for its session again: 24 characters that are safe in a header.
///
/// It is compared in a time that does not depend on its characters.
#[derive(Clone, Copy, Eq)]
pub struct SessionToken(pub [u8; 24]);

impl PartialEq for SessionToken {
    fn eq(&self, other: &Self) -> bool {
        let pairs = self.0.iter().zip(&other.0);
        pairs.fold(0, |different, (a, b)| black_box(different | (a ^ b))) == 0
    }
}

impl Hash for SessionToken {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for SessionToken {
    /// Does not show the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken")
    }
}
