//! Whether two hosts report under one agent id: a copied machine, a copied configuration, a machine put back to an earlier
//! state while it ran. Pure.
//!
//! One agent that starts again counts in a new epoch, and all it measured before it had measured by then. So two epochs of
//! one host never overlap in time, whatever its clock said and however late its reports arrive. And one name, (epoch,
//! sequence), is one report: the same bytes, of the same time.
//!
//! Only times by a clock that knows how old a report is are evidence. What a machine measured before it was started again has
//! an age by its wall clock, which may have been set meanwhile, and a wrong clock is no reason to refuse anything.

use azimuth_measurement::Interval;
use azimuth_measurement::codec::decode_report;
use serde::{Deserialize, Serialize};

/// Epochs remembered of one agent.
const MOST_LIVES: usize = 4;
/// How long two epochs may overlap: an agent that starts again within an interval reports it twice, and the time under way
/// to the collector is not known.
pub const MARGIN_MS: u64 = 60_000;
/// Longest that the time under way to the collector can differ between two deliveries of one report: the agent gives up a
/// post after 15 s.
const TRANSIT_MS: u64 = 20_000;

/// From when to when each of an agent's latest epochs has measured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lives(Vec<Life>);

/// One epoch, by the starts of its first and its last interval on the collector's time line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Life {
    epoch: u64,
    first_start_unix_ms: u64,
    last_start_unix_ms: u64,
}

impl Lives {
    /// Whether a new report of `epoch` is of a time in which another epoch of the agent measured. Of two that measure at
    /// the same time, the one that began last keeps the identity.
    pub fn clash(&self, epoch: u64, start_unix_ms: u64) -> bool {
        let own = self.0.iter().find(|life| life.epoch == epoch);
        let began_unix_ms = own.map_or(start_unix_ms, |own| own.first_start_unix_ms.min(start_unix_ms));
        self.0
            .iter()
            .filter(|other| other.epoch != epoch)
            .filter(|other| other.first_start_unix_ms.saturating_add(MARGIN_MS) <= start_unix_ms)
            .any(|other| {
                let within = start_unix_ms.saturating_add(MARGIN_MS) <= other.last_start_unix_ms;
                // Which of two began first is not known closer than that.
                let outlived = began_unix_ms < other.first_start_unix_ms
                    && other.first_start_unix_ms.saturating_add(MARGIN_MS) <= other.last_start_unix_ms
                    && start_unix_ms <= other.last_start_unix_ms.saturating_add(MARGIN_MS);
                within || outlived
            })
    }

    /// Notes a report that was stored.
    pub fn note(&mut self, epoch: u64, start_unix_ms: u64) {
        if let Some(life) = self.0.iter_mut().find(|life| life.epoch == epoch) {
            life.first_start_unix_ms = life.first_start_unix_ms.min(start_unix_ms);
            life.last_start_unix_ms = life.last_start_unix_ms.max(start_unix_ms);
            return;
        }
        self.0.push(Life {
            epoch,
            first_start_unix_ms: start_unix_ms,
            last_start_unix_ms: start_unix_ms,
        });
        self.0.sort_by_key(|life| life.last_start_unix_ms);
        if self.0.len() > MOST_LIVES {
            self.0.remove(0);
        }
    }
}

/// What speaks for or against a report, whose name is settled, being the one that settled it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// The stored one is at hand: whether the bytes are the same.
    Frame(bool),
    /// It is not at hand any more.
    Time {
        /// Its age is by a clock that may have been set.
        age_uncertain: bool,
        /// It is of a time for which the store has another report of this agent, or after everything it has of it.
        taken: bool,
    },
}

impl Evidence {
    /// Whether it is another report under the same name.
    pub(super) fn is_conflict(self) -> bool {
        match self {
            Self::Frame(same) => !same,
            Self::Time { age_uncertain, taken } => taken && !age_uncertain,
        }
    }
}

/// Whether `kept` is what was kept of `arrived`: all of it, or all but the records whose series were refused.
pub(super) fn is_same_report(kept: &[u8], arrived: &[u8]) -> bool {
    if kept == arrived {
        return true;
    }
    let (Ok(kept), Ok(mut arrived)) = (decode_report(kept), decode_report(arrived)) else {
        return false;
    };
    arrived.records.retain(|record| {
        kept.records
            .binary_search_by_key(&record.series, |kept| kept.series)
            .is_ok()
    });
    kept == arrived
}

