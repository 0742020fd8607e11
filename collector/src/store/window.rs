//! The window: the intervals of the last minutes, decoded and by series, so that a question about now reads no report.
//! Pure; shared by the backends. It is filled with what has become durable and can be thrown away and filled again at any
//! time: never the only place where anything is, and it says from when on it holds everything.
//!
//! Per series a few minutes, per minute the intervals that start in it, one after the other in order of arrival:
//!
//! | what | how |
//! |---|---|
//! | start since the minute's (ms) | u16 |
//! | length (ms), bytes of the counters and of the histograms | u32 each |
//! | which counters are not 0, in wire order | bits of a u16 |
//! | those counters | LEB128 each |
//! | per clock: wire number, number of delays | LEB128 each |
//! | the histogram | as on the wire |
//!
//! A minute that is over is merged ahead as well (`whole_minute`), while there is room.

mod whole_minute;

use std::mem::size_of;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use azimuth_measurement::codec::varint;
use azimuth_measurement::codec::walk::Sums;
use azimuth_measurement::counts::COUNTERS;
use azimuth_measurement::{DelayHistogram, SeriesRecord, StampClock};

use self::whole_minute::Merging;
use super::tier::{Hole, Stretch, plan};
use super::{Coverage, ScanRequest, SeriesId, TimeRange};

/// How far back it reaches.
pub const SPAN_MS: u64 = 15 * MINUTE_MS;
/// What it may take, in bytes; with more series it reaches less far back. 1,800 series with 30 delays in each interval of
/// 10 s take about two fifths of it.
pub const MOST_BYTES: usize = 32 * 1024 * 1024;
const MINUTE_MS: u64 = 60_000;
/// What a block on the heap takes beside what was asked for, about.
const BLOCK_BYTES: usize = 16;

/// The last minutes of every series.
#[derive(Debug)]
pub struct Window {
    /// Every stored interval that starts from here on is held; `u64::MAX` while nothing is held.
    held_from_unix_ms: u64,
    most_bytes: usize,
    /// By series; minutes ascend.
    series: Vec<Vec<Minute>>,
    bytes: usize,
    merging: Merging,
}

/// The intervals of one series that start in one minute.
#[derive(Debug)]
struct Minute {
    start_unix_ms: u64,
    intervals: Vec<u8>,
    /// All of them in one; empty when they are not merged.
    merged: Vec<u8>,
}

impl Minute {
    fn intervals(&self) -> impl Iterator<Item = Recent<'_>> {
        let mut rest = Reader(&self.intervals);
        std::iter::from_fn(move || rest.interval(self.start_unix_ms))
    }

    fn bytes(&self) -> usize {
        let merged = match self.merged.capacity() {
            0 => 0,
            bytes => BLOCK_BYTES + bytes,
        };
        size_of::<Self>() + BLOCK_BYTES + self.intervals.capacity() + merged
    }
}

/// What one series saw in one interval.
#[derive(Debug, Clone)]
pub struct Recent<'a> {
    /// Start of the interval, as placed on the collector's time line.
    pub start_unix_ms: u64,
    /// Its length, in milliseconds.
    pub length_ms: u32,
    /// Bits of those that are not 0.
    present: u32,
    counts: &'a [u8],
    delays: &'a [u8],
}

impl<'a> Recent<'a> {
    /// Adds it to `sums`: most counters are 0, and cost nothing. `None` when a sum would overflow; some of it is added then.
    pub fn add_to(&self, sums: &mut impl Sums) -> Option<()> {
        let (mut rest, mut present) = (Reader(self.counts), self.present);
        while present > 0 {
            sums.count(present.trailing_zeros() as usize, rest.number()?)?;
            present &= present - 1;
        }
        let mut rest = Reader(self.delays);
        while !rest.0.is_empty() {
            let clock = StampClock::from_wire(rest.number()?)?;
            let number = rest.number()?;
            rest.0 = sums.delays(clock, number, rest.0)?;
        }
        Some(())
    }
}

impl Default for Window {
    fn default() -> Self {
        Self::new(MOST_BYTES)
    }
}

