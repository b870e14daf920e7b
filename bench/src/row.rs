//! Results as they are written down: lines of JSON in one file. The report is made from such a file alone.

use std::fs::File;
use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::path::Path;

use serde::Deserialize;
use serde::Serialize;

use crate::counters::Counted;
use crate::machine::Machine;

/// One result.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Record {
    Machine(Machine),
    Run(Row),
    Instructions(Instructions),
    Memory(Memory),
    Filter(FilterRow),
    Inside(Inside),
}

/// What came of one run of a load. Latencies are in microseconds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// For what it was measured.
    pub(crate) series: Series,
    pub(crate) peer: String,
    pub(crate) setting: String,
    /// Runs of one round are compared with each other.
    pub(crate) round: usize,
    pub(crate) seconds: f64,
    pub(crate) requests: u64,
    pub(crate) failures: u64,
    pub(crate) first_failure: Option<String>,
    /// Answers in a second.
    pub(crate) rate: f64,
    /// Requests that were due in a second, in an open loop, and which part of the peak that is.
    pub(crate) due: Option<f64>,
    pub(crate) load: Option<f64>,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    /// Microseconds of processors for a request.
    pub(crate) server_cpu: f64,
    pub(crate) client_cpu: f64,
    /// For a request.
    pub(crate) counted: Option<Counted>,
}

/// Why a load is run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Series {
    /// To compare peers.
    #[default]
    Peers,
    /// To count instructions and system calls.
    Counters,
    /// For latencies at a fixed rate.
    Open,
    /// To compare a crowded server with an empty one.
    Growth,
    /// To compare TLS with none.
    Tls,
}

/// User instructions of a server for a request, as valgrind counts them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Instructions {
    pub(crate) peer: String,
    pub(crate) setting: String,
    pub(crate) requests: u64,
    pub(crate) each: f64,
}

/// The memory of a server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) peer: String,
    /// Idle sessions and registered handlers.
    pub(crate) sessions: usize,
    pub(crate) handlers: usize,
    pub(crate) kib: u64,
}

/// How long one filter takes. Times are in microseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FilterRow {
    pub(crate) filter: String,
    /// How many sessions there are, and how many match.
    pub(crate) sessions: usize,
    pub(crate) matches: u32,
    pub(crate) requests: usize,
    /// Until the sender knows how many match.
    pub(crate) count_p50: f64,
    pub(crate) count_p99: f64,
    /// Until it has the outcomes of all of them.
    pub(crate) all_p50: f64,
    pub(crate) all_max: f64,
}

/// What the broker alone takes, without sockets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Inside {
    pub(crate) what: String,
    /// Handlers or sessions.
    pub(crate) among: usize,
    pub(crate) nanoseconds: f64,
}

impl Row {
    /// Whether it says anything: all went well and something went.
    pub(crate) const fn counts(&self) -> bool {
        self.failures == 0 && self.requests > 0
    }
}

/// Where results go as soon as they are there.
pub(crate) struct Book {
    file: File,
    pub(crate) records: Vec<Record>,
}

impl Book {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::create(path)?, records: Vec::new() })
    }

    pub(crate) fn add(&mut self, record: Record) -> io::Result<()> {
        writeln!(self.file, "{}", serde_json::to_string(&record)?)?;
        self.records.push(record);
        Ok(())
    }
}

/// Reads what a [`Book`] wrote.
pub(crate) fn read(path: &Path) -> io::Result<Vec<Record>> {
    BufReader::new(File::open(path)?)
        .lines()
        .map(|line| Ok(serde_json::from_str(&line?)?))
        .collect()
}
