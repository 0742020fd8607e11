//! Agents by how recently they were heard, and the worst of them first. Pure; handed the time.

use std::cmp::Reverse;

use super::answer::{AgentStanding, FleetStatus};
use crate::api::answers::AgentState;
use crate::ingest::placement::TOLERATED_SKEW_MS;
use crate::store::AgentStatus;
use crate::utc::UtcInstant;

/// An agent is live this long after its last report: three intervals.
pub const LIVE_MS: u64 = 30_000;
/// And stale, rather than offline, this long.
pub const STALE_MS: u64 = 300_000;
/// One that is silent for longer was taken away, and nobody needs to be told every day.
pub const GONE_MS: u64 = 86_400_000;

/// How recently an agent was heard.
pub fn freshness(last_report_at_unix_ms: u64, now_unix_ms: u64) -> AgentState {
    match now_unix_ms.saturating_sub(last_report_at_unix_ms) {
        silent_ms if silent_ms <= LIVE_MS => AgentState::Live,
        silent_ms if silent_ms <= STALE_MS => AgentState::Stale,
        _ => AgentState::Offline,
    }
}

/// Lower is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    SilentLately,
    Stale,
    ClockOff,
    Sound,
    Gone,
}

fn rank(agent: &AgentStatus, now_unix_ms: u64) -> Rank {
    let silent_ms = now_unix_ms.saturating_sub(agent.last_report_at_unix_ms);
    match freshness(agent.last_report_at_unix_ms, now_unix_ms) {
        AgentState::Offline if silent_ms > GONE_MS => Rank::Gone,
        AgentState::Offline => Rank::SilentLately,
        AgentState::Stale => Rank::Stale,
        AgentState::Live if agent.clock_skew_ms.unsigned_abs() > TOLERATED_SKEW_MS => Rank::ClockOff,
        AgentState::Live => Rank::Sound,
    }
}

/// All of them counted, and at most `most` of them named.
pub fn fleet(agents: &[AgentStatus], now_unix_ms: u64, most: usize) -> FleetStatus {
    let mut ranked: Vec<(Rank, &AgentStatus)> = agents
        .iter()
        .map(|agent| (rank(agent, now_unix_ms), agent))
        .collect();
    ranked.sort_by_key(|(rank, agent)| {
        let worst_within = match rank {
            Rank::ClockOff | Rank::Sound => agent.clock_skew_ms.unsigned_abs(),
            _ => now_unix_ms.saturating_sub(agent.last_report_at_unix_ms),
        };
        (*rank, Reverse(worst_within), &agent.agent)
    });
    let count = |wanted: &[Rank]| ranked.iter().filter(|(rank, _)| wanted.contains(rank)).count() as u64;
    FleetStatus {
        known: agents.len() as u64,
        live: count(&[Rank::Sound, Rank::ClockOff]),
        stale: count(&[Rank::Stale]),
        offline: count(&[Rank::SilentLately, Rank::Gone]),
        silent_lately: count(&[Rank::SilentLately]),
        clocks_off: count(&[Rank::ClockOff]),
        worst: ranked
            .iter()
            .take(most)
            .map(|(_, agent)| standing(agent, now_unix_ms))
            .collect(),
        left_out: agents.len().saturating_sub(most) as u64,
    }
}

fn standing(agent: &AgentStatus, now_unix_ms: u64) -> AgentStanding {
    AgentStanding {
        agent: agent.agent.to_string(),
        name: agent.manifest.vantage_point.name.clone(),
        version: agent.manifest.agent_version.clone(),
        state: freshness(agent.last_report_at_unix_ms, now_unix_ms),
        last_report_at: UtcInstant::from_unix_ms(agent.last_report_at_unix_ms),
        silent_s: now_unix_ms.saturating_sub(agent.last_report_at_unix_ms) / 1_000,
        clock_skew_ms: agent.clock_skew_ms,
        send_lateness_p99_us: agent.send_lateness_p99_us,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::conformance::manifest_of;
    use crate::store::identity::Lives;

    const NOW: u64 = 1_795_428_000_000;

    fn agent(id: &str, silent_ms: u64, clock_skew_ms: i64) -> AgentStatus {
        let manifest = manifest_of(id, 1);
        AgentStatus {
            identity_conflicts: 0,
            last_identity_conflict_at_unix_ms: None,
            lives: Lives::default(),
            agent: manifest.agent.clone(),
            manifest_id: manifest.id(),
            manifest: Arc::new(manifest),
            last_report_at_unix_ms: NOW - silent_ms,
            last_interval_end_unix_ms: NOW - silent_ms,
            clock_skew_ms,
            reports_stored: 1,
            send_lateness_p99_us: None,
            plan: None,
        }
    }

    #[test]
    fn the_worst_come_first_and_the_gone_last() {
        let agents = [
            agent("sound", 1_000, 3),
            agent("gone", GONE_MS + 1, 0),
            agent("stale", 31_000, 0),
            agent("silent-long", 7_200_000, 0),
            agent("silent-short", 301_000, 0),
            agent("clock", 1_000, -2_001),
            agent("worse-clock", 1_000, 90_000),
        ];
        let all = fleet(&agents, NOW, 100);
        let names: Vec<_> = all.worst.iter().map(|one| one.agent.as_str()).collect();
        assert_eq!(
            names,
            [
                "silent-long",
                "silent-short",
                "stale",
                "worse-clock",
                "clock",
                "sound",
                "gone"
            ]
        );
        assert_eq!((all.known, all.live, all.stale, all.offline), (7, 3, 1, 3));
        assert_eq!((all.silent_lately, all.clocks_off, all.left_out), (2, 2, 0));
        let few = fleet(&agents, NOW, 2);
        assert_eq!((few.worst.len(), few.left_out, few.known), (2, 5, 7));
    }

    #[test]
    fn agents_fall_silent_by_degrees() {
        let at = |silent_ms: u64| freshness(1_000_000, 1_000_000 + silent_ms);
        assert_eq!((at(0), at(30_000)), (AgentState::Live, AgentState::Live));
        assert_eq!((at(30_001), at(300_000)), (AgentState::Stale, AgentState::Stale));
        assert_eq!(at(300_001), AgentState::Offline);
        assert_eq!(
            freshness(1_000_001, 1_000_000),
            AgentState::Live,
            "the clock was set back"
        );
    }
}