impl Window {
    /// A window that holds nothing yet, and will take no more than about `most_bytes`.
    pub fn new(most_bytes: usize) -> Self {
        Self {
            held_from_unix_ms: u64::MAX,
            most_bytes,
            series: Vec::new(),
            bytes: 0,
            merging: Merging::default(),
        }
    }

    /// Begins anew: whoever calls this hands over every stored interval from the minute of `from_unix_ms` on.
    pub fn begin(&mut self, from_unix_ms: u64) {
        self.forget();
        self.held_from_unix_ms = from_unix_ms / MINUTE_MS * MINUTE_MS;
    }

    /// Throws everything away.
    pub fn forget(&mut self) {
        *self = Self::new(self.most_bytes);
    }

    /// From when on it would hold everything at this instant: the beginning of a minute.
    pub fn reaches_back_to(now_unix_ms: u64) -> u64 {
        now_unix_ms.saturating_sub(SPAN_MS) / MINUTE_MS * MINUTE_MS
    }

    /// Lets go of what is too old by now.
    pub fn advance(&mut self, now_unix_ms: u64) {
        self.hold_from(Self::reaches_back_to(now_unix_ms));
    }

    /// Lets go of the minutes before the one of this instant.
    pub fn hold_from(&mut self, from_unix_ms: u64) {
        let from_unix_ms = from_unix_ms / MINUTE_MS * MINUTE_MS;
        if from_unix_ms <= self.held_from_unix_ms {
            return;
        }
        self.held_from_unix_ms = from_unix_ms;
        for minutes in &mut self.series {
            let old = minutes.partition_point(|minute| minute.start_unix_ms < from_unix_ms);
            for minute in minutes.drain(..old) {
                self.bytes -= minute.bytes();
            }
        }
    }

    /// Lets go of the minute of this instant and all before: something in it could not be read.
    pub fn give_up(&mut self, at_unix_ms: u64) {
        self.hold_from(at_unix_ms.saturating_add(MINUTE_MS));
    }

    /// Whether an interval that starts here belongs into it.
    pub fn wants(&self, start_unix_ms: u64) -> bool {
        start_unix_ms >= self.held_from_unix_ms
    }

    /// From when on everything is held; `None` while nothing is.
    pub fn held_from_unix_ms(&self) -> Option<u64> {
        Some(self.held_from_unix_ms).filter(|from| *from < u64::MAX)
    }

