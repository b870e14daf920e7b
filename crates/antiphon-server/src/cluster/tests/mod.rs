//! Nodes in one process, and a link whose other end does what a test says.

mod endless;
#[cfg(feature = "cluster")]
mod over_zenoh;
