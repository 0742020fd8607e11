//! What needs a person, how it is known, and what to do. Pure. One line a rule, most urgent first.

use super::answer::{CommitStatus, ConcernAnswer, Estimate, FleetStatus, IngestStatus, StoreStatus};
use super::recently::{Kind, Lately};
use crate::ingest::placement::TOLERATED_SKEW_MS;
use crate::utc::UtcInstant;

/// A disk that is full in fewer days is a concern: time to order one.
const FEW_DAYS: f64 = 14.0;
/// Less free space than this is a concern however slowly it goes.
const LITTLE_SPACE_BYTES: u64 = 512 * 1024 * 1024;
/// Sealing that is behind by more is a concern. It is looked for every 30 s, and one hour may take a minute.
pub const BEHIND_MS: u64 = 5 * 60_000;
/// Commits this slow keep agents waiting: a tenth of an interval.
const SLOW_COMMIT_US: u32 = 1_000_000;
/// A queue is a concern when it is fuller than a part of its bound.
const FULL_PARTS: (u64, u64) = (3, 4);

/// What is judged.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// What comes in.
    pub ingest: &'a IngestStatus,
    /// How long it takes.
    pub commits: &'a CommitStatus,
    /// What is kept.
    pub store: &'a StoreStatus,
    /// Who delivers.
    pub fleet: &'a FleetStatus,
    /// What the counters grew by.
    pub lately: &'a Lately,
    /// Rounds of sealing that failed in the last quarter of an hour.
    pub sealing_failed: u64,
    /// Notification channels that are called dead.
    pub dead_channels: &'a [String],
    /// Pairs whose delays are shorter than light allows.
    pub faster_than_light: &'a [String],
    /// Since when nothing is to be sent by anybody, in Unix milliseconds.
    pub stopped_since_unix_ms: Option<u64>,
}

