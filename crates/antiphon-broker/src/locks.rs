//! Session locks: services 114, 115, 116, 196 and 197.
//!
//! A lock is granted in the order in which it was asked for. The answer to a wait comes when it is granted; a session
//! that ends gives up what it holds and waits for.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;

use antiphon_wire::codec::Decode;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::message;
use antiphon_wire::service::locks::AcquireLock;
use antiphon_wire::service::locks::CancelAcquireLock;
use antiphon_wire::service::locks::GetSessionLock;
use antiphon_wire::service::locks::HeldLock;
use antiphon_wire::service::locks::LockDetails;
use antiphon_wire::service::locks::LockScope;

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

/// Every lock that somebody holds.
#[derive(Debug)]
pub(crate) struct Locks<X> {
    held: BTreeMap<Box<str>, Lock<X>>,
    /// Of the next grant, over all locks.
    next_sequence: u64,
}

#[derive(Debug)]
struct Lock<X> {
    holder: Arc<Session<X>>,
    sequence: u64,
    scope: LockScope,
    waiting: VecDeque<Wait<X>>,
}

#[derive(Debug)]
struct Wait<X> {
    session: Arc<Session<X>>,
    conversation: ConversationId,
    request: u64,
    scope: LockScope,
}

impl<X> Default for Locks<X> {
    fn default() -> Self {
        Self { held: BTreeMap::new(), next_sequence: 0 }
    }
}

/// A wait that has ended by a grant.
struct Granted<X> {
    session: Arc<Session<X>>,
    conversation: ConversationId,
    sequence: u64,
    scope: LockScope,
}

impl<X> Locks<X> {
    /// Grants the lock at once if it is free or the session has it already; otherwise the session waits.
    fn acquire(&mut self, name: &str, wait: Wait<X>) -> Option<Granted<X>> {
        let Some(lock) = self.held.get_mut(name) else {
            let granted = self.grant(wait);
            let lock = Lock {
                holder: granted.session.clone(),
                sequence: granted.sequence,
                scope: granted.scope,
                waiting: VecDeque::new(),
            };
            self.held.insert(name.into(), lock);
            return Some(granted);
        };
        if lock.holder.id() != wait.session.id() {
            lock.waiting.push_back(wait);
            return None;
        }
        // Of two scopes the weaker one counts, the one that ends sooner.
        if wait.scope == LockScope::Connection {
            lock.scope = LockScope::Connection;
        }
        let Wait { session, conversation, .. } = wait;
        Some(Granted { session, conversation, sequence: lock.sequence, scope: lock.scope })
    }

    fn grant(&mut self, wait: Wait<X>) -> Granted<X> {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let Wait { session, conversation, scope, .. } = wait;
        Granted { session, conversation, sequence, scope }
    }

    /// Gives the lock to the next session that waits, if any.
    fn pass_on(&mut self, name: &str) -> Option<Granted<X>> {
        let Some(wait) = self.held.get_mut(name)?.waiting.pop_front() else {
            self.held.remove(name);
            return None;
        };
        let granted = self.grant(wait);
        let lock = self.held.get_mut(name)?;
        lock.holder = granted.session.clone();
        (lock.sequence, lock.scope) = (granted.sequence, granted.scope);
        Some(granted)
    }

    fn cancel(&mut self, name: &str, session: &Session<X>, request: u64) -> Option<ConversationId> {
        let waiting = &mut self.held.get_mut(name)?.waiting;
        let own = |wait: &Wait<X>| wait.session.id() == session.id() && wait.request == request;
        let at = waiting.iter().position(own)?;
        waiting.remove(at).map(|wait| wait.conversation)
    }

    fn release(
        &mut self,
        name: &str,
        session: &Session<X>,
        sequence: u64,
    ) -> (bool, Option<Granted<X>>) {
        let owned = self
            .held
            .get(name)
            .is_some_and(|lock| lock.holder.id() == session.id() && lock.sequence == sequence);
        (owned, if owned { self.pass_on(name) } else { None })
    }

    /// Forgets a session; tells for each lock that it held who has it next.
    fn forget(&mut self, session: &Session<X>) -> Vec<(Box<str>, Granted<X>)> {
        let mut held = Vec::new();
        for (name, lock) in &mut self.held {
            lock.waiting.retain(|wait| wait.session.id() != session.id());
            if lock.holder.id() == session.id() {
                held.push(name.clone());
            }
        }
        held.into_iter()
            .filter_map(|name| self.pass_on(&name).map(|granted| (name, granted)))
            .collect()
    }

    fn count(&self, session: &Session<X>) -> usize {
        let of = |lock: &Lock<X>| {
            let waits =
                lock.waiting.iter().filter(|wait| wait.session.id() == session.id()).count();
            waits + usize::from(lock.holder.id() == session.id())
        };
        self.held.values().map(of).sum()
    }
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
        if locks.count(self.session) >= self.broker.config.limits.locks_per_session {
            return Err(ServiceError::overloaded("the session has too many locks"));
        }
        // Ending a session forgets its locks under this same lock, after it is marked as ended.
        if self.session.has_ended() {
            return Err(ServiceError::new(Reason::SESSION_CLOSED, "the session has ended"));
        }
        let wait = Wait { session: self.session.clone(), conversation, request, scope };
        let granted = locks.acquire(name, wait);
        drop(locks);
        if let Some(granted) = granted {
            self.broker.tell_grant(name, &granted, outbox);
        }
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
            self.session.post(text.len(), &self.broker.config.limits, outbox, |out| {
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
        let (owned, next) = self.broker.locks.lock().release(name, self.session, sequence);
        self.respond(conversation, &owned, outbox);
        if let Some(granted) = next {
            self.broker.tell_grant(name, &granted, outbox);
        }
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
        let granted = self.locks.lock().forget(session);
        for (name, granted) in granted {
            self.tell_grant(&name, &granted, outbox);
        }
    }

    fn tell_grant(&self, name: &str, granted: &Granted<X>, outbox: &mut Outbox<X>) {
        let Granted { session, conversation, sequence, scope } = granted;
        let held = HeldLock { name, sequence: *sequence, scope: *scope };
        self.respond(session, *conversation, &held, outbox);
    }
}
