//! libFuzzer's door to `bodies/decode_report.rs`, which says what is held.
#![no_main]

#[path = "../bodies/decode_report.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
