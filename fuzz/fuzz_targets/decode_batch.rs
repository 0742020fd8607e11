//! libFuzzer's door to `bodies/decode_batch.rs`, which says what is held.
#![no_main]

#[path = "../bodies/decode_batch.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
