//! One statistic of one series: is it still at its level? Scores each unit against the reference, lets the ladders
//! confirm, applies the floors, and on acceptance begins a new reference.
//!
//! Four ladders: `worse` leads to an alert; `creep` follows, silently and later, a rise too small for one; `better`
//! follows a fall; `home` recognises the level that was left last, which a fall out of a wide reference would hide (an
//! evening of congestion spreads so far that its end is within its own noise).

use std::sync::Arc;

use super::caution::{Caution, FALSE_START, LASTING_MS};
use super::crowd::Crowd;
use super::event::{Change, Direction, Event, Statistic};
use super::evidence::rank_score;
use super::hours::Hours;
use super::ladder::{Began, Ladder};
use super::ledger::Ledger;
use super::reference::{Level, Reference, median_of};
use super::settings::{HOUR_MS, LevelSettings, Settings};
use super::weak::{RECENT, Weak, width};

/// A reference of `n` units gives its sigma only roughly: it counts as `1 + SMALL / n` times as wide.
const SMALL: f64 = 20.0;
/// The same for what is pooled.
const SMALL_POOLED: f64 = 5.0;
/// Units a reference needs before it is pooled: what many series share for some minutes would be in all of their levels.
const FEWEST_POOLED: usize = 30;
/// The reference follows silently what is larger than this share of the alert's floor. Each step followed begins a new
/// reference of a handful of units, which is blunt for half an hour: what is hardly a step is better left in the old one.
const FOLLOWED: f64 = 0.4;
/// A rise of so many times the size that is looked for is sure with fewer steps.
const SURE: f64 = 3.0;
/// ... by so many.
const SURE_STEPS: f64 = 1.0;
/// Steps of the ladder that recognises the level left last.
const HOME: f64 = 6.0;
/// How long the level left last is remembered.
const HOME_MS: u64 = 24 * HOUR_MS;
/// After so long without a unit, half a climb proves nothing.
const GAP_MS: u64 = HOUR_MS;

/// A level that was left.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Left {
    level: f64,
    width: f64,
    at_unix_ms: u64,
}

/// A fall that was accepted: the rise after it may only be its end.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Fall {
    from: f64,
    began_unix_ms: u64,
}

/// What the level was before a rise that was accepted, for as long as it is up.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Before {
    level: Level,
    middle: f64,
    at_unix_ms: u64,
}

/// A rise that is usual at its hour of the week, for as long as that lasts.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Usual {
    from: f64,
    middle: f64,
    score: f64,
    over_unix_ms: u64,
}

/// One observation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// Begin of the unit, Unix time in milliseconds.
    pub start_unix_ms: u64,
    /// When it was known.
    pub end_unix_ms: u64,
    /// How far apart units are, in milliseconds.
    pub spacing_ms: u64,
    /// The statistic's value.
    pub value: f64,
}

/// Sizes that matter at the present level.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    /// Floor of an alert.
    alert: f64,
    /// Floor of a silent change.
    silent: f64,
    /// What noise explains.
    noise: f64,
}

/// The watch over one statistic.
#[derive(Debug, Clone)]
pub struct LevelWatch {
    statistic: Statistic,
    settings: Arc<Settings>,
    reference: Reference,
    worse: Ladder,
    creep: Ladder,
    better: Ladder,
    home: Ladder,
    left: Option<Left>,
    fall: Option<Fall>,
    before: Option<Before>,
    usual: Option<Usual>,
    /// Begin of the change behind the latest alert, until the first fall after it.
    alerted_change_unix_ms: Option<u64>,
    last_end_unix_ms: Option<u64>,
    caution: Caution,
    crowd: Crowd,
    ledger: Ledger,
    hours: Option<Hours>,
}

impl LevelWatch {
    /// Watches `statistic`.
    pub fn new(statistic: Statistic, settings: Arc<Settings>) -> Self {
        Self {
            statistic,
            settings,
            reference: Reference::default(),
            worse: Ladder::default(),
            creep: Ladder::default(),
            better: Ladder::default(),
            home: Ladder::default(),
            left: None,
            fall: None,
            before: None,
            usual: None,
            alerted_change_unix_ms: None,
            last_end_unix_ms: None,
            caution: Caution::default(),
            crowd: Crowd::default(),
            ledger: Ledger::default(),
            hours: (statistic == Statistic::Median).then(Hours::default),
        }
    }

