//! What many runs did, to see that they did something.

use std::collections::BTreeMap;

use crate::model::Model;
use crate::record::Call;
use crate::record::What;

/// The sums of some runs.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    requests: u64,
    answers: u64,
    errors: BTreeMap<u32, u64>,
    unheard: u64,
    /// Clients that were given up because they were silent.
    given_up: u64,
    /// Sessions that left a server that drained.
    parted: u64,
}

impl Tally {
    pub(crate) fn of(calls: &[Call], model: &Model) -> Self {
        let given_up = model.sessions.values().map(|known| known.silences.len() as u64).sum();
        let parted = model.parted.len() as u64;
        let mut tally = Self { given_up, parted, ..Self::default() };
        for call in calls.iter().filter(|call| call.ask.is_request()) {
            tally.requests += 1;
            let replies = call.replies.iter().map(|(_, what)| what);
            for what in replies.chain(call.events.iter().map(|(.., what)| what)) {
                match what {
                    What::Answer(_) => tally.answers += 1,
                    What::Error(reason, _) => *tally.errors.entry(reason.0).or_default() += 1,
                    _ => {}
                }
            }
            tally.unheard += u64::from(call.replies.is_empty());
        }
        tally
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.answers += other.answers;
        self.unheard += other.unheard;
        self.given_up += other.given_up;
        self.parted += other.parted;
        for (reason, count) in &other.errors {
            *self.errors.entry(*reason).or_default() += count;
        }
    }

    /// Every outcome came up often enough to be worth something.
    pub(crate) fn check(&self) {
        assert!(self.answers > 10_000, "{self:?}");
        assert!(self.given_up > 500 && self.parted > 500, "{self:?}");
        for reason in [101, 102, 105, 106, 107, 109, 112, 9003] {
            assert!(
                self.errors.get(&reason).is_some_and(|count| *count > 500),
                "{reason}: {self:?}"
            );
        }
    }
}
