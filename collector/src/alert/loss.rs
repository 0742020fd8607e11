//! The lost share: Page's cumulative sum test (Biometrika 41, 1954) of the reference share against one raised by the
//! floor, on counts of sent and lost (RFC 7680). Covers unreachability, which is a lost share of one.

use super::event::{Change, Direction, End, Event, Statistic};
use super::ladder::Began;
use super::ledger::NEW_BASELINE_MS;
use super::settings::{HOUR_MS, LossSettings};
use super::unit::Unit;
use super::weak::{RECENT, Weak, width};

/// What is believed before anything was seen: half a probe lost of 250.
const PRIOR_LOST: f64 = 0.5;
const PRIOR_SENT: f64 = 250.0;
/// The reference forgets by half in this time.
const HALF_LIFE_MS: f64 = 4.0 * HOUR_MS as f64;
/// Fewer lost probes are an accident.
const FEWEST_LOST: u64 = 5;

/// Probes since a climb began.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Tally {
    sent: u64,
    lost: u64,
}

impl Tally {
    fn add(&mut self, unit: &Unit) {
        self.sent = self.sent.saturating_add(unit.sent);
        self.lost = self.lost.saturating_add(unit.lost);
    }

    fn share(self) -> f64 {
        self.lost as f64 / self.sent.max(1) as f64
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Open {
    number: u32,
    base: f64,
    fired_at_unix_ms: u64,
    /// Evidence that it is over.
    relief: f64,
    since: Tally,
}

/// The watch over the lost share of one series.
#[derive(Debug, Clone)]
pub struct LossWatch {
    settings: LossSettings,
    lost: f64,
    sent: f64,
    as_of_unix_ms: u64,
    height: f64,
    began: Began,
    since: Tally,
    open: Option<Open>,
    /// Sent and lost of the latest units, in a ring.
    recent: [(u32, u32); RECENT],
    units: usize,
}

impl LossWatch {
    /// Watches with these settings.
    pub fn new(settings: LossSettings) -> Self {
        Self {
            settings,
            lost: 0.0,
            sent: 0.0,
            as_of_unix_ms: 0,
            height: 0.0,
            began: Began::default(),
            since: Tally::default(),
            open: None,
            recent: [(0, 0); RECENT],
            units: 0,
        }
    }

    /// Takes the next unit; numbers of new regressions come from `next_number`.
    pub fn observe(&mut self, unit: &Unit, next_number: &mut u32, events: &mut Vec<Event>) {
        if unit.sent == 0 {
            return;
        }
        let bounded = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        self.recent[self.units % RECENT] = (bounded(unit.sent), bounded(unit.lost));
        self.units = self.units.wrapping_add(1);
        match self.open {
            Some(open) => self.follow(open, unit, events),
            None => self.climb(unit, next_number, events),
        }
    }

    /// What the last minutes say before any threshold: the share lost of the better half of them against the reference.
    /// `unit` is the one taken last. Nothing before there are enough.
    pub fn weak(&self, unit: &Unit, spacing_ms: u64) -> Option<Weak> {
        if self.units < RECENT || unit.sent == 0 {
            return None;
        }
        let mut recent = self.recent;
        let share = |(sent, lost): (u32, u32)| f64::from(lost) / f64::from(sent.max(1));
        recent.sort_unstable_by(|one, other| share(*one).total_cmp(&share(*other)));
        let better = recent.iter().take(RECENT / 2 + 1);
        let (sent, lost) = better.fold((0.0, 0.0), |(sent, lost), unit| {
            (sent + f64::from(unit.0), lost + f64::from(unit.1))
        });
        let base = self.open.map_or_else(|| self.base(), |open| open.base);
        Some(Weak {
            end_unix_ms: unit.end_unix_ms,
            fresh_ms: spacing_ms.saturating_mul(2),
            level: lost / sent.max(1.0),
            base,
            // A share of `sent` probes has the deviation of one, over the root of how many there are.
            width: width(
                (base * (1.0 - base)).max(0.0).sqrt(),
                1.0,
                sent as usize,
                usize::MAX,
                self.settings.rise,
            ),
            began_unix_ms: (self.open.is_none() && self.height > 0.0).then_some(self.began.at_unix_ms),
        })
    }

    fn base(&self) -> f64 {
        (self.lost + PRIOR_LOST) / (self.sent + PRIOR_SENT)
    }

    /// Log likelihood ratio of the unit's counts for the raised share against `base`, clipped.
    fn evidence(&self, unit: &Unit, base: f64) -> f64 {
        let raised = (base + self.settings.rise.max(2.0 * base)).min(0.99);
        if raised <= base {
            return -self.settings.unit_most;
        }
        let returned = (unit.sent - unit.lost) as f64;
        let ratio = unit.lost as f64 * (raised / base).ln() + returned * ((1.0 - raised) / (1.0 - base)).ln();
        ratio.clamp(-self.settings.unit_most, self.settings.unit_most)
    }

    fn climb(&mut self, unit: &Unit, next_number: &mut u32, events: &mut Vec<Event>) {
        let base = self.base();
        if self.height <= 0.0 {
            self.since = Tally::default();
            self.began.at_unix_ms = unit.start_unix_ms;
        }
        self.height = (self.height + self.evidence(unit, base)).max(0.0);
        self.since.add(unit);
        let share = self.since.share();
        if self.height <= 0.0 {
            // The whole of a climb that came to nothing: without its losses the reference would be too good.
            self.remember(self.since, unit.end_unix_ms);
        } else if self.height >= self.settings.confirm
            && self.since.lost >= FEWEST_LOST
            && share >= base + self.settings.rise
        {
            let number = *next_number;
            *next_number = next_number.wrapping_add(1);
            events.push(Event::Changed(Change {
                statistic: Statistic::Loss,
                direction: Direction::Worse { number },
                fired_at_unix_ms: unit.end_unix_ms,
                changed_at_unix_ms: self.began.at_unix_ms,
                from: base,
                to: share,
                score: self.height,
                usual_at_this_hour: None,
            }));
            self.open = Some(Open {
                number,
                base,
                fired_at_unix_ms: unit.end_unix_ms,
                relief: 0.0,
                since: Tally::default(),
            });
            self.height = 0.0;
        }
    }

    fn follow(&mut self, mut open: Open, unit: &Unit, events: &mut Vec<Event>) {
        open.relief = (open.relief - self.evidence(unit, open.base)).max(0.0);
        open.since.add(unit);
        let recovered = open.relief >= self.settings.confirm / 2.0;
        let lasted = unit.end_unix_ms.saturating_sub(open.fired_at_unix_ms) >= NEW_BASELINE_MS;
        self.open = (!recovered && !lasted).then_some(open);
        if recovered || lasted {
            events.push(Event::Ended {
                number: open.number,
                at_unix_ms: unit.end_unix_ms,
                end: if recovered {
                    End::Recovered
                } else {
                    End::NewBaseline
                },
            });
        }
        if lasted && !recovered {
            self.sent = open.since.sent as f64;
            self.lost = open.since.lost as f64;
            self.as_of_unix_ms = unit.end_unix_ms;
        }
    }

    fn remember(&mut self, tally: Tally, end_unix_ms: u64) {
        let age_ms = end_unix_ms.saturating_sub(self.as_of_unix_ms) as f64;
        let kept = (-age_ms / HALF_LIFE_MS).exp2();
        self.sent = self.sent * kept + tally.sent as f64;
        self.lost = self.lost * kept + tally.lost as f64;
        self.as_of_unix_ms = end_unix_ms;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Settings;

    /// Minutes of 60 probes with so many lost each; the minute of each event and what it was.
    fn events_of(lost: impl IntoIterator<Item = u64>) -> Vec<(usize, &'static str)> {
        let mut watch = LossWatch::new(Settings::default().loss);
        let mut next_number = 0;
        let mut found = Vec::new();
        for (minute, lost) in lost.into_iter().enumerate() {
            let start_unix_ms = minute as u64 * 60_000;
            let unit = Unit {
                start_unix_ms,
                end_unix_ms: start_unix_ms + 60_000,
                sent: 60,
                lost,
            };
            let mut events = Vec::new();
            watch.observe(&unit, &mut next_number, &mut events);
            found.extend(events.iter().map(|event| {
                let what = match event {
                    Event::Changed(_) => "worse",
                    Event::Ended { end, .. } => end.as_str(),
                    Event::Reopened { .. } => "reopened",
                };
                (minute, what)
            }));
        }
        found
    }

    fn calm(minutes: usize) -> Vec<u64> {
        vec![0; minutes]
    }

    #[test]
    fn an_outage_is_told_within_five_minutes_and_its_end_too() {
        let minutes = [calm(60), vec![60; 30], calm(60)].concat();
        let events = events_of(minutes);
        assert_eq!(events[0], (64, "worse"));
        assert!(matches!(events[1], (90..=96, "recovered")), "{events:?}");
    }

    #[test]
    fn three_dead_minutes_and_a_probe_now_and_then_are_nothing() {
        assert_eq!(events_of([calm(60), vec![60; 3], calm(60)].concat()), []);
        assert_eq!(
            events_of((0..2_000).map(|minute| u64::from(minute % 20 == 0))),
            []
        );
    }

    /// Minutes in which each of 60 probes is lost with the same chance.
    fn drawn(rng: &mut fastrand::Rng, minutes: usize, chance: f64) -> Vec<u64> {
        let minute = |_| (0..60).filter(|_| rng.f64() < chance).count() as u64;
        (0..minutes).map(minute).collect()
    }

    #[test]
    fn a_steady_loss_is_told_when_it_begins_and_never_again() {
        for seed in 0..20 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let events = events_of([calm(60), drawn(&mut rng, 7 * 1_440, 0.05)].concat());
            let told = events.iter().filter(|event| event.1 == "worse").count();
            assert_eq!(told, 1, "seed {seed}: {events:?}");
        }
    }

    #[test]
    fn a_lossy_day_is_the_new_baseline() {
        let events = events_of([calm(60), vec![6; 3_000]].concat());
        assert_eq!(
            events.iter().map(|e| e.1).collect::<Vec<_>>(),
            ["worse", "new_baseline"]
        );
    }
}
