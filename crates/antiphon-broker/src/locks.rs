//! Session locks: services 114, 115, 116, 196 and 197.
//!
//! A lock is granted in the order in which it was asked for. The answer to a wait comes when it is granted; a session
//! that waits for a lock several times is granted it for all its waits at once. A session that ends gives up what it
//! holds and waits for.
//!
//! Here is which session of this node has a lock that the node has; which node has it is decided in `cluster::locks`, on
//! one node for each lock.

mod queries;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use antiphon_wire::codec::Decode;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::NodeId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::message;
use antiphon_wire::node::ClaimChange;
use antiphon_wire::service::locks::AcquireLock;
use antiphon_wire::service::locks::CancelAcquireLock;
use antiphon_wire::service::locks::HeldLock;
use antiphon_wire::service::locks::LockScope;
use foldhash::HashMap;

use crate::access::PathPermission;
use crate::batch::Batch;
use crate::batch::Void;
use crate::broker::Broker;
use crate::cluster::Claim;
use crate::cluster::Managed;
use crate::error::ServiceError;
use crate::error::parse_path;
use crate::outbox::Outbox;
use crate::session::Session;
use crate::stats::Limit;

/// Every lock that a session of this node holds or waits for.
#[derive(Debug)]
pub(crate) struct Locks<X> {
    held: BTreeMap<Arc<str>, Lock<X>>,
    /// What each session holds and waits for, so that its count and its end cost nothing for the locks of others.
    places: HashMap<SessionId, BTreeSet<Place>>,
    /// Of the next wait, over all locks.
    next_turn: Turn,
    /// Who decides which node has which lock.
    pub(crate) managed: Managed,
}

/// A lock that a session holds, or waits for in this turn.
type Place = (Arc<str>, Option<Turn>);

/// Whoever has the lowest is next.
type Turn = u64;

#[derive(Debug)]
struct Lock<X> {
    /// There is none while the node waits for the lock.
    holder: Option<Arc<Session<X>>>,
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
pub(crate) struct Granted<X> {
    name: Arc<str>,
    session: Arc<Session<X>>,
    conversation: ConversationId,
    sequence: u64,
    scope: LockScope,
}

/// The session holds and waits for as many locks as it may.
struct TooMany;

impl<X> Locks<X> {
    pub(crate) fn new(node: NodeId) -> Self {
        let (held, places) = (BTreeMap::new(), HashMap::default());
        Self { held, places, next_turn: 0, managed: Managed::new(node) }
    }

