//! A series that cried wolf has to speak longer. Excursions that went away by themselves within the hour say that this
//! path flaps; each asks the next alert of the series for more steps of the ladder, and is forgotten by halves.

use super::settings::HOUR_MS;

/// A change that does not last this long was none: one hour.
pub const LASTING_MS: u64 = HOUR_MS;
/// A climb that ends below this many steps was noise, not a false start.
pub const FALSE_START: f64 = 3.0;

/// Half of the caution is forgotten in three days.
const HALF_LIFE_MS: f64 = 72.0 * HOUR_MS as f64;
/// Steps asked for each climb that came to nothing.
const PER_FALSE_START: f64 = 2.5;
/// Steps asked for each alert whose cause was gone within [`LASTING_MS`].
const PER_SHORT_ALERT: f64 = 5.0;
/// Steps not asked for: everybody stumbles once.
const FREE: f64 = 2.0;
/// Steps asked for at most, so that no series goes deaf.
const MOST: f64 = 10.0;

/// The memory of one series' false starts.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Caution {
    steps: f64,
    as_of_unix_ms: u64,
}

impl Caution {
    fn decayed(&self, now_unix_ms: u64) -> f64 {
        let age_ms = now_unix_ms.saturating_sub(self.as_of_unix_ms) as f64;
        self.steps * (-age_ms / HALF_LIFE_MS).exp2()
    }

    fn add(&mut self, steps: f64, now_unix_ms: u64) {
        self.steps = self.decayed(now_unix_ms) + steps;
        self.as_of_unix_ms = self.as_of_unix_ms.max(now_unix_ms);
    }

    /// A climb of at least [`FALSE_START`] steps came to nothing.
    pub fn false_start(&mut self, now_unix_ms: u64) {
        self.add(PER_FALSE_START, now_unix_ms);
    }

    /// An alert's cause was gone within [`LASTING_MS`].
    pub fn short_alert(&mut self, now_unix_ms: u64) {
        self.add(PER_SHORT_ALERT, now_unix_ms);
    }

    /// Steps to ask for beyond the usual.
    pub fn extra(&self, now_unix_ms: u64) -> f64 {
        (self.decayed(now_unix_ms) - FREE).clamp(0.0, MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_with_false_starts_is_bounded_and_forgets() {
        let mut caution = Caution::default();
        assert_eq!(caution.extra(0), 0.0);
        caution.false_start(0);
        assert_eq!(caution.extra(0), 0.5);
        for _ in 0..100 {
            caution.short_alert(HOUR_MS);
        }
        assert_eq!(caution.extra(HOUR_MS), MOST);
        assert_eq!(caution.extra(60 * 24 * HOUR_MS), 0.0);
    }
}
