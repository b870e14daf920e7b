//! The pace at which sessions leave a server that is to end, and when that is over.

use std::time::Duration;

use antiphon_broker::Left;
use antiphon_broker::Millis;
use tracing::info;
use tracing::warn;

use crate::config::Drain;
use crate::flush;
use crate::operations::audit::Event;
use crate::shared::Shared;
use crate::tasks::SWEEP_PERIOD;

/// A drain that has begun.
pub(crate) struct Draining {
    timeout: Duration,
    until: Millis,
    next_note: Millis,
    /// Sessions that leave in one step.
    slice: usize,
    left: Left,
}

impl Draining {
    /// Begins, and takes the first step.
    pub(crate) fn begin(shared: &Shared, drain: &Drain) -> Self {
        let (now, timeout) = (shared.clock.now(), drain.timeout);
        let left = shared.broker.drain(0, &mut flush::delivery());
        shared.audit.write(|| Event::Draining);
        let Left { sessions, requests } = left;
        info!(sessions, requests, ?timeout, "draining: no new sessions and handlers are taken");
        let mut draining = Self {
            timeout,
            until: now.after(timeout),
            next_note: now.after(NOTES),
            slice: slice(drain, sessions),
            left,
        };
        draining.step(shared);
        draining
    }

    /// One step a sweep.
    pub(crate) fn step(&mut self, shared: &Shared) {
        let now = shared.clock.now();
        let mut outbox = flush::delivery();
        self.left = shared.broker.drain(self.slice, &mut outbox);
        shared.audit.take(&mut outbox.notes, None);
        drop(outbox);
        let Left { sessions, requests } = self.left;
        if sessions > 0 && now >= self.next_note {
            self.next_note = now.after(NOTES);
            info!(sessions, requests, "draining");
        }
    }

    /// Whether all sessions have left, or the time is over.
    pub(crate) fn is_over(&self, shared: &Shared) -> bool {
        let Left { sessions, requests } = self.left;
        if sessions == 0 {
            info!("drained");
            return true;
        }
        let is_late = shared.clock.now() >= self.until;
        if is_late {
            let timeout = self.timeout;
            warn!(sessions, requests, ?timeout, "drain.timeout is over; what is left is cut off");
        }
        is_late
    }
}

/// How many sessions leave in one step, of so many.
fn slice(drain: &Drain, sessions: usize) -> usize {
    let as_configured = u64::from(drain.rate) * SWEEP_PERIOD / 1_000;
    // So that those that leave last, too, have half of the time for what they have under way.
    let steps = (drain.timeout.as_millis() as u64 / 2 / SWEEP_PERIOD).max(1);
    let in_time = (sessions as u64).div_ceil(steps);
    as_configured.max(in_time).max(1) as usize
}

/// How often the log tells how far it is.
const NOTES: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_leave_at_the_configured_rate_or_faster_if_the_time_demands_it() {
        let drain = |seconds, rate| Drain { timeout: Duration::from_secs(seconds), rate };
        assert_eq!(slice(&drain(30, 500), 1_000), 50);
        assert_eq!(slice(&drain(30, 500), 100_000), 667);
        assert_eq!(slice(&drain(30, 1), 3), 1);
        assert_eq!(slice(&drain(0, 500), 70_000), 70_000);
    }
}
