//! From the bytes of a POST to items that may be stored: every check there is, before anything is stored. Pure: handed
//! the receive time and what is known.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::StatusCode;
use azimuth_measurement::codec::{self, BatchItem, CodecError};
use azimuth_measurement::{
    AgentId, Interval, Manifest, ManifestId, PathEvent, Report, ThroughputResult, Tombstone,
};

use super::placement::{TOLERATED_SKEW_MS, place, plausible_age_ms, shift};
use super::skew::Skews;
use super::verdict::{Verdict, VerdictKind};
use crate::problem::Problem;
use crate::store::{Dictionary, Item, VerifiedManifest, VerifiedReport};

/// A body that was read to its end.
#[derive(Debug)]
pub struct Examined {
    /// Manifests that came along.
    pub manifests: Vec<VerifiedManifest>,
    /// One per item of the body, in order.
    pub items: Vec<Finding>,
}

impl Examined {
    /// Of whom it says something that would be stored.
    pub fn agents(&self) -> impl Iterator<Item = &AgentId> {
        let items = self.items.iter().filter_map(|finding| match finding {
            Finding::Sound(sound) => Some(match &sound.item {
                Item::Report(report) => &report.agent,
                Item::Tombstone(tombstone) => &tombstone.agent,
            }),
            Finding::Unsound(_) => None,
        });
        self.manifests
            .iter()
            .map(|offer| &offer.manifest.agent)
            .chain(items)
    }
}

/// What the examination of one item came to.
#[derive(Debug)]
pub enum Finding {
    /// It may be stored.
    Sound(Box<SoundItem>),
    /// It may not; this is the answer.
    Unsound(Verdict),
}

/// An item that may be stored.
#[derive(Debug)]
pub struct SoundItem {
    /// For the store.
    pub item: Item,
    /// Histograms it brings.
    pub histograms: u64,
}

/// Examines the body of a POST.
///
/// # Errors
/// A problem with the body as a whole: it is not a batch, or one of its manifests is not a manifest.
pub fn examine(
    body: &[u8],
    known: &Dictionary,
    last_skews: &Skews,
    received_at_unix_ms: u64,
) -> Result<Examined, Problem> {
    let batch = codec::decode_batch(body).map_err(|error| body_fault("the body", &error))?;
    let mut manifests = Vec::with_capacity(batch.manifests.len());
    for (position, frame) in batch.manifests.into_iter().enumerate() {
        let (manifest, id) = codec::decode_manifest(&frame)
            .map_err(|error| body_fault(&format!("manifest {position} of the body"), &error))?;
        manifests.push(VerifiedManifest {
            id,
            manifest: Arc::new(manifest),
            frame,
        });
    }
    let offered: HashMap<(&AgentId, ManifestId), &Manifest> = manifests
        .iter()
        .map(|offer| ((&offer.manifest.agent, offer.id), offer.manifest.as_ref()))
        .collect();
    let mut skews: HashMap<AgentId, i64> = HashMap::new();
    let mut items: Vec<Finding> = Vec::with_capacity(batch.items.len());
    let mut tombstones = Vec::new();
    for (position, item) in batch.items.into_iter().enumerate() {
        match item {
            BatchItem::Report {
                age_ms,
                age_uncertain,
                frame,
            } => {
                let age = (age_ms, age_uncertain);
                let finding = examine_report(frame, age, received_at_unix_ms, known, &offered)
                    .map(|(report, histograms)| {
                        skews.insert(report.agent.clone(), report.clock_skew_ms);
                        Finding::Sound(Box::new(SoundItem {
                            item: Item::Report(report),
                            histograms,
                        }))
                    })
                    .unwrap_or_else(|verdict| Finding::Unsound(*verdict));
                items.push(finding);
            }
            BatchItem::Tombstone(tombstone) => tombstones.push((position, tombstone)),
        }
    }
    // Last, because a tombstone's times are by its agent's clock, and only a report tells how far off that is: one in this
    // body, or the last before it.
    for (position, tombstone) in tombstones {
        let skew_ms = skews
            .get(&tombstone.agent)
            .copied()
            .unwrap_or_else(|| last_skews.last(&tombstone.agent));
        let item = Item::Tombstone(on_our_time_line(tombstone, skew_ms, received_at_unix_ms));
        items.insert(
            position,
            Finding::Sound(Box::new(SoundItem { item, histograms: 0 })),
        );
    }
    Ok(Examined { manifests, items })
}

