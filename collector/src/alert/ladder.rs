//! A clipped cumulative sum: one step up for a unit clearly on the far side, one down for a unit clearly at home, parts
//! between. Page's test (Biometrika 41, 1954) with scores bounded as Huber would (Annals of Mathematical Statistics 36,
//! 1965): one value, however wild, is one step, so it takes several units to climb, and a path that alternates between
//! slow and usual climbs only while slow has the majority. The last time the sum was zero estimates the change (the
//! maximum-likelihood estimate for a cumulative sum; Hinkley, Biometrika 58, 1971).

/// A ladder for one direction of change.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Ladder {
    height: f64,
    peak: f64,
    began: Began,
}

/// Where a climb began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Began {
    /// Number of the unit, counted from the first of the series.
    pub unit: u64,
    /// Its begin, Unix time in milliseconds.
    pub at_unix_ms: u64,
}

impl Ladder {
    /// Takes a unit whose score is clipped to -1..=1 (NaN counts as -1). Returns how high the climb had been that this
    /// unit ended, if it ended one.
    pub fn step(&mut self, score: f64, here: Began) -> Option<f64> {
        let score = if score.is_nan() {
            -1.0
        } else {
            score.clamp(-1.0, 1.0)
        };
        if self.height <= 0.0 {
            self.began = here;
        }
        self.height = (self.height + score).max(0.0);
        self.peak = self.peak.max(self.height);
        (self.height <= 0.0 && self.peak > 0.0).then(|| std::mem::take(&mut self.peak))
    }

    /// Steps above the ground.
    pub fn height(&self) -> f64 {
        self.height
    }

    /// First unit of the climb.
    pub fn began(&self) -> Began {
        self.began
    }

    /// Back to the ground.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(unit: u64) -> Began {
        Began {
            unit,
            at_unix_ms: unit * 60_000,
        }
    }

    #[test]
    fn climbs_from_the_first_unit_after_the_ground() {
        let mut ladder = Ladder::default();
        for (unit, score) in [-1.0, 0.4, -3.0, 9.0, 1.0, 0.5].into_iter().enumerate() {
            ladder.step(score, at(unit as u64));
        }
        assert_eq!((ladder.height(), ladder.began()), (2.5, at(3)));
    }

    #[test]
    fn a_climb_that_ends_says_how_high_it_was() {
        let mut ladder = Ladder::default();
        let ended: Vec<_> = [1.0, 1.0, -1.0, -1.0, -1.0]
            .into_iter()
            .enumerate()
            .map(|(unit, score)| ladder.step(score, at(unit as u64)))
            .collect();
        assert_eq!(ended, [None, None, None, Some(2.0), None]);
    }

    #[test]
    fn no_number_is_a_step_down() {
        let mut ladder = Ladder::default();
        ladder.step(1.0, at(0));
        ladder.step(f64::NAN, at(1));
        assert_eq!(ladder.height(), 0.0);
    }
}
