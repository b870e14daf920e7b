//! A length of time as people write it: a whole number and a unit, such as `300ms`, `10s`, `2m` or `1h`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = || {
            let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
            let milliseconds = UNITS.iter().find(|(name, _)| *name == unit)?.1;
            let number: u64 = number.parse().ok()?;
            Some(Self(Duration::from_millis(number.checked_mul(milliseconds)?)))
        };
        parsed().ok_or_else(|| {
            format!("{text:?} is not a duration; write one like 300ms, 10s, 2m or 1h")
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0.as_millis();
        let fits =
            |(_, milliseconds): &&(&str, u64)| whole.is_multiple_of(u128::from(*milliseconds));
        let (unit, milliseconds) = UNITS[..SECONDS].iter().rfind(fits).unwrap_or(&UNITS[0]);
        write!(f, "{}{unit}", whole / u128::from(*milliseconds))
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

/// In milliseconds.
const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

/// Shown are milliseconds and seconds; everybody reads those.
const SECONDS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_whole_number_and_a_unit() {
        for (text, milliseconds, shown) in [
            ("300ms", 300, "300ms"),
            ("2000ms", 2_000, "2s"),
            ("10s", 10_000, "10s"),
            ("2m", 120_000, "120s"),
            ("1h", 3_600_000, "3600s"),
            ("0s", 0, "0s"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.0, Duration::from_millis(milliseconds));
            assert_eq!(span.to_string(), shown);
        }
        for text in ["", "10", "s", "1.5s", "-1s", "10 s", "1d", "18446744073709551615h"] {
            let error = text.parse::<Span>().unwrap_err();
            assert!(error.contains("10s"), "{error}");
        }
    }
}
