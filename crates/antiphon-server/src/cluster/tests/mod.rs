//! Nodes in one process.

#[cfg(feature = "cluster")]
mod over_zenoh;
