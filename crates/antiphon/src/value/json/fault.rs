//! What serde's traits report here, in words. It never leaves this module but as a problem of a `ValueError`.

use std::convert::Infallible;
use std::fmt::Display;

use thiserror::Error;

#[derive(Debug, Error)]
#[error("{0}")]
pub(super) struct Fault(pub(super) String);

impl Fault {
    pub(super) fn new(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }
}

impl serde::ser::Error for Fault {
    fn custom<T: Display>(problem: T) -> Self {
        Self(problem.to_string())
    }
}

impl serde::de::Error for Fault {
    fn custom<T: Display>(problem: T) -> Self {
        Self(problem.to_string())
    }
}

impl From<minicbor::decode::Error> for Fault {
    fn from(error: minicbor::decode::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<minicbor::encode::Error<Infallible>> for Fault {
    fn from(error: minicbor::encode::Error<Infallible>) -> Self {
        Self(error.to_string())
    }
}
