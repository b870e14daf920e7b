//! What is wrong with a filter text, and where. Does not decide what is wrong.

use std::fmt;

use thiserror::Error;

/// The longest message in bytes. Old clients misread the length of a text beyond 127 bytes.
const MAX_MESSAGE: usize = 119;

/// How many bytes of the input a message quotes at one place.
const MAX_EXCERPT: usize = 24;

const ELLIPSIS: &str = "...";

/// Why a filter text could not be parsed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {message}")]
pub struct FilterError {
    message: String,
    line: u32,
    column: u32,
}

impl FilterError {
    /// An error at byte `offset` of `text`, which must be a character boundary.
    pub(super) fn at(text: &str, offset: usize, message: impl fmt::Display) -> Self {
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let one_line = message.to_string().replace(char::is_control, " ");
        Self {
            message: shorten(&one_line, MAX_MESSAGE),
            line: one_based(before.matches('\n').count()),
            column: one_based(before[line_start..].chars().count()),
        }
    }

    /// What was expected and what was found: one line of less than 120 bytes.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The line of the offending token, from 1.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The column of the offending token, from 1, in characters.
    pub fn column(&self) -> u32 {
        self.column
    }
}

/// The beginning of a piece of input, short enough to be quoted in a message.
pub(super) fn excerpt(text: &str) -> String {
    shorten(text, MAX_EXCERPT)
}

fn shorten(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(max - ELLIPSIS.len());
    format!("{}{ELLIPSIS}", &text[..end])
}

fn one_based(count: usize) -> u32 {
    u32::try_from(count).map_or(u32::MAX, |count| count.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_are_counted_in_characters_from_one() {
        let text = "é ü\r\nñ x";
        let at = |c| {
            let error = FilterError::at(text, text.find(c).unwrap(), "m");
            (error.line(), error.column())
        };
        assert_eq!(at('é'), (1, 1));
        assert_eq!(at('ü'), (1, 3));
        assert_eq!(at('ñ'), (2, 1));
        assert_eq!(at('x'), (2, 3));
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let error = FilterError::at("", 0, "é".repeat(200));
        assert_eq!(error.message(), format!("{}...", "é".repeat(58)));
        assert!(error.message().len() < 120);
    }

    #[test]
    fn a_message_is_one_line() {
        assert_eq!(FilterError::at("", 0, "a\r\nb\0c").message(), "a  b c");
    }
}
