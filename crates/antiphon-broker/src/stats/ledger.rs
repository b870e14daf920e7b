//! The ledger: every accepted request is entered once, by kind, and every end once, by outcome. So at all times
//!
//! ```text
//! accepted = ended + in flight
//! ```
//!
//! The left side is counted where requests are accepted, `ended` where senders are told, and what is in flight is what
//! stands in the tables of pending requests. None of them is computed from another, so a request that is lost on its
//! way, or ends twice, shows.
//!
//! ## Why the audit is exact although nothing stands still
//!
//! Batches count for themselves and add up at their end, and the tables are looked at one after the other, so under load
//! the three sums never belong to one moment. The ledger therefore has two pages. New requests are entered on the open
//! page; a request carries its page along, and its end is noted there. An audit moves through two steps, and asks of its
//! caller only that **no call of the broker that had begun at one audit is still running at the next**:
//!
//! 1. *Closing.* The page was closed at the audit before. All batches that could enter requests on it are over, so its
//!    accepted requests are final. What has ended is read first and the tables are looked at afterwards: whoever was
//!    found there had not ended when that was read, so `ended + in flight` above `accepted` is an error already. If the
//!    tables have nothing of the page any more, no request of it can appear there again.
//! 2. *Settled.* All calls that took the last requests of the page out are over and have counted them, so now `ended`
//!    must be `accepted`, to the one. Then this page is opened and the other one closed.
//!
//! So each request is checked, at the latest two audits after the last request of its page has ended, and every request
//! ends by its deadline.

use std::sync::atomic::AtomicU8;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use parking_lot::Mutex;
use thiserror::Error;

table! {
    /// How a request was addressed.
    Kind {
        /// To a path.
        Path = "path",
        /// To a session.
        Session = "session",
        /// To a filter: each session that matched is a request of its own.
        Filter = "filter",
        /// To a session that is to decide who is let in.
        Authenticator = "authenticator",
        /// For another node, where it was accepted too.
        Node = "node",
        /// Of those above, one that another node could not deliver, and that was sent elsewhere.
        Rerouted = "rerouted",
        /// To another node: a service call for sessions of that node, or a question to all nodes.
        Call = "call",
    }
}

table! {
    /// How an accepted request ended.
    End {
        /// The sender was handed the response.
        Responded = "responded",
        /// The sender was handed the error with which its recipient answered.
        HandlerError = "handler_error",
        /// The recipient's answer was malformed.
        Malformed = "malformed_response",
        /// No answer came in time.
        TimedOut = "timed_out",
        /// The recipient's session ended.
        RecipientEnded = "recipient_ended",
        /// The recipient's session came back, but had to begin anew.
        RecipientRestarted = "recipient_began_anew",
        /// Its recipient's client was silent for too long.
        RecipientSilent = "recipient_silent",
        /// A filter matched a session that could not take the request.
        Undeliverable = "undeliverable",
        /// Another node could not deliver the request, and it was sent elsewhere.
        Rerouted = "rerouted",
        /// The server was shut down.
        ShutDown = "shut_down",
        /// However it ended, its sender was not there any more to be told.
        Cancelled = "cancelled",
    }
}

/// What was accepted and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ledger {
    accepted: [u64; KINDS],
    ended: [u64; ENDS],
    /// Requests that wait for their answer.
    pub in_flight: u64,
}

impl Ledger {
    /// Accepted requests of one kind.
    #[must_use]
    pub fn accepted(&self, kind: Kind) -> u64 {
        self.accepted[kind as usize]
    }

    /// Requests that ended in one way.
    #[must_use]
    pub fn ended(&self, end: End) -> u64 {
        self.ended[end as usize]
    }

    /// All accepted requests.
    #[must_use]
    pub fn all_accepted(&self) -> u64 {
        self.accepted.iter().sum()
    }

    /// All requests that have ended.
    #[must_use]
    pub fn all_ended(&self) -> u64 {
        self.ended.iter().sum()
    }

    /// Whether it balances. It must if no call of the broker was running while it was read; otherwise the sums may
    /// belong to different moments, and [`Broker::audit`](crate::Broker::audit) is what tells.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.all_accepted() == self.all_ended() + self.in_flight
    }

    #[cfg(test)]
    pub(crate) fn accept(&mut self, kind: Kind, count: u64) {
        self.accepted[kind as usize] += count;
    }

    #[cfg(test)]
    pub(crate) fn end(&mut self, end: End) {
        self.ended[end as usize] += 1;
    }
}

