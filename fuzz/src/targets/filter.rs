//! The session filter language: a filter answers for any session, and an error points into the text.

use antiphon_broker::filter::Attributes;
use antiphon_broker::filter::Filter;

/// A filter.
///
/// # Panics
/// If an error points elsewhere, or is longer than old clients can read.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Filter::parse(text) {
        Ok(filter) => {
            for value in ["", "FR", text.get(..text.len().min(8)).unwrap_or("ä")] {
                let _ = filter.matches(&Session { value });
            }
        }
        Err(error) => {
            let line = text.split('\n').nth(error.line() as usize - 1).expect("a line of the text");
            assert!(error.column() as usize <= line.chars().count() + 1, "{error}");
            assert!(error.message().len() < 120, "{error}");
        }
    }
}

/// A session all of whose properties have one value.
struct Session<'v> {
    value: &'v str,
}

impl Attributes for Session<'_> {
    fn property(&self, key: &str) -> Option<&str> {
        (!key.is_empty()).then_some(self.value)
    }

    fn has_role(&self, role: &str) -> bool {
        role == self.value
    }

    fn role_count(&self) -> usize {
        1
    }
}
