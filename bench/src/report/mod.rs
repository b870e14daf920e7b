//! The report: what was measured, beside what was to be reached. It is made from a file of results alone, and replaces in
//! `RESULTS.md` only what stands between its marks; what people have written around it stays.

mod plots;
mod svg;
mod tables;
mod targets;

use std::fs;
use std::io;
use std::path::Path;

use crate::compare::Spread;
use crate::compare::ratios;
use crate::frames::invalid;
use crate::machine::Machine;
use crate::row::FilterRow;
use crate::row::Inside;
use crate::row::Instructions;
use crate::row::Memory;
use crate::row::Record;
use crate::row::Row;
use crate::row::Series;
use crate::target::Peer;

/// All results of a campaign.
pub(crate) struct Results {
    machine: Machine,
    rows: Vec<Row>,
    instructions: Vec<Instructions>,
    memory: Vec<Memory>,
    filters: Vec<FilterRow>,
    inside: Vec<Inside>,
}

impl Results {
    pub(crate) fn of(records: Vec<Record>) -> io::Result<Self> {
        let mut machine = None;
        let (mut rows, mut instructions) = (Vec::new(), Vec::new());
        let (mut memory, mut filters, mut inside) = (Vec::new(), Vec::new(), Vec::new());
        for record in records {
            match record {
                Record::Machine(here) => machine = Some(here),
                Record::Run(row) => rows.push(row),
                Record::Instructions(row) => instructions.push(row),
                Record::Memory(row) => memory.push(row),
                Record::Filter(row) => filters.push(row),
                Record::Inside(row) => inside.push(row),
            }
        }
        let machine = machine.ok_or_else(|| invalid("results without a machine"))?;
        Ok(Self { machine, rows, instructions, memory, filters, inside })
    }

    /// Those of one series, setting and peer that count.
    fn of_peer(&self, series: Series, setting: &str, peer: &str) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| {
            row.series == series && row.setting == setting && row.peer == peer && row.counts()
        })
    }

    fn spread(
        &self,
        (series, setting, peer): (Series, &str, &str),
        figure: impl Fn(&Row) -> f64,
    ) -> Option<Spread> {
        Spread::of(self.of_peer(series, setting, peer).map(figure))
    }

    /// User instructions for a request, by whoever has counted them.
    fn user_instructions(&self, setting: &str, peer: &str) -> Option<f64> {
        let counted = self.of_peer(Series::Counters, setting, peer).next();
        let counted = counted.and_then(|row| row.counted?.user_instructions);
        let instructions = &self.instructions;
        let row = || instructions.iter().find(|row| row.setting == setting && row.peer == peer);
        counted.or_else(|| Some(row()?.each))
    }

    /// Antiphon's figure divided by that of a peer.
    fn against(&self, setting: &str, peer: &str, figure: impl Fn(&Row) -> f64) -> Option<Spread> {
        Spread::of(ratios(
            &self.rows,
            (Series::Peers, setting),
            [Peer::Antiphon.name(), peer],
            figure,
        ))
    }

    /// Those in an open loop at this part of the peak.
    fn at_load(&self, peer: &str, load: f64) -> impl Iterator<Item = &Row> {
        let rows = self.rows.iter().filter(|row| row.series == Series::Open && row.counts());
        rows.filter(move |row| row.peer == peer && row.load == Some(load))
    }

    /// All parts of the peak that were measured.
    fn loads(&self) -> Vec<f64> {
        let mut loads: Vec<_> = self.rows.iter().filter_map(|row| row.load).collect();
        loads.sort_by(f64::total_cmp);
        loads.dedup();
        loads
    }

    /// Bytes of the server for each idle session, at the most sessions that were there.
    fn bytes_per_session(&self, peer: &str) -> Option<f64> {
        let mut of_peer = self.memory.iter().filter(|row| row.peer == peer && row.handlers == 0);
        let none = of_peer.next()?;
        let most = of_peer.max_by_key(|row| row.sessions)?;
        Some(grown(none, most) / most.sessions as f64)
    }

    /// What the broker alone takes among the most handlers or sessions, in nanoseconds.
    fn inside(&self, what: &str) -> Option<f64> {
        let rows = self.inside.iter().filter(|row| row.what == what);
        rows.max_by_key(|row| row.among).map(|row| row.nanoseconds)
    }

    fn bytes_per_handler(&self) -> Option<f64> {
        let with = self.memory.iter().position(|row| row.handlers > 0)?;
        let without = self.memory.get(with.checked_sub(1)?)?;
        let with = &self.memory[with];
        Some(grown(without, with) / with.handlers as f64)
    }
}

