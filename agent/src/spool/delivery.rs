//! What to post, and what became of it: the uplink's side of the spool. Makes batches and takes verdicts; posts nothing.

use azimuth_measurement::codec::{Batch, BatchItem, MAX_BATCH_BYTES, MAX_BATCH_ITEMS, MAX_BATCH_MANIFESTS};
use azimuth_measurement::{LossCause, Tombstone};
use thiserror::Error;

use super::inventory::{Body, Item, Key};
use super::picker::{Turn, Waiting};
use super::{Now, Spool};

/// Bytes of a batch beside the frames: protobuf tags, ages, a tombstone's fields.
const ITEM_OVERHEAD_BYTES: usize = 160;

/// The collector's word on one item of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Durable there.
    Stored,
    /// Was durable there before.
    Duplicate,
    /// Will never be stored.
    Refused,
    /// Send again with the manifest.
    ManifestWanted,
    /// Not now.
    Retry,
}

/// What is known of a request that brought no verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Not one byte of the body left: no connection came about.
    Nothing,
    /// It may have arrived.
    Perhaps,
}

/// One request: hand it back with [`Spool::settle`] or [`Spool::give_back`], whatever happens to it.
#[derive(Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// The body.
    pub batch: Batch,
    /// Why it goes now.
    pub turn: Turn,
    /// Items whose age is by the wall clock, because they were measured before the last boot.
    pub uncertain_ages: usize,
    slots: Vec<Slot>,
}

impl Dispatch {
    /// Whether it carries the least a dispatch can: one report, merged or not, or one tombstone.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.slots.len() == 1
    }

    /// The first sequence number of each item of the batch: what its verdict names.
    #[must_use]
    pub fn sequences(&self) -> Vec<u64> {
        let slots = self.slots.iter();
        slots
            .flat_map(|slot| [Some(slot.first), slot.merged.then_some(slot.key.1)])
            .flatten()
            .collect()
    }
}

/// One item of the spool in a dispatch: one entry of the batch, or two for a merged report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    key: Key,
    first: u64,
    merged: bool,
    manifest: Option<u64>,
    was_offered: bool,
}

/// The answer has not one verdict per item of the batch; nothing was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{verdicts} verdicts for {items} items; nothing was settled and all will be sent again")]
pub struct VerdictsMismatch {
    /// Items sent.
    pub items: usize,
    /// Verdicts received.
    pub verdicts: usize,
}

impl Spool {
    /// What the next request should carry, of at most `max_bytes` (held to the wire's own limit; one report always fits).
    /// `None`: nothing now; ask again after the next push, the next answer, or ten seconds.
    pub fn next_dispatch(&mut self, now: Now, max_bytes: usize) -> Option<Dispatch> {
        let turn = self.picker.next(self.waiting(now), now.monotonic_ms)?;
        let most_bytes = match turn {
            Turn::Backlog => max_bytes.min(self.setup.limits.backlog_request_bytes),
            Turn::Live | Turn::Probe => max_bytes,
        };
        let keys = self.keys_for(turn, now);
        let dispatch = self.load(&keys, turn, most_bytes.min(MAX_BATCH_BYTES), now)?;
        self.picker.sent(turn, now.monotonic_ms);
        Some(dispatch)
    }

    /// From now on the backlog need not wait for its share: for the last seconds before an orderly close.
    pub fn hurry(&mut self) {
        self.picker = super::Picker::new(100);
    }

    fn available(&self, key: Key, item: &Item) -> bool {
        let held = self
            .unproven
            .as_ref()
            .is_some_and(|(epoch, unsent)| *epoch == key.0 && unsent.covers(item.first, item.last));
        !item.in_flight && !held
    }

    fn is_live(&self, item: &Item, now: Now) -> bool {
        match item.body {
            Body::Report {
                boot, ended_at_ms, ..
            } => {
                boot == self.setup.boot
                    && item.first == item.last
                    && now.monotonic_ms.saturating_sub(ended_at_ms) <= self.setup.limits.live_window_ms
            }
            Body::Tombstone { .. } => false,
        }
    }

