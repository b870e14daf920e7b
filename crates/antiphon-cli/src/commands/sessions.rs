//! `antiphon sessions`: lists the sessions that match a filter.

use std::collections::BTreeMap;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use antiphon::FetchedSession;
use clap::Args;
use serde_json::json;

use crate::arguments::connection::ConnectionFlags;
use crate::commands::block_on;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::OutputFlags;
use crate::values::one_line;

/// List the sessions that match a filter
///
/// On a terminal they stand in columns below their names; elsewhere they are lines of fields with tabs between, without
/// names. Listing needs the permission VIEW_SESSION, as `admin` has it on a development server.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Which sessions to list
    #[arg(default_value = "all")]
    filter: String,

    /// Properties to show, separated by commas; *F stands for all fixed ones and *U for all others
    #[arg(
        long = "properties",
        value_name = "KEYS",
        value_delimiter = ',',
        default_value = "$Principal,$ClientType,$ClientIP"
    )]
    keys: Vec<String>,

    /// List no more than this many, those that came first
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: u32,

    #[command(flatten)]
    connection: ConnectionFlags,

    #[command(flatten)]
    pub(crate) output: OutputFlags,
}

const EXAMPLES: &str = "\
Examples:
  antiphon sessions --principal admin --password-file pw      all of them
  antiphon sessions \"Country is 'DE'\" --properties Country,Till
  antiphon sessions \"\\$Principal is 'till'\" --properties '*F,*U' --json
  antiphon sessions \"Till is '7'\" | cut -f 1                  only the ids";

pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Exit, Failure> {
    let target = arguments.connection.target()?;
    let filter = arguments.filter.as_str();
    let keys: Vec<_> = arguments.keys.iter().map(String::as_str).collect();
    block_on(async {
        let visit = target.visit().await?;
        let clients = visit.session.clients();
        let fetch = async {
            let fetched = clients.fetch(filter, &keys, arguments.limit).await;
            fetched.map_err(Failure::about(filter))
        };
        let fetched = visit.within(fetch).await?;
        let (sessions, total) = (fetched.sessions, fetched.total as usize);
        match output {
            Output::Json => print_json(&sessions, total, output)?,
            Output::Text | Output::Raw => print_table(&keys, &sessions, output)?,
        }
        if total > sessions.len() {
            let shown = sessions.len();
            output.note(format_args!("{shown} of {total} sessions; --limit shows more"));
        }
        visit.end().await;
        Ok(Exit::Done)
    })
}

fn print_json(sessions: &[FetchedSession], total: usize, output: Output) -> Result<(), Failure> {
    for session in sessions {
        output.json(&json!({
            "session": session.id.to_string(),
            "start_time": utc(session.start_time),
            "properties": session.properties,
        }))?;
    }
    output.json(&json!({ "summary": { "listed": sessions.len(), "total": total } }))
}

fn print_table(keys: &[&str], sessions: &[FetchedSession], output: Output) -> Result<(), Failure> {
    let keys = columns(keys, sessions);
    let mut rows = vec![heading(&keys)];
    rows.extend(sessions.iter().map(|session| row(&keys, session)));
    if output == Output::Raw {
        let lines = rows[1..].iter().map(|row| row.join("\t") + "\n");
        return output.bytes(lines.collect::<String>().as_bytes());
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<_> = (0..rows[0].len()).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    output.bytes(rows.iter().map(line).collect::<String>().as_bytes())
}

/// The keys to show: with all of a sort, those that any of the sessions has.
fn columns(keys: &[&str], sessions: &[FetchedSession]) -> Vec<String> {
    let mut columns = Vec::new();
    for key in keys {
        let of_sort = |name: &&String| match *key {
            antiphon::ALL_FIXED_PROPERTIES => name.starts_with('$'),
            antiphon::ALL_USER_PROPERTIES => !name.starts_with('$'),
            _ => false,
        };
        let names = sessions.iter().flat_map(|session| session.properties.keys().filter(of_sort));
        let mut names: Vec<_> = names.cloned().collect();
        if names.is_empty() && !key.starts_with('*') {
            names.push((*key).to_owned());
        }
        names.sort();
        columns.extend(names);
    }
    let mut seen = BTreeMap::new();
    columns.retain(|name| seen.insert(name.clone(), ()).is_none());
    columns
}

fn heading(keys: &[String]) -> Vec<String> {
    let names = ["SESSION", "STARTED"].map(str::to_owned);
    names.into_iter().chain(keys.iter().map(|key| one_line(key))).collect()
}

fn row(keys: &[String], session: &FetchedSession) -> Vec<String> {
    let mut row = vec![session.id.to_string(), utc(session.start_time)];
    let value = |key| session.properties.get(key).map_or_else(String::new, |text| one_line(text));
    row.extend(keys.iter().map(value));
    row
}

/// A time as in RFC 3339, in whole seconds.
fn utc(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a day since 1970-01-01, by counting years of 365.2425 days that begin in March.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let leap = day_of_era / 1460 + day_of_era / 146_096;
    let year_of_era = (day_of_era + day_of_era / 36_524 - leap) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_read_off_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
    }
}
