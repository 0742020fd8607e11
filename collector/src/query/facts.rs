//! What is told of probes beside how many came back and how long that took: which answers came late, twice or out of order, how delay varied, on which way probes were
//! lost, how long each way took, and which errors were met. One form in every answer of the
//! query API, made from merged counters and delays, so it holds for any window and any set of series of one method.

use std::collections::BTreeMap;

use azimuth_measurement::{Accumulator, AsymmetryUnknown, ProbeCounts};
use serde::Serialize;
use utoipa::ToSchema;

/// Send errors of which no kind is known.
const SEND_OTHER: &str = "send_other";
/// Answers that say no.
const REFUSED: &str = "refused";

/// How delay varied, where probes were lost, and which errors were met.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Facts {
    /// Pairs of probes behind `ipdv_mean_us`: sent one after the other, both answered, stamped by the same clock.
    pub ipdv_pairs: u64,
    /// Mean difference between the round-trip delays of such a pair, signs dropped (IPDV, RFC 3393); null without pairs, and
    /// where the agents are too old to tell.
    #[schema(required)]
    pub ipdv_mean_us: Option<f64>,
    /// 95th percentile of how much longer a delay was than the shortest of this answer (PDV, RFC 5481), from the same delays
    /// as the quantiles.
    #[schema(required)]
    pub pdv_p95_us: Option<u32>,
    /// 99th percentile of the same.
    #[schema(required)]
    pub pdv_p99_us: Option<u32>,
    /// Answers after the waiting time; their probes are lost all the same.
    pub late: u64,
    /// Further answers to a probe already answered (RFC 5560).
    pub duplicate: u64,
    /// Answers that arrived after an answer to a later probe (RFC 4737).
    pub reordered: u64,
    /// Of the lost, those known not to have reached the reflector (RFC 8972 section 4.5).
    pub lost_out: u64,
    /// Of the lost, those that are known to have reached it.
    pub lost_back: u64,
    /// Of the lost, those whose way is not known: all of them where the reflector keeps no count, or is not asked for it.
    pub lost_unknown: u64,
    /// How long each way took, as far as that is known; null where no clocks of both ends are said to be synchronised.
    #[schema(required)]
    pub one_way: Option<OneWayFacts>,
    /// Why it is not known how long each way took; null where it is.
    #[schema(required)]
    pub asymmetry_unknown: Option<AsymmetryUnknownName>,
    /// Errors by kind, only those that were met. ICMP errors settle nothing: their probes are lost once the waiting time has
    /// passed. `send_...`: this host did not send; such probes are not among the sent. `refused`: answers that say no.
    pub errors: BTreeMap<String, u64>,
}

/// Delays between the clocks of an agent and its reflectors (RFC 7679).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct OneWayFacts {
    /// Probes behind them: both ends said that their clock is synchronised, and the kernel stamped at both.
    pub n: u64,
    /// Mean delay from the agent to the reflector; null when the clocks are not good enough to tell.
    #[schema(required)]
    pub out_mean_us: Option<f64>,
    /// Mean delay back, likewise.
    #[schema(required)]
    pub back_mean_us: Option<f64>,
    /// How far either of the two may be off: what both clocks say of themselves (RFC 8762 section 4.2.1), on average, less
    /// what the round trip leaves no room for.
    pub error_us: f64,
}

/// Why it is not known how long each way took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AsymmetryUnknownName {
    /// An end, or both, did not say that its clock is synchronised, or the method has no clock at the other end.
    ClocksNotSynchronised,
    /// The clocks may be off by as much as the shorter way took, or contradict each other.
    ErrorExceedsDelay,
}

impl From<AsymmetryUnknown> for AsymmetryUnknownName {
    fn from(why: AsymmetryUnknown) -> Self {
        match why {
            AsymmetryUnknown::ClocksNotSynchronised => Self::ClocksNotSynchronised,
            AsymmetryUnknown::ErrorExceedsDelay => Self::ErrorExceedsDelay,
        }
    }
}

/// Percentiles of packet delay variation, from delays by one clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pdv {
    pub(super) p95_us: Option<u32>,
    pub(super) p99_us: Option<u32>,
}

impl Pdv {
    /// From quantiles of delays and the shortest of them. All three are the upper ends of buckets, so the difference is off by
    /// at most the width of one.
    pub(super) fn of(min_us: Option<u32>, p95_us: Option<u32>, p99_us: Option<u32>) -> Self {
        let beyond = |quantile_us: Option<u32>| Some(quantile_us?.saturating_sub(min_us?));
        Self {
            p95_us: beyond(p95_us),
            p99_us: beyond(p99_us),
        }
    }

    /// From merged delays.
    pub(super) fn of_delays(delays: &Accumulator) -> Self {
        let [p95_us, p99_us] = super::merge::quantiles_us(delays, [0.95, 0.99]);
        Self::of(delays.min_us(), p95_us, p99_us)
    }
}

