//! What is printed while things are measured, and what came of a comparison.

use std::io;
use std::io::Write;

use crate::compare::Comparison;
use crate::compare::Spread;
use crate::compare::ratios;
use crate::row::FilterRow;
use crate::row::Inside;
use crate::row::Instructions;
use crate::row::Memory;
use crate::row::Row;
use crate::row::Series;

/// Prints one line.
pub(crate) fn line(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

pub(crate) fn problem(error: &io::Error) {
    // Nobody may be there to read it.
    let _ = writeln!(io::stderr(), "antiphon-bench: {error}");
}

pub(crate) fn row(row: &Row) -> io::Result<()> {
    let mut text = format!(
        "{:6} {:9} {:9.0}/s  p50 {:8.1}  p99 {:8.1}  p99.9 {:8.1} us  server {:6.2}  client {:6.2} us each",
        row.setting, row.peer, row.rate, row.p50, row.p99, row.p999, row.server_cpu, row.client_cpu
    );
    if let Some(counted) = row.counted {
        let figure =
            |figure: Option<f64>| figure.map_or("-".to_owned(), |figure| format!("{figure:.2}"));
        text += &format!(
            "  instructions {}+{}  syscalls {}  switches {}",
            figure(counted.user_instructions),
            figure(counted.kernel_instructions),
            figure(counted.syscalls),
            figure(counted.context_switches)
        );
    }
    if let Some(failure) = &row.first_failure {
        text += &format!("  DOES NOT COUNT: {} failures, {failure}", row.failures);
    }
    line(&text)
}

/// The first peer against each other one.
pub(crate) fn comparison(rows: &[Row], comparison: &Comparison) -> io::Result<()> {
    let Some((first, others)) = comparison.peers.split_first() else { return Ok(()) };
    for setting in &comparison.settings {
        for other in others {
            let spread = |figure: fn(&Row) -> f64| {
                Spread::of(ratios(
                    rows,
                    (Series::Peers, setting.name),
                    [first.name(), other.name()],
                    figure,
                ))
                .map_or("-".to_owned(), |spread| {
                    format!("{:.2} ({:.2} to {:.2})", spread.median, spread.min, spread.max)
                })
            };
            line(&format!(
                "{:6} {} / {:9} rate {}   p50 {}   p99 {}   cpu {}",
                setting.name,
                first.name(),
                other.name(),
                spread(|row| row.rate),
                spread(|row| row.p50),
                spread(|row| row.p99),
                spread(|row| row.server_cpu),
            ))?;
        }
    }
    Ok(())
}

pub(crate) fn memory(memory: &Memory) -> io::Result<()> {
    line(&format!(
        "{:16} {:6} sessions  {:6} handlers  {:7} KiB",
        memory.peer, memory.sessions, memory.handlers, memory.kib
    ))
}

pub(crate) fn filter(row: &FilterRow) -> io::Result<()> {
    line(&format!(
        "{:45} {:5} of {}  count p50 {:8.1}  p99 {:8.1}  all p50 {:9.1}  slowest {:9.1} us",
        row.filter,
        row.matches,
        row.sessions,
        row.count_p50,
        row.count_p99,
        row.all_p50,
        row.all_max
    ))
}

pub(crate) fn instructions(row: &Instructions) -> io::Result<()> {
    line(&format!("{:6} {:9} {:.0} user instructions each", row.setting, row.peer, row.each))
}

pub(crate) fn inside(row: &Inside) -> io::Result<()> {
    line(&format!("{:.0} ns  {} ({})", row.nanoseconds, row.what, row.among))
}
