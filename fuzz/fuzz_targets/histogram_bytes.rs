//! libFuzzer's door to `bodies/histogram_bytes.rs`, which says what is held.
#![no_main]

#[path = "../bodies/histogram_bytes.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
