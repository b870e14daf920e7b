//! What is counted during a run: latencies in histograms (each within 1 %), and everything that went wrong.

use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;

/// The counters of one connection, which nobody else writes.
pub(crate) type Tally = Arc<Mutex<Histogram<u64>>>;

/// What the connections of a run share.
#[derive(Default)]
pub(crate) struct Meter {
    phase: AtomicU8,
    failures: AtomicU64,
    first_failure: Mutex<Option<String>>,
    tallies: Mutex<Vec<Tally>>,
}

const MEASURING: u8 = 1;
const OVER: u8 = 2;

impl Meter {
    /// A tally for one more connection.
    pub(crate) fn tally(&self) -> Tally {
        let tally = Arc::new(Mutex::new(histogram()));
        self.tallies.lock().push(Arc::clone(&tally));
        tally
    }

    /// From now on latencies are counted.
    pub(crate) fn measure(&self) {
        self.phase.store(MEASURING, Ordering::SeqCst);
    }

    /// What was counted until now counts, and nothing more.
    pub(crate) fn stop(&self) -> Histogram<u64> {
        self.phase.store(OVER, Ordering::SeqCst);
        let mut sum = histogram();
        for tally in &*self.tallies.lock() {
            // All have the same bounds.
            let _ = sum.add(&*tally.lock());
        }
        sum
    }

    pub(crate) fn measuring(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == MEASURING
    }

    pub(crate) fn over(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == OVER
    }

    /// Counts something that went wrong, unless all is over.
    pub(crate) fn fail(&self, what: impl FnOnce() -> String) {
        if !self.over() {
            self.failures.fetch_add(1, Ordering::Relaxed);
            self.first_failure.lock().get_or_insert_with(what);
        }
    }

    /// How much went wrong, and what was the first of it.
    pub(crate) fn failures(&self) -> (u64, Option<String>) {
        (self.failures.load(Ordering::Relaxed), self.first_failure.lock().clone())
    }
}

/// Counts one latency.
#[inline]
pub(crate) fn record(histogram: &mut Histogram<u64>, latency: Duration) {
    histogram.saturating_record(latency.as_nanos() as u64);
}

/// From 100 ns to a minute.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(100, 60_000_000_000, 2).expect("bounds that are in order")
}

/// In microseconds.
pub(crate) fn quantile(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1000.0
}
