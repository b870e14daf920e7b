//! libFuzzer's way into [`antiphon_fuzz::targets::script`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| antiphon_fuzz::targets::script::run(bytes));
