//! libFuzzer's door to `bodies/alert_input.rs`, which says what is held.
#![no_main]

#[path = "../bodies/alert_input.rs"]
mod body;
#[path = "../bodies/collector.rs"]
mod collector;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    body::run(bytes);
});
