//! Measures the server from outside: throughput and latency against its peers, instructions and system calls, memory, growth.
//! `bench/run` builds what is needed and calls it; `bench/RESULTS.md` is what it writes.

mod compare;
mod counters;
mod frames;
mod link;
mod load;
mod meter;
mod relay;
mod row;
mod say;
mod servers;
mod settings;
mod target;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use clap::Subcommand;

use crate::compare::Comparison;
use crate::servers::Programs;
use crate::settings::SETTINGS;
use crate::settings::Setting;
use crate::settings::Times;
use crate::target::Peer;

/// Measures the server against its peers and its targets
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
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
