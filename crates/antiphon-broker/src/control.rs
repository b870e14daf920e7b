//! Acting on other sessions: services 14, 67, 105, 106, 123, 124, 162, 168 and 202.
//!
//! Each service exists for one session and for all that match a filter; both forms share one change of one session.

use std::collections::BTreeSet;
use std::sync::Arc;

use antiphon_wire::codec::Decode;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::service::CountOrErrors;
use antiphon_wire::service::Properties;
use antiphon_wire::service::Service;
use antiphon_wire::service::control::ChangeRoles;
use antiphon_wire::service::control::ChangeRolesFilter;
use antiphon_wire::service::control::CloseClient;
use antiphon_wire::service::control::CloseClientFilter;
use antiphon_wire::service::control::Fetched;
use antiphon_wire::service::control::FetchedSession;
use antiphon_wire::service::control::GetSessionProperties;
use antiphon_wire::service::control::PropertiesChanged;
use antiphon_wire::service::control::SessionFetch;
use antiphon_wire::service::control::SetSessionProperties;
use antiphon_wire::service::control::SetSessionPropertiesFilter;
use antiphon_wire::service::events::CloseReason;

use crate::access::GlobalPermission;
use crate::batch::Batch;
use crate::batch::Void;
use crate::batch::no_body;
use crate::broker::Broker;
use crate::cluster::fetches::Fetches;
use crate::cluster::fetches::within_room;
use crate::error::ServiceError;
use crate::messaging::no_such_session;
use crate::messaging::report;
use crate::outbox::Outbox;
use crate::profile::Profile;
use crate::profile::ROLES;
use crate::profile::Roles;
use crate::properties::Change;
use crate::properties::Changed;
use crate::properties::KeySelection;
use crate::properties::PropertiesError;
use crate::session::Session;

/// Closing.
impl<X> Batch<'_, X> {
    pub(crate) fn close_client(
        &mut self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let CloseClient { session } = Decode::decode_all(body)?;
        self.demand(GlobalPermission::ModifySession)?;
        if let Some(link) = self.elsewhere(session) {
            let (to, call) = ((&link, session), (conversation, body));
            return self.call_elsewhere(to, Service::CloseClient, call, outbox);
        }
        let session = self.session(session)?;
        self.respond(conversation, &Void, outbox);
        outbox.doomed.push((session, CloseReason::ClosedByController));
        Ok(())
    }

    pub(crate) fn close_clients(
        &mut self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let CloseClientFilter { filter } = Decode::decode_all(body)?;
        self.demand(GlobalPermission::ModifySession)?;
        let Some(sessions) = self.matching(conversation, filter, outbox) else { return Ok(()) };
        let count = sessions.len();
        if !self.is_alone() {
            let (call, share) = ((conversation, body), (count, sessions));
            self.count_everywhere(Service::CloseClientFilter, call, share, outbox);
            return Ok(());
        }
        self.respond_count(Service::CloseClientFilter, (conversation, body), count, outbox);
        let doomed = sessions.into_iter().map(|session| (session, CloseReason::ClosedByController));
        outbox.doomed.extend(doomed);
        Ok(())
    }
}

