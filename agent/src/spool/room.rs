//! What to give up when there is no room: first space that holds nothing needed, then resolution, then the oldest. Pure:
//! it is shown what the spool holds and says one step; doing it is `relief.rs`.

use std::collections::BTreeMap;

use super::inventory::{Body, Inventory, Item, Key};

/// The lengths reports are merged to, in ms, finest first.
pub(crate) const LEVELS_MS: [u32; 2] = [60_000, 600_000];
/// A segment is written anew without its dead records when they are at least this share of it: one in so many.
const DEAD_SHARE: u64 = 4;

/// Whose room is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The directory: everything counts.
    Disk,
    /// The memory that stands in for the disk: only what is not on disk counts.
    Memory,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Write what is needed of this segment again and delete it.
    Rewrite(u32),
    /// Merge each of these runs of reports into one of this length.
    Merge(u32, Vec<Vec<Key>>),
    /// Put tombstones in the place of these reports.
    Drop(Vec<Key>),
}

/// The next step towards `wanted_bytes` more room, or `None` when nothing is left to give up.
///
/// `sealed` are the segments that may be rewritten, with their length in bytes. `boot` is the present one: reports are
/// merged only with reports of this run of the machine, because a merged report has one monotonic stamp.
pub(crate) fn next_step(
    inventory: &Inventory,
    sealed: &BTreeMap<u32, u64>,
    scope: Scope,
    boot: u64,
    wanted_bytes: u64,
) -> Option<Step> {
    if scope == Scope::Disk
        && let Some(segment) = deadest(inventory, sealed)
    {
        return Some(Step::Rewrite(segment));
    }
    let counts = |item: &Item| scope == Scope::Disk || item.segment().is_none();
    for level_ms in LEVELS_MS {
        let mut taken_bytes = 0;
        let mut groups = groups(inventory, level_ms, boot, counts);
        groups.retain(|(_, bytes)| {
            let wanted = taken_bytes < 2 * wanted_bytes;
            taken_bytes += bytes;
            wanted
        });
        if !groups.is_empty() {
            return Some(Step::Merge(
                level_ms,
                groups.into_iter().map(|(keys, _)| keys).collect(),
            ));
        }
    }
    let mut dropped_bytes = 0;
    let oldest: Vec<Key> = inventory
        .items()
        .filter(|(_, item)| item.is_report() && counts(item))
        .take_while(|(_, item)| {
            let wanted = dropped_bytes < wanted_bytes;
            dropped_bytes += item.record_bytes();
            wanted
        })
        .map(|(key, _)| key)
        .collect();
    (!oldest.is_empty()).then_some(Step::Drop(oldest))
}

/// The sealed segment with the most dead bytes, if those are a worthwhile share of it.
fn deadest(inventory: &Inventory, sealed: &BTreeMap<u32, u64>) -> Option<u32> {
    let mut dead = sealed.clone();
    for (_, item) in inventory.items() {
        if let Some(bytes) = item.segment().and_then(|segment| dead.get_mut(&segment)) {
            *bytes = bytes.saturating_sub(item.record_bytes());
        }
    }
    let (&segment, &dead_bytes) = dead.iter().max_by_key(|(_, dead_bytes)| **dead_bytes)?;
    (dead_bytes > 0 && dead_bytes >= sealed.get(&segment)? / DEAD_SHARE).then_some(segment)
}

