//! From a connection that was accepted to a session: its id, what it is known by, and its connection response.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use antiphon_wire::connect::Accepted;
use antiphon_wire::connect::ClientFamily;
use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::connect::Refusal;
use antiphon_wire::connect::put_accepted;
use antiphon_wire::ids::SessionId;
use antiphon_wire::ids::SessionToken;
use antiphon_wire::websocket;

use crate::authentication::Grant;
use crate::broker::Broker;
use crate::draining::Phase;
use crate::filter::Bucket;
use crate::filter::Index;
use crate::outbox::Outbox;
use crate::profile::PRINCIPAL;
use crate::profile::Profile;
use crate::properties;
use crate::properties::ENVIRONMENT;
use crate::properties::Properties;
use crate::properties::Trust;
use crate::registry::Registry;
use crate::registry::SESSION_ID;
use crate::registry::START_TIME;
use crate::session::Client;
use crate::session::Session;
use crate::stats::Limit;
use crate::time::Millis;
use crate::time::millis;

/// A connection that becomes a session.
#[derive(Debug)]
pub struct Opening<'a> {
    /// What the client asked for.
    pub request: &'a ConnectionRequest,
    /// What an authenticator said to it.
    pub grant: Grant,
    /// The value of `$ClientIP`.
    pub client_address: String,
    /// The value of `$Connector`.
    pub connector: &'a str,
    /// Milliseconds since 1970.
    pub start_time: u64,
    /// A fresh secret.
    pub token: SessionToken,
    /// The time.
    pub now: Millis,
}

impl<X> Broker<X> {
    /// Opens a session. Its mailbox begins with the connection response.
    ///
    /// # Errors
    /// The refusal to be sent, if there are too many sessions or the server is draining or shutting down.
    pub fn open(
        &self,
        opening: Opening<'_>,
        driver: X,
        outbox: &mut Outbox<X>,
    ) -> Result<Arc<Session<X>>, Refusal> {
        let id = SessionId {
            server: self.config.node.0,
            client: self.next_session.fetch_add(1, Relaxed),
        };
        // From here on, so that what the session may do is not changed before it can be found.
        let mut listeners = self.listeners.lock();
        let profile = self.profile(id, &opening);
        let principal = opening.grant.principal.clone();
        let expires = opening.grant.expires.map_or(Millis::NEVER, |expiry| expiry.at);
        let Opening { request, start_time, token, now, .. } = opening;
        let kept = self.keep(request, token);
        let is_kept = kept.is_some();
        let start = (start_time, kept);
        let session = Arc::new(Session::new(id, driver, Client::of(request), start, profile));
        session.heard(now);
        session.set_next_ping(self.patience.next_ping(now));
        session.set_expires(expires);
        let accepted = Accepted {
            session: id,
            token,
            ping_period: millis(self.config.ping_period),
            maximum_message: u32::try_from(self.policy().limits.message).unwrap_or(u32::MAX),
        };
        // Before anybody can find the session, so that nothing comes first.
        let mut welcome = Outbox::default();
        session.put_frame(
            |out| {
                websocket::put_message(out, RESPONSE_LENGTH, |out| {
                    put_accepted(out, request.version, &accepted)
                })
            },
            &mut welcome,
        );
        let mut registry = self.registry.write();
        if self.phase() != Phase::Open {
            return Err(Refusal::ServerInitialising);
        }
        if let Err(limit) = self.room(&registry, &principal) {
            self.totals.exceed(limit);
            return Err(Refusal::LicenseExceeded);
        }
        if is_kept {
            // Before anybody can find the session, and end it.
            self.tokens.lock().insert(token, id);
        }
        registry.insert(session.clone());
        drop(registry);
        self.totals.opened.fetch_add(1, Relaxed);
        outbox.touched.append(&mut welcome.touched);
        listeners.opened(&session, &self.policy().limits, outbox);
        drop(listeners);
        self.reap(outbox);
        Ok(session)
    }