    /// Is one of many that are watched.
    pub fn among(&mut self, crowd: Crowd) {
        self.crowd = crowd;
    }

    /// What an hour of before was like, of which no unit will come any more.
    pub fn remember_hour(&mut self, start_unix_ms: u64, median: f64) {
        if let Some(hours) = &mut self.hours {
            hours.remember(start_unix_ms, median);
        }
    }

    /// Takes the next unit; numbers of new regressions come from `next_number`.
    pub fn observe(&mut self, seen: Observation, next_number: &mut u32, events: &mut Vec<Event>) {
        let gap = self.last_end_unix_ms.is_some_and(|last| {
            seen.start_unix_ms.saturating_sub(last) > GAP_MS.max(seen.spacing_ms.saturating_mul(3))
        });
        if gap {
            self.reset_ladders();
        }
        self.last_end_unix_ms = Some(seen.end_unix_ms);
        self.ledger.passed(seen.end_unix_ms, events);

        let level = self.reference.level(seen.spacing_ms);
        let accepted = level.and_then(|level| {
            let sizes = self.sizes(level);
            self.climb(&seen, level, sizes);
            self.accept(&seen, level, sizes)
        });
        self.reference.push(seen.value);
        if let (Some(level), Some(change)) = (level, accepted) {
            self.settle(&seen, level, change, next_number, events);
        } else if let (Some(level), Some(usual)) = (level, self.usual) {
            self.outstay(&seen, level, usual, next_number, events);
        }
        if let Some(hours) = &mut self.hours {
            hours.passed(seen.start_unix_ms, self.reference.youngest_first().skip(1));
        }
    }

    /// What the last minutes say before any threshold: against the level before the first rise that is still up and
    /// less than a day old, else against the reference; against nothing while that is young, as it is after a rise was
    /// accepted and is over. `seen` is the unit taken last.
    pub fn weak(&mut self, seen: &Observation) -> Option<Weak> {
        let last = self.reference.next_unit();
        let recent = || self.reference.values(last.saturating_sub(RECENT as u64), last);
        let level = median_of(recent())?;
        self.before = self
            .before
            .filter(|before| level >= before.middle && within(before.at_unix_ms, seen, HOME_MS));
        let reference = match self.before {
            Some(before) => Some(before.level),
            None => self.reference.level(seen.spacing_ms),
        };
        let fresh_ms = seen.spacing_ms.saturating_mul(2);
        let Some(reference) = reference.filter(|reference| reference.units >= FEWEST_POOLED) else {
            return Some(Weak {
                end_unix_ms: seen.end_unix_ms,
                fresh_ms,
                level,
                base: level,
                width: f64::INFINITY,
                began_unix_ms: None,
            });
        };
        // Back to what was usual an hour ago is no rise.
        let fall = self
            .fall
            .filter(|fall| within(fall.began_unix_ms, seen, LASTING_MS));
        let base = fall.map_or(reference.median, |fall| fall.from.max(reference.median));
        let hours = self.hours.as_ref();
        let usual = hours.and_then(|hours| hours.usual(seen.start_unix_ms, base));
        let base = usual.map_or(base, |usual| base.max(usual));
        // Pooled with others, an error of one sigma weighs less than where it alone decides.
        let sigma = reference.sigma * (1.0 + SMALL_POOLED / reference.units as f64);
        let floor = self.settings().floor.at(base);
        Some(Weak {
            end_unix_ms: seen.end_unix_ms,
            fresh_ms,
            level,
            base,
            width: width(sigma, reference.inflation, RECENT, reference.units, floor),
            began_unix_ms: (self.worse.height() > 0.0).then(|| self.worse.began().at_unix_ms),
        })
    }

    fn settings(&self) -> &LevelSettings {
        match self.statistic {
            Statistic::Tail => &self.settings.tail,
            Statistic::Spread => &self.settings.spread,
            _ => &self.settings.median,
        }
    }

    fn sizes(&self, level: Level) -> Sizes {
        let alert = self.settings().floor.at(level.median);
        Sizes {
            alert,
            silent: FOLLOWED * alert,
            noise: self.settings().sigmas
                * level.sigma
                * level.inflation.sqrt()
                * (1.0 + SMALL / level.units as f64),
        }
    }

