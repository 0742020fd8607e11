//! libFuzzer's door to `bodies/report_body.rs`, which says what is held.
#![no_main]

#[path = "../bodies/report_body.rs"]
mod body;
#[path = "../bodies/collector.rs"]
mod collector;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    body::run(bytes);
});
