//! Reports waiting for the collector, in memory, bounded in bytes. Pure.
//!
//! When the bound is reached the oldest report goes and a tombstone takes its place: which sequence numbers, which
//! time, why. Neighbouring tombstones of one cause grow together, so that a long absence of the collector costs one.
//! Sent oldest first, so that the collector sees a contiguous sequence and gaps close from the past.

use std::collections::VecDeque;

use azimuth_measurement::{Interval, LossCause};

use crate::clock::Monotonic;

/// Bytes accounted to each item beside its frame.
const OVERHEAD_BYTES: usize = 64;

/// Names one item until it is forgotten. A tombstone that has grown is another item: a verdict on what it was before
/// does not settle what it has become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemId(u64);

/// An encoded report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedReport {
    /// Its sequence number.
    pub sequence: u64,
    /// Its interval.
    pub interval: Interval,
    /// When the interval ended, for its age.
    pub ended_at: Monotonic,
    /// Its frame.
    pub frame: Vec<u8>,
}

/// Reports that will never be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// First sequence number given up.
    pub first_sequence: u64,
    /// Last sequence number given up.
    pub last_sequence: u64,
    /// Start of the first interval given up.
    pub start_unix_ms: u64,
    /// End of the last interval given up.
    pub end_unix_ms: u64,
    /// Why.
    pub cause: LossCause,
}

/// Something to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A report.
    Report(QueuedReport),
    /// The trace of reports that are gone.
    Tombstone(Gap),
}

impl Item {
    /// The sequence number a verdict on this item carries.
    #[must_use]
    pub fn first_sequence(&self) -> u64 {
        match self {
            Self::Report(report) => report.sequence,
            Self::Tombstone(gap) => gap.first_sequence,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Report(report) => OVERHEAD_BYTES + report.frame.len(),
            Self::Tombstone(_) => OVERHEAD_BYTES,
        }
    }
}

/// The queue.
#[derive(Debug)]
pub struct Queue {
    max_bytes: usize,
    bytes: usize,
    next_id: u64,
    items: VecDeque<(ItemId, Item)>,
    dropped: u64,
}

