//! The broker: what all sessions share, and how they begin and end.

use std::mem::take;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::AtomicU64;

use antiphon_wire::codec::Encode;
use antiphon_wire::error::Reason;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::ids::SessionToken;
use antiphon_wire::message;
use antiphon_wire::service::events::CloseReason;
use arc_swap::ArcSwap;
use arc_swap::Guard;
use foldhash::fast::RandomState;
use parking_lot::Mutex;
use parking_lot::RwLock;

use crate::authenticators::Authenticators;
use crate::batch::Batch;
use crate::cluster::Cluster;
use crate::config::BrokerConfig;
use crate::config::Fixed;
use crate::config::Policy;
use crate::draining::Phase;
use crate::events::Listeners;
use crate::filter::Filter;
use crate::liveness::Patience;
use crate::locks::Locks;
use crate::messaging::Ending;
use crate::messaging::Outcome;
use crate::notes::Note;
use crate::outbox::Outbox;
use crate::pending::InFlight;
use crate::profile::Profile;
use crate::registry::Registry;
use crate::routes::Handler;
use crate::routes::Routes;
use crate::security::SecurityPolicy;
use crate::session::Remains;
use crate::session::Session;
use crate::stats::Counts;
use crate::stats::End;
use crate::stats::Mismatch;
use crate::stats::PathFigures;
use crate::stats::Stats;
use crate::stats::Totals;
use crate::time::Millis;

/// All sessions of one node and what connects them. `X` is the driver's handle on a session.
///
/// Every method may be called from any thread at any time; none of them waits for anything but a short lock.
pub struct Broker<X> {
    pub(crate) config: Fixed,
    /// What may change; a batch keeps the one that it began with.
    policy: ArcSwap<Policy>,
    pub(crate) routes: Routes<X>,
    /// Of sessions that have ended, and still in `routes`.
    pub(crate) departed: Mutex<Vec<Arc<Handler<X>>>>,
    pub(crate) registry: RwLock<Registry<X>>,
    /// Held while a session opens, changes or ends, so that listeners see one order of events. Taken before the
    /// registry, and before any session.
    pub(crate) listeners: Mutex<Listeners<X>>,
    pub(crate) locks: Mutex<Locks<X>>,
    /// Taken after all others.
    pub(crate) authenticators: Mutex<Authenticators<X>>,
    /// The sessions that can be taken up again.
    /// Keyed by secrets, so with the standard library's hash, which tells nobody how near a guess is.
    pub(crate) tokens: Mutex<std::collections::HashMap<SessionToken, SessionId>>,
    pub(crate) totals: Totals,
    /// Tells messages apart.
    pub(crate) hasher: RandomState,
    /// Taken after all other locks.
    pub(crate) security: Mutex<SecurityPolicy>,
    pub(crate) next_session: AtomicU64,
    /// A [`Phase`].
    pub(crate) phase: AtomicU8,
    pub(crate) patience: Patience,
    pub(crate) cluster: Cluster<X>,
}

impl<X> Broker<X> {
    /// Makes a broker without sessions.
    #[must_use]
    pub fn new(mut config: BrokerConfig) -> Self {
        let security =
            SecurityPolicy::new(take(&mut config.security), take(&mut config.principals));
        Self {
            locks: Mutex::new(Locks::new(config.node)),
            policy: ArcSwap::from_pointee(Policy::new(&config)),
            patience: Patience::new(&config),
            config: Fixed::new(config),
            routes: Routes::new(),
            departed: Mutex::default(),
            registry: RwLock::default(),
            listeners: Mutex::default(),
            authenticators: Mutex::default(),
            tokens: Mutex::default(),
            totals: Totals::default(),
            hasher: RandomState::default(),
            security: Mutex::new(security),
            next_session: AtomicU64::new(1),
            phase: AtomicU8::new(Phase::Open as u8),
            cluster: Cluster::default(),
        }
    }