fn grown(before: &Memory, after: &Memory) -> f64 {
    after.kib.saturating_sub(before.kib) as f64 * 1024.0
}

/// Writes report and plots into a folder.
pub(crate) fn write(results: &Results, folder: &Path) -> io::Result<()> {
    let plots = folder.join("plots");
    fs::create_dir_all(&plots)?;
    fs::write(plots.join("throughput.svg"), plots::throughput(results))?;
    fs::write(plots.join("latency.svg"), plots::latency(results))?;
    fs::write(plots.join("memory.svg"), plots::memory(results))?;
    let path = folder.join("RESULTS.md");
    let page = fs::read_to_string(&path).unwrap_or_else(|_| EMPTY.to_owned());
    let (before, rest) = page.split_once(BEGIN).ok_or_else(|| invalid(NO_MARK))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| invalid(NO_MARK))?;
    fs::write(path, format!("{before}{BEGIN}\n{}{END}{after}", tables::all(results)))
}

const BEGIN: &str = "<!-- measured -->";
const END: &str = "<!-- /measured -->";
const NO_MARK: &str = "RESULTS.md has lost the marks between which the figures stand";
const EMPTY: &str = "# Results\n\n<!-- measured -->\n<!-- /measured -->\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn results() -> Results {
        let row = |peer: &str, round, rate| {
            Record::Run(Row {
                peer: peer.to_owned(),
                setting: "small".to_owned(),
                round,
                rate,
                requests: 1,
                ..Row::default()
            })
        };
        let memory = |sessions, handlers, kib| {
            Record::Memory(Memory { peer: "antiphon".to_owned(), sessions, handlers, kib })
        };
        Results::of(vec![
            Record::Machine(Machine::default()),
            row("antiphon", 0, 300_000.0),
            row("nats", 0, 100_000.0),
            row("ws", 0, 400_000.0),
            memory(0, 0, 1000),
            memory(1000, 0, 3000),
            memory(1010, 100, 3025),
        ])
        .unwrap()
    }

    #[test]
    fn figures_stand_beside_their_bounds() {
        let text = tables::all(&results());
        for line in [
            "| small: rate against NATS | at least 2.5 x | 3 | yes |",
            "| small: rate against the relay | at least 1 x | 0.75 | **no** |",
            "| mid: rate against NATS | at least 3 x | not measured |  |",
            "| memory of an idle session | at most 3 KiB | 2 | yes |",
            "| memory of a registered handler | at most 256 bytes | 256 | yes |",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn what_people_have_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("RESULTS.md");
        fs::write(&path, format!("before\n{BEGIN}\nold\n{END}\nafter\n")).unwrap();
        write(&results(), folder.path()).unwrap();
        let page = fs::read_to_string(&path).unwrap();
        assert!(page.starts_with("before\n") && page.ends_with("after\n") && !page.contains("old"));
        for plot in ["throughput", "latency", "memory"] {
            assert!(page.contains(&format!("(plots/{plot}.svg)")));
            let text = fs::read_to_string(folder.path().join(format!("plots/{plot}.svg"))).unwrap();
            assert!(
                text.starts_with("<svg ") && text.ends_with("</svg>\n") && !text.contains("NaN")
            );
        }
        fs::write(&path, "no marks").unwrap();
        assert!(write(&results(), folder.path()).is_err());
    }
}