impl Queue {
    /// An empty queue that holds at most `max_bytes` of reports.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            bytes: 0,
            next_id: 0,
            items: VecDeque::new(),
            dropped: 0,
        }
    }

    /// Adds a report, at the cost of the oldest if need be.
    pub fn push(&mut self, report: QueuedReport) {
        self.append(Item::Report(report));
        while self.bytes > self.max_bytes {
            let Some(oldest) = self
                .items
                .iter()
                .position(|(_, item)| matches!(item, Item::Report(_)))
            else {
                return;
            };
            self.entomb(oldest, LossCause::QueueFull);
        }
    }

    /// Notes reports that were given up before they came here.
    pub fn push_gap(&mut self, gap: Gap) {
        self.dropped += gap.last_sequence.saturating_sub(gap.first_sequence) + 1;
        self.append(Item::Tombstone(gap));
    }

    /// The oldest items whose frames fit into `max_bytes` together, at most `max_items`; at least one if there is any.
    #[must_use]
    pub fn oldest(&self, max_bytes: usize, max_items: usize) -> Vec<(ItemId, Item)> {
        let mut bytes = 0;
        let fitting = self
            .items
            .iter()
            .take(max_items)
            .enumerate()
            .take_while(|(index, (_, item))| {
                bytes += item.bytes();
                *index == 0 || bytes <= max_bytes
            });
        fitting.map(|(_, item)| item.clone()).collect()
    }

    /// Forgets an item that has been delivered, or refused for good. Nothing happens if it has changed or gone since.
    pub fn forget(&mut self, id: ItemId) {
        if let Some(index) = self.position(id)
            && let Some((_, item)) = self.items.remove(index)
        {
            self.bytes -= item.bytes();
        }
    }

    /// Replaces a report that cannot be delivered by its tombstone.
    pub fn give_up(&mut self, id: ItemId, cause: LossCause) {
        if let Some(index) = self.position(id) {
            match self.items.get(index) {
                Some((_, Item::Report(_))) => self.entomb(index, cause),
                _ => self.forget(id),
            }
        }
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many items wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Reports given up because there was no room, since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn append(&mut self, item: Item) {
        self.bytes += item.bytes();
        let id = self.id();
        self.items.push_back((id, item));
    }

    /// Turns the report at `index` into a tombstone, or into a part of the one just before it.
    fn entomb(&mut self, index: usize, cause: LossCause) {
        let id = self.id();
        let Some((_, Item::Report(report))) = self.items.get(index) else {
            return;
        };
        let gap = Gap {
            first_sequence: report.sequence,
            last_sequence: report.sequence,
            start_unix_ms: report.interval.start_unix_ms(),
            end_unix_ms: report.interval.end_unix_ms(),
            cause,
        };
        self.bytes -= OVERHEAD_BYTES + report.frame.len();
        self.dropped += u64::from(cause == LossCause::QueueFull);
        let before = index.checked_sub(1).and_then(|before| self.items.get_mut(before));
        if let Some((known_as, Item::Tombstone(grown))) = before
            && grown.cause == cause
            && grown.last_sequence + 1 == gap.first_sequence
        {
            grown.last_sequence = gap.last_sequence;
            // A stepped clock may have named the later interval earlier.
            grown.start_unix_ms = grown.start_unix_ms.min(gap.start_unix_ms);
            grown.end_unix_ms = grown.end_unix_ms.max(gap.end_unix_ms);
            *known_as = id;
            self.items.remove(index);
        } else if let Some(item) = self.items.get_mut(index) {
            *item = (id, Item::Tombstone(gap));
            self.bytes += OVERHEAD_BYTES;
        }
    }

    fn position(&self, id: ItemId) -> Option<usize> {
        self.items.iter().position(|(known, _)| *known == id)
    }

    fn id(&mut self) -> ItemId {
        self.next_id += 1;
        ItemId(self.next_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn report(sequence: u64, bytes: usize) -> QueuedReport {
        let interval = Interval::new(sequence * 10_000, 10_000).expect("on the grid");
        QueuedReport {
            sequence,
            interval,
            ended_at: Monotonic::from_ns(0),
            frame: vec![0; bytes],
        }
    }

    fn sequences(queue: &Queue) -> Vec<(u64, u64)> {
        let all = queue.oldest(usize::MAX, usize::MAX);
        all.iter()
            .map(|(_, item)| match item {
                Item::Report(report) => (report.sequence, report.sequence),
                Item::Tombstone(gap) => (gap.first_sequence, gap.last_sequence),
            })
            .collect()
    }

    #[test]
    fn when_full_the_oldest_go_and_one_tombstone_stands_for_them() {
        let mut queue = Queue::new(3 * (OVERHEAD_BYTES + 100));
        (1..=6).for_each(|sequence| queue.push(report(sequence, 100)));
        assert_eq!(sequences(&queue), [(1, 4), (5, 5), (6, 6)]);
        assert_eq!(queue.dropped(), 4);
        let Some((_, Item::Tombstone(gap))) = queue.oldest(1, 1).pop() else {
            panic!("a tombstone")
        };
        assert_eq!(
            (gap.start_unix_ms, gap.end_unix_ms, gap.cause),
            (10_000, 50_000, LossCause::QueueFull)
        );
    }

    #[test]
    fn a_verdict_on_a_tombstone_does_not_settle_what_it_has_grown_into() {
        let mut queue = Queue::new(2 * (OVERHEAD_BYTES + 100));
        (1..=3).for_each(|sequence| queue.push(report(sequence, 100)));
        let sent = queue.oldest(1, 1);
        queue.push(report(4, 100));
        queue.forget(sent[0].0);
        assert_eq!(sequences(&queue)[0], (1, 3));
    }

    #[test]
    fn a_report_dropped_while_it_was_on_its_way_is_not_forgotten_twice() {
        let mut queue = Queue::new(2 * (OVERHEAD_BYTES + 100));
        (1..=2).for_each(|sequence| queue.push(report(sequence, 100)));
        let sent = queue.oldest(usize::MAX, 10);
        queue.push(report(3, 100));
        sent.iter().for_each(|(id, _)| queue.forget(*id));
        assert_eq!(
            sequences(&queue),
            [(1, 2), (3, 3)],
            "both stay given up: the tombstone was counted"
        );
    }

    #[test]
    fn a_batch_is_bounded_but_never_empty() {
        let mut queue = Queue::new(usize::MAX);
        (1..=5).for_each(|sequence| queue.push(report(sequence, 100)));
        assert_eq!(queue.oldest(2 * (OVERHEAD_BYTES + 100), 10).len(), 2);
        assert_eq!(queue.oldest(1, 10).len(), 1);
        assert_eq!(queue.oldest(usize::MAX, 3).len(), 3);
    }

    #[test]
    fn what_the_collector_cannot_take_leaves_a_tombstone_and_a_tombstone_leaves_nothing() {
        let mut queue = Queue::new(usize::MAX);
        queue.push(report(1, 100));
        queue.give_up(queue.oldest(1, 1)[0].0, LossCause::Refused);
        assert_eq!((sequences(&queue), queue.dropped()), (vec![(1, 1)], 0));
        queue.give_up(queue.oldest(1, 1)[0].0, LossCause::Refused);
        assert!(queue.is_empty());
        assert_eq!(queue.bytes, 0);
    }

    proptest! {
        /// Every sequence number is in the queue once, as a report or within a tombstone, in order; and the bound holds.
        #[test]
        fn nothing_vanishes(sizes in prop::collection::vec(0_usize..500, 1..100), max_bytes in 600_usize..3_000) {
            let mut queue = Queue::new(max_bytes);
            for (index, size) in sizes.iter().enumerate() {
                queue.push(report(index as u64 + 1, *size));
                prop_assert!(queue.bytes <= max_bytes);
                let mut next = 1;
                for (first, last) in sequences(&queue) {
                    prop_assert_eq!(first, next);
                    next = last + 1;
                }
                prop_assert_eq!(next, index as u64 + 2);
            }
        }
    }
}
