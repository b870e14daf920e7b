//! Points in time that are some time away, however long that is.

use std::time::Duration;

use tokio::time::Instant;

/// The time in `duration` from now, or in a century if that is sooner: no clock goes further than it can count.
pub(crate) fn after(duration: Duration) -> Instant {
    Instant::now() + duration.min(CENTURY)
}

/// As long as anything may take.
pub(crate) const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