    /// What it takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes + self.series.capacity() * size_of::<Vec<Minute>>()
    }

    /// Takes in the records of one stored report, once. `series` are the series at each position of its manifest, `None` where
    /// one was not admitted.
    pub fn note(
        &mut self,
        start_unix_ms: u64,
        length_ms: u32,
        series: &[Option<SeriesId>],
        records: &[SeriesRecord],
    ) {
        if !self.wants(start_unix_ms) {
            return;
        }
        let minute_unix_ms = start_unix_ms / MINUTE_MS * MINUTE_MS;
        for record in records {
            let Some(series) = series.get(record.series as usize).copied().flatten() else {
                continue;
            };
            if self.series.len() <= series.index() {
                self.series.resize_with(series.index() + 1, Vec::new);
            }
            let minutes = &mut self.series[series.index()];
            let at = minutes.partition_point(|minute| minute.start_unix_ms < minute_unix_ms);
            if minutes
                .get(at)
                .is_none_or(|minute| minute.start_unix_ms != minute_unix_ms)
            {
                // The one before is most likely complete.
                if let Some(complete) = at.checked_sub(1).and_then(|before| minutes.get_mut(before)) {
                    self.bytes -= complete.bytes();
                    complete.intervals.shrink_to_fit();
                    // Reaching further back matters more than answering sooner.
                    if complete.merged.is_empty() && self.bytes < self.most_bytes / 2 {
                        complete.merged = self.merging.merge(&complete.intervals);
                    }
                    self.bytes += complete.bytes();
                }
                let minute = Minute {
                    start_unix_ms: minute_unix_ms,
                    intervals: Vec::new(),
                    merged: Vec::new(),
                };
                self.bytes += minute.bytes();
                if minutes.len() == minutes.capacity() {
                    minutes.reserve_exact(4);
                }
                minutes.insert(at, minute);
            }
            let minute = &mut minutes[at];
            self.bytes -= minute.bytes();
            minute.merged = Vec::new();
            write(
                &mut minute.intervals,
                start_unix_ms - minute_unix_ms,
                length_ms,
                record.counts.all(),
                &record.delays,
            );
            self.bytes += minute.bytes();
        }
        while self.bytes > self.most_bytes
            && let Some(oldest) = self
                .series
                .iter()
                .filter_map(|minutes| minutes.first())
                .min_by_key(|minute| minute.start_unix_ms)
        {
            self.give_up(oldest.start_unix_ms);
        }
    }

    /// The intervals of a series that start in `range`; in order of start unless some came late. All there are when the
    /// range begins no earlier than [`Self::held_from_unix_ms`].
    pub fn intervals(&self, series: SeriesId, range: TimeRange) -> impl Iterator<Item = Recent<'_>> {
        self.minutes(series, range)
            .iter()
            .flat_map(Minute::intervals)
            .filter(move |interval| range.contains(interval.start_unix_ms))
    }

    /// Adds all of [`Self::intervals`] to `sums`, whole minutes at once where they are merged, and tells `hear` the start (unix
    /// ms) and the length (ms) of each. Gives their number; `None` when a sum would overflow, and some of it is added then.
    pub fn add_to(
        &self,
        series: SeriesId,
        range: TimeRange,
        sums: &mut impl Sums,
        hear: &mut dyn FnMut(u64, u32),
    ) -> Option<u64> {
        let mut number = 0;
        for minute in self.minutes(series, range) {
            let from_unix_ms = minute.start_unix_ms;
            let is_whole =
                range.contains(from_unix_ms) && from_unix_ms.saturating_add(MINUTE_MS) <= range.to_unix_ms;
            if is_whole && let Some((heads, sum)) = whole_minute::read(&minute.merged) {
                for (since_ms, length_ms) in heads {
                    hear(from_unix_ms + since_ms, length_ms);
                    number += 1;
                }
                sum.add_to(sums)?;
                continue;
            }
            let inside = minute.intervals();
            for interval in inside.filter(|interval| range.contains(interval.start_unix_ms)) {
                hear(interval.start_unix_ms, interval.length_ms);
                interval.add_to(sums)?;
                number += 1;
            }
        }
        Some(number)
    }

    /// The minutes of a series that have anything in `range`.
    fn minutes(&self, series: SeriesId, range: TimeRange) -> &[Minute] {
        let minutes = self.series.get(series.index()).map_or(&[][..], Vec::as_slice);
        let first = minutes
            .partition_point(|minute| minute.start_unix_ms.saturating_add(MINUTE_MS) <= range.from_unix_ms);
        let after = minutes.partition_point(|minute| minute.start_unix_ms < range.to_unix_ms);
        &minutes[first..after.max(first)]
    }
}

/// Which counters are there is told in the 32 bits of `present`.
const _: () = assert!(COUNTERS <= 32);

fn write(
    into: &mut Vec<u8>,
    since_ms: u64,
    length_ms: u32,
    counters: [u64; COUNTERS],
    histograms: &[(StampClock, DelayHistogram)],
) {
    let (mut present, mut counts, mut delays) = (0_u32, Vec::new(), Vec::new());
    for (at, count) in counters.into_iter().enumerate() {
        if count > 0 {
            present |= 1 << at;
            varint::write(&mut counts, count);
        }
    }
    for (clock, histogram) in histograms {
        varint::write(&mut delays, clock.wire().into());
        varint::write(&mut delays, histogram.count());
        delays.extend(histogram.as_bytes());
    }
    // A minute has 60,000 ms, and a report a few MB at most.
    into.extend((since_ms as u16).to_le_bytes());
    for number in [length_ms, counts.len() as u32, delays.len() as u32] {
        into.extend(number.to_le_bytes());
    }
    into.extend(present.to_le_bytes());
    into.extend(counts);
    into.extend(delays);
}

