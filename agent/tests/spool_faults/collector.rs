//! A collector as the spool may expect it: settles each sequence once, keeps an exact set, counts of a tombstone only what
//! is new. And the judge: every report a test pushes carries a token of its own, so that nothing can be lost, doubled or
//! claimed lost without being found out.

use std::collections::{BTreeMap, HashMap, HashSet};

use azimuth_agent::spool::{Dispatch, Pushed, Sent, Spool, Verdict};
use azimuth_measurement::codec::{BatchItem, decode_batch, decode_report, encode_batch};
use azimuth_measurement::{
    AgentHealth, DelayHistogram, Interval, LossCause, ManifestId, ProbeCounts, Report, SeriesRecord,
    StampClock,
};

/// The name of a report: epoch and sequence.
pub(crate) type Name = (u64, u64);

#[derive(Default, Clone)]
pub(crate) struct Collector {
    pub(crate) settled: HashSet<Name>,
    /// How often each token was counted.
    pub(crate) counted: HashMap<u32, u64>,
    /// Names settled by a tombstone, by cause.
    pub(crate) buried: BTreeMap<Name, LossCause>,
    /// How many reports were stored of which interval length, in ms.
    pub(crate) lengths_ms: BTreeMap<u32, u64>,
    /// Ages that came with reports, in ms.
    pub(crate) ages_ms: Vec<u64>,
    pub(crate) requests: u64,
}

/// What the network and the collector do to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Arrives, is answered, the answer arrives.
    Answered,
    /// No connection.
    NoConnection,
    /// Lost on the way there.
    RequestLost,
    /// Stored, but the answer is lost.
    AnswerLost,
    /// Every third item is put off.
    SomeRetried,
}

impl Collector {
    /// Carries a dispatch there and back.
    pub(crate) fn carry(&mut self, spool: &mut Spool, dispatch: Dispatch, fate: Fate) {
        self.requests += 1;
        match fate {
            Fate::NoConnection => spool.give_back(dispatch, Sent::Nothing),
            Fate::RequestLost => spool.give_back(dispatch, Sent::Perhaps),
            Fate::AnswerLost => {
                self.take(&dispatch, false);
                spool.give_back(dispatch, Sent::Perhaps);
            }
            Fate::Answered | Fate::SomeRetried => {
                let verdicts = self.take(&dispatch, fate == Fate::SomeRetried);
                spool.settle(dispatch, &verdicts).unwrap();
            }
        }
    }

    fn take(&mut self, dispatch: &Dispatch, some_retried: bool) -> Vec<Verdict> {
        let batch = decode_batch(&encode_batch(&dispatch.batch)).unwrap();
        assert!(!batch.items.is_empty(), "an empty request");
        let retried = |at: usize| {
            // A merged report and its tombstone are settled in one transaction.
            let paired = |at: usize| matches!(&batch.items[at], BatchItem::Tombstone(t) if t.cause == LossCause::Merged);
            some_retried && at % 3 == 1 && !paired(at) && (at == 0 || !paired(at - 1))
        };
        (0..batch.items.len())
            .map(|at| {
                if retried(at) {
                    Verdict::Retry
                } else {
                    self.take_item(&batch.items[at])
                }
            })
            .collect()
    }

    fn take_item(&mut self, item: &BatchItem) -> Verdict {
        match item {
            BatchItem::Tombstone(tombstone) => {
                tombstone.check().unwrap();
                let mut new = false;
                for sequence in tombstone.first_sequence..=tombstone.last_sequence {
                    if self.settled.insert((tombstone.epoch, sequence)) {
                        self.buried.insert((tombstone.epoch, sequence), tombstone.cause);
                        new = true;
                    }
                }
                if new { Verdict::Stored } else { Verdict::Duplicate }
            }
            BatchItem::Report { age_ms, frame, .. } => {
                let report = decode_report(frame).unwrap();
                if !self.settled.insert((report.epoch, report.sequence)) {
                    return Verdict::Duplicate;
                }
                self.ages_ms.push(*age_ms);
                *self.lengths_ms.entry(report.interval.length_ms()).or_default() += 1;
                for record in &report.records {
                    assert_eq!(record.counts.sent, 1, "merged twice inside one report");
                    *self.counted.entry(record.series).or_default() += record.counts.sent;
                }
                Verdict::Stored
            }
        }
    }

