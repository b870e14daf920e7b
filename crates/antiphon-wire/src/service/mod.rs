//! The one registry of service numbers, and the body of every service that Antiphon speaks.
//!
//! A body is what follows the header of [`crate::message`]. Each submodule holds one family; a record lists its
//! fields in the order in which they travel.

pub mod authenticator;
pub mod control;
pub mod events;
pub mod locks;
pub mod messaging;
pub mod principal;
pub mod security;

use crate::codec::record;

macro_rules! registry {
    (
        $(#[$registry_doc:meta])*
        $registry:ident { $($(#[$doc:meta])* $name:ident = $number:literal,)* }
    ) => {
        $(#[$registry_doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $registry {
            $($(#[$doc])* $name = $number,)*
        }

        impl $registry {
            /// Every service, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The service of a number, if there is one.
            #[must_use]
            pub const fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The number that stands for the service in a request.
            #[must_use]
            pub const fn number(self) -> u32 {
                self as u32
            }
        }
    };
}

pub(crate) use registry;

registry! {
    /// A service, by the name that the protocol gives it.
    Service {
        /// Changes the principal of the caller's session; see [`principal`].
        ChangePrincipal = 5,
        /// Closes another session; see [`control`].
        CloseClient = 14,
        /// The server asks whether the session is alive. No body either way.
        SystemPing = 55,
        /// Either side asks whether the other is alive. No body either way.
        UserPing = 56,
        /// Reads who is known to the server; see [`security`].
        GetSystemAuthentication = 57,
        /// Changes who is known to the server; see [`security`].
        UpdateSystemAuthentication = 58,
        /// Reads the roles; see [`security`].
        GetSecurityConfiguration = 59,
        /// Changes the roles; see [`security`].
        UpdateSecurityConfiguration = 60,
        /// Reads a session's properties; see [`control`].
        GetSessionProperties = 67,
        /// Registers or removes a session properties listener; see [`events`].
        SessionPropertiesRegistration = 81,
        /// Tells a listener what happened to sessions; see [`events`].
        SessionPropertiesEvent = 82,
        /// A request to a path, or as delivered to an addressed session; see [`messaging`].
        MessagingSend = 85,
        /// A request to one session; see [`messaging`].
        MessagingReceiverServer = 86,
        /// A request as delivered to a registered handler; see [`messaging`].
        MessagingReceiverClient = 88,
        /// Registers a handler; see [`messaging`].
        MessagingReceiverControlRegistration = 97,
        /// Removes a handler; see [`messaging`].
        MessagingReceiverControlDeregistration = 98,
        /// A request to every session that matches a filter; see [`messaging`].
        MessagingFilterSend = 102,
        /// One outcome of a filter request; see [`messaging`].
        FilterResponse = 103,
        /// Changes a session's properties; see [`control`].
        SetSessionProperties = 105,
        /// Changes the properties of matching sessions; see [`control`].
        SetSessionPropertiesFilter = 106,
        /// Waits for a session lock; see [`locks`].
        AcquireSessionLock = 114,
        /// Gives up waiting for a session lock; see [`locks`].
        CancelAcquireSessionLock = 115,
        /// Releases a session lock; see [`locks`].
        ReleaseSessionLock = 116,
        /// Registers an authenticator; see [`authenticator`].
        AuthenticatorRegistration = 119,
        /// Asks an authenticator whether somebody is let in; see [`authenticator`].
        Authenticator = 120,
        /// Removes an authenticator; see [`authenticator`].
        AuthenticatorDeregistration = 121,
        /// Changes a session's roles; see [`control`].
        ChangeAuthorisationRoles = 123,
        /// Changes the roles of matching sessions; see [`control`].
        ChangeAuthorisationRolesFilter = 124,
        /// Tells the caller's global permissions; see [`security`].
        ListGlobalPermissions = 143,
        /// Tells the caller's permissions at a path; see [`security`].
        ListPathPermissions = 144,
        /// Closes matching sessions; see [`control`].
        CloseClientFilter = 162,
        /// Lists matching sessions; see [`control`].
        SessionFetch = 168,
        /// Registers a session event listener; see [`events`].
        SessionEventRegistration = 189,
        /// Removes a session event listener; see [`events`].
        SessionEventDeregistration = 190,
        /// Tells who holds one session lock; see [`locks`].
        GetSessionLock = 196,
        /// Tells who holds which session lock; see [`locks`].
        GetSessionLocks = 197,
        /// Reads the caller's own fixed properties; see [`control`].
        GetOwnSessionProperties = 202,
        /// Authenticates the caller's session again; see [`principal`].
        ReAuthenticate = 203,
        /// Ends a session whose authentication is no longer valid; see [`security`].
        RevokeAuthentication = 204,
    }
}

/// A map of session properties: pairs in the order in which they travel.
pub type Properties<'a> = Vec<(&'a str, &'a str)>;

record! {
    /// Why a filter or a script was refused.
    ErrorReport<'a> {
        /// For people.
        message: &'a str,
        /// Counted from 1.
        line: u32,
        /// Counted from 1, in characters.
        column: u32,
    }
}

record! {
    /// The answer of services that act on every session that matches a filter.
    CountOrErrors<'a> {
        /// How many sessions were acted on; 0 if the filter was refused.
        count: u32,
        /// Why the filter was refused; empty if it was not.
        errors: Vec<ErrorReport<'a>>,
    }
}