/// Reads what [`write`] wrote; anything else ends early.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u64> {
        let (number, rest) = varint::read(self.0).ok()?;
        self.0 = rest;
        Some(number)
    }

    fn bytes(&mut self, length: u64) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(bytes)
    }

    fn interval(&mut self, minute_unix_ms: u64) -> Option<Recent<'a>> {
        let (head, rest) = self.0.split_first_chunk::<18>()?;
        self.0 = rest;
        let [
            s0,
            s1,
            l0,
            l1,
            l2,
            l3,
            c0,
            c1,
            c2,
            c3,
            d0,
            d1,
            d2,
            d3,
            p0,
            p1,
            p2,
            p3,
        ] = *head;
        Some(Recent {
            start_unix_ms: minute_unix_ms + u64::from(u16::from_le_bytes([s0, s1])),
            length_ms: u32::from_le_bytes([l0, l1, l2, l3]),
            present: u32::from_le_bytes([p0, p1, p2, p3]),
            counts: self.bytes(u32::from_le_bytes([c0, c1, c2, c3]).into())?,
            delays: self.bytes(u32::from_le_bytes([d0, d1, d2, d3]).into())?,
        })
    }
}

/// Why a question about a range was not answered from the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// Nothing is held: a write failed, and what is durable is not known yet.
    Empty,
    /// The range begins before what is held.
    TooOld,
    /// Part of the range is known to be damaged on disk, and a scan says so.
    Damaged,
}

impl Fallback {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Empty, Self::TooOld, Self::Damaged];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooOld => "too_old",
            Self::Damaged => "damaged",
        }
    }
}

/// How the window fares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WindowCondition {
    /// What it takes in memory.
    pub bytes: u64,
    /// From when on it holds everything; `None` while it holds nothing.
    pub held_from_unix_ms: Option<u64>,
    /// Questions answered from it.
    pub answered: u64,
    /// Questions that were not, in the order of [`Fallback::ALL`].
    pub fallbacks: [u64; Fallback::ALL.len()],
}

/// A window that one thread fills and many read, and the count of who could.
#[derive(Debug, Default)]
pub(super) struct SharedWindow {
    window: RwLock<Window>,
    answered: AtomicU64,
    fallbacks: [AtomicU64; Fallback::ALL.len()],
}

