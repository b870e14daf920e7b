//! Sessions that decide who is let in: services 119 to 121.
//!
//! ```text
//! control session --119 name--> server
//! server --120 principal, credentials--> control session, which answers with a Decision
//! ```

use crate::codec::Decode;
use crate::codec::Encode;
use crate::codec::Reader;
use crate::codec::put_varint;
use crate::codec::record;
use crate::connect::Credentials;
use crate::error::Fault;
use crate::error::Malformed;
use crate::ids::ConversationId;
use crate::service::Properties;
use crate::service::Service;

record! {
    /// 119: makes the session an authenticator under a name that the server is configured with.
    RegisterAuthenticator<'a> {
        /// Always 120.
        receiver: Asked,
        /// `default` or empty; without meaning.
        group: &'a str,
        /// The name.
        name: &'a str,
        /// Quoted in every question to this authenticator.
        conversation: ConversationId,
    }
}

record! {
    /// 121: undoes [`RegisterAuthenticator`].
    DeregisterAuthenticator<'a> {
        /// Always 120.
        receiver: Asked,
        /// Without meaning.
        group: &'a str,
        /// The name.
        name: &'a str,
    }
}

record! {
    /// 120: whether somebody is let in. The answer is a [`Decision`].
    AuthenticatorRequest<'a> {
        /// Who wants to be let in; empty for anonymous.
        principal: &'a str,
        /// What proves it.
        credentials: Credentials<'a>,
        /// The properties that the session has, or is going to have.
        properties: Properties<'a>,
        /// The properties that it proposes.
        proposed: Properties<'a>,
        /// The conversation of the registration.
        registration: ConversationId,
    }
}

/// The service that an authenticator will be called with: always [`Service::Authenticator`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked;

impl Encode for Asked {
    fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(Service::Authenticator.number()));
    }
}

impl<'a> Decode<'a> for Asked {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let number = reader.varint32()?;
        if number != Service::Authenticator.number() {
            return Err(Fault::Number(number).into());
        }
        Ok(Self)
    }
}

/// What an authenticator says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<'a> {
    /// Nobody is let in.
    Deny,
    /// The next authenticator shall decide.
    Abstain,
    /// The session is let in, with these properties.
    Allow(Properties<'a>),
}

impl Encode for Decision<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Deny => out.push(DENY),
            Self::Abstain => out.push(ABSTAIN),
            Self::Allow(properties) => {
                out.push(ALLOW);
                properties.encode(out);
            }
        }
    }
}

impl<'a> Decode<'a> for Decision<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        match reader.byte()? {
            DENY => Ok(Self::Deny),
            ABSTAIN => Ok(Self::Abstain),
            ALLOW => Ok(Self::Allow(Decode::decode(reader)?)),
            tag => Err(Fault::Tag(tag).into()),
        }
    }
}

const DENY: u8 = 0;
const ABSTAIN: u8 = 1;
const ALLOW: u8 = 2;
