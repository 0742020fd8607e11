//! The body of a POST from any bytes.

use azimuth_measurement::codec::{decode_batch, encode_batch};

/// One input.
pub(crate) fn run(bytes: &[u8]) {
    if let Ok(batch) = decode_batch(bytes) {
        assert_eq!(decode_batch(&encode_batch(&batch)), Ok(batch));
    }
}
