//! `antiphon handle`: answers requests until it is told to stop.
//!
//! | file | holds |
//! |---|---|
//! | `answer` | how one request is answered |
//! | `exec` | answers by a program |
//! | `watch` | how many requests are under way and done |

mod answer;
mod exec;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use antiphon::Addressing;
use antiphon::CloseReason;
use antiphon::ErrorKind;
use antiphon::Events;
use antiphon::Limits;
use antiphon::ReconnectPolicy;
use antiphon::Registration;
use antiphon::Session;
use antiphon::SessionEvent;
use antiphon::SessionState;
use clap::Args;
use serde_json::json;

use crate::arguments::connection::ConnectionFlags;
use crate::arguments::connection::Target;
use crate::arguments::value::TypeFlags;
use crate::commands::block_on;
use crate::commands::handle::answer::Answering;
use crate::commands::handle::answer::How;
use crate::commands::handle::watch::Watch;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::OutputFlags;
use crate::signals::Signals;
use antiphon_server::config::Span;

/// Answer requests to a path and all paths below it
///
/// Prints each request as it comes, and goes on until SIGINT, SIGTERM or --count ends it. When the server is away it
/// connects and registers again as soon as it can.
///
/// Registering needs the permission REGISTER_HANDLER, as `control` and `admin` have it on a development server. With
/// --addressed nothing is registered: requests that name this session, by its id or by a filter, are answered.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Path to answer requests for
    path: String,

    /// Wait before each answer
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    delay: Span,

    /// Answer requests that are addressed to this session, instead of those to the path
    #[arg(long)]
    addressed: bool,

    /// End after this many requests
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    #[command(flatten)]
    answer: AnswerFlags,

    #[command(flatten)]
    types: TypeFlags,

    #[command(flatten)]
    connection: ConnectionFlags,

    #[command(flatten)]
    pub(crate) output: OutputFlags,
}

/// The ways to answer.
#[derive(Args)]
#[group(required = true, multiple = false)]
#[command(next_help_heading = "Answer with")]
struct AnswerFlags {
    /// The request itself
    #[arg(long)]
    echo: bool,

    /// This value: text, @FILE or -, as in `antiphon request`
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    reply: Option<String>,

    /// What a shell command prints
    ///
    /// It has the request on standard input, and in the environment ANTIPHON_PATH, ANTIPHON_REQUEST if that is short
    /// text, and ANTIPHON_SENDER if it is known. If it fails, what it prints on standard error is the rejection.
    #[arg(long, value_name = "COMMAND")]
    exec: Option<String>,