/// The starts at which this report may have been placed when it came before: an interval that is placed by age moves with
/// the time it was under way.
pub(super) fn could_be_placed(now: Interval) -> impl Iterator<Item = u64> {
    let (start_unix_ms, length_ms) = (now.start_unix_ms(), u64::from(now.length_ms()).max(1));
    let earlier = move |slots: u64| start_unix_ms.checked_sub(slots * length_ms);
    let later = move |slots: u64| start_unix_ms.checked_add(slots * length_ms);
    std::iter::once(start_unix_ms).chain(
        (1..=TRANSIT_MS.div_ceil(length_ms))
            .flat_map(move |slots| [earlier(slots), later(slots)])
            .flatten(),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: u64 = 1_000;
    const T0: u64 = 1_795_428_000_000;

    #[test]
    fn a_host_that_starts_again_is_no_other_host() {
        let mut lives = Lives::default();
        for epoch in 1..=9 {
            let began = T0 + epoch * 600 * S;
            for slot in 0..=60 {
                let start = began + slot * 10 * S;
                // The interval it was stopped in comes twice, and its backlog after the new one's first.
                assert!(!lives.clash(epoch, start), "epoch {epoch}, slot {slot}");
                lives.note(epoch, start);
                assert!(!lives.clash(epoch - 1, start - 40 * S * u64::from(slot == 2)) || slot > 5);
            }
            assert!(
                !lives.clash(epoch - 1, began - 30 * S),
                "the backlog of the life before"
            );
        }
    }

    #[test]
    fn two_hosts_at_the_same_time_clash_and_who_began_last_stays() {
        let mut lives = Lives::default();
        (0..100).for_each(|slot| lives.note(1, T0 + slot * 10 * S));
        let copied = T0 + 1_000 * S;
        let (mut first_refused, mut second_refused) = (0, 0);
        for slot in 0..60 {
            let start = copied + slot * 10 * S;
            for (epoch, refused) in [(1, &mut first_refused), (2, &mut second_refused)] {
                if lives.clash(epoch, start) {
                    *refused += 1;
                } else {
                    lives.note(epoch, start);
                }
            }
        }
        assert_eq!((first_refused, second_refused), (53, 0));
        // The copy stops; after a while the first is alone and is taken again, but not for the time of the other.
        assert!(lives.clash(1, copied + 500 * S));
        assert!(!lives.clash(1, copied + 700 * S));
    }

    #[test]
    fn an_epoch_with_a_smaller_number_may_be_the_later_one() {
        // Its clock went back a day, and it had no spool to remember the epoch by.
        let mut lives = Lives::default();
        (0..100).for_each(|slot| lives.note(86_400_000, T0 + slot * 10 * S));
        for slot in 100..200 {
            let start = T0 + slot * 10 * S;
            assert!(!lives.clash(1, start));
            lives.note(1, start);
        }
        assert!(
            !lives.clash(86_400_000, T0 + 500 * S),
            "the backlog of the life before"
        );
    }

    #[test]
    fn a_report_kept_in_part_is_still_the_same_report() {
        use crate::store::conformance::{manifest_of, report_of};
        use azimuth_measurement::codec::encode_report;
        let whole = report_of(&manifest_of("a", 2), 1, 0, &[500, 900]);
        let mut part = whole.clone();
        part.records.truncate(1);
        let mut other = whole.clone();
        other.records[0].counts.late += 1;
        let [whole, part, other] = [whole, part, other].map(|report| encode_report(&report));
        assert!(is_same_report(&whole, &whole) && is_same_report(&part, &whole));
        assert!(!is_same_report(&other, &whole) && !is_same_report(&whole, &part));
        assert!(!is_same_report(b"no report", &whole));
    }

    #[test]
    fn a_report_is_looked_for_where_it_may_have_been_placed() {
        let interval = Interval::new(T0, 10_000).expect("on the grid");
        let starts: Vec<u64> = could_be_placed(interval).collect();
        assert_eq!(starts, [T0, T0 - 10_000, T0 + 10_000, T0 - 20_000, T0 + 20_000]);
        let at_the_edge = Interval::new(0, 10_000).expect("on the grid");
        assert_eq!(
            could_be_placed(at_the_edge).collect::<Vec<_>>(),
            [0, 10_000, 20_000]
        );
    }

    proptest! {
        /// One host, lives one after another, reports in any order of arrival and up to 20 s off: never a clash.
        #[test]
        fn one_host_never_clashes(lengths in prop::collection::vec(1_u64..40, 1..5), seed: u64) {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut reports = Vec::new();
            let mut start = T0;
            for (epoch, length) in lengths.iter().enumerate() {
                for _ in 0..*length {
                    reports.push((epoch as u64, start + random.u64(0..3) * 10 * S - 10 * S));
                    start += 10 * S;
                }
                // It starts again within the interval.
                start -= 10 * S * u64::from(random.bool());
            }
            random.shuffle(&mut reports);
            let mut lives = Lives::default();
            for (epoch, start) in reports {
                prop_assert!(!lives.clash(epoch, start));
                lives.note(epoch, start);
            }
        }
    }
}
