//! A server that drains: a step with every sweep, as the real driver takes them, until all sessions have left or the time
//! is over.

use antiphon_broker::Left;

use crate::network::Micros;
use crate::world::LONGEST_DRAIN;
use crate::world::World;

/// A drain that has begun.
pub(crate) struct Draining {
    slice: usize,
    until: Micros,
    /// It is not cut off, so it must come to its end by itself.
    is_patient: bool,
}

impl World {
    pub(crate) fn begin_drain(&mut self) {
        let Some((slice, timeout)) = self.plan.drain else { return };
        self.note(|| format!("the server drains, {slice} at a time"));
        let until = match timeout {
            Some(timeout) => self.now + timeout,
            None => self.plan.active + LONGEST_DRAIN,
        };
        self.draining = Some(Draining { slice, until, is_patient: timeout.is_none() });
        self.drain(0);
        self.drain_on();
    }

    /// The step that follows a sweep.
    pub(crate) fn drain_on(&mut self) {
        let Some(Draining { slice, until, is_patient }) = self.draining else { return };
        if self.model.is_shut_down.is_some() {
            return;
        }
        let left = self.drain(slice);
        let is_late = self.now >= until;
        if is_late && is_patient {
            self.record.fault(format!("a drain does not end: {left:?}"));
        }
        if is_late || left.sessions == 0 {
            self.shut_down();
        }
    }

    fn drain(&mut self, most: usize) -> Left {
        self.model.drain(most);
        let left = self.server.broker.drain(most, &mut self.server.outbox);
        self.server.sync(&mut self.model, &mut self.record, self.now);
        self.deliver();
        if left.sessions != self.model.count() {
            self.record.fault(format!("a drain leaves {left:?}"));
        }
        left
    }
}
