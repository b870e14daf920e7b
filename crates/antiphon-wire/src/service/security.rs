//! Reading and changing who may do what: services 57 to 60, 143, 144 and 204.
//!
//! 57, 59 and 143 have no request body. The answer to 58 and 60 is a list of [`super::ErrorReport`], empty if the script
//! was applied; to 143 and 144 a list of permissions, each a byte; to 204 nothing. Which byte stands for which permission
//! is not known here.

use crate::codec::Decode;
use crate::codec::Encode;
use crate::codec::Reader;
use crate::codec::byte_enum;
use crate::codec::record;
use crate::error::Fault;
use crate::error::Malformed;
use crate::ids::SessionId;

record! {
    /// The answer to 57: who is known, and what is believed.
    SystemAuthentication<'a> {
        /// Everybody who has a password.
        principals: Vec<SystemPrincipal<'a>>,
        /// What becomes of a client without a principal.
        anonymous: AnonymousAction,
        /// The roles of a client without a principal that is let in.
        anonymous_roles: Vec<&'a str>,
        /// Which values are believed of which property that a client proposes.
        trusted: Vec<(&'a str, TrustedValues<'a>)>,
    }
}

record! {
    /// One principal in a [`SystemAuthentication`].
    SystemPrincipal<'a> {
        /// Its name.
        name: &'a str,
        /// Its roles.
        roles: Vec<&'a str>,
        /// The only principal that may change it.
        locked_by: Option<&'a str>,
    }
}

byte_enum! {
    /// What becomes of a client without a principal.
    AnonymousAction {
        /// It is let in.
        Allow = 0,
        /// It is refused.
        Deny = 1,
        /// The next authenticator decides.
        Abstain = 2,
    }
}

/// Which values of a proposed property are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustedValues<'a> {
    /// Those that match this regular expression.
    Matches(&'a str),
    /// These.
    OneOf(Vec<&'a str>),
}

record! {
    /// The answer to 59: the roles and what they grant.
    SecurityConfiguration<'a> {
        /// The roles of every session without a principal.
        anonymous_sessions: Vec<&'a str>,
        /// The roles of every session with a principal.
        named_sessions: Vec<&'a str>,
        /// All roles.
        roles: Vec<SecurityRole<'a>>,
        /// Paths that nothing granted above them reaches.
        isolated: Vec<&'a str>,
    }
}

record! {
    /// One role in a [`SecurityConfiguration`].
    SecurityRole<'a> {
        /// Its name.
        name: &'a str,
        /// Global permissions.
        globals: Vec<u8>,
        /// Permissions for paths without an assignment.
        default_path: Vec<u8>,
        /// Assignments by path.
        paths: Vec<(&'a str, Vec<u8>)>,
        /// Roles whose permissions it has too.
        includes: Vec<&'a str>,
        /// The only principal that may change it.
        locked_by: Option<&'a str>,
    }
}

record! {
    /// 58 and 60: changes principals, or roles.
    UpdateSecurity<'a> {
        /// Commands, each on a line of its own.
        script: &'a str,
    }
}

record! {
    /// 144: what the caller may do at a path.
    ListPathPermissions<'a> {
        /// The path.
        path: &'a str,
    }
}

record! {
    /// 204: ends a session because its authentication is no longer valid.
    RevokeAuthentication {
        /// Which one.
        session: SessionId,
    }
}

impl Encode for TrustedValues<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Matches(pattern) => {
                out.push(0);
                pattern.encode(out);
            }
            Self::OneOf(values) => {
                out.push(1);
                values.encode(out);
            }
        }
    }
}

impl<'a> Decode<'a> for TrustedValues<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(match reader.byte()? {
            0 => Self::Matches(Decode::decode(reader)?),
            1 => Self::OneOf(Decode::decode(reader)?),
            tag => return Err(Fault::Tag(tag).into()),
        })
    }
}
