//! Raw counts and delays per series and interval, until the interval is closed. Pure; handed the time.
//!
//! A probe belongs to the interval in which it was sent, whenever its answer comes. An interval is therefore closed
//! only after the longest waiting time has passed since its end, when every probe of it is either returned or lost.
//! What is noticed later still (a duplicate, a very late answer) counts in the oldest interval that is open.
//!
//! For a person who watches, that is long: an eager tally closes an interval as soon as the last of its probes is settled.
//!
//! A probe that was sent while a throughput test of our own loaded the path, or while the queues of one drained, counts in a series of
//! its own, so that no delay of the path at rest is one under our load ([`LoadLabel`]). A series that has such series beside it is
//! followed by them: `self_load`, `post_load`.
//!
//! Interval names follow the wall clock, their ends follow the monotonic one: each new interval asks the wall clock
//! afresh, so that a slow clock is followed and a step moves the name of the next interval, never a delay.

use std::collections::VecDeque;

use azimuth_measurement::{DelayHistogram, Interval, LoadLabel, ProbeCounts, SeriesRecord, StampClock};

use crate::clock::{Moment, Monotonic, NS_PER_MS, Wall};

mod order;

use order::Sample;

/// Series beside one that has its loaded probes counted apart.
pub const LOADED_SERIES: usize = 2;

/// Which interval, counted from the start of the process, and under which load: what a probe needs to have with it until it is
/// settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IntervalOrdinal(u64);

impl IntervalOrdinal {
    /// The interval in which the process started, at rest.
    pub const FIRST: Self = Self(0);
    /// Below the count: how far beside its series a probe is counted.
    const LOAD_BITS: u32 = 2;

    fn new(count: u64, load: LoadLabel) -> Self {
        let beside = match load {
            LoadLabel::Idle => 0,
            LoadLabel::SelfLoad => 1,
            LoadLabel::PostLoad => 2,
        };
        Self(count << Self::LOAD_BITS | beside)
    }

    fn count(self) -> u64 {
        self.0 >> Self::LOAD_BITS
    }

    fn beside(self) -> usize {
        (self.0 & ((1 << Self::LOAD_BITS) - 1)) as usize
    }
}

/// What one series saw in one interval, before it becomes a histogram.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesTally {
    /// The counts; `sent` equals `returned` plus lost once the interval is closed. Their `ipdv` is there then too.
    pub counts: ProbeCounts,
    /// Every delay with the clock that stamped it, in whole microseconds, in order of arrival.
    pub delays_us: Vec<(StampClock, u32)>,
    /// When the certificate last shown ends, in seconds since 1970; for people at a terminal, not in reports.
    pub certificate_ends_unix_s: Option<u64>,
}

/// An interval that nothing can be added to any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedInterval {
    /// Its name on the wall clock.
    pub interval: Interval,
    /// When it ended, for its age when it is delivered.
    pub ended_at: Monotonic,
    /// One per series, in the order of the plan.
    pub series: Vec<SeriesTally>,
    /// How long after its deadline each probe left, in microseconds.
    pub send_lateness_us: Vec<u32>,
    /// Answers discarded in this interval because the wall clock was stepped meanwhile.
    pub clock_steps: u64,
}

#[derive(Debug)]
struct OpenInterval {
    closed: ClosedInterval,
    /// First instant at which every probe of the interval has been waited for.
    complete_at: Monotonic,
    /// Probes of the interval that are neither returned nor lost yet.
    under_way: u64,
    /// Per series, the numbers of the probes whose delays were recorded, in that order.
    sequences: Vec<Vec<u32>>,
}

/// All intervals that are still open: the current one and those whose probes are still waited for.
#[derive(Debug)]
pub struct Tally {
    length_ms: u32,
    waiting_ns: i64,
    series: usize,
    /// Per series, whether it is followed by its loaded ones.
    has_loaded: Vec<bool>,
    load: LoadLabel,
    /// Whether an interval closes as soon as all its probes are settled.
    eager: bool,
    /// Ordinal of the front of `open`.
    front: u64,
    open: VecDeque<OpenInterval>,
    /// Per series, the last delay of the intervals closed so far.
    last: Vec<Option<Sample>>,
}

impl Tally {
    /// Starts counting `series` series at `now` in intervals of `length_ms`, closing each `waiting_ns` (the longest
    /// waiting time of any series) after its end.
    #[must_use]
    pub fn new(series: usize, length_ms: u32, waiting_ns: i64, now: Moment) -> Self {
        let mut tally = Self {
            length_ms,
            waiting_ns,
            series,
            has_loaded: vec![false; series],
            load: LoadLabel::Idle,
            eager: false,
            front: 0,
            open: VecDeque::new(),
            last: vec![None; series],
        };
        tally.begin(now);
        tally
    }

