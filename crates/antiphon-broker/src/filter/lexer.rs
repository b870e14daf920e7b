//! Cuts filter text into words, values and marks, as the parser asks for them.
//!
//! It has no stream of tokens, because what a character means depends on the place: `[a,b]` is a key
//! where a clause begins, and a list where a value is due. It knows no grammar.

use std::fmt::Display;

use super::error::FilterError;
use super::error::excerpt;

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
        let Some(quote) = self.rest().chars().next().filter(|c| is_quote(*c)) else {
            return Ok(None);
        };
        self.at += quote.len_utf8();
        let mut text = String::new();
        loop {
            match self.bump() {
                Some(c) if c == quote => break,
                Some('\\') => text.push(self.escaped()?),
                Some(c) => text.push(c),
                None => return Err(self.unclosed(at, quote)),
            }
        }
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

    fn unclosed(&self, at: usize, quote: char) -> FilterError {
        let message =
            format!("expected a closing {quote} for this value, found the end of the filter");
        self.error(at, message)
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// The character that an escape means; its backslash is already taken.
    fn escaped(&mut self) -> Result<char, FilterError> {
        let start = self.at - 1;
        match self.bump() {
            Some(c @ ('\\' | '\'' | '"')) => Ok(c),
            Some('n') => Ok('\n'),
            Some('t') => Ok('\t'),
            Some('r') => Ok('\r'),
            Some('u') => self.utf16_escaped(start),
            Some(c) => Err(self
                .error(start, format!(r"unknown escape \{c} (a backslash itself is written \\)"))),
            None => {
                Err(self.error(start, r"expected a character after \, found the end of the filter"))
            }
        }
    }

    fn utf16_escaped(&mut self, start: usize) -> Result<char, FilterError> {
        let first = self.code_unit(start)?;
        let pair = matches!(first, 0xD800..=0xDBFF) && self.rest().starts_with(r"\u");
        let second = if pair {
            self.at += r"\u".len();
            Some(self.code_unit(start)?)
        } else {
            None
        };
        match char::decode_utf16([first].into_iter().chain(second)).next() {
            Some(Ok(c)) => Ok(c),
            _ => Err(self.error(start, format!(r"\u{first:04X} is only half of a surrogate pair"))),
        }
    }

    fn code_unit(&mut self, start: usize) -> Result<u16, FilterError> {
        let digits =
            self.rest().get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(unit) = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()) else {
            return Err(self.error(start, r"expected four hexadecimal digits after \u"));
        };
        self.at += 4;
        Ok(unit)
    }

    /// The next token in words for a message.
    fn next_token(&self) -> String {
        let rest = self.rest();
        match rest.chars().next() {
            None => "the end of the filter".to_owned(),
            Some(c @ ('(' | ')')) => c.to_string(),
            Some(quote) if is_quote(quote) => excerpt(quoted(rest, quote)),
            Some(_) => excerpt(self.word()),
        }
    }
}

/// The beginning of `rest` from one quote to the next that is not escaped.
fn quoted(rest: &str, quote: char) -> &str {
    let mut escaped = false;
    for (i, c) in rest.char_indices().skip(1) {
        if c == quote && !escaped {
            return &rest[..=i];
        }
        escaped = c == '\\' && !escaped;
    }
    rest
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'')
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