impl SharedWindow {
    /// Changes it, or asks it something.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Window) -> T) -> T {
        work(&mut self.window.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// [`Store::recent`](super::Store::recent), where `damaged` are the holes that a scan would name.
    pub(super) fn read(
        &self,
        range: TimeRange,
        damaged: &[Hole],
        read: &mut dyn FnMut(&Window),
    ) -> Option<Coverage> {
        let window = self.window.read().unwrap_or_else(PoisonError::into_inner);
        let hit = |hole: &Hole| {
            hole.range.from_unix_ms < range.to_unix_ms && range.from_unix_ms < hole.range.to_unix_ms
        };
        let fallback = match window.held_from_unix_ms() {
            None => Some(Fallback::Empty),
            Some(held_from) if range.from_unix_ms < held_from => Some(Fallback::TooOld),
            Some(_) => damaged.iter().any(hit).then_some(Fallback::Damaged),
        };
        if let Some(fallback) = fallback {
            self.fallbacks[fallback as usize].fetch_add(1, Ordering::Relaxed);
            return None;
        }
        read(&window);
        self.answered.fetch_add(1, Ordering::Relaxed);
        let mut coverage = Coverage::default();
        for stretch in plan(range, ScanRequest::WHOLE_RANGE, &[]) {
            if let Stretch::From(tier, range) = stretch {
                coverage.note(tier, range);
            }
        }
        Some(coverage)
    }

    /// How it fares.
    pub(super) fn condition(&self) -> WindowCondition {
        let window = self.window.read().unwrap_or_else(PoisonError::into_inner);
        WindowCondition {
            bytes: window.bytes() as u64,
            held_from_unix_ms: window.held_from_unix_ms(),
            answered: self.answered.load(Ordering::Relaxed),
            fallbacks: self
                .fallbacks
                .each_ref()
                .map(|count| count.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::counts::COUNTERS;
    use azimuth_measurement::{DelayHistogram, ProbeCounts};
    use proptest::prelude::*;

    use super::*;

    /// A minute on the minute.
    const M0: u64 = 29_923_800 * MINUTE_MS;

    fn record(series: u32, sent: u64, delays_us: &[u32]) -> SeriesRecord {
        let histogram = |delays_us: &[u32]| DelayHistogram::from_values_us(&mut delays_us.to_vec());
        SeriesRecord {
            series,
            counts: ProbeCounts {
                sent,
                returned: delays_us.len() as u64,
                missing_rx_stamp: sent / 2,
                ..ProbeCounts::default()
            },
            delays: match delays_us {
                [] => Vec::new(),
                [one] => vec![(StampClock::TcpInfo, histogram(&[*one]))],
                [first, rest @ ..] => vec![
                    (StampClock::Kernel, histogram(&[*first])),
                    (StampClock::User, histogram(rest)),
                ],
            },
        }
    }

    /// One interval as it was.
    #[derive(Default)]
    struct Again {
        counts: [u64; COUNTERS],
        delays: Vec<(StampClock, DelayHistogram)>,
    }

    impl Sums for Again {
        fn count(&mut self, place: usize, more: u64) -> Option<()> {
            self.counts[place] += more;
            Some(())
        }

        fn delays<'b>(&mut self, clock: StampClock, number: u64, bytes: &'b [u8]) -> Option<&'b [u8]> {
            let (histogram, rest) = DelayHistogram::split_off(bytes, number).ok()?;
            self.delays.push((clock, histogram));
            Some(rest)
        }
    }

    fn held(window: &Window, series: u32, range: TimeRange) -> Vec<(u64, u32, SeriesRecord)> {
        let mut held: Vec<_> = window
            .intervals(SeriesId(series), range)
            .map(|interval| {
                let mut again = Again::default();
                interval.add_to(&mut again).expect("few");
                let record = SeriesRecord {
                    series,
                    counts: ProbeCounts::from_all(again.counts),
                    delays: again.delays,
                };
                (interval.start_unix_ms, interval.length_ms, record)
            })
            .collect();
        held.sort_by_key(|(start, ..)| *start);
        held
    }

    /// Buckets, each with its number of delays.
    type Buckets = Vec<(u16, u64)>;

    /// The counters, and the buckets of each clock.
    fn all_of(sums: &Merging) -> ([u64; COUNTERS], Vec<(u8, Buckets)>) {
        let mut delays: Vec<(u8, Buckets)> = sums
            .delays()
            .map(|(clock, delays)| {
                (
                    clock.wire(),
                    delays
                        .bins()
                        .map(|(bucket, count)| (bucket.get(), count))
                        .collect(),
                )
            })
            .collect();
        delays.sort_unstable();
        (sums.counts(), delays)
    }

    #[test]
    fn a_minute_that_is_over_is_merged_and_a_late_interval_undoes_it() {
        let mut window = Window::default();
        window.begin(M0);
        let note = |window: &mut Window, at: u64, delays_us: &[u32]| {
            let record = record(0, 30, delays_us);
            window.note(M0 + at, 10_000, &[Some(SeriesId(0))], &[record]);
        };
        let merged = |window: &Window| {
            window.series[0]
                .iter()
                .map(|minute| !minute.merged.is_empty())
                .collect::<Vec<_>>()
        };
        for slot in 0..13 {
            note(&mut window, slot * 10_000, &[700, 800, 900]);
        }
        assert_eq!(merged(&window), [true, true, false]);
        note(&mut window, 5_000, &[650]);
        assert_eq!(merged(&window), [false, true, false]);
        let mut sums = Merging::default();
        let range = TimeRange {
            from_unix_ms: M0,
            to_unix_ms: M0 + 2 * MINUTE_MS,
        };
        let number = window.add_to(SeriesId(0), range, &mut sums, &mut |_, _| {});
        assert_eq!(number, Some(13));
        let delays: u64 = sums.delays().map(|(_, delays)| delays.count()).sum();
        assert_eq!(delays, 12 * 3 + 1);
    }

    proptest! {
        /// Every interval noted is given back as it was, whatever the order, until its minute is let go.
        #[test]
        fn what_was_noted_is_held(
            noted in prop::collection::vec((0_u64..400_000, 0_u32..4, 0_u64..90, prop::collection::vec(1_u32..70_000_000, 0..5)), 0..60),
            from in 0_u64..300_000, length in 0_u64..300_000, let_go in 0_u64..200_000
        ) {
            let mut window = Window::default();
            window.begin(M0);
            let mut model = Vec::new();
            for (at, series, sent, delays_us) in noted {
                let record = record(series, sent, &delays_us);
                window.note(M0 + at, 10_000 + series, &[0, 1, 2, 3].map(|at| Some(SeriesId(at))), std::slice::from_ref(&record));
                model.push((M0 + at, 10_000 + series, record));
            }
            window.hold_from(M0 + let_go);
            let from_unix_ms = (M0 + from).max(window.held_from_unix_ms().expect("something"));
            let range = TimeRange { from_unix_ms, to_unix_ms: from_unix_ms + length };
            model.sort_by_key(|(start, ..)| *start);
            for series in 0..5 {
                let expected: Vec<_> = model
                    .iter()
                    .filter(|(start, _, record)| range.contains(*start) && record.series == series)
                    .cloned()
                    .collect();
                let held = held(&window, series, range);
                let (mut heard, mut sums, mut one_by_one) = (Vec::new(), Merging::default(), Merging::default());
                let number = window
                    .add_to(SeriesId(series), range, &mut sums, &mut |start, length_ms| heard.push((start, length_ms)))
                    .expect("few");
                for interval in window.intervals(SeriesId(series), range) {
                    interval.add_to(&mut one_by_one).expect("few");
                }
                heard.sort_unstable();
                let mut starts: Vec<_> = held.iter().map(|(start, length_ms, _)| (*start, *length_ms)).collect();
                starts.sort_unstable();
                prop_assert_eq!(number, heard.len() as u64);
                prop_assert_eq!(heard, starts);
                prop_assert_eq!(all_of(&sums), all_of(&one_by_one));
                prop_assert_eq!(held, expected);
            }
            window.forget();
            prop_assert_eq!(window.bytes, 0);
        }
    }

    #[test]
    fn it_takes_no_more_than_it_may_and_lets_the_oldest_go_first() {
        let mut window = Window::new(20_000);
        window.begin(M0);
        let bytes_held = |window: &Window| -> usize {
            let minutes = window.series.iter().flatten();
            minutes.map(Minute::bytes).sum()
        };
        for slot in 0..600 {
            let record = record(slot % 3, 30, &[700, 800, 900]);
            window.note(
                M0 + u64::from(slot) * 10_000,
                10_000,
                &[0, 1, 2].map(|at| Some(SeriesId(at))),
                &[record],
            );
            assert!(window.bytes <= 20_000);
            assert_eq!(window.bytes, bytes_held(&window));
        }
        let from = window.held_from_unix_ms().expect("something");
        assert!(
            (M0 + 10 * MINUTE_MS..M0 + 90 * MINUTE_MS).contains(&from),
            "{from}"
        );
        let rest = TimeRange {
            from_unix_ms: from,
            to_unix_ms: u64::MAX,
        };
        let held: usize = (0..3).map(|series| held(&window, series, rest).len()).sum();
        assert_eq!(
            held as u64,
            (M0 + 6_000_000 - from) / 10_000,
            "all of what it says it holds"
        );
        let late = record(0, 1, &[]);
        window.note(
            from - 1,
            10_000,
            &[Some(SeriesId(0))],
            std::slice::from_ref(&late),
        );
        assert_eq!(
            window
                .intervals(
                    SeriesId(0),
                    TimeRange {
                        from_unix_ms: 0,
                        ..rest
                    }
                )
                .count(),
            held / 3
        );
        // One that is as large as all of it leaves nothing, wherever it starts.
        let delays: Vec<u32> = (1..20_000).map(|step| step * 3_000).collect();
        window.note(
            1 << 50,
            10_000,
            &[Some(SeriesId(0))],
            &[record(0, 20_000, &delays)],
        );
        assert_eq!(bytes_held(&window), window.bytes);
        assert!(window.bytes <= 20_000);
    }
}
