//! Cuts filter text into words, values and marks, as the parser asks for them.
//!
//! It has no stream of tokens, because what a character means depends on the place: `[a,b]` is a key
//! where a clause begins, and a list where a value is due. It knows no grammar.

use std::fmt::Display;

use super::error::FilterError;
use crate::reading::excerpt;
use crate::reading::is_quote;
use crate::reading::quoted;
use crate::reading::with_quotes;

/// A place in the text, always at a token or at the end.
#[derive(Clone, Copy)]
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

/// A quoted value, without its quotes and escapes.
pub(super) struct Value {
    pub(super) text: String,
    pub(super) at: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let mut lexer = Self { text, at: 0 };
        lexer.advance(0);
        lexer
    }

    /// The offset of the next token in bytes.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn at_end(&self) -> bool {
        self.rest().is_empty()
    }

    /// Whether a value begins here, or a bracket and a value.
    pub(super) fn at_values(&self) -> bool {
        let rest = self.rest();
        let first = rest.strip_prefix(['[', '{']).unwrap_or(rest);
        first.trim_start_matches(is_space).starts_with(is_quote)
    }

    /// The run of key characters that begins here; empty if another token does.
    pub(super) fn word(&self) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| is_space(c) || matches!(c, '"' | '\'' | '(' | ')'));
        &rest[..end.unwrap_or(rest.len())]
    }

    /// The word that begins here, up to a bracket: `in` of `in["a"]`.
    pub(super) fn word_before_bracket(&self) -> &'t str {
        let word = self.word();
        &word[..word.find(['[', '{']).unwrap_or(word.len())]
    }

    /// Goes on to the token after the next `length` bytes.
    pub(super) fn advance(&mut self, length: usize) {
        let rest = &self.text[self.at + length..];
        self.at = self.text.len() - rest.trim_start_matches(is_space).len();
    }

    /// Takes this mark, if it comes next.
    pub(super) fn take(&mut self, mark: char) -> bool {
        let found = self.rest().starts_with(mark);
        if found {
            self.advance(mark.len_utf8());
        }
        found
    }

    /// Takes this word in any case, if it comes next.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let found = self.word().eq_ignore_ascii_case(word);
        if found {
            self.advance(word.len());
        }
        found
    }

    /// Takes a quoted value, if one comes next.
    pub(super) fn take_value(&mut self) -> Result<Option<Value>, FilterError> {
        let at = self.at;
        if !self.rest().starts_with(is_quote) {
            return Ok(None);
        }
        let (text, end) =
            quoted(self.text, at, "filter").map_err(|fault| self.error(fault.at, fault.message))?;
        self.at = end;
        self.advance(0);
        Ok(Some(Value { text, at }))
    }

    /// The error that `expected` does not come next.
    pub(super) fn expected(&self, expected: impl Display) -> FilterError {
        self.error(self.at, format!("expected {expected}, found {}", self.next_token()))
    }

    pub(super) fn error(&self, at: usize, message: impl Display) -> FilterError {
        FilterError::at(self.text, at, message)
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// The next token in words for a message.
    fn next_token(&self) -> String {
        let rest = self.rest();
        match rest.chars().next() {
            None => "the end of the filter".to_owned(),
            Some(c @ ('(' | ')')) => c.to_string(),
            Some(quote) if is_quote(quote) => excerpt(with_quotes(rest, quote)),
            Some(_) => excerpt(self.word()),
        }
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_ends_only_at_what_a_key_cannot_hold() {
        assert_eq!(Lexer::new(" \n[a],{b}\u{a0}=\\ c").word(), "[a],{b}\u{a0}=\\");
        for end in ["\t", "\r", "\n", " ", "\"", "'", "(", ")"] {
            assert_eq!(Lexer::new(&format!("key{end}x")).word(), "key");
        }
    }

    #[test]
    fn a_value_loses_its_quotes_and_escapes() {
        let value = |text| Lexer::new(text).take_value().unwrap().unwrap().text;
        assert_eq!(value(r#"'a"b'"#), r#"a"b"#);
        assert_eq!(value(r#""a\"\'\\\n\t\r\u0041" rest"#), "a\"'\\\n\t\rA");
        assert_eq!(value(r"'\uD83D\uDE00\u00e9'"), "😀é");
        assert_eq!(value("'two\nlines'"), "two\nlines");
    }

    #[test]
    fn no_value_is_taken_where_none_begins() {
        let mut lexer = Lexer::new("word 'x'");
        assert!(lexer.take_value().unwrap().is_none());
        assert_eq!(lexer.word(), "word");
    }

    #[test]
    fn a_found_value_is_shown_up_to_its_own_quote() {
        let found = |text| Lexer::new(text).next_token();
        assert_eq!(found(r#""a\"b\\" "c""#), r#""a\"b\\""#);
        assert_eq!(found("'open"), "'open");
        assert_eq!(found("(x"), "(");
    }
}
