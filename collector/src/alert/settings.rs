//! The numbers of the detector, each with its unit, meaning and origin. One default for every series; a rule may replace
//! the floors.
//!
//! Origin, where none is named: chosen on ten labelled real series of four-minute pings (237 series-days, 75 shifts) and
//! kept because the score is flat around them: with any one varied by a third to a half, F1 stays within 0.82 to 0.89.

/// A minute, in milliseconds.
pub const MINUTE_MS: u64 = 60_000;
/// An hour, in milliseconds.
pub const HOUR_MS: u64 = 60 * MINUTE_MS;

/// Below what size nobody cares: the part of a shift that is judgement, not statistics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Floor {
    /// The absolute floor where the level is high, in the statistic's unit.
    pub absolute: f64,
    /// The absolute floor never falls under this, in the statistic's unit.
    pub absolute_least: f64,
    /// Where the level is low the absolute floor is this share of it, so that short paths have a floor of their own.
    pub absolute_share: f64,
    /// The relative floor, as a share of the level.
    pub relative: f64,
}

impl Floor {
    /// The smallest shift from `level` worth an alert.
    pub fn at(&self, level: f64) -> f64 {
        let absolute = (self.absolute_share * level)
            .min(self.absolute)
            .max(self.absolute_least);
        absolute.max(self.relative * level)
    }
}

/// How one statistic of the delays is watched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LevelSettings {
    /// Smallest shift worth an alert.
    pub floor: Floor,
    /// A shift must also exceed this many robust standard deviations of the reference, each widened by the root of the
    /// reference's serial correlation inflation (1 for white noise, 3 at most): noise that makes runs must be exceeded
    /// by more.
    pub sigmas: f64,
    /// Steps of the ladder to confirm an alert: so many units in a row when all are clearly slower.
    pub confirm: f64,
    /// Steps to follow a change too small for an alert, silently.
    pub follow: f64,
}

/// How the results of throughput tests are watched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateSettings {
    /// Smallest drop worth an alert, as a share of the rate before. Judgement: tests of a shared line scatter by nearly as
    /// much from one to the next, and a tenth less is nobody's business.
    pub drop: f64,
}

/// How the lost share is watched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossSettings {
    /// Smallest rise of the lost share worth an alert, as a share of probes sent.
    pub rise: f64,
    /// Log likelihood ratio to confirm (Page 1954): 12 is odds of 160,000 to 1 within one excursion.
    pub confirm: f64,
    /// What one unit can add at most, so that an alert needs at least five.
    pub unit_most: f64,
}

/// Everything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// The median delay, in microseconds.
    pub median: LevelSettings,
    /// The 98th percentile of a unit, in microseconds. A tail needs about 500 delays to be told from noise; the ladder
    /// supplies them: ten steps of at least [`Settings::tail_delays`] each.
    pub tail: LevelSettings,
    /// The delay variation: 90th less 10th percentile of a unit (pdv of RFC 5481 at those points), in microseconds.
    pub spread: LevelSettings,
    /// The lost share.
    pub loss: LossSettings,
    /// The throughput.
    pub rates: RateSettings,
    /// Delays a unit needs before its tail is looked at.
    pub tail_delays: u64,
    /// Delays a unit needs before its spread is looked at.
    pub spread_delays: u64,
}

impl Default for Settings {
    fn default() -> Self {
        let delay = LevelSettings {
            floor: Floor {
                absolute: 2_000.0,
                absolute_least: 500.0,
                absolute_share: 0.08,
                relative: 0.02,
            },
            sigmas: 3.0,
            confirm: 6.0,
            follow: 12.0,
        };
        Self {
            median: delay,
            tail: LevelSettings {
                floor: Floor {
                    absolute: 5_000.0,
                    absolute_least: 5_000.0,
                    absolute_share: 0.0,
                    relative: 0.2,
                },
                confirm: 10.0,
                follow: 20.0,
                ..delay
            },
            spread: LevelSettings {
                floor: Floor {
                    absolute: 2_000.0,
                    absolute_least: 2_000.0,
                    absolute_share: 0.0,
                    relative: 0.5,
                },
                confirm: 8.0,
                follow: 16.0,
                ..delay
            },
            loss: LossSettings {
                rise: 0.02,
                confirm: 12.0,
                unit_most: 2.5,
            },
            rates: RateSettings { drop: 0.3 },
            tail_delays: 50,
            spread_delays: 30,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_two_milliseconds_or_two_percent_and_smaller_on_short_paths() {
        let floor = Settings::default().median.floor;
        assert_eq!(floor.at(200_000.0), 4_000.0);
        assert_eq!(floor.at(50_000.0), 2_000.0);
        assert_eq!(floor.at(10_000.0), 800.0);
        assert_eq!(floor.at(1_000.0), 500.0);
    }
}
