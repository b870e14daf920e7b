//! Flags and values that several commands have.

pub(crate) mod connection;
pub(crate) mod environment;
pub(crate) mod new_password;
pub(crate) mod span;
pub(crate) mod store;
pub(crate) mod value;
