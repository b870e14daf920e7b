//! Why properties or keys are refused.

use thiserror::Error;

use crate::stats::Limit;

/// Why properties or keys are refused.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum PropertiesError {
    /// The key is empty or has a character that is not allowed.
    #[error(
        "property key {key:?} is empty or has a blank, line break, quote, parenthesis or comma"
    )]
    InvalidKey {
        /// The key.
        key: String,
    },
    /// The key is longer than `limit` bytes.
    #[error("property key {key:?}... is longer than {limit} bytes")]
    KeyTooLong {
        /// The start of the key.
        key: String,
        /// In bytes.
        limit: usize,
    },
    /// The value of `key` is longer than `limit` bytes.
    #[error("value of property {key:?} is longer than {limit} bytes")]
    ValueTooLong {
        /// The key.
        key: String,
        /// In bytes.
        limit: usize,
    },
    /// With `key` the session would have more than `limit` user properties.
    #[error(
        "property {key:?} would be one too many: a session has at most {limit} user properties"
    )]
    TooManyProperties {
        /// The key that does not fit.
        key: String,
        /// The most user properties of a session.
        limit: usize,
    },
    /// More than `limit` different keys are asked for.
    #[error("more than {limit} different property keys asked for")]
    TooManyKeys {
        /// The most keys.
        limit: usize,
    },
}

impl PropertiesError {
    /// The bound that is exceeded, if it is one that can be configured.
    pub fn limit(&self) -> Option<Limit> {
        match self {
            Self::ValueTooLong { .. } => Some(Limit::PropertySize),
            Self::TooManyProperties { .. } => Some(Limit::Properties),
            Self::InvalidKey { .. } | Self::KeyTooLong { .. } | Self::TooManyKeys { .. } => None,
        }
    }
}
