//! Who gets which message, and when.

pub mod access;
pub mod roles;
