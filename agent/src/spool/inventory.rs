//! What the spool holds, as derived from its records: per epoch which sequences were issued, which are settled, and which
//! item stands for each of the others. Pure; rebuilt at every start, never stored.

use std::collections::BTreeMap;

use azimuth_measurement::{AgentId, LossCause};

use super::ranges::Ranges;
use super::record::HEADER_BYTES;

/// Names an item: its epoch and its last sequence.
pub(crate) type Key = (u64, u64);

/// Where an item's payload is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Not on disk yet, or not known to be.
    Memory(Vec<u8>),
    /// In a record that was synced.
    Disk {
        segment: u32,
        offset: u32,
        payload_bytes: u32,
    },
}

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// A report; merged when it covers more than one sequence.
    Report {
        /// Its manifest's id.
        manifest: u64,
        /// The boot its monotonic stamp belongs to.
        boot: u64,
        /// When its interval ended, ms on that boot's monotonic clock.
        ended_at_ms: u64,
    },
    /// Stands for reports that will never come.
    Tombstone {
        /// Why.
        cause: LossCause,
    },
}

/// Stands for the sequences `first..=last` until the collector has settled them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) start_unix_ms: u64,
    pub(crate) end_unix_ms: u64,
    pub(crate) body: Body,
    pub(crate) place: Place,
    /// May have reached the network: never merged again.
    pub(crate) offered: bool,
    /// In a dispatch whose verdicts are awaited.
    pub(crate) in_flight: bool,
    /// Reads that failed so far.
    pub(crate) failed_reads: u8,
}

impl Item {
    /// Bytes of its record.
    pub(crate) fn record_bytes(&self) -> u64 {
        let payload_bytes = match &self.place {
            Place::Memory(payload) => payload.len() as u64,
            Place::Disk { payload_bytes, .. } => u64::from(*payload_bytes),
        };
        HEADER_BYTES as u64 + payload_bytes
    }

    pub(crate) fn is_report(&self) -> bool {
        matches!(self.body, Body::Report { .. })
    }

    /// How many sequences it stands for.
    pub(crate) fn sequences(&self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }

    pub(crate) fn segment(&self) -> Option<u32> {
        match self.place {
            Place::Memory(_) => None,
            Place::Disk { segment, .. } => Some(segment),
        }
    }
}

/// One sequence space. Its sequences `1..=issued` are each settled, or covered by exactly one item, or (only while
/// recovering) lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Epoch {
    pub(crate) agent: AgentId,
    pub(crate) issued: u64,
    pub(crate) settled: Ranges,
    /// By last sequence. Ranges never overlap.
    pub(crate) items: BTreeMap<u64, Item>,
}

impl Epoch {
    pub(crate) fn new(agent: AgentId) -> Self {
        Self {
            agent,
            issued: 0,
            settled: Ranges::default(),
            items: BTreeMap::new(),
        }
    }

    /// Puts an item in the place of all that it covers, and gives those back.
    ///
    /// # Errors
    /// When it would cut another item in two: the item given is not taken, and given back.
    pub(crate) fn insert(&mut self, item: Item) -> Result<Vec<Item>, Item> {
        let overlapping = |other: &&Item| other.first <= item.last;
        let overlapped: Vec<u64> = self
            .items
            .range(item.first..)
            .map(|(_, other)| other)
            .take_while(overlapping)
            .map(|other| other.last)
            .collect();
        let cut = |last: &u64| {
            self.items
                .get(last)
                .is_some_and(|other| other.first < item.first || other.last > item.last)
        };
        if item.first == 0 || item.first > item.last || overlapped.iter().any(cut) {
            return Err(item);
        }
        let replaced = overlapped
            .iter()
            .filter_map(|last| self.items.remove(last))
            .collect();
        self.issued = self.issued.max(item.last);
        self.items.insert(item.last, item);
        Ok(replaced)
    }

    /// Sequences that nothing accounts for.
    pub(crate) fn lost(&self) -> Vec<(u64, u64)> {
        let mut accounted = self.settled.clone();
        for item in self.items.values() {
            accounted.insert(item.first, item.last);
        }
        if self.issued == 0 {
            Vec::new()
        } else {
            accounted.holes(1, self.issued)
        }
    }

