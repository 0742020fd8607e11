//! What throughput tests say of a path: has the rate dropped? A test is an event, a handful a day, so there are no units
//! and no ladders here; few results are held against few, by what is exact for few. Pure. Not the delay under load.
//!
//! * **The last three to six results** against up to [`REFERENCE`] before them, by the exact one-sided distribution of Mann
//!   and Whitney's U (Annals of Mathematical Statistics 18, 1947), ties counted against a drop: at most one in
//!   [`ODDS`] by chance. With eight results before that takes five, with fifteen four.
//! * **And by how much**: the shift by Hodges and Lehmann (Annals of Mathematical Statistics 34, 1963), the median of the
//!   ratios of all pairs, is at least the floor.
//! * **A lower bound is never a drop.** A test that was cut short says that the path carries at least so much. From the
//!   level up it counts as what it says; below it says nothing.
//! * Rates of different congestion controls are not compared: another one begins anew.

use super::crowd::Crowd;
use super::event::{Change, Direction, End, Event, Statistic};
use super::ledger::NEW_BASELINE_MS;
use super::reference::median_of;
use super::settings::{HOUR_MS, RateSettings};

/// Results the last ones are held against, at most.
const REFERENCE: usize = 24;
/// ... and at least.
const FEWEST: usize = 8;
/// How many of the last results are tried.
const WINDOWS: std::ops::RangeInclusive<usize> = 3..=6;
/// One in so many by chance.
const ODDS: f64 = 1_000.0;
/// Results kept.
const KEPT: usize = REFERENCE + *WINDOWS.end();
/// Older results say nothing of today: how far back a reference reaches, in milliseconds.
pub const REACH_MS: u64 = 14 * 24 * HOUR_MS;
/// Results in a row from half of the way back on that end a drop.
const BACK: u8 = 2;
/// Results since a drop without which it is no new level, however long ago it was.
const NEW_LEVEL: usize = 4;

