//! A histogram from any bytes: what is accepted is canonical, and merging it gives it back.

use azimuth_measurement::{Accumulator, DelayHistogram};

/// One input.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(histogram) = DelayHistogram::from_bytes(bytes) else {
        return;
    };
    assert_eq!(histogram.as_bytes(), bytes);
    let mut accumulator = Accumulator::new();
    assert!(accumulator.add(&histogram).is_ok());
    assert_eq!(accumulator.to_histogram(), Ok(histogram));
}
