//! libFuzzer's door to `bodies/throughput_text.rs`, which says what is held.
#![no_main]

#[path = "../bodies/throughput_text.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
