//! Session listeners: services 81, 82, 189 and 190.
//!
//! A listener is told of the sessions that are there when it registers, then of each that opens, changes or ends, in
//! one order for all listeners: the lock around [`Listeners`] is held from before a change to the registry until every
//! listener has been told.

use std::mem;
use std::sync::Arc;

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::Encode;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::message;
use antiphon_wire::service::ErrorReport;
use antiphon_wire::service::Properties;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::events::EventListener;
use antiphon_wire::service::events::ListenerAction;
use antiphon_wire::service::events::PropertiesListener;
use antiphon_wire::service::events::PropertyChange;
use antiphon_wire::service::events::RemoveEventListener;
use antiphon_wire::service::events::SessionChange;
use antiphon_wire::service::events::SessionEvent;
use antiphon_wire::service::events::SessionEvents;
use antiphon_wire::service::events::UpdateKind;

use crate::access::GlobalPermission;
use crate::batch::Batch;
use crate::batch::Void;
use crate::cluster::Elsewhere;
use crate::config::Limits;
use crate::error::ServiceError;
use crate::filter::Filter;
use crate::messaging::report;
use crate::outbox::Outbox;
use crate::profile::Profile;
use crate::properties::KeySelection;
use crate::session::Session;
use crate::stats::Limit;

/// Everybody who listens.
#[derive(Debug)]
pub(crate) struct Listeners<X> {
    pub(crate) listeners: Vec<Listener<X>>,
    /// The number of the last one.
    pub(crate) last: u64,
}

/// Who listens: a session, or for one of its own another node.
#[derive(Debug)]
pub(crate) struct Listener<X> {
    pub(crate) session: Arc<Session<X>>,
    /// For another node the number that it has there.
    pub(crate) conversation: ConversationId,
    pub(crate) filter: Option<Filter>,
    pub(crate) keys: KeySelection,
    /// Only sessions that started after this time, in milliseconds since 1970.
    pub(crate) after: Option<u64>,
    /// What other nodes know it by.
    pub(crate) elsewhere: Elsewhere,
}

impl<X> Default for Listeners<X> {
    fn default() -> Self {
        Self { listeners: Vec::new(), last: 0 }
    }
}

impl<X> Listeners<X> {
    pub(crate) fn opened(
        &mut self,
        session: &Arc<Session<X>>,
        limits: &Limits,
        outbox: &mut Outbox<X>,
    ) {
        let profile = session.profile();
        for listener in self.listeners.iter().filter(|listener| listener.wants(session, &profile)) {
            let opened = SessionChange::Opened(listener.keys.select(&profile.properties).collect());
            listener.tell(
                vec![SessionEvent { session: session.id(), change: opened }],
                limits,
                outbox,
            );
        }
    }

    /// Tells those who asked for a property that has changed.
    pub(crate) fn updated(
        &mut self,
        session: &Arc<Session<X>>,
        profiles: (&Profile, &Profile),
        limits: &Limits,
        outbox: &mut Outbox<X>,
    ) {
        let (before, after) = profiles;
        for listener in &self.listeners {
            if !listener.wants(session, before) && !listener.wants(session, after) {
                continue;
            }
            let properties = listener.changes(before, after);
            if !properties.is_empty() {
                let updated = SessionChange::Updated { kind: UpdateKind::Updated, properties };
                listener.tell(
                    vec![SessionEvent { session: session.id(), change: updated }],
                    limits,
                    outbox,
                );
            }
        }
    }

    /// Tells that a session has lost its connection or has another one.
    pub(crate) fn told(
        &mut self,
        session: &Arc<Session<X>>,
        kind: UpdateKind,
        limits: &Limits,
        outbox: &mut Outbox<X>,
    ) {
        let profile = session.profile();
        for listener in self.listeners.iter().filter(|listener| listener.wants(session, &profile)) {
            let same = |(key, value)| (key, PropertyChange::Same(value));
            let properties = listener.keys.select(&profile.properties).map(same).collect();
            let change = SessionChange::Updated { kind, properties };
            listener.tell(vec![SessionEvent { session: session.id(), change }], limits, outbox);
        }
    }

    /// Forgets the listeners of a session, and names those that other nodes know.
    #[must_use]
    pub(crate) fn forget(&mut self, session: &Session<X>) -> Vec<u64> {
        self.forget_those(|listener| listener.session.id() == session.id())
    }

    pub(crate) fn forget_those(&mut self, those: impl Fn(&Listener<X>) -> bool) -> Vec<u64> {
        let gone = self.listeners.extract_if(.., |listener| those(listener));
        gone.map(|listener| listener.elsewhere.number).collect()
    }

    /// Tells of the end of a session, whose own listeners are forgotten already.
    pub(crate) fn closed(
        &mut self,
        session: &Arc<Session<X>>,
        reason: CloseReason,
        limits: &Limits,
        outbox: &mut Outbox<X>,
    ) {
        let profile = session.profile();
        for listener in self.listeners.iter().filter(|listener| listener.wants(session, &profile)) {
            let properties = listener.keys.select(&profile.properties).collect();
            let closed = SessionChange::Closed { reason, properties };
            listener.tell(
                vec![SessionEvent { session: session.id(), change: closed }],
                limits,
                outbox,
            );
        }
    }
}

impl<X> Listener<X> {
    fn wants(&self, session: &Session<X>, profile: &Profile) -> bool {
        self.after.is_none_or(|after| session.start_time > after)
            && self.filter.as_ref().is_none_or(|filter| filter.matches(profile))
    }