    fn climb(&mut self, seen: &Observation, level: Level, sizes: Sizes) {
        let here = Began {
            unit: self.reference.next_unit(),
            at_unix_ms: seen.start_unix_ms,
        };
        let shift = seen.value - level.median;
        // Zero half way to the size looked for, one at the size and beyond, minus one at home.
        let score = |shift: f64, size: f64| 2.0 * shift / size - 1.0;
        let ended = self.worse.step(score(shift, sizes.alert.max(sizes.noise)), here);
        if ended.is_some_and(|peak| peak >= FALSE_START) {
            self.caution.false_start(seen.end_unix_ms);
        }
        self.creep.step(score(shift, sizes.silent.max(sizes.noise)), here);
        self.better
            .step(score(-shift, sizes.silent.max(sizes.noise)), here);
        match self.left {
            Some(left)
                if level.median - left.level >= sizes.silent
                    && seen.end_unix_ms.saturating_sub(left.at_unix_ms) < HOME_MS =>
            {
                self.home
                    .step(2.0 - 2.0 * (seen.value - left.level).abs() / left.width, here);
            }
            _ => self.home.reset(),
        }
    }

    /// Decides whether a ladder has been climbed for a reason. The unit just seen is not in the reference's store yet.
    fn accept(&self, seen: &Observation, level: Level, sizes: Sizes) -> Option<Accepted> {
        let settings = self.settings();
        let Self {
            worse,
            creep,
            better,
            home,
            ..
        } = self;
        let confirm = settings.confirm + self.caution.extra(seen.end_unix_ms) + self.crowd.steps();
        let accepted = |ladder: &Ladder, to: f64| self.accepted(ladder.began(), to, seen, level);

        if worse.height() >= confirm - SURE_STEPS
            && let Some(to) = self.median_since(worse.began(), seen)
            && to - level.median >= sizes.alert
            && (worse.height() >= confirm || to - level.median >= SURE * sizes.alert.max(sizes.noise))
        {
            return Some(Accepted {
                alert: true,
                ..accepted(worse, to)
            });
        }
        if creep.height() >= settings.follow.max(confirm)
            && let Some(to) = self.median_since(creep.began(), seen)
            && (sizes.silent..sizes.alert).contains(&(to - level.median))
        {
            return Some(accepted(creep, to));
        }
        if better.height() >= settings.confirm
            && let Some(to) = self.median_since(better.began(), seen)
        {
            let fall = level.median - to;
            let small_but_lasting = fall >= sizes.silent && better.height() >= settings.follow;
            if fall >= settings.floor.at(to) || small_but_lasting {
                return Some(accepted(better, to));
            }
        }
        if home.height() >= HOME
            && let Some(to) = self.median_since(home.began(), seen)
            && level.median - to >= sizes.silent
        {
            return Some(accepted(home, to));
        }
        None
    }

