//! What proves a principal: nothing, a password, or bytes that only an authenticator understands.

use std::fmt;

use crate::codec::Decode;
use crate::codec::Encode;
use crate::codec::Reader;
use crate::codec::put_bytes;
use crate::error::Fault;
use crate::error::Malformed;

/// Credentials as they travel: a type byte, then bytes. At connection they are also in Base64.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Credentials<'a> {
    /// None.
    None,
    /// A password.
    Password(&'a str),
    /// Bytes for an authenticator.
    Custom(&'a [u8]),
}

impl fmt::Debug for Credentials<'_> {
    /// Does not show the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Password(_) => "Password",
            Self::Custom(_) => "Custom",
        })
    }
}

impl Encode for Credentials<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        let (tag, bytes) = match self {
            Self::None => (NONE, &[][..]),
            Self::Password(password) => (PASSWORD, password.as_bytes()),
            Self::Custom(bytes) => (CUSTOM, *bytes),
        };
        out.push(tag);
        put_bytes(out, bytes);
    }
}

impl<'a> Decode<'a> for Credentials<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let tag = reader.byte()?;
        let bytes = reader.bytes()?;
        match tag {
            NONE => Ok(Self::None),
            PASSWORD => Ok(Self::Password(std::str::from_utf8(bytes).map_err(|_| Fault::NotUtf8)?)),
            CUSTOM => Ok(Self::Custom(bytes)),
            tag => Err(Fault::Tag(tag).into()),
        }
    }
}

const NONE: u8 = 0;
const PASSWORD: u8 = 1;
const CUSTOM: u8 = 2;
