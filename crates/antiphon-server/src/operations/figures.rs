//! What the server itself counts: connections that never became sessions, logins, and waits that only it sees.
//!
//! All of it is off the way of requests, so plain maps behind a lock are good enough.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use std::time::Instant;

use antiphon_broker::BOUNDS;
use antiphon_wire::service::Service;
use parking_lot::Mutex;
use prometheus_client::metrics::histogram::Histogram;

/// Counts since the server was made.
#[derive(Debug)]
pub(crate) struct Figures {
    /// Connections that were accepted.
    pub(crate) connections: AtomicU64,
    /// Connections that were refused a session, by the reason. Those that did not get so far the door counts.
    pub(crate) failed: Tally<1>,
    /// How long sockets took no bytes, while some were waiting to be written.
    pub(crate) blocked: Histogram,
    /// How long requests to filters took to be compared with sessions and handed to all that match.
    pub(crate) filters: Histogram,
}

/// Counts by texts of which there are few.
#[derive(Debug)]
pub(crate) struct Tally<const N: usize>(Mutex<BTreeMap<[String; N], u64>>);

impl<const N: usize> Tally<N> {
    fn new() -> Self {
        Self(Mutex::default())
    }

    pub(crate) fn count(&self, labels: [&str; N]) {
        *self.0.lock().entry(labels.map(str::to_owned)).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> Vec<([String; N], u64)> {
        self.0.lock().iter().map(|(labels, count)| (labels.clone(), *count)).collect()
    }
}

impl Figures {
    pub(crate) fn new() -> Self {
        Self {
            connections: AtomicU64::new(0),
            failed: Tally::new(),
            blocked: Histogram::new(BOUNDS.map(seconds)),
            filters: Histogram::new(FILTER_BOUNDS),
        }
    }

    /// Serves a message, and measures how long that takes if it is a request to a filter. No clock is read for others.
    pub(crate) fn timed<T>(&self, message: &[u8], serve: impl FnOnce() -> T) -> T {
        if !message.starts_with(&FILTER_REQUEST) {
            return serve();
        }
        let began = Instant::now();
        let served = serve();
        self.filters.observe(began.elapsed().as_secs_f64());
        served
    }

    pub(crate) fn blocked_for(&self, time: Duration) {
        self.blocked.observe(time.as_secs_f64());
    }
}

/// How a refusal or a reason is named in figures and in the audit log: `LicenseExceeded` as `license_exceeded`.
pub(crate) fn snake(name: impl Debug) -> String {
    let mut snake = String::new();
    for letter in format!("{name:?}").chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

pub(crate) fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1_000.0
}

/// How a request to a filter begins: its type, which is 0, and its service.
const FILTER_REQUEST: [u8; 2] = [0, Service::MessagingFilterSend.number() as u8];

/// In seconds: a small fleet takes some microseconds.
const FILTER_BOUNDS: [f64; 8] = [0.000_01, 0.000_1, 0.000_5, 0.001, 0.005, 0.025, 0.1, 1.0];
