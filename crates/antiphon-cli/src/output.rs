//! Standard output in one of three forms: text for people, raw for pipes, JSON for programs.

use std::borrow::Cow;
use std::fmt::Display;
use std::io;
use std::io::IsTerminal;
use std::io::Write;

use clap::Args;
use clap::builder::FalseyValueParser;
use serde::Serialize;

use crate::failure::Failure;

/// The flag that every command has.
#[derive(Args)]
pub(crate) struct OutputFlags {
    /// Print one JSON object per result
    #[arg(
        long,
        env = "ANTIPHON_JSON",
        value_parser = FalseyValueParser::new(),
        help_heading = None::<&str>
    )]
    json: bool,
}

/// The form of what a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// For people at a terminal.
    Text,
    /// For pipes and files: values as they are.
    Raw,
    /// For programs: one object a line.
    Json,
}

impl OutputFlags {
    pub(crate) fn form(&self) -> Output {
        match self.json {
            true => Output::Json,
            false if io::stdout().is_terminal() => Output::Text,
            false => Output::Raw,
        }
    }
}

impl Output {
    /// Prints a line, in every form alike.
    pub(crate) fn line(self, text: impl Display) -> Result<(), Failure> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// Prints an object on a line of its own.
    pub(crate) fn json(self, object: &impl Serialize) -> Result<(), Failure> {
        let line = serde_json::to_string(object).map_err(|error| Failure::Output(error.into()))?;
        self.line(line)
    }

    /// Prints bytes, at once.
    pub(crate) fn bytes(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(Failure::Output)
    }

    /// Tells people something that is not a result, on standard error.
    pub(crate) fn note(self, text: impl Display) {
        if self != Self::Json {
            // Results do not depend on it.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }
}

/// Text from elsewhere without what could steer a terminal.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| {
        if steers(c) { c.escape_default().to_string() } else { c.to_string() }
    };
    Cow::Owned(text.chars().map(escape).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(printable("a\tü\nb"), "a\tü\nb");
        assert_eq!(printable("a\u{1b}[2Jb\r\u{9b}"), "a\\u{1b}[2Jb\\r\\u{9b}");
    }
}
