//! libFuzzer's door to `bodies/query_parameters.rs`, which says what is held.
#![no_main]

#[path = "../bodies/query_parameters.rs"]
mod body;
#[path = "../bodies/collector.rs"]
mod collector;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    body::run(bytes);
});
