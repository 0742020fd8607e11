//! What stands out in a rectangle of time and delay: which addresses, flows, hours, methods and load labels are more common
//! among the delays inside it than among those outside.
//!
//! Counts delays and compares shares. It merges no two methods: each delay counts for its own, by the best clock of its kind.
//! A share of many delays in a row is less sure than its number says, since neighbours resemble each other; the interval
//! below takes them for independent and is a floor, not a proof of a cause.

use std::collections::BTreeMap;

use azimuth_measurement::{LoadLabel, Method, StampClock};
use serde::Serialize;
use utoipa::ToSchema;

use super::merge::{best_of, place};
use super::selection::Chosen;
use super::{Label, PairQuestion, QueryError, Selection, Source};
use crate::store::{Coverage, TimeRange};

/// Fewer delays than this of one value inside say nothing.
const LEAST_INSIDE: u64 = 8;
/// Most lines of one answer.
const MOST_LINES: usize = 12;
/// Half the width of a 99 % interval, in standard errors: several dozen values are looked at together.
const STANDARD_ERRORS: f64 = 2.576;
const HOUR_MS: u64 = 3_600_000;

/// By what delays are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trait {
    /// The address probed, without its port.
    Address,
    /// Which of several flows (source ports), from `0`; always of all flows.
    Flow,
    /// The hour of the day, UTC, `00` to `23`. Held against the other delays of the rectangle's own time, for against all
    /// others its hours would stand out by being chosen.
    Hour,
    /// The method; always of all methods.
    Method,
    /// The load label; always of all load labels.
    Load,
}

/// A value that is more common inside.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ExplainLine {
    /// What it is a value of.
    #[serde(rename = "trait")]
    pub of: Trait,
    /// The value.
    pub value: String,
    /// Delays of this value inside.
    pub inside: u64,
    /// Delays of any value inside.
    pub of_inside: u64,
    /// Delays of this value outside.
    pub outside: u64,
    /// Delays of any value outside.
    pub of_outside: u64,
    /// Share inside over share outside; null when none is outside.
    #[schema(required)]
    pub lift: Option<f64>,
    /// The least that lift may be: lower end of its 99 % interval, delays taken for independent. Above 1 for every line.
    pub lift_least: f64,
}

/// How much there was to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExplainTrait {
    /// By what.
    #[serde(rename = "trait")]
    pub of: Trait,
    /// Values with delays in the window. Of one alone nothing can be told.
    pub values: u32,
    /// Of those, values with too few delays inside to judge; none inside is not too few.
    pub too_few: u32,
}

/// A rectangle in the heat map of a pair.
#[derive(Debug, Clone)]
pub struct ExplainQuestion {
    /// The pair, and the whole window.
    pub pair: PairQuestion,
    /// The time of the rectangle.
    pub inside: TimeRange,
    /// Shortest delay of the rectangle.
    pub low_us: u32,
    /// Longest delay of the rectangle.
    pub high_us: u32,
}

/// What stands out.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The clock that stamped the delays of the pair's method; `None` without delays.
    pub clock: Option<StampClock>,
    /// Delays of the pair inside the rectangle.
    pub n_inside: u64,
    /// Delays of the pair in the rest of the window.
    pub n_outside: u64,
    /// One per trait.
    pub traits: Vec<ExplainTrait>,
    /// The surest first: by the least their lift may be.
    pub lines: Vec<ExplainLine>,
    /// What was read.
    pub coverage: Coverage,
}

/// Delays of one value, by clock in the order of `merge::place`.
type ByClock = [Count; 4];

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    inside: u64,
    outside: u64,
}

/// What one series counts for.
struct Member {
    kind: (Method, LoadLabel),
    /// Of the pair as it was asked for.
    of_pair: bool,
    values: Vec<(Trait, String)>,
}

