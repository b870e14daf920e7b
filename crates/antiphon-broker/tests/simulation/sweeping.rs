//! The beat of the server: time limits, pings, clients that are given up, and pardon after a standstill.

use crate::network::Micros;
use crate::server::millis;
use crate::wire;
use crate::world::World;

impl World {
    pub(crate) fn sweep(&mut self) {
        if self.now - self.last_sweep > STANDSTILL {
            self.server.broker.pardon(millis(self.now));
            self.model.pardon(self.now);
        }
        self.last_sweep = self.now;
        self.look_at_locks();
        self.server.broker.sweep(millis(self.now), &mut self.server.outbox);
        if let Err(mismatch) = self.server.broker.audit() {
            self.record.fault(mismatch.to_string());
        }
        let given_up = self.drop_lost();
        let ended = self.server.sync(&mut self.model, &mut self.record, self.now);
        if given_up > 0 && ended > 0 {
            // Nobody can tell which came first.
            self.model.is_unsure_of_locks = true;
        }
        for session in self.model.overdue(self.now / 1_000 * 1_000) {
            self.record.fault(format!("{session} is still there"));
        }
        for session in self.model.overlooked(self.now) {
            self.record.fault(format!("{session} is silent, and nobody noticed"));
        }
        self.deliver();
        self.drain_on();
    }

    fn look_at_locks(&mut self) {
        // The spectator is never silent.
        let locks = self.server.ask(&wire::locks(), millis(self.now));
        let is_unsure = self.model.is_shut_down.is_some() || self.model.is_unsure_of_locks;
        for (name, holder) in wire::holders(locks) {
            if self.model.holder(&name) != Some(holder) && !is_unsure {
                self.record.fault(format!("{holder} has the lock {name}"));
            }
        }
    }

    /// Closes the sockets that the broker has given up. Returns how many.
    fn drop_lost(&mut self) -> usize {
        let lost = std::mem::take(&mut self.server.outbox.lost);
        for (session, connection) in &lost {
            let id = session.id();
            self.note(|| format!("{id} is given up"));
            let Some(link) = session.driver().link_of(*connection) else {
                self.record.fault(format!("{id} loses a connection that it has not"));
                continue;
            };
            self.hang_up(link);
            let justified = self.model.given_up(id, self.now);
            justified.unwrap_or_else(|fault| self.record.fault(fault));
            if self.server.is_gentle {
                self.record.fault(format!("{id} is given up without a reason"));
            }
            self.model.lost(id, self.now);
        }
        lost.len()
    }
}

/// A server that did nothing for so long pardons all silence. The real one has longer times throughout.
const STANDSTILL: Micros = 150_000;
