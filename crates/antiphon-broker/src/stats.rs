//! What the broker counts. Exporting it is somebody else's job.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts since the broker was made, and the present number of sessions and routes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct Stats {
            /// Open sessions.
            pub sessions: usize,
            /// Paths that have handlers.
            pub routes: usize,
            $($(#[$doc])* pub $name: u64,)*
        }

        /// Counts of one batch, which nobody else sees.
        #[derive(Debug, Default)]
        pub(crate) struct Counts {
            $(pub(crate) $name: u64,)*
        }

        /// The counts of all batches that have ended.
        #[derive(Debug, Default)]
        pub(crate) struct Totals {
            $($name: AtomicU64,)*
        }

        impl Totals {
            pub(crate) fn add(&self, counts: &Counts) {
                $(if counts.$name > 0 {
                    self.$name.fetch_add(counts.$name, Relaxed);
                })*
            }

            pub(crate) fn stats(&self, sessions: usize, routes: usize) -> Stats {
                Stats { sessions, routes, $($name: self.$name.load(Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Requests that a session was handed, each filter match counted.
    requests,
    /// Responses that were relayed.
    responses,
    /// Errors of handlers that were relayed.
    handler_errors,
    /// Service calls that the broker itself refused, requests included.
    refused,
    /// Requests that were not answered in time.
    timeouts,
    /// Answers that came too late, twice, or to nothing.
    stray_answers,
}
