//! What comes out. Times are Unix milliseconds; values are microseconds for delays, a share (0 to 1) for loss
//! and bits per second for throughput.

/// What was watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Statistic {
    /// Median of the units.
    Median,
    /// 98th percentile of the units.
    Tail,
    /// 90th less 10th percentile of the units.
    Spread,
    /// Probes lost of probes sent.
    Loss,
    /// Throughput from the target to the agent.
    Download,
    /// Throughput from the agent to the target.
    Upload,
}

impl Statistic {
    /// Every statistic.
    pub const ALL: [Self; 6] = [
        Self::Median,
        Self::Tail,
        Self::Spread,
        Self::Loss,
        Self::Download,
        Self::Upload,
    ];

    /// The one spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Median => "p50",
            Self::Tail => "p98",
            Self::Spread => "spread",
            Self::Loss => "loss",
            Self::Download => "download",
            Self::Upload => "upload",
        }
    }
}

/// Which way, and whether anybody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// A regression: worse by at least the floor, confirmed. Carries the number by which its [`Event::Ended`] names it,
    /// unique within a detector.
    Worse {
        /// The regression's number.
        number: u32,
    },
    /// Better: accepted for the reference, nobody is alerted.
    Better,
    /// Worse, and silent: below the floor, only back from a dip of less than an hour, or as it always is at this hour.
    WorseSilently,
}

/// A change of level that was accepted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// What changed.
    pub statistic: Statistic,
    /// Which way.
    pub direction: Direction,
    /// End of the tick that confirmed it.
    pub fired_at_unix_ms: u64,
    /// Estimate of when it happened: begin of the first unit of the new level.
    pub changed_at_unix_ms: u64,
    /// Level before.
    pub from: f64,
    /// Level since.
    pub to: f64,
    /// Standard score of the ranks since against those before (Mann-Whitney, corrected for serial correlation); for loss
    /// the log likelihood ratio.
    pub score: f64,
    /// Whether the series was at least this bad at this hour of the week in both of the last two weeks, for some hours: a busy
    /// hour, of which nobody is told.
    pub usual_at_this_hour: bool,
}

/// How a regression ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The level fell more than half of the way back.
    Recovered,
    /// It lasted a day: this is how the path is now.
    NewBaseline,
}

impl End {
    /// The one spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::NewBaseline => "new_baseline",
        }
    }
}

/// What a tick brought about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// A level changed.
    Changed(Change),
    /// A regression is over.
    Ended {
        /// Which, by [`Direction::Worse`].
        number: u32,
        /// When that was known.
        at_unix_ms: u64,
        /// How.
        end: End,
    },
    /// A regression that had recovered is back within the hour: the same one, not another alert.
    Reopened {
        /// Which, by [`Direction::Worse`].
        number: u32,
        /// When that was known.
        at_unix_ms: u64,
    },
}
