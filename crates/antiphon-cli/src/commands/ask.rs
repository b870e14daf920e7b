//! `antiphon ask`: asks every session that matches a filter, and prints the outcomes as they come.

use std::time::Duration;
use std::time::Instant;

use antiphon::FilterResponse;
use antiphon::FilterResponses;
use antiphon::Value;
use clap::Args;
use serde_json::json;
use tokio::time::timeout;

use crate::arguments::connection::ConnectionFlags;
use crate::arguments::value::ValueArguments;
use crate::commands::block_on;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::failure::Report;
use crate::output::Output;
use crate::output::OutputFlags;
use crate::values;

/// Send a request to every session that matches a filter
///
/// First comes the number of sessions that were asked, then one outcome for each as it comes, then a summary. Each
/// response is a line of standard output, with the session's id, a tab and the value; all else goes to standard error.
///
/// A session answers if it has a handler for requests that are addressed to it. The exit code is 0 if all answered, 10
/// if some did not, and 11 if nobody was asked.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Which sessions to ask, such as: $Principal is 'till' and Country in ['DE', 'FR']
    filter: String,

    /// Path to ask
    path: String,

    #[command(flatten)]
    value: ValueArguments,

    #[command(flatten)]
    connection: ConnectionFlags,

    #[command(flatten)]
    pub(crate) output: OutputFlags,
}

const EXAMPLES: &str = "\
Examples:
  antiphon ask all ping hello                                      everybody
  antiphon ask \"Country is 'DE'\" takings today                     some
  antiphon ask \"hasRoles ['till']\" takings --json | jq .value      as JSON
  antiphon filter check \"Country is 'DE'\"                          who would be asked?";

/// How many sessions had which outcome.
#[derive(Default)]
struct Tally {
    answered: usize,
    failed: usize,
    /// Nobody knows who would have answered.
    missing: usize,
}

pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Exit, Failure> {
    let target = arguments.connection.target()?;
    let request = arguments.value.read()?;
    let filter = arguments.filter.as_str();
    block_on(async {
        let visit = target.visit().await?;
        let messaging = visit.messaging();
        let sent = Instant::now();
        let mut responses = messaging
            .request_filter::<Value>(filter, &arguments.path, request)
            .await
            .map_err(Failure::about(filter))?;
        let expected = responses.expected();
        match output {
            Output::Json => output.json(&json!({ "expected": expected }))?,
            Output::Text | Output::Raw => output.note(format_args!("asked {}", sessions(expected))),
        }
        let mut tally = Tally::default();
        while let Some(outcome) = responses.next().await {
            tally.take(&outcome, output)?;
        }
        if tally.missing > 0 {
            name_missing(&responses, output).await?;
        }
        tally.print(expected, sent.elapsed(), output)?;
        drop(responses);
        visit.end().await;
        Ok(tally.exit(expected))
    })
}

impl Tally {
    /// Counts and prints an outcome.
    fn take(&mut self, one: &FilterResponse<Value>, output: Output) -> Result<(), Failure> {
        let Some(session) = one.session else {
            self.missing += 1;
            return Ok(());
        };
        match one.outcome {
            Ok(_) => self.answered += 1,
            Err(_) => self.failed += 1,
        }
        match (&one.outcome, output) {
            (Ok(value), Output::Json) => output.json(&json!({
                "session": session.to_string(),
                "type": values::type_name(value),
                "value": values::to_json(value),
            })),
            (Err(error), Output::Json) => {
                output.json(&json!({ "session": session.to_string(), "error": Report::of(error) }))
            }
            (Ok(value), _) => output.line(format_args!("{session}\t{}", values::row(value))),
            (Err(error), _) => {
                output.note(format_args!("{session}\t{}", values::one_line(&error.to_string())));
                Ok(())
            }
        }
    }

    fn print(&self, expected: usize, elapsed: Duration, output: Output) -> Result<(), Failure> {
        let Self { answered, failed, missing } = self;
        if output == Output::Json {
            return output.json(&json!({ "summary": {
                "expected": expected,
                "responses": answered,
                "errors": failed,
                "missing": missing,
                "elapsed_us": elapsed.as_micros(),
            }}));
        }
        let milliseconds = elapsed.as_secs_f64() * 1000.0;
        output.note(match expected {
            0 => "no session matches the filter; `antiphon sessions` lists those that there are"
                .to_owned(),
            _ => format!(
                "{answered} answered, {failed} failed, {missing} missing in {milliseconds:.1} ms"
            ),
        });
        Ok(())
    }

    fn exit(&self, expected: usize) -> Exit {
        match expected {
            0 => Exit::NobodyMatched,
            _ if self.answered == expected => Exit::Done,
            _ => Exit::Partial,
        }
    }
}

/// Says who has not answered, if the server tells: that needs a permission and a connection.
async fn name_missing(responses: &FilterResponses<Value>, output: Output) -> Result<(), Failure> {
    let Ok(Ok(missing)) = timeout(PATIENCE, responses.missing_sessions()).await else {
        return Ok(());
    };
    for session in missing {
        match output {
            Output::Json => {
                output.json(&json!({ "session": session.to_string(), "missing": true }))?;
            }
            Output::Text | Output::Raw => {
                output.note(format_args!("{session}\tno answer came in time"));
            }
        }
    }
    Ok(())
}

/// A number of sessions in words.
pub(crate) fn sessions(count: usize) -> String {
    if count == 1 { "1 session".to_owned() } else { format!("{count} sessions") }
}

/// The command's time is over by then.
const PATIENCE: Duration = Duration::from_secs(1);
