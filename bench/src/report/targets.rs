//! What is to be reached. This is the one place where it stands.

use crate::broker::FILTER;
use crate::broker::LOOKUP;
use crate::campaign::EVERYBODY;
use crate::campaign::FAN_OUT;
use crate::compare::Spread;
use crate::compare::ratios;
use crate::report::Results;
use crate::row::Row;
use crate::row::Series;

/// One thing that is to be reached.
pub(super) struct Target {
    pub(super) what: &'static str,
    pub(super) bound: Bound,
    pub(super) unit: &'static str,
    pub(super) measured: fn(&Results) -> Option<Spread>,
}

#[derive(Clone, Copy)]
pub(super) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    pub(super) fn met(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }
}

use Bound::AtLeast;
use Bound::AtMost;

const fn target(
    what: &'static str,
    bound: Bound,
    unit: &'static str,
    measured: fn(&Results) -> Option<Spread>,
) -> Target {
    Target { what, bound, unit, measured }
}

/// Medians count.
pub(super) const TARGETS: [Target; 24] = [
    target("lat: p50 against NATS", AtMost(0.8), "x", |all| all.against("lat", "nats", P50)),
    target("lat: p50 against the relay", AtMost(1.0), "x", |all| all.against("lat", "ws", P50)),
    target("small: rate against NATS", AtLeast(2.5), "x", |all| all.against("small", "nats", RATE)),
    target("small: rate against the relay", AtLeast(1.0), "x", |all| {
        all.against("small", "ws", RATE)
    }),
    target("mid: rate against NATS", AtLeast(3.0), "x", |all| all.against("mid", "nats", RATE)),
    target("mid: rate against the relay", AtLeast(1.0), "x", |all| all.against("mid", "ws", RATE)),
    target("big: rate against NATS", AtLeast(4.0), "x", |all| all.against("big", "nats", RATE)),
    target("big: rate against the relay", AtLeast(1.0), "x", |all| all.against("big", "ws", RATE)),
    target("fat: rate against NATS", AtLeast(1.4), "x", |all| all.against("fat", "nats", RATE)),
    target("fat: rate against the relay", AtLeast(0.8), "x", |all| all.against("fat", "ws", RATE)),
    target("small: user instructions of a request", AtMost(4000.0), "", |all| {
        Spread::of(all.user_instructions("small", "antiphon"))
    }),
    target("small: system calls of a request", AtMost(0.75), "", |all| syscalls(all, "small")),
    target("lat: system calls of a request", AtMost(6.0), "", |all| syscalls(all, "lat")),
    target("big: system calls of a request", AtMost(0.45), "", |all| syscalls(all, "big")),
    target("small: p99 at half of the peak", AtMost(1.0), "ms", |all| {
        Spread::of(all.at_load("antiphon", 0.5).map(|row| row.p99 / 1000.0))
    }),
    target("memory of an idle session", AtMost(3.0), "KiB", |all| {
        Spread::of(all.bytes_per_session("antiphon").map(|bytes| bytes / 1024.0))
    }),
    target("memory of a registered handler", AtMost(256.0), "bytes", |all| {
        Spread::of(all.bytes_per_handler())
    }),
    target(
        "broker: a whole request, lookup among 1,000,000 handlers included",
        AtMost(1.0),
        "µs",
        |all| Spread::of(all.inside(LOOKUP).map(|nanoseconds| nanoseconds / 1000.0)),
    ),
    target(
        "broker: p99 until the count is there, 10 of 100,000 sessions",
        AtMost(1.0),
        "ms",
        |all| Spread::of(all.inside(FILTER).map(|nanoseconds| nanoseconds / 1e6)),
    ),
    target("small: rate of a crowded server against an empty one", AtLeast(0.9), "x", |all| {
        let names = ["antiphon crowded", "antiphon"];
        Spread::of(ratios(&all.rows, (Series::Growth, "small"), names, RATE))
    }),
    target("small: rate over TLS against none", AtLeast(0.5), "x", |all| {
        Spread::of(ratios(&all.rows, (Series::Tls, "small"), ["antiphon tls", "antiphon"], RATE))
    }),
    target("filter: p99 until the count is there, slowest clause", AtMost(5.0), "ms", |all| {
        let narrow = all.filters.iter().filter(|row| ![FAN_OUT, EVERYBODY].contains(&&*row.filter));
        Spread::of(narrow.map(|row| row.count_p99 / 1000.0).max_by(f64::total_cmp))
    }),
    target("the same if all 10,000 sessions match", AtMost(5.0), "ms", |all| {
        let everybody = all.filters.iter().find(|row| row.filter == EVERYBODY);
        Spread::of(everybody.map(|row| row.count_p99 / 1000.0))
    }),
    target("filter: until 1,000 sessions have answered, slowest", AtMost(50.0), "ms", |all| {
        let fan_out = all.filters.iter().find(|row| row.filter == FAN_OUT);
        Spread::of(fan_out.map(|row| row.all_max / 1000.0))
    }),
];

const RATE: fn(&Row) -> f64 = |row| row.rate;
const P50: fn(&Row) -> f64 = |row| row.p50;

fn syscalls(all: &Results, setting: &str) -> Option<Spread> {
    let rows = all.of_peer(Series::Counters, setting, "antiphon");
    Spread::of(rows.filter_map(|row| row.counted?.syscalls))
}
