//! `antiphon config`: what a server would be told, without one.

use antiphon_server::config::Refused;
use antiphon_server::config::Value;
use antiphon_server::config::default_file;
use clap::Args;
use clap::Subcommand;
use serde_json::json;

use crate::arguments::server;
use crate::arguments::server::ServerFlags;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::failure::place;
use crate::output::Output;
use crate::output::OutputFlags;

/// Check, show or begin the configuration of a server
///
/// Values come from the defaults, a file, the environment and flags; each counts more than those before. Every key has a
/// variable: ANTIPHON_LIMITS_SESSIONS for limits.sessions, ANTIPHON_PATH_0_TIMEOUT for the timeout of the first [[path]].
#[derive(Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(Check),
    Print(Print),
    Default(Defaults),
}

/// Say everything that is wrong with a configuration
///
/// Also reads the files that it names. Starts nothing.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
struct Check {
    #[command(flatten)]
    server: ServerFlags,

    #[command(flatten)]
    output: OutputFlags,
}

/// Print every key with its value and where it comes from
#[derive(Args)]
#[command(after_help = EXAMPLES)]
struct Print {
    #[command(flatten)]
    server: ServerFlags,

    #[command(flatten)]
    output: OutputFlags,
}

/// Print a configuration file that explains every key
#[derive(Args)]
#[command(name = "default", after_help = EXAMPLES)]
struct Defaults {
    #[command(flatten)]
    output: OutputFlags,
}

const EXAMPLES: &str = "\
Examples:
  antiphon config default > antiphon.toml           begin with all keys and their defaults
  antiphon config check --config antiphon.toml      is it valid?
  antiphon config print --config antiphon.toml      what counts, and who said so?";

impl Arguments {
    pub(crate) fn output(&self) -> &OutputFlags {
        match &self.command {
            Command::Check(check) => &check.output,
            Command::Print(print) => &print.output,
            Command::Default(default) => &default.output,
        }
    }
}

pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::Check(Check { server, .. }) => check(server, output)?,
        Command::Print(Print { server, .. }) => print(server, output)?,
        Command::Default(_) => default(output)?,
    }
    Ok(Exit::Done)
}

fn check(server: &ServerFlags, output: Output) -> Result<(), Failure> {
    let loaded = server::load(&server.layers())?;
    let problems = antiphon_server::inspect(&loaded.config).into_iter();
    let problems: Vec<_> = problems.map(|error| loaded.blame(error)).collect();
    if !problems.is_empty() {
        return Err(Failure::Configuration(Refused { problems }));
    }
    for warning in &loaded.warnings {
        output.note(format_args!("warning: {warning}"));
    }
    match output {
        Output::Json => output.json(&json!({ "valid": true, "warnings": loaded.warnings })),
        Output::Text | Output::Raw => output.line("the configuration is valid"),
    }
}

fn print(server: &ServerFlags, output: Output) -> Result<(), Failure> {
    let loaded = server::load(&server.layers())?;
    for Value { key, value, source } in loaded.values() {
        let text = value.as_deref().unwrap_or("");
        match output {
            Output::Json => {
                output
                    .json(&json!({ "key": key, "value": typed(text), "source": place(&source) }))?;
            }
            Output::Text => {
                let setting = format!("{key} = {}", value.as_deref().unwrap_or("(none)"));
                output.line(format_args!("{setting:50}  # {source}"))?;
            }
            Output::Raw => output.line(format_args!("{key}\t{text}\t{source}"))?,
        }
    }
    for warning in &loaded.warnings {
        output.note(format_args!("warning: {warning}"));
    }
    Ok(())
}

/// A value of TOML as JSON; null if there is none.
fn typed(value: &str) -> serde_json::Value {
    let table: Option<toml::Table> = toml::from_str(&format!("value = {value}")).ok();
    table.and_then(|mut table| table.remove("value")).map_or(json!(null), |value| json!(value))
}

fn default(output: Output) -> Result<(), Failure> {
    match output {
        Output::Json => {
            let defaults = antiphon_server::config::Layers::default().load();
            for Value { key, value, .. } in defaults.map_err(Failure::Configuration)?.values() {
                let value = typed(value.as_deref().unwrap_or(""));
                output.json(&json!({ "key": key, "value": value }))?;
            }
            Ok(())
        }
        Output::Text | Output::Raw => output.bytes(default_file().as_bytes()),
    }
}
