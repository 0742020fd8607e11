//! libFuzzer's door to `bodies/icmp_message.rs`, which says what is held.
#![no_main]

#[path = "../bodies/icmp_message.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
