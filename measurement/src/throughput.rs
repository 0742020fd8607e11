//! What one throughput test found: how much one TCP flow carried in one direction, how sure that is, what it cost, and what it
//! did to delay meanwhile. Not the test itself, and no series: a test is an event, hours apart from the next. Pure.
//!
//! Throughput is bulk transfer capacity of one connection (RFC 3148) above TLS and WebSocket: octets of messages that arrived, by
//! the clock of the end that received them. Never compare results of different congestion controls.

use thiserror::Error;

use crate::counts::MAX_COUNT;
use crate::histogram::{Accumulator, DelayHistogram};
use crate::method::{StampClock, StopReason, TransferDirection, TransferLimit};

/// Most results of a report.
pub const MAX_RESULTS: usize = 64;
/// Most octets one test may claim to have moved.
pub const MAX_TEST_BYTES: u64 = 1 << 44;
/// The fastest a result may claim to be, in bits per second.
pub const MAX_BPS: u64 = 10_000_000_000_000;
/// The longest a test may claim to have lasted, in microseconds.
pub const MAX_DURATION_US: u32 = 600_000_000;
/// The longest name of a congestion control, in bytes (Linux `TCP_CA_NAME_MAX`, its end not counted).
pub const MAX_CONGESTION_CONTROL_BYTES: usize = 15;

/// The result of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThroughputResult {
    /// Position in the manifest of the series whose target it is: the one whose probes went beside it.
    pub series: u32,
    /// When the load ended, by the agent's clock.
    pub at_unix_ms: u64,
    /// Which way the octets went.
    pub direction: TransferDirection,
    /// Why it ended.
    pub stop: StopReason,
    /// Whether the rate had settled before the end. Only then `bps` is an estimate.
    pub settled: bool,
    /// Bits per second over the last half after the ramp-up; 0 when nothing can be said.
    pub bps: u64,
    /// Octets of messages moved, both ends' overheads not counted.
    pub bytes: u64,
    /// How long the load lasted, in microseconds.
    pub duration_us: u32,
    /// What the sender told of its connection; `None` when it told nothing.
    pub sender: Option<SenderView>,
    /// By which clock the delays below are. Delays by another are not in them.
    pub clock: StampClock,
    /// Before the load.
    pub idle: PhaseDelays,
    /// During the load.
    pub loaded: PhaseDelays,
    /// After the load, while the queues drained.
    pub drained: PhaseDelays,
}

/// The sending end's account of its connection (`TCP_INFO`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SenderView {
    /// The congestion control, as the kernel names it: `cubic`, `bbr`. Empty when it was not told.
    pub congestion_control: String,
    /// Octets sent more than once.
    pub retransmitted_bytes: u64,
    /// The shortest round trip the connection saw, in microseconds.
    pub min_rtt_us: u32,
    /// What held it back for most of the time.
    pub limited_by: Option<TransferLimit>,
}

/// The probes of one phase, sent on a flow of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PhaseDelays {
    /// Probes sent.
    pub sent: u32,
    /// Those without an answer within the waiting time.
    pub lost: u32,
    /// The delays of the rest, but for those by another clock.
    pub delays: DelayHistogram,
}

/// How a result is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// The path carries about this much.
    Estimate,
    /// The path carries at least this much: the test ended before the rate had settled.
    LowerBound,
    /// The test failed and says nothing of the path.
    Failed,
}

impl Reading {
    /// The one spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Estimate => "estimate",
            Self::LowerBound => "lower_bound",
            Self::Failed => "failed",
        }
    }
}

