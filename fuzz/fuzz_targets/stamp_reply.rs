//! libFuzzer's door to `bodies/stamp_reply.rs`, which says what is held.
#![no_main]

#[path = "../bodies/stamp_reply.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
