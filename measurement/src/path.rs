//! The way of packets from an agent to a target, as far as its routers show themselves, and the event that it changed.
//! Not a topology: one flow, as it was traced at one time. Pure.
//!
//! A hop is a distance in routers (TTL, RFC 791; hop limit, RFC 8200). A router that does not answer leaves a hop without
//! an address, which is no evidence of anything.

use std::net::IpAddr;

use thiserror::Error;

/// Most hops of a path.
pub const MAX_HOPS: usize = 64;
/// Most addresses of one hop: routers that share the load.
pub const MAX_HOP_ADDRESSES: usize = 4;
/// Most path events of a report.
pub const MAX_PATH_EVENTS: usize = 128;
/// Most hops of all path events of a report together: what may be taken into memory at once.
pub const MAX_EVENT_HOPS: usize = 8_192;

/// What answered at one distance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PathHop {
    /// Who answered, in the order of first answers; none when nobody did.
    pub addresses: Vec<IpAddr>,
    /// Probes sent to this distance.
    pub sent: u32,
    /// Those answered in time.
    pub answered: u32,
    /// The shortest round-trip delay, in microseconds; `None` without an answer.
    pub min_us: Option<u32>,
    /// The median round-trip delay (nearest rank), in microseconds; `None` without an answer.
    pub median_us: Option<u32>,
}

/// The hops of one trace, nearest first, without the silence after the last that answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path {
    /// One for each distance from 1.
    pub hops: Vec<PathHop>,
    /// Whether the last hop is the target.
    pub reached: bool,
}

/// What made an agent trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathReason {
    /// It was time.
    Scheduled,
    /// The agent saw its own delay to the target shift.
    DelayShift,
}

impl PathReason {
    /// Every reason, in the order of their wire numbers from 1.
    pub const ALL: [Self; 2] = [Self::Scheduled, Self::DelayShift];

    /// The one spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::DelayShift => "delay_shift",
        }
    }
}

/// The path to the target of one series: told for the first time, told again, or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathEvent {
    /// Position in the manifest of the series whose target it is.
    pub series: u32,
    /// When the trace that showed it ended, by the agent's clock.
    pub at_unix_ms: u64,
    /// What made the agent look.
    pub reason: PathReason,
    /// The path it had before; `None` when this is no change.
    pub before: Option<Path>,
    /// The path now.
    pub after: Path,
}

/// A path event that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PathError {
    /// More hops than a path may have.
    #[error("{0} hops; a path has at most {MAX_HOPS}")]
    TooManyHops(usize),
    /// More addresses than a hop may have.
    #[error("{0} addresses at one hop; at most {MAX_HOP_ADDRESSES} are kept")]
    TooManyAddresses(usize),
    /// More answers than probes, or delays without answers.
    #[error("hop {0} has more answers than probes, or delays that do not fit its answers")]
    Counts(usize),
}

impl PathEvent {
    /// Holds the event against itself.
    ///
    /// # Errors
    /// [`PathError`] naming what does not fit.
    pub fn check(&self) -> Result<(), PathError> {
        self.before.iter().chain([&self.after]).try_for_each(Path::check)
    }

    /// Hops of both paths.
    #[must_use]
    pub fn hop_count(&self) -> usize {
        self.after.hops.len() + self.before.as_ref().map_or(0, |path| path.hops.len())
    }
}

impl Path {
    fn check(&self) -> Result<(), PathError> {
        if self.hops.len() > MAX_HOPS {
            return Err(PathError::TooManyHops(self.hops.len()));
        }
        for (index, hop) in self.hops.iter().enumerate() {
            if hop.addresses.len() > MAX_HOP_ADDRESSES {
                return Err(PathError::TooManyAddresses(hop.addresses.len()));
            }
            let delays_fit = match (hop.min_us, hop.median_us) {
                (None, None) => true,
                (Some(min_us), Some(median_us)) => hop.answered > 0 && min_us <= median_us,
                _ => false,
            };
            if hop.answered > hop.sent || !delays_fit {
                return Err(PathError::Counts(index + 1));
            }
        }
        Ok(())
    }
}
