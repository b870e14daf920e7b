//! The check that bytes are exactly one CBOR item.

mod generated;
#[path = "../hex/mod.rs"]
mod hex;
mod ill_formed;
mod nesting;
mod well_formed;