/// What one test found.
#[derive(Debug, Clone, PartialEq)]
pub struct Rate {
    /// When its load ended, Unix time in milliseconds.
    pub at_unix_ms: u64,
    /// Bits per second.
    pub bps: u64,
    /// Whether the path may carry more: the test ended before the rate had settled.
    pub is_lower_bound: bool,
    /// The sender's congestion control; empty when it was not told.
    pub congestion_control: String,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Found {
    at_unix_ms: u64,
    bps: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Open {
    number: u32,
    /// Half of the way back, in bits per second.
    middle: f64,
    fired_at_unix_ms: u64,
    back: u8,
}

/// The watch over the rates of one direction.
#[derive(Debug, Clone)]
pub struct RateWatch {
    statistic: Statistic,
    settings: RateSettings,
    crowd: Crowd,
    congestion_control: Box<str>,
    last_at_unix_ms: Option<u64>,
    /// Results since the last new level, oldest first; while a drop is open, those before it.
    level: Vec<Found>,
    /// Results of the drop that is open, oldest first.
    low: Vec<Found>,
    open: Option<Open>,
}

impl RateWatch {
    /// Watches `statistic`, which is one of the two directions.
    pub fn new(statistic: Statistic, settings: RateSettings) -> Self {
        Self {
            statistic,
            settings,
            crowd: Crowd::default(),
            congestion_control: Box::default(),
            last_at_unix_ms: None,
            level: Vec::new(),
            low: Vec::new(),
            open: None,
        }
    }

    /// Is one of many that are watched.
    pub fn among(&mut self, crowd: Crowd) {
        self.crowd = crowd;
    }

    /// Takes the next result; numbers of new regressions come from `next_number`. One that is not after the last is one
    /// that was seen before: nothing changes then, and `false` is returned.
    pub fn observe(&mut self, rate: &Rate, next_number: &mut u32, events: &mut Vec<Event>) -> bool {
        if rate.bps == 0 || self.last_at_unix_ms.is_some_and(|last| rate.at_unix_ms <= last) {
            return false;
        }
        self.last_at_unix_ms = Some(rate.at_unix_ms);
        if *self.congestion_control != *rate.congestion_control {
            self.congestion_control = rate.congestion_control.as_str().into();
            self.level.clear();
            events.extend(self.end(rate.at_unix_ms, End::NewBaseline));
        }
        let result = Found {
            at_unix_ms: rate.at_unix_ms,
            bps: rate.bps as f64,
        };
        match self.open {
            Some(open) => self.follow(open, result, rate.is_lower_bound, events),
            None => self.look(result, rate.is_lower_bound, next_number, events),
        }
        true
    }

    /// Is there a drop?
    fn look(&mut self, result: Found, is_bound: bool, next_number: &mut u32, events: &mut Vec<Event>) {
        let reach_unix_ms = result.at_unix_ms.saturating_sub(REACH_MS);
        self.level.retain(|kept| kept.at_unix_ms >= reach_unix_ms);
        if is_bound
            && median_of(self.level.iter().map(|kept| kept.bps)).is_none_or(|usual| result.bps < usual)
        {
            return;
        }
        if self.level.len() == KEPT {
            self.level.remove(0);
        }
        self.level.push(result);
        let Some((low, from, to)) = self.drop() else {
            return;
        };
        let number = *next_number;
        *next_number = next_number.wrapping_add(1);
        self.low = self.level.split_off(low);
        events.push(Event::Changed(Change {
            statistic: self.statistic,
            direction: Direction::Worse { number },
            fired_at_unix_ms: result.at_unix_ms,
            changed_at_unix_ms: self
                .low
                .first()
                .map_or(result.at_unix_ms, |first| first.at_unix_ms),
            from,
            to,
            score: super::evidence::rank_score(
                self.level.iter().map(|kept| kept.bps),
                self.low.iter().map(|kept| kept.bps),
                1.0,
            ),
            usual_at_this_hour: false,
        }));
        self.open = Some(Open {
            number,
            middle: f64::midpoint(from, to),
            fired_at_unix_ms: result.at_unix_ms,
            back: 0,
        });
    }

    /// Where the drop begins among the results, with the level before and since. The fewest results that prove one are asked
    /// for; those right before them that are low too belong to it.
    fn drop(&self) -> Option<(usize, f64, f64)> {
        let bps: Vec<f64> = self.level.iter().map(|kept| kept.bps).collect();
        WINDOWS
            .take_while(|window| bps.len() >= FEWEST + window)
            .find_map(|window| {
                let at = bps.len() - window;
                let (before, since) = (&bps[at.saturating_sub(REFERENCE)..at], &bps[at..]);
                let ratios = since
                    .iter()
                    .flat_map(|low| before.iter().map(move |usual| low / usual));
                let is_enough = median_of(ratios)? <= 1.0 - self.settings.drop;
                let middle = |of: &[f64]| median_of(of.iter().copied());
                if !is_enough || chance_of_so_low(since, before) > 1.0 / (ODDS * self.crowd.odds()) {
                    return None;
                }
                let (from, to) = (middle(before)?, middle(since)?);
                let is_usual = |bps: &f64| *bps >= f64::midpoint(from, to);
                let begins = bps[..at].iter().rposition(is_usual).map_or(at, |last| last + 1);
                Some((begins, from, to))
            })
    }

    /// Is it over?
    fn follow(&mut self, mut open: Open, result: Found, is_bound: bool, events: &mut Vec<Event>) {
        if result.bps >= open.middle {
            open.back += 1;
        } else if is_bound {
            return;
        } else {
            open.back = 0;
        }
        if self.low.len() == KEPT {
            self.low.remove(0);
        }
        self.low.push(result);
        let lasted = result.at_unix_ms.saturating_sub(open.fired_at_unix_ms) >= NEW_BASELINE_MS;
        self.open = Some(open);
        if open.back >= BACK {
            events.extend(self.end(result.at_unix_ms, End::Recovered));
        } else if lasted && self.low.len() >= NEW_LEVEL && open.back == 0 {
            events.extend(self.end(result.at_unix_ms, End::NewBaseline));
        }
    }

    /// The end of the drop that is open, if one is.
    fn end(&mut self, at_unix_ms: u64, end: End) -> Option<Event> {
        let low = std::mem::take(&mut self.low);
        let open = self.open.take()?;
        match end {
            // What came back is how it is; what was low was the exception.
            End::Recovered => self
                .level
                .extend(low.into_iter().rev().take(usize::from(BACK)).rev()),
            End::NewBaseline => self.level = low,
        }
        let beyond = self.level.len().saturating_sub(KEPT);
        self.level.drain(..beyond);
        Some(Event::Ended {
            number: open.number,
            at_unix_ms,
            end,
        })
    }

    /// Bytes it occupies, on the heap and off it.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + (self.level.capacity() + self.low.capacity()) * size_of::<Found>()
            + self.congestion_control.len()
    }
}

/// How likely it is by chance alone that `since` ranks so low among both: the exact lower tail of Mann and Whitney's U.
/// Ties count as not lower.
fn chance_of_so_low(since: &[f64], before: &[f64]) -> f64 {
    let pairs = since
        .iter()
        .flat_map(|low| before.iter().map(move |usual| low >= usual));
    let not_lower = pairs.filter(|not_lower| *not_lower).count();
    let ways = ways_of_u(since.len(), before.len());
    let all: f64 = ways.iter().sum();
    ways.iter().take(not_lower + 1).sum::<f64>() / all
}

/// In how many of the orders of `few` and `many` values each U comes about: the coefficients of the Gaussian binomial.
fn ways_of_u(few: usize, many: usize) -> Vec<f64> {
    let mut ways = vec![0.0; few * many + 1];
    ways[0] = 1.0;
    for step in 1..=few {
        let grows = many + step;
        for u in (grows..ways.len()).rev() {
            ways[u] -= ways[u - grows];
        }
        for u in step..ways.len() {
            ways[u] += ways[u - step];
        }
    }
    ways
}

#[cfg(test)]
mod tests;