    /// The same, closing each interval as soon as all its probes are settled.
    #[must_use]
    pub fn eager(mut self) -> Self {
        self.eager = true;
        self
    }

    /// Counts `series` series from now on, none fewer than before, the longest of them waiting `waiting_ns`. Open intervals
    /// take the new ones in.
    pub fn grow(&mut self, series: usize, waiting_ns: i64) {
        self.series = self.series.max(series);
        self.waiting_ns = self.waiting_ns.max(waiting_ns);
        for open in &mut self.open {
            open.closed.series.resize(self.series, SeriesTally::default());
            open.sequences.resize(self.series, Vec::new());
        }
        self.last.resize(self.series, None);
        self.has_loaded.resize(self.series, false);
        if let Some(current) = self.open.back_mut() {
            current.complete_at = current.closed.ended_at.plus_ns(self.waiting_ns);
        }
    }

    /// The series after `series` are for its probes under load.
    pub fn count_loaded_beside(&mut self, series: u32) {
        if let Some(has_loaded) = self.has_loaded.get_mut(series as usize) {
            *has_loaded = true;
        }
    }

    /// Probes sent from now on are sent under this load.
    pub fn set_load(&mut self, load: LoadLabel) {
        self.load = load;
    }

    /// A probe of the current interval is on its way.
    pub fn note_sent(&mut self) {
        if let Some(current) = self.open.back_mut() {
            current.under_way += 1;
        }
    }

    /// A probe of `interval` is settled, or was not sent after all.
    pub fn note_settled(&mut self, interval: IntervalOrdinal) {
        let Some(index) = interval.count().checked_sub(self.front) else {
            return;
        };
        if let Some(open) = usize::try_from(index)
            .ok()
            .and_then(|index| self.open.get_mut(index))
        {
            open.under_way = open.under_way.saturating_sub(1);
        }
    }

    /// Whether [`poll_closed`](Self::poll_closed) would answer.
    #[must_use]
    pub fn is_due(&self, now: Monotonic) -> bool {
        // The current interval is never taken: `current` always exists.
        let complete = |front: &OpenInterval| {
            front.complete_at <= now || (self.eager && front.under_way == 0 && front.closed.ended_at <= now)
        };
        self.open.len() >= 2 && self.open.front().is_some_and(complete)
    }

    /// The interval that a probe sent now belongs to.
    #[must_use]
    pub fn current(&self) -> IntervalOrdinal {
        let count = self.front + self.open.len().saturating_sub(1) as u64;
        IntervalOrdinal::new(count, self.load)
    }

