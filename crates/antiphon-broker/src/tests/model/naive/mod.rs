//! A broker as plainly as it can be said: lists, searched from front to back; no bytes, no index, no lock.
//!
//! It is told what the real broker sent wherever the broker has a choice (which of equal handlers, which conversation
//! id), and checks that the choice was allowed. What it wants the sessions to have been sent it leaves in `wants`.

mod answers;
mod control;
mod listeners;
mod locks;
mod messaging;
mod people;

use antiphon_wire::codec::Encode;
use antiphon_wire::error::Reason;
use antiphon_wire::service::events::CloseReason;

use crate::End;
use crate::Stats;
use crate::tests::model::got::Failure;
use crate::tests::model::got::Got;
pub(super) use crate::tests::model::naive::listeners::LISTENERS;
use crate::tests::model::naive::listeners::Listener;
pub(super) use crate::tests::model::naive::locks::LOCKS;
use crate::tests::model::naive::locks::Lock;
pub(super) use crate::tests::model::naive::messaging::AWAITED;
pub(super) use crate::tests::model::naive::messaging::Asked;
pub(super) use crate::tests::model::naive::messaging::HANDLERS;
pub(super) use crate::tests::model::naive::messaging::Registration;
pub(super) use crate::tests::model::naive::messaging::TO_ANSWER;
pub(super) use crate::tests::model::naive::messaging::clean;
pub(super) use crate::tests::model::naive::messaging::value;
pub(super) use crate::tests::model::naive::people::Person;
use crate::tests::model::op::Call;
use crate::tests::world::encoded;

#[derive(Debug, Default)]
pub(super) struct Naive {
    pub(super) now: u64,
    /// Every session that was ever opened.
    pub(super) people: Vec<Person>,
    pub(super) registrations: Vec<Registration>,
    pub(super) requests: Vec<Asked>,
    /// Every conversation in which a session was ever asked.
    pub(super) used: Vec<(usize, u64)>,
    /// For each ring path who was chosen since its handlers changed.
    turns: Vec<(String, Vec<usize>)>,
    /// For each sender and home path who was chosen last.
    homes: Vec<((usize, String), usize)>,
    listeners: Vec<Listener>,
    pub(super) locks: Vec<Lock>,
    next_sequence: u64,
    pub(super) counted: Stats,
    /// The open sessions, in the order in which the broker goes through them.
    pub(super) order: Vec<usize>,
    /// What each session was sent in this step.
    pub(super) seen: Vec<Vec<Got>>,
    pub(super) wants: Vec<(usize, Got)>,
    doomed: Vec<(usize, CloseReason)>,
}

/// What a service call may fail by.
type Outcome = Result<(), Failure>;

/// Who calls, and the numbers that make the call one of its kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    pub(super) me: usize,
    pub(super) conversation: u64,
}

impl Naive {
    pub(super) fn open(&mut self, person: Person) {
        let me = self.people.len();
        self.people.push(person);
        self.want(me, Got::Welcome);
        self.tell_opened(me);
    }

    pub(super) fn close(&mut self, who: usize, reason: CloseReason) {
        self.end(who, reason);
        self.reap();
    }

    pub(super) fn call(&mut self, caller: Caller, call: &Call) {
        if !self.people[caller.me].open {
            return;
        }
        if let Err(error) = self.serve(caller, call) {
            let is_request = match call {
                Call::ToPath(..) | Call::ToSession(..) | Call::ToFilter(..) => true,
                Call::Cut(service) => [85, 86, 102].contains(service),
                _ => false,
            };
            self.counted.refuse(is_request, error.0);
            let conversation = caller.conversation;
            self.want(caller.me, Got::Error { conversation, error });
        }
        self.reap();
    }

