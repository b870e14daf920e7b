//! The two clocks: the broker's, which never goes back, and the wall's, which people read.

use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use antiphon_broker::Millis;

/// Counts from the moment at which it was made.
#[derive(Clone, Copy)]
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

/// A wall time as people write it, in UTC: `2026-05-17T09:30:00.250Z`.
pub(crate) fn readable(wall_time: u64) -> String {
    let (days, time) = (wall_time / 86_400_000, wall_time % 86_400_000);
    let (year, month, day) = date(days);
    let [hour, minute, second] = [time / 3_600_000, time / 60_000 % 60, time / 1_000 % 60];
    let rest = time % 1_000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{rest:03}Z")
}

/// Year, month and day so many days after 1970 began. Years are counted from March, so that the leap day is the last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = (400 * era + year, month + 3);
    if month > 12 { (year + 1, month - 12, day) } else { (year, month, day) }
}

/// Milliseconds since 1970; 0 if the host's clock stands before that.
pub(crate) fn wall_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_readable() {
        for (milliseconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
            (1_779_010_200_250, "2026-05-17T09:30:00.250Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(readable(milliseconds), expected);
        }
    }
}