    /// Takes over the limits, the time limits and choices of paths, and how sessions are kept; node, server name, ping
    /// period and security stay. It holds for what begins from here on, and for handlers that are registered already.
    pub fn reconfigure(&self, config: &BrokerConfig) {
        self.policy.store(Arc::new(Policy::new(config)));
        self.routes.choose(|path| self.policy().rules.choice(path));
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

    /// Answers every request that is in flight with an error, then aborts every session. No request is taken from
    /// here on.
    pub fn shut_down(&self, outbox: &mut Outbox<X>) {
        self.enter(Phase::ShuttingDown);
        let sessions: Vec<_> = self.registry.read().iter().cloned().collect();
        let error = Outcome::Error {
            reason: Reason::SESSION_CLOSED,
            text: "the server is shutting down; the request may have been executed",
        };
        for session in sessions.iter().chain(&self.links()) {
            self.end_all(session, session.drain_pending(), (End::ShutDown, &error), outbox);
        }
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
            stats.connected += usize::from(session.is_connected());
            stats.ledger.in_flight += u64::from(session.in_flight());
            let (queued, is_blocked) = session.queue();
            stats.queued_bytes += queued as u64;
            stats.blocked += usize::from(is_blocked);
        });
        for link in self.links() {
            stats.ledger.in_flight += u64::from(link.in_flight());
        }
        stats
    }

    /// What has been counted by registered path: at most [`MAX_PATHS`](crate::MAX_PATHS) and five more.
    #[must_use]
    pub fn path_figures(&self) -> Vec<PathFigures> {
        let mut handlers = vec![0; usize::from(u8::MAX)];
        for (label, count) in self.routes.handlers() {
            handlers[label.index()] += count as u64;
        }
        self.totals.per_path.figures(&handlers)
    }

    /// A step of the audit of all requests; see `stats/ledger.rs`. It is to be called now and then, but not before every
    /// call that was running at the last one is over: some seconds are plenty.
    ///
    /// # Errors
    /// A defect of the broker: an accepted request that has ended in no way, or in two. It is reported once.
    pub fn audit(&self) -> Result<(), Mismatch> {
        self.totals.book.audit(|page| {
            let mut in_flight = 0;
            let mut look = |session: &Arc<Session<X>>| {
                if session.in_flight() > 0 {
                    in_flight += u64::from(session.in_flight_of(page));
                }
            };
            self.visit(&mut look);
            self.links().iter().for_each(look);
            in_flight
        })
    }
}

impl<X> Broker<X> {
    pub(crate) fn policy(&self) -> Guard<Arc<Policy>> {
        self.policy.load()
    }

    /// The session of an id. Those of other nodes are not found.
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
        let compared = sessions.len();
        sessions
            .retain(|session| session.is_connected() && filter.matches(session.profile().as_ref()));
        self.totals.filter(compared, sessions.len());
        sessions
    }

    /// Notes something for the driver, if it wants that.
    pub(crate) fn note(&self, outbox: &mut Outbox<X>, note: impl FnOnce() -> Note) {
        if self.config.notes {
            outbox.notes.push(note());
        }
    }

    pub(crate) fn respond(
        &self,
        session: &Arc<Session<X>>,
        conversation: ConversationId,
        body: &impl Encode,
        outbox: &mut Outbox<X>,
    ) {
        session.post(SMALL, &self.policy().limits, outbox, |out| {
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
            if self.config.notes {
                outbox.notes.extend(Note::changed(session.id(), &before, &after));
            }
            listeners.updated(session, (&before, &after), &self.policy().limits, outbox);
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
        if session.is_link() {
            // It is only the link that is given up, not the node.
            return self.begin_link_anew(session, true, outbox);
        }
        let token = session.token();
        let Some(Remains { unanswered, handlers }) = session.end(reason, outbox) else { return };
        self.totals.close(reason);
        self.note(outbox, || Note::Closed { session: session.id(), reason });
        if let Some(token) = token {
            self.tokens.lock().remove(&token);
        }
        let mut listeners = self.listeners.lock();
        self.registry.write().remove(session.id());
        let own = listeners.forget(session);
        self.unlisten_everywhere(&own, outbox);
        listeners.closed(session, reason, &self.policy().limits, outbox);
        drop(listeners);
        self.forget_locks(session, outbox);
        self.forget_authenticators(session);
        self.depart(handlers, outbox);
        self.undo(session, unanswered, End::RecipientEnded, outbox);
    }

    /// Tells senders that a session will not answer.
    pub(crate) fn undo(
        &self,
        session: &Arc<Session<X>>,
        unanswered: Vec<InFlight<X>>,
        end: End,
        outbox: &mut Outbox<X>,
    ) {
        let responder = session.id();
        let has = match end {
            End::RecipientRestarted => "began anew",
            End::RecipientSilent => "is silent",
            _ => "ended",
        };
        let text = format!("session {responder} {has}; the request may have been executed");
        let outcome = &Outcome::Error { reason: Reason::NO_SUCH_SESSION, text: &text };
        self.end_all(session, unanswered, (end, outcome), outbox);
    }

    pub(crate) fn expire(&self, session: &Arc<Session<X>>, now: Millis, outbox: &mut Outbox<X>) {
        let (mut counts, policy) = (Counts::default(), self.policy());
        for request in session.expire(now) {
            let allowed = request.timeout;
            let text =
                format!("no response within {allowed:?}; the request may have been executed");
            let outcome = &Outcome::Error { reason: Reason::REQUEST_TIME_OUT, text: &text };
            let responder = session.id();
            let ending = Ending { end: End::TimedOut, responder, outcome, took: None };
            self.complete(request, &ending, (&mut counts, &policy.limits), outbox);
        }
        self.totals.add(&counts);
    }
}

/// A guess at the length of messages that are mostly header.
pub(crate) const SMALL: usize = 64;
