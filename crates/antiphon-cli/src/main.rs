//! The binary `antiphon`.

fn main() {}
