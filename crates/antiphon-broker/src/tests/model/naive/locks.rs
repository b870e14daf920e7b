//! Locks.

use antiphon_wire::error::Reason;
use antiphon_wire::service::locks::HeldLock;
use antiphon_wire::service::locks::LockDetails;
use antiphon_wire::service::locks::LockScope;

use super::Caller;
use super::Naive;
use super::Outcome;
use super::clean;
use super::messaging::overloaded;
use crate::access::GlobalPermission;
use crate::access::PathPermission;
use crate::tests::model::got::Got;

#[derive(Debug, Clone)]
pub(crate) struct Lock {
    pub(crate) name: String,
    holder: usize,
    pub(crate) sequence: u64,
    scope: LockScope,
    waits: Vec<Wait>,
}

#[derive(Debug, Clone)]
struct Wait {
    caller: Caller,
    number: u64,
    scope: LockScope,
}

impl Naive {
    pub(super) fn lock(&mut self, caller: Caller, name: &str, wait: (u64, LockScope)) -> Outcome {
        let (number, scope) = wait;
        let me = caller.me;
        self.people[me].demand_at(clean(name)?, PathPermission::AcquireLock)?;
        let own = |lock: &&mut Lock| lock.name == name && lock.holder == me;
        if let Some(lock) = self.locks.iter_mut().find(own) {
            lock.scope = weaker(lock.scope, scope);
            let (sequence, scope) = (lock.sequence, lock.scope);
            self.answered(caller, &HeldLock { name, sequence, scope });
            return Ok(());
        }
        let held = self.locks.iter().filter(|lock| lock.holder == me).count();
        let waits = self.locks.iter().flat_map(|lock| &lock.waits);
        if held + waits.filter(|wait| wait.caller.me == me).count() >= LOCKS {
            return Err(overloaded());
        }
        let wait = Wait { caller, number, scope };
        if let Some(lock) = self.locks.iter_mut().find(|lock| lock.name == name) {
            lock.waits.push(wait);
            return Ok(());
        }
        let lock = Lock { name: name.into(), holder: me, sequence: 0, scope, waits: Vec::new() };
        self.locks.push(lock);
        self.grant(name, &[wait]);
        Ok(())
    }

    /// All waits are those of one session.
    fn grant(&mut self, name: &str, waits: &[Wait]) {
        let holder = waits[0].caller.me;
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let scope = waits.iter().map(|wait| wait.scope).fold(LockScope::Session, weaker);
        let lock = self.locks.iter_mut().find(|lock| lock.name == name).unwrap();
        (lock.holder, lock.sequence, lock.scope) = (holder, sequence, scope);
        for wait in waits {
            self.answered(wait.caller, &HeldLock { name, sequence, scope });
        }
    }

    fn pass_on(&mut self, name: &str) {
        let place = self.locks.iter().position(|lock| lock.name == name).unwrap();
        let Some(next) = self.locks[place].waits.first().map(|wait| wait.caller.me) else {
            self.locks.remove(place);
            return;
        };
        let waits = std::mem::take(&mut self.locks[place].waits);
        let (granted, left) =
            waits.into_iter().partition::<Vec<_>, _>(|wait| wait.caller.me == next);
        self.locks[place].waits = left;
        self.grant(name, &granted);
    }

    pub(super) fn cancel(&mut self, caller: Caller, name: &str, number: u64) {
        if let Some(lock) = self.locks.iter_mut().find(|lock| lock.name == name) {
            let own = |wait: &Wait| wait.caller.me == caller.me && wait.number == number;
            if let Some(place) = lock.waits.iter().position(own) {
                let conversation = lock.waits.remove(place).caller.conversation;
                let error = (Reason::REJECTED_REQUEST, "gave up".into());
                self.want(caller.me, Got::Error { conversation, error });
            }
        }
        self.done(caller);
    }

    pub(super) fn release(&mut self, caller: Caller, name: &str, right: bool) {
        let held = self.locks.iter().find(|lock| lock.name == name);
        let owned = right && held.is_some_and(|lock| lock.holder == caller.me);
        self.answered(caller, &owned);
        if owned {
            self.pass_on(name);
        }
    }

    /// The sequence number with which a session releases a lock, or another one.
    pub(crate) fn sequence(&self, name: &str, right: bool) -> u64 {
        let held = self.locks.iter().find(|lock| lock.name == name);
        held.map_or(0, |lock| lock.sequence) + u64::from(!right)
    }

    pub(super) fn list_locks(&mut self, caller: Caller) -> Outcome {
        self.people[caller.me].demand(GlobalPermission::ViewServer)?;
        let mut locks = self.locks.clone();
        locks.sort_by(|one, other| one.name.cmp(&other.name));
        let details = |lock: &Lock| LockDetails {
            server: "antiphon",
            holder: self.people[lock.holder].id,
            sequence: lock.sequence,
        };
        let details: Vec<_> = locks.iter().map(|lock| (&*lock.name, details(lock))).collect();
        self.answered(caller, &details);
        Ok(())
    }

    pub(super) fn give_up_locks(&mut self, who: usize) {
        let mut held = Vec::new();
        for lock in &mut self.locks {
            lock.waits.retain(|wait| wait.caller.me != who);
            if lock.holder == who {
                held.push(lock.name.clone());
            }
        }
        held.sort();
        for name in held {
            self.pass_on(&name);
        }
    }
}

/// The scope that ends sooner.
fn weaker(one: LockScope, other: LockScope) -> LockScope {
    if one == LockScope::Connection { one } else { other }
}

pub(crate) const LOCKS: usize = 3;
