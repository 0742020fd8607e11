//! libFuzzer's door to `bodies/spool_segment.rs`, which says what is held.
#![no_main]

#[path = "../bodies/spool_segment.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
