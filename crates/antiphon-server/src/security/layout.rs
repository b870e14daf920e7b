//! The security store as it stands in its file: TOML to contents and back. Reads and writes no files, checks no
//! passwords.
//!
//! The types here are the layout only; [`Contents`] is what it means. An error names the line but does not quote it,
//! since secrets stand in the file.

mod names;
mod tables;

use thiserror::Error;

use crate::config::suggestion::suggestion;
use crate::security::Contents;
use crate::security::layout::tables::File;

/// Why the text of a store is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{problem}")]
pub struct LayoutError {
    problem: String,
}

impl LayoutError {
    fn new(problem: impl Into<String>) -> Self {
        Self { problem: problem.into() }
    }

    fn at(text: &str, error: &toml::de::Error) -> Self {
        let mut problem = without_values(error.message());
        if let Some(known) = suggestion(error.message()) {
            problem.push_str(&format!("; did you mean `{known}`?"));
        }
        match error.span() {
            Some(span) => {
                let line = text[..span.start].matches('\n').count() + 1;
                Self::new(format!("line {line}: {problem}"))
            }
            None => Self::new(problem),
        }
    }
}

/// Reads the text of a store and checks all of it.
pub(super) fn read(text: &str) -> Result<Contents, LayoutError> {
    let file: File = toml::from_str(text).map_err(|error| LayoutError::at(text, &error))?;
    file.contents()
}

/// Writes the text of a store. Comments of an earlier text are not kept.
pub(super) fn write(contents: &Contents) -> Result<String, LayoutError> {
    let file = File::of(contents);
    let text = toml::to_string(&file).map_err(|error| LayoutError::new(error.to_string()))?;
    Ok(format!("{HEAD}{text}"))
}

/// Serde quotes a text where something else is expected; it could be a password in the wrong place.
fn without_values(message: &str) -> String {
    let Some((kind, rest)) = message.split_once(": string \"") else {
        return message.to_owned();
    };
    let expected =
        rest.rsplit_once(", expected ").map_or("something else", |(_, expected)| expected);
    format!("{kind}: a text, expected {expected}")
}

const HEAD: &str = "\
# Principals and roles of an Antiphon server. `antiphon principal`, `role` and `access` change it, and so may you: a
# running server takes changes over when it gets SIGHUP. Commands write the file anew, without your comments.

";

#[cfg(test)]
mod tests;