/// Finds what stands out.
///
/// # Errors
/// When a name is not known, the store cannot be read, or counters overflow.
pub fn explain(source: &Source<'_>, question: &ExplainQuestion) -> Result<Explanation, QueryError> {
    let pair = &question.pair;
    let selection = Selection::default().agent(&pair.agent).zone(&pair.zone);
    let chosen = Chosen::find(source, &selection, &[Label::Method, Label::Load, Label::Flow])?;
    let members: BTreeMap<_, Member> = chosen
        .iter()
        .map(|(id, series)| {
            let what = &series.descriptor;
            let value = |label| chosen.labels.value(label, series).unwrap_or_default();
            let (method, load) = (what.method == pair.method, what.load == pair.load);
            let flow = pair.flow.is_none_or(|flow| flow == what.flow);
            let counted = [
                (method && load && flow, Trait::Address, Label::Address),
                (method && load, Trait::Flow, Label::Flow),
                (load && flow, Trait::Method, Label::Method),
                (method && flow, Trait::Load, Label::Load),
            ];
            let values = counted.into_iter().filter(|(counts, ..)| *counts);
            let member = Member {
                kind: (what.method, what.load),
                of_pair: method && load && flow,
                values: values.map(|(_, of, label)| (of, value(label))).collect(),
            };
            (id, member)
        })
        .filter(|(_, member)| !member.values.is_empty())
        .collect();
    let series = members.keys().copied().collect();
    // The value with its kind: a clock is the best of its kind, as everywhere.
    let mut counts: BTreeMap<((Method, LoadLabel), Trait, String), ByClock> = BTreeMap::new();
    let mut totals = ByClock::default();
    let coverage = source.scan(pair.range, &series, scan_ms(question), |observation| {
        let Some(member) = members.get(&observation.series) else {
            return Ok(());
        };
        let then = observation.start_unix_ms;
        let in_time = (question.inside.from_unix_ms..question.inside.to_unix_ms).contains(&then);
        for (clock, histogram) in &observation.delays {
            let clock = place(*clock);
            let mut count = Count::default();
            for (bucket, n) in histogram.bins() {
                let within = (question.low_us..=question.high_us).contains(&bucket.lowest_us());
                let side = if in_time && within {
                    &mut count.inside
                } else {
                    &mut count.outside
                };
                *side = side.checked_add(n).ok_or(QueryError::Overflow)?;
            }
            if member.of_pair {
                totals[clock].add(count)?;
            }
            for (of, value) in &member.values {
                let key = (member.kind, *of, value.clone());
                counts.entry(key).or_default()[clock].add(count)?;
            }
            if member.of_pair && in_time {
                let hour = format!("{:02}", then / HOUR_MS % 24);
                counts.entry((member.kind, Trait::Hour, hour)).or_default()[clock].add(count)?;
            }
        }
        Ok(())
    })?;
    let clock = best(totals.iter());
    let total = clock.map_or_else(Count::default, |clock| totals[place(clock)]);
    let (traits, lines) = judge(&counts);
    Ok(Explanation {
        clock,
        n_inside: total.inside,
        n_outside: total.outside,
        traits,
        lines,
        coverage,
    })
}

impl Count {
    fn add(&mut self, more: Self) -> Result<(), QueryError> {
        let sum = |one: u64, other: u64| one.checked_add(other).ok_or(QueryError::Overflow);
        self.inside = sum(self.inside, more.inside)?;
        self.outside = sum(self.outside, more.outside)?;
        Ok(())
    }

    fn all(self) -> u64 {
        self.inside.saturating_add(self.outside)
    }
}

/// The best clock by which anything was counted.
fn best<'a>(counts: impl Iterator<Item = &'a Count>) -> Option<StampClock> {
    const CLOCKS: [StampClock; 4] = [
        StampClock::Kernel,
        StampClock::KernelRx,
        StampClock::User,
        StampClock::TcpInfo,
    ];
    let mut by_place = [0_u64; 4];
    for (number, count) in counts.enumerate() {
        by_place[number % 4] = by_place[number % 4].saturating_add(count.all());
    }
    best_of(CLOCKS.into_iter().filter(|clock| by_place[place(*clock)] > 0))
}

/// The longest step of which the rectangle's edges are multiples, so that the coarsest tier that can tell it apart answers.
/// Never beyond an hour, for hours are told apart.
fn scan_ms(question: &ExplainQuestion) -> u64 {
    const STEPS_MS: [u64; 3] = [HOUR_MS, 60_000, 10_000];
    let fits = |step_ms: &u64| {
        let TimeRange {
            from_unix_ms,
            to_unix_ms,
        } = question.inside;
        from_unix_ms.is_multiple_of(*step_ms) && to_unix_ms.is_multiple_of(*step_ms)
    };
    STEPS_MS.into_iter().find(fits).unwrap_or(1)
}

