//! What is told of probes beside how many came back and how long that took: how delay varied, on which way probes were
//! lost, and which errors were met. One form in every answer of the
//! query API, made from merged counters and delays, so it holds for any window and any set of series of one method.

use std::collections::BTreeMap;

use azimuth_measurement::{Accumulator, ProbeCounts};
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
    /// Of the lost, those known not to have reached the reflector (RFC 8972 section 4.5).
    pub lost_out: u64,
    /// Of the lost, those that are known to have reached it.
    pub lost_back: u64,
    /// Of the lost, those whose way is not known: all of them where the reflector keeps no count, or is not asked for it.
    pub lost_unknown: u64,
    /// Errors by kind, only those that were met. ICMP errors settle nothing: their probes are lost once the waiting time has
    /// passed. `send_...`: this host did not send; such probes are not among the sent. `refused`: answers that say no.
    pub errors: BTreeMap<String, u64>,
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
        Self {
            ipdv_pairs: counts.ipdv.pairs,
            ipdv_mean_us: counts.ipdv.mean_us(),
            pdv_p95_us: pdv.p95_us,
            pdv_p99_us: pdv.p99_us,
            lost_out: counts.lost_out,
            lost_back: counts.lost_back,
            lost_unknown: counts
                .lost()
                .saturating_sub(counts.lost_out.saturating_add(counts.lost_back)),
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
    use azimuth_measurement::{ErrorKind, Ipdv};

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
    fn losses_and_errors_that_are_not_known_are_said_to_be() {
        let mut counts = ProbeCounts {
            sent: 10,
            returned: 6,
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
