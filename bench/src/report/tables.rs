//! The figures in words and tables.

use std::fmt::Write;

use crate::compare::Spread;
use crate::compare::ratios;
use crate::report::Results;
use crate::report::targets::Bound;
use crate::report::targets::TARGETS;
use crate::report::targets::Target;
use crate::row::Row;
use crate::row::Series;
use crate::settings::SETTINGS;
use crate::target::Peer;

/// Everything between the marks.
pub(super) fn all(results: &Results) -> String {
    [
        machine(results),
        targets(results),
        peers(results),
        against(results),
        counters(results),
        loads(results),
        memory(results),
        pairs(results),
        filters(results),
        inside(results),
    ]
    .join("\n")
}

fn machine(results: &Results) -> String {
    let here = &results.machine;
    let lost = results.rows.iter().filter(|row| !row.counts()).count();
    format!(
        "{} cores of {}, {} GiB, {}; {}. {} at {}, nats-server {}; {}.\n\n\
         {} runs, of which {lost} do not count because something went wrong in them.\n",
        here.cores,
        here.processor,
        here.memory_gib,
        here.kernel,
        here.date,
        here.antiphon,
        here.commit,
        here.nats.trim_start_matches("nats-server: "),
        here.rust,
        results.rows.len(),
    )
}

fn targets(results: &Results) -> String {
    let row = |target: &Target| {
        let bound = match target.bound {
            Bound::AtMost(bound) => format!("at most {}", short(bound)),
            Bound::AtLeast(bound) => format!("at least {}", short(bound)),
        };
        let (measured, met) = match (target.measured)(results) {
            None => ("not measured".to_owned(), ""),
            Some(spread) if target.bound.met(spread.median) => (ranged(spread), "yes"),
            Some(spread) => (ranged(spread), "**no**"),
        };
        [target.what.to_owned(), format!("{bound} {}", target.unit), measured, met.to_owned()]
    };
    let head = ["target", "bound", "median (least to most)", "met"];
    section("Targets", &head, TARGETS.iter().map(row))
}

fn peers(results: &Results) -> String {
    let mut rows = Vec::new();
    for setting in SETTINGS {
        for peer in Peer::ALL {
            let spread = |figure: fn(&Row) -> f64| {
                results.spread((Series::Peers, setting.name, peer.name()), figure)
            };
            rows.push([
                setting.name.to_owned(),
                peer.name().to_owned(),
                shown(spread(|row| row.rate)),
                median(spread(|row| row.p50)),
                median(spread(|row| row.p99)),
                median(spread(|row| row.p999)),
                median(spread(|row| row.server_cpu)),
                median(spread(|row| row.client_cpu)),
            ]);
        }
    }
    let head = [
        "setting",
        "peer",
        "answers in a second",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "server µs each",
        "client µs each",
    ];
    let table = section("Throughput and latency, closed loop", &head, rows);
    format!("{table}\n![Answers in a second by setting and peer](plots/throughput.svg)\n")
}

fn against(results: &Results) -> String {
    let mut rows = Vec::new();
    for setting in SETTINGS {
        for peer in [Peer::Nats, Peer::Ws] {
            let ratio =
                |figure: fn(&Row) -> f64| shown(results.against(setting.name, peer.name(), figure));
            rows.push([
                format!("{} / {}", setting.name, peer.name()),
                ratio(|row| row.rate),
                ratio(|row| row.p50),
                ratio(|row| row.p99),
                ratio(|row| row.server_cpu),
            ]);
        }
    }
    section(
        "Antiphon against each peer in the same round",
        &["", "rate", "p50", "p99", "server time"],
        rows,
    )
}

fn counters(results: &Results) -> String {
    let mut rows = Vec::new();
    for setting in SETTINGS {
        for peer in Peer::ALL {
            for row in results.of_peer(Series::Counters, setting.name, peer.name()) {
                let figure = |figure: Option<f64>| figure.map_or("not counted".to_owned(), short);
                let Some(counted) = row.counted else { continue };
                rows.push([
                    setting.name.to_owned(),
                    peer.name().to_owned(),
                    figure(counted.syscalls),
                    figure(results.user_instructions(setting.name, peer.name())),
                    figure(counted.kernel_instructions),
                    figure(counted.context_switches),
                ]);
            }
        }
    }
    let head = [
        "setting",
        "peer",
        "system calls",
        "user instructions",
        "kernel instructions",
        "context switches",
    ];
    section("What a request takes of the server", &head, rows)
}