    /// Grants the lock at once if the session has it already; otherwise the session waits for it, if only until the node
    /// is given it.
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
            Some(lock) if lock.is_held_by(&wait.session) => {
                lock.scope = weaker(lock.scope, wait.scope);
                return Ok(Some(lock.granted(name, wait)));
            }
            _ if places.len() >= most => return Err(TooMany),
            _ => {}
        }
        let lock = self.held.entry(name.clone()).or_insert_with(Lock::free);
        if lock.waiting.is_empty() {
            self.managed.change(&name, ClaimChange::Wanted);
        }
        places.insert((name, Some(self.next_turn)));
        lock.waiting.insert(self.next_turn, wait);
        self.next_turn += 1;
        Ok(None)
    }

    /// The node has been given the lock: the session that is next has it, for all its waits at once.
    pub(crate) fn given(&mut self, name: &Arc<str>, sequence: u64) -> Vec<Granted<X>> {
        let lock = self.held.get_mut(name).filter(|lock| lock.holder.is_none());
        let first = lock.and_then(|lock| {
            let (_, first) = lock.waiting.first_key_value()?;
            Some((first.session.clone(), lock))
        });
        let Some((holder, lock)) = first else {
            self.managed.change(name, ClaimChange::Returned);
            return Vec::new();
        };
        lock.sequence = sequence;
        let places = self.places.entry(holder.id()).or_default();
        let own = places.extract_if(waits(name), |_| true).filter_map(|(_, turn)| turn);
        let ended: Vec<_> = own.filter_map(|turn| lock.waiting.remove(&turn)).collect();
        places.insert((name.clone(), None));
        lock.holder = Some(holder);
        lock.scope = ended.iter().map(|wait| wait.scope).fold(LockScope::Session, weaker);
        if !lock.waiting.is_empty() {
            self.managed.change(name, ClaimChange::Wanted);
        }
        ended.into_iter().map(|wait| lock.granted(name.clone(), wait)).collect()
    }

    /// The lock is not held any more.
    fn pass_on(&mut self, name: &Arc<str>) {
        if let Some(lock) = self.held.get_mut(name) {
            lock.holder = None;
            self.managed.change(name, ClaimChange::Returned);
            self.drop_unused(name);
        }
    }

    /// A wait for the lock is over without a grant.
    fn waited(&mut self, name: &Arc<str>) {
        if self.held.get(name).is_some_and(|lock| lock.waiting.is_empty()) {
            self.managed.change(name, ClaimChange::Unwanted);
            self.drop_unused(name);
        }
    }

    fn drop_unused(&mut self, name: &Arc<str>) {
        if self.held.get(name).is_some_and(|lock| lock.holder.is_none() && lock.waiting.is_empty())
        {
            self.held.remove(name);
        }
    }

    /// What sessions of this node hold and wait for.
    pub(crate) fn claims(&self) -> impl Iterator<Item = Claim<'_>> {
        self.held.iter().map(|(name, lock)| Claim {
            name,
            held: lock.holder.is_some().then_some(lock.sequence),
            is_wanted: !lock.waiting.is_empty(),
        })
    }

    fn cancel(&mut self, name: &str, session: &Session<X>, request: u64) -> Option<ConversationId> {
        let name = Arc::from(name);
        let waiting = &mut self.held.get_mut(&name)?.waiting;
        let places = self.places.get_mut(&session.id())?;
        let asked = |turn: &Turn| waiting.get(turn).is_some_and(|wait| wait.request == request);
        let turn = places.range(waits(&name)).filter_map(|(_, turn)| *turn).find(asked)?;
        places.remove(&(name.clone(), Some(turn)));
        let wait = waiting.remove(&turn);
        self.waited(&name);
        wait.map(|wait| wait.conversation)
    }

    /// Whether the session held the lock by that grant; then it does no more.
    fn release(&mut self, name: &str, session: &Session<X>, sequence: u64) -> bool {
        let owned = |lock: &Lock<X>| lock.is_held_by(session) && lock.sequence == sequence;
        if !self.held.get(name).is_some_and(owned) {
            return false;
        }
        let place = (Arc::from(name), None);
        if let Some(places) = self.places.get_mut(&session.id()) {
            places.remove(&place);
        }
        self.pass_on(&place.0);
        true
    }

    /// Takes from a session that has lost its connection the locks that end with it.
    fn forget_connection(&mut self, session: &Session<X>) {
        let Some(places) = self.places.get(&session.id()) else { return };
        let of_connection = |name: &Arc<str>| {
            self.held.get(name).is_some_and(|lock| lock.scope == LockScope::Connection)
        };
        let lost: Vec<Arc<str>> = places
            .iter()
            .filter(|(name, turn)| turn.is_none() && of_connection(name))
            .map(|(name, _)| name.clone())
            .collect();
        for name in lost {
            if let Some(places) = self.places.get_mut(&session.id()) {
                places.remove(&(name.clone(), None));
            }
            self.pass_on(&name);
        }
    }

    /// Forgets a session.
    fn forget(&mut self, session: &Session<X>) {
        for (name, turn) in self.places.remove(&session.id()).unwrap_or_default() {
            match turn {
                None => self.pass_on(&name),
                Some(turn) => {
                    self.held.get_mut(&name).and_then(|lock| lock.waiting.remove(&turn));
                    self.waited(&name);
                }
            }
        }
    }
}

impl<X> Lock<X> {
    fn free() -> Self {
        let waiting = BTreeMap::new();
        Self { holder: None, sequence: 0, scope: LockScope::Session, waiting }
    }

    fn is_held_by(&self, session: &Session<X>) -> bool {
        self.holder.as_ref().is_some_and(|holder| holder.id() == session.id())
    }

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
        let granted =
            locks.acquire(name, wait, self.policy.limits.locks_per_session).map_err(|TooMany| {
                ServiceError::overloaded(Limit::Locks, "the session has too many locks")
            })?;
        self.broker.tell_grants(granted, outbox);
        self.broker.settle_locks(&mut locks, outbox);
        Ok(())
    }

    pub(crate) fn cancel_lock(
        &self,
        conversation: ConversationId,
        body: &[u8],
        outbox: &mut Outbox<X>,
    ) -> Result<(), ServiceError> {
        let CancelAcquireLock { name, request } = Decode::decode_all(body)?;
        let mut locks = self.broker.locks.lock();
        let cancelled = locks.cancel(name, self.session, request);
        self.broker.settle_locks(&mut locks, outbox);
        drop(locks);
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
        let owned = locks.release(name, self.session, sequence);
        self.respond(conversation, &owned, outbox);
        self.broker.settle_locks(&mut locks, outbox);
        Ok(())
    }
}

impl<X> Broker<X> {
    pub(crate) fn forget_locks(&self, session: &Session<X>, outbox: &mut Outbox<X>) {
        let mut locks = self.locks.lock();
        locks.forget(session);
        self.settle_locks(&mut locks, outbox);
    }

    pub(crate) fn forget_connection_locks(&self, session: &Session<X>, outbox: &mut Outbox<X>) {
        let mut locks = self.locks.lock();
        locks.forget_connection(session);
        session.revoke_grants();
        self.settle_locks(&mut locks, outbox);
    }

    /// The locks are locked meanwhile, so that no session is told of a lock that it has lost since.
    pub(crate) fn tell_grants(
        &self,
        granted: impl IntoIterator<Item = Granted<X>>,
        outbox: &mut Outbox<X>,
    ) {
        for Granted { name, session, conversation, sequence, scope } in granted {
            let held = HeldLock { name: &name, sequence, scope };
            self.respond(&session, conversation, &held, outbox);
            if scope == LockScope::Connection {
                session.note_grant();
            }
        }
    }
}
