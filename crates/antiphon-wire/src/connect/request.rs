//! The parameters of a connection as the server reads them.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::GeneralPurpose;
use base64::engine::GeneralPurposeConfig;
use percent_encoding::percent_decode_str;
use thiserror::Error;

use crate::codec::Decode;
use crate::connect::Credentials;
use crate::connect::ProtocolVersion;
use crate::connect::parse_properties;
use crate::ids::SessionToken;

/// What a client asks for when it connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionRequest {
    /// Which kind of client it is.
    pub family: ClientFamily,
    /// The version that it speaks and wants to be answered in.
    pub version: ProtocolVersion,
    /// For how long it would like to be able to come back, in milliseconds; 0 for not at all.
    pub reconnect_timeout: u64,
    /// The principal; empty for anonymous.
    pub principal: String,
    /// The encoded credentials; empty for none. [`ConnectionRequest::credentials`] reads them.
    credentials: EncodedCredentials,
    /// Proposed session properties.
    pub properties: Vec<(String, String)>,
    /// Present if the client wants its old session back.
    pub reconnection: Option<Reconnection>,
}

/// Which session a client wants back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconnection {
    /// The token of its last successful connection.
    pub token: SessionToken,
    /// The lowest of its own messages that it can still repeat; 0 if it repeats none.
    pub client_sequence: u64,
    /// The last of the server's messages that it received; 0 for none.
    pub server_sequence: u64,
}

/// The kind of a client, from parameter `ty`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientFamily {
    /// `WB`, `B`: the JavaScript SDK.
    JavaScript,
    /// `PY`: the Python SDKs.
    Python,
    /// `WJ`, `J`: the Java SDK.
    Java,
    /// `WD`, `DN`, `D`: the .NET SDK.
    DotNet,
    /// `WC`, `C`: the C SDK.
    C,
    /// `WI`, `I`: the Apple SDK.
    Apple,
    /// `WA`, `A`: the Android SDK.
    Android,
    /// `RE`: a REST gateway.
    Rest,
    /// Anything else.
    Other,
}

impl ClientFamily {
    fn from_parameter(ty: &str) -> Self {
        match ty {
            "WB" | "B" => Self::JavaScript,
            "PY" => Self::Python,
            "WJ" | "J" => Self::Java,
            "WD" | "DN" | "D" => Self::DotNet,
            "WC" | "C" => Self::C,
            "WI" | "I" => Self::Apple,
            "WA" | "A" => Self::Android,
            "RE" => Self::Rest,
            _ => Self::Other,
        }
    }
}

/// Why the parameters of a connection are unusable.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadParameters {
    /// Without a version no answer can be addressed to the client.
    #[error("parameter v must be a protocol version between 0 and 255, not {0:?}")]
    NoVersion(String),
    /// The version is not spoken here.
    #[error("protocol version {0} is not supported; 19 to 25 and 29 are")]
    UnsupportedVersion(u8),
    /// A parameter cannot be read.
    #[error("parameter {parameter} is malformed")]
    Malformed {
        /// Its short name.
        parameter: &'static str,
        /// The version in which to answer.
        version: ProtocolVersion,
    },
}

impl ConnectionRequest {
    /// Reads the parameters from the query string (without `?`), then from the headers.
    ///
    /// # Errors
    /// What is unusable. An unknown parameter is not an error, and neither is an unknown client type.
    pub fn parse<'h>(
        query: &str,
        header: impl Fn(&str) -> Option<&'h [u8]>,
    ) -> Result<Self, BadParameters> {
        let parameters = Parameters { query, header };
        let version = parameters.version()?;
        let malformed = |parameter| BadParameters::Malformed { parameter, version };
        let text = |name| parameters.text(name).map_err(|()| malformed(name));
        let number = |name| match text(name)?.as_deref() {
            None | Some("") => Ok(0),
            Some(digits) => digits.parse().map_err(|_| malformed(name)),
        };
        Ok(Self {
            family: ClientFamily::from_parameter(&text("ty")?.unwrap_or_default()),
            version,
            reconnect_timeout: number("r")?,
            principal: text("username")?.unwrap_or_default(),
            credentials: EncodedCredentials::from_base64(&text("password")?.unwrap_or_default())
                .ok_or_else(|| malformed("password"))?,
            properties: parse_properties(&text("sp")?.unwrap_or_default())
                .ok_or_else(|| malformed("sp"))?,
            reconnection: match text("c")? {
                None => None,
                Some(token) => Some(Reconnection {
                    token: SessionToken(token.into_bytes().try_into().map_err(|_| malformed("c"))?),
                    client_sequence: number("cs")?,
                    server_sequence: number("ss")?,
                }),
            },
        })
    }

    /// The credentials.
    #[must_use]
    pub fn credentials(&self) -> Credentials<'_> {
        self.credentials.decode().unwrap_or(Credentials::None)
    }
}

/// Credentials that can be decoded, or nothing.
#[derive(Clone, PartialEq, Eq)]
struct EncodedCredentials(Vec<u8>);

impl EncodedCredentials {
    fn from_base64(text: &str) -> Option<Self> {
        let encoded = Self(BASE64.decode(text).ok()?);
        encoded.decode()?;
        Some(encoded)
    }

    fn decode(&self) -> Option<Credentials<'_>> {
        if self.0.is_empty() {
            return Some(Credentials::None);
        }
        Credentials::decode_all(&self.0).ok()
    }
}

impl fmt::Debug for EncodedCredentials {
    /// Does not show the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncodedCredentials")
    }
}

struct Parameters<'q, F> {
    query: &'q str,
    header: F,
}

impl<'h, F: Fn(&str) -> Option<&'h [u8]>> Parameters<'_, F> {
    fn version(&self) -> Result<ProtocolVersion, BadParameters> {
        let text = self.text("v").ok().flatten().unwrap_or_default();
        let number = text.parse().map_err(|_| BadParameters::NoVersion(text))?;
        ProtocolVersion::supported(number).ok_or(BadParameters::UnsupportedVersion(number))
    }

    /// A parameter's value. A `+` in the query is itself: the SDKs percent-encode, they do not form-encode.
    fn text(&self, name: &str) -> Result<Option<String>, ()> {
        let in_query = self.query.split('&').find_map(|pair| match pair.split_once('=') {
            Some((key, value)) if key == name => Some(value),
            _ => None,
        });
        if let Some(value) = in_query {
            let value = percent_decode_str(value).decode_utf8().map_err(|_| ())?;
            return Ok(Some(value.into_owned()));
        }
        let Some(value) = (self.header)(name) else {
            return Ok(None);
        };
        Ok(Some(std::str::from_utf8(value).map_err(|_| ())?.to_owned()))
    }
}

/// Padding may have been lost on the way.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
