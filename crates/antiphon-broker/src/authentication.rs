//! Who a session becomes: what an authenticator grants, at the start and later.
//!
//! The broker asks and is told; it knows no credentials. Services 5 and 203.

use std::sync::Arc;

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::connect::Credentials;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::service::principal::ChangePrincipal;
use antiphon_wire::service::principal::ReAuthenticate;

use crate::batch::Batch;
use crate::batch::Next;
use crate::broker::Broker;
use crate::error::ServiceError;
use crate::outbox::Outbox;
use crate::profile::PRINCIPAL;
use crate::profile::Profile;
use crate::profile::Roles;
use crate::properties::Properties;
use crate::session::Session;
use crate::time::Millis;

/// What an authenticator grants, for a time or for good.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grant {
    /// The principal; empty for anonymous.
    pub principal: String,
    /// The roles, besides those that every session gets.
    pub roles: Roles,
    /// What the session gets of properties: user properties, `$Environment`, and the place and language of the client.
    pub properties: Properties,
    /// When the session ends unless it is authenticated again.
    pub expires: Option<Expiry>,
}

/// A moment, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// When the broker acts on it.
    pub at: Millis,
    /// What the session sees of it as `$ExpiryTime`: milliseconds since 1970.
    pub wall_time: u64,
}

/// A session that wants to be authenticated again. It is answered by [`Batch::authenticated`].
#[derive(Debug, Clone)]
pub struct Authentication {
    conversation: ConversationId,
    /// In which of its lives the session asked: one that began anew awaits no answer.
    life: u32,
    /// The principal that it wants to be; empty for anonymous.
    pub principal: String,
    /// In their encoded form.
    credentials: Vec<u8>,
    /// The properties that it proposes.
    pub proposed: Vec<(String, String)>,
    /// Those that it has.
    pub properties: Properties,
}

impl Authentication {
    /// What it offers as proof.
    #[must_use]
    pub fn credentials(&self) -> Credentials<'_> {
        Credentials::decode_all(&self.credentials).unwrap_or(Credentials::None)
    }
}

impl<X> Batch<'_, X> {
    pub(crate) fn change_principal(
        &self,
        conversation: ConversationId,
        body: &[u8],
    ) -> Result<Next, ServiceError> {
        let ChangePrincipal { principal, credentials } = Decode::decode_all(body)?;
        Ok(self.ask(conversation, principal, &credentials, &[]))
    }

    pub(crate) fn reauthenticate(
        &self,
        conversation: ConversationId,
        body: &[u8],
    ) -> Result<Next, ServiceError> {
        let ReAuthenticate { principal, credentials, proposed } = Decode::decode_all(body)?;
        Ok(self.ask(conversation, principal, &credentials, &proposed))
    }

    fn ask(
        &self,
        conversation: ConversationId,
        principal: &str,
        credentials: &Credentials<'_>,
        proposed: &[(&str, &str)],
    ) -> Next {
        let mut encoded = Vec::new();
        credentials.encode(&mut encoded);
        let owned = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
        Next::Authenticate(Box::new(Authentication {
            conversation,
            life: self.inbound.life,
            principal: principal.to_owned(),
            credentials: encoded,
            proposed: proposed.iter().map(owned).collect(),
            properties: self.profile.properties.clone(),
        }))
    }

    /// Answers [`Next::Authenticate`]: with a grant the session is from here on whom it says, without it, or if that principal has as
    /// many sessions as it may, the session stays who it is. A session that began anew meanwhile does not know that it asked, and nothing changes.
    pub fn authenticated(
        &mut self,
        authentication: &Authentication,
        grant: Option<Grant>,
        outbox: &mut Outbox<X>,
    ) {
        if authentication.life != self.inbound.life {
            return;
        }
        let accepted = grant.is_some_and(|grant| {
            let became = self.broker.become_principal(self.session, &grant, outbox);
            self.refresh_profile();
            became
        });
        self.respond(authentication.conversation, &accepted, outbox);
        self.broker.reap(outbox);
    }
}

impl<X> Broker<X> {
    fn become_principal(
        &self,
        session: &Arc<Session<X>>,
        grant: &Grant,
        outbox: &mut Outbox<X>,
    ) -> bool {
        let mut room = Ok(());
        self.change_profile(session, outbox, |profile| {
            if profile.properties.get(PRINCIPAL) != Some(&grant.principal) {
                room = self.room_for_principal(&self.registry.read(), &grant.principal);
            }
            if room.is_err() {
                return profile.clone();
            }
            let mut properties = profile.properties.clone();
            self.adopt(&mut properties, grant);
            properties.extend([(PRINCIPAL.into(), grant.principal.as_str().into())]);
            properties.expire(grant.expires.map(|expiry| expiry.wall_time));
            let roles = self.roles_of(grant);
            Profile { properties, ..profile.clone() }.with_roles(self.access(&roles))
        });
        match room {
            Ok(()) => session.set_expires(grant.expires.map_or(Millis::NEVER, |expiry| expiry.at)),
            Err(limit) => self.totals.exceed(limit),
        }
        room.is_ok()
    }

    /// The granted roles and those that every such session gets.
    pub(crate) fn roles_of(&self, grant: &Grant) -> Roles {
        let security = self.security();
        grant.roles.union(security.roles_for(&grant.principal)).cloned().collect()
    }
}
