//! What people read about the keys, made from the table: a whole file with every default, and the table of
//! docs/configuration.md.

use crate::config::Config;
use crate::config::keys::KEYS;
use crate::config::keys::Key;
use crate::config::keys::LISTS;

/// A configuration file that says of every key what it means, and what counts if nobody says anything. All settings are
/// commented out, so that it changes nothing: `#` and a space begin a remark, `#` alone a setting.
#[must_use]
pub fn default_file() -> String {
    file(&[])
}

/// The same for a new server, with a security store and a listener on this host alone: nothing goes out unencrypted
/// before somebody says so.
#[must_use]
pub fn initial_file() -> String {
    file(&["security.store", "listener.address"])
}

/// With these settings in effect.
fn file(effective: &[&str]) -> String {
    let mut file = HEADING.to_owned();
    let mut table = "";
    for key in KEYS {
        let (of, field) = key.name().rsplit_once('.').unwrap_or(("", key.name()));
        if of != table {
            table = of;
            let is_used = effective.iter().any(|name| name.strip_prefix(table).is_some());
            file.push_str(&heading(table, is_used));
        }
        let mark = if effective.contains(&key.name()) { "" } else { "#" };
        file.push_str(&format!("\n# {}\n{mark}{field} = {}\n", remark(key), shown(key)));
    }
    file
}

/// All keys as a table in Markdown.
#[must_use]
pub fn key_table() -> String {
    let mut table = "| key | default | reload | meaning |\n|---|---|---|---|\n".to_owned();
    for key in KEYS {
        let default = match key.default_in_words() {
            Some(words) => words.to_owned(),
            None if key.list().is_some() => String::new(),
            None => value(key).map_or_else(|| "none".to_owned(), |value| format!("`{value}`")),
        };
        let reload = if key.is_live() { "yes" } else { "" };
        let name = match key.list() {
            Some(list) => format!("[[{list}]] {}", &key.name()[list.len() + 1..]),
            None => key.name().to_owned(),
        };
        table.push_str(&format!("| `{name}` | {default} | {reload} | {} |\n", key.about()));
    }
    table
}

fn heading(table: &str, is_used: bool) -> String {
    let mark = if is_used { "" } else { "#" };
    match LISTS.iter().find(|list| list.name == table) {
        Some(list) => format!("\n# {}.\n{mark}[[{table}]]\n", capital(list.about)),
        None => format!("\n[{table}]\n"),
    }
}

fn remark(key: &Key) -> String {
    let mut remark = format!("{}.", capital(key.about()));
    if let Some(words) = key.default_in_words() {
        remark.push_str(&format!(" Default: {words}."));
    }
    if !key.is_live() {
        remark.push_str(" Needs a restart.");
    }
    remark
}

/// A value to begin with.
fn shown(key: &Key) -> String {
    key.example().map(str::to_owned).or_else(|| value(key)).unwrap_or_default()
}

/// The default.
fn value(key: &Key) -> Option<String> {
    key.values(&Config::default()).into_iter().next().flatten()
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

const HEADING: &str = "\
# The configuration of an Antiphon server: antiphon serve --config FILE
#
# Settings are commented out and show their defaults, or an example where there is none. Every setting can also be given
# by the environment: limits.sessions as ANTIPHON_LIMITS_SESSIONS, the address of the first [[listener]] as
# ANTIPHON_LISTENER_0_ADDRESS. The environment counts more than this file, and flags count most. Relative names of files are
# relative to this file. A running server reads it again on SIGHUP.
";
