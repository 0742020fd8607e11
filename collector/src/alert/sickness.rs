//! Whether an agent is itself ill, by what it says of itself: then what it measures says nothing of zones, and it has no
//! vote in [`super::blame`]. Pure.

use std::collections::BTreeMap;

use azimuth_measurement::ProbeCounts;

use super::blame::Sickness;
use super::settings::MINUTE_MS;
use super::weak::RECENT;

/// One part of so many is too many: five percent.
const PART: u64 = 20;
/// Fewer are an accident.
const FEWEST: u64 = 3;
/// 99th percentile of how late probes leave from which a host is busy, in microseconds.
const LATE_US: u32 = 10_000;
/// How long an illness is remembered: as long as the last minutes that it spoiled, in milliseconds.
const REMEMBERED_MS: u64 = RECENT as u64 * MINUTE_MS;

/// What an agent says of itself over the last minutes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    /// Slots of the schedule: sent, skipped or not let out.
    slots: u64,
    returned: u64,
    discarded: u64,
    skipped: u64,
    send_errors: u64,
    /// 99th percentile of how late its probes left, in microseconds.
    pub lateness_p99_us: Option<u32>,
}

impl Health {
    /// With what one series counted.
    pub fn add(&mut self, counts: &ProbeCounts) {
        let slots = counts
            .sent
            .saturating_add(counts.skipped)
            .saturating_add(counts.send_errors);
        self.slots = self.slots.saturating_add(slots);
        self.returned = self.returned.saturating_add(counts.returned);
        self.discarded = self.discarded.saturating_add(counts.discarded);
        self.skipped = self.skipped.saturating_add(counts.skipped);
        self.send_errors = self.send_errors.saturating_add(counts.send_errors);
    }

    /// With what another part of it counted.
    pub fn merge(&mut self, other: &Self) {
        self.slots = self.slots.saturating_add(other.slots);
        self.returned = self.returned.saturating_add(other.returned);
        self.discarded = self.discarded.saturating_add(other.discarded);
        self.skipped = self.skipped.saturating_add(other.skipped);
        self.send_errors = self.send_errors.saturating_add(other.send_errors);
    }

    /// What ails it, if anything: first what spoils delays most.
    pub fn sickness(&self) -> Option<Sickness> {
        let many = |count: u64, of: u64| count >= FEWEST && count.saturating_mul(PART) > of;
        if many(self.discarded, self.returned) {
            Some(Sickness::Clock)
        } else if many(self.send_errors, self.slots) {
            Some(Sickness::AccessLine)
        } else if many(self.skipped, self.slots)
            || self.lateness_p99_us.is_some_and(|late_us| late_us >= LATE_US)
        {
            Some(Sickness::Cpu)
        } else {
            None
        }
    }
}

/// Agents that are ill, or were a few minutes ago.
#[derive(Debug, Clone, Default)]
pub struct SickList(BTreeMap<String, (Sickness, u64)>);

impl SickList {
    /// Notes what agents say of themselves at an instant, Unix time in milliseconds.
    pub fn note<'a>(&mut self, agents: impl IntoIterator<Item = (&'a str, Health)>, at_unix_ms: u64) {
        for (agent, health) in agents {
            if let Some(sickness) = health.sickness() {
                self.0.insert(agent.to_owned(), (sickness, at_unix_ms));
            }
        }
        self.0
            .retain(|_, (_, since_unix_ms)| at_unix_ms.saturating_sub(*since_unix_ms) <= REMEMBERED_MS);
    }

    /// Who, and of what.
    pub fn sick(&self) -> BTreeMap<String, Sickness> {
        let all = self.0.iter();
        all.map(|(agent, (sickness, _))| (agent.clone(), *sickness))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(counts: ProbeCounts) -> Option<Sickness> {
        let mut health = Health::default();
        health.add(&counts);
        health.sickness()
    }

    #[test]
    fn each_illness_has_its_sign_and_a_healthy_agent_none() {
        let well = ProbeCounts {
            sent: 600,
            returned: 598,
            discarded: 1,
            skipped: 2,
            ..ProbeCounts::default()
        };
        assert_eq!(of(well), None);
        assert_eq!(
            of(ProbeCounts {
                discarded: 40,
                ..well
            }),
            Some(Sickness::Clock)
        );
        assert_eq!(of(ProbeCounts { skipped: 40, ..well }), Some(Sickness::Cpu));
        assert_eq!(
            of(ProbeCounts {
                send_errors: 40,
                ..well
            }),
            Some(Sickness::AccessLine)
        );
        let late = Health {
            lateness_p99_us: Some(20_000),
            ..Health::default()
        };
        assert_eq!(late.sickness(), Some(Sickness::Cpu));
    }

    #[test]
    fn an_illness_is_remembered_for_as_long_as_it_spoils_the_last_minutes() {
        let late = Health {
            lateness_p99_us: Some(20_000),
            ..Health::default()
        };
        let mut list = SickList::default();
        list.note([("brest-1", late)], 0);
        list.note([("brest-1", Health::default())], REMEMBERED_MS);
        assert_eq!(list.sick(), [("brest-1".to_owned(), Sickness::Cpu)].into());
        list.note([], REMEMBERED_MS + 1);
        assert!(list.sick().is_empty());
    }
}