    fn changes<'p>(
        &self,
        before: &'p Profile,
        after: &'p Profile,
    ) -> Vec<(&'p str, PropertyChange<'p>)> {
        let changed = self.keys.select(&after.properties).filter_map(|(key, new)| {
            match before.properties.get(key) {
                None => Some((key, PropertyChange::New(new))),
                Some(old) if old != new => Some((key, PropertyChange::Changed { old, new })),
                Some(_) => None,
            }
        });
        let gone = self
            .keys
            .select(&before.properties)
            .filter(|(key, _)| after.properties.get(key).is_none());
        changed.chain(gone.map(|(key, old)| (key, PropertyChange::Removed(old)))).collect()
    }

    pub(crate) fn tell(
        &self,
        events: Vec<SessionEvent<'_>>,
        limits: &Limits,
        outbox: &mut Outbox<X>,
    ) {
        if self.session.is_link() {
            return self.tell_node(events, limits, outbox);
        }
        let expected = events.len() * EVENT_LENGTH;
        self.session.post_notice(expected, limits, outbox, |out, conversation| {
            message::put_request(out, Service::SessionPropertiesEvent, conversation);
            SessionEvents { conversation: self.conversation, events }.encode(out);
        });
    }

    /// Tells of the sessions that are open already.
    pub(crate) fn replay(
        &self,
        sessions: &[Arc<Session<X>>],
        limits: &Limits,
        outbox: &mut Outbox<X>,
    ) {
        let profiles = sessions.iter().map(|session| (session, session.profile()));
        let wanted: Vec<_> =
            profiles.filter(|(session, profile)| self.wants(session, profile)).collect();
        let (mut events, mut length) = (Vec::new(), 0);
        for (session, profile) in &wanted {
            let properties: Properties<'_> = self.keys.select(&profile.properties).collect();
            length += properties.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
            events.push(SessionEvent {
                session: session.id(),
                change: SessionChange::Opened(properties),
            });
            if length >= REPLAY_LENGTH || events.len() == REPLAY_EVENTS {
                self.tell(mem::take(&mut events), limits, outbox);
                length = 0;
            }
        }
        if !events.is_empty() {
            self.tell(events, limits, outbox);
        }
    }
}

impl<X> Batch<'_, X> {
    pub(crate) fn properties_listener(
        &self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let PropertiesListener { action, conversation: listener } = Decode::decode_all(body)?;
        match action {
            ListenerAction::Deregister => self.forget_listener(listener, outbox),
            ListenerAction::Register(keys) => {
                self.demand_listening()?;
                let listener = self.listener(listener, KeySelection::parse(keys)?);
                return self.listen(conversation, listener, &Void, outbox);
            }
        }
        self.respond(conversation, &Void, outbox);
        Ok(())
    }

    pub(crate) fn add_listener(
        &self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let EventListener { cluster_aware: _, filter, keys, after, conversation: listener } =
            Decode::decode_all(body)?;
        self.demand_listening()?;
        let keys = KeySelection::parse(keys.unwrap_or_default())?;
        let mut listener = self.listener(listener, keys);
        listener.after = after;
        match filter.map(|filter| self.parse_filter(filter)).transpose() {
            Ok(parsed) => {
                listener.filter = parsed;
                listener.elsewhere.filter = filter.map(str::to_owned);
            }
            Err(error) => {
                self.respond(conversation, &vec![report(&error)], outbox);
                return Ok(());
            }
        }
        self.listen(conversation, listener, &Vec::<ErrorReport<'_>>::new(), outbox)
    }

    pub(crate) fn remove_listener(
        &self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let RemoveEventListener { conversation: listener } = Decode::decode_all(body)?;
        self.forget_listener(listener, outbox);
        self.respond(conversation, &Void, outbox);
        Ok(())
    }

    fn demand_listening(&self) -> Result<(), ServiceError> {
        self.demand(GlobalPermission::RegisterHandler)?;
        self.demand(GlobalPermission::ViewSession)
    }

    fn listener(&self, conversation: ConversationId, keys: KeySelection) -> Listener<X> {
        let (session, elsewhere) = (self.session.clone(), Elsewhere::default());
        Listener { session, conversation, filter: None, keys, after: None, elsewhere }
    }

    fn listen(
        &self,
        conversation: ConversationId,
        mut listener: Listener<X>,
        accepted: &impl Encode,
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let limits = &self.policy.limits;
        let mut listeners = self.broker.listeners.lock();
        let own = listeners
            .listeners
            .iter()
            .filter(|listener| listener.session.id() == self.session.id());
        if own.count() >= limits.listeners_per_session {
            return Err(ServiceError::overloaded(
                Limit::Listeners,
                "the session has too many session listeners",
            ));
        }
        self.respond(conversation, accepted, outbox);
        listener.replay(&self.broker.all_sessions(), limits, outbox);
        // Ending a session forgets its listeners under this same lock, after it is marked as ended.
        if !self.session.has_ended() {
            listeners.last += 1;
            listener.elsewhere.number = listeners.last;
            self.broker.listen_everywhere(&listener, outbox);
            listeners.listeners.push(listener);
        }
        Ok(())
    }

    fn forget_listener(&self, conversation: ConversationId, outbox: &mut Outbox<X>) {
        let own = |listener: &Listener<X>| {
            listener.conversation == conversation && listener.session.id() == self.session.id()
        };
        let gone = self.broker.listeners.lock().forget_those(own);
        self.broker.unlisten_everywhere(&gone, outbox);
    }
}

/// About how long one event is.
const EVENT_LENGTH: usize = 128;

/// A message that tells of open sessions ends with the session that makes its properties this long, in bytes, or with
/// this many sessions: small enough for every message limit.
const REPLAY_LENGTH: usize = 16 << 10;
const REPLAY_EVENTS: usize = 64;
