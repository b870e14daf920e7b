//! What must hold of bytes that nobody wrote: no panic, no allocation of what they merely declare, and what a module of
//! [`targets`] says besides.
//!
//! Each target takes any bytes. libFuzzer calls it with bytes that reach new code (`cargo fuzz`, see `docs/testing.md`);
//! `cargo test -p antiphon-fuzz` calls it with [`seeds`] and with random damage to them. Both find a broken promise by
//! a panic.

#![forbid(unsafe_code)]

pub mod seeds;
pub mod targets;
