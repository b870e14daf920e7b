//! Peers in alternation: each round measures all of them, one after the other, every second round in reverse. Ratios are taken
//! within a round, because the machine may be faster or slower in the next.

use std::io;

use crate::load;
use crate::row::Row;
use crate::servers::Programs;
use crate::settings::Setting;
use crate::settings::Times;
use crate::target::Peer;

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
        for round in 0..self.rounds {
            for setting in &self.settings {
                let mut order = self.peers.clone();
                if round % 2 == 1 {
                    order.reverse();
                }
                for peer in order {
                    let server = programs.start(peer)?;
                    let row = load::run(&server.target, *setting, self.times, self.count)?;
                    done(Row { round, ..row })?;
                }
            }
        }
        Ok(())
    }
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

/// One figure of `peer` divided by that of `other` in the same round, for all rounds in which both count.
pub(crate) fn ratios(
    rows: &[Row],
    setting: &str,
    [peer, other]: [Peer; 2],
    figure: impl Fn(&Row) -> f64,
) -> Vec<f64> {
    let rows =
        rows.iter().filter(|row| row.setting == setting && row.counts() && row.counted.is_none());
    let of = |peer: Peer| rows.clone().filter(move |row| row.peer == peer.name());
    of(peer)
        .filter_map(|row| {
            let pair = of(other).find(|other| other.round == row.round)?;
            Some(figure(row) / figure(pair))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let pair = [Peer::Antiphon, Peer::Nats];
        assert_eq!(ratios(&rows, "small", pair, |row| row.rate), [2.0, 4.0]);
        assert!(ratios(&rows, "big", pair, |row| row.rate).is_empty());
    }
}
