//! The broker: what all sessions share, and how they begin and end.

use std::mem::take;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use antiphon_wire::codec::Encode;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::ids::SessionToken;
use antiphon_wire::message;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::messaging::Outcome;
use foldhash::HashMap;
use foldhash::fast::RandomState;
use parking_lot::Mutex;
use parking_lot::RwLock;

use crate::authenticators::Authenticators;
use crate::batch::Batch;
use crate::config::BrokerConfig;
use crate::config::PathRules;
use crate::events::Listeners;
use crate::filter::Filter;
use crate::locks::Locks;
use crate::outbox::Outbox;
use crate::pending::InFlight;
use crate::profile::Profile;
use crate::registry::Registry;
use crate::routes::Routes;
use crate::security::Policy;
use crate::session::Remains;
use crate::session::Session;
use crate::stats::Counts;
use crate::stats::Stats;
use crate::stats::Totals;
use crate::time::Millis;

/// All sessions of one node and what connects them. `X` is the driver's handle on a session.
///
/// Every method may be called from any thread at any time; none of them waits for anything but a short lock.
pub struct Broker<X> {
    pub(crate) config: BrokerConfig,
    pub(crate) rules: PathRules,
    pub(crate) routes: Routes<X>,
    pub(crate) registry: RwLock<Registry<X>>,
    /// Held while a session opens, changes or ends, so that listeners see one order of events. Taken before the
    /// registry, and before any session.
    pub(crate) listeners: Mutex<Listeners<X>>,
    pub(crate) locks: Mutex<Locks<X>>,
    /// Taken after all others.
    pub(crate) authenticators: Mutex<Authenticators<X>>,
    /// The sessions that can be taken up again.
    pub(crate) tokens: Mutex<HashMap<SessionToken, SessionId>>,
    pub(crate) totals: Totals,
    /// Tells messages apart.
    pub(crate) hasher: RandomState,
    /// Taken after all other locks.
    pub(crate) policy: Mutex<Policy>,
    pub(crate) next_session: AtomicU64,
    pub(crate) shutting_down: AtomicBool,
}

impl<X> Broker<X> {
    /// Makes a broker without sessions.
    #[must_use]
    pub fn new(mut config: BrokerConfig) -> Self {
        let policy = Policy::new(take(&mut config.security), take(&mut config.principals));
        Self {
            rules: PathRules::new(&config),
            config,
            routes: Routes::new(),
            registry: RwLock::default(),
            listeners: Mutex::default(),
            locks: Mutex::default(),
            authenticators: Mutex::default(),
            tokens: Mutex::default(),
            totals: Totals::default(),
            hasher: RandomState::default(),
            policy: Mutex::new(policy),
            next_session: AtomicU64::new(1),
            shutting_down: AtomicBool::new(false),
        }
    }

    /// Begins the messages of one read of one socket. Only the session's own driver calls it, one at a time.
    #[must_use]
    pub fn batch<'b>(&'b self, session: &'b Arc<Session<X>>, now: Millis) -> Batch<'b, X> {
        Batch::new(self, session, now)
    }

    /// Ends a session: its requests are answered by errors, its handlers, locks and listeners are gone. Does nothing
    /// if it has ended already.
    pub fn close(&self, session: &Arc<Session<X>>, reason: CloseReason, outbox: &mut Outbox<X>) {
        self.end(session, reason, outbox);
        self.reap(outbox);
    }

    /// Does what is due: expires requests, sends pings, ends sessions that have been silent for three ping periods or
    /// whose authentication is over.
    pub fn sweep(&self, now: Millis, outbox: &mut Outbox<X>) {
        let due = |session: &&Arc<Session<X>>| {
            session.next_deadline() <= now
                || session.next_ping() <= now
                || session.lost_until() <= now
                || session.expires() <= now
        };
        let sessions: Vec<_> = self.registry.read().iter().filter(due).cloned().collect();
        for session in &sessions {
            if session.next_deadline() <= now {
                self.expire(session, now, outbox);
            }
            if session.next_ping() <= now {
                self.ping(session, now, outbox);
            }
            if session.lost_until() <= now {
                self.give_up(session, now, outbox);
            }
            if session.expires() <= now {
                outbox.doomed.push((session.clone(), CloseReason::Expired));
            }
        }
        self.reap(outbox);
    }

    /// Answers every request that is in flight with an error, then aborts every session. No request is taken from
    /// here on.
    pub fn shut_down(&self, outbox: &mut Outbox<X>) {
        self.shutting_down.store(true, Relaxed);
        let sessions: Vec<_> = self.registry.read().iter().cloned().collect();
        let error = Outcome::Error {
            reason: Reason::SESSION_CLOSED,
            text: "the server is shutting down; the request may have been executed",
        };
        for session in &sessions {
            for request in session.drain_pending() {
                self.complete(request, session.id(), &error, outbox);
            }
        }
        for session in &sessions {
            self.end(session, CloseReason::Aborted, outbox);
        }
        self.reap(outbox);
    }

    /// What has been counted.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.totals.stats(self.registry.read().len(), self.routes.len())
    }
}

