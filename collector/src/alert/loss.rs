//! The lost share: Page's cumulative sum test (Biometrika 41, 1954) of the reference share against one raised by the
//! floor, on counts of sent and lost (RFC 7680). Covers unreachability, which is a lost share of one.

use super::caution::{Caution, LASTING_MS};
use super::crowd::Crowd;
use super::event::{Change, Direction, End, Event, Statistic};
use super::ladder::Began;
use super::ledger::NEW_BASELINE_MS;
use super::settings::{HOUR_MS, LossSettings};
use super::unit::Unit;
use super::weak::{RECENT, Weak, width};

/// What is believed before anything was seen: a fifth of a probe lost of 100. Little, or a slow series would believe it for
/// days against all that it sees.
const PRIOR_LOST: f64 = 0.2;
const PRIOR_SENT: f64 = 100.0;
/// The reference forgets by half in this time, ...
const HALF_LIFE_MS: f64 = 4.0 * HOUR_MS as f64;
/// ... but remembers so many probes however long they took: of one every four minutes four hours are sixty, which cannot tell
/// two percent from five.
const REMEMBERED: f64 = 800.0;
/// A climb that begins within so many units of a series, or probes of its reference, has nothing to be worse than: it is how
/// the series is, ...
const FEWEST_UNITS: u64 = 15;
const FEWEST_SENT: f64 = 60.0;
/// ... unless this share is lost, which is unreachable.
const UNREACHABLE: f64 = 0.5;
/// A climb that came to nothing was a false start from so much evidence on, in units of what one unit can add.
const FALSE_START: f64 = 3.0;
/// What caution may ask for beyond the usual, in the same units.
const MOST_CAUTION: f64 = 6.0;
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
    began_unix_ms: u64,
    fired_at_unix_ms: u64,
    /// Evidence that it is over.
    relief: f64,
    /// Probes since it began.
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
    /// The most of the climb under way.
    peak: f64,
    began: Began,
    since: Tally,
    open: Option<Open>,
    caution: Caution,
    crowd: Crowd,
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
            peak: 0.0,
            began: Began::default(),
            since: Tally::default(),
            open: None,
            caution: Caution::default(),
            crowd: Crowd::default(),
            recent: [(0, 0); RECENT],
            units: 0,
        }
    }

    /// Is one of many that are watched.
    pub fn among(&mut self, crowd: Crowd) {
        self.crowd = crowd;
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

    /// Log likelihood ratio of the unit's counts for the `raised` share against `base`, clipped.
    fn evidence(&self, unit: &Unit, base: f64, raised: f64) -> f64 {
        let raised = raised.min(0.99);
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
            self.began = Began {
                unit: self.units as u64,
                at_unix_ms: unit.start_unix_ms,
            };
            self.peak = 0.0;
        }
        let raised = base + self.settings.rise.max(2.0 * base);
        self.height = (self.height + self.evidence(unit, base, raised)).max(0.0);
        self.peak = self.peak.max(self.height);
        self.since.add(unit);
        let share = self.since.share();
        let most = self.settings.unit_most;
        let cautious = self.caution.extra(unit.end_unix_ms).min(MOST_CAUTION) * most;
        let is_new = self.began.unit <= FEWEST_UNITS || self.sent < FEWEST_SENT;
        if self.height <= 0.0 {
            if self.peak >= FALSE_START * most {
                self.caution.false_start(unit.end_unix_ms);
            }
            // The whole of a climb that came to nothing: without its losses the reference would be too good.
            self.remember(self.since, unit.end_unix_ms);
        } else if is_new && self.height >= self.settings.confirm && share < UNREACHABLE {
            self.remember(self.since, unit.end_unix_ms);
            self.height = 0.0;
        } else if self.height >= self.settings.confirm + cautious + self.crowd.log_odds()
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
                usual_at_this_hour: false,
            }));
            self.open = Some(Open {
                number,
                base,
                began_unix_ms: self.began.at_unix_ms,
                fired_at_unix_ms: unit.end_unix_ms,
                relief: 0.0,
                since: self.since,
            });
            self.height = 0.0;
        }
    }

    fn follow(&mut self, mut open: Open, unit: &Unit, events: &mut Vec<Event>) {
        // Against what has been lost since, not against what was looked for: that would take a small rise that goes on for over.
        let lost_now = open.since.share().max(open.base + self.settings.rise);
        open.relief = (open.relief - self.evidence(unit, open.base, lost_now)).max(0.0);
        open.since.add(unit);
        let recovered = open.relief >= self.settings.confirm;
        let lasted = unit.end_unix_ms.saturating_sub(open.fired_at_unix_ms) >= NEW_BASELINE_MS;
        if recovered && unit.end_unix_ms.saturating_sub(open.began_unix_ms) < LASTING_MS {
            self.caution.short_alert(unit.end_unix_ms);
        }
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
        let kept = (-age_ms / HALF_LIFE_MS)
            .exp2()
            .max((REMEMBERED / self.sent.max(1.0)).min(1.0));
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
            assert_eq!(told(&events), 1, "seed {seed}: {events:?}");
        }
    }

    fn told(events: &[(usize, &str)]) -> usize {
        events.iter().filter(|event| event.1 == "worse").count()
    }

    #[test]
    fn how_a_new_series_is_is_no_rise_but_one_that_does_not_answer_is_told() {
        for seed in 0..20 {
            for chance in [0.02, 0.05, 0.3] {
                let mut rng = fastrand::Rng::with_seed(seed);
                let events = events_of(drawn(&mut rng, 1_440, chance));
                assert_eq!(told(&events), 0, "seed {seed}, {chance}: {events:?}");
            }
        }
        assert_eq!(events_of([60; 20]), [(4, "worse")]);
    }

    #[test]
    fn a_small_rise_that_goes_on_is_told_once() {
        let told: usize = (0..10)
            .map(|seed| {
                let mut rng = fastrand::Rng::with_seed(seed);
                told(&events_of([calm(60), drawn(&mut rng, 1_440, 0.02)].concat()))
            })
            .sum();
        assert!((8..=12).contains(&told), "{told} of 10");
    }

    #[test]
    fn losses_that_come_in_bursts_all_the_time_are_how_it_is() {
        let told: usize = (0..10)
            .map(|seed| {
                let mut rng = fastrand::Rng::with_seed(seed);
                // A fifth of the probes of every fourth minute.
                let bursts: Vec<u64> = (0..3 * 1_440)
                    .map(|_| {
                        if rng.u8(0..4) == 0 {
                            drawn(&mut rng, 1, 0.2)[0]
                        } else {
                            0
                        }
                    })
                    .collect();
                told(&events_of(bursts))
            })
            .sum();
        assert!(told <= 6, "{told} in 30 series-days");
    }

    #[test]
    fn one_probe_every_four_minutes_can_lose_one_in_twenty() {
        let mut told = 0;
        for seed in 0..10 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut watch = LossWatch::new(Settings::default().loss);
            let (mut next_number, mut events) = (0, Vec::new());
            for sample in 0..20 * 360_u64 {
                let at_unix_ms = sample * 240_000;
                let unit = Unit {
                    start_unix_ms: at_unix_ms,
                    end_unix_ms: at_unix_ms,
                    sent: 1,
                    lost: u64::from(rng.f64() < 0.05),
                };
                watch.observe(&unit, &mut next_number, &mut events);
            }
            told += next_number;
        }
        assert!(told <= 12, "{told} in 200 series-days");
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
