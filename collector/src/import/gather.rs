//! Which lines make one report. A report of an import holds one series in one interval, and its name (epoch, sequence) is made
//! of these two alone: whatever files they come in, and however often, the collector keeps them once.
//!
//! The epoch is a hash of the series, the length and a block of [`BLOCK`] intervals; the sequence counts within the block,
//! so that no sequence space ever falls into more ranges than the collector keeps.

use std::collections::{BTreeMap, HashMap};

use azimuth_measurement::interchange::LogEntry;
use azimuth_measurement::interval::MAX_LENGTH_MS;
use azimuth_measurement::{
    Accumulator, AgentHealth, AgentId, DelayHistogram, Interval, ManifestId, ProbeCounts, Report,
    SeriesDescriptor, SeriesRecord, StampClock,
};

use crate::export::tag::Tag;

/// Intervals in one sequence space.
pub const BLOCK: u64 = 1_000;

/// What was read of one line.
#[derive(Debug, Clone)]
pub struct Read {
    /// The series, as a position in the manifest.
    pub series: u32,
    /// Which clock stamped.
    pub clock: StampClock,
    /// The interval and its delays.
    pub entry: LogEntry,
    /// What the log says about the probes of the record that begins here.
    pub counts: Option<ProbeCounts>,
    /// Number of the line, from 1.
    pub line: u64,
}

/// A report, and where it came from.
#[derive(Debug, Clone)]
pub struct Gathered {
    /// To be sent.
    pub report: Report,
    /// Its first line.
    pub line: u64,
}

/// A line that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotTaken {
    /// Number of the line, from 1.
    pub line: u64,
    /// Why, and what to do about it.
    pub reason: String,
}

/// Puts lines together; one interval of each series is open at a time.
pub struct Gather {
    agent: AgentId,
    manifest: ManifestId,
    /// Hash of each series, by its position.
    names: Vec<String>,
    /// Intervals of this length take whatever starts in them; `None` when lines must fit the grid as they are.
    interval_ms: Option<u32>,
    open: HashMap<u32, Open>,
    scratch: Accumulator,
}

struct Open {
    interval: Interval,
    line: u64,
    counts: ProbeCounts,
    /// Start of the line whose counts were the log's own: they speak for the lines of other clocks too.
    counted_unix_ms: Option<u64>,
    last_unix_ms: u64,
    delays: BTreeMap<StampClock, Vec<DelayHistogram>>,
}

impl Gather {
    /// For an agent with these series.
    pub fn new(
        agent: AgentId,
        manifest: ManifestId,
        series: &[SeriesDescriptor],
        interval_ms: Option<u32>,
    ) -> Self {
        let name = |descriptor: &SeriesDescriptor| {
            let tag = Tag {
                agent: agent.clone(),
                descriptor: descriptor.clone(),
                clock: StampClock::Kernel,
            };
            tag.to_string()
        };
        Self {
            names: series.iter().map(name).collect(),
            agent,
            manifest,
            interval_ms,
            open: HashMap::new(),
            scratch: Accumulator::new(),
        }
    }

    /// Takes a line; gives the report that it ends, if it ends one.
    ///
    /// # Errors
    /// When it cannot be placed, or comes out of order; the report that is open stays open.
    pub fn take(&mut self, read: Read) -> Result<Option<Result<Gathered, NotTaken>>, NotTaken> {
        let line = read.line;
        let not_taken = |reason: String| NotTaken { line, reason };
        let interval = self.place(&read.entry).map_err(not_taken)?;
        if let Some(open) = self.open.get(&read.series) {
            let again = self.interval_ms.is_none() && open.delays.contains_key(&read.clock);
            if interval < open.interval
                || read.entry.start_unix_ms < open.last_unix_ms
                || (interval == open.interval && again)
            {
                return Err(not_taken(
                    "it starts no later than the line before it of the same series and clock; sort the log"
                        .to_owned(),
                ));
            }
        }
        let finished = match self.open.get(&read.series) {
            Some(open) if open.interval != interval => self.open.remove(&read.series),
            _ => None,
        };
        let finished = finished.map(|open| self.finish(read.series, open));
        let open = self.open.entry(read.series).or_insert_with(|| Open {
            interval,
            line,
            counts: ProbeCounts::default(),
            counted_unix_ms: None,
            last_unix_ms: read.entry.start_unix_ms,
            delays: BTreeMap::new(),
        });
        open.add(read);
        Ok(finished)
    }

    /// What is still open, at the end of a file: by line.
    pub fn end(&mut self) -> Vec<Result<Gathered, NotTaken>> {
        let mut open: Vec<_> = std::mem::take(&mut self.open).into_iter().collect();
        open.sort_by_key(|(_, open)| open.line);
        open.into_iter()
            .map(|(series, open)| self.finish(series, open))
            .collect()
    }