    fn waiting(&self, now: Now) -> Waiting {
        let mut waiting = Waiting { live: 0, backlog: 0 };
        for (key, item) in self.inventory.items() {
            if !self.available(key, item) {
                continue;
            }
            if self.is_live(item, now) {
                waiting.live += 1;
            } else {
                waiting.backlog += 1;
            }
        }
        waiting
    }

    /// The items of a turn, in the order in which they go.
    fn keys_for(&self, turn: Turn, now: Now) -> Vec<Key> {
        let available = || {
            self.inventory
                .items()
                .filter(|(key, item)| self.available(*key, item))
        };
        match turn {
            Turn::Live => available()
                .filter(|(_, item)| self.is_live(item, now))
                .map(|(key, _)| key)
                .collect(),
            Turn::Backlog => available()
                .filter(|(_, item)| !self.is_live(item, now))
                .map(|(key, _)| key)
                .take(MAX_BATCH_ITEMS)
                .collect(),
            Turn::Probe => available()
                .find(|(_, item)| item.is_report() && item.offered)
                .or_else(|| available().rev().find(|(_, item)| item.is_report()))
                .or_else(|| available().next())
                .map(|(key, _)| key)
                .into_iter()
                .collect(),
        }
    }

    fn load(&mut self, keys: &[Key], turn: Turn, most_bytes: usize, now: Now) -> Option<Dispatch> {
        let mut dispatch = Dispatch {
            batch: Batch::default(),
            turn,
            uncertain_ages: 0,
            slots: Vec::new(),
        };
        let mut bytes = 0;
        let mut manifests: Vec<u64> = Vec::new();
        for &key in keys {
            let Some(item) = self.inventory.get(key) else {
                continue;
            };
            let mut wanted = item.record_bytes() as usize + ITEM_OVERHEAD_BYTES;
            let manifest = match item.body {
                Body::Report { manifest, .. } => Some(manifest),
                Body::Tombstone { .. } => None,
            };
            let new_manifest = manifest.filter(|id| {
                !self.announced.contains(id) && !manifests.contains(id) && self.manifests.contains_key(id)
            });
            wanted += new_manifest
                .and_then(|id| self.manifests.get(&id))
                .map_or(0, |frame| frame.len() + 8);
            let full = bytes + wanted > most_bytes
                || dispatch.batch.items.len() + 2 > MAX_BATCH_ITEMS
                || (new_manifest.is_some() && manifests.len() == MAX_BATCH_MANIFESTS);
            if full && !dispatch.slots.is_empty() {
                break;
            }
            // A damaged payload has become a tombstone by now, and goes with a later request.
            let Ok(payload) = self.payload(key) else { continue };
            let Some(slot) = self.enter(key, payload, &mut dispatch, now) else {
                continue;
            };
            bytes += wanted;
            manifests.extend(new_manifest);
            dispatch.slots.push(slot);
        }
        dispatch.batch.manifests = manifests
            .iter()
            .filter_map(|id| self.manifests.get(id).cloned())
            .collect();
        (!dispatch.slots.is_empty()).then_some(dispatch)
    }

    /// Enters one item into the batch and marks it as handed out.
    fn enter(&mut self, key: Key, payload: Vec<u8>, dispatch: &mut Dispatch, now: Now) -> Option<Slot> {
        let agent = self.inventory.epochs.get(&key.0)?.agent.clone();
        let this_boot = self.setup.boot;
        let item = self.inventory.get_mut(key)?;
        let tombstone = |last_sequence, cause| {
            BatchItem::Tombstone(Tombstone {
                agent: agent.clone(),
                epoch: key.0,
                first_sequence: item.first,
                last_sequence,
                start_unix_ms: item.start_unix_ms,
                end_unix_ms: item.end_unix_ms,
                cause,
            })
        };
        let mut slot = Slot {
            key,
            first: item.first,
            merged: false,
            manifest: None,
            was_offered: item.offered,
        };
        match item.body {
            Body::Tombstone { cause } => dispatch.batch.items.push(tombstone(item.last, cause)),
            Body::Report {
                manifest,
                boot,
                ended_at_ms,
            } => {
                slot.manifest = Some(manifest);
                if item.first < item.last {
                    slot.merged = true;
                    dispatch
                        .batch
                        .items
                        .push(tombstone(item.last - 1, LossCause::Merged));
                }
                let age_uncertain = boot != this_boot;
                let age_ms = if age_uncertain {
                    dispatch.uncertain_ages += 1;
                    now.unix_ms.saturating_sub(item.end_unix_ms)
                } else {
                    now.monotonic_ms.saturating_sub(ended_at_ms)
                };
                dispatch.batch.items.push(BatchItem::Report {
                    age_ms,
                    age_uncertain,
                    frame: payload,
                });
            }
        }
        item.offered = true;
        item.in_flight = true;
        Some(slot)
    }

