//! What proves a principal.

use std::fmt;

use antiphon_wire::connect;

/// Proof of who a session is.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Credentials {
    /// None, as for anonymous sessions.
    #[default]
    None,
    /// A password.
    Password(String),
    /// Bytes that an authenticator of the server understands.
    Custom(Vec<u8>),
}

impl Credentials {
    pub(crate) fn as_wire(&self) -> connect::Credentials<'_> {
        match self {
            Self::None => connect::Credentials::None,
            Self::Password(password) => connect::Credentials::Password(password),
            Self::Custom(bytes) => connect::Credentials::Custom(bytes),
        }
    }
}

impl fmt::Debug for Credentials {
    /// Does not show the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_wire(), f)
    }
}
