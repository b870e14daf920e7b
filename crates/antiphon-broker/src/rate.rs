//! How fast a session may ask. Knows no session, and no clock but the time that it is handed.

use std::num::NonZeroU32;

use crate::time::Millis;

/// So many in a second on the average, and so many at once. By default any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rate {
    /// Nanoseconds from one to the next if they come evenly; 0 if they may come as they like.
    interval: u64,
    /// By how many nanoseconds they may be early.
    early: u64,
}

/// When the next one would come if they came evenly, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Pace(u64);

impl Rate {
    /// `per_second` on the average, zero for any number, of which `burst` may come at once.
    #[must_use]
    pub fn new(per_second: u32, burst: u32) -> Self {
        let Some(per_second) = NonZeroU32::new(per_second) else { return Self::default() };
        // Nobody notices that more than a billion is not told from a billion.
        let interval = (SECOND / u64::from(per_second.get())).max(1);
        Self { interval, early: interval * u64::from(burst.max(1)) }
    }
}

impl Pace {
    /// Whether one more may come now; then it is counted.
    #[inline]
    pub(crate) fn allows(&mut self, rate: Rate, now: Millis) -> bool {
        if rate.interval == 0 {
            return true;
        }
        let now = now.0.saturating_mul(SECOND / 1_000);
        let next = self.0.max(now).saturating_add(rate.interval);
        let may = next <= now.saturating_add(rate.early);
        if may {
            self.0 = next;
        }
        may
    }
}

const SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn allowed(rate: Rate, times: impl IntoIterator<Item = u64>) -> Vec<bool> {
        let mut pace = Pace::default();
        times.into_iter().map(|time| pace.allows(rate, Millis(time))).collect()
    }

    #[test]
    fn a_burst_may_come_at_once_and_then_as_many_as_the_rate_says() {
        let times = [0, 0, 0, 0, 499, 500, 500, 1_500, 1_500, 1_500];
        let expected = [true, true, true, false, false, true, false, true, true, false];
        assert_eq!(allowed(Rate::new(2, 3), times), expected);
    }

    #[test]
    fn without_a_rate_any_number_may_come() {
        assert_eq!(Rate::new(0, 1), Rate::default());
        assert!(allowed(Rate::default(), [0; 10_000]).into_iter().all(|may| may));
    }

    #[test]
    fn whoever_was_silent_for_long_has_the_burst_and_no_more() {
        let times = [0, u64::MAX / 1_000_000_000, u64::MAX / 1_000_000_000];
        assert_eq!(allowed(Rate::new(1_000, 1), times), [true, true, false]);
    }

    proptest! {
        /// A bucket of tokens, counted naively.
        #[test]
        fn it_is_a_bucket_of_tokens(
            per_second in prop::sample::select(vec![1_u32, 2, 5, 10, 100, 1_000]),
            burst in 1_u32..20,
            steps in vec(0_u64..700, 1..100),
        ) {
            let mut pace = Pace::default();
            let rate = Rate::new(per_second, burst);
            // In thousandths of a token.
            let full = u64::from(burst) * 1_000;
            let (mut tokens, mut now) = (full, 0);
            for step in steps {
                now += step;
                tokens = full.min(tokens + step * u64::from(per_second));
                let may = tokens >= 1_000;
                if may {
                    tokens -= 1_000;
                }
                prop_assert_eq!(pace.allows(rate, Millis(now)), may, "at {}", now);
            }
        }
    }
}
