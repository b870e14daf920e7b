//! `antiphon filter check`: whether a session filter parses, and how many sessions match it.

use clap::Args;
use clap::Subcommand;
use serde_json::json;

use crate::arguments::connection::ConnectionFlags;
use crate::commands::ask::sessions;
use crate::commands::block_on;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::OutputFlags;

/// Work with session filters
#[derive(Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(Check),
}

/// Parse a filter and count the sessions that match it
///
/// Where it is wrong, a mark shows the place. Counting needs the permission VIEW_SESSION, as `admin` has it on a
/// development server.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
struct Check {
    /// The filter
    #[arg(value_name = "EXPR")]
    filter: String,

    #[command(flatten)]
    connection: ConnectionFlags,

    #[command(flatten)]
    output: OutputFlags,
}

const EXAMPLES: &str = "\
Examples:
  antiphon filter check \"Country is 'DE'\"
  antiphon filter check \"hasRoles ['till'] and not (Country in ['DE', 'FR'])\"
  antiphon filter check \"\\$ClientIP matches '10\\\\\\\\..*' or has Location\"";

impl Arguments {
    pub(crate) fn output(&self) -> &OutputFlags {
        let Command::Check(check) = &self.command;
        &check.output
    }
}

pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Exit, Failure> {
    let Command::Check(Check { filter, connection, .. }) = &arguments.command;
    let target = connection.target()?;
    block_on(async {
        let visit = target.visit().await?;
        let clients = visit.session.clients();
        let count = async { clients.fetch(filter, &[], 0).await.map_err(Failure::about(filter)) };
        let total = visit.within(count).await?.total as usize;
        match output {
            Output::Json => output.json(&json!({ "valid": true, "matches": total }))?,
            Output::Text | Output::Raw => {
                let verb = if total == 1 { "matches" } else { "match" };
                output.line(format_args!("the filter is valid; {} {verb}", sessions(total)))?;
            }
        }
        visit.end().await;
        Ok(Exit::Done)
    })
}
