//! Measures the server from outside: throughput and latency against its peers, instructions and system calls, memory, growth.
//! `bench/run` builds what is needed and calls it; `bench/RESULTS.md` is what it writes.

mod broker;
mod callgrind;
mod campaign;
mod compare;
mod counters;
mod crowd;
mod filters;
mod frames;
mod link;
mod load;
mod machine;
mod meter;
mod open_loop;
mod relay;
mod report;
mod row;
mod say;
mod servers;
mod settings;
mod target;
mod tls;
mod wire;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use clap::Parser;
use clap::Subcommand;
use clap::ValueEnum;

use crate::campaign::Part;
use crate::campaign::Plan;
use crate::compare::Comparison;
use crate::crowd::Crowd;
use crate::report::Results;
use crate::row::Book;
use crate::servers::Programs;
use crate::settings::SETTINGS;
use crate::settings::Setting;
use crate::settings::Times;
use crate::target::Peer;
use crate::target::Target;

/// Measures the server against its peers and its targets
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Measures everything and writes the report
    All {
        #[command(flatten)]
        programs: Programs,
        /// Only see that everything works; the report goes to where logs go
        #[arg(long)]
        quick: bool,
        /// Only these parts; the report goes to where logs go
        #[arg(long, value_delimiter = ',')]
        only: Vec<Part>,
    },
    /// Writes the report anew from raw results
    Report {
        /// The file that was written while everything was measured
        results: PathBuf,
        /// Where the report stands
        #[arg(long, default_value = "bench")]
        folder: PathBuf,
    },
    /// Measures peers in alternation and prints ratios
    Compare {
        #[command(flatten)]
        programs: Programs,
        /// Whom to compare; ratios are those of the first to each other
        #[arg(long, value_delimiter = ',', default_value = "antiphon,ws,nats", value_parser = Peer::named)]
        peers: Vec<Peer>,
        /// All unless some are named
        #[arg(long, value_delimiter = ',', value_parser = Setting::named)]
        settings: Vec<Setting>,
        #[arg(long, default_value_t = 6)]
        rounds: usize,
        /// Count instructions and system calls of the servers
        #[arg(long)]
        perf: bool,
    },
    /// Loads a server that runs already, for example under a profiler
    Load {
        /// Where it listens
        address: SocketAddr,
        #[arg(long, default_value = "antiphon", value_parser = Peer::named)]
        peer: Peer,
        #[arg(long, default_value = "small", value_parser = Setting::named)]
        setting: Setting,
        #[arg(long, default_value_t = 5)]
        seconds: u64,
        /// Its process, whose processor time, instructions and system calls are counted
        #[arg(long)]
        pid: Option<u32>,
    },
    /// Opens idle sessions and registers handlers at a server that runs already, and keeps them until it is interrupted
    Crowd {
        /// Where it listens
        address: SocketAddr,
        #[arg(long, default_value_t = 10_000)]
        sessions: usize,
        /// Thousands of handlers
        #[arg(long, default_value_t = 0)]
        handlers: usize,
    },
    /// The bare relay
    Relay {
        /// Where it listens
        address: SocketAddr,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::problem(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(action: Action) -> io::Result<()> {
    match action {
        Action::Relay { address } => relay::serve(address),
        Action::All { programs, quick, only } => all(&programs, quick, &only),
        Action::Load { address, peer, setting, seconds, pid } => {
            let times = Times { measured: Duration::from_secs(seconds), ..Times::FULL };
            say::row(&load::run(&Target::new(peer, address, pid), setting, times, pid.is_some())?)
        }
        Action::Crowd { address, sessions, handlers } => {
            let mut crowd = Crowd::new(&Target::new(Peer::Antiphon, address, None))?;
            crowd.grow(sessions)?;
            crowd.register(handlers, 1000)?;
            say::line(&format!("{} sessions are there", crowd.size()))?;
            loop {
                sleep(Duration::from_secs(1));
                crowd.check()?;
            }
        }
        Action::Report { results, folder } => {
            report::write(&Results::of(row::read(&results)?)?, &folder)
        }
        Action::Compare { programs, peers, settings, rounds, perf } => {
            let settings = if settings.is_empty() { SETTINGS.to_vec() } else { settings };
            let comparison =
                Comparison { peers, settings, rounds, times: Times::FULL, count: perf };
            let mut rows = Vec::new();
            comparison.run(&programs, |row| {
                say::row(&row)?;
                rows.push(row);
                Ok(())
            })?;
            say::comparison(&rows, &comparison)
        }
    }
}

fn all(programs: &Programs, quick: bool, only: &[Part]) -> io::Result<()> {
    let whole = !quick && only.is_empty();
    std::fs::create_dir_all(&programs.folder)?;
    let path = programs.folder.join(if whole { "results.jsonl" } else { "partial.jsonl" });
    let mut book = Book::create(&path)?;
    let plan = if quick { Plan::QUICK } else { Plan::FULL };
    let parts = if only.is_empty() { Part::value_variants() } else { only };
    campaign::run(&plan, programs, &mut book, parts)?;
    let folder = if whole { Path::new("bench") } else { programs.folder.as_path() };
    report::write(&Results::of(row::read(&path)?)?, folder)?;
    say::line(&format!("the report is {}", folder.join("RESULTS.md").display()))
}