    /// Next instant at which [`handle_timeout`](Self::handle_timeout) or [`poll_closed`](Self::poll_closed) has
    /// something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Monotonic> {
        let ends_at = self.open.back().map(|interval| interval.closed.ended_at);
        let complete_at = self.open.front().map(|interval| interval.complete_at);
        ends_at.into_iter().chain(complete_at).min()
    }

    /// Begins the next interval if the current one has ended. To be called before a probe is sent.
    pub fn handle_timeout(&mut self, now: Moment) {
        if self
            .open
            .back()
            .is_none_or(|current| current.closed.ended_at <= now.monotonic)
        {
            self.begin(now);
        }
    }

    /// The oldest interval, once all its probes have been waited for. The caller has let every session time out
    /// first.
    pub fn poll_closed(&mut self, now: Monotonic) -> Option<ClosedInterval> {
        if !self.is_due(now) {
            return None;
        }
        self.front += 1;
        let interval = self.open.pop_front()?;
        Some(interval.close(&mut self.last))
    }

    /// Takes every interval, complete or not, for the end of the process. `now` is the end of the current one.
    pub fn close_all(&mut self, now: Monotonic) -> Vec<ClosedInterval> {
        self.front += self.open.len() as u64;
        let last = &mut self.last;
        let closed = self.open.drain(..).map(|interval| interval.close(last));
        closed
            .map(|interval| ClosedInterval {
                ended_at: interval.ended_at.min(now),
                ..interval
            })
            .collect()
    }

    /// The counts of `series` in `interval`, or in the oldest open interval if that one is closed.
    pub fn counts(&mut self, interval: IntervalOrdinal, series: u32) -> Option<&mut ProbeCounts> {
        self.at(interval, series).map(|tally| &mut tally.counts)
    }

    /// Whether `interval` is not closed yet.
    #[must_use]
    pub fn is_open(&self, interval: IntervalOrdinal) -> bool {
        interval.count() >= self.front
    }

    /// Records the delay of the probe with this number within its series.
    pub fn record(
        &mut self,
        interval: IntervalOrdinal,
        (series, sequence): (u32, u32),
        clock: StampClock,
        delay_us: u32,
    ) {
        let (index, series) = (self.index(interval), self.place(interval, series));
        if let Some(open) = self.open.get_mut(index)
            && let (Some(tally), Some(sequences)) =
                (open.closed.series.get_mut(series), open.sequences.get_mut(series))
        {
            tally.delays_us.push((clock, delay_us));
            sequences.push(sequence);
        }
    }

    /// Notes when the certificate shown ends; `None` changes nothing.
    pub fn note_certificate(&mut self, interval: IntervalOrdinal, series: u32, ends_unix_s: Option<u64>) {
        if let (Some(ends), Some(tally)) = (ends_unix_s, self.at(interval, series)) {
            tally.certificate_ends_unix_s = Some(ends);
        }
    }

    /// Records how long after its deadline a probe of the current interval left.
    pub fn record_lateness(&mut self, lateness_us: u32) {
        if let Some(current) = self.open.back_mut() {
            current.closed.send_lateness_us.push(lateness_us);
        }
    }

    /// Counts an answer discarded because the wall clock was stepped.
    pub fn count_clock_step(&mut self, interval: IntervalOrdinal) {
        let index = self.index(interval);
        if let Some(open) = self.open.get_mut(index) {
            open.closed.clock_steps += 1;
        }
    }

    fn at(&mut self, interval: IntervalOrdinal, series: u32) -> Option<&mut SeriesTally> {
        let (index, series) = (self.index(interval), self.place(interval, series));
        self.open.get_mut(index)?.closed.series.get_mut(series)
    }

    /// Where the probes of `series` that were sent in `interval` are counted.
    fn place(&self, interval: IntervalOrdinal, series: u32) -> usize {
        let series = series as usize;
        match self.has_loaded.get(series) {
            Some(true) => series + interval.beside(),
            _ => series,
        }
    }

    fn index(&self, interval: IntervalOrdinal) -> usize {
        usize::try_from(interval.count().saturating_sub(self.front)).unwrap_or(usize::MAX)
    }

    fn begin(&mut self, now: Moment) {
        let Ok(interval) = Interval::containing(now.wall.unix_ms(), self.length_ms) else {
            // The length was checked with the configuration; a wall clock beyond the year 9999 gets no intervals,
            // and the current one goes on.
            return;
        };
        let end = Wall::from_unix_ns(
            i64::try_from(interval.end_unix_ms())
                .unwrap_or(i64::MAX)
                .saturating_mul(NS_PER_MS),
        );
        let ended_at = now.monotonic.plus_ns(end.since_ns(now.wall));
        self.open.push_back(OpenInterval {
            closed: ClosedInterval {
                interval,
                ended_at,
                series: vec![SeriesTally::default(); self.series],
                send_lateness_us: Vec::new(),
                clock_steps: 0,
            },
            complete_at: ended_at.plus_ns(self.waiting_ns),
            under_way: 0,
            sequences: vec![Vec::new(); self.series],
        });
    }
}

impl OpenInterval {
    /// The interval with what can be said once its probes are settled. `last` is what the one before it left.
    fn close(self, last: &mut [Option<Sample>]) -> ClosedInterval {
        let mut closed = self.closed;
        let mut samples = Vec::new();
        for ((tally, sequences), last) in closed.series.iter_mut().zip(self.sequences).zip(last) {
            let delays = tally.delays_us.iter().zip(sequences);
            samples.clear();
            samples.extend(delays.map(|(&(clock, delay_us), sequence)| Sample {
                sequence,
                clock,
                delay_us,
            }));
            tally.counts.ipdv = order::variation(last, &mut samples);
        }
        closed
    }
}