/// The ledger does not balance: a defect of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "the ledger of requests does not balance: {accepted} accepted, {ended} ended, {in_flight} in flight"
)]
pub struct Mismatch {
    /// Requests entered on the page that was looked at.
    pub accepted: u64,
    /// Those of them that ended.
    pub ended: u64,
    /// Those of them that wait for their answer.
    pub in_flight: u64,
}

impl Mismatch {
    /// How many requests are lost, or have ended once too often.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.accepted.abs_diff(self.ended + self.in_flight)
    }
}

/// The page of the ledger on which a request is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Page(u8);

impl Page {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) const fn other(self) -> Self {
        Self(1 - self.0)
    }
}

/// The entries of one batch, or of another call.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    accepted: [[u32; KINDS]; PAGES],
    ended: [[u32; ENDS]; PAGES],
}

impl Entries {
    pub(crate) fn accept(&mut self, page: Page, kind: Kind, count: u32) {
        self.accepted[page.index()][kind as usize] += count;
    }

    pub(crate) fn end(&mut self, page: Page, end: End) {
        self.ended[page.index()][end as usize] += 1;
    }
}

/// The entries of all calls that are over.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pages: [Entered; PAGES],
    open: AtomicU8,
    audit: Mutex<Audit>,
    /// Requests that audits have missed, or found twice.
    mismatched: AtomicU64,
}

#[derive(Debug, Default)]
struct Entered {
    accepted: [AtomicU64; KINDS],
    ended: [AtomicU64; ENDS],
}

#[derive(Debug, Default)]
struct Audit {
    step: Step,
    /// By how much each page was found to be wrong already.
    known: [i128; PAGES],
}

/// How far the page is that is not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Step {
    Closing,
    #[default]
    Settled,
}

impl Book {
    /// The page for new requests.
    pub(crate) fn open_page(&self) -> Page {
        Page(self.open.load(Relaxed))
    }

    pub(crate) fn mismatched(&self) -> u64 {
        self.mismatched.load(Relaxed)
    }

    pub(crate) fn add(&self, entries: &Entries) {
        for (page, entered) in self.pages.iter().enumerate() {
            add_all(&entered.accepted, &entries.accepted[page]);
            add_all(&entered.ended, &entries.ended[page]);
        }
    }

    /// The whole ledger, but for what is in flight.
    pub(crate) fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::default();
        for page in &self.pages {
            for (sum, count) in ledger.accepted.iter_mut().zip(&page.accepted) {
                *sum += count.load(Relaxed);
            }
            for (sum, count) in ledger.ended.iter_mut().zip(&page.ended) {
                *sum += count.load(Relaxed);
            }
        }
        ledger
    }

    /// One step of the audit; `in_flight` looks how many requests of a page stand in the tables. Each mismatch is
    /// reported once.
    pub(crate) fn audit(&self, in_flight: impl FnOnce(Page) -> u64) -> Result<(), Mismatch> {
        let mut audit = self.audit.lock();
        let page = self.open_page().other();
        let [accepted, ended] = self.pages[page.index()].sums();
        let in_flight = if audit.step == Step::Closing { in_flight(page) } else { 0 };
        let settled = audit.step == Step::Settled;
        let found = i128::from(accepted) - i128::from(ended) - i128::from(in_flight);
        let is_wrong = if settled { found != 0 } else { found < 0 };
        let known = &mut audit.known[page.index()];
        let is_new = is_wrong && found != *known;
        if is_new {
            let more = found.abs_diff(*known);
            self.mismatched.fetch_add(u64::try_from(more).unwrap_or(u64::MAX), Relaxed);
            *known = found;
        }
        if settled {
            self.open.store(page.0, Relaxed);
            audit.step = Step::Closing;
        } else if in_flight == 0 {
            audit.step = Step::Settled;
        }
        if is_new { Err(Mismatch { accepted, ended, in_flight }) } else { Ok(()) }
    }
}

impl Entered {
    /// Accepted and ended. The ended are read first, see above.
    fn sums(&self) -> [u64; 2] {
        let sum = |counts: &[AtomicU64]| counts.iter().map(|count| count.load(Relaxed)).sum();
        let ended = sum(&self.ended);
        [sum(&self.accepted), ended]
    }
}

fn add_all(totals: &[AtomicU64], counts: &[u32]) {
    for (total, count) in totals.iter().zip(counts) {
        if *count > 0 {
            total.fetch_add(u64::from(*count), Relaxed);
        }
    }
}

const KINDS: usize = Kind::ALL.len();
pub(super) const ENDS: usize = End::ALL.len();
const PAGES: usize = 2;