/// Properties.
impl<X> Batch<'_, X> {
    pub(crate) fn get_properties(
        &mut self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let GetSessionProperties { session, keys } = Decode::decode_all(body)?;
        self.demand(GlobalPermission::ViewSession)?;
        let keys = KeySelection::parse(keys)?;
        if let Some(link) = self.elsewhere(session) {
            let (to, call) = ((&link, session), (conversation, body));
            return self.call_elsewhere(to, Service::GetSessionProperties, call, outbox);
        }
        let profile = self.broker.find(session).map(|session| session.profile());
        let selected: Option<Properties<'_>> =
            profile.as_ref().map(|profile| keys.select(&profile.properties).collect());
        self.respond(conversation, &selected, outbox);
        Ok(())
    }

    /// All fixed properties but the roles.
    pub(crate) fn get_own_properties(
        &self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        no_body(body)?;
        let profile = self.session.profile();
        let own: Properties<'_> =
            profile.properties.fixed().filter(|(key, _)| *key != ROLES).collect();
        self.respond(conversation, &Some(own), outbox);
        Ok(())
    }

    pub(crate) fn set_properties(
        &mut self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let SetSessionProperties { session, set, remove } = Decode::decode_all(body)?;
        self.demand(GlobalPermission::ViewSession)?;
        self.demand(GlobalPermission::ModifySession)?;
        let change = self.read_change(set, remove)?;
        if let Some(link) = self.elsewhere(session) {
            let (to, call) = ((&link, session), (conversation, body));
            return self.call_elsewhere(to, Service::SetSessionProperties, call, outbox);
        }
        let session = self.session(session)?;
        let Changed { previous } = self.broker.set_properties(&session, &change, outbox)?;
        self.refresh_profile();
        let (mut replaced, mut created) = (Vec::new(), Vec::new());
        for (key, value) in &previous {
            match value {
                Some(value) => replaced.push((&**key, &**value)),
                None => created.push(&**key),
            }
        }
        let answer = PropertiesChanged {
            previous: Some(replaced).filter(|replaced| !replaced.is_empty()),
            created: Some(created).filter(|created| !created.is_empty()),
        };
        self.respond(conversation, &answer, outbox);
        Ok(())
    }

    pub(crate) fn set_properties_filter(
        &mut self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let SetSessionPropertiesFilter { filter, set, remove } = Decode::decode_all(body)?;
        self.demand(GlobalPermission::ViewSession)?;
        self.demand(GlobalPermission::ModifySession)?;
        let change = self.read_change(set, remove)?;
        let Some(sessions) = self.matching(conversation, filter, outbox) else { return Ok(()) };
        let mut count = 0;
        for session in &sessions {
            match self.broker.set_properties(session, &change, outbox) {
                Ok(_) => count += 1,
                // A session that would have too many properties stays as it is.
                Err(error) => self.broker.totals.exceed_any(error.limit()),
            }
        }
        self.refresh_profile();
        let call = (conversation, body);
        self.respond_count(Service::SetSessionPropertiesFilter, call, count, outbox);
        Ok(())
    }
}

/// Roles.
impl<X> Batch<'_, X> {
    pub(crate) fn change_roles(
        &mut self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let ChangeRoles { session, remove, add } = Decode::decode_all(body)?;
        self.demand(GlobalPermission::ModifySession)?;
        let change = RolesChange::new(&remove, &add)?;
        if let Some(link) = self.elsewhere(session) {
            let (to, call) = ((&link, session), (conversation, body));
            return self.call_elsewhere(to, Service::ChangeAuthorisationRoles, call, outbox);
        }
        let session = self.session(session)?;
        self.broker.change_roles(&session, &change, outbox);
        self.refresh_profile();
        self.respond(conversation, &Void, outbox);
        Ok(())
    }

    pub(crate) fn change_roles_filter(
        &mut self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let ChangeRolesFilter { filter, remove, add } = Decode::decode_all(body)?;
        self.demand(GlobalPermission::ModifySession)?;
        let change = RolesChange::new(&remove, &add)?;
        let Some(sessions) = self.matching(conversation, filter, outbox) else { return Ok(()) };
        for session in &sessions {
            self.broker.change_roles(session, &change, outbox);
        }
        self.refresh_profile();
        let (call, count) = ((conversation, body), sessions.len());
        self.respond_count(Service::ChangeAuthorisationRolesFilter, call, count, outbox);
        Ok(())
    }
}

/// Listing.
impl<X> Batch<'_, X> {
    pub(crate) fn fetch_sessions(
        &mut self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let fetch: SessionFetch<'_> = Decode::decode_all(body)?;
        self.demand(GlobalPermission::ViewSession)?;
        let keys = KeySelection::parse(fetch.keys.iter().flatten().copied())?;
        let filter = match self.parse_filter(fetch.filter) {
            Ok(filter) => filter,
            Err(error) => {
                self.respond(conversation, &Fetched::Refused(vec![report(&error)]), outbox);
                return Ok(());
            }
        };
        let mut sessions = self.broker.matching(&filter);
        let within = fetch.from.unwrap_or(0)..=fetch.to.unwrap_or(u64::MAX);
        sessions.retain(|session| within.contains(&session.start_time));
        sessions.sort_by_key(|session| (session.start_time, session.id()));
        let total = sessions.len() as u32;
        let most = fetch.limit.map_or(usize::MAX, |limit| limit as usize);
        sessions.truncate(most);
        let profiles: Vec<_> =
            sessions.iter().map(|session| (session.start_time, session.profile())).collect();
        let room = (fetch.maximum_size as usize).min(self.policy.limits.message);
        let is_alone = self.is_alone();
        let with_start_time = fetch.with_start_time || !is_alone;
        let fetched = profiles.iter().map(|(start_time, profile)| FetchedSession {
            start_time: with_start_time.then_some(*start_time),
            properties: keys.select(&profile.properties).collect(),
        });
        let fetched = within_room(fetched, room);
        if is_alone {
            self.respond(conversation, &Fetched::Sessions { sessions: fetched, total }, outbox);
            return Ok(());
        }
        let mut fetches = Fetches::new(most, room, fetch.with_start_time);
        fetches.add(&fetched, total);
        // What others list must be put in order with this.
        let with_start_time = SessionFetch { with_start_time: true, ..fetch };
        self.fetch_everywhere(conversation, &with_start_time, fetches, outbox);
        Ok(())
    }
}

