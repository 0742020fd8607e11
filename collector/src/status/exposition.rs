//! The status for Prometheus: what the counters of [`crate::metrics`] and the measurements of [`crate::exposition`] do not
//! say. Base units (seconds, bytes), as the naming rules of Prometheus have it. Pure.

use super::answer::{State, StatusAnswer};
use crate::exposition::family::{Family, Kind, Value, labels};

/// The families.
pub fn families(status: &StatusAnswer) -> Vec<Family> {
    let mut families = Vec::from(overall(status));
    families.extend(ingest(status));
    families.extend(store(status));
    families.push(labelled(
        "azimuth_agents_by_state",
        "Agents by how recently they were heard.",
        "state",
        [
            ("live", status.agents.live),
            ("stale", status.agents.stale),
            ("offline", status.agents.offline),
        ]
        .map(|(state, count)| (state, Value::Whole(count))),
    ));
    families
}

fn overall(status: &StatusAnswer) -> [Family; 3] {
    [
        Family::gauge(
            "azimuth_uptime_seconds",
            "How long the collector has run.",
            status.uptime_s,
        ),
        Family::gauge(
            "azimuth_healthy",
            "1 when nothing needs a person; GET /api/v1/status says what does.",
            u64::from(status.state == State::Healthy),
        ),
        labelled(
            "azimuth_concern",
            "1 for each thing that needs a person.",
            "concern",
            status
                .concerns
                .iter()
                .map(|concern| (concern.name.as_str(), Value::Whole(1))),
        ),
    ]
}

fn ingest(status: &StatusAnswer) -> [Family; 4] {
    let quantiles = [
        ("p50", status.commits.p50_us),
        ("p99", status.commits.p99_us),
        ("max", status.commits.max_us),
    ];
    [
        Family::gauge(
            "azimuth_ingest_queue_reports",
            "Reports and tombstones that wait for a commit.",
            status.ingest.queued_reports,
        ),
        Family::gauge(
            "azimuth_ingest_queue_limit_bytes",
            "Most bytes that may wait for a commit.",
            status.ingest.queued_bytes_most,
        ),
        Family::gauge(
            "azimuth_ingest_held_bytes",
            "Bytes of bodies that are read or examined.",
            status.ingest.held_bytes,
        ),
        labelled(
            "azimuth_store_commit_recent_seconds",
            "How long commits took in the last minutes: their median, 99th percentile and longest.",
            // Not `quantile`, which is for summaries.
            "statistic",
            quantiles
                .into_iter()
                .filter_map(|(quantile, took_us)| Some((quantile, Value::Real(f64::from(took_us?) / 1e6)))),
        ),
    ]
}

fn store(status: &StatusAnswer) -> [Family; 6] {
    let store = &status.store;
    [
        labelled(
            "azimuth_store_tier_bytes",
            "What is sealed, by tier.",
            "tier",
            store
                .tiers
                .iter()
                .map(|tier| (tier.tier.as_str(), Value::Whole(tier.bytes))),
        ),
        some(
            "azimuth_store_filesystem_free_bytes",
            "What the store's file system has left.",
            store.free_bytes.map(Value::Whole),
        ),
        some(
            "azimuth_store_full_in_seconds",
            "When the disk is full, if each tier grows as in its last sealed week; absent beyond ten years.",
            store.days_until_full.map(|days| Value::Real(days * 86_400.0)),
        ),
        some(
            "azimuth_store_oldest_unsealed_hour_timestamp_seconds",
            "Start of the oldest hour that is not rolled up.",
            store
                .oldest_unsealed_hour_at
                .map(|at| Value::Whole(at.unix_ms() / 1_000)),
        ),
        Family::gauge(
            "azimuth_store_unsealed_rollups",
            "Hours that are not rolled up.",
            store.unsealed_hours,
        ),
        Family::gauge(
            "azimuth_store_sealing_behind_seconds",
            "How long sealing is behind what is due.",
            store.sealing_behind_s,
        ),
    ]
}

fn labelled<'a>(
    name: &'static str,
    help: &'static str,
    label: &'static str,
    values: impl IntoIterator<Item = (&'a str, Value)>,
) -> Family {
    let mut family = Family::new(name, Kind::Gauge, help);
    for (of, value) in values {
        family.push(labels([(label, of)]), value);
    }
    family
}

fn some(name: &'static str, help: &'static str, value: Option<Value>) -> Family {
    let mut family = Family::new(name, Kind::Gauge, help);
    if let Some(value) = value {
        family.push(labels([]), value);
    }
    family
}
