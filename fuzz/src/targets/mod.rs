//! The targets: everything that bytes from outside can reach.

pub mod broker;
pub mod configuration;
pub mod filter;
pub mod frame;
pub mod handshake;
pub mod message;
pub mod response;
pub mod script;
pub mod service;
pub mod value;

/// A target by its name.
pub type Target = (&'static str, fn(&[u8]));

/// All targets. `fuzz_targets/` has a file for each.
pub const ALL: &[Target] = &[
    ("broker", broker::run),
    ("configuration", configuration::run),
    ("filter", filter::run),
    ("frame", frame::run),
    ("handshake", handshake::run),
    ("message", message::run),
    ("response", response::run),
    ("script", script::run),
    ("service", service::run),
    ("value", value::run),
];