impl<X> Broker<X> {
    pub(crate) fn is_shutting_down(&self) -> bool {
        self.shutting_down.load(Relaxed)
    }

    /// The session of an id. Those of other nodes are not found, because there is one node.
    pub(crate) fn find(&self, id: SessionId) -> Option<Arc<Session<X>>> {
        if id.node() != self.config.node {
            return None;
        }
        self.registry.read().find(id).cloned()
    }

    /// The sessions with a connection that match at this moment. A costly filter delays only its own sender: the registry is free
    /// while it is evaluated.
    pub(crate) fn matching(&self, filter: &Filter) -> Vec<Arc<Session<X>>> {
        let mut sessions = self.registry.read().candidates(filter);
        sessions
            .retain(|session| session.is_connected() && filter.matches(session.profile().as_ref()));
        sessions
    }

    pub(crate) fn respond(
        &self,
        session: &Arc<Session<X>>,
        conversation: ConversationId,
        body: &impl Encode,
        outbox: &mut Outbox<X>,
    ) {
        session.post(SMALL, &self.config.limits, outbox, |out| {
            message::put_response(out, conversation);
            body.encode(out);
        });
    }

    /// Gives a session the profile that `change` makes of its present one, and tells the listeners. A session that has
    /// ended keeps what it was.
    pub(crate) fn change_profile(
        &self,
        session: &Arc<Session<X>>,
        outbox: &mut Outbox<X>,
        change: impl FnOnce(&Profile) -> Profile,
    ) {
        let mut listeners = self.listeners.lock();
        let before = session.profile();
        let after = change(&before);
        if self.registry.write().update(session, &after) {
            listeners.updated(session, (&before, &after), &self.config.limits, outbox);
        }
    }

    /// Ends the sessions that a call has doomed. It is the last thing that each public call does: no lock is held.
    pub(crate) fn reap(&self, outbox: &mut Outbox<X>) {
        while let Some((session, reason)) = outbox.doomed.pop() {
            self.end(&session, reason, outbox);
        }
    }

    pub(crate) fn end(
        &self,
        session: &Arc<Session<X>>,
        reason: CloseReason,
        outbox: &mut Outbox<X>,
    ) {
        let token = session.token();
        let Some(remains) = session.end(reason, outbox) else { return };
        if let Some(token) = token {
            self.tokens.lock().remove(&token);
        }
        let mut listeners = self.listeners.lock();
        self.registry.write().remove(session.id());
        listeners.closed(session, reason, &self.config.limits, outbox);
        drop(listeners);
        self.forget_locks(session, outbox);
        self.forget_authenticators(session);
        self.undo(session, remains, "ended", outbox);
    }

    /// Removes handlers of a session, and tells senders that it will not answer, because it `has` ended or the like.
    pub(crate) fn undo(
        &self,
        session: &Arc<Session<X>>,
        remains: Remains<X>,
        has: &str,
        outbox: &mut Outbox<X>,
    ) {
        let Remains { unanswered, handlers } = remains;
        for handler in handlers {
            self.routes.remove(handler.path(), session);
        }
        let text = format!("session {} {has}; the request may have been executed", session.id());
        let error = Outcome::Error { reason: Reason::NO_SUCH_SESSION, text: &text };
        for request in unanswered {
            self.complete(request, session.id(), &error, outbox);
        }
    }

    fn expire(&self, session: &Arc<Session<X>>, now: Millis, outbox: &mut Outbox<X>) {
        let expired = session.expire(now);
        self.totals.add(&Counts { timeouts: expired.len() as u64, ..Counts::default() });
        for request in expired {
            let allowed = request.timeout;
            let text =
                format!("no response within {allowed:?}; the request may have been executed");
            let error = Outcome::Error { reason: Reason::REQUEST_TIME_OUT, text: &text };
            self.complete(request, session.id(), &error, outbox);
        }
    }

    fn ping(&self, session: &Arc<Session<X>>, now: Millis, outbox: &mut Outbox<X>) {
        let period = self.config.ping_period;
        if session.last_heard().after(period * SILENT_PERIODS) <= now {
            outbox.doomed.push((session.clone(), CloseReason::ClientUnresponsive));
            return;
        }
        session.set_next_ping(self.next_ping(now));
        session.post_ping(outbox);
    }

    /// A period of zero means no pings.
    pub(crate) fn next_ping(&self, now: Millis) -> Millis {
        let period = self.config.ping_period;
        if period.is_zero() { Millis::NEVER } else { now.after(period) }
    }

    /// Tells a sender how its request ended. This is the only place that does, and each request passes it once.
    pub(crate) fn complete(
        &self,
        request: InFlight<X>,
        responder: SessionId,
        outcome: &Outcome<'_>,
        outbox: &mut Outbox<X>,
    ) {
        request.sender.awaiting.fetch_sub(1, Relaxed);
        self.tell(&request.sender, request.reply, (responder, outcome), outbox);
    }
}

/// A guess at the length of messages that are mostly header.
const SMALL: usize = 64;

/// A client may miss two pings: the Python SDKs do not answer while a handler of theirs is running.
const SILENT_PERIODS: u32 = 3;
