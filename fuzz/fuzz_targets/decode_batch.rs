//! The body of a POST from any bytes.
#![no_main]

use azimuth_measurement::codec::{decode_batch, encode_batch};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(batch) = decode_batch(bytes) {
        assert_eq!(decode_batch(&encode_batch(&batch)), Ok(batch));
    }
});
