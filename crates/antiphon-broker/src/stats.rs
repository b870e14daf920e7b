//! What the broker counts, as plain numbers. Exporting them is somebody else's job.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use antiphon_wire::error::Reason;

/// An enum whose variants have names, and count from 0.
macro_rules! table {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$of])* $variant,)*
        }

        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// As it is named in figures.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

mod ledger;

pub(crate) use crate::stats::ledger::Book;
pub use crate::stats::ledger::End;
pub(crate) use crate::stats::ledger::Entries;
pub use crate::stats::ledger::Kind;
pub use crate::stats::ledger::Ledger;
pub use crate::stats::ledger::Mismatch;
pub(crate) use crate::stats::ledger::Page;

table! {
    /// Why a service call was refused.
    Refusal {
        /// A permission is missing.
        Denied = "denied",
        /// Nobody handles the path.
        NoHandler = "no_handler",
        /// The session is not there.
        NoSession = "no_such_session",
        /// Somebody has as much to do as a limit allows.
        Overloaded = "overloaded",
        /// Path, value, filter or the body as a whole is invalid.
        Invalid = "invalid",
        /// The session has a handler on the path already.
        Conflict = "conflict",
        /// There is no such service.
        Unsupported = "unsupported",
        /// The server takes no more requests.
        ShuttingDown = "shutting_down",
        /// Something else.
        Other = "other",
    }
}

impl Refusal {
    /// What an error reason means.
    pub(crate) fn of(reason: Reason) -> Self {
        match reason {
            Reason::ACCESS_DENIED => Self::Denied,
            Reason::UNHANDLED_MESSAGE => Self::NoHandler,
            Reason::NO_SUCH_SESSION => Self::NoSession,
            Reason::REJECTED_REQUEST => Self::Overloaded,
            Reason::INVALID_DATA | Reason::INVALID_PATH => Self::Invalid,
            Reason::HANDLER_CONFLICT => Self::Conflict,
            Reason::UNSUPPORTED => Self::Unsupported,
            Reason::CLUSTER_ROUTING | Reason::SESSION_CLOSED => Self::ShuttingDown,
            _ => Self::Other,
        }
    }
}

/// Counts since the broker was made, and what is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Open sessions.
    pub sessions: usize,
    /// Paths that have handlers.
    pub routes: usize,
    /// The requests.
    pub ledger: Ledger,
    /// Requests that audits have missed, or found twice: 0, or there is a defect.
    pub mismatched: u64,
    /// Answers that came too late, twice, or to nothing.
    pub stray_answers: u64,
    refused_requests: [u64; REFUSALS],
    refused_calls: [u64; REFUSALS],
}

impl Stats {
    /// Requests that were not accepted. Of a filter that cannot be read there is one.
    #[must_use]
    pub fn refused_requests(&self, refusal: Refusal) -> u64 {
        self.refused_requests[refusal as usize]
    }

    /// Calls of other services that failed.
    #[must_use]
    pub fn refused_calls(&self, refusal: Refusal) -> u64 {
        self.refused_calls[refusal as usize]
    }

    #[cfg(test)]
    pub(crate) fn refuse(&mut self, is_request: bool, reason: Reason) {
        let counts = if is_request { &mut self.refused_requests } else { &mut self.refused_calls };
        counts[Refusal::of(reason) as usize] += 1;
    }
}

/// Counts of one batch, or another call, which nobody else sees.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) ledger: Entries,
    pub(crate) stray_answers: u32,
    /// Nearly always none.
    pub(crate) refusals: Vec<(bool, Refusal)>,
}

impl Counts {
    /// A service call fails, which `is_request` or not.
    pub(crate) fn refuse(&mut self, is_request: bool, reason: Reason) {
        self.refusals.push((is_request, Refusal::of(reason)));
    }
}

/// The counts of all calls that are over.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) book: Book,
    stray_answers: AtomicU64,
    refused_requests: [AtomicU64; REFUSALS],
    refused_calls: [AtomicU64; REFUSALS],
}

impl Totals {
    pub(crate) fn add(&self, counts: &Counts) {
        self.book.add(&counts.ledger);
        if counts.stray_answers > 0 {
            self.stray_answers.fetch_add(u64::from(counts.stray_answers), Relaxed);
        }
        for (is_request, refusal) in &counts.refusals {
            let totals = if *is_request { &self.refused_requests } else { &self.refused_calls };
            totals[*refusal as usize].fetch_add(1, Relaxed);
        }
    }

    /// What was counted; what is there now is left at 0.
    pub(crate) fn stats(&self) -> Stats {
        let load =
            |counts: &[AtomicU64; REFUSALS]| counts.each_ref().map(|count| count.load(Relaxed));
        Stats {
            ledger: self.book.ledger(),
            mismatched: self.book.mismatched(),
            stray_answers: self.stray_answers.load(Relaxed),
            refused_requests: load(&self.refused_requests),
            refused_calls: load(&self.refused_calls),
            ..Stats::default()
        }
    }
}

const REFUSALS: usize = Refusal::ALL.len();
