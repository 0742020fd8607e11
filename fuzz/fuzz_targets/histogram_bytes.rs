//! A histogram from any bytes: what is accepted is canonical, and merging it gives it back.
#![no_main]

use azimuth_measurement::{Accumulator, DelayHistogram};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(histogram) = DelayHistogram::from_bytes(bytes) else { return };
    assert_eq!(histogram.as_bytes(), bytes);
    let mut accumulator = Accumulator::new();
    assert!(accumulator.add(&histogram).is_ok());
    assert_eq!(accumulator.to_histogram(), Ok(histogram));
});
