//! What a result holds for: the machine, and the versions of everything.

use std::ffi::OsStr;
use std::fs;
use std::process::Command;

use serde::Deserialize;
use serde::Serialize;

use crate::servers::Programs;

/// A machine and what runs on it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: u64,
    pub(crate) kernel: String,
    pub(crate) rust: String,
    pub(crate) antiphon: String,
    pub(crate) commit: String,
    pub(crate) nats: String,
    /// Open files that a process may have.
    pub(crate) files: u64,
}

impl Machine {
    /// Looks around.
    pub(crate) fn here(programs: &Programs) -> Self {
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kib: u64 = number(field(&memory, "MemTotal"));
        let clean = said("git", &["status", "--porcelain"]).is_empty();
        let commit = said("git", &["rev-parse", "--short=12", "HEAD"]);
        Self {
            date: said("date", &["-u", "+%F"]),
            processor: field(&processors, "model name").to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: (kib + (1 << 19)) >> 20,
            kernel: said("uname", &["-sr"]),
            rust: said("rustc", &["--version"]),
            antiphon: said(&programs.antiphon, &["--version"]),
            commit: if clean { commit } else { format!("{commit} and changes") },
            nats: said(&programs.nats, &["--version"]),
            files: open_files(),
        }
    }
}

/// How many files a process may have open; 0 if there is no limit.
pub(crate) fn open_files() -> u64 {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    number(line.unwrap_or_default())
}

fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim())
}

/// The first word, if it is a number.
fn number(text: &str) -> u64 {
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// What a program prints; nothing if it cannot be run.
fn said(program: impl AsRef<OsStr>, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
