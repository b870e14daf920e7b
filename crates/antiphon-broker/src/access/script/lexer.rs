//! Cuts a script into words, values and marks, as the parser asks for them. Knows no command.

use crate::reading::Fault;
use crate::reading::excerpt;
use crate::reading::is_quote;
use crate::reading::quoted;
use crate::reading::with_quotes;

/// A place in a script: at a token, at the end of a line, or at the end.
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    /// The first command.
    pub(super) fn new(text: &'t str) -> Self {
        let mut lexer = Self { text, at: 0 };
        lexer.skip_lines();
        lexer
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn at_end(&self) -> bool {
        self.rest().is_empty()
    }

    /// Whether nothing more stands on this line.
    pub(super) fn at_line_end(&self) -> bool {
        self.at_end() || self.rest().starts_with('\n')
    }

    /// Goes on to the first token after this line end.
    pub(super) fn skip_lines(&mut self) {
        self.skip_blanks();
        while self.rest().starts_with('\n') {
            self.at += 1;
            self.skip_blanks();
        }
    }

    /// Goes on to the first token on a line below that of `place`, wherever the reading has come to.
    pub(super) fn skip_line_of(&mut self, place: usize) {
        self.at = place;
        self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        self.skip_lines();
    }

    /// The word that begins here, in any case; empty if there is none.
    pub(super) fn word(&self) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        &rest[..end.unwrap_or(rest.len())]
    }

    /// Takes this word in any case, if it comes next.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let found = self.word().eq_ignore_ascii_case(word);
        if found {
            self.advance(word.len());
        }
        found
    }

    /// Takes these words in any case.
    pub(super) fn words(&mut self, words: &[&str]) -> Result<(), Fault> {
        match words.iter().find(|word| !self.take(word)) {
            Some(missing) => Err(self.expected(missing)),
            None => Ok(()),
        }
    }

    /// Takes a quoted value; `what` it is, is said if there is none.
    pub(super) fn value(&mut self, what: &str) -> Result<String, Fault> {
        if !self.rest().starts_with(is_quote) {
            return Err(self.expected(what));
        }
        let (value, end) = quoted(self.text, self.at, "script")?;
        self.at = end;
        self.skip_blanks();
        Ok(value)
    }

    /// Takes a list, which may go over several lines; `item` takes one item of it.
    pub(super) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        if !self.at_list() {
            return Err(self.expected("["));
        }
        let mut items = Vec::new();
        self.mark();
        while !self.rest().starts_with(']') {
            items.push(item(self)?);
            self.skip_lines();
            if self.rest().starts_with(',') {
                self.mark();
            }
        }
        self.advance(1);
        Ok(items)
    }

    pub(super) fn at_list(&self) -> bool {
        self.rest().starts_with('[')
    }

    /// Takes a word where one of those that `find` knows is due.
    pub(super) fn known<T>(
        &mut self,
        what: &str,
        find: impl Fn(&str) -> Option<T>,
    ) -> Result<T, Fault> {
        let word = self.word();
        let Some(found) = find(word) else {
            return Err(self.expected(what));
        };
        self.advance(word.len());
        Ok(found)
    }

    /// The fault that `expected` does not come next.
    pub(super) fn expected(&self, expected: &str) -> Fault {
        Fault::new(self.at, format!("expected {expected}, found {}", self.found()))
    }

    fn found(&self) -> String {
        let rest = self.rest();
        match rest.chars().next() {
            None => "the end of the script".to_owned(),
            Some('\n') => "the end of the line".to_owned(),
            // What is quoted may be a password.
            Some(quote) if is_quote(quote) => {
                let length = with_quotes(rest, quote).chars().count();
                format!("a value of {} characters", length.saturating_sub(2))
            }
            Some(c) if self.word().is_empty() => c.to_string(),
            Some(_) => excerpt(self.word()),
        }
    }

    /// Takes a mark, and line ends after it.
    fn mark(&mut self) {
        self.at += 1;
        self.skip_lines();
    }

    fn advance(&mut self, length: usize) {
        self.at += length;
        self.skip_blanks();
    }

    /// Skips blanks, and a comment up to the end of its line.
    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at = self.text.len() - rest.trim_start_matches([' ', '\t', '\r']).len();
        if self.rest().starts_with('#') {
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }
}
