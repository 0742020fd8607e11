//! A directory of Azimuth's store as a collector would have left it that ran all the time: commits, sealing, joining and
//! retention at the times at which they would have been, by the store itself.

use std::path::Path;
use std::sync::Arc;

use azimuth_collector::store::embedded::EmbeddedStore;
use azimuth_collector::store::{Item, Retention, Store as _, VerifiedManifest, VerifiedReport};
use azimuth_measurement::codec::{encode_manifest, encode_report};

use super::azimuth::Agent;
use super::truth::Slot;

const HOUR_MS: u64 = 3_600_000;
/// Later than an hour is sealed and a day joined.
const AFTER_MS: u64 = 3 * HOUR_MS;

/// Makes it from the first vantage point's slots.
pub(crate) fn make(directory: &Path, zones: u32, slots: &[Slot]) -> anyhow::Result<()> {
    let mut agent = Agent::new(0, zones);
    let manifests = [VerifiedManifest {
        id: agent.manifest.id(),
        frame: encode_manifest(&agent.manifest),
        manifest: Arc::new(agent.manifest.clone()),
    }];
    let first_unix_ms = slots.first().map_or(0, |slot| slot.start_unix_ms);
    let store = EmbeddedStore::open(directory, Retention::default(), first_unix_ms)?;
    for hour in slots.chunk_by(|one, next| one.start_unix_ms / HOUR_MS == next.start_unix_ms / HOUR_MS) {
        let items = hour
            .iter()
            .map(|slot| item(&mut agent, *slot))
            .collect::<anyhow::Result<Vec<_>>>()?;
        store.commit(&manifests, &items)?;
        let end_unix_ms = hour.last().map_or(0, |slot| slot.end_unix_ms());
        maintain(&store, end_unix_ms + HOUR_MS / 4)?;
    }
    maintain(
        &store,
        slots.last().map_or(0, |slot| slot.end_unix_ms()) + AFTER_MS,
    )
}

fn maintain(store: &EmbeddedStore, now_unix_ms: u64) -> anyhow::Result<()> {
    while store.maintain(now_unix_ms)?.more {}
    Ok(())
}

fn item(agent: &mut Agent, slot: Slot) -> anyhow::Result<Item> {
    let report = agent.report(slot)?;
    Ok(Item::Report(VerifiedReport {
        age_uncertain: false,
        placed: report.interval,
        received_at_unix_ms: slot.end_unix_ms() + 1_000,
        clock_skew_ms: 0,
        paths: Vec::new(),
        throughput: Vec::new(),
        send_lateness_p99_us: None,
        plan: None,
        frame: encode_report(&report),
        agent: report.agent,
        epoch: report.epoch,
        sequence: report.sequence,
        manifest: report.manifest,
    }))
}

/// Copies a directory and what is under it.
pub(crate) fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
