//! What is wrong with a filter text, and where. Does not decide what is wrong.

use std::fmt;

use thiserror::Error;

use crate::reading::one_line;
use crate::reading::place;
use crate::stats::Limit;

/// Why a filter text could not be parsed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {message}")]
pub struct FilterError {
    message: String,
    line: u32,
    column: u32,
    limit: Option<Limit>,
}

impl FilterError {
    /// An error at byte `offset` of `text`, which must be a character boundary.
    pub(super) fn at(text: &str, offset: usize, message: impl fmt::Display) -> Self {
        let (line, column) = place(text, offset);
        Self { message: one_line(message), line, column, limit: None }
    }

    /// The same, because of a bound.
    pub(super) fn over(self, limit: Limit) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// The bound that the filter exceeds, if that is what is wrong.
    pub fn limit(&self) -> Option<Limit> {
        self.limit
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
