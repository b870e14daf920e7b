//! The parameters of a connection as a client writes them, all in the query string.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::AsciiSet;
use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::percent_encode;

use crate::codec::Encode;
use crate::connect::Credentials;
use crate::connect::ProtocolVersion;
use crate::connect::Reconnection;
use crate::connect::properties::json_object;

/// What a client asks for when it connects; [`ConnectionRequest`](crate::connect::ConnectionRequest) is how a server
/// reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionParameters<'a> {
    /// Which kind of client it is, parameter `ty`.
    pub client_type: &'a str,
    /// The version that it speaks and wants to be answered in.
    pub version: ProtocolVersion,
    /// What it can do, a set of bits: 2 inflates topic messages, 8 uses the framing of [`message`](crate::message).
    pub capabilities: u32,
    /// For how long it would like to be able to come back, in milliseconds; 0 for not at all.
    pub reconnect_timeout: u64,
    /// Present if it wants its old session back.
    pub reconnection: Option<Reconnection>,
    /// Proposed session properties. Of equal keys the last counts.
    pub properties: &'a [(String, String)],
    /// The principal; `None` for anonymous.
    pub principal: Option<&'a str>,
    /// What proves the principal. Not sent without one.
    pub credentials: Credentials<'a>,
}

impl ConnectionParameters<'_> {
    /// The query string, without `?`. It holds the credentials and the token, so it must not be logged.
    #[must_use]
    pub fn to_query(&self) -> String {
        let mut query = String::new();
        put(&mut query, "ty", self.client_type);
        put(&mut query, "v", self.version.number().to_string());
        put(&mut query, "ca", self.capabilities.to_string());
        put(&mut query, "r", self.reconnect_timeout.to_string());
        if let Some(reconnection) = &self.reconnection {
            put(&mut query, "c", reconnection.token.0);
            put(&mut query, "cs", reconnection.client_sequence.to_string());
            put(&mut query, "ss", reconnection.server_sequence.to_string());
        }
        put(&mut query, "sp", json_object(self.properties));
        if let Some(principal) = self.principal {
            let mut record = Vec::new();
            self.credentials.encode(&mut record);
            put(&mut query, "username", principal);
            put(&mut query, "password", BASE64_STANDARD.encode(record));
        }
        query
    }
}

/// Appends a pair, and before it what parts it from the last one.
fn put(query: &mut String, name: &str, value: impl AsRef<[u8]>) {
    if !query.is_empty() {
        query.push('&');
    }
    query.push_str(name);
    query.push('=');
    query.extend(percent_encode(value.as_ref(), RESERVED));
}

/// All but the characters that mean themselves anywhere in a URL.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