    /// Puts a tombstone over `first..=last`, joined with neighbours of the same cause. Its record is yet to be written.
    /// Returns the tombstone's last sequence and what it replaced, or `None` if the range cuts an item in two.
    pub(crate) fn bury(
        &mut self,
        first: u64,
        last: u64,
        time: (u64, u64),
        cause: LossCause,
    ) -> Option<(u64, Vec<Item>)> {
        let (mut first, mut last) = (first, last);
        let (mut start, mut end) = (time.0, time.1.max(time.0.saturating_add(1)));
        let body = Body::Tombstone { cause };
        let before = self.items.range(..first).next_back().map(|(_, item)| item);
        let after = self
            .items
            .range(last.saturating_add(1)..)
            .next()
            .map(|(_, item)| item);
        for neighbour in [before, after].into_iter().flatten() {
            let touches =
                neighbour.last.checked_add(1) == Some(first) || last.checked_add(1) == Some(neighbour.first);
            if neighbour.body == body && touches {
                (first, last) = (first.min(neighbour.first), last.max(neighbour.last));
                (start, end) = (start.min(neighbour.start_unix_ms), end.max(neighbour.end_unix_ms));
            }
        }
        let tombstone = Item {
            first,
            last,
            start_unix_ms: start,
            end_unix_ms: end,
            body,
            place: Place::Memory(Vec::new()),
            offered: true,
            in_flight: false,
            failed_reads: 0,
        };
        self.insert(tombstone).ok().map(|replaced| (last, replaced))
    }

    /// The collector has settled `first..=last`; items wholly settled are gone.
    pub(crate) fn settle(&mut self, first: u64, last: u64) {
        self.settled.insert(first, last);
        let done: Vec<u64> = self
            .items
            .range(first..)
            .take_while(|(_, item)| item.first <= last)
            .filter(|(_, item)| self.settled.covers(item.first, item.last))
            .map(|(&last, _)| last)
            .collect();
        for last in done {
            self.items.remove(&last);
        }
    }
}

/// Every epoch that still matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Inventory {
    pub(crate) epochs: BTreeMap<u64, Epoch>,
}

impl Inventory {
    pub(crate) fn get(&self, key: Key) -> Option<&Item> {
        self.epochs.get(&key.0)?.items.get(&key.1)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut Item> {
        self.epochs.get_mut(&key.0)?.items.get_mut(&key.1)
    }

    /// All items, oldest epoch and sequence first.
    pub(crate) fn items(&self) -> impl DoubleEndedIterator<Item = (Key, &Item)> + '_ {
        self.epochs
            .iter()
            .flat_map(|(&epoch, space)| space.items.iter().map(move |(&last, item)| ((epoch, last), item)))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn report(first: u64, last: u64) -> Item {
        Item {
            first,
            last,
            start_unix_ms: first * 10_000,
            end_unix_ms: (last + 1) * 10_000,
            body: Body::Report {
                manifest: 1,
                boot: 1,
                ended_at_ms: 0,
            },
            place: Place::Memory(vec![0; 16]),
            offered: false,
            in_flight: false,
            failed_reads: 0,
        }
    }

    fn epoch(items: &[(u64, u64)]) -> Epoch {
        let mut epoch = Epoch::new("a".parse().unwrap());
        for &(first, last) in items {
            epoch.insert(report(first, last)).unwrap();
        }
        epoch
    }

    #[test]
    fn a_wider_item_replaces_what_it_covers_and_a_narrower_one_is_not_taken() {
        let mut epoch = epoch(&[(1, 1), (2, 2), (3, 3), (5, 5)]);
        assert_eq!(epoch.lost(), vec![(4, 4)]);
        assert_eq!(epoch.insert(report(1, 3)).unwrap().len(), 3);
        assert!(epoch.insert(report(2, 2)).is_err(), "inside another");
        assert!(epoch.insert(report(3, 4)).is_err(), "across another");
        assert!(epoch.insert(report(0, 0)).is_err());
        assert_eq!((epoch.items.len(), epoch.lost()), (2, vec![(4, 4)]));
    }

    #[test]
    fn tombstones_of_one_cause_join() {
        let mut epoch = epoch(&[(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]);
        let mut bury = |at: u64, cause| {
            epoch
                .bury(at, at, (at * 10_000, (at + 1) * 10_000), cause)
                .map(|buried| buried.0)
        };
        assert_eq!(bury(1, LossCause::QueueFull), Some(1));
        assert_eq!(bury(3, LossCause::QueueFull), Some(3));
        assert_eq!(bury(4, LossCause::Corrupt), Some(4));
        assert_eq!(bury(2, LossCause::QueueFull), Some(3), "joins both neighbours");
        let ranges: Vec<(u64, u64)> = epoch.items.values().map(|item| (item.first, item.last)).collect();
        assert_eq!(ranges, vec![(1, 3), (4, 4), (5, 5)]);
        assert_eq!(
            (epoch.items[&3].start_unix_ms, epoch.items[&3].end_unix_ms),
            (10_000, 40_000)
        );
        assert!(epoch.lost().is_empty());
    }

    #[test]
    fn an_item_goes_when_all_of_it_is_settled() {
        let mut epoch = epoch(&[(1, 3), (4, 4)]);
        epoch.settle(1, 2);
        assert_eq!(epoch.items.len(), 2);
        epoch.settle(3, 4);
        assert!(epoch.items.is_empty() && epoch.lost().is_empty());
    }
}
