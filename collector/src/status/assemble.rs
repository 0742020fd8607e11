//! From what was found out to what is answered. Pure.

use super::answer::{
    CommitStatus, Estimate, IngestStatus, Refusal, State, StatusAnswer, StoreStatus, TierStatus,
};
use super::commit_times::quantile_us;
use super::concern::{Evidence, concerns};
use super::disk::Space;
use super::fleet::fleet;
use super::forecast::{Growth, bytes_per_day, days_until_full, kept_ms};
use super::recently::{Lately, Totals};
use crate::ingest::Depth;
use crate::store::{AgentStatus, Condition, Retention, Tier};
use crate::utc::UtcInstant;

/// How sealing fares.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sealing {
    /// Rounds that failed in the last quarter of an hour.
    pub failed_lately: u64,
}

/// What was found out, beside agents and counters.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The wall clock.
    pub now_unix_ms: u64,
    /// How long the collector has run.
    pub uptime_ms: u64,
    /// What waits.
    pub queue: Depth,
    /// The file system's room, if it says.
    pub space: Option<Space>,
    /// The store's own account.
    pub condition: Condition,
    /// How long tiers are kept.
    pub retention: Retention,
    /// How sealing fares.
    pub sealing: Sealing,
    /// How many agents to name.
    pub most_agents: usize,
    /// Notification channels that are called dead.
    pub dead_channels: Vec<String>,
    /// Pairs whose delays are shorter than light allows.
    pub faster_than_light: Vec<String>,
    /// Since when the plan has everybody stop.
    pub stopped_since_unix_ms: Option<u64>,
}

/// The answer.
pub fn status(facts: &Facts, agents: &[AgentStatus], totals: &Totals, lately: &Lately) -> StatusAnswer {
    let ingest = ingest(facts, totals, lately);
    let commits = commits(lately);
    let store = store(facts);
    let fleet = fleet(agents, facts.now_unix_ms, facts.most_agents);
    let concerns = concerns(&Evidence {
        ingest: &ingest,
        commits: &commits,
        store: &store,
        fleet: &fleet,
        lately,
        sealing_failed: facts.sealing.failed_lately,
        dead_channels: &facts.dead_channels,
        faster_than_light: &facts.faster_than_light,
        stopped_since_unix_ms: facts.stopped_since_unix_ms,
    });
    StatusAnswer {
        now: UtcInstant::from_unix_ms(facts.now_unix_ms),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_s: facts.uptime_ms / 1_000,
        state: if concerns.is_empty() {
            State::Healthy
        } else {
            State::Degraded
        },
        concerns,
        lately_s: lately.length_ms / 1_000,
        ingest,
        commits,
        refusals: refusals(totals, lately),
        store,
        agents: fleet,
    }
}

fn ingest(facts: &Facts, totals: &Totals, lately: &Lately) -> IngestStatus {
    let per_s = |count: u64| {
        // In the first second there is no rate yet.
        (lately.length_ms >= 1_000).then(|| count as f64 * 1_000.0 / lately.length_ms as f64)
    };
    let queue = facts.queue;
    IngestStatus {
        queued_reports: queue.queued_items,
        queued_bodies: queue.queued_bodies,
        queued_bodies_most: queue.queued_bodies_most,
        queued_bytes: queue.queued_bytes,
        queued_bytes_most: queue.queued_bytes_most,
        held_bytes: queue.held_bytes,
        held_bytes_most: queue.held_bytes_most,
        stored: totals.stored,
        stored_per_s: per_s(lately.grown.stored),
        body_bytes_per_s: per_s(lately.grown.body_bytes),
    }
}

fn commits(lately: &Lately) -> CommitStatus {
    let taken = &lately.grown.commits;
    CommitStatus {
        n: taken.values().sum(),
        p50_us: quantile_us(taken, 0.5),
        p99_us: quantile_us(taken, 0.99),
        max_us: quantile_us(taken, 1.0),
        failed: lately.count(super::recently::Kind::Store, "commit_failed"),
    }
}

fn refusals(totals: &Totals, lately: &Lately) -> Vec<Refusal> {
    let mut refusals: Vec<Refusal> = totals
        .refusals
        .iter()
        .filter(|(_, total)| **total > 0)
        .map(|(name, total)| Refusal {
            kind: name.0.as_str().to_owned(),
            subject: name.1.to_owned(),
            reason: name.2.to_owned(),
            lately: lately.grown.refusals.get(name).copied().unwrap_or(0),
            total: *total,
        })
        .collect();
    refusals.sort_by_key(|refusal| std::cmp::Reverse((refusal.lately, refusal.total)));
    refusals
}

