//! What the broker counts, as plain numbers. Exporting them is somebody else's job.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use antiphon_wire::error::Reason;
use antiphon_wire::service::events::CloseReason;

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
mod per_path;

pub(crate) use crate::stats::ledger::Book;
pub use crate::stats::ledger::End;
pub(crate) use crate::stats::ledger::Entries;
pub use crate::stats::ledger::Kind;
pub use crate::stats::ledger::Ledger;
pub use crate::stats::ledger::Mismatch;
pub(crate) use crate::stats::ledger::Page;
pub use crate::stats::per_path::BOUNDS;
pub(crate) use crate::stats::per_path::Label;
pub use crate::stats::per_path::MAX_PATHS;
pub use crate::stats::per_path::PathFigures;
use crate::stats::per_path::PerPath;
use crate::stats::per_path::Run;

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

table! {
    /// A bound that somebody met.
    Limit {
        /// A session has as many requests to answer as it may.
        Recipient = "requests_per_handler",
        /// As many bytes wait for a session as may, so it gets no request.
        Mailbox = "mailbox",
        /// As many messages wait for a session as may, so it gets no request.
        MailboxMessages = "mailbox_messages",
        /// A session awaits as many answers as it may.
        Sender = "requests_per_sender",
        /// A session asks faster than it may.
        Rate = "requests_per_second",
        /// A session has as many handlers as it may.
        Handlers = "handlers_per_session",
        /// A session has as many session listeners as it may.
        Listeners = "listeners_per_session",
        /// A session holds or awaits as many locks as it may.
        Locks = "locks_per_session",
        /// There are as many sessions as there may be.
        Sessions = "sessions",
        /// There are as many sessions of one principal as there may be.
        SessionsPerPrincipal = "sessions_per_principal",
        /// A session did not read, and was ended.
        Unread = "mailbox_unread",
        /// A session sent a message that is too large, and was ended.
        Message = "maximum_message",
        /// A filter is too long.
        FilterLength = "filter_length",
        /// A filter nests too deep.
        FilterDepth = "filter_depth",
        /// A session would have too many properties.
        Properties = "properties_per_session",
        /// The value of a property is too long.
        PropertySize = "property_size",
        /// A session came back and lacks messages that are not kept any more.
        Recovery = "recovery",
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
    /// Those of them that have a connection.
    pub connected: usize,
    /// Those of them whose socket takes no more bytes.
    pub blocked: usize,
    /// Bytes that wait for sessions, in all.
    pub queued_bytes: u64,
    /// Paths that have handlers.
    pub routes: usize,
    /// The requests.
    pub ledger: Ledger,
    /// Requests that audits have missed, or found twice: 0, or there is a defect.
    pub mismatched: u64,
    /// Answers that came too late, twice, or to nothing.
    pub stray_answers: u64,
    /// Sessions that were opened.
    pub opened: u64,
    /// Sessions that came back and missed nothing.
    pub resumed: u64,
    /// Sessions that came back and had to begin anew.
    pub restarted: u64,
    /// Filters that were compared with sessions.
    pub filters: u64,
    /// Sessions that such filters were compared with, and those that matched.
    pub filtered: u64,
    /// See [`Stats::filtered`].
    pub matched: u64,
    closed: [u64; CLOSE_REASONS],
    pub(crate) exceeded: [u64; LIMITS],
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

    /// How often a bound was met.
    #[must_use]
    pub fn exceeded(&self, limit: Limit) -> u64 {
        self.exceeded[limit as usize]
    }

    /// Sessions that ended for one reason.
    #[must_use]
    pub fn closed(&self, reason: CloseReason) -> u64 {
        self.closed.get(reason as usize).copied().unwrap_or(0)
    }

    #[cfg(test)]
    pub(crate) fn close(&mut self, reason: CloseReason) {
        self.closed[reason as usize] += 1;
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
    pub(crate) run: Run,
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
    pub(crate) per_path: PerPath,
    stray_answers: AtomicU64,
    pub(crate) opened: AtomicU64,
    pub(crate) resumed: AtomicU64,
    pub(crate) restarted: AtomicU64,
    filters: AtomicU64,
    filtered: AtomicU64,
    matched: AtomicU64,
    closed: [AtomicU64; CLOSE_REASONS],
    exceeded: [AtomicU64; LIMITS],
    refused_requests: [AtomicU64; REFUSALS],
    refused_calls: [AtomicU64; REFUSALS],
}

impl Totals {
    pub(crate) fn add(&self, counts: &Counts) {
        self.book.add(&counts.ledger);
        self.per_path.add(&counts.run);
        if counts.stray_answers > 0 {
            self.stray_answers.fetch_add(u64::from(counts.stray_answers), Relaxed);
        }
        for (is_request, refusal) in &counts.refusals {
            let totals = if *is_request { &self.refused_requests } else { &self.refused_calls };
            totals[*refusal as usize].fetch_add(1, Relaxed);
        }
    }

    /// Counts an accepted request that ends; `took` are the milliseconds until its answer came.
    pub(crate) fn end(
        &self,
        counts: &mut Counts,
        place: (Page, Label),
        end: End,
        took: Option<u64>,
    ) {
        let (page, label) = place;
        counts.ledger.end(page, end);
        self.per_path.count(&mut counts.run, label, end, took);
    }

    /// Counts the end of a session.
    pub(crate) fn close(&self, reason: CloseReason) {
        match reason {
            CloseReason::MessageQueueLimitReached => self.exceed(Limit::Unread),
            CloseReason::MessageTooLarge => self.exceed(Limit::Message),
            _ => {}
        }
        if let Some(count) = self.closed.get(reason as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Counts that somebody met a bound.
    pub(crate) fn exceed(&self, limit: Limit) {
        self.exceeded[limit as usize].fetch_add(1, Relaxed);
    }

    /// Counts that a bound was met, if one was.
    pub(crate) fn exceed_any(&self, limit: Option<Limit>) {
        limit.into_iter().for_each(|limit| self.exceed(limit));
    }

    /// Counts a filter that was compared with some sessions, and matched some of them.
    pub(crate) fn filter(&self, compared: usize, matched: usize) {
        self.filters.fetch_add(1, Relaxed);
        self.filtered.fetch_add(compared as u64, Relaxed);
        self.matched.fetch_add(matched as u64, Relaxed);
    }

    /// What was counted; what is there now is left at 0.
    pub(crate) fn stats(&self) -> Stats {
        let load =
            |counts: &[AtomicU64; REFUSALS]| counts.each_ref().map(|count| count.load(Relaxed));
        Stats {
            ledger: self.book.ledger(),
            mismatched: self.book.mismatched(),
            stray_answers: self.stray_answers.load(Relaxed),
            opened: self.opened.load(Relaxed),
            resumed: self.resumed.load(Relaxed),
            restarted: self.restarted.load(Relaxed),
            filters: self.filters.load(Relaxed),
            filtered: self.filtered.load(Relaxed),
            matched: self.matched.load(Relaxed),
            closed: self.closed.each_ref().map(|count| count.load(Relaxed)),
            exceeded: self.exceeded.each_ref().map(|count| count.load(Relaxed)),
            refused_requests: load(&self.refused_requests),
            refused_calls: load(&self.refused_calls),
            ..Stats::default()
        }
    }
}

/// Reasons are numbered from 0, see the wire.
const CLOSE_REASONS: usize = 16;

const LIMITS: usize = Limit::ALL.len();

const REFUSALS: usize = Refusal::ALL.len();