    fn place(&self, entry: &LogEntry) -> Result<Interval, String> {
        let length_ms = u32::try_from(entry.length_ms).unwrap_or(u32::MAX);
        match self.interval_ms {
            None => Interval::new(entry.start_unix_ms, length_ms).map_err(|error| {
                format!("{error}; give --interval to put lines into the interval they start in")
            }),
            Some(interval_ms) if length_ms > interval_ms => Err(format!(
                "it is {length_ms} ms long; give an --interval that is no shorter, at most {} s",
                MAX_LENGTH_MS / 1_000
            )),
            Some(interval_ms) => {
                Interval::containing(entry.start_unix_ms, interval_ms).map_err(|error| error.to_string())
            }
        }
    }

    fn finish(&mut self, series: u32, open: Open) -> Result<Gathered, NotTaken> {
        let line = open.line;
        let not_taken = |reason: String| NotTaken { line, reason };
        let mut delays = Vec::new();
        for (clock, histograms) in open.delays {
            self.scratch.clear();
            for histogram in &histograms {
                self.scratch
                    .add(histogram)
                    .map_err(|error| not_taken(error.to_string()))?;
            }
            let merged = self
                .scratch
                .to_histogram()
                .map_err(|error| not_taken(error.to_string()))?;
            if !merged.is_empty() {
                delays.push((clock, merged));
            }
        }
        let (epoch, sequence) = self.name(series, open.interval);
        let report = Report {
            agent: self.agent.clone(),
            epoch,
            sequence,
            manifest: self.manifest,
            interval: open.interval,
            records: vec![SeriesRecord {
                series,
                counts: open.counts,
                delays,
            }],
            paths: Vec::new(),
            throughput: Vec::new(),
            health: AgentHealth::default(),
        };
        report.check().map_err(|error| {
            not_taken(format!(
                "its #[Counts] and its delays contradict each other: {error}"
            ))
        })?;
        Ok(Gathered { report, line })
    }

    /// Epoch and sequence.
    fn name(&self, series: u32, interval: Interval) -> (u64, u64) {
        let slot = interval.start_unix_ms() / u64::from(interval.length_ms());
        let series = self.names.get(series as usize).map_or("", String::as_str);
        let text = format!("{series} {} {}", interval.length_ms(), slot / BLOCK);
        (ManifestId::of(text.as_bytes()).0, slot % BLOCK + 1)
    }
}

impl Open {
    fn add(&mut self, read: Read) {
        let delays = read.entry.delays.count();
        let counts = match read.counts {
            Some(counts) => {
                self.counted_unix_ms = Some(read.entry.start_unix_ms);
                counts
            }
            None if self.counted_unix_ms == Some(read.entry.start_unix_ms) => ProbeCounts::default(),
            // Nothing is known of lost probes.
            None => ProbeCounts {
                sent: delays,
                returned: delays,
                ..ProbeCounts::default()
            },
        };
        // What overflows is beyond what a report may count, and is found when it is checked.
        self.counts = self.counts.plus(&counts).unwrap_or(ProbeCounts {
            sent: u64::MAX,
            ..ProbeCounts::default()
        });
        self.last_unix_ms = read.entry.start_unix_ms;
        self.delays.entry(read.clock).or_default().push(read.entry.delays);
    }
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::{Granularity, LoadLabel, Method};
    use proptest::prelude::*;

    use super::*;

    const T0: u64 = 1_795_428_000_000;

    fn gather(interval_ms: Option<u32>) -> Gather {
        let descriptor = |number: u16| SeriesDescriptor {
            zone: "aws/eu-west-3/az1".parse().expect("a zone"),
            target: "t".to_owned(),
            address: ([10, 0, 0, 1], 8_620).into(),
            granularity: Granularity::Zone,
            method: Method::Stamp,
            flow: number,
            load: LoadLabel::Idle,
            period_ms: 1_000,
            waiting_time_ms: 2_000,
            dscp: 0,
            facet: azimuth_measurement::Facet::default(),
            outgoing: azimuth_measurement::Outgoing::default(),
        };
        let agent = "import-a".parse().expect("an id");
        Gather::new(agent, ManifestId(7), &[descriptor(0), descriptor(1)], interval_ms)
    }

    fn read(series: u32, clock: StampClock, start_unix_ms: u64, delays: &[u32], sent: Option<u64>) -> Read {
        Read {
            series,
            clock,
            entry: LogEntry {
                tag: None,
                start_unix_ms,
                length_ms: 10_000,
                delays: DelayHistogram::from_values_us(&mut delays.to_vec()),
            },
            counts: sent.map(|sent| ProbeCounts {
                sent,
                returned: 3,
                ..ProbeCounts::default()
            }),
            line: start_unix_ms / 10_000 % 1_000 + u64::from(series),
        }
    }

