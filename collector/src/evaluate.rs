//! From what is stored to alerts that are kept: the rules are held against it once a minute. Not the rules themselves,
//! which are pure and stand in [`crate::alert`], and not the sending of what is to be told.
//!
//! | room | what it does |
//! |---|---|
//! | [`settings`], [`rule_files`] | which rules |
//! | [`labels`] | of every stored series |
//! | [`light`] | which delays are shorter than light allows |
//! | [`round`], [`regularly`] | evaluates the next stretch of time; once a minute |
//! | [`desk`], [`file`], [`page`] | the alerts, on disk too, and the outbox of what is to be told |
//! | [`telling`] | hands what is to be told to [`crate::notify`] |
//! | [`counters`] | what is counted |

pub mod counters;
pub mod desk;
pub mod file;
pub mod labels;
pub mod light;
pub mod page;
pub mod regularly;
pub mod round;
pub mod rule_files;
pub mod settings;
pub mod telling;

use azimuth_measurement::{DelayHistogram, StampClock};

use crate::alert::rules::Sample;
use crate::query::merge::place;
use crate::store::Observation;

/// The sample of an observation: its counts, and the delays of the best clock that stamped any. `empty` stands in when
/// none did.
pub fn sample_of<'a>(observation: &'a Observation, empty: &'a DelayHistogram) -> Sample<'a> {
    Sample {
        start_unix_ms: observation.start_unix_ms,
        length_ms: observation.length_ms,
        counts: &observation.counts,
        delays: best(&observation.delays).unwrap_or(empty),
    }
}

/// The delays of the best clock, in the order in which queries prefer them.
pub fn best(delays: &[(StampClock, DelayHistogram)]) -> Option<&DelayHistogram> {
    let best = delays.iter().min_by_key(|(clock, _)| place(*clock));
    best.map(|(_, histogram)| histogram)
}
