//! Whether clients are still there: pings for all, questions to those that owe an answer, and what becomes of those
//! that say nothing.
//!
//! A client that is gone without a farewell cannot be told from one that has nothing to say, until it is asked. Every
//! session is pinged once a period. One that owes an answer and has been silent for a while is asked at once; until it
//! says something, other handlers of the path are preferred to it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use antiphon_wire::service::events::CloseReason;

use crate::broker::Broker;
use crate::config::BrokerConfig;
use crate::outbox::Outbox;
use crate::session::Connection;
use crate::session::Session;
use crate::stats::End;
use crate::time::Millis;

/// For how long silence is borne.
#[derive(Debug)]
pub(crate) struct Patience {
    ping_period: Duration,
    with_all: Duration,
    /// Before a session that owes an answer is asked.
    before_asking: Duration,
    /// And after that.
    after_asking: Duration,
    /// Silence before this time is nobody's fault.
    pardoned: AtomicU64,
}

impl Patience {
    pub(crate) fn new(config: &BrokerConfig) -> Self {
        let (period, liveness) = (config.ping_period, config.liveness);
        let handler_timeout = liveness.handler_timeout;
        let unless = |never: bool, patience| if never { Duration::MAX } else { patience };
        let before_asking = handler_timeout / 3;
        Self {
            ping_period: period,
            with_all: unless(period.is_zero(), period.saturating_mul(liveness.missed_pings)),
            before_asking: unless(period.is_zero() || handler_timeout.is_zero(), before_asking),
            after_asking: handler_timeout - before_asking,
            pardoned: AtomicU64::new(0),
        }
    }

    /// A period of zero means no pings.
    pub(crate) fn next_ping(&self, now: Millis) -> Millis {
        if self.ping_period.is_zero() { Millis::NEVER } else { now.after(self.ping_period) }
    }

    /// Since when a session has been silent.
    fn silent_since<X>(&self, session: &Session<X>) -> Millis {
        session.last_heard().max(Millis(self.pardoned.load(Relaxed)))
    }
}

impl<X> Broker<X> {
    /// The driver has not read for a while, so nobody is to blame for having been silent until now.
    pub fn pardon(&self, now: Millis) {
        self.patience.pardoned.store(now.0, Relaxed);
    }

    /// When a session has to be pinged, or has been silent for so long that one must look at it.
    pub(crate) fn next_word(&self, session: &Session<X>) -> Millis {
        if !session.is_connected() {
            return Millis::NEVER;
        }
        let Patience { with_all, before_asking, .. } = self.patience;
        let owes = session.in_flight() > 0;
        let patience = if owes { with_all.min(before_asking) } else { with_all };
        self.patience.silent_since(session).after(patience).min(session.next_ping())
    }

    /// Pings such a session, or gives its client up.
    pub(crate) fn watch(&self, session: &Arc<Session<X>>, now: Millis, outbox: &mut Outbox<X>) {
        if self.is_gone(session, now) {
            return self.give_up_client(session, now, outbox);
        }
        let since = self.patience.silent_since(session);
        let owes = session.in_flight() > 0;
        let must_be_asked =
            owes && session.asked() <= since && since.after(self.patience.before_asking) <= now;
        if must_be_asked {
            session.set_asked(now);
        }
        if must_be_asked || session.next_ping() <= now {
            session.set_next_ping(self.patience.next_ping(now));
            session.post_ping(outbox);
        }
    }

    fn is_gone(&self, session: &Session<X>, now: Millis) -> bool {
        let Patience { with_all, after_asking, .. } = self.patience;
        let (since, asked) = (self.patience.silent_since(session), session.asked());
        let owes = session.in_flight() > 0;
        if !session.client().answers_while_busy() && owes {
            // All the time that its requests were allowed it may have been busy with them.
            return since.after(with_all.saturating_add(session.longest_allowed())) <= now;
        }
        let has_not_answered = owes && asked > since && asked.after(after_asking) <= now;
        has_not_answered || since.after(with_all) <= now
    }

    /// The client of a session is gone, as far as one can tell: nothing that it owes will come, and its connection is of
    /// no use. A session that can be taken up again outlives that, and comes back if its client was there after all.
    fn give_up_client(&self, session: &Arc<Session<X>>, now: Millis, outbox: &mut Outbox<X>) {
        // Held so that it does not say something in this moment, or come back.
        let mut inbound = session.inbound.lock();
        // One that has lost its connection meanwhile was seen to go, which is not silence.
        if !session.is_connected() || !self.is_gone(session, now) {
            return;
        }
        if !session.can_come_back() {
            outbox.doomed.push((session.clone(), CloseReason::ClientUnresponsive));
            return;
        }
        let connection = std::mem::replace(&mut inbound.connection, Connection::NONE);
        outbox.lost.push((session.clone(), connection));
        self.lose(session, connection, now, outbox);
        self.undo(session, session.drain_pending(), End::RecipientSilent, outbox);
    }
}
