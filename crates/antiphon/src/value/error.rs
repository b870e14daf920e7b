//! Why a value could not be read or written. It knows of no connection: a value can be wrong on its own.

use thiserror::Error;

/// Why a value could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The value is of a type that the wanted one does not take in.
    #[error("a value of type {} cannot be read as {wanted}", .found.escape_debug())]
    Incompatible {
        /// The type that came.
        found: String,
        /// The type that was asked for.
        wanted: &'static str,
    },
    /// The type that came is none of the known ones, and [`Value`](super::Value) was to tell which it is.
    #[error("the data type {} is not known", .found.escape_debug())]
    UnknownType {
        /// The type that came.
        found: String,
    },
    /// Null came, and the type that was asked for has no null.
    #[error("null came where a value of type {wanted} was wanted; ask for an Option to take nulls")]
    Null {
        /// The type that was asked for.
        wanted: &'static str,
    },
    /// The bytes are not a value of their type, or not of the shape that was asked for.
    #[error("the bytes of the {data_type} value cannot be read: {problem}")]
    Malformed {
        /// The type that came.
        data_type: &'static str,
        /// What is wrong with the bytes.
        problem: String,
    },
    /// The value has no form on the wire.
    #[error("the {data_type} value cannot be written: {problem}")]
    Unencodable {
        /// The type that was to be written.
        data_type: &'static str,
        /// Why not.
        problem: String,
    },
}

impl ValueError {
    /// Tells that a value of type `found` is not what was wanted, for [`DataType`](super::DataType)s of your own.
    #[must_use]
    pub fn incompatible(found: &str, wanted: &'static str) -> Self {
        Self::Incompatible { found: found.to_owned(), wanted }
    }

    /// Tells what is wrong with the bytes of a value.
    #[must_use]
    pub fn malformed(data_type: &'static str, problem: impl Into<String>) -> Self {
        Self::Malformed { data_type, problem: problem.into() }
    }

    /// Tells why a value cannot be written.
    #[must_use]
    pub fn unencodable(data_type: &'static str, problem: impl Into<String>) -> Self {
        Self::Unencodable { data_type, problem: problem.into() }
    }
}
