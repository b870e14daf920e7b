//! Commands as text that is read back as the same commands.

use std::fmt;
use std::fmt::Write as _;

/// A value between single quotes.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('\'')?;
        for c in self.0.chars() {
            if matches!(c, '\'' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
        }
        f.write_char('\'')
    }
}

/// A list between brackets.
pub(super) struct List<I>(pub(super) I);

impl<I: Iterator<Item: fmt::Display> + Clone> fmt::Display for List<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('[')?;
        for (index, item) in self.0.clone().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            item.fmt(f)?;
        }
        f.write_char(']')
    }
}

/// A list of values between single quotes.
pub(super) fn quoted<'a>(
    values: impl IntoIterator<Item = &'a std::sync::Arc<str>, IntoIter: Clone + 'a>,
) -> impl fmt::Display {
    List(values.into_iter().map(|value| Quoted(value)))
}