fn judge(
    counts: &BTreeMap<((Method, LoadLabel), Trait, String), ByClock>,
) -> (Vec<ExplainTrait>, Vec<ExplainLine>) {
    let mut by_trait: BTreeMap<Trait, Vec<(&str, Count)>> = [
        Trait::Address,
        Trait::Flow,
        Trait::Hour,
        Trait::Method,
        Trait::Load,
    ]
    .map(|of| (of, Vec::new()))
    .into();
    for ((kind, of, value), by_clock) in counts {
        let of_kind = counts.iter().filter(|((other, ..), _)| other == kind);
        let Some(clock) = best(of_kind.flat_map(|(_, by_clock)| by_clock)) else {
            continue;
        };
        let count = by_clock[place(clock)];
        if count.all() > 0 {
            by_trait.entry(*of).or_default().push((value, count));
        }
    }
    let (mut traits, mut lines) = (Vec::new(), Vec::new());
    for (of, values) in by_trait {
        let (of_inside, of_outside) = values
            .iter()
            .fold((0_u64, 0_u64), |(inside, outside), (_, count)| {
                (
                    inside.saturating_add(count.inside),
                    outside.saturating_add(count.outside),
                )
            });
        let few = values
            .iter()
            .filter(|(_, count)| (1..LEAST_INSIDE).contains(&count.inside));
        traits.push(ExplainTrait {
            of,
            values: values.len() as u32,
            too_few: few.count() as u32,
        });
        for (value, count) in values.iter().filter(|(_, count)| count.inside >= LEAST_INSIDE) {
            let lift_least = lift_least(*count, of_inside, of_outside);
            if lift_least <= 1.0 {
                continue;
            }
            lines.push(ExplainLine {
                of,
                value: (*value).to_owned(),
                inside: count.inside,
                of_inside,
                outside: count.outside,
                of_outside,
                lift: (count.outside > 0).then(|| {
                    (count.inside as f64 / of_inside as f64) / (count.outside as f64 / of_outside as f64)
                }),
                lift_least,
            });
        }
    }
    lines.sort_by(|one, other| other.lift_least.total_cmp(&one.lift_least));
    lines.truncate(MOST_LINES);
    (traits, lines)
}

