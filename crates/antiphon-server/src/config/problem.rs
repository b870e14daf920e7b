//! What is wrong with a configuration, where, and what to do about it.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Source {
    /// Nobody has said anything.
    #[default]
    Default,
    /// A place in the file.
    File {
        /// The file; empty for text that is in no file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {problem}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        problem: String,
    },
    /// The file is not TOML.
    #[error("the file is not TOML: {problem}")]
    Malformed {
        /// What is wrong.
        problem: String,
    },
    /// There is no such key.
    #[error("unknown key {key}; {}", did_you_mean(nearest.as_deref()))]
    Unknown {
        /// The key, with its table.
        key: String,
        /// The key that was probably meant.
        nearest: Option<String>,
    },
    /// A value makes no sense.
    #[error("{key} {problem}; {fix}")]
    Invalid {
        /// The key, with its table.
        key: String,
        /// What is wrong with its value.
        problem: String,
        /// What to do.
        fix: String,
    },
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where the value came from that is wrong.
    pub source: Source,
    /// What is wrong.
    pub error: ConfigError,
}

/// Why a configuration is refused: all that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct Refused {
    /// Never none. In the order of the file, then of the environment and the flags, then of the keys.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// The key that it is about.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Unknown { key, .. } | Self::Invalid { key, .. } => Some(key),
            Self::Unreadable { .. } | Self::Malformed { .. } => None,
        }
    }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    match nearest {
        Some(known) => format!("did you mean {known}?"),
        None => "`antiphon config default` shows all keys".to_owned(),
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, column } if path.as_os_str().is_empty() => {
                write!(f, "line {line}, column {column}")
            }
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Environment(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Default => write!(f, "{}", self.error),
            source => write!(f, "{source}: {}", self.error),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.problems.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}