    fn serve(&mut self, caller: Caller, call: &Call) -> Outcome {
        let Caller { me, .. } = caller;
        match call {
            Call::Register(path, keys) => return self.register(caller, path, keys),
            Call::Deregister(path) => return self.deregister(caller, path),
            Call::ToPath(path, value) => return self.ask_path(caller, path, *value),
            Call::ToSession(to, path) => return self.ask_session(caller, *to, path),
            Call::ToFilter(filter, path) => return self.ask_filter(caller, filter, path),
            Call::Answer(which, how) => self.answer(caller, *which, *how),
            Call::Leave => self.doomed.push((me, CloseReason::ClosedByClient)),
            Call::Garbage => self.doomed.push((me, CloseReason::InvalidInboundMessage)),
            Call::Unknown => return Err((Reason::UNSUPPORTED, "9999".into())),
            Call::Cut(_) => return Err((Reason::INVALID_DATA, String::new())),
            Call::Ping => self.done(caller),
            Call::Kick(who) => return self.kick(caller, *who),
            Call::KickAll(filter) => return self.kick_all(caller, filter),
            Call::Set(who, key, value) => return self.set(caller, *who, (key, *value)),
            Call::SetAll(filter, key, value) => return self.set_all(caller, filter, (key, *value)),
            Call::Roles(who, out, into) => return self.roles(caller, *who, (out, into)),
            Call::RolesAll(filter, out, into) => {
                return self.roles_all(caller, filter, (out, into));
            }
            Call::Properties(who, keys) => return self.properties(caller, *who, keys),
            Call::Become(principal, roles) => self.become_(caller, principal, roles.as_deref()),
            Call::Lock(name, wait, scope) => return self.lock(caller, name, (*wait, *scope)),
            Call::Cancel(name, wait) => self.cancel(caller, name, *wait),
            Call::Release(name, right) => self.release(caller, name, *right),
            Call::Locks => return self.list_locks(caller),
            Call::Listen(filter, keys, name) => {
                return self.listen(caller, filter.as_ref(), (keys, *name));
            }
            Call::Unlisten(name) => self.unlisten(caller, *name),
        }
        Ok(())
    }

    /// What is due at this time.
    pub(super) fn sweep(&mut self) {
        for who in self.order.clone() {
            self.expire(who);
            let person = &mut self.people[who];
            if person.next_ping > self.now {
                continue;
            }
            if person.heard + 3 * PING_PERIOD <= self.now {
                self.doomed.push((who, CloseReason::ClientUnresponsive));
            } else {
                person.next_ping = self.now + PING_PERIOD;
                self.want(who, Got::Ping);
            }
        }
        self.reap();
    }

    pub(super) fn shut_down(&mut self) {
        let error = (Reason::SESSION_CLOSED, "may have been executed".to_owned());
        for asked in std::mem::take(&mut self.requests) {
            self.deliver(asked, End::ShutDown, Err(error.clone()));
        }
        for who in self.order.clone() {
            self.end(who, CloseReason::Aborted);
        }
        self.reap();
    }

    fn reap(&mut self) {
        while let Some((who, reason)) = self.doomed.pop() {
            self.end(who, reason);
        }
    }

    fn end(&mut self, who: usize, reason: CloseReason) {
        if !self.people[who].open {
            return;
        }
        if reason != CloseReason::ClosedByClient {
            self.want(who, Got::Abort);
        }
        let code = match reason {
            CloseReason::InvalidInboundMessage => 1002,
            CloseReason::MessageTooLarge => 1009,
            CloseReason::Aborted => 1001,
            _ => 1000,
        };
        self.want(who, Got::Close(Some(code)));
        self.people[who].open = false;
        for path in self.paths_of(who) {
            self.unregister(who, &path);
        }
        self.tell_closed(who, reason);
        self.give_up_locks(who);
        self.fail_all(who);
    }

    fn want(&mut self, who: usize, got: Got) {
        if self.people[who].open {
            self.wants.push((who, got));
        }
    }

    fn answered(&mut self, caller: Caller, body: &impl Encode) {
        let body = encoded(body);
        self.want(caller.me, Got::Response { conversation: caller.conversation, body });
    }

    /// An answer without a body.
    fn done(&mut self, caller: Caller) {
        self.want(caller.me, Got::Response { conversation: caller.conversation, body: vec![] });
    }

    /// Which session a number means: the larger ones mean anybody who was ever there.
    pub(super) fn person(&self, number: u8) -> usize {
        let is_meant = |who: &usize| self.people[*who].open || number >= 224;
        let meant: Vec<_> = (0..self.people.len()).filter(is_meant).collect();
        meant.get(usize::from(number) % meant.len().max(1)).copied().unwrap_or(0)
    }
}

pub(super) const PING_PERIOD: u64 = 30_000;
