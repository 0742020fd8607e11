//! libFuzzer's door to `bodies/hlog_import.rs`, which says what is held.
#![no_main]

#[path = "../bodies/hlog_import.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