    /// Every report, and what was not taken.
    fn all(mut gather: Gather, lines: Vec<Read>) -> (Vec<Report>, Vec<NotTaken>) {
        let (mut reports, mut not_taken) = (Vec::new(), Vec::new());
        let mut note = |finished| match finished {
            Ok(Gathered { report, .. }) => reports.push(report),
            Err(error) => not_taken.push(error),
        };
        for line in lines {
            match gather.take(line) {
                Ok(finished) => finished.into_iter().for_each(&mut note),
                Err(error) => note(Err(error)),
            }
        }
        gather.end().into_iter().for_each(&mut note);
        (reports, not_taken)
    }

    #[test]
    fn clocks_of_one_interval_are_one_record_with_the_logs_counts() {
        let (reports, not_taken) = all(
            gather(None),
            vec![
                read(0, StampClock::Kernel, T0, &[100, 200], Some(9)),
                read(0, StampClock::User, T0, &[300], None),
                read(1, StampClock::Kernel, T0, &[5, 5], None),
                read(0, StampClock::Kernel, T0 + 10_000, &[], Some(0)),
            ],
        );
        assert_eq!(not_taken.len(), 1, "3 returned without a delay: {not_taken:?}");
        assert!(not_taken[0].reason.contains("contradict"));
        assert_eq!(reports.len(), 2);
        let record = &reports[0].records[0];
        assert_eq!(
            (record.counts.sent, record.counts.returned, record.delays.len()),
            (9, 3, 2)
        );
        assert_eq!(reports[1].records[0].counts.sent, 2, "nothing is known of losses");
        assert_ne!(reports[0].epoch, reports[1].epoch, "another series");
    }

    #[test]
    fn what_is_off_the_grid_or_out_of_order_is_told_what_to_do() {
        let off = |interval_ms| {
            all(
                gather(interval_ms),
                vec![
                    read(0, StampClock::User, T0 + 3_123, &[1], None),
                    read(0, StampClock::User, T0 + 3_999, &[2, 2], None),
                ],
            )
        };
        let (reports, not_taken) = off(None);
        assert!(
            reports.is_empty() && not_taken[0].reason.contains("--interval"),
            "{not_taken:?}"
        );
        let (reports, not_taken) = off(Some(60_000));
        assert_eq!(not_taken, []);
        assert_eq!(
            (
                reports.len(),
                reports[0].interval.start_unix_ms(),
                reports[0].records[0].counts.sent
            ),
            (1, T0, 3)
        );
        assert!(off(Some(5_000)).1[0].reason.contains("no shorter"));
        let (reports, not_taken) = all(
            gather(None),
            vec![
                read(0, StampClock::User, T0 + 10_000, &[1], None),
                read(0, StampClock::User, T0, &[2], None),
                read(0, StampClock::User, T0 + 10_000, &[3], None),
            ],
        );
        assert_eq!((reports.len(), not_taken.len()), (1, 2));
        assert!(
            not_taken
                .iter()
                .all(|error| error.reason.contains("sort the log"))
        );
    }

    proptest! {
        /// However a log is cut into files, the same interval of the same series has the same name, and no other has it.
        #[test]
        fn a_name_is_the_series_and_the_interval(slots in prop::collection::btree_set((0_u32..2, 0_u64..5_000), 1..60), cut in 0_usize..60) {
            let lines = |some: &[(u32, u64)]| -> Vec<Read> {
                let numbered = (1..).zip(some);
                numbered
                    .map(|(line, (series, slot))| Read { line, ..read(*series, StampClock::User, T0 + slot * 10_000, &[9], None) })
                    .collect()
            };
            let slots: Vec<(u32, u64)> = slots.into_iter().collect();
            let named = |reports: Vec<Report>| -> Vec<_> { reports.iter().map(|report| (report.epoch, report.sequence, report.interval)).collect() };
            let whole = named(all(gather(None), lines(&slots)).0);
            let (before, after) = slots.split_at(cut.min(slots.len()));
            let mut parts = named(all(gather(None), lines(before)).0);
            parts.extend(named(all(gather(None), lines(after)).0));
            let distinct: std::collections::BTreeSet<_> = whole.iter().copied().map(|(epoch, sequence, _)| (epoch, sequence)).collect();
            prop_assert_eq!(distinct.len(), slots.len());
            let sorted = |mut names: Vec<(u64, u64, Interval)>| { names.sort_unstable(); names };
            prop_assert_eq!(sorted(parts), sorted(whole));
        }
    }
}