fn body_fault(what: &str, error: &CodecError) -> Problem {
    let status = match error {
        CodecError::TooLarge { .. } | CodecError::TooMany { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    };
    Problem::new(status, error.reason(), format!("{what}: {error}"))
}

fn on_our_time_line(tombstone: Tombstone, skew_ms: i64, received_at_unix_ms: u64) -> Tombstone {
    let at_unix_ms = |skew_ms| {
        let moved = |at_unix_ms| shift(at_unix_ms, skew_ms);
        (moved(tombstone.start_unix_ms), moved(tombstone.end_unix_ms))
    };
    let (mut start_unix_ms, mut end_unix_ms) = at_unix_ms(skew_ms);
    // Nothing is given up before its time: a gap that is not over says that the clock is ahead, and at least how far.
    let ahead_ms = end_unix_ms.saturating_sub(received_at_unix_ms);
    if ahead_ms > TOLERATED_SKEW_MS {
        start_unix_ms = start_unix_ms.saturating_sub(ahead_ms);
        end_unix_ms = received_at_unix_ms;
    }
    Tombstone {
        start_unix_ms,
        end_unix_ms,
        ..tombstone
    }
}

fn examine_report(
    frame: Vec<u8>,
    (age_ms, age_uncertain): (u64, bool),
    received_at_unix_ms: u64,
    known: &Dictionary,
    offered: &HashMap<(&AgentId, ManifestId), &Manifest>,
) -> Result<(VerifiedReport, u64), Box<Verdict>> {
    let report = codec::decode_report(&frame).map_err(|error| {
        let problem = Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            error.reason(),
            error.to_string(),
        );
        Box::new(Verdict {
            sequence: None,
            epoch: None,
            verdict: VerdictKind::Refused,
            problem: Some(problem),
            refused_records: None,
        })
    })?;
    let unsound = |verdict, status, reason, detail: String| {
        let problem = Some(Problem::new(status, reason, detail));
        Box::new(Verdict {
            sequence: Some(report.sequence),
            epoch: Some(report.epoch),
            verdict,
            problem,
            refused_records: None,
        })
    };
    let refused = |reason, detail| {
        unsound(
            VerdictKind::Refused,
            StatusCode::UNPROCESSABLE_ENTITY,
            reason,
            detail,
        )
    };

    let manifest = offered
        .get(&(&report.agent, report.manifest))
        .copied()
        .or_else(|| {
            known
                .manifest_of(&report.agent, report.manifest)
                .map(|known| known.manifest.as_ref())
        });
    let Some(manifest) = manifest else {
        return Err(match offered.keys().find(|(_, id)| *id == report.manifest) {
            Some((other, _)) => refused(
                "agent_mismatch",
                format!(
                    "the report is from agent {}, its manifest from agent {other}",
                    report.agent
                ),
            ),
            None => unsound(
                VerdictKind::ManifestWanted,
                StatusCode::PRECONDITION_REQUIRED,
                "manifest_unknown",
                format!(
                    "manifest {:016x} of agent {} is not known here; send the report again with it",
                    report.manifest.0, report.agent
                ),
            ),
        });
    };
    // Records ascend, so the last one names the highest series.
    let series = manifest.series.len();
    if let Some(record) = report
        .records
        .last()
        .filter(|record| record.series as usize >= series)
    {
        let detail = format!(
            "a record names series {}, the manifest has {series}",
            record.series
        );
        return Err(refused("series_out_of_range", detail));
    }
    if let Some(event) = report.paths.iter().find(|event| event.series as usize >= series) {
        let detail = format!(
            "a path event names series {}, the manifest has {series}",
            event.series
        );
        return Err(refused("series_out_of_range", detail));
    }
    if let Some(result) = report
        .throughput
        .iter()
        .find(|result| result.series as usize >= series)
    {
        let detail = format!(
            "a throughput result names series {}, the manifest has {series}",
            result.series
        );
        return Err(refused("series_out_of_range", detail));
    }
    let age_ms = if age_uncertain {
        plausible_age_ms(report.interval, age_ms, received_at_unix_ms)
    } else {
        age_ms
    };
    let Some(placement) = place(report.interval, age_ms, received_at_unix_ms) else {
        return Err(refused(
            "age_out_of_range",
            format!("an age of {age_ms} ms is more than 366 days"),
        ));
    };
    let (report, histograms) = verified(report, frame, placement, received_at_unix_ms);
    let report = VerifiedReport {
        age_uncertain,
        ..report
    };
    Ok((report, histograms))
}

