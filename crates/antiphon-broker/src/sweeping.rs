//! What is due is done ten times a second: requests without an answer, pings, clients that are silent, sessions whose time is
//! over. Sessions of which nothing is due are not looked at, see `session/alarm.rs`.

use std::sync::Arc;

use antiphon_wire::service::events::CloseReason;

use crate::broker::Broker;
use crate::outbox::Outbox;
use crate::session::Session;
use crate::time::Millis;

impl<X> Broker<X> {
    /// Does what is due: expires requests, sends pings, gives up clients that have been silent for too long and sessions
    /// that have been without a connection for too long, ends sessions whose authentication is over.
    pub fn sweep(&self, now: Millis, outbox: &mut Outbox<X>) {
        let sessions = self.registry.read().due(now);
        for session in &sessions {
            self.look_at(session, now, outbox);
            session.looked_at(|| self.next_look(session));
        }
        self.sweep_links(now, outbox);
        self.reap(outbox);
    }

    fn look_at(&self, session: &Arc<Session<X>>, now: Millis, outbox: &mut Outbox<X>) {
        if session.next_deadline() <= now {
            self.expire(session, now, outbox);
        }
        if session.lost_until() <= now {
            self.give_up(session, now, outbox);
        }
        if self.next_word(session) <= now {
            self.watch(session, now, outbox);
        }
        if session.expires() <= now {
            outbox.doomed.push((session.clone(), CloseReason::Expired));
        }
    }

    /// When something is due of a session, if nothing happens.
    pub(crate) fn next_look(&self, session: &Session<X>) -> Millis {
        let times = [session.lost_until(), self.next_word(session), session.expires()];
        times.into_iter().fold(session.next_deadline(), Millis::min)
    }

    /// A session whose alarm goes off later than something is due.
    #[cfg(test)]
    pub(crate) fn overlooked(&self) -> Option<antiphon_wire::ids::SessionId> {
        let registry = self.registry.read();
        let is_overlooked = |session: &&Arc<Session<X>>| {
            session.alarm().is_none_or(|alarm| alarm > self.next_look(session))
        };
        registry.iter().find(is_overlooked).map(|session| session.id())
    }
}