/// Runs of at least two mergeable reports, next to each other in sequence and inside the same stretch of `level_ms`,
/// oldest first, with their bytes. The stretch of the newest report is left alone: more of it may come.
fn groups(
    inventory: &Inventory,
    level_ms: u32,
    boot: u64,
    counts: impl Fn(&Item) -> bool,
) -> Vec<(Vec<Key>, u64)> {
    let level = u64::from(level_ms);
    let Some(newest_ms) = inventory
        .items()
        .filter(|(_, item)| item.is_report())
        .map(|(_, item)| item.end_unix_ms)
        .max()
    else {
        return Vec::new();
    };
    let mut groups: Vec<(Vec<Key>, u64)> = Vec::new();
    let mut run: Option<(u64, u64, u64, u64)> = None; // epoch, next sequence, stretch, manifest
    for (key, item) in inventory.items() {
        let stretch = item.start_unix_ms / level;
        let inside = item.end_unix_ms > item.start_unix_ms
            && (item.end_unix_ms - 1) / level == stretch
            && item.end_unix_ms - item.start_unix_ms < level
            && (stretch + 1) * level <= newest_ms;
        let manifest = match item.body {
            Body::Report {
                manifest, boot: of, ..
            } if of == boot && inside && !item.offered && counts(item) => manifest,
            _ => {
                run = None;
                continue;
            }
        };
        match groups.last_mut() {
            Some((keys, bytes)) if run == Some((key.0, item.first, stretch, manifest)) => {
                keys.push(key);
                *bytes += item.record_bytes();
            }
            _ => groups.push((vec![key], item.record_bytes())),
        }
        run = Some((key.0, item.last.saturating_add(1), stretch, manifest));
    }
    groups.retain(|(keys, _)| keys.len() > 1);
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::inventory::tests::report;
    use crate::spool::inventory::{Epoch, Place};

    /// Reports 1..=n of 10 s each, sixteen to a segment of 1,600 bytes.
    fn inventory(n: u64) -> Inventory {
        let mut epoch = Epoch::new("a".parse().unwrap());
        for sequence in 1..=n {
            let place = Place::Disk {
                segment: (sequence / 16) as u32,
                offset: 0,
                payload_bytes: 16,
            };
            epoch
                .insert(Item {
                    place,
                    ..report(sequence, sequence)
                })
                .unwrap();
        }
        Inventory {
            epochs: BTreeMap::from([(7, epoch)]),
        }
    }

    fn plan(inventory: &Inventory, wanted_bytes: u64) -> Option<Step> {
        next_step(
            inventory,
            &BTreeMap::from([(0, 1_500)]),
            Scope::Disk,
            1,
            wanted_bytes,
        )
    }

    #[test]
    fn whole_minutes_are_merged_oldest_first_and_the_newest_is_left_alone() {
        let Some(Step::Merge(60_000, groups)) = plan(&inventory(20), 10_000) else {
            panic!("merges")
        };
        let lasts: Vec<Vec<u64>> = groups
            .iter()
            .map(|keys| keys.iter().map(|key| key.1).collect())
            .collect();
        assert_eq!(
            lasts,
            vec![
                vec![1, 2, 3, 4, 5],
                vec![6, 7, 8, 9, 10, 11],
                vec![12, 13, 14, 15, 16, 17]
            ]
        );
        let Some(Step::Merge(60_000, groups)) = plan(&inventory(20), 100) else {
            panic!("merges")
        };
        assert_eq!(groups.len(), 1);
    }

    #[test]
    fn what_may_have_been_sent_or_is_of_another_boot_is_dropped_rather_than_merged() {
        let mut held = inventory(20);
        for item in held.epochs.get_mut(&7).unwrap().items.values_mut() {
            item.offered = true;
        }
        assert_eq!(plan(&held, 150), Some(Step::Drop(vec![(7, 1), (7, 2)])));
        assert_eq!(
            next_step(&inventory(20), &BTreeMap::new(), Scope::Disk, 2, 1),
            Some(Step::Drop(vec![(7, 1)]))
        );
        assert_eq!(
            next_step(&inventory(20), &BTreeMap::new(), Scope::Memory, 1, 1),
            None,
            "all is on disk"
        );
    }

    #[test]
    fn minutes_become_ten_minutes_only_when_no_minute_is_left_to_make() {
        let mut held = inventory(120);
        let mut levels = Vec::new();
        while let Some(Step::Merge(level_ms, groups)) =
            next_step(&held, &BTreeMap::new(), Scope::Disk, 1, 1_000_000)
        {
            levels.push(level_ms);
            for keys in groups {
                let (first, last) = (keys[0].1, keys[keys.len() - 1].1);
                let first = held.get((7, first)).unwrap().first;
                let start =
                    held.get((7, last)).unwrap().start_unix_ms / u64::from(level_ms) * u64::from(level_ms);
                let merged = Item {
                    start_unix_ms: start,
                    end_unix_ms: start + u64::from(level_ms),
                    ..report(first, last)
                };
                held.epochs.get_mut(&7).unwrap().insert(merged).unwrap();
            }
        }
        assert_eq!(levels, vec![60_000, 600_000]);
        assert!(held.epochs[&7].lost().is_empty());
    }

    #[test]
    fn a_segment_with_much_dead_in_it_is_rewritten_before_anything_is_given_up() {
        let mut held = inventory(20);
        held.epochs.get_mut(&7).unwrap().settle(1, 5);
        assert_eq!(plan(&held, 100), Some(Step::Rewrite(0)));
    }
}