fn verified(
    report: Report,
    frame: Vec<u8>,
    placement: super::placement::Placement,
    received_at_unix_ms: u64,
) -> (VerifiedReport, u64) {
    let histograms = report
        .records
        .iter()
        .map(|record| record.delays.len() as u64)
        .sum();
    let verified = VerifiedReport {
        paths: placed_paths(&report, placement.interval),
        throughput: placed_results(&report, placement.interval),
        send_lateness_p99_us: quantile_us(&report.health.send_lateness, 0.99),
        plan: report.health.plan,
        agent: report.agent,
        epoch: report.epoch,
        sequence: report.sequence,
        manifest: report.manifest,
        placed: placement.interval,
        age_uncertain: false,
        received_at_unix_ms,
        clock_skew_ms: placement.clock_skew_ms,
        frame,
    };
    (verified, histograms)
}

/// The path events on our time line.
fn placed_paths(report: &Report, placed: Interval) -> Vec<PathEvent> {
    let events = report.paths.iter().map(|event| PathEvent {
        at_unix_ms: placed_at(report, placed, event.at_unix_ms),
        ..event.clone()
    });
    events.collect()
}

/// The throughput results on our time line.
fn placed_results(report: &Report, placed: Interval) -> Vec<ThroughputResult> {
    let results = report.throughput.iter().map(|result| ThroughputResult {
        at_unix_ms: placed_at(report, placed, result.at_unix_ms),
        ..result.clone()
    });
    results.collect()
}

/// A time of a report on our time line: moved as its interval was. Events belong to it or to one shortly before, and no made-up
/// time may put them elsewhere.
fn placed_at(report: &Report, placed: Interval, at_unix_ms: u64) -> u64 {
    const EARLIEST_MS: u64 = 3_600_000;
    let (start_unix_ms, end_unix_ms) = (placed.start_unix_ms(), placed.end_unix_ms());
    let before_ms = report.interval.start_unix_ms().saturating_sub(at_unix_ms);
    let after_ms = at_unix_ms.saturating_sub(report.interval.start_unix_ms());
    let at_unix_ms = start_unix_ms.saturating_add(after_ms).saturating_sub(before_ms);
    at_unix_ms.clamp(start_unix_ms.saturating_sub(EARLIEST_MS), end_unix_ms)
}

