//! What one authenticator has decided how often, and how long it took.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::auth::applicant::Answer;

/// Counts from the start of the server.
#[derive(Default)]
pub(super) struct Results {
    verdicts: [AtomicU64; 4],
    nanoseconds: AtomicU64,
}

/// An answer without what goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Allow,
    Deny,
    Abstain,
    Fail,
}

/// What was counted at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counted {
    pub(crate) allowed: u64,
    pub(crate) denied: u64,
    pub(crate) abstained: u64,
    pub(crate) failed: u64,
    /// All answers together took so long.
    pub(crate) took: Duration,
}

impl Counted {
    /// The numbers of answers, by what they are.
    pub(crate) fn by_verdict(&self) -> [(&'static str, u64); 4] {
        [
            ("allowed", self.allowed),
            ("denied", self.denied),
            ("abstained", self.abstained),
            ("failed", self.failed),
        ]
    }
}

impl Verdict {
    pub(super) fn of(answer: &Answer) -> Self {
        match answer {
            Answer::Allow(_) => Self::Allow,
            Answer::Deny(_) => Self::Deny,
            Answer::Abstain => Self::Abstain,
            Answer::Fail(_) => Self::Fail,
        }
    }
}

impl Results {
    pub(super) fn count(&self, verdict: Verdict, took: Duration) {
        self.verdicts[verdict as usize].fetch_add(1, Relaxed);
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(took, Relaxed);
    }

    pub(super) fn counted(&self) -> Counted {
        let of = |verdict: Verdict| self.verdicts[verdict as usize].load(Relaxed);
        Counted {
            allowed: of(Verdict::Allow),
            denied: of(Verdict::Deny),
            abstained: of(Verdict::Abstain),
            failed: of(Verdict::Fail),
            took: Duration::from_nanos(self.nanoseconds.load(Relaxed)),
        }
    }
}
