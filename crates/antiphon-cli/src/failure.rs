//! Why a command failed, as text with a way out for people and as JSON for programs. Always on standard error.

use std::fmt;
use std::io;
use std::io::Write;
use std::time::Duration;

use antiphon::CloseReason;
use antiphon::Error;
use antiphon::ErrorKind;
use antiphon::FilterError;
use antiphon_server::config::Problem;
use antiphon_server::config::Refused;
use antiphon_server::config::Source;
use antiphon_server::security::StoreError;
use antiphon_server::security::password::PasswordError;
use serde::Serialize;
use serde_json::json;

use crate::exit::Exit;
use crate::exit::classify;
use crate::output::Output;
use crate::output::printable;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments, or a file that they name, make no sense. The text says what to do.
    Usage(String),
    /// The configuration of a server makes no sense.
    Configuration(Refused),
    /// A call failed.
    Call {
        error: Error,
        /// The session filter that was sent, to point into it.
        filter: Option<String>,
        /// What helps in this command, if that is more than what always helps.
        hint: Option<&'static str>,
    },
    /// The time limit passed.
    TimeOut(Duration),
    /// The session was to last and is over.
    Ended(CloseReason),
    /// Standard output takes nothing.
    Output(io::Error),
}

/// An error as JSON.
#[derive(Serialize)]
pub(crate) struct Report<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u32>,
    text: &'a str,
    may_have_executed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    filter_errors: Vec<Place<'a>>,
}

/// A place in a session filter.
#[derive(Serialize)]
struct Place<'a> {
    message: &'a str,
    line: u32,
    column: u32,
}

impl Failure {
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    /// Keeps the filter that the call was about.
    pub(crate) fn about(filter: &str) -> impl FnOnce(Error) -> Self {
        let filter = filter.to_owned();
        move |error| Self::Call { error, filter: Some(filter), hint: None }
    }

    /// Names what helps here if the call failed in this way.
    pub(crate) fn hint(self, of: ErrorKind, text: &'static str) -> Self {
        match self {
            Self::Call { error, filter, .. } if error.kind() == of => {
                Self::Call { error, filter, hint: Some(text) }
            }
            other => other,
        }
    }

