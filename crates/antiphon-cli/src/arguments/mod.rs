//! Flags and values that several commands have.

pub(crate) mod connection;
pub(crate) mod environment;
pub(crate) mod server;
pub(crate) mod value;