/// A result that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ThroughputError {
    /// A number beyond what a test can be.
    #[error("{what} {given} is beyond {limit}")]
    Range {
        /// The field.
        what: &'static str,
        /// As given.
        given: u64,
        /// The greatest allowed.
        limit: u64,
    },
    /// A rate without time or octets, or a settled rate of nothing.
    #[error("{bps} bit/s from {bytes} octets in {duration_us} us is no rate")]
    Rate {
        /// Bits per second.
        bps: u64,
        /// Octets.
        bytes: u64,
        /// Microseconds.
        duration_us: u32,
    },
    /// It ended because the rate was stable, and it was not; or for losses, and it was.
    #[error("why it stopped contradicts whether its rate had settled")]
    NotSettled,
    /// More answers than probes.
    #[error("{phase} has more losses and delays than probes")]
    Probes {
        /// Which phase.
        phase: &'static str,
    },
    /// The name of the congestion control has characters that none has, or too many.
    #[error("the congestion control is not a name of at most 15 letters, digits, - and _")]
    CongestionControl,
}

impl ThroughputResult {
    /// How it is to be read.
    #[must_use]
    pub fn reading(&self) -> Reading {
        match (self.bps, self.settled) {
            (0, _) => Reading::Failed,
            (_, true) => Reading::Estimate,
            (_, false) => Reading::LowerBound,
        }
    }

    /// How much longer the median round trip took under load than before it, in microseconds; `None` without both.
    #[must_use]
    pub fn added_delay_us(&self) -> Option<i64> {
        let loaded = i64::from(self.loaded.quantile_us(0.5)?);
        Some(loaded - i64::from(self.idle.quantile_us(0.5)?))
    }

    /// Round trips a minute under load (RPM), from the mean of the UDP probes' delays. Not that of
    /// draft-ietf-ippm-responsiveness, which mixes in times of TCP, TLS and HTTP.
    #[must_use]
    pub fn responsiveness_rpm(&self) -> Option<u64> {
        let mut dense = Accumulator::new();
        dense.add(&self.loaded.delays).ok()?;
        Some((60_000_000.0 / dense.mean_us()?).round() as u64)
    }

    /// Holds the result against itself.
    ///
    /// # Errors
    /// [`ThroughputError`] naming what does not fit.
    pub fn check(&self) -> Result<(), ThroughputError> {
        let within = |what, given: u64, limit: u64| {
            if given <= limit {
                Ok(())
            } else {
                Err(ThroughputError::Range { what, given, limit })
            }
        };
        within("bytes", self.bytes, MAX_TEST_BYTES)?;
        within("bps", self.bps, MAX_BPS)?;
        within("duration_us", self.duration_us.into(), MAX_DURATION_US.into())?;
        if self.bps > 0 && (self.bytes == 0 || self.duration_us == 0) || self.settled && self.bps == 0 {
            return Err(ThroughputError::Rate {
                bps: self.bps,
                bytes: self.bytes,
                duration_us: self.duration_us,
            });
        }
        if self.stop == StopReason::Stable && !self.settled || self.stop == StopReason::Losses && self.settled
        {
            return Err(ThroughputError::NotSettled);
        }
        if let Some(sender) = &self.sender {
            within("retransmitted_bytes", sender.retransmitted_bytes, MAX_TEST_BYTES)?;
            if !is_congestion_control(&sender.congestion_control) && !sender.congestion_control.is_empty() {
                return Err(ThroughputError::CongestionControl);
            }
        }
        for (phase, delays) in [
            ("idle", &self.idle),
            ("loaded", &self.loaded),
            ("drained", &self.drained),
        ] {
            let settled = delays.delays.count().checked_add(delays.lost.into());
            if settled.is_none_or(|settled| settled > delays.sent.into() || settled > MAX_COUNT) {
                return Err(ThroughputError::Probes { phase });
            }
        }
        Ok(())
    }
}

impl PhaseDelays {
    /// A delay no less than this share of the delays, nearest rank; `None` without any.
    #[must_use]
    pub fn quantile_us(&self, share: f64) -> Option<u32> {
        let mut dense = Accumulator::new();
        dense.add(&self.delays).ok()?;
        dense.quantile_us(share)
    }
}

/// Whether it can be the name of a congestion control.
#[must_use]
pub fn is_congestion_control(name: &str) -> bool {
    (1..=MAX_CONGESTION_CONTROL_BYTES).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