    /// Says it on standard error, and how the command ends.
    pub(crate) fn report(&self, output: Output) -> Exit {
        let text = match output {
            // Whoever read the output has seen enough.
            _ if self.is_closed_pipe() => return Exit::Done,
            Output::Json => json!({ "error": self.json() }).to_string(),
            Output::Text | Output::Raw => self.text(),
        };
        // Nothing can be said if standard error is closed.
        let _ = writeln!(io::stderr(), "{text}");
        self.exit()
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Configuration(_) | Self::Output(_) => Exit::Usage,
            Self::Call { error, .. } => classify(error.kind()).1,
            Self::TimeOut(_) => Exit::TimeOut,
            Self::Ended(CloseReason::ConnectionLost | CloseReason::Refused) => Exit::Connect,
            Self::Ended(CloseReason::AccessDenied) => Exit::Authentication,
            Self::Ended(_) => Exit::SessionGone,
        }
    }

    fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    fn json(&self) -> serde_json::Value {
        let (kind, text, may_have_executed) = match self {
            Self::Usage(text) => ("usage", text.clone(), false),
            Self::Output(error) => ("output", error.to_string(), true),
            Self::TimeOut(limit) => ("request_time_out", late(*limit), true),
            Self::Ended(reason) => ("session_closed", reason.to_string(), true),
            Self::Call { error, .. } => return json!(Report::of(error)),
            Self::Configuration(refused) => return configuration(refused),
        };
        json!({ "kind": kind, "text": text, "may_have_executed": may_have_executed })
    }

    fn text(&self) -> String {
        match self {
            Self::Usage(text) => format!("error: {}", printable(text)),
            Self::Configuration(refused) => {
                let problems = refused.to_string().replace('\n', "\n  ");
                format!("error: the configuration is not valid\n  {}", printable(&problems))
            }
            Self::Output(error) => format!("error: cannot write to standard output: {error}"),
            Self::TimeOut(limit) => format!("error: {}", late(*limit)),
            Self::Ended(reason) => format!("error: {reason}"),
            Self::Call { error, filter, hint } => {
                let mut text = match filter {
                    Some(filter) if !error.filter_errors().is_empty() => {
                        format!("error: the session filter is not valid\n{}", carets(filter, error))
                    }
                    _ => format!("error: {}", printable(&error.to_string())),
                };
                if is_worth_a_warning(error) {
                    text.push_str("\n  the request may have been executed");
                }
                if let Some(hint) = hint.or_else(|| way_out(error.kind())) {
                    text.push_str("\n  ");
                    text.push_str(hint);
                }
                text
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().strip_prefix("error: ").unwrap_or_default())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Call { error, filter: None, hint: None }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<PasswordError> for Failure {
    fn from(error: PasswordError) -> Self {
        Self::usage(error.to_string())
    }
}

impl<'a> Report<'a> {
    pub(crate) fn of(error: &'a Error) -> Self {
        let place = |FilterError { message, line, column }: &'a FilterError| Place {
            message,
            line: *line,
            column: *column,
        };
        Self {
            kind: classify(error.kind()).0,
            code: error.code(),
            text: error.text(),
            may_have_executed: error.may_have_executed(),
            filter_errors: error.filter_errors().iter().map(place).collect(),
        }
    }
}

/// All that is wrong with a configuration, each with its place.
fn configuration(refused: &Refused) -> serde_json::Value {
    let problem = |Problem { source, error }: &Problem| json!({ "key": error.key(), "text": error.to_string(), "source": place(source) });
    json!({
        "kind": "configuration",
        "text": refused.to_string(),
        "may_have_executed": false,
        "problems": refused.problems.iter().map(problem).collect::<Vec<_>>(),
    })
}

/// Where a value of a configuration came from.
pub(crate) fn place(source: &Source) -> serde_json::Value {
    match source {
        Source::Default => json!({ "layer": "default" }),
        Source::File { path, line, column } => {
            json!({ "layer": "file", "file": path, "line": line, "column": column })
        }
        Source::Environment(name) => json!({ "layer": "environment", "name": name }),
        Source::Flag(name) => json!({ "layer": "flag", "name": name }),
    }
}

/// Whether people must be told that the request may have been executed: if nobody has said so, and it is not plain.
fn is_worth_a_warning(error: &Error) -> bool {
    error.may_have_executed()
        && error.kind() != ErrorKind::Rejected
        && !error.text().contains("may have been executed")
}

fn late(limit: Duration) -> String {
    format!("no answer came within {limit:?}; --timeout allows more")
}

/// What usually helps.
const fn way_out(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::Connect => {
            "--url names the server; `antiphon serve --dev` starts one on ws://127.0.0.1:8080"
        }
        ErrorKind::Tls => "--ca names the certificates to trust, --cert and --key your own",
        ErrorKind::AuthenticationFailed => "check --principal and --password",
        ErrorKind::AccessDenied => "log in as somebody who may, with --principal and --password",
        ErrorKind::UnhandledMessage => "`antiphon handle PATH` registers a handler",
        ErrorKind::NoSuchSession => "`antiphon sessions` lists those that there are",
        _ => return None,
    })
}

/// The lines of a filter that have errors, each with a mark below the place and what is wrong there.
fn carets(filter: &str, error: &Error) -> String {
    let marked = error.filter_errors().iter().map(|FilterError { message, line, column }| {
        let number = line.saturating_sub(1) as usize;
        let text = filter.split('\n').nth(number).unwrap_or_default();
        let before = text.chars().take(column.saturating_sub(1) as usize);
        // Tabs stay tabs, so that the mark stands right however wide they are.
        let indent: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let text = printable(text);
        format!("  {text}\n  {indent}^\n  line {line}, column {column}: {}", printable(message))
    });
    marked.collect::<Vec<_>>().join("\n")
}
