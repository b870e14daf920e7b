//! The command `antiphon`. This file only chooses the subcommand; [`exit`] has the exit codes.

mod arguments;
mod commands;
mod contexts;
mod exit;
#[cfg(all(unix, feature = "cluster"))]
mod fabric_threads;
mod failure;
mod logging;
mod operations;
mod output;
mod signals;
mod values;

use std::process::ExitCode;

use clap::CommandFactory;
use clap::FromArgMatches;
use clap::Parser;
use clap::Subcommand;
use tracing::level_filters::LevelFilter;

use crate::arguments::environment;
use crate::commands::access;
use crate::commands::ask;
use crate::commands::bench;
use crate::commands::check;
use crate::commands::close;
use crate::commands::cluster;
use crate::commands::completions;
use crate::commands::config;
use crate::commands::context;
use crate::commands::demo;
use crate::commands::drain;
use crate::commands::filter;
use crate::commands::handle;
use crate::commands::init;
use crate::commands::man;
use crate::commands::ping;
use crate::commands::principal;
use crate::commands::request;
use crate::commands::role;
use crate::commands::serve;
use crate::commands::sessions;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// Request-response messaging: a server, and the tools to talk to it.
#[derive(Parser)]
#[command(name = "antiphon", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Arguments),
    Serve(serve::Arguments),
    Init(init::Arguments),
    Config(config::Arguments),
    Request(request::Arguments),
    Ask(ask::Arguments),
    Handle(handle::Arguments),
    Sessions(sessions::Arguments),
    Filter(filter::Arguments),
    Ping(ping::Arguments),
    Check(check::Arguments),
    Cluster(cluster::Arguments),
    Drain(drain::Arguments),
    Close(close::Arguments),
    Bench(bench::Arguments),
    Context(context::Arguments),
    Principal(principal::Arguments),
    Role(role::Arguments),
    Access(access::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

const EXAMPLES: &str = "\
Examples:
  antiphon demo                          see in two seconds what it does
  antiphon serve --dev                   start a server to try things out
  antiphon request greetings world       ask whoever handles a path
  antiphon ask all greetings world       ask everybody

Every flag can also be set by the environment: ANTIPHON_URL for --url, ANTIPHON_BENCH_SECONDS for the flag --seconds of
`bench`, and every key of a server's configuration, ANTIPHON_PING_PERIOD for ping_period. `antiphon context` keeps
settings of connections under a name. ANTIPHON_LOG sets what is logged, such as debug.

Exit codes: 0 done, 1 usage, 2 no connection, 3 not allowed, 4 no handler, 5 handler error, 6 timed out, 7 session gone,
8 bad filter or type, 9 overloaded, 10 partial, 11 nobody matched.";

impl Command {
    fn output(&self) -> Output {
        match self {
            Self::Demo(arguments) => arguments.output.form(),
            Self::Request(arguments) => arguments.output.form(),
            Self::Ask(arguments) => arguments.output.form(),
            Self::Handle(arguments) => arguments.output.form(),
            Self::Sessions(arguments) => arguments.output.form(),
            Self::Filter(arguments) => arguments.output().form(),
            Self::Ping(arguments) => arguments.output.form(),
            Self::Close(arguments) => arguments.output.form(),
            Self::Bench(arguments) => arguments.output.form(),
            Self::Context(arguments) => arguments.output().form(),
            Self::Cluster(arguments) => arguments.output().form(),
            Self::Init(arguments) => arguments.output.form(),
            Self::Config(arguments) => arguments.output().form(),
            Self::Principal(arguments) => arguments.output().form(),
            Self::Role(arguments) => arguments.output().form(),
            Self::Access(arguments) => arguments.output().form(),
            Self::Check(_)
            | Self::Drain(_)
            | Self::Serve(_)
            | Self::Completions(_)
            | Self::Man(_) => Output::Text,
        }
    }

    /// What is logged unless the environment says otherwise.
    fn log_level(&self) -> Option<LevelFilter> {
        Some(match self {
            // It has its own configuration.
            Self::Serve(_) => return None,
            // Its server would warn of its well-known passwords.
            Self::Demo(_) => LevelFilter::ERROR,
            _ => LevelFilter::WARN,
        })
    }

    fn run(self, output: Output) -> Result<Exit, Failure> {
        match self {
            Self::Demo(arguments) => demo::run(&arguments, output),
            Self::Serve(arguments) => serve::run(&arguments),
            Self::Init(arguments) => init::run(&arguments, output),
            Self::Config(arguments) => config::run(&arguments, output),
            Self::Request(arguments) => request::run(&arguments, output),
            Self::Ask(arguments) => ask::run(&arguments, output),
            Self::Handle(arguments) => handle::run(arguments, output),
            Self::Sessions(arguments) => sessions::run(&arguments, output),
            Self::Filter(arguments) => filter::run(&arguments, output),
            Self::Ping(arguments) => ping::run(&arguments, output),
            Self::Check(arguments) => check::run(&arguments, output),
            Self::Cluster(arguments) => cluster::run(&arguments, output),
            Self::Drain(arguments) => drain::run(&arguments, output),
            Self::Close(arguments) => close::run(&arguments, output),
            Self::Bench(arguments) => bench::run(arguments, output),
            Self::Context(arguments) => context::run(arguments, output),
            Self::Principal(arguments) => principal::run(&arguments, output),
            Self::Role(arguments) => role::run(&arguments, output),
            Self::Access(arguments) => access::run(&arguments, output),
            Self::Completions(arguments) => completions::run(&arguments, command()),
            Self::Man(arguments) => man::run(&arguments, command()),
        }
    }
}

fn command() -> clap::Command {
    environment::bind(Arguments::command())
}

fn main() -> ExitCode {
    let parsed = command().try_get_matches();
    match parsed.and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(Arguments { command }) => {
            if let Some(level) = command.log_level() {
                logging::start(level);
            }
            let output = command.output();
            command.run(output).unwrap_or_else(|failure| failure.report(output)).into()
        }
        Err(error) => {
            // Help and version are errors to clap, but not to a shell. Nothing can be said if standard error is closed.
            let _ = error.print();
            ExitCode::from(u8::from(error.use_stderr()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        command().debug_assert();
    }
}
