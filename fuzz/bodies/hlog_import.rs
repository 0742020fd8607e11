//! Any bytes as an HdrHistogram interval log, and as one V2 histogram: never a panic, and what is accepted survives being
//! written and read again.

use azimuth_measurement::interchange::{LogReader, v2};

/// One input.
pub(crate) fn run(bytes: &[u8]) {
    let mut reader = LogReader::new();
    for line in bytes.split(|&byte| byte == b'\n') {
        let _ = reader.line(line);
    }
    if let Ok(histogram) = v2::decode(bytes) {
        assert_eq!(v2::decode(&v2::encode_compressed(&histogram)), Ok(histogram));
    }
}
