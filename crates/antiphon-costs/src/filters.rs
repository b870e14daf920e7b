//! How long the sender of a request to a filter waits for the number of sessions that match.

use std::cell::Cell;
use std::time::Duration;
use std::time::Instant;

use antiphon_broker::Session;

use crate::fleet::Client;
use crate::fleet::Fleet;
use crate::fleet::filter_request;
use crate::fleet::frame;

/// Measures and prints.
pub(crate) fn measure() -> Result<(), String> {
    println!(
        "{:>8} {:>8} {:>10} {:>10} {:>10}  filter",
        "sessions", "match", "N p50", "N p99", "all"
    );
    for count in [10_000, 100_000] {
        let (mut fleet, sender) = sessions(count);
        for filter in FILTERS {
            row(&mut fleet, &sender, count, filter);
        }
    }
    Ok(())
}

fn row(fleet: &mut Fleet, sender: &Client, count: usize, filter: &str) {
    let (mut told, mut all, mut matched) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let mut frames = frame(&filter_request(filter));
        fleet.outbox.urgent = Some(note_time);
        TOLD.set(None);
        let began = Instant::now();
        fleet.read(sender, &mut frames);
        let end = Instant::now();
        told.push(TOLD.get().unwrap_or(end) - began);
        all.push(end - began);
        fleet.flush();
        let answers = fleet.answers();
        matched = answers.len();
        for (to, mut answers) in answers {
            fleet.read(&to, &mut answers);
        }
        fleet.flush();
        for (to, mut answers) in fleet.answers() {
            fleet.read(&to, &mut answers);
        }
        fleet.flush();
    }
    let [p50, p99, all] = [at(&mut told, 50), at(&mut told, 99), at(&mut all, 50)];
    println!("{count:>8} {matched:>8} {p50:>10.1?} {p99:>10.1?} {all:>10.1?}  {filter}");
}

/// Sessions in groups of ten, with values of different lengths, and one that asks.
fn sessions(count: usize) -> (Fleet, Client) {
    let mut fleet = Fleet::new();
    for n in 1..count {
        let [group, floor, host] =
            [(n / 10).to_string(), (n % 50).to_string(), format!("host{n}.example.com")];
        fleet.open(&[("Group", &group), ("Floor", &floor), ("Host", &host)]);
    }
    let sender = fleet.open(&[]);
    (fleet, sender)
}

fn at(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

fn note_time(_: &Session<()>) {
    TOLD.set(Some(Instant::now()));
}

thread_local! {
    static TOLD: Cell<Option<Instant>> = const { Cell::new(None) };
}

const FILTERS: [&str; 8] = [
    r#"Group is "7""#,
    r#"Group in ["7", "8", "9"] and Floor is "1""#,
    r#"Host is "host77.example.com""#,
    r#"hasRoles "ADMINISTRATOR" and Group is "7""#,
    r#"Group ne "7" and Nothing is "x""#,
    r#"has Nothing or not has Host"#,
    r#"Host matches "host77\\d*\\.example\\.com""#,
    "all",
];

const ROUNDS: usize = 100;
