//! The Rust SDK of Antiphon.

pub mod value;
