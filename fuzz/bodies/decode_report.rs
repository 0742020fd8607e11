//! Reports and manifests from any bytes, both as the frame and as what is inside the frame. What is accepted must encode to
//! something that decodes to itself.

use azimuth_measurement::codec::{decode_manifest, decode_report, encode_manifest, encode_report};

/// One input.
pub(crate) fn run(bytes: &[u8]) {
    let _ = decode_report(bytes);
    let _ = decode_manifest(bytes);
    let Ok(frame) = zstd::bulk::compress(bytes, 1) else {
        return;
    };
    if let Ok(report) = decode_report(&frame) {
        assert_eq!(decode_report(&encode_report(&report)), Ok(report));
    }
    if let Ok((manifest, _)) = decode_manifest(&frame) {
        assert_eq!(
            decode_manifest(&encode_manifest(&manifest)).map(|(again, _)| again),
            Ok(manifest)
        );
    }
}
