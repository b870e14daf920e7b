//! When to try to connect again after a connection was lost. Nothing here waits or connects.

use std::time::Duration;

/// Whether and when a session comes back after its connection was lost.
///
/// The delays double from the first to the longest, and each is drawn at random between zero and that, so that many
/// sessions that lost the same server do not all come back at once.
///
/// ```
/// use std::time::Duration;
/// use antiphon::ReconnectPolicy;
///
/// let patient = ReconnectPolicy::default().give_up_after(Duration::from_secs(3600));
/// let strict = ReconnectPolicy::never();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconnectPolicy {
    enabled: bool,
    first_delay: Duration,
    longest_delay: Duration,
    give_up_after: Option<Duration>,
    keep_for: Duration,
    after_server_close: bool,
}

impl Default for ReconnectPolicy {
    /// First after at most 100 ms, at least every 5 s, for ever, but not after the server closed the session.
    fn default() -> Self {
        Self {
            enabled: true,
            first_delay: Duration::from_millis(100),
            longest_delay: Duration::from_secs(5),
            give_up_after: None,
            keep_for: Duration::from_secs(60),
            after_server_close: false,
        }
    }
}

impl ReconnectPolicy {
    /// A lost connection ends the session.
    #[must_use]
    pub fn never() -> Self {
        Self { enabled: false, ..Self::default() }
    }

    /// The longest that the first attempt may wait.
    #[must_use]
    pub fn first_delay(self, first_delay: Duration) -> Self {
        Self { first_delay, ..self }
    }

    /// The longest that any attempt may wait.
    #[must_use]
    pub fn longest_delay(self, longest_delay: Duration) -> Self {
        Self { longest_delay, ..self }
    }

    /// Ends the session when it could not connect for so long.
    #[must_use]
    pub fn give_up_after(self, time: Duration) -> Self {
        Self { give_up_after: Some(time), ..self }
    }

    /// For how long the server is asked to keep the session while it has no connection. Default 60 s; the server may
    /// keep it for less, or not at all, and then a new session takes its place.
    #[must_use]
    pub fn keep_for(self, keep_for: Duration) -> Self {
        Self { keep_for, ..self }
    }

    /// Whether to open a new session also after the server closed this one, as it does when it shuts down, or when
    /// an operator closes the session. Services want this; default: no.
    #[must_use]
    pub fn after_server_close(self, after_server_close: bool) -> Self {
        Self { after_server_close, ..self }
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled
    }

    pub(crate) fn comes_back_after_server_close(&self) -> bool {
        self.enabled && self.after_server_close
    }

    /// What the server is asked for, in milliseconds; 0 for not at all.
    pub(crate) fn kept_for_millis(&self) -> u64 {
        if self.enabled { self.keep_for.as_millis().try_into().unwrap_or(u64::MAX) } else { 0 }
    }

    /// How long to wait before attempt `attempt`, counted from 0, when `waited` has passed since the connection was
    /// lost. `random` is from 0 to 1. `None`: give up.
    pub(crate) fn delay(&self, attempt: u32, waited: Duration, random: f64) -> Option<Duration> {
        if !self.enabled || self.give_up_after.is_some_and(|limit| waited >= limit) {
            return None;
        }
        let factor = 2_u32.saturating_pow(attempt.min(MOST_DOUBLINGS));
        let longest = self.first_delay.saturating_mul(factor).min(self.longest_delay);
        let delay = longest.mul_f64(random.clamp(0.0, 1.0));
        Some(self.give_up_after.map_or(delay, |limit| delay.min(limit - waited)))
    }
}

/// Enough to reach any sensible longest delay.
const MOST_DOUBLINGS: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn delays_double_up_to_the_longest() {
        let policy = ReconnectPolicy::default();
        let delays: Vec<_> = (0..8).filter_map(|attempt| policy.delay(attempt, MS, 1.0)).collect();
        let expected = [100, 200, 400, 800, 1600, 3200, 5000, 5000];
        assert_eq!(delays, expected.map(|delay| MS * delay));
        assert_eq!(policy.delay(u32::MAX, MS, 1.0), Some(MS * 5000));
    }

    #[test]
    fn a_delay_is_anything_between_nothing_and_that() {
        let policy = ReconnectPolicy::default();
        assert_eq!(policy.delay(0, MS, 0.0), Some(Duration::ZERO));
        assert_eq!(policy.delay(1, MS, 0.25), Some(MS * 50));
    }

    #[test]
    fn it_gives_up_when_told_so_and_tries_a_last_time_just_then() {
        let policy = ReconnectPolicy::default().give_up_after(MS * 1000);
        assert_eq!(policy.delay(9, MS * 900, 1.0), Some(MS * 100));
        assert_eq!(policy.delay(9, MS * 1000, 1.0), None);
        assert_eq!(ReconnectPolicy::never().delay(0, MS, 1.0), None);
    }
}