    fn since(&self, began: Began, seen: &Observation) -> impl Iterator<Item = f64> + '_ {
        let values = self.reference.values(began.unit, u64::MAX);
        values.chain(std::iter::once(seen.value))
    }

    fn median_since(&self, began: Began, seen: &Observation) -> Option<f64> {
        median_of(self.since(began, seen))
    }

    fn accepted(&self, began: Began, to: f64, seen: &Observation, level: Level) -> Accepted {
        let (from, end) = self.reference.span(seen.spacing_ms);
        let reference = self.reference.values(from, end);
        Accepted {
            began,
            to,
            alert: false,
            score: rank_score(self.since(began, seen), reference, level.inflation),
        }
    }

    fn settle(
        &mut self,
        seen: &Observation,
        level: Level,
        accepted: Accepted,
        next_number: &mut u32,
        events: &mut Vec<Event>,
    ) {
        let sizes = self.sizes(level);
        let now_unix_ms = seen.end_unix_ms;
        let Accepted {
            began,
            to,
            alert,
            score,
        } = accepted;
        let within_the_hour = |from_unix_ms: u64| began.at_unix_ms.saturating_sub(from_unix_ms) < LASTING_MS;
        let is_dip = to >= level.median && self.ends_a_dip(to, sizes, within_the_hour);
        let middle = f64::midpoint(level.median, to);
        let hours = self.hours.as_ref().filter(|_| alert && !is_dip);
        let busy_until = hours.and_then(|hours| hours.busy_until(began.at_unix_ms, to - sizes.alert, middle));
        let still = self.usual.filter(|usual| to >= usual.middle);
        let begins = busy_until.map(|over_unix_ms| Usual {
            from: level.median,
            middle,
            score,
            over_unix_ms,
        });
        self.usual = still.or(begins);
        let direction = if to < level.median {
            if self.alerted_change_unix_ms.take().is_some_and(within_the_hour) {
                self.caution.short_alert(now_unix_ms);
            }
            self.fall = Some(Fall {
                from: level.median,
                began_unix_ms: began.at_unix_ms,
            });
            Direction::Better
        } else if alert && !is_dip && busy_until.is_none() {
            self.alerted_change_unix_ms.get_or_insert(began.at_unix_ms);
            let number = *next_number;
            *next_number = next_number.wrapping_add(1);
            Direction::Worse { number }
        } else {
            Direction::WorseSilently
        };
        events.push(Event::Changed(Change {
            statistic: self.statistic,
            direction,
            fired_at_unix_ms: now_unix_ms,
            changed_at_unix_ms: began.at_unix_ms,
            from: level.median,
            to,
            score,
            usual_at_this_hour: busy_until.is_some(),
        }));
        self.ledger.moved(to, now_unix_ms, events);
        if let Direction::Worse { number } = direction {
            self.ledger.opened(number, level.median, to, now_unix_ms, events);
        }
        if to > level.median && !is_dip && busy_until.is_none() {
            self.before.get_or_insert(Before {
                level,
                middle,
                at_unix_ms: now_unix_ms,
            });
        }
        self.left = Some(Left {
            level: level.median,
            width: sizes.silent.max(sizes.noise.min(2.0 * sizes.silent)),
            at_unix_ms: now_unix_ms,
        });
        self.reference.begin_regime(began.unit);
        self.reset_ladders();
    }

    /// A rise that was usual and does not end when it usually does is a regression since then.
    fn outstay(
        &mut self,
        seen: &Observation,
        level: Level,
        usual: Usual,
        next_number: &mut u32,
        events: &mut Vec<Event>,
    ) {
        let on_its_way = self.better.height().max(self.home.height()) >= FALSE_START;
        if seen.start_unix_ms < usual.over_unix_ms || on_its_way {
            return;
        }
        self.usual = None;
        self.alerted_change_unix_ms.get_or_insert(seen.start_unix_ms);
        let number = *next_number;
        *next_number = next_number.wrapping_add(1);
        events.push(Event::Changed(Change {
            statistic: self.statistic,
            direction: Direction::Worse { number },
            fired_at_unix_ms: seen.end_unix_ms,
            changed_at_unix_ms: usual.over_unix_ms.min(seen.start_unix_ms),
            from: usual.from,
            to: level.median,
            score: usual.score,
            usual_at_this_hour: false,
        }));
        self.ledger
            .opened(number, usual.from, level.median, seen.end_unix_ms, events);
    }

    /// Whether a rise to `to` only ends a dip that did not last: back to what was usual an hour ago is no regression.
    fn ends_a_dip(&self, to: f64, sizes: Sizes, within_the_hour: impl Fn(u64) -> bool) -> bool {
        self.fall
            .is_some_and(|fall| within_the_hour(fall.began_unix_ms) && to < fall.from + sizes.silent)
    }

    fn reset_ladders(&mut self) {
        for ladder in [&mut self.worse, &mut self.creep, &mut self.better, &mut self.home] {
            ladder.reset();
        }
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.reference.heap_bytes()
            + self.ledger.heap_bytes()
            + self.hours.as_ref().map_or(0, Hours::heap_bytes)
    }
}

/// Whether an instant is less than `most_ms` before the unit's end.
fn within(unix_ms: u64, seen: &Observation, most_ms: u64) -> bool {
    seen.end_unix_ms.saturating_sub(unix_ms) < most_ms
}

/// A change the evidence supports.
#[derive(Debug, Clone, Copy)]
struct Accepted {
    began: Began,
    to: f64,
    alert: bool,
    score: f64,
}
