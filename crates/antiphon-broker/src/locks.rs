//! Session locks: services 114, 115, 116, 196 and 197.
//!
//! A lock is granted in the order in which it was asked for. The answer to a wait comes when it is granted; a session
//! that waits for a lock several times is granted it for all its waits at once. A session that ends gives up what it
//! holds and waits for.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use antiphon_wire::codec::Decode;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::message;
use antiphon_wire::service::locks::AcquireLock;
use antiphon_wire::service::locks::CancelAcquireLock;
use antiphon_wire::service::locks::GetSessionLock;
use antiphon_wire::service::locks::HeldLock;
use antiphon_wire::service::locks::LockDetails;
use antiphon_wire::service::locks::LockScope;
use foldhash::HashMap;

use crate::access::GlobalPermission;
use crate::access::PathPermission;
use crate::batch::Batch;
use crate::batch::Void;
use crate::batch::no_body;
use crate::broker::Broker;
use crate::error::ServiceError;
use crate::error::parse_path;
use crate::outbox::Outbox;
use crate::session::Session;

/// Every lock that somebody holds, and who waits for it.
#[derive(Debug)]
pub(crate) struct Locks<X> {
    held: BTreeMap<Arc<str>, Lock<X>>,
    /// What each session holds and waits for, so that its count and its end cost nothing for the locks of others.
    places: HashMap<SessionId, BTreeSet<Place>>,
    /// Of the next wait, over all locks.
    next_turn: Turn,
    /// Of the next grant, over all locks.
    next_sequence: u64,
}

/// A lock that a session holds, or waits for in this turn.
type Place = (Arc<str>, Option<Turn>);

/// Whoever has the lowest is next.
type Turn = u64;

#[derive(Debug)]
struct Lock<X> {
    holder: Arc<Session<X>>,
    sequence: u64,
    scope: LockScope,
    /// Nobody here is the holder.
    waiting: BTreeMap<Turn, Wait<X>>,
}

#[derive(Debug)]
struct Wait<X> {
    session: Arc<Session<X>>,
    conversation: ConversationId,
    request: u64,
    scope: LockScope,
}

/// A wait that has ended by a grant.
struct Granted<X> {
    name: Arc<str>,
    session: Arc<Session<X>>,
    conversation: ConversationId,
    sequence: u64,
    scope: LockScope,
}

/// The session holds and waits for as many locks as it may.
struct TooMany;

impl<X> Default for Locks<X> {
    fn default() -> Self {
        Self { held: BTreeMap::new(), places: HashMap::default(), next_turn: 0, next_sequence: 0 }
    }
}

impl<X> Locks<X> {
    /// Grants the lock at once if it is free or the session has it already; otherwise the session waits.
    fn acquire(
        &mut self,
        name: &str,
        wait: Wait<X>,
        most: usize,
    ) -> Result<Option<Granted<X>>, TooMany> {
        let known = self.held.get_key_value(name).map(|(name, _)| name.clone());
        let name = known.unwrap_or_else(|| name.into());
        let lock = self.held.get_mut(&name);
        let places = self.places.entry(wait.session.id()).or_default();
        match lock {
            Some(lock) if lock.holder.id() == wait.session.id() => {
                lock.scope = weaker(lock.scope, wait.scope);
                Ok(Some(lock.granted(name, wait)))
            }
            _ if places.len() >= most => Err(TooMany),
            Some(lock) => {
                places.insert((name, Some(self.next_turn)));
                lock.waiting.insert(self.next_turn, wait);
                self.next_turn += 1;
                Ok(None)
            }
            None => {
                places.insert((name.clone(), None));
                let (holder, scope) = (wait.session.clone(), wait.scope);
                let sequence = next(&mut self.next_sequence);
                let lock = Lock { holder, sequence, scope, waiting: BTreeMap::new() };
                let granted = lock.granted(name.clone(), wait);
                self.held.insert(name, lock);
                Ok(Some(granted))
            }
        }
    }

