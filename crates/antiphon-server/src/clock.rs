//! The two clocks: the broker's, which never goes back, and the wall's, which people read.

use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use antiphon_broker::Millis;

/// Counts from the moment at which it was made.
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    pub(crate) fn now(&self) -> Millis {
        Millis(self.origin.elapsed().as_millis() as u64)
    }
}

/// Milliseconds since 1970; 0 if the host's clock stands before that.
pub(crate) fn wall_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