impl<X> Batch<'_, X> {
    fn read_change(
        &self,
        set: Option<Properties<'_>>,
        remove: Option<Vec<&str>>,
    ) -> Result<Change, PropertiesError> {
        let bounds = self.policy.limits.properties;
        Change::new(set.unwrap_or_default(), remove.unwrap_or_default(), bounds)
    }

    fn session(&self, id: SessionId) -> Result<Arc<Session<X>>, ServiceError> {
        self.broker.find(id).ok_or_else(|| no_such_session(id))
    }

    /// The sessions that match; if the filter cannot be parsed, the caller has been told so.
    fn matching(
        &self,
        conversation: ConversationId,
        filter: &str,
        outbox: &mut Outbox<X>,
    ) -> Option<Vec<Arc<Session<X>>>> {
        match self.parse_filter(filter) {
            Ok(filter) => Some(self.broker.matching(&filter)),
            Err(error) => {
                let refusal = CountOrErrors { count: 0, errors: vec![report(&error)] };
                self.respond(conversation, &refusal, outbox);
                None
            }
        }
    }

    /// Answers a call for a filter, for which `count` sessions of this node were acted on.
    fn respond_count(
        &mut self,
        service: Service,
        (conversation, body): (ConversationId, &[u8]),
        count: usize,
        outbox: &mut Outbox<X>,
    ) {
        if !self.is_alone() {
            let share = (count, Vec::new());
            return self.count_everywhere(service, (conversation, body), share, outbox);
        }
        let count = count as u32;
        self.respond(conversation, &CountOrErrors { count, errors: Vec::new() }, outbox);
    }
}

impl<X> Broker<X> {
    fn set_properties(
        &self,
        session: &Arc<Session<X>>,
        change: &Change,
        outbox: &mut Outbox<X>,
    ) -> Result<Changed, PropertiesError> {
        let bounds = self.policy().limits.properties;
        let mut outcome = Ok(Changed::default());
        self.change_profile(session, outbox, |profile| {
            match profile.properties.apply(change, bounds) {
                Ok((properties, changed)) => {
                    outcome = Ok(changed);
                    Profile { properties, ..profile.clone() }
                }
                Err(error) => {
                    outcome = Err(error);
                    profile.clone()
                }
            }
        });
        outcome
    }

    fn change_roles(
        &self,
        session: &Arc<Session<X>>,
        change: &RolesChange,
        outbox: &mut Outbox<X>,
    ) {
        self.change_profile(session, outbox, |profile| {
            let kept = profile.roles.difference(&change.remove);
            let roles: Roles = kept.chain(&change.add).cloned().collect();
            profile.with_roles(self.access(&roles))
        });
    }
}

struct RolesChange {
    remove: BTreeSet<Arc<str>>,
    add: BTreeSet<Arc<str>>,
}

impl RolesChange {
    fn new(remove: &[&str], add: &[&str]) -> Result<Self, ServiceError> {
        let set = |roles: &[&str]| roles.iter().map(|role| Arc::from(*role)).collect();
        let change = Self { remove: set(remove), add: set(add) };
        if change.remove.is_empty() && change.add.is_empty() {
            return Err(ServiceError::invalid("no role is to be removed or added"));
        }
        if let Some(role) = change.remove.intersection(&change.add).next() {
            return Err(ServiceError::invalid(format!(
                "role {role} is to be both removed and added"
            )));
        }
        Ok(change)
    }
}
