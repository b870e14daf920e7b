//! The calls that a session may make, and the permissions that each needs. The broker demands them where it serves the
//! call; this is the same for people who ask before.

use antiphon_server::security::access::GlobalPermission as G;
use antiphon_server::security::access::PathPermission as P;
use clap::ValueEnum;

/// A call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Call {
    /// Send a request to whoever handles the path
    SendToPath,
    /// Send a request on the path to a session
    SendToSession,
    /// Send a request on the path to all sessions that match a filter
    SendToFilter,
    /// Answer requests
    Answer,
    /// Register a handler
    Register,
    /// Register a handler that gets session properties of the sender
    RegisterWithProperties,
    /// See sessions and their properties
    GetProperties,
    /// Be told of sessions that open, change and close
    Listen,
    /// Set properties of sessions
    SetProperties,
    /// Close sessions
    Close,
    /// Change roles of sessions
    ChangeRoles,
    /// Acquire the lock whose name is the path
    Lock,
    /// See who holds which lock
    ListLocks,
    /// Register as an authenticator
    Authenticate,
    /// Revoke the authentication of a session
    RevokeAuthentication,
    /// Read the security store
    ViewSecurity,
    /// Change the security store
    UpdateSecurity,
}

/// What a call needs; all of it.
pub(super) struct Needs {
    pub(super) globals: &'static [G],
    pub(super) path: Option<P>,
}

impl Call {
    pub(super) fn needs(self) -> Needs {
        let path = match self {
            Self::SendToPath => Some(P::SendToMessageHandler),
            Self::SendToSession | Self::SendToFilter => Some(P::SendToSession),
            Self::Lock => Some(P::AcquireLock),
            _ => None,
        };
        Needs { globals: self.globals(), path }
    }

    fn globals(self) -> &'static [G] {
        match self {
            Self::SendToPath
            | Self::SendToSession
            | Self::SendToFilter
            | Self::Lock
            | Self::Answer => &[],
            Self::Register => &[G::RegisterHandler],
            Self::RegisterWithProperties => &[G::RegisterHandler, G::ViewSession],
            Self::GetProperties => &[G::ViewSession],
            Self::Listen => &[G::ViewSession, G::RegisterHandler],
            Self::SetProperties => &[G::ViewSession, G::ModifySession],
            Self::Close | Self::ChangeRoles => &[G::ModifySession],
            Self::ListLocks => &[G::ViewServer],
            Self::Authenticate => &[G::Authenticate, G::RegisterHandler],
            Self::RevokeAuthentication => &[G::ModifySession, G::Authenticate],
            Self::ViewSecurity => &[G::ViewSecurity],
            Self::UpdateSecurity => &[G::ModifySecurity],
        }
    }
}
