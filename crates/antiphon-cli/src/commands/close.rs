//! `antiphon close`: ends a session from outside.

use antiphon::SessionId;
use clap::Args;
use serde_json::json;

use crate::arguments::connection::ConnectionFlags;
use crate::commands::block_on;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::OutputFlags;

/// Close a session
///
/// Its requests fail, and its client is told that the server closed it. Needs the permission MODIFY_SESSION, as `admin`
/// has it on a development server.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Session to close
    #[arg(value_name = "ID")]
    session: SessionId,

    #[command(flatten)]
    connection: ConnectionFlags,

    #[command(flatten)]
    pub(crate) output: OutputFlags,
}

const EXAMPLES: &str = "\
Examples:
  antiphon close 3c0d17ad0f8b9e21-0000000000000004
  antiphon sessions \"Till is '7'\" | cut -f 1 | xargs -n 1 antiphon close";

pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Exit, Failure> {
    let target = arguments.connection.target()?;
    let session = arguments.session;
    block_on(async {
        let visit = target.visit().await?;
        let clients = visit.session.clients();
        visit.within(async { Ok(clients.close(session).await?) }).await?;
        match output {
            Output::Json => output.json(&json!({ "closed": session.to_string() }))?,
            Output::Text | Output::Raw => output.line(format_args!("closed {session}"))?,
        }
        visit.end().await;
        Ok(Exit::Done)
    })
}
