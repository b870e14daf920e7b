//! `antiphon cluster`: what nodes there are. Asks operators' address, so it needs neither a session nor a runtime.

use antiphon_server::config::Span;
use clap::Args;
use clap::Subcommand;
use serde_json::Value;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::operations;
use crate::operations::Method;
use crate::output::Output;
use crate::output::OutputFlags;
use crate::output::printable;

/// See the servers of a cluster
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Status(Status),
}

/// List the nodes of a cluster, as one of them sees them
///
/// The first one is the server that is asked. Links are `up` when all is known of a node; before that both ends are
/// `greeting` each other, or this one is `learning` what handlers the other one has. A node that drains is `leaving`. Columns
/// are empty where nothing can be said. Exit code 10 says that a link is not up.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
struct Status {
    /// Host and port on which the server answers operators
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8081")]
    operations: String,

    /// Time limit for each step
    #[arg(long, value_name = "DURATION", default_value = "2s")]
    timeout: Span,

    #[command(flatten)]
    output: OutputFlags,
}

const EXAMPLES: &str = "\
Examples:
  antiphon cluster status                                  ask the server on this host
  antiphon cluster status --operations 10.0.0.7:8081       ask another one
  antiphon cluster status --json                           one object a node";

impl Arguments {
    pub(crate) const fn output(&self) -> &OutputFlags {
        let Command::Status(status) = &self.command;
        &status.output
    }
}

pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Exit, Failure> {
    let Command::Status(Status { operations: address, timeout: Span(limit), .. }) =
        &arguments.command;
    let answer = operations::fetch(address, (Method::Get, "/cluster", 200), *limit)?;
    let seen: Value = serde_json::from_str(&answer).map_err(|problem| {
        Failure::usage(format!("{address} answers what is no JSON: {problem}"))
    })?;
    let mut rows = vec![seen["this"].clone()];
    rows.extend(seen["nodes"].as_array().into_iter().flatten().cloned());
    if output == Output::Json {
        rows.iter().try_for_each(|row| output.json(row))?;
    } else {
        table(&rows).iter().try_for_each(|line| output.line(line))?;
    }
    let is_whole = rows[1..].iter().all(|node| node["link"] == "up");
    Ok(if is_whole { Exit::Done } else { Exit::Partial })
}

/// Lines with columns of equal width.
fn table(rows: &[Value]) -> Vec<String> {
    let heading = COLUMNS.map(|(title, _)| title.to_owned());
    let cells = rows.iter().map(|row| COLUMNS.map(|(_, key)| cell(row, key)));
    let cells: Vec<_> = std::iter::once(heading).chain(cells).collect();
    let width =
        |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..COLUMNS.len()).map(width).collect();
    let line = |row: &[String; COLUMNS.len()]| {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    cells.iter().map(line).collect()
}

fn cell(row: &Value, key: &str) -> String {
    match &row[key] {
        Value::Null if key == "link" => {
            format!("this one, {}", row["state"].as_str().unwrap_or("?"))
        }
        Value::Null => String::new(),
        Value::Bool(is) => if *is { "yes" } else { "no" }.to_owned(),
        Value::String(text) => printable(text).into_owned(),
        other => other.to_string(),
    }
}

/// Titles, and keys of the answer.
const COLUMNS: [(&str, &str); 9] = [
    ("NODE", "node"),
    ("NAME", "name"),
    ("VERSION", "version"),
    ("LINK", "link"),
    ("SESSIONS", "sessions"),
    ("HANDLERS", "handlers"),
    ("IN FLIGHT", "in_flight"),
    ("WAITING", "waiting_bytes"),
    ("BLOCKED", "blocked"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nodes_stand_in_columns() {
        let this = json!({
            "node": "0000000000000001", "name": "a", "version": "0.1.0", "state": "ready",
            "sessions": 5, "handlers": 2, "in_flight": 0,
        });
        let other = json!({
            "node": "0000000000000002", "name": "b\u{1b}[2J", "version": "0.1.0", "link": "up",
            "sessions": 10, "handlers": 20, "in_flight": 30, "waiting_bytes": 40, "blocked": false,
        });
        let lines = [
            "NODE              NAME        VERSION  LINK             SESSIONS  HANDLERS  IN FLIGHT  WAITING  BLOCKED",
            "0000000000000001  a           0.1.0    this one, ready  5         2         0",
            "0000000000000002  b\\u{1b}[2J  0.1.0    up               10        20        30         40       no",
        ];
        assert_eq!(table(&[this, other]), lines);
    }
}
