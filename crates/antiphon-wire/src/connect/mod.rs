//! How a session begins: the parameters of the upgrade request and the connection response.
//!
//! Parameters travel under the same short names in the query string (percent-encoded) or in HTTP headers (raw UTF-8);
//! the query is looked at first. Who may connect is decided elsewhere.
//!
//! | | client | server |
//! |---|---|---|
//! | parameters | [`ConnectionParameters`] writes a query | [`ConnectionRequest`] reads query and headers |
//! | response | [`ConnectionResponse`] reads | [`put_accepted`], [`put_resumed`], [`put_refused`] write |

mod credentials;
mod parameters;
mod properties;
mod request;
mod response;

pub use credentials::Credentials;
pub use parameters::ConnectionParameters;
pub use properties::parse_properties;
pub use request::BadParameters;
pub use request::ClientFamily;
pub use request::ConnectionRequest;
pub use request::Reconnection;
pub use response::Accepted;
pub use response::BadResponse;
pub use response::ConnectionResponse;
pub use response::Refusal;
pub use response::Resumed;
pub use response::put_accepted;
pub use response::put_refused;
pub use response::put_resumed;

/// A version of the protocol. Within what Antiphon speaks, versions differ only in what a client can bear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProtocolVersion(u8);

impl ProtocolVersion {
    /// The highest that Antiphon speaks.
    pub const LATEST: Self = Self(29);

    /// The version of a number, if Antiphon speaks it: 19 to 25 and 29.
    #[must_use]
    pub const fn supported(number: u8) -> Option<Self> {
        match number {
            19..=25 | 29 => Some(Self(number)),
            _ => None,
        }
    }

    /// The number, as it stands in the connection response.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}