fn loads(results: &Results) -> String {
    let mut rows = Vec::new();
    for load in results.loads() {
        for peer in Peer::ALL {
            let median = |figure: fn(&Row) -> f64| {
                median(Spread::of(results.at_load(peer.name(), load).map(figure)))
            };
            rows.push([
                format!("{:.0} %", load * 100.0),
                peer.name().to_owned(),
                median(|row| row.due.unwrap_or(0.0)),
                median(|row| row.rate),
                median(|row| row.p50),
                median(|row| row.p99),
                median(|row| row.p999),
            ]);
        }
    }
    let head = ["load", "peer", "due in a second", "answered", "p50 µs", "p99 µs", "p99.9 µs"];
    let table = section("Latency over load, open loop", &head, rows);
    format!("{table}\n![Latency over load](plots/latency.svg)\n")
}

fn memory(results: &Results) -> String {
    let rows = results.memory.iter().map(|row| {
        [row.peer.clone(), row.sessions.to_string(), row.handlers.to_string(), mib(row.kib)]
    });
    let table = section("Memory", &["server", "idle sessions", "handlers", "resident MiB"], rows);
    let mut text = format!("{table}\n");
    for peer in Peer::ALL {
        if let Some(bytes) = results.bytes_per_session(peer.name()) {
            let _ = writeln!(
                text,
                "* {}: {:.2} KiB for each idle session",
                peer.name(),
                bytes / 1024.0
            );
        }
    }
    text += "\n![Resident memory over idle sessions](plots/memory.svg)\n";
    text
}

fn pairs(results: &Results) -> String {
    let row = |(series, name, what): (Series, &str, &str)| {
        let rate = |peer| shown(results.spread((series, "small", peer), |row| row.rate));
        let ratio = ratios(&results.rows, (series, "small"), [name, "antiphon"], |row| row.rate);
        [what.to_owned(), rate(name), rate("antiphon"), shown(Spread::of(ratio))]
    };
    let rows = [
        (Series::Growth, "antiphon crowded", "idle sessions and handlers beside"),
        (Series::Tls, "antiphon tls", "TLS"),
    ];
    let head = ["", "answers in a second with", "without", "ratio in the same round"];
    section("Setting small, with and without", &head, rows.map(row))
}

fn filters(results: &Results) -> String {
    let rows = results.filters.iter().map(|row| {
        [
            format!("`{}`", row.filter),
            format!("{} of {}", row.matches, row.sessions),
            short(row.count_p50),
            short(row.count_p99),
            short(row.all_p50),
            short(row.all_max),
        ]
    });
    let head = ["filter", "matches", "count p50 µs", "p99 µs", "all answered p50 µs", "slowest µs"];
    section("Filters", &head, rows)
}

fn inside(results: &Results) -> String {
    let rows = results
        .inside
        .iter()
        .map(|row| [row.what.clone(), short(row.among as f64), short(row.nanoseconds / 1000.0)]);
    section("The broker alone", &["", "among", "µs"], rows)
}

fn section<const N: usize>(
    title: &str,
    head: &[&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut text = format!("## {title}\n\n| {} |\n|{}\n", head.join(" | "), "---|".repeat(N));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

fn mib(kib: u64) -> String {
    format!("{:.1}", kib as f64 / 1024.0)
}

fn shown(spread: Option<Spread>) -> String {
    spread.map_or("-".to_owned(), ranged)
}

fn median(spread: Option<Spread>) -> String {
    spread.map_or("-".to_owned(), |spread| short(spread.median))
}

fn ranged(spread: Spread) -> String {
    if spread.min.total_cmp(&spread.max).is_eq() {
        return short(spread.median);
    }
    format!("{} ({} to {})", short(spread.median), short(spread.min), short(spread.max))
}

/// As many digits as mean something.
pub(super) fn short(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        value if value < 100.0 => {
            let text = if value < 10.0 { format!("{value:.2}") } else { format!("{value:.1}") };
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        value => {
            let digits = format!("{value:.0}");
            let groups: Vec<_> =
                digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
            groups.join(",")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_mean_something() {
        let cases = [
            (0.0, "0"),
            (0.754, "0.75"),
            (1.0, "1"),
            (2.5, "2.5"),
            (12.34, "12.3"),
            (50.0, "50"),
            (999.6, "1,000"),
            (4000.0, "4,000"),
            (1_234_567.0, "1,234,567"),
        ];
        for (value, text) in cases {
            assert_eq!(short(value), text);
        }
    }
}
