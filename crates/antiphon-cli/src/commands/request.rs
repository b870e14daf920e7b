//! `antiphon request`: asks a path or a session, and prints the answer.

use std::time::Instant;

use antiphon::ErrorKind;
use antiphon::SessionId;
use antiphon::Value;
use clap::Args;
use serde_json::json;

use crate::arguments::connection::ConnectionFlags;
use crate::arguments::value::ValueArguments;
use crate::commands::block_on;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::OutputFlags;
use crate::values;

/// Send a request to a path or a session and print the response
///
/// The server picks one of the sessions that handle the path, or else the nearest path above it. With --session it goes
/// to that session, which must have a handler for requests that are addressed to it.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Path to ask
    path: String,

    #[command(flatten)]
    value: ValueArguments,

    /// Session to ask, by its id, instead of whoever handles the path
    #[arg(long, value_name = "ID", help_heading = None::<&str>)]
    session: Option<SessionId>,

    #[command(flatten)]
    connection: ConnectionFlags,

    #[command(flatten)]
    pub(crate) output: OutputFlags,
}

const EXAMPLES: &str = "\
Examples:
  antiphon request greetings world                        sends the string \"world\"
  antiphon request add '[1, 2]'                           sends JSON
  antiphon request images --binary @cat.jpg >small.jpg    a file there, a file back
  date | antiphon request clock -                         standard input
  antiphon request reboot now --session 3c0d17ad0f8b9e21-0000000000000004";

pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Exit, Failure> {
    let target = arguments.connection.target()?;
    let request = arguments.value.read()?;
    block_on(async {
        let visit = target.visit().await?;
        let messaging = visit.messaging();
        let sent = Instant::now();
        let answered: Result<Value, _> = match arguments.session {
            None => messaging.send_request_to_path(&arguments.path, request).await,
            Some(session) => {
                messaging.send_request_to_session(&arguments.path, session, request).await
            }
        };
        let elapsed = sent.elapsed();
        let response = answered.map_err(|error| not_answered(error, arguments.session))?;
        match output {
            Output::Json => output.json(&json!({
                "type": values::type_name(&response),
                "value": values::to_json(&response),
                "elapsed_us": elapsed.as_micros(),
            }))?,
            Output::Text | Output::Raw => values::print(&response, output)?,
        }
        visit.end().await;
        Ok(Exit::Done)
    })
}

fn not_answered(error: antiphon::Error, session: Option<SessionId>) -> Failure {
    let failure = Failure::from(error);
    match session {
        None => failure,
        Some(_) => failure.hint(
            ErrorKind::UnhandledMessage,
            "the session has no handler for requests that are addressed to it, as by `antiphon handle --addressed`",
        ),
    }
}
