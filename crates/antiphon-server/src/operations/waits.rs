//! How long requests wait in the server until they are written to who has to answer them.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use antiphon_broker::BOUNDS;
use antiphon_broker::Requests;

use crate::clock::Clock;

/// Waits that are over, in whole milliseconds, as everything about requests is measured.
pub(crate) struct Waits {
    clock: Clock,
    buckets: [AtomicU64; BUCKETS],
    milliseconds: AtomicU64,
}

/// What was counted.
#[derive(Debug)]
pub(crate) struct Waited {
    /// By [`BOUNDS`]; last those above all of them.
    pub(crate) buckets: [u64; BUCKETS],
    /// In all.
    pub(crate) milliseconds: u64,
}

impl Waits {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, buckets: Default::default(), milliseconds: AtomicU64::new(0) }
    }

    /// These have just been written. The clock is read once for all that one write took.
    pub(crate) fn over(&self, requests: Requests) {
        let Requests { count, since } = requests;
        let waited = self.clock.now().0.saturating_sub(since.0);
        let bucket = BOUNDS.partition_point(|bound| *bound < waited);
        self.buckets[bucket].fetch_add(count.into(), Relaxed);
        if waited > 0 {
            self.milliseconds.fetch_add(waited * u64::from(count), Relaxed);
        }
    }

    pub(crate) fn waited(&self) -> Waited {
        Waited {
            buckets: self.buckets.each_ref().map(|count| count.load(Relaxed)),
            milliseconds: self.milliseconds.load(Relaxed),
        }
    }
}

const BUCKETS: usize = BOUNDS.len() + 1;