    /// A rejection with this text
    #[arg(long, value_name = "TEXT")]
    fail: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  antiphon handle greetings --reply hello --principal admin --password password
  antiphon handle echo --echo --delay 200ms
  antiphon handle upper --exec 'tr a-z A-Z'
  antiphon handle disk --exec 'df -h \"$ANTIPHON_REQUEST\"' --string
  antiphon handle takings --addressed --reply 1042 --property Country=DE";

pub(crate) fn run(arguments: Arguments, output: Output) -> Result<Exit, Failure> {
    let target = arguments.connection.target()?;
    let how = arguments.how()?;
    // On one thread a request counts as done only when its answer is on its way.
    block_on(async {
        let mut signals = listen()?;
        let session = tokio::select! {
            session = connect(&target, &arguments) => session?,
            () = signals.next() => return Ok(Exit::Done),
        };
        let watch = Arc::new(Watch::default());
        let Span(delay) = arguments.delay;
        let answering = Answering { how, delay, output, watch: Arc::clone(&watch) };
        let registration = tokio::select! {
            registration = register(&session, answering, &arguments) => registration?,
            () = signals.next() => return Ok(Exit::Done),
        };
        announce(&session, &arguments, output)?;
        let mut events = session.events();
        tokio::select! {
            ended = watch_session(&mut events, output) => return Err(ended?),
            () = signals.next() => output.note("stopping; a second signal ends at once"),
            failure = watch.reached(arguments.count) => failure?,
        }
        tokio::select! {
            () = stop(&session, registration, &watch) => Ok(Exit::Done),
            () = signals.next() => Ok(Exit::Interrupted),
        }
    })
}

fn listen() -> Result<Signals, Failure> {
    Signals::listen()
        .map_err(|error| Failure::usage(format!("the system tells of no signals: {error}")))
}

impl Arguments {
    fn how(&self) -> Result<How, Failure> {
        let AnswerFlags { echo: _, reply, exec, fail } = &self.answer;
        Ok(match (reply, exec, fail) {
            (Some(reply), _, _) => How::Reply(self.types.read(Some(reply))?),
            (_, Some(command), _) => How::Exec { command: command.clone(), types: self.types },
            (_, _, Some(text)) => How::Fail(text.clone()),
            (None, None, None) => How::Echo,
        })
    }
}

/// Opens a session that comes back after the server was away.
async fn connect(target: &Target, arguments: &Arguments) -> Result<Session, Failure> {
    let Span(delay) = arguments.delay;
    let mut limits = Limits { handler_timeout: target.timeout + delay, ..Limits::default() };
    if arguments.answer.exec.is_some() {
        limits.handler_concurrency = PROGRAMS;
    }
    let policy = ReconnectPolicy::default().longest_delay(LONGEST_DELAY).after_server_close(true);
    Ok(target.builder().reconnect(policy).limits(limits).connect().await?)
}

async fn register(
    session: &Session,
    answering: Answering,
    arguments: &Arguments,
) -> Result<Registration, Failure> {
    let messaging = session.messaging();
    let registered = if arguments.addressed {
        messaging.add_request_handler(&arguments.path, answering, Addressing::Addressed)
    } else {
        messaging.register_request_handler(&arguments.path, answering, &[]).await
    };
    registered.map_err(|error| {
        Failure::from(error).hint(
            ErrorKind::AccessDenied,
            "log in as somebody with the permission REGISTER_HANDLER, by --principal and --password; \
             --addressed needs none",
        )
    })
}

fn announce(session: &Session, arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let (path, addressed) = (&arguments.path, arguments.addressed);
    let session = session.id().to_string();
    if output == Output::Json {
        return output.json(&json!({
            "event": "ready", "path": path, "session": session, "addressed": addressed,
        }));
    }
    output.note(if addressed {
        format!("session {session} answers requests to {path} that are addressed to it")
    } else {
        format!("session {session} answers requests to {path}")
    });
    Ok(())
}

/// Tells what happens to the session; why it is over.
async fn watch_session(events: &mut Events, output: Output) -> Result<Failure, Failure> {
    while let Some(event) = events.next().await {
        let session = match event {
            SessionEvent::Recovering => None,
            SessionEvent::Reconnected { session, .. } => Some(session.to_string()),
            SessionEvent::HandlerLost { error, .. } => return Ok(error.into()),
            SessionEvent::Closed(reason) => return Ok(Failure::Ended(reason)),
            _ => continue,
        };
        match (session, output) {
            (None, Output::Json) => output.json(&json!({ "event": "recovering" }))?,
            (Some(session), Output::Json) => {
                output.json(&json!({ "event": "reconnected", "session": session }))?;
            }
            (None, _) => output.note("the connection is lost; trying to connect again"),
            (Some(session), _) => {
                output.note(format_args!("connected again, in session {session}"))
            }
        }
    }
    Ok(Failure::Ended(CloseReason::ClosedByClient))
}

/// No more requests, answers to those that have come, goodbye.
async fn stop(session: &Session, registration: Registration, watch: &Watch) {
    // A server that is away has forgotten the handler, and would have to be waited for.
    if session.state() == SessionState::Connected {
        // What is registered ends with the session in any case.
        let _ = registration.close().await;
        watch.idle().await;
    }
    session.close().await;
}

/// Programs that run at once.
const PROGRAMS: usize = 32;

/// A server that was restarted is to be found soon.
const LONGEST_DELAY: Duration = Duration::from_secs(2);