impl SeriesTally {
    /// The record of a closed interval; `None` for a series that has nothing to say.
    #[must_use]
    pub fn to_record(&self, series: u32) -> Option<SeriesRecord> {
        if self.counts == ProbeCounts::default() && self.delays_us.is_empty() {
            return None;
        }
        let delays = StampClock::ALL.iter().filter_map(|&clock| {
            let of_clock = self
                .delays_us
                .iter()
                .filter(|(stamped_by, _)| *stamped_by == clock);
            let mut delays_us: Vec<u32> = of_clock.map(|(_, delay_us)| *delay_us).collect();
            (!delays_us.is_empty()).then(|| (clock, DelayHistogram::from_values_us(&mut delays_us)))
        });
        Some(SeriesRecord {
            series,
            counts: self.counts,
            delays: delays.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000 * NS_PER_MS;

    /// 3 s into the interval that starts at 1,700,000,000 s.
    fn start() -> Moment {
        Moment {
            monotonic: Monotonic::from_ns(50 * SECOND),
            wall: Wall::from_unix_ns(1_700_000_003 * SECOND),
        }
    }

    fn tally() -> Tally {
        Tally::new(1, 10_000, 2 * SECOND, start())
    }

    #[test]
    fn a_probe_belongs_to_the_interval_in_which_it_was_sent() {
        let mut tally = tally();
        let sent_in = tally.current();
        tally.counts(sent_in, 0).expect("open").sent += 1;
        tally.handle_timeout(start().plus_ns(7 * SECOND));
        assert!(tally.current() > sent_in);
        tally.counts(sent_in, 0).expect("open").returned += 1;
        tally.record(sent_in, (0, 0), StampClock::Kernel, 1_500);

        assert_eq!(
            tally.poll_closed(start().monotonic.plus_ns(9 * SECOND - 1)),
            None,
            "still waited for"
        );
        let closed = tally
            .poll_closed(start().monotonic.plus_ns(9 * SECOND))
            .expect("complete");
        assert_eq!(closed.interval.start_unix_ms(), 1_700_000_000_000);
        assert_eq!(closed.ended_at, start().monotonic.plus_ns(7 * SECOND));
        assert_eq!(
            (closed.series[0].counts.sent, closed.series[0].counts.returned),
            (1, 1)
        );
        assert_eq!(closed.series[0].delays_us, [(StampClock::Kernel, 1_500)]);
    }

    #[test]
    fn what_is_noticed_after_the_close_counts_in_the_oldest_open_interval() {
        let mut tally = tally();
        let first = tally.current();
        tally.handle_timeout(start().plus_ns(7 * SECOND));
        tally.handle_timeout(start().plus_ns(17 * SECOND));
        tally
            .poll_closed(start().monotonic.plus_ns(20 * SECOND))
            .expect("the first is complete");
        tally.counts(first, 0).expect("the second is open").late += 1;
        let second = tally
            .poll_closed(start().monotonic.plus_ns(20 * SECOND))
            .expect("complete");
        assert_eq!(second.series[0].counts.late, 1);
    }

    #[test]
    fn an_eager_tally_closes_an_interval_with_its_last_probe_and_never_before_its_end() {
        let mut tally = tally().eager();
        let first = tally.current();
        tally.note_sent();
        tally.note_sent();
        tally.note_settled(first);
        tally.handle_timeout(start().plus_ns(7 * SECOND));
        let at_end = start().monotonic.plus_ns(7 * SECOND);
        assert_eq!(tally.poll_closed(at_end), None, "one is under way");
        tally.note_settled(first);
        assert!(tally.poll_closed(at_end).is_some());
        tally.note_settled(first);
        assert_eq!(tally.poll_closed(at_end), None, "the current one");
    }

    #[test]
    fn a_step_of_the_wall_clock_moves_the_next_name_and_nothing_else() {
        let mut tally = tally();
        let stepped = Moment {
            monotonic: start().monotonic.plus_ns(7 * SECOND),
            wall: start().wall.plus_ns(3_600 * SECOND + 7 * SECOND + SECOND / 2),
        };
        tally.handle_timeout(stepped);
        assert_eq!(tally.open[1].closed.interval.start_unix_ms(), 1_700_003_610_000);
        assert_eq!(
            tally.open[1].closed.ended_at,
            stepped.monotonic.plus_ns(9 * SECOND + SECOND / 2)
        );
        assert_eq!(tally.open[0].closed.ended_at, stepped.monotonic);
    }

    #[test]
    fn the_next_timeout_is_the_end_of_the_current_or_the_completion_of_the_oldest() {
        let mut tally = tally();
        assert_eq!(tally.poll_timeout(), Some(start().monotonic.plus_ns(7 * SECOND)));
        tally.handle_timeout(start().plus_ns(7 * SECOND));
        assert_eq!(tally.poll_timeout(), Some(start().monotonic.plus_ns(9 * SECOND)));
    }

    #[test]
    fn a_record_has_one_histogram_per_clock_best_clock_first() {
        let series = SeriesTally {
            counts: ProbeCounts {
                sent: 4,
                returned: 3,
                ..ProbeCounts::default()
            },
            delays_us: vec![
                (StampClock::User, 9),
                (StampClock::Kernel, 7),
                (StampClock::Kernel, 8),
            ],
            certificate_ends_unix_s: None,
        };
        let record = series.to_record(5).expect("something to say");
        let clocks: Vec<_> = record
            .delays
            .iter()
            .map(|(clock, delays)| (*clock, delays.count()))
            .collect();
        assert_eq!(clocks, [(StampClock::Kernel, 2), (StampClock::User, 1)]);
        assert_eq!((record.series, record.counts.lost()), (5, 1));
        assert_eq!(SeriesTally::default().to_record(0), None);
    }
}