impl Facts {
    /// What merged counters and delays tell.
    pub fn of(counts: &ProbeCounts, pdv: Pdv) -> Self {
        let one_way = counts.one_way.means();
        Self {
            ipdv_pairs: counts.ipdv.pairs,
            ipdv_mean_us: counts.ipdv.mean_us(),
            pdv_p95_us: pdv.p95_us,
            pdv_p99_us: pdv.p99_us,
            late: counts.late,
            duplicate: counts.duplicate,
            reordered: counts.reordered,
            lost_out: counts.lost_out,
            lost_back: counts.lost_back,
            lost_unknown: counts
                .lost()
                .saturating_sub(counts.lost_out.saturating_add(counts.lost_back)),
            one_way: counts.one_way.mean_error_us().map(|error_us| OneWayFacts {
                n: counts.one_way.probes,
                out_mean_us: one_way.ok().map(|means| means.out_us),
                back_mean_us: one_way.ok().map(|means| means.back_us),
                error_us,
            }),
            asymmetry_unknown: one_way.err().map(Into::into),
            errors: errors(counts)
                .map(|(kind, count)| (kind.to_owned(), count))
                .collect(),
        }
    }
}

/// Errors by kind, only those that were met.
pub fn errors(counts: &ProbeCounts) -> impl Iterator<Item = (&'static str, u64)> + use<> {
    let send_other = counts.send_errors.saturating_sub(counts.errors.of_sending());
    let known = counts.errors.present();
    known
        .map(|(kind, count)| (kind.as_str(), count))
        .chain([(SEND_OTHER, send_other), (REFUSED, counts.refused)])
        .filter(|(_, count)| *count > 0)
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::{ErrorKind, Ipdv, OneWaySample};

    use super::*;

    #[test]
    fn variation_is_told_from_the_shortest_delay_and_null_without_one() {
        let mut delays = Accumulator::new();
        assert_eq!(Pdv::of_delays(&delays), Pdv::default());
        (101..=200).for_each(|delay_us| delays.record_us(delay_us).expect("few"));
        let counts = ProbeCounts {
            ipdv: Ipdv { pairs: 4, sum_us: 10 },
            ..ProbeCounts::default()
        };
        let facts = Facts::of(&counts, Pdv::of_delays(&delays));
        assert_eq!((facts.pdv_p95_us, facts.pdv_p99_us), (Some(94), Some(98)));
        assert_eq!((facts.ipdv_pairs, facts.ipdv_mean_us), (4, Some(2.5)));
        assert_eq!(
            Facts::of(&ProbeCounts::default(), Pdv::default()).ipdv_mean_us,
            None
        );
    }

    #[test]
    fn each_way_is_told_with_its_error_or_not_at_all() {
        let told = |samples: &[(u32, u32, u32)]| {
            let mut counts = ProbeCounts::default();
            for &(out_us, back_us, error_us) in samples {
                counts.one_way.note(OneWaySample {
                    out_us,
                    back_us,
                    error_us,
                });
            }
            let facts = Facts::of(&counts, Pdv::default());
            let one_way = facts
                .one_way
                .map(|told| (told.n, told.out_mean_us, told.back_mean_us, told.error_us));
            (one_way, facts.asymmetry_unknown)
        };
        assert_eq!(
            told(&[(4_000, 6_000, 500), (4_200, 6_000, 500)]),
            (Some((2, Some(4_100.0), Some(6_000.0), 500.0)), None)
        );
        assert_eq!(
            told(&[(5_000, 5_000, 5_000)]),
            (
                Some((1, None, None, 5_000.0)),
                Some(AsymmetryUnknownName::ErrorExceedsDelay)
            )
        );
        assert_eq!(
            told(&[]),
            (None, Some(AsymmetryUnknownName::ClocksNotSynchronised))
        );
        let words = |name: AsymmetryUnknown| serde_json::to_value(AsymmetryUnknownName::from(name));
        for why in [
            AsymmetryUnknown::ClocksNotSynchronised,
            AsymmetryUnknown::ErrorExceedsDelay,
        ] {
            assert_eq!(
                words(why).expect("JSON"),
                why.as_str(),
                "one name on every surface"
            );
        }
    }

    #[test]
    fn losses_and_errors_that_are_not_known_are_said_to_be() {
        let mut counts = ProbeCounts {
            sent: 10,
            returned: 6,
            late: 3,
            duplicate: 4,
            reordered: 5,
            refused: 2,
            send_errors: 3,
            lost_out: 1,
            lost_back: 2,
            ..ProbeCounts::default()
        };
        counts.errors.note(ErrorKind::PortUnreachable);
        counts.errors.note(ErrorKind::SendDenied);
        let facts = Facts::of(&counts, Pdv::default());
        assert_eq!((facts.lost_out, facts.lost_back, facts.lost_unknown), (1, 2, 1));
        assert_eq!((facts.late, facts.duplicate, facts.reordered), (3, 4, 5));
        let errors: Vec<_> = facts.errors.iter().map(|(kind, n)| (kind.as_str(), *n)).collect();
        assert_eq!(
            errors,
            [
                ("port_unreachable", 1),
                ("refused", 2),
                ("send_denied", 1),
                ("send_other", 2)
            ]
        );
    }
}