/// Everything that needs a person.
pub fn concerns(of: &Evidence<'_>) -> Vec<ConcernAnswer> {
    let Evidence {
        ingest,
        commits,
        store,
        fleet,
        lately,
        sealing_failed,
        dead_channels,
        faster_than_light,
        stopped_since_unix_ms,
    } = *of;
    let count =
        |kind, reasons: &[&str]| -> u64 { reasons.iter().map(|reason| lately.count(kind, reason)).sum() };
    let mut found = Vec::new();
    let mut when = |is_so: bool, name: &str, detail: String, remedy: &str| {
        if is_so {
            found.push(ConcernAnswer {
                name: name.to_owned(),
                detail,
                remedy: remedy.to_owned(),
            });
        }
    };

    when(
        !store.writable,
        "store_not_writable",
        "the last write failed; the next one tries again".to_owned(),
        "look at the log and at the disk: is it full, or read-only? Agents keep what they measure meanwhile",
    );
    when(
        stopped_since_unix_ms.is_some(),
        "plan_stopped",
        format!(
            "no agent that joined sends anything, since {}",
            UtcInstant::from_unix_ms(stopped_since_unix_ms.unwrap_or(0))
        ),
        "`azimuth-collector plan resume` takes everything up again; the audit log says who stopped it",
    );
    when(
        commits.failed > 0,
        "commits_failing",
        format!("{} commits failed lately", commits.failed),
        "the log says why; their agents deliver again, so nothing is lost while their spools have room",
    );
    let turned_away = count(Kind::Body, &["queue_full", "bodies_full"]);
    let fuller = |bytes: u64, most: u64| bytes * FULL_PARTS.1 > most * FULL_PARTS.0;
    when(
        turned_away > 0
            || fuller(ingest.queued_bytes, ingest.queued_bytes_most)
            || fuller(ingest.queued_bodies, ingest.queued_bodies_most)
            || fuller(ingest.held_bytes, ingest.held_bytes_most),
        "ingest_overloaded",
        format!(
            "{turned_away} bodies were turned away lately, {} bytes wait",
            ingest.queued_bytes
        ),
        "agents come back by themselves; if it lasts, the disk is too slow for this fleet: see the commit time",
    );
    when(
        store.estimate == Estimate::SealedGrowth && store.days_until_full.is_some_and(|days| days < FEW_DAYS),
        "disk_filling",
        format!(
            "the disk will be full in {:.1} days",
            store.days_until_full.unwrap_or(0.0)
        ),
        "give the store a larger disk, or shorten [retention]: the finest tier takes the most",
    );
    when(
        store.free_bytes.is_some_and(|free| free < LITTLE_SPACE_BYTES),
        "disk_low",
        format!(
            "{} bytes are free where the store is",
            store.free_bytes.unwrap_or(0)
        ),
        "make room: when it is full, reports wait at the agents until their spools are full too",
    );
    when(
        sealing_failed > 0,
        "sealing_failing",
        format!("sealing or retiring failed {sealing_failed} times in the last quarter of an hour"),
        "the log names the step and the file; it is tried again, and nothing is forgotten before it is sealed",
    );
    when(
        store.sealing_behind_s * 1_000 > BEHIND_MS,
        "sealing_behind",
        format!("an hour should have been sealed {} s ago", store.sealing_behind_s),
        "after a long stop this passes by itself; else the processor or the disk is too slow",
    );
    when(
        store.files_set_aside > 0,
        "files_damaged",
        format!("{} damaged files are set aside", store.files_set_aside),
        "look for .damaged- in the data directory: restore from a backup what is missed, move the file away, restart",
    );
    let unreadable = count(Kind::Store, &["report_unreadable"]);
    when(
        unreadable > 0,
        "reports_unreadable",
        format!("{unreadable} stored reports could not be read back lately"),
        "answers say what is missing; check the disk, and restore from a backup if it is needed",
    );
    let refused: u64 = lately
        .grown
        .refusals
        .iter()
        .filter(|((kind, subject, _), _)| matches!((kind, *subject), (Kind::Item | Kind::Body, "refused")))
        .map(|(_, count)| count)
        .sum();
    when(
        refused > 0,
        "reports_refused",
        format!("{refused} reports or bodies were refused for good lately"),
        "the reasons stand under refusals, the agents in the log; mostly an agent of another version, or a limit",
    );
    let unanswered = count(Kind::Query, &["queries_overloaded", "query_timeout"]);
    when(
        unanswered > 0,
        "queries_overloaded",
        format!("{unanswered} questions were given up lately"),
        "ask for shorter ranges or longer steps, or raise query_timeout",
    );
    let turned_off = count(Kind::Connection, &["too_many"]);
    when(
        turned_off > 0,
        "connections_refused",
        format!("{turned_off} connections were closed at once lately, because too many were open"),
        "one address may have 128: put a proxy that reuses connections in front of a large site",
    );
    when(
        commits.p99_us.is_some_and(|p99_us| p99_us > SLOW_COMMIT_US),
        "commits_slow",
        format!(
            "one commit in a hundred takes {} ms",
            commits.p99_us.unwrap_or(0) / 1_000
        ),
        "the disk takes long over an fsync: is something else writing to it?",
    );
    when(
        !dead_channels.is_empty(),
        "channels_dead",
        format!(
            "what is to be told does not arrive at {}",
            dead_channels.join(", ")
        ),
        "the log says what the channel answers; `rules notify-test` tries it; what waits is told when it is back",
    );
    when(
        fleet.silent_lately > 0,
        "agents_silent",
        format!(
            "{} agents are silent for more than 5 min that were heard within a day",
            fleet.silent_lately
        ),
        "look whether they run and reach this collector; what they measured comes later, from their spools",
    );
    when(
        fleet.clocks_off > 0,
        "clocks_off",
        format!(
            "the clocks of {} agents are more than {TOLERATED_SKEW_MS} ms off",
            fleet.clocks_off
        ),
        "their intervals are placed by age, so no answer is wrong; set up NTP or PTP there, or here if it is all of them",
    );
    when(
        !faster_than_light.is_empty(),
        "faster_than_light",
        format!(
            "{} pairs measured less than light in fibre needs within the last hour, the first: {}",
            faster_than_light.len(),
            faster_than_light.first().map_or("", String::as_str)
        ),
        "a place is wrong, of the agent or of the zone, or something near the agent answers instead (anycast): \
         `azimuth-collector catalogue light` shows each; the places of zones are in the catalogue, an agent's in its configuration",
    );
    found
}