/// Nearest rank in one sparse histogram, without the dense accumulator that merging needs.
fn quantile_us(histogram: &azimuth_measurement::DelayHistogram, quantile: f64) -> Option<u32> {
    let rank = (quantile * histogram.count() as f64).ceil() as u64;
    let mut seen = 0;
    histogram.bins().find_map(|(bucket, count)| {
        seen += count;
        (seen >= rank.max(1)).then(|| bucket.middle_us())
    })
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::codec::{Batch, encode_batch, encode_manifest, encode_report};
    use azimuth_measurement::{Accumulator, DelayHistogram, LossCause, ProbeCounts};
    use proptest::prelude::*;

    use super::*;
    use crate::store::conformance::{T0, agent, manifest_of, report_of};

    const RECEIVED: u64 = T0 + 12_000;

    fn body(manifests: &[&Manifest], reports: &[(u64, &Report)]) -> Vec<u8> {
        encode_batch(&Batch {
            manifests: manifests
                .iter()
                .map(|manifest| encode_manifest(manifest))
                .collect(),
            items: reports
                .iter()
                .map(|(age_ms, report)| BatchItem::Report {
                    age_ms: *age_ms,
                    age_uncertain: false,
                    frame: encode_report(report),
                })
                .collect(),
        })
    }

    fn only_finding(body: &[u8]) -> Finding {
        let mut examined =
            examine(body, &Dictionary::default(), &Skews::default(), RECEIVED).expect("a batch");
        assert_eq!(examined.items.len(), 1);
        examined.items.remove(0)
    }

    fn reason(finding: &Finding) -> (VerdictKind, &'static str) {
        match finding {
            Finding::Sound(_) => (VerdictKind::Stored, ""),
            Finding::Unsound(verdict) => (verdict.verdict, verdict.problem.as_ref().expect("why").reason()),
        }
    }

    #[test]
    fn a_sound_report_is_placed_and_counted() {
        let manifest = manifest_of("one", 2);
        let finding = only_finding(&body(
            &[&manifest],
            &[(2_000, &report_of(&manifest, 7, 0, &[500]))],
        ));
        let Finding::Sound(sound) = finding else {
            panic!("{finding:?}")
        };
        assert_eq!(sound.histograms, 2);
        let Item::Report(report) = sound.item else {
            panic!("a report")
        };
        assert_eq!(
            (
                report.sequence,
                report.placed.start_unix_ms(),
                report.clock_skew_ms
            ),
            (7, T0, 0)
        );
    }

    #[test]
    fn each_fault_has_its_verdict_and_reason() {
        let (one, two) = (manifest_of("one", 1), manifest_of("two", 1));
        let sound = report_of(&one, 1, 0, &[500]);
        let of_two = Report {
            manifest: two.id(),
            ..sound.clone()
        };
        let wide = Report {
            manifest: one.id(),
            ..report_of(&manifest_of("one", 2), 1, 0, &[500])
        };
        let mut counts = sound.clone();
        counts.records[0].counts = ProbeCounts {
            sent: 9,
            returned: 5,
            ..ProbeCounts::default()
        };
        let cases = [
            (
                body(&[], &[(0, &sound)]),
                (VerdictKind::ManifestWanted, "manifest_unknown"),
            ),
            (
                body(&[&two], &[(0, &of_two)]),
                (VerdictKind::Refused, "agent_mismatch"),
            ),
            (
                body(&[&one], &[(0, &wide)]),
                (VerdictKind::Refused, "series_out_of_range"),
            ),
            (
                body(&[&one], &[(u64::MAX, &sound)]),
                (VerdictKind::Refused, "age_out_of_range"),
            ),
            (
                body(&[&one], &[(0, &counts)]),
                (VerdictKind::Refused, "contradictory_counts"),
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(reason(&only_finding(&body)), expected);
        }
        let garbage = Batch {
            items: vec![BatchItem::Report {
                age_ms: 0,
                age_uncertain: false,
                frame: vec![7; 40],
            }],
            ..Batch::default()
        };
        assert_eq!(
            reason(&only_finding(&encode_batch(&garbage))),
            (VerdictKind::Refused, "bad_compression")
        );
    }

    #[test]
    fn a_body_that_is_no_batch_is_a_problem_as_a_whole() {
        let fault = |body: &[u8]| {
            examine(body, &Dictionary::default(), &Skews::default(), RECEIVED).expect_err("no batch")
        };
        assert_eq!(fault(b"\xff\xff\xff").status(), StatusCode::BAD_REQUEST);
        assert_eq!(
            fault(&vec![0; codec::MAX_BATCH_BYTES + 1]).status(),
            StatusCode::PAYLOAD_TOO_LARGE
        );
        let bad_manifest = Batch {
            manifests: vec![vec![1, 2, 3]],
            ..Batch::default()
        };
        let problem = fault(&encode_batch(&bad_manifest));
        assert!(
            problem.detail().starts_with("manifest 0 of the body"),
            "{}",
            problem.detail()
        );
    }

    #[test]
    fn a_tombstone_keeps_its_place_and_moves_with_the_clock_of_its_agent() {
        let manifest = manifest_of("one", 1);
        let tombstone = Tombstone {
            agent: agent("one"),
            epoch: T0,
            first_sequence: 1,
            last_sequence: 2,
            start_unix_ms: T0 + 60_000,
            end_unix_ms: T0 + 70_000,
            cause: LossCause::QueueFull,
        };
        // The agent's clock is a minute ahead: its interval 6 is our interval 0.
        let report = BatchItem::Report {
            age_ms: 2_000,
            age_uncertain: false,
            frame: encode_report(&report_of(&manifest, 3, 6, &[500])),
        };
        let batch = Batch {
            manifests: vec![encode_manifest(&manifest)],
            items: vec![
                BatchItem::Tombstone(tombstone.clone()),
                report,
                BatchItem::Tombstone(tombstone),
            ],
        };
        let examined = examine(
            &encode_batch(&batch),
            &Dictionary::default(),
            &Skews::default(),
            RECEIVED,
        )
        .expect("a batch");
        let starts: Vec<Option<u64>> = examined
            .items
            .iter()
            .map(|finding| match finding {
                Finding::Sound(sound) => match &sound.item {
                    Item::Tombstone(tombstone) => Some(tombstone.start_unix_ms),
                    Item::Report(_) => None,
                },
                Finding::Unsound(verdict) => panic!("{verdict:?}"),
            })
            .collect();
        assert_eq!(starts, [Some(T0), None, Some(T0)]);
    }

    #[test]
    fn a_gap_does_not_lie_in_the_future_whatever_its_agent_believes() {
        let tombstone = |start_unix_ms, end_unix_ms| Tombstone {
            agent: agent("one"),
            epoch: T0,
            first_sequence: 1,
            last_sequence: 2,
            start_unix_ms,
            end_unix_ms,
            cause: LossCause::QueueFull,
        };
        let placed = |start, end, skew_ms| {
            let placed = on_our_time_line(tombstone(start, end), skew_ms, RECEIVED);
            (placed.start_unix_ms, placed.end_unix_ms)
        };
        assert_eq!(placed(T0 - 20_000, T0, 0), (T0 - 20_000, T0));
        assert_eq!(
            placed(T0, RECEIVED + 2_000, 0),
            (T0, RECEIVED + 2_000),
            "tolerated"
        );
        let year = 366 * 86_400_000;
        assert_eq!(placed(T0 + year, RECEIVED + year, 0), (T0, RECEIVED));
        assert_eq!(placed(0, u64::MAX, i64::MIN), (0, RECEIVED));
    }

    proptest! {
        #[test]
        fn any_bytes_are_met_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = examine(&bytes, &Dictionary::default(), &Skews::default(), RECEIVED);
        }

        #[test]
        fn a_truncated_or_flipped_body_is_met_without_panic(cut in 0_usize..2_000, at in 0_usize..2_000, bit in 0_u8..8) {
            let manifest = manifest_of("one", 3);
            let mut bytes = body(&[&manifest], &[(2_000, &report_of(&manifest, 1, 0, &[500, 900]))]);
            let length = bytes.len();
            bytes[at % length] ^= 1 << bit;
            bytes.truncate(length - cut % length);
            let _ = examine(&bytes, &Dictionary::default(), &Skews::default(), RECEIVED);
        }

        #[test]
        fn a_sparse_quantile_is_the_accumulators(mut delays in prop::collection::vec(1_u32..60_000_000, 0..200)) {
            let histogram = DelayHistogram::from_values_us(&mut delays);
            let mut dense = Accumulator::new();
            dense.add(&histogram).expect("few");
            prop_assert_eq!(quantile_us(&histogram, 0.99), dense.quantile_us(0.99));
        }
    }
}
