//! The broker: what all sessions share, and how they begin and end.

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

use crate::access::Access;
use crate::batch::Batch;
use crate::config::BrokerConfig;
use crate::config::PathRules;
use crate::events::Listeners;
use crate::filter::Filter;
use crate::locks::Locks;
use crate::messaging::Ending;
use crate::outbox::Outbox;
use crate::profile::Profile;
use crate::profile::Roles;
use crate::registry::Registry;
use crate::routes::Routes;
use crate::session::Remains;
use crate::session::Session;
use crate::stats::Counts;
use crate::stats::End;
use crate::stats::Mismatch;
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
    /// The sessions that can be taken up again.
    pub(crate) tokens: Mutex<HashMap<SessionToken, SessionId>>,
    pub(crate) totals: Totals,
    /// Tells messages apart.
    pub(crate) hasher: RandomState,
    /// What each set of roles may do, made once.
    access: Mutex<HashMap<Roles, Arc<Access>>>,
    pub(crate) next_session: AtomicU64,
    pub(crate) shutting_down: AtomicBool,
}

impl<X> Broker<X> {
    /// Makes a broker without sessions.
    #[must_use]
    pub fn new(config: BrokerConfig) -> Self {
        Self {
            rules: PathRules::new(&config),
            config,
            routes: Routes::new(),
            registry: RwLock::default(),
            listeners: Mutex::default(),
            locks: Mutex::default(),
            tokens: Mutex::default(),
            totals: Totals::default(),
            hasher: RandomState::default(),
            access: Mutex::default(),
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

    /// Does what is due: expires requests, sends pings, ends sessions that have been silent for three ping periods.
    pub fn sweep(&self, now: Millis, outbox: &mut Outbox<X>) {
        let due = |session: &&Arc<Session<X>>| {
            session.next_deadline() <= now
                || session.next_ping() <= now
                || session.lost_until() <= now
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
        let mut counts = Counts::default();
        for session in &sessions {
            let responder = session.id();
            for request in session.drain_pending() {
                let ending = Ending { end: End::ShutDown, responder, outcome: &error };
                self.complete(request, &ending, &mut counts, outbox);
            }
        }
        self.totals.add(&counts);
        for session in &sessions {
            self.end(session, CloseReason::Aborted, outbox);
        }
        self.reap(outbox);
    }

    /// What has been counted, and what is there now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.totals.stats();
        stats.routes = self.routes.len();
        self.visit(|session| {
            stats.sessions += 1;
            stats.ledger.in_flight += u64::from(session.in_flight());
        });
        stats
    }

    /// A step of the audit of all requests; see `stats/ledger.rs`. It is to be called now and then, but not before every
    /// call that was running at the last one is over: some seconds are plenty.
    ///
    /// # Errors
    /// A defect of the broker: an accepted request that has ended in no way, or in two. It is reported once.
    pub fn audit(&self) -> Result<(), Mismatch> {
        self.totals.book.audit(|page| {
            let mut in_flight = 0;
            self.visit(|session| {
                if session.in_flight() > 0 {
                    in_flight += u64::from(session.in_flight_of(page));
                }
            });
            in_flight
        })
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

    /// Visits every session that is there from the beginning to the end of it, and perhaps some that are not. The
    /// registry is locked for a piece of it at a time, so that nobody waits long, and no lock is held during a visit.
    pub(crate) fn visit(&self, mut visit: impl FnMut(&Arc<Session<X>>)) {
        let (mut from, mut piece) = (0, Vec::new());
        loop {
            let next = self.registry.read().piece(from, &mut piece);
            piece.drain(..).for_each(|session| visit(&session));
            let Some(next) = next else { return };
            from = next;
        }
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

    /// What a set of roles may do.
    pub(crate) fn access(&self, roles: &Roles) -> Arc<Access> {
        let mut known = self.access.lock();
        if let Some(access) = known.get(roles) {
            return access.clone();
        }
        if known.len() >= MAX_KNOWN_ACCESS {
            known.clear();
        }
        let access = Arc::new(self.config.security.compile(roles));
        known.insert(roles.clone(), access.clone());
        access
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
        self.undo(session, remains, End::RecipientEnded, outbox);
    }

    /// Removes handlers of a session, and tells senders that it will not answer.
    pub(crate) fn undo(
        &self,
        session: &Arc<Session<X>>,
        remains: Remains<X>,
        end: End,
        outbox: &mut Outbox<X>,
    ) {
        let Remains { unanswered, handlers } = remains;
        for handler in handlers {
            self.routes.remove(handler.path(), session);
        }
        let responder = session.id();
        let has = if end == End::RecipientRestarted { "began anew" } else { "ended" };
        let text = format!("session {responder} {has}; the request may have been executed");
        let outcome = &Outcome::Error { reason: Reason::NO_SUCH_SESSION, text: &text };
        let mut counts = Counts::default();
        for request in unanswered {
            self.complete(request, &Ending { end, responder, outcome }, &mut counts, outbox);
        }
        self.totals.add(&counts);
    }

    fn expire(&self, session: &Arc<Session<X>>, now: Millis, outbox: &mut Outbox<X>) {
        let mut counts = Counts::default();
        for request in session.expire(now) {
            let allowed = request.timeout;
            let text =
                format!("no response within {allowed:?}; the request may have been executed");
            let outcome = &Outcome::Error { reason: Reason::REQUEST_TIME_OUT, text: &text };
            let ending = Ending { end: End::TimedOut, responder: session.id(), outcome };
            self.complete(request, &ending, &mut counts, outbox);
        }
        self.totals.add(&counts);
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
}

/// A guess at the length of messages that are mostly header.
const SMALL: usize = 64;

/// A client may miss two pings: the Python SDKs do not answer while a handler of theirs is running.
const SILENT_PERIODS: u32 = 3;

/// Servers have a handful of sets of roles; beyond this the memory of them begins anew.
const MAX_KNOWN_ACCESS: usize = 1024;
