//! libFuzzer's door to `bodies/stamp_request.rs`, which says what is held.
#![no_main]

#[path = "../bodies/stamp_request.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
