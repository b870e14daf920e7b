//! One run as it is written down: a line of JSON in the file of raw results.

use serde::Deserialize;
use serde::Serialize;

use crate::counters::Counted;

/// What came of one run. Latencies are in microseconds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) peer: String,
    pub(crate) setting: String,
    /// Runs of one round are compared with each other.
    pub(crate) round: usize,
    pub(crate) seconds: f64,
    pub(crate) requests: u64,
    pub(crate) failures: u64,
    pub(crate) first_failure: Option<String>,
    /// Answers in a second.
    pub(crate) rate: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    /// Microseconds of processors for a request.
    pub(crate) server_cpu: f64,
    pub(crate) client_cpu: f64,
    /// For a request.
    pub(crate) counted: Option<Counted>,
}

impl Row {
    /// Whether it says anything: all went well and something went.
    pub(crate) const fn counts(&self) -> bool {
        self.failures == 0 && self.requests > 0
    }
}
