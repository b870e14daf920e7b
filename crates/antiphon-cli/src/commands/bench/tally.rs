//! What came of the requests: latencies and errors.

use std::collections::BTreeMap;
use std::time::Duration;

use antiphon::Error;
use bytes::Bytes;
use hdrhistogram::Histogram;
use serde_json::json;

use crate::commands::bench::Arguments;
use crate::exit::Exit;
use crate::exit::classify;
use crate::failure::Failure;
use crate::output::Output;

/// Outcomes of requests.
pub(super) struct Tally {
    /// In nanoseconds.
    latencies: Histogram<u64>,
    errors: BTreeMap<&'static str, u64>,
    first_error: Option<Error>,
    pub(super) not_sent: u64,
}

impl Default for Tally {
    fn default() -> Self {
        // It grows as needed. That it takes 3 digits is certain.
        #[allow(clippy::unwrap_used)]
        let latencies = Histogram::new(3).unwrap();
        Self { latencies, errors: BTreeMap::new(), first_error: None, not_sent: 0 }
    }
}

impl Tally {
    /// Counts an outcome. A response that is not the request counts as an error.
    pub(super) fn take(
        &mut self,
        outcome: Result<Bytes, Error>,
        expected: &Bytes,
        latency: Duration,
    ) {
        match outcome {
            Ok(response) if response == expected => {
                let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
                // It grows for whatever fits into 64 bits.
                let _ = self.latencies.record(nanoseconds.max(1));
            }
            Ok(_) => *self.errors.entry("wrong_response").or_default() += 1,
            Err(error) => {
                *self.errors.entry(classify(error.kind()).0).or_default() += 1;
                self.first_error.get_or_insert(error);
            }
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        // Only a histogram that cannot grow refuses.
        let _ = self.latencies.add(&other.latencies);
        for (kind, count) in &other.errors {
            *self.errors.entry(kind).or_default() += count;
        }
        if self.first_error.is_none() {
            self.first_error.clone_from(&other.first_error);
        }
    }

    /// All went well, some did not, or the error that befell all of them.
    pub(super) fn exit(self) -> Result<Exit, Failure> {
        match (self.latencies.is_empty(), self.errors.is_empty(), self.first_error) {
            (true, false, Some(error)) => Err(error.into()),
            (_, true, _) => Ok(Exit::Done),
            _ => Ok(Exit::Partial),
        }
    }

    pub(super) fn print(
        &self,
        arguments: &Arguments,
        elapsed: Duration,
        output: Output,
    ) -> Result<(), Failure> {
        let rate = self.latencies.len() as f64 / elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        match output {
            Output::Json => output.json(&self.json(arguments, elapsed, rate)),
            Output::Text | Output::Raw => output.line(self.text(elapsed, rate)),
        }
    }

    fn json(&self, arguments: &Arguments, elapsed: Duration, rate: f64) -> serde_json::Value {
        json!({
            "requests": self.latencies.len(),
            "requests_per_second": rounded(rate),
            "mean_us": rounded(self.latencies.mean() / 1000.0),
            "p50_us": self.percentile(50.0),
            "p90_us": self.percentile(90.0),
            "p99_us": self.percentile(99.0),
            "p999_us": self.percentile(99.9),
            "max_us": self.percentile(100.0),
            "errors": self.errors.values().sum::<u64>(),
            "errors_by_kind": self.errors,
            "not_sent": self.not_sent,
            "seconds": rounded(elapsed.as_secs_f64()),
            "requesters": arguments.requesters,
            "handlers": arguments.handlers,
            "outstanding": arguments.outstanding,
            "payload": arguments.payload,
            "rate": arguments.rate,
        })
    }

    fn text(&self, elapsed: Duration, rate: f64) -> String {
        let requests = self.latencies.len();
        let seconds = elapsed.as_secs_f64();
        let mut text =
            format!("{requests} requests in {seconds:.1} s: {rate:.0} requests per second\n");
        text.push_str("latency in microseconds:");
        for (name, percentile) in PERCENTILES {
            text.push_str(&format!("  {name} {:.0}", self.percentile(percentile)));
        }
        let errors: u64 = self.errors.values().sum();
        text.push_str(&format!("\n{errors} errors"));
        for (kind, count) in &self.errors {
            text.push_str(&format!(", {count} {kind}"));
        }
        if self.not_sent > 0 {
            text.push_str(&format!("\n{} requests were due and not sent in time", self.not_sent));
        }
        if let Some(error) = &self.first_error {
            text.push_str(&format!("\nthe first error: {error}"));
        }
        text
    }

    /// In microseconds.
    fn percentile(&self, percentile: f64) -> f64 {
        rounded(self.latencies.value_at_percentile(percentile) as f64 / 1000.0)
    }
}

/// To one decimal place.
fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

const PERCENTILES: [(&str, f64); 5] =
    [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9), ("max", 100.0)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_add_up() {
        let payload = Bytes::from_static(b"payload");
        let mut total = Tally::default();
        for microseconds in 1..=100 {
            let mut one = Tally::default();
            one.take(Ok(payload.clone()), &payload, Duration::from_micros(microseconds));
            total.add(&one);
        }
        total.take(Ok(Bytes::new()), &payload, Duration::from_secs(1));
        assert_eq!(total.latencies.len(), 100);
        assert!((total.percentile(50.0) - 50.0).abs() < 0.2, "{}", total.percentile(50.0));
        assert!((total.percentile(100.0) - 100.0).abs() < 0.2, "{}", total.percentile(100.0));
        assert_eq!(total.errors["wrong_response"], 1);
        assert_eq!(total.exit().unwrap(), Exit::Partial);
    }

    #[test]
    fn nothing_at_all_is_no_failure() {
        let tally = Tally::default();
        let text = tally.text(Duration::ZERO, 0.0);
        assert!(text.starts_with("0 requests in 0.0 s"), "{text}");
        assert_eq!(tally.exit().unwrap(), Exit::Done);
    }
}
