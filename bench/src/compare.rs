//! Peers in alternation: each round measures all of them, one after the other, every second round in reverse. Ratios are taken
//! within a round, because the machine may be faster or slower in the next.

use std::io;

use crate::load;
use crate::row::Row;
use crate::row::Series;
use crate::servers::Programs;
use crate::settings::Setting;
use crate::settings::Times;
use crate::target::Peer;
use crate::target::Target;

/// What is compared.
pub(crate) struct Comparison {
    pub(crate) peers: Vec<Peer>,
    pub(crate) settings: Vec<Setting>,
    pub(crate) rounds: usize,
    pub(crate) times: Times,
    /// Instructions and system calls are counted instead of looked for speed.
    pub(crate) count: bool,
}

impl Comparison {
    /// Measures, and hands each row to `done` as soon as it is there.
    pub(crate) fn run(
        &self,
        programs: &Programs,
        mut done: impl FnMut(Row) -> io::Result<()>,
    ) -> io::Result<()> {
        let series = if self.count { Series::Counters } else { Series::Peers };
        for round in 0..self.rounds {
            for setting in &self.settings {
                for peer in in_turn(&self.peers, round) {
                    let server = programs.start(*peer)?;
                    let row = load::run(&server.target, *setting, self.times, self.count)?;
                    done(Row { round, series, ..row })?;
                }
            }
        }
        Ok(())
    }
}

/// Compares two servers that run, or two ways to one. `prepare` is called before each run with whose turn it is.
pub(crate) fn pair(
    targets: &[Target; 2],
    (setting, rounds, times): (Setting, usize, Times),
    prepare: impl Fn(&Target) -> io::Result<()>,
    mut done: impl FnMut(Row) -> io::Result<()>,
) -> io::Result<()> {
    for round in 0..rounds {
        for target in in_turn(targets, round) {
            prepare(target)?;
            done(Row { round, ..load::run(target, setting, times, false)? })?;
        }
    }
    Ok(())
}

/// Every second round goes backwards.
pub(crate) fn in_turn<T>(all: &[T], round: usize) -> impl Iterator<Item = &T> {
    let last = all.len().saturating_sub(1);
    (0..all.len()).map(move |at| &all[if round.is_multiple_of(2) { at } else { last - at }])
}

/// Least, median and most of some values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// `None` of nothing.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let half = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[half]
        } else {
            f64::midpoint(values[half - 1], values[half])
        };
        Some(Self { min, median, max })
    }
}

/// One figure of a peer divided by that of another in the same round, for all rounds in which both count.
pub(crate) fn ratios(
    rows: &[Row],
    (series, setting): (Series, &str),
    [peer, other]: [&str; 2],
    figure: impl Fn(&Row) -> f64,
) -> Vec<f64> {
    let rows =
        rows.iter().filter(|row| row.series == series && row.setting == setting && row.counts());
    let of = |peer: &str| rows.clone().filter(move |row| row.peer == peer).collect::<Vec<_>>();
    let others = of(other);
    of(peer)
        .into_iter()
        .filter_map(|row| {
            let pair = others.iter().find(|other| other.round == row.round)?;
            Some(figure(row) / figure(pair))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_round_goes_backwards() {
        let order = |round| in_turn(&[1, 2, 3], round).copied().collect::<Vec<_>>();
        assert_eq!([order(0), order(1), order(2)], [[1, 2, 3], [3, 2, 1], [1, 2, 3]]);
    }

    #[test]
    fn spreads_are_those_of_sorted_values() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some(Spread { min: 1.0, median: 2.0, max: 3.0 }));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), Some(Spread { min: 1.0, median: 2.5, max: 4.0 }));
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let row = |peer: &str, round, rate, failures| Row {
            peer: peer.to_owned(),
            setting: "small".to_owned(),
            round,
            rate,
            requests: 1,
            failures,
            ..Row::default()
        };
        let rows = [
            row("antiphon", 0, 10.0, 0),
            row("nats", 0, 5.0, 0),
            row("nats", 1, 2.0, 0),
            row("antiphon", 1, 8.0, 0),
            // One that went wrong says nothing.
            row("antiphon", 2, 1.0, 3),
            row("nats", 2, 1.0, 0),
        ];
        let of = |series, setting| {
            ratios(&rows, (series, setting), ["antiphon", "nats"], |row| row.rate)
        };
        assert_eq!(of(Series::Peers, "small"), [2.0, 4.0]);
        assert!(of(Series::Peers, "big").is_empty() && of(Series::Tls, "small").is_empty());
    }
}
