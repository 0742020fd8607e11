//! Which reports a part holds, hour by hour: the exact set of (agent, epoch, sequence). Pure.
//!
//! This is what makes sealing repeatable. A report is sealed into a tier at most once, because a pass leaves out what the
//! parts of that tier already contain; and a reader takes from the hot table exactly what they do not. So a crash between
//! writing a part and forgetting its reports can neither lose nor double anything, in whatever order it strikes.

use std::collections::BTreeMap;

use azimuth_measurement::codec::varint;

use crate::store::dictionary::AgentNumber;
use crate::store::sequences::{Settle, SettledSequences};

/// One report: the hour in which its interval starts (unix ms), its agent, epoch and sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store::embedded) struct ReportName {
    pub(in crate::store::embedded) hour_unix_ms: u64,
    pub(in crate::store::embedded) agent: AgentNumber,
    pub(in crate::store::embedded) epoch: u64,
    pub(in crate::store::embedded) sequence: u64,
}

/// A set of reports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::store::embedded) struct Contents {
    spaces: BTreeMap<(u64, AgentNumber, u64), SettledSequences>,
}

/// The bytes are not a set of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the list of reports in a part is damaged")]
pub(in crate::store::embedded) struct DamagedContents;

impl Contents {
    /// Adds a report. `false` when the set is too fragmented to hold it; nothing is changed then.
    #[must_use]
    pub(in crate::store::embedded) fn insert(&mut self, report: ReportName) -> bool {
        let space = (report.hour_unix_ms, report.agent, report.epoch);
        let settle = self
            .spaces
            .entry(space)
            .or_default()
            .settle(report.sequence, report.sequence);
        settle != Settle::Fragmented
    }

    /// Whether the report is in the set.
    pub(in crate::store::embedded) fn contains(&self, report: ReportName) -> bool {
        self.spaces
            .get(&(report.hour_unix_ms, report.agent, report.epoch))
            .is_some_and(|sequences| sequences.contains(report.sequence))
    }

    /// Adds all of another set. `false` when the sum is too fragmented to be held.
    #[must_use]
    pub(in crate::store::embedded) fn add_all(&mut self, other: &Self) -> bool {
        other.spaces.iter().all(|(space, sequences)| {
            let own = self.spaces.entry(*space).or_default();
            sequences
                .ranges()
                .all(|(first, last)| own.settle(first, last) != Settle::Fragmented)
        })
    }

    /// Whether nothing is in the set.
    pub(in crate::store::embedded) fn is_empty(&self) -> bool {
        self.spaces.is_empty()
    }

    /// Every (agent, epoch) with its sequences, whatever the hour.
    pub(in crate::store::embedded) fn spaces(
        &self,
    ) -> impl Iterator<Item = (AgentNumber, u64, &SettledSequences)> {
        self.spaces
            .iter()
            .map(|((_, agent, epoch), sequences)| (*agent, *epoch, sequences))
    }

    /// As stored: for each space hour, agent, epoch, number of bytes (LEB128), then the sequences.
    pub(in crate::store::embedded) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for ((hour_unix_ms, agent, epoch), sequences) in &self.spaces {
            let sequences = sequences.to_bytes();
            for number in [*hour_unix_ms, agent.0.into(), *epoch, sequences.len() as u64] {
                varint::write(&mut bytes, number);
            }
            bytes.extend(sequences);
        }
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// When the bytes are anything else.
    pub(in crate::store::embedded) fn from_bytes(mut bytes: &[u8]) -> Result<Self, DamagedContents> {
        let mut contents = Self::default();
        while !bytes.is_empty() {
            let mut number = || {
                let (number, rest) = varint::read(bytes).map_err(|_| DamagedContents)?;
                bytes = rest;
                Ok(number)
            };
            let (hour_unix_ms, agent, epoch, length) = (number()?, number()?, number()?, number()?);
            let agent = AgentNumber(u32::try_from(agent).map_err(|_| DamagedContents)?);
            let length = usize::try_from(length).map_err(|_| DamagedContents)?;
            let (sequences, rest) = bytes.split_at_checked(length).ok_or(DamagedContents)?;
            let sequences = SettledSequences::from_bytes(sequences).map_err(|_| DamagedContents)?;
            contents.spaces.insert((hour_unix_ms, agent, epoch), sequences);
            bytes = rest;
        }
        Ok(contents)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name((hour, agent, epoch, sequence): (u64, u32, u64, u64)) -> ReportName {
        ReportName {
            hour_unix_ms: hour * 3_600_000,
            agent: AgentNumber(agent),
            epoch,
            sequence,
        }
    }

    proptest! {
        #[test]
        fn it_holds_what_was_put_in_and_nothing_else(
            inside in prop::collection::btree_set((0_u64..3, 0_u32..3, 1_u64..3, 1_u64..40), 0..60),
            asked in (0_u64..3, 0_u32..3, 1_u64..3, 1_u64..40),
            cut: prop::sample::Index,
        ) {
            let (mut one, mut two) = (Contents::default(), Contents::default());
            for (number, report) in inside.iter().enumerate() {
                prop_assert!([&mut one, &mut two][number % 2].insert(name(*report)));
            }
            prop_assert!(one.add_all(&two));
            prop_assert_eq!(one.contains(name(asked)), inside.contains(&asked));
            let bytes = one.to_bytes();
            prop_assert_eq!(Contents::from_bytes(&bytes), Ok(one));
            let _ = Contents::from_bytes(&bytes[..cut.index(bytes.len() + 1)]);
        }
    }
}
