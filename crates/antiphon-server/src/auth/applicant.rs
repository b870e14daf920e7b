//! What an authenticator is asked, and what it answers.

use std::fmt;
use std::net::IpAddr;

use antiphon_broker::Roles;
use antiphon_broker::properties::Properties;
use antiphon_wire::connect::Credentials;
use antiphon_wire::ids::SessionId;
use tokio_rustls::rustls::pki_types::CertificateDer;

/// Somebody who wants to be let in, or a session that wants to be somebody else.
#[derive(Debug)]
pub(crate) struct Applicant {
    /// Empty for anonymous.
    pub(crate) principal: String,
    pub(crate) proof: Proof,
    /// The session properties that it proposes.
    pub(crate) proposed: Vec<(String, String)>,
    /// Those that it has, or is going to have.
    pub(crate) properties: Properties,
    pub(crate) client: IpAddr,
    /// The certificate that it proved to be its own, in DER.
    pub(crate) certificate: Option<CertificateDer<'static>>,
    /// Present if there is a session already.
    pub(crate) session: Option<SessionId>,
}

/// What it offers as proof.
pub(crate) enum Proof {
    None,
    Password(String),
    Custom(Vec<u8>),
}

/// What an authenticator says.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It is let in.
    Allow(Admitted),
    /// It is not, because of this.
    Deny(String),
    /// Somebody else is to decide.
    Abstain,
    /// It is not let in, but the authenticator could not tell who it is: this is no failed attempt.
    Fail(String),
}

/// With what somebody is let in.
#[derive(Debug, Default)]
pub(crate) struct Admitted {
    pub(crate) principal: String,
    pub(crate) roles: Roles,
    /// Besides those that are proposed and believed. Not checked.
    pub(crate) properties: Vec<(String, String)>,
    /// In milliseconds since 1970.
    pub(crate) expires: Option<u64>,
    /// Nothing that the client proposes is believed.
    pub(crate) only_given: bool,
}

impl Applicant {
    /// The principal as it may stand in a log.
    pub(crate) fn shown_principal(&self) -> &str {
        &self.principal[..self.principal.floor_char_boundary(MOST_SHOWN)]
    }
}

impl Proof {
    /// The password, or an empty one if there is no proof at all: a JavaScript client without a password may send either.
    pub(crate) fn password(&self) -> Option<&str> {
        match self {
            Self::None => Some(""),
            Self::Password(password) => Some(password),
            Self::Custom(_) => None,
        }
    }

    /// As they travel.
    pub(crate) fn credentials(&self) -> Credentials<'_> {
        match self {
            Self::None => Credentials::None,
            Self::Password(password) => Credentials::Password(password),
            Self::Custom(bytes) => Credentials::Custom(bytes),
        }
    }
}

impl From<Credentials<'_>> for Proof {
    fn from(credentials: Credentials<'_>) -> Self {
        match credentials {
            Credentials::None => Self::None,
            Credentials::Password(password) => Self::Password(password.to_owned()),
            Credentials::Custom(bytes) => Self::Custom(bytes.to_owned()),
        }
    }
}

impl fmt::Debug for Proof {
    /// Does not show the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.credentials().fmt(f)
    }
}

/// Names may be as long as a request.
const MOST_SHOWN: usize = 100;