    /// Gives the lock to the session that is next, for all its waits at once; without one the lock is gone.
    fn pass_on(&mut self, name: &Arc<str>) -> Vec<Granted<X>> {
        let Some(lock) = self.held.get_mut(name) else { return Vec::new() };
        let Some((_, first)) = lock.waiting.first_key_value() else {
            self.held.remove(name);
            return Vec::new();
        };
        lock.holder = first.session.clone();
        lock.sequence = next(&mut self.next_sequence);
        let places = self.places.entry(lock.holder.id()).or_default();
        let own = places.extract_if(waits(name), |_| true).filter_map(|(_, turn)| turn);
        let ended: Vec<_> = own.filter_map(|turn| lock.waiting.remove(&turn)).collect();
        places.insert((name.clone(), None));
        lock.scope = ended.iter().map(|wait| wait.scope).fold(LockScope::Session, weaker);
        ended.into_iter().map(|wait| lock.granted(name.clone(), wait)).collect()
    }

    fn cancel(&mut self, name: &str, session: &Session<X>, request: u64) -> Option<ConversationId> {
        let name = Arc::from(name);
        let waiting = &mut self.held.get_mut(&name)?.waiting;
        let places = self.places.get_mut(&session.id())?;
        let asked = |turn: &Turn| waiting.get(turn).is_some_and(|wait| wait.request == request);
        let turn = places.range(waits(&name)).filter_map(|(_, turn)| *turn).find(asked)?;
        places.remove(&(name, Some(turn)));
        waiting.remove(&turn).map(|wait| wait.conversation)
    }

    /// Whether the session held the lock by that grant, and then who has it next.
    fn release(
        &mut self,
        name: &str,
        session: &Session<X>,
        sequence: u64,
    ) -> (bool, Vec<Granted<X>>) {
        let owned = |lock: &Lock<X>| lock.holder.id() == session.id() && lock.sequence == sequence;
        if !self.held.get(name).is_some_and(owned) {
            return (false, Vec::new());
        }
        let place = (Arc::from(name), None);
        if let Some(places) = self.places.get_mut(&session.id()) {
            places.remove(&place);
        }
        (true, self.pass_on(&place.0))
    }

    /// Takes from a session that has lost its connection the locks that end with it; tells who has them.
    fn forget_connection(&mut self, session: &Session<X>) -> Vec<Granted<X>> {
        let Some(places) = self.places.get(&session.id()) else { return Vec::new() };
        let of_connection = |name: &Arc<str>| {
            self.held.get(name).is_some_and(|lock| lock.scope == LockScope::Connection)
        };
        let lost: Vec<Arc<str>> = places
            .iter()
            .filter(|(name, turn)| turn.is_none() && of_connection(name))
            .map(|(name, _)| name.clone())
            .collect();
        let mut granted = Vec::new();
        for name in lost {
            if let Some(places) = self.places.get_mut(&session.id()) {
                places.remove(&(name.clone(), None));
            }
            granted.append(&mut self.pass_on(&name));
        }
        granted
    }

    /// Forgets a session; tells who has what it held.
    fn forget(&mut self, session: &Session<X>) -> Vec<Granted<X>> {
        let mut granted = Vec::new();
        for (name, turn) in self.places.remove(&session.id()).unwrap_or_default() {
            match turn {
                None => granted.append(&mut self.pass_on(&name)),
                Some(turn) => {
                    self.held.get_mut(&name).and_then(|lock| lock.waiting.remove(&turn));
                }
            }
        }
        granted
    }
}

impl<X> Lock<X> {
    /// What the holder is told in answer to a wait.
    fn granted(&self, name: Arc<str>, wait: Wait<X>) -> Granted<X> {
        let Wait { session, conversation, request: _, scope: _ } = wait;
        Granted { name, session, conversation, sequence: self.sequence, scope: self.scope }
    }
}

/// The places of all waits for a lock.
fn waits(name: &Arc<str>) -> RangeInclusive<Place> {
    (name.clone(), Some(Turn::MIN))..=(name.clone(), Some(Turn::MAX))
}

