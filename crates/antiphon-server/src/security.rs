//! Principals.
mod file;
pub mod password;
