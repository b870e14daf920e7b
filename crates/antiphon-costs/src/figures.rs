//! The figures that are kept, and what is said about those that differ.
//!
//! A figure may be exceeded by [`TOLERANCE`]. One that has become smaller by more is refused too: what was won could
//! be lost again unnoticed if the figure were not lowered.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::cases::CASES;
use crate::counting::count_all;

/// Counts everything and compares it with the figures that are kept.
pub(crate) fn check() -> Result<(), String> {
    let path = path();
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let kept = read(&text)?;
    let counts = count_all()?;
    println!("{:<26} {:>12} {:>12} {:>8}", "instructions of one", "kept", "now", "");
    let mut differ = Vec::new();
    for (name, count) in &counts {
        let before = kept.get(*name).copied();
        println!("{}", line(name, before, *count));
        if before.is_none_or(|before| !is_close(before, *count)) {
            differ.push(*name);
        }
    }
    let names = |name: &&String| CASES.iter().all(|case| case.name != name.as_str());
    differ.extend(kept.keys().filter(names).map(String::as_str));
    if differ.is_empty() {
        return Ok(());
    }
    Err(format!(
        "\nNot within {TOLERANCE} % of the figures that are kept: {}.\n\
         If it is meant to be so (or a new compiler is the cause), keep the new figures, and say why in the commit:\n\n    \
         {UPDATE}\n",
        differ.join(", "),
    ))
}

/// Counts everything and keeps it.
pub(crate) fn update() -> Result<(), String> {
    let counts = count_all()?;
    let mut text = HEADER.to_owned();
    for (name, count) in &counts {
        text.push_str(&format!("{name:<26} {count:>12}\n"));
    }
    print!("{text}");
    let path = path();
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn read(text: &str) -> Result<BTreeMap<String, u64>, String> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, count) = line.split_once(' ')?;
            Some((name.to_owned(), count.trim().parse().ok()?))
        })
        .collect::<Option<_>>()
        .ok_or_else(|| format!("{FILE} has a line that is not a name and a number"))
}

fn is_close(kept: u64, now: u64) -> bool {
    now.abs_diff(kept) * 100 <= kept * TOLERANCE
}

fn line(name: &str, kept: Option<u64>, now: u64) -> String {
    let Some(kept) = kept else { return format!("{name:<26} {:>12} {now:>12}     new", "-") };
    let change = (now as f64 / kept as f64 - 1.0) * 100.0;
    let mark = if is_close(kept, now) { "" } else { "  <--" };
    format!("{name:<26} {kept:>12} {now:>12} {change:>+7.1}%{mark}")
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(FILE)
}

const FILE: &str = "instructions.txt";

/// In percent. Hash maps with random seeds move a count by less than one.
const TOLERANCE: u64 = 3;

const UPDATE: &str = "cargo run --release -p antiphon-costs -- instructions --update";

const HEADER: &str = "\
# Instructions of hot paths, counted by callgrind. Do not edit; to keep the figures of now:
#
#     cargo run --release -p antiphon-costs -- instructions --update
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_and_judged() {
        let kept = read("# a comment\n\nrequest   1000\nanswer 5\n");
        assert_eq!(kept, Ok([("answer".to_owned(), 5), ("request".to_owned(), 1000)].into()));
        assert!(read("request\n").is_err());
        let close = [969, 970, 1_000, 1_030, 1_031].map(|now| is_close(1_000, now));
        assert_eq!(close, [false, true, true, true, false]);
    }

    #[test]
    fn every_case_has_a_figure_and_every_figure_a_case() {
        let kept = read(&fs::read_to_string(path()).unwrap()).unwrap();
        let mut names: Vec<_> = CASES.iter().map(|case| case.name).collect();
        names.sort_unstable();
        assert_eq!(kept.keys().map(String::as_str).collect::<Vec<_>>(), names);
    }
}