/// Lower end of the 99 % interval of a ratio of two shares (Katz et al. 1978, half a delay added to each count so that it
/// stands where a count is 0). Nothing is told where there is nothing to hold it against.
fn lift_least(count: Count, of_inside: u64, of_outside: u64) -> f64 {
    if of_inside == 0 || of_outside == 0 {
        return 0.0;
    }
    let with_half = |n: u64| n as f64 + 0.5;
    let (inside, outside) = (with_half(count.inside), with_half(count.outside));
    let (of_inside, of_outside) = (with_half(of_inside), with_half(of_outside));
    let error = (1.0 / inside - 1.0 / of_inside + 1.0 / outside - 1.0 / of_outside)
        .max(0.0)
        .sqrt();
    (inside / of_inside) / (outside / of_outside) * (-STANDARD_ERRORS * error).exp()
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::DelayHistogram;

    use super::super::series::tests::pair;
    use super::super::source::tests::source;
    use super::*;
    use crate::store::Store;
    use crate::store::conformance::{T0, item, manifest_of, report_of, verified};
    use crate::store::memory::MemoryStore;

    /// Two addresses of one zone: the first answers within 100 us all the time, the second within 900 us in the last half.
    fn seeded(method_of_second: Method) -> MemoryStore {
        let store = MemoryStore::default();
        let mut manifest = manifest_of("a", 2);
        manifest.series[1].zone = manifest.series[0].zone.clone();
        manifest.series[1].address = "192.0.2.77:8620".parse().expect("an address");
        manifest.series[1].method = method_of_second;
        let items: Vec<_> = (0..60)
            .map(|slot| {
                let mut report = report_of(&manifest, slot + 1, slot, &[100, 100]);
                let mut second = [if slot < 30 { 100 } else { 900 }; 2];
                report.records[1].delays =
                    vec![(StampClock::Kernel, DelayHistogram::from_values_us(&mut second))];
                item(&report)
            })
            .collect();
        store.commit(&[verified(&manifest)], &items).expect("writable");
        store
    }

    fn asked(from_s: u64, to_s: u64, low_us: u32, high_us: u32) -> ExplainQuestion {
        ExplainQuestion {
            pair: pair(),
            inside: TimeRange {
                from_unix_ms: T0 + from_s * 1_000,
                to_unix_ms: T0 + to_s * 1_000,
            },
            low_us,
            high_us,
        }
    }

    fn told(explanation: &Explanation) -> Vec<(Trait, &str, u64, u64)> {
        let lines = explanation.lines.iter();
        lines
            .map(|line| (line.of, line.value.as_str(), line.inside, line.outside))
            .collect()
    }

    #[test]
    fn the_address_behind_a_blob_is_named_with_its_counts() {
        let store = seeded(Method::Stamp);
        let explained = explain(&source(&store), &asked(300, 600, 800, 1_000)).expect("readable");
        assert_eq!((explained.n_inside, explained.n_outside), (60, 180));
        assert_eq!(told(&explained), [(Trait::Address, "192.0.2.77", 60, 60)]);
        let line = &explained.lines[0];
        assert_eq!((line.of_inside, line.of_outside), (60, 180));
        assert_eq!(line.lift, Some(3.0));
        assert!((2.0..3.0).contains(&line.lift_least), "{}", line.lift_least);
        assert_eq!(explained.clock, Some(StampClock::Kernel));
    }

    #[test]
    fn a_method_is_counted_and_never_merged() {
        let store = seeded(Method::TcpConnect);
        let explained = explain(&source(&store), &asked(300, 600, 800, 1_000)).expect("readable");
        // No delay of the pair's own method is in the rectangle.
        assert_eq!((explained.n_inside, explained.n_outside), (0, 120));
        assert_eq!(told(&explained), [(Trait::Method, "tcp_connect", 60, 60)]);
    }

    #[test]
    fn little_is_not_told_and_said_to_be_little() {
        let store = seeded(Method::Stamp);
        let explained = explain(&source(&store), &asked(300, 330, 800, 1_000)).expect("readable");
        assert_eq!(explained.n_inside, 6);
        assert_eq!(explained.lines, []);
        assert_eq!(
            explained.traits[0],
            ExplainTrait {
                of: Trait::Address,
                values: 2,
                too_few: 1
            }
        );
        // Everything is inside: nothing to hold it against.
        let all = explain(&source(&store), &asked(0, 3_600, 1, 60_000_000)).expect("readable");
        assert_eq!((all.n_outside, all.lines.len()), (0, 0));
    }

    #[test]
    fn an_hour_is_held_against_the_other_delays_of_the_same_time() {
        let store = MemoryStore::default();
        let manifest = manifest_of("a", 1);
        // Three hours, an interval a minute; slow in the middle one.
        let items: Vec<_> = (0..180)
            .map(|minute| {
                let delay_us = if (60..120).contains(&minute) { 900 } else { 100 };
                item(&report_of(&manifest, minute + 1, minute * 6, &[delay_us]))
            })
            .collect();
        store.commit(&[verified(&manifest)], &items).expect("writable");
        let mut question = asked(0, 3 * 3_600, 800, 1_000);
        question.pair.range.to_unix_ms = T0 + 3 * 3_600_000;
        let explained = explain(&source(&store), &question).expect("readable");
        let hour = format!("{:02}", (T0 / HOUR_MS + 1) % 24);
        assert_eq!(T0 % HOUR_MS, 0, "the hours below are whole");
        assert_eq!(told(&explained), [(Trait::Hour, hour.as_str(), 60, 0)]);
        assert_eq!(explained.lines[0].lift, None);
        // The same hour alone, which would stand out by being chosen.
        question.inside.from_unix_ms = T0 + 3_600_000;
        question.inside.to_unix_ms = T0 + 7_200_000;
        let alone = explain(&source(&store), &question).expect("readable");
        assert_eq!(told(&alone), []);
    }

    #[test]
    fn steps_are_as_long_as_the_edges_allow() {
        let scan = |from_s, to_s| scan_ms(&asked(from_s, to_s, 1, 2));
        assert_eq!(scan(0, 7_200), HOUR_MS);
        assert_eq!(scan(0, 60), 60_000);
        assert_eq!(scan(10, 60), 10_000);
    }
}
