//! What all texts from outside have in common: quoted values, where something is wrong, and how that is said. Knows no
//! grammar.

use std::fmt;

/// Something wrong in a text.
pub(crate) struct Fault {
    /// The byte where it begins; a character boundary.
    pub(crate) at: usize,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

/// Reads the value whose quote stands at byte `at`, without quotes and escapes, and the place behind it. `whole` is
/// what the text is called in a message.
pub(crate) fn quoted(text: &str, at: usize, whole: &str) -> Result<(String, usize), Fault> {
    let mut quoted = Quoted { text, at, whole };
    let quote = quoted.bump().unwrap_or('"');
    let mut value = String::new();
    loop {
        match quoted.bump() {
            Some(c) if c == quote => return Ok((value, quoted.at)),
            Some('\\') => value.push(quoted.escaped()?),
            Some(c) => value.push(c),
            None => {
                let message = format!(
                    "expected a closing {quote} for this value, found the end of the {whole}"
                );
                return Err(Fault::new(at, message));
            }
        }
    }
}

struct Quoted<'t> {
    text: &'t str,
    at: usize,
    whole: &'t str,
}

impl Quoted<'_> {
    fn bump(&mut self) -> Option<char> {
        let c = self.text[self.at..].chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// The character that an escape means; its backslash is already taken.
    fn escaped(&mut self) -> Result<char, Fault> {
        let start = self.at - 1;
        match self.bump() {
            Some(c @ ('\\' | '\'' | '"')) => Ok(c),
            Some('n') => Ok('\n'),
            Some('t') => Ok('\t'),
            Some('r') => Ok('\r'),
            Some('u') => self.utf16_escaped(start),
            Some(c) => Err(Fault::new(
                start,
                format!(r"unknown escape \{c} (a backslash itself is written \\)"),
            )),
            None => Err(Fault::new(
                start,
                format!(r"expected a character after \, found the end of the {}", self.whole),
            )),
        }
    }

    fn utf16_escaped(&mut self, start: usize) -> Result<char, Fault> {
        let first = self.code_unit(start)?;
        let pair = matches!(first, 0xD800..=0xDBFF) && self.text[self.at..].starts_with(r"\u");
        let second = if pair {
            self.at += r"\u".len();
            Some(self.code_unit(start)?)
        } else {
            None
        };
        match char::decode_utf16([first].into_iter().chain(second)).next() {
            Some(Ok(c)) => Ok(c),
            _ => Err(Fault::new(start, format!(r"\u{first:04X} is only half of a surrogate pair"))),
        }
    }

    fn code_unit(&mut self, start: usize) -> Result<u16, Fault> {
        let digits = self.text[self.at..]
            .get(..4)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(unit) = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()) else {
            return Err(Fault::new(start, r"expected four hexadecimal digits after \u"));
        };
        self.at += 4;
        Ok(unit)
    }
}

/// The beginning of `rest`, from one quote to the next that is not escaped.
pub(crate) fn with_quotes(rest: &str, quote: char) -> &str {
    let mut escaped = false;
    for (i, c) in rest.char_indices().skip(1) {
        if c == quote && !escaped {
            return &rest[..=i];
        }
        escaped = c == '\\' && !escaped;
    }
    rest
}

pub(crate) fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'')
}

/// The line and column of byte `offset` of `text`, both from 1, the column in characters.
pub(crate) fn place(text: &str, offset: usize) -> (u32, u32) {
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (one_based(before.matches('\n').count()), one_based(before[line_start..].chars().count()))
}

/// A message as it is sent: one line, and not too long.
pub(crate) fn one_line(message: impl fmt::Display) -> String {
    shorten(&message.to_string().replace(char::is_control, " "), MAX_MESSAGE)
}

/// The beginning of a piece of input, short enough to be quoted in a message.
pub(crate) fn excerpt(text: &str) -> String {
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

/// The longest message in bytes. Old clients misread the length of a text beyond 127 bytes.
const MAX_MESSAGE: usize = 119;

/// How many bytes of the input a message quotes at one place.
const MAX_EXCERPT: usize = 24;

const ELLIPSIS: &str = "...";
