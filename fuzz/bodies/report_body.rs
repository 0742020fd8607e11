//! Any bytes as the body of `POST /api/v1/reports`: a verdict for each item or a refusal of the whole, never a fault of
//! ours, and what is stored once is a duplicate the next time. The first byte chooses what the rest is: the body itself, or
//! the inside of a report or a manifest, which the fuzzer would never get compressed.

use azimuth_measurement::codec::{Batch, BatchItem, decode_batch, encode_batch, encode_manifest};

use super::collector::{World, known};

fn compressed(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 1).unwrap_or_default()
}

fn body(kind: u8, bytes: &[u8]) -> Vec<u8> {
    match kind % 3 {
        0 => bytes.to_vec(),
        1 => encode_batch(&Batch {
            manifests: vec![encode_manifest(&known())],
            items: vec![BatchItem::Report {
                age_ms: 1_000,
                age_uncertain: false,
                frame: compressed(bytes),
            }],
        }),
        // The manifest first, its length in two bytes, then a report of it.
        _ => {
            let (length, rest) = bytes.split_at(bytes.len().min(2));
            let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            let (manifest, report) = rest.split_at(length.min(rest.len()));
            encode_batch(&Batch {
                manifests: vec![compressed(manifest)],
                items: vec![BatchItem::Report {
                    age_ms: 1_000,
                    age_uncertain: false,
                    frame: compressed(report),
                }],
            })
        }
    }
}

fn verdicts(answer: &[u8]) -> Vec<String> {
    let answer: serde_json::Value = serde_json::from_slice(answer).expect("verdicts");
    let all = answer["verdicts"].as_array().expect("verdicts");
    let word = |verdict: &serde_json::Value| verdict["verdict"].as_str().expect("a word").to_owned();
    all.iter().map(word).collect()
}

/// One input; the status of the first answer, if there was one.
pub(crate) fn run(bytes: &[u8]) -> Option<u16> {
    let (kind, bytes) = bytes.split_first()?;
    let body = body(*kind, bytes);
    let (status, answer) = World::get().post(body.clone());
    let items = decode_batch(&body).map(|batch| batch.items.len());
    match status {
        200 => {
            let first = verdicts(&answer);
            assert_eq!(Ok(first.len()), items);
            let (status, answer) = World::get().post(body);
            assert_eq!(status, 200);
            for (before, after) in first.iter().zip(verdicts(&answer)) {
                // In one body the same sequence may come twice, so that its second verdict already says duplicate.
                if before == "stored" || before == "duplicate" {
                    assert_eq!(after, "duplicate");
                }
            }
        }
        400 | 413 => {
            let problem: serde_json::Value = serde_json::from_slice(&answer).expect("problem details");
            assert!(problem["reason"].is_string());
        }
        other => panic!("{other}"),
    }
    Some(status)
}
