//! What goes in: one series, one interval. Not the wire's report; whoever reads reports makes ticks of them.

use azimuth_measurement::DelayHistogram;
use azimuth_measurement::histogram::MAX_DELAY_US;
use thiserror::Error;

/// The delays of a tick.
#[derive(Debug, Clone, Copy)]
pub enum Delays<'a> {
    /// No probe came back.
    None,
    /// One delay, in whole microseconds.
    One {
        /// The round-trip delay, in microseconds.
        delay_us: u32,
    },
    /// Any number of delays, as the agent counted them.
    Histogram(&'a DelayHistogram),
}

/// What one series measured in `[start, start + length)`.
#[derive(Debug, Clone, Copy)]
pub struct Tick<'a> {
    /// Begin of the interval, Unix time in milliseconds, UTC.
    pub start_unix_ms: u64,
    /// Length of the interval, in milliseconds; 0 for a delay known only by its instant.
    pub length_ms: u32,
    /// The delays that came back.
    pub delays: Delays<'a>,
    /// Probes sent whose fate is known: returned or lost.
    pub sent: u64,
    /// Probes that did not come back within the series' waiting time (RFC 7680).
    pub lost: u64,
}

/// Why a tick changed nothing. Callers count these by [`TickRefused::reason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TickRefused {
    /// It begins before one already taken: the past is decided.
    #[error(
        "the tick at {start_unix_ms} begins before the one at {last_unix_ms}; feed ticks in order of time"
    )]
    OutOfOrder {
        /// Begin of the tick refused.
        start_unix_ms: u64,
        /// Begin of the latest tick taken.
        last_unix_ms: u64,
    },
    /// More lost than sent.
    #[error("the tick counts {lost} probes lost of {sent} sent; lost is a part of sent")]
    Counts {
        /// Probes sent.
        sent: u64,
        /// Probes lost.
        lost: u64,
    },
    /// A delay of nothing, or longer than any waiting time.
    #[error("a delay of {delay_us} us is outside 1 us to {MAX_DELAY_US} us")]
    Delay {
        /// The delay.
        delay_us: u32,
    },
}

impl TickRefused {
    /// The counter's label.
    pub fn reason(self) -> &'static str {
        match self {
            Self::OutOfOrder { .. } => "out_of_order",
            Self::Counts { .. } => "counts",
            Self::Delay { .. } => "delay",
        }
    }
}

impl Tick<'_> {
    /// End of the interval, Unix time in milliseconds.
    pub fn end_unix_ms(&self) -> u64 {
        self.start_unix_ms.saturating_add(self.length_ms.into())
    }

    /// Whether the tick can be taken after one that began at `last_unix_ms`.
    ///
    /// # Errors
    /// Names what is wrong with it.
    pub fn check(&self, last_unix_ms: Option<u64>) -> Result<(), TickRefused> {
        if let Some(last_unix_ms) = last_unix_ms.filter(|last| self.start_unix_ms < *last) {
            return Err(TickRefused::OutOfOrder {
                start_unix_ms: self.start_unix_ms,
                last_unix_ms,
            });
        }
        if self.lost > self.sent {
            return Err(TickRefused::Counts {
                sent: self.sent,
                lost: self.lost,
            });
        }
        match self.delays {
            Delays::One { delay_us } if delay_us == 0 || delay_us > MAX_DELAY_US => {
                Err(TickRefused::Delay { delay_us })
            }
            _ => Ok(()),
        }
    }
}