    /// Everything the spool has to say, until it has nothing more.
    pub(crate) fn drain(&mut self, spool: &mut Spool, now: azimuth_agent::spool::Now) {
        spool.hurry();
        while let Some(dispatch) = spool.next_dispatch(now, 1 << 20) {
            self.carry(spool, dispatch, Fate::Answered);
        }
        spool.flush(now);
        assert_eq!(
            (spool.holdings().reports, spool.holdings().tombstones),
            (0, 0),
            "drained"
        );
    }
}

/// Every report pushed, and whether the spool had said it is on disk.
#[derive(Default, Clone)]
pub(crate) struct Pushes {
    pub(crate) names: Vec<Name>,
    pub(crate) flushed: Vec<bool>,
    given: HashSet<Name>,
}

impl Pushes {
    /// The next report to push: one record, whose series is the token.
    /// And a histogram that does not compress, so that merging costs what it costs in life.
    pub(crate) fn report(&self, start_unix_ms: u64) -> Report {
        let mut rng = fastrand::Rng::with_seed(self.names.len() as u64);
        let mut lateness: Vec<u32> = (0..40).map(|_| rng.u32(1..3_000)).collect();
        Report {
            agent: "paris-1".parse().unwrap(),
            epoch: 0,
            sequence: 0,
            manifest: ManifestId(1),
            interval: Interval::new(start_unix_ms, 10_000).unwrap(),
            records: vec![SeriesRecord {
                series: self.names.len() as u32,
                counts: ProbeCounts {
                    sent: 1,
                    returned: 1,
                    ..ProbeCounts::default()
                },
                delays: vec![(StampClock::Kernel, DelayHistogram::from_values_us(&mut [11_700]))],
            }],
            paths: Vec::new(),
            throughput: Vec::new(),
            health: AgentHealth {
                send_lateness: DelayHistogram::from_values_us(&mut lateness),
                ..AgentHealth::default()
            },
        }
    }

    pub(crate) fn pushed(&mut self, name: Pushed) {
        let name = (name.epoch, name.sequence);
        assert!(
            self.given.insert(name),
            "{name:?} was given to two reports: data would be taken for a duplicate"
        );
        self.names.push(name);
        self.flushed.push(false);
    }

    /// Holds what the collector has against what was pushed. `rotten`: stored bytes were damaged, so that even what was
    /// flushed may be lost, but never without a tombstone. Returns (counted, buried, vanished unflushed).
    pub(crate) fn judge(&self, collector: &Collector, rotten: bool) -> (usize, usize, usize) {
        let (mut counted, mut buried, mut vanished) = (0, 0, 0);
        for (token, name) in self.names.iter().enumerate() {
            let times = collector.counted.get(&(token as u32)).copied().unwrap_or(0);
            assert!(times <= 1, "token {token} {name:?} was counted {times} times");
            let cause = collector.buried.get(name).copied();
            match (times, cause) {
                (1, None | Some(LossCause::Merged)) => counted += 1,
                (1, Some(cause)) => panic!("token {token} {name:?} is counted and claimed lost ({cause})"),
                (_, Some(LossCause::Merged)) => {
                    // Merged into a report that was lost or dropped itself: that one's tombstone must say so.
                    panic!("token {token} {name:?} is claimed merged and counted nowhere")
                }
                (_, Some(cause)) => {
                    let allowed = rotten || !self.flushed[token] || cause == LossCause::QueueFull;
                    assert!(allowed, "token {token} {name:?} was flushed and lost ({cause})");
                    buried += 1;
                }
                (_, None) => {
                    assert!(
                        !self.flushed[token],
                        "token {token} {name:?} was flushed and is silently gone"
                    );
                    vanished += 1;
                }
            }
        }
        (counted, buried, vanished)
    }
}