/// The scope that ends sooner.
fn weaker(one: LockScope, other: LockScope) -> LockScope {
    if one == LockScope::Connection { one } else { other }
}

fn next(number: &mut u64) -> u64 {
    *number += 1;
    *number - 1
}

impl<X> Batch<'_, X> {
    pub(crate) fn acquire_lock(
        &self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let AcquireLock { name, request, scope } = Decode::decode_all(body)?;
        let path = parse_path(name)?;
        if !self.profile.access.allows_at(path.as_str(), PathPermission::AcquireLock) {
            return Err(ServiceError::lacks_at(PathPermission::AcquireLock.name(), path));
        }
        let mut locks = self.broker.locks.lock();
        // Ending a session forgets its locks under this same lock, after it is marked as ended.
        if self.session.has_ended() {
            return Err(ServiceError::new(Reason::SESSION_CLOSED, "the session has ended"));
        }
        let wait = Wait { session: self.session.clone(), conversation, request, scope };
        let granted = locks
            .acquire(name, wait, self.policy.limits.locks_per_session)
            .map_err(|TooMany| ServiceError::overloaded("the session has too many locks"))?;
        self.broker.tell_grants(granted, outbox);
        Ok(())
    }

    pub(crate) fn cancel_lock(
        &self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let CancelAcquireLock { name, request } = Decode::decode_all(body)?;
        let cancelled = self.broker.locks.lock().cancel(name, self.session, request);
        if let Some(wait) = cancelled {
            let text = "the session gave up waiting for the lock";
            self.session.post(text.len(), &self.policy.limits, outbox, |out| {
                message::put_error(out, wait, Reason::REJECTED_REQUEST, text);
            });
        }
        self.respond(conversation, &Void, outbox);
        Ok(())
    }

    pub(crate) fn release_lock(
        &self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let HeldLock { name, sequence, scope: _ } = Decode::decode_all(body)?;
        let mut locks = self.broker.locks.lock();
        let (owned, next) = locks.release(name, self.session, sequence);
        self.respond(conversation, &owned, outbox);
        self.broker.tell_grants(next, outbox);
        Ok(())
    }

    pub(crate) fn get_lock(
        &self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let GetSessionLock { name } = Decode::decode_all(body)?;
        self.demand(GlobalPermission::ViewServer)?;
        let details = self.broker.locks.lock().held.get(name).map(|lock| self.details(lock));
        self.respond(conversation, &details, outbox);
        Ok(())
    }

    pub(crate) fn get_locks(
        &self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        no_body(body)?;
        self.demand(GlobalPermission::ViewServer)?;
        let locks = self.broker.locks.lock();
        let all: Vec<_> =
            locks.held.iter().map(|(name, lock)| (&**name, self.details(lock))).collect();
        self.respond(conversation, &all, outbox);
        Ok(())
    }

    fn details(&self, lock: &Lock<X>) -> LockDetails<'_> {
        let server = &self.broker.config.server_name;
        LockDetails { server, holder: lock.holder.id(), sequence: lock.sequence }
    }
}

impl<X> Broker<X> {
    pub(crate) fn forget_locks(&self, session: &Session<X>, outbox: &mut Outbox<X>) {
        let mut locks = self.locks.lock();
        let granted = locks.forget(session);
        self.tell_grants(granted, outbox);
    }

    pub(crate) fn forget_connection_locks(&self, session: &Session<X>, outbox: &mut Outbox<X>) {
        let mut locks = self.locks.lock();
        let granted = locks.forget_connection(session);
        session.revoke_grants();
        self.tell_grants(granted, outbox);
    }

    /// The locks are locked meanwhile, so that no session is told of a lock that it has lost since.
    fn tell_grants(&self, granted: impl IntoIterator<Item = Granted<X>>, outbox: &mut Outbox<X>) {
        for Granted { name, session, conversation, sequence, scope } in granted {
            let held = HeldLock { name: &name, sequence, scope };
            self.respond(&session, conversation, &held, outbox);
            if scope == LockScope::Connection {
                session.note_grant();
            }
        }
    }
}
