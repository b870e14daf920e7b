//! Who gets which message, and when.

pub mod filter;