fn store(facts: &Facts) -> StoreStatus {
    let condition = &facts.condition;
    let growths = Tier::ALL.map(|tier| {
        let kept_ms = kept_ms(&facts.retention, tier);
        Growth::of(&condition.tier_holdings[tier as usize], kept_ms)
    });
    let tiers = Tier::ALL.map(|tier| {
        let held = condition.tier_holdings[tier as usize];
        let is_empty = held.to_unix_ms == 0;
        let instant = |at| (!is_empty).then(|| UtcInstant::from_unix_ms(at));
        TierStatus {
            tier: tier.as_str().to_owned(),
            bytes: held.bytes,
            from: instant(held.from_unix_ms),
            to: instant(held.to_unix_ms),
            bytes_per_day: growths[tier as usize].map(|growth| growth.bytes_per_day),
            kept_s: kept_ms(&facts.retention, tier).map(|kept_ms| kept_ms / 1_000),
        }
    });
    let known: Vec<Growth> = growths.into_iter().flatten().collect();
    let (days_until_full, estimate) = match facts.space {
        None => (None, Estimate::FreeSpaceUnknown),
        Some(_) if known.is_empty() => (None, Estimate::TooLittleSealed),
        Some(space) => match days_until_full(space.free_bytes, &known) {
            None => (None, Estimate::BeyondTenYears),
            days => (days, Estimate::SealedGrowth),
        },
    };
    StoreStatus {
        writable: condition.writable,
        disk_bytes: condition.disk_bytes,
        hot_bytes: condition
            .disk_bytes
            .saturating_sub(condition.tier_bytes.iter().sum()),
        free_bytes: facts.space.map(|space| space.free_bytes),
        total_bytes: facts.space.map(|space| space.total_bytes),
        tiers: tiers.into(),
        growth_bytes_per_day: (!known.is_empty()).then(|| bytes_per_day(&known)),
        days_until_full,
        estimate,
        oldest_unsealed_hour_at: condition
            .oldest_unsealed_hour_unix_ms
            .map(UtcInstant::from_unix_ms),
        unsealed_hours: condition.unsealed_hours,
        sealing_behind_s: condition.sealing_due_unix_ms.map_or(0, |due_unix_ms| {
            facts.now_unix_ms.saturating_sub(due_unix_ms) / 1_000
        }),
        files_set_aside: condition.files_set_aside,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::recently::Kind;
    use super::*;
    use crate::store::{TierHoldings, WindowCondition};

    const NOW: u64 = 1_795_428_000_000;
    const DAY: u64 = 86_400_000;
    const GIB: u64 = 1 << 30;

    fn facts() -> Facts {
        Facts {
            now_unix_ms: NOW,
            uptime_ms: 400_000,
            queue: Depth {
                queued_bytes: 1,
                queued_bytes_most: 100,
                queued_bodies_most: 10,
                held_bytes_most: 100,
                ..Depth::default()
            },
            space: Some(Space {
                free_bytes: 100 * GIB,
                total_bytes: 200 * GIB,
            }),
            condition: Condition {
                writable: true,
                disk_bytes: 3_000,
                files_set_aside: 0,
                tier_bytes: [1_000, 500, 0, 0],
                oldest_unsealed_hour_unix_ms: Some(NOW - 3_600_000),
                path_events_refused: 0,
                throughput_results_refused: 0,
                window: WindowCondition::default(),
                unsealed_hours: 1,
                sealing_due_unix_ms: Some(NOW + 600_000),
                tier_holdings: [
                    TierHoldings {
                        bytes: 1_000,
                        from_unix_ms: NOW - DAY,
                        to_unix_ms: NOW,
                        recent_bytes: 1_000,
                        recent_ms: DAY,
                    },
                    TierHoldings {
                        bytes: 500,
                        ..TierHoldings::default()
                    },
                    TierHoldings::default(),
                    TierHoldings::default(),
                ],
            },
            retention: Retention::default(),
            sealing: Sealing::default(),
            most_agents: 10,
            dead_channels: Vec::new(),
            faster_than_light: Vec::new(),
            stopped_since_unix_ms: None,
        }
    }

    fn lately(refusals: &[(super::super::recently::Name, u64)]) -> Lately {
        Lately {
            length_ms: 300_000,
            grown: Totals {
                stored: 600,
                refusals: refusals.iter().copied().collect(),
                ..Totals::default()
            },
        }
    }

    fn concerns_of(change: impl FnOnce(&mut Facts, &mut Lately)) -> Vec<String> {
        let (mut facts, mut lately) = (facts(), lately(&[]));
        change(&mut facts, &mut lately);
        let answer = status(&facts, &[], &lately.grown.clone(), &lately);
        assert_eq!(answer.state == State::Healthy, answer.concerns.is_empty());
        answer.concerns.into_iter().map(|concern| concern.name).collect()
    }

    #[test]
    fn a_collector_that_fares_well_says_so_in_numbers() {
        let answer = status(&facts(), &[], &lately(&[]).grown, &lately(&[]));
        assert_eq!((answer.state, answer.concerns.len()), (State::Healthy, 0));
        assert_eq!(answer.ingest.stored_per_s, Some(2.0));
        assert_eq!((answer.store.disk_bytes, answer.store.hot_bytes), (3_000, 1_500));
        assert_eq!(answer.store.tiers[0].bytes_per_day, Some(1_000.0));
        assert_eq!(
            (answer.store.estimate, answer.store.days_until_full),
            (Estimate::BeyondTenYears, None),
            "1,000 bytes a day for a week, then retention takes as much"
        );
        assert_eq!(answer.store.sealing_behind_s, 0, "due in ten minutes");
        assert_eq!(answer.commits.p50_us, None, "no commit, no time");
    }

    #[test]
    fn each_thing_that_needs_a_person_is_named() {
        assert_eq!(concerns_of(|_, _| {}), [""; 0]);
        assert_eq!(
            concerns_of(|facts, _| facts.dead_channels.push("noc".to_owned())),
            ["channels_dead"]
        );
        assert_eq!(
            concerns_of(|facts, _| facts.faster_than_light.push("a to b by stamp".to_owned())),
            ["faster_than_light"]
        );
        assert_eq!(
            concerns_of(|facts, _| facts.stopped_since_unix_ms = Some(NOW)),
            ["plan_stopped"]
        );
        assert_eq!(
            concerns_of(|facts, _| facts.condition.writable = false),
            ["store_not_writable"]
        );
        assert_eq!(
            concerns_of(|facts, _| facts.queue.queued_bytes = 76),
            ["ingest_overloaded"]
        );
        assert_eq!(
            concerns_of(|facts, _| facts.condition.files_set_aside = 1),
            ["files_damaged"]
        );
        assert_eq!(
            concerns_of(|facts, _| facts.sealing.failed_lately = 1),
            ["sealing_failing"]
        );
        let behind =
            |by_ms: u64| concerns_of(|facts, _| facts.condition.sealing_due_unix_ms = Some(NOW - by_ms));
        assert_eq!(behind(300_000), [""; 0], "it is looked for every half minute");
        assert_eq!(behind(301_000), ["sealing_behind"]);
        let free = |free_bytes| {
            concerns_of(|facts, _| {
                facts.space = Some(Space {
                    free_bytes,
                    total_bytes: GIB,
                });
                facts.condition.tier_holdings[0].recent_bytes = GIB / 20;
            })
        };
        assert_eq!(free(GIB), [""; 0], "a week of a twentieth each day");
        assert_eq!(free(GIB / 4), ["disk_filling", "disk_low"]);
        for (name, expected) in [
            ((Kind::Store, "", "commit_failed"), "commits_failing"),
            ((Kind::Body, "unavailable", "queue_full"), "ingest_overloaded"),
            ((Kind::Body, "refused", "body_too_large"), "reports_refused"),
            ((Kind::Item, "refused", "bad_interval"), "reports_refused"),
            ((Kind::Store, "", "report_unreadable"), "reports_unreadable"),
            ((Kind::Query, "map", "query_timeout"), "queries_overloaded"),
            ((Kind::Connection, "", "too_many"), "connections_refused"),
        ] {
            assert_eq!(
                concerns_of(|_, now| *now = lately(&[(name, 1)])),
                [expected],
                "{name:?}"
            );
        }
        for harmless in [
            (Kind::Item, "duplicate", "duplicate"),
            (Kind::Connection, "", "failed"),
            (Kind::Query, "map", "unknown_parameter"),
        ] {
            assert_eq!(
                concerns_of(|_, now| *now = lately(&[(harmless, 9)])),
                [""; 0],
                "{harmless:?}"
            );
        }
    }

    #[test]
    fn what_is_not_known_is_null_and_says_why() {
        let mut facts = facts();
        facts.space = None;
        let nothing = Lately::default();
        let answer = status(&facts, &[], &nothing.grown, &nothing);
        assert_eq!(answer.store.estimate, Estimate::FreeSpaceUnknown);
        assert_eq!(
            (answer.store.free_bytes, answer.ingest.stored_per_s),
            (None, None)
        );
        facts.space = self::facts().space;
        facts.condition.tier_holdings = Default::default();
        let answer = status(&facts, &[], &nothing.grown, &nothing);
        assert_eq!(answer.store.estimate, Estimate::TooLittleSealed);
        assert_eq!(
            (answer.store.growth_bytes_per_day, answer.store.tiers[0].from),
            (None, None)
        );
    }

    #[test]
    fn what_happens_now_stands_before_what_happened_once() {
        let (old, new) = (
            (Kind::Body, "refused", "body_timeout"),
            (Kind::Item, "refused", "bad_interval"),
        );
        let totals = Totals {
            refusals: BTreeMap::from([(old, 1_000), (new, 2), ((Kind::Store, "", "commit_failed"), 0)]),
            ..Totals::default()
        };
        let refusals = refusals(&totals, &lately(&[(new, 1)]));
        let said: Vec<_> = refusals
            .iter()
            .map(|one| (one.reason.as_str(), one.lately, one.total))
            .collect();
        assert_eq!(said, [("bad_interval", 1, 2), ("body_timeout", 0, 1_000)]);
    }
}