    /// Whether there is room for one more session, of this principal. It is so until the listeners' lock is let go, which
    /// the caller holds.
    fn room(&self, registry: &Registry<X>, principal: &str) -> Result<(), Limit> {
        if registry.len() >= self.policy().limits.sessions {
            return Err(Limit::Sessions);
        }
        self.room_for_principal(registry, principal)
    }

    /// Likewise, of a session that is there.
    pub(crate) fn room_for_principal(
        &self,
        registry: &Registry<X>,
        principal: &str,
    ) -> Result<(), Limit> {
        let most = self.policy().limits.sessions_per_principal;
        let is_limited = most > 0 && !principal.is_empty();
        // The index of properties counts them.
        let theirs = || registry.size(Bucket::Property { key: PRINCIPAL, value: principal });
        if is_limited && theirs() >= most { Err(Limit::SessionsPerPrincipal) } else { Ok(()) }
    }

    /// Gives a session the properties that it was granted.
    pub(crate) fn adopt(&self, properties: &mut Properties, grant: &Grant) {
        if !properties.adopt(&grant.properties, self.policy().limits.properties.count) {
            self.totals.exceed(Limit::Properties);
        }
    }

    /// What a client gets of the properties that it `offered`, see [`properties::proposed`], and what an authenticator
    /// `gives` it, see [`properties::given`].
    pub fn granted<'a>(
        &self,
        offered: impl IntoIterator<Item = (&'a str, &'a str)>,
        trust: &Trust,
        gives: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Properties {
        let bounds = self.policy().limits.properties;
        let (mut granted, dropped) = properties::proposed(offered, trust, bounds);
        let (given, refused) = properties::given(gives, bounds);
        granted.extend(given.shared().map(|(key, value)| (key.clone(), value.clone())));
        dropped.into_iter().chain(refused).for_each(|limit| self.totals.exceed(limit));
        granted
    }

    /// The properties that a session is going to have, whoever it is: what an authenticator can know of it.
    #[must_use]
    pub fn foreseen(
        &self,
        family: ClientFamily,
        client_address: &str,
        connector: &str,
    ) -> Properties {
        [
            ("$ClientType", client_type(family)),
            ("$Transport", "WEBSOCKET"),
            ("$ServerName", &self.config.server_name),
            ("$Connector", connector),
            ("$ClientIP", client_address),
            ("$Country", ""),
            ("$Language", ""),
            ("$Latitude", "NaN"),
            ("$Longitude", "NaN"),
        ]
        .into_iter()
        .map(|(key, value)| (Arc::from(key), Arc::from(value)))
        .collect()
    }

    fn profile(&self, id: SessionId, opening: &Opening<'_>) -> Profile {
        let Opening { request, client_address, connector, start_time, .. } = opening;
        let mut properties = self.foreseen(request.family, client_address, connector);
        self.adopt(&mut properties, &opening.grant);
        let text = |value: &str| Arc::<str>::from(value);
        properties.extend([
            (text(SESSION_ID), id.to_string().into()),
            (text(PRINCIPAL), text(&opening.grant.principal)),
            (text(START_TIME), start_time.to_string().into()),
        ]);
        let environment = opening.grant.properties.get(ENVIRONMENT);
        properties.extend(environment.map(|said| (text(ENVIRONMENT), text(said))));
        properties.expire(opening.grant.expires.map(|expiry| expiry.wall_time));
        let roles = self.roles_of(&opening.grant);
        let (roles, access) = self.access(&roles);
        let bare = Profile { roles: roles.clone(), properties, access: access.clone() };
        bare.with_roles((roles, access))
    }
}

/// The value of `$ClientType`.
fn client_type(family: ClientFamily) -> &'static str {
    match family {
        ClientFamily::JavaScript => "JAVASCRIPT_BROWSER",
        ClientFamily::Python => "PYTHON",
        ClientFamily::Java => "JAVA",
        ClientFamily::DotNet => "DOTNET",
        ClientFamily::C => "C",
        ClientFamily::Apple => "IOS",
        ClientFamily::Android => "ANDROID",
        ClientFamily::Rest => "REST",
        ClientFamily::Other => "OTHER",
    }
}

/// The exact length of the connection response to a new session.
pub(crate) const RESPONSE_LENGTH: usize = 55;
