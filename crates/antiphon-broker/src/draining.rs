//! The way to the end of a server on which nobody loses anything: sessions leave one after the other, each when nothing
//! of it is under way.
//!
//! Sessions that only ask leave first, so that all that they have asked is answered, and all that is asked on its
//! behalf. Then those leave that handle.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use antiphon_wire::error::Reason;
use antiphon_wire::service::events::CloseReason;

use crate::broker::Broker;
use crate::error::ServiceError;
use crate::outbox::Outbox;
use crate::session::Session;

/// How near its end a broker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Everybody is welcome.
    Open,
    /// No session and no handler is added any more, and sessions without handlers leave.
    AskersLeave,
    /// All sessions leave.
    AllLeave,
    /// No request is taken any more.
    ShuttingDown,
}

/// What a broker that drains still has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Left {
    /// Open sessions.
    pub sessions: usize,
    /// Requests that they have to answer.
    pub requests: usize,
}

impl<X> Broker<X> {
    /// From the first call on, new sessions and handlers are refused. Each call makes up to `most` more sessions leave:
    /// they are handed no request any more, and may send none but for what they have to answer. Ends those of them that
    /// have nothing under way, and tells what is left.
    pub fn drain(&self, most: usize, outbox: &mut Outbox<X>) -> Left {
        if self.phase() == Phase::Open {
            self.enter(Phase::AskersLeave);
            self.announce_leaving(outbox);
        }
        let sessions: Vec<_> = self.registry.read().iter().cloned().collect();
        let (mut leaving, staying): (Vec<_>, Vec<_>) =
            sessions.into_iter().partition(|session| session.is_leaving());
        let (handling, asking): (Vec<_>, Vec<_>) =
            staying.into_iter().partition(|session| session.has_handlers());
        if self.phase() == Phase::AskersLeave && asking.is_empty() && leaving.is_empty() {
            self.enter(Phase::AllLeave);
        }
        let may_leave = self.phase() >= Phase::AllLeave;
        let next = asking.into_iter().chain(handling.into_iter().filter(|_| may_leave)).take(most);
        leaving.extend(next);
        leaving.iter().for_each(|session| self.make_leave(session, outbox));
        leaving.iter().for_each(|session| self.let_go(session, outbox));
        self.reap(outbox);
        self.left()
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::Open,
            1 => Phase::AskersLeave,
            2 => Phase::AllLeave,
            _ => Phase::ShuttingDown,
        }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Relaxed);
    }

    /// Whether a session that leaves, or any session of a server that shuts down, asks too late.
    pub(crate) fn asks_too_late(&self, session: &Session<X>) -> bool {
        match self.phase() {
            Phase::Open => false,
            Phase::AskersLeave | Phase::AllLeave => {
                session.is_leaving() && session.in_flight() == 0
            }
            Phase::ShuttingDown => true,
        }
    }

    fn make_leave(&self, session: &Arc<Session<X>>, outbox: &mut Outbox<X>) {
        let handlers = session.leave();
        self.withdraw(&handlers, outbox);
    }

    /// Ends a session that leaves, if nothing of it is under way.
    fn let_go(&self, session: &Arc<Session<X>>, outbox: &mut Outbox<X>) {
        // Held so that it does not ask in this moment.
        let _inbound = session.inbound.lock();
        if session.in_flight() == 0 && session.awaiting.load(Relaxed) == 0 {
            self.end(session, CloseReason::Aborted, outbox);
        }
    }

    fn left(&self) -> Left {
        let registry = self.registry.read();
        let requests = registry.iter().map(|session| session.in_flight() as usize).sum();
        Left { sessions: registry.len(), requests }
    }
}

/// For what was not done because the server is about to stop. It can safely be tried again, elsewhere or later.
pub(crate) fn too_late(what: &str) -> ServiceError {
    let text = format!("the server is shutting down; {what}");
    ServiceError::new(Reason::CLUSTER_ROUTING, text)
}
