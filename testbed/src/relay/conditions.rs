//! What the incidents do to the network at one moment, laid out so that a packet needs one look per question.
//!
//! Pure and rebuilt only when an incident begins or ends, never per packet.

use crate::path::dice::Dice;
use crate::plan::{Disorder, Effect, Plan};

/// The standing queue of a congested line keeps its depth for about this long.
const QUEUE_SWING_NS: u64 = 2_000_000_000;

/// A congested downlink.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Congestion {
    /// Deepest standing queue.
    pub queue_ns: u64,
    /// Share of packets the full queue drops.
    pub loss_ratio: f64,
}

/// The state of the network between two changes.
#[derive(Debug, Clone)]
pub struct Conditions {
    /// Added one-way delay per pair.
    pub added_ns: Vec<u64>,
    /// Loss per pair and direction, background included.
    pub loss_ratio: Vec<f64>,
    /// Doubling and overtaking per pair and direction.
    pub disorder: Vec<Disorder>,
    /// Zones that answer nobody.
    pub zone_down: Vec<bool>,
    /// Congestion per vantage point.
    pub congestion: Vec<Option<Congestion>>,
    /// When these conditions end; `u64::MAX` when never.
    pub until_ns: u64,
}

impl Conditions {
    /// The conditions at `now_ns`, nanoseconds since the world began.
    #[must_use]
    pub fn at(plan: &Plan, now_ns: u64) -> Self {
        let mut conditions = Self {
            added_ns: vec![0; plan.pairs.len()],
            loss_ratio: vec![plan.loss_ratio; plan.pairs.len()],
            disorder: vec![Disorder::default(); plan.pairs.len()],
            zone_down: vec![false; plan.zones.len()],
            congestion: vec![None; plan.vantage_points.len()],
            until_ns: plan
                .incidents
                .iter()
                .filter_map(|incident| incident.times.next_change_after(now_ns))
                .min()
                .unwrap_or(u64::MAX),
        };
        for incident in plan
            .incidents
            .iter()
            .filter(|incident| incident.times.on_at(now_ns).is_some())
        {
            conditions.apply(&incident.effect);
        }
        conditions
    }

    fn apply(&mut self, effect: &Effect) {
        match effect {
            Effect::RouteChange {
                pairs,
                added_one_way_ns,
            } => {
                for pair in pairs {
                    self.added_ns[*pair] += added_one_way_ns;
                }
            }
            Effect::ZoneOutage { zone } => self.zone_down[*zone] = true,
            Effect::AccessCongestion {
                vantage_point,
                queue_ns,
                loss_ratio,
            } => {
                self.congestion[*vantage_point] = Some(Congestion {
                    queue_ns: *queue_ns,
                    loss_ratio: *loss_ratio,
                });
            }
            Effect::TransitFault {
                pairs,
                added_one_way_ns,
                loss_ratio,
            } => {
                for pair in pairs {
                    self.added_ns[*pair] += added_one_way_ns;
                    // Two independent chances to be lost.
                    let kept = (1.0 - self.loss_ratio[*pair]) * (1.0 - loss_ratio);
                    self.loss_ratio[*pair] = 1.0 - kept;
                }
            }
            // The later one in the file counts where two are on.
            Effect::Disorder { pairs, disorder } => {
                for pair in pairs {
                    self.disorder[*pair] = *disorder;
                }
            }
        }
    }
}

impl Congestion {
    /// Depth of the standing queue at `now_ns`: between a third of the deepest and the deepest, drawn anew every two
    /// seconds and joined by straight lines, so that all zones seen through this line swing together.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a queue is at most two seconds, and the share lies in 0..=1"
    )]
    pub fn queue_at(&self, seed: u64, vantage_point: usize, now_ns: u64) -> u64 {
        let knot = now_ns / QUEUE_SWING_NS;
        let depth = |knot: u64| {
            let subject = ["queue", &vantage_point.to_string(), &knot.to_string()];
            1.0 / 3.0 + 2.0 / 3.0 * Dice::of(seed, &subject).unit()
        };
        let along = (now_ns % QUEUE_SWING_NS) as f64 / QUEUE_SWING_NS as f64;
        let share = depth(knot) * (1.0 - along) + depth(knot + 1) * along;
        (self.queue_ns as f64 * share) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_standing_queue_stays_between_a_third_and_the_whole_and_moves_without_steps(now_ns in 0_u64..10_u64.pow(12)) {
            let congestion = Congestion { queue_ns: 90_000_000, loss_ratio: 0.0 };
            let now = congestion.queue_at(1, 3, now_ns);
            let soon = congestion.queue_at(1, 3, now_ns + 1_000_000);
            prop_assert!((29_999_999..=90_000_000).contains(&now));
            prop_assert!(now.abs_diff(soon) < 100_000, "{now} {soon}");
        }
    }
}