    /// Takes the verdicts, one per item of the batch and in its order.
    ///
    /// # Errors
    /// When there are more or fewer; then it is as if no answer had come.
    pub fn settle(&mut self, dispatch: Dispatch, verdicts: &[Verdict]) -> Result<(), VerdictsMismatch> {
        let items = dispatch.batch.items.len();
        if verdicts.len() != items {
            self.counters.bad_answers += 1;
            self.give_back(dispatch, Sent::Perhaps);
            return Err(VerdictsMismatch {
                items,
                verdicts: verdicts.len(),
            });
        }
        self.picker.answered(true);
        let mut verdicts = verdicts.iter().copied();
        for slot in dispatch.slots {
            let others = if slot.merged { verdicts.next() } else { None };
            let own = verdicts.next();
            self.take_verdict(slot, others, own);
        }
        Ok(())
    }

    fn take_verdict(&mut self, slot: Slot, others: Option<Verdict>, own: Option<Verdict>) {
        if let Some(item) = self.inventory.get_mut(slot.key) {
            item.in_flight = false;
        }
        // A tombstone that is refused cannot be helped: the collector has said so in its own counters.
        if others == Some(Verdict::Refused) {
            self.counters.tombstones_refused += 1;
        }
        if matches!(others, Some(Verdict::Retry | Verdict::ManifestWanted)) {
            return;
        }
        match own {
            Some(Verdict::Stored | Verdict::Duplicate) => {
                self.announced.extend(slot.manifest);
                self.settled(slot);
            }
            Some(Verdict::Refused) if slot.manifest.is_some() => {
                self.counters.refused += 1;
                self.give_up(slot, LossCause::Refused);
            }
            Some(Verdict::Refused) => {
                self.counters.tombstones_refused += 1;
                self.settled(slot);
            }
            Some(Verdict::ManifestWanted) => {
                if let Some(manifest) = slot.manifest {
                    self.announced.remove(&manifest);
                    if !self.manifests.contains_key(&manifest) {
                        self.counters.corrupt += 1;
                        self.give_up(slot, LossCause::Corrupt);
                    }
                }
            }
            Some(Verdict::Retry) | None => {}
        }
    }

    fn settled(&mut self, slot: Slot) {
        let (epoch, last) = slot.key;
        self.counters.settled = self.counters.settled.saturating_add(last - slot.first + 1);
        self.unmarked.entry(epoch).or_default().insert(slot.first, last);
        if let Some(space) = self.inventory.epochs.get_mut(&epoch) {
            space.settle(slot.first, last);
        }
    }

    /// The report will never be stored: a tombstone takes its place.
    fn give_up(&mut self, slot: Slot, cause: LossCause) {
        let Some(item) = self
            .inventory
            .get(slot.key)
            .filter(|item| item.is_report() && item.first == slot.first)
        else {
            return;
        };
        let time = (item.start_unix_ms, item.end_unix_ms);
        self.bury(slot.key, slot.first, time, cause);
    }

    /// The request came to nothing: no answer, or one without verdicts (429, 503, a proxy's page).
    pub fn give_back(&mut self, dispatch: Dispatch, sent: Sent) {
        self.counters.given_back += 1;
        self.picker.answered(false);
        for slot in dispatch.slots {
            if let Some(item) = self
                .inventory
                .get_mut(slot.key)
                .filter(|item| item.first == slot.first)
            {
                item.in_flight = false;
                if sent == Sent::Nothing {
                    item.offered = slot.was_offered;
                }
            }
        }
    }
}
