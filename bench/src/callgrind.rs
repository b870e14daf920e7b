//! User instructions where the machine has no counters for them, as many virtual ones: the server runs under valgrind, which
//! counts each, and the difference between a short and a long load says what a request takes. Nothing else of such a run counts:
//! it is fifty times slower.

use std::io;
use std::process::Command;
use std::time::Duration;

use crate::frames::invalid;
use crate::load;
use crate::row::Instructions;
use crate::servers::Programs;
use crate::settings::Setting;
use crate::settings::Times;
use crate::target::Peer;

/// Whether there is a valgrind.
pub(crate) fn available() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Counts for one peer, with loads as long as these.
pub(crate) fn run(
    programs: &Programs,
    peer: Peer,
    setting: Setting,
    loads: [Duration; 2],
) -> io::Result<Instructions> {
    let mut sums = [(0.0, 0.0); 2];
    for (measured, sum) in loads.into_iter().zip(&mut sums) {
        let server = programs.start_under_valgrind(peer)?;
        // All requests are counted, so all are measured.
        let times = Times { warm_up: Duration::ZERO, measured };
        let row = load::run(&server.target, setting, times, false)?;
        if !row.counts() {
            return Err(invalid(row.first_failure.unwrap_or_else(|| "no answers".to_owned())));
        }
        *sum = (row.requests as f64, collected(&server.end()?)?);
    }
    let [(few, short), (many, long)] = sums;
    let each = (long - short) / (many - few);
    let (peer, setting) = (peer.name().to_owned(), setting.name.to_owned());
    Ok(Instructions { peer, setting, requests: many as u64, each })
}

/// What callgrind says at the end.
fn collected(log: &str) -> io::Result<f64> {
    let line = log.lines().find_map(|line| line.split_once("Collected :"));
    let count = line.and_then(|(_, count)| count.trim().parse().ok());
    count.ok_or_else(|| invalid("valgrind has not counted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_callgrind_is_read() {
        let log = "==7== Events    : Ir\n==7== Collected : 123456\n==7== \n";
        assert!((collected(log).unwrap() - 123_456.0).abs() < f64::EPSILON);
        assert!(collected("killed").is_err());
    }
}
