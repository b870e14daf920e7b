//! The roles of a server that nobody has configured. Does not say how roles are evaluated.

use crate::access::GlobalPermission as G;
use crate::access::PathPermission as P;
use crate::access::Role;
use crate::access::Security;

impl Security {
    /// The roles CLIENT, CLIENT_CONTROL, TOPIC_CONTROL, OPERATOR, AUTHENTICATION_HANDLER and ADMINISTRATOR. Every
    /// session gets CLIENT. The branch `Diffusion` belongs to the server: only OPERATOR and ADMINISTRATOR may use it.
    pub fn stock() -> Self {
        Self::default()
            .role("CLIENT", client())
            .role("CLIENT_CONTROL", client_control())
            .role("TOPIC_CONTROL", topic_control())
            .role("OPERATOR", operator())
            .role("AUTHENTICATION_HANDLER", authentication_handler())
            .role("ADMINISTRATOR", administrator())
            .named_sessions(&["CLIENT"])
            .anonymous_sessions(&["CLIENT"])
    }
}

const SERVER_BRANCH: &str = "Diffusion";

fn client() -> Role {
    Role::default()
        .granting_by_default(&[P::SelectTopic, P::ReadTopic, P::SendToMessageHandler])
        .granting_at(SERVER_BRANCH, &[])
}

fn client_control() -> Role {
    Role::default()
        .including(&["CLIENT"])
        .granting(&[G::ViewSession, G::ModifySession, G::RegisterHandler])
        .granting_by_default(&[P::SendToSession, P::AcquireLock])
}

fn topic_control() -> Role {
    Role::default().including(&["CLIENT"]).granting_by_default(&[
        P::UpdateTopic,
        P::ModifyTopic,
        P::AcquireLock,
    ])
}

fn operator() -> Role {
    Role::default()
        .including(&["CLIENT"])
        .granting(&[G::ViewSession, G::ViewServer])
        .granting_at(SERVER_BRANCH, &[P::SelectTopic, P::ReadTopic, P::SendToMessageHandler])
}

fn authentication_handler() -> Role {
    Role::default().including(&["CLIENT"]).granting(&[G::Authenticate, G::RegisterHandler])
}

fn administrator() -> Role {
    Role::default()
        .including(&["CLIENT_CONTROL", "TOPIC_CONTROL"])
        .granting(&[G::ViewServer, G::ControlServer, G::ViewSecurity, G::ModifySecurity])
        .granting(&[G::ReadTopicViews, G::ModifyTopicViews])
        .granting_by_default(&[P::EditTimeSeriesEvents, P::ExposeBranch])
        .granting_at(
            SERVER_BRANCH,
            &[
                P::SelectTopic,
                P::ReadTopic,
                P::SendToMessageHandler,
                P::SendToSession,
                P::AcquireLock,
            ],
        )
}
