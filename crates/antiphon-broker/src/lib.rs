//! Who gets which message, and when.

pub mod access;
pub mod properties;
pub mod roles;
