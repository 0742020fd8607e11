//! A look at a spool that nobody is using, or that somebody is: reads only, the same way the agent does at its start.

use std::fmt::Write as _;

use azimuth_measurement::AgentId;
use serde::Serialize;

use super::disk::Disk;
use super::recovery::{Recovery, recover};

/// What `azimuth-agent spool check` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Whether anything was damaged or lost.
    pub damaged: bool,
    /// The segments and the damage.
    pub found: Recovery,
    /// One entry per sequence space.
    pub epochs: Vec<EpochFindings>,
    /// Files set aside before, with their bytes; evidence, safe to delete.
    pub set_aside_before: Vec<(String, u64)>,
}

/// One sequence space as found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EpochFindings {
    /// Unix ms at which it began.
    pub epoch: u64,
    /// Whose it is.
    pub agent: String,
    /// Highest sequence issued.
    pub issued: u64,
    /// Reports the collector has not settled.
    pub pending_reports: u64,
    /// Of those, merged ones.
    pub merged_reports: u64,
    /// Tombstones the collector has not settled, those for what was found lost just now included.
    pub pending_tombstones: u64,
    /// Bytes of the pending records.
    pub pending_bytes: u64,
}

/// Reads the directory.
pub fn check(disk: &dyn Disk, agent: &AgentId) -> CheckReport {
    let recovered = recover(disk, agent);
    let epochs = recovered
        .inventory
        .epochs
        .iter()
        .map(|(&epoch, space)| {
            let count = |wanted: fn(&super::Item) -> bool| {
                space.items.values().filter(|item| wanted(item)).count() as u64
            };
            EpochFindings {
                epoch,
                agent: space.agent.to_string(),
                issued: space.issued,
                pending_reports: count(super::Item::is_report),
                merged_reports: count(|item| item.is_report() && item.first < item.last),
                pending_tombstones: count(|item| !item.is_report()),
                pending_bytes: space.items.values().map(super::Item::record_bytes).sum(),
            }
        })
        .collect();
    CheckReport {
        damaged: recovered.report.damaged(),
        found: recovered.report,
        epochs,
        set_aside_before: recovered.set_aside.into_iter().collect(),
    }
}

impl CheckReport {
    /// As a table for a person.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        self.write_text(&mut out).unwrap_or(());
        out
    }

    fn write_text(&self, out: &mut String) -> Result<(), std::fmt::Error> {
        let found = &self.found;
        writeln!(
            out,
            "{:<18} {:>10} {:>8} {:>8} {:>6} {:>10}",
            "segment", "bytes", "records", "pending", "bad", "torn bytes"
        )?;
        for segment in &found.segments {
            writeln!(
                out,
                "{:<18} {:>10} {:>8} {:>8} {:>6} {:>10}",
                segment.name,
                segment.bytes,
                segment.records,
                segment.pending,
                segment.bad_records,
                segment.torn_bytes
            )?;
        }
        writeln!(out)?;
        writeln!(
            out,
            "{:<14} {:<20} {:>9} {:>8} {:>8} {:>10} {:>10}",
            "epoch", "agent", "issued", "reports", "merged", "tombstones", "bytes"
        )?;
        for epoch in &self.epochs {
            writeln!(
                out,
                "{:<14} {:<20} {:>9} {:>8} {:>8} {:>10} {:>10}",
                epoch.epoch,
                epoch.agent,
                epoch.issued,
                epoch.pending_reports,
                epoch.merged_reports,
                epoch.pending_tombstones,
                epoch.pending_bytes
            )?;
        }
        writeln!(out)?;
        if let Some(error) = &found.unreadable {
            writeln!(out, "the directory cannot be listed: {error}")?;
        }
        for lost in &found.lost {
            writeln!(
                out,
                "lost: epoch {} sequences {} to {}; the agent will report them as corrupt",
                lost.epoch, lost.first_sequence, lost.last_sequence
            )?;
        }
        for name in &found.set_aside {
            writeln!(
                out,
                "unreadable: {name}; the agent will rename it to .bad and go on"
            )?;
        }
        for (name, bytes) in &self.set_aside_before {
            writeln!(
                out,
                "set aside earlier: {name} ({bytes} bytes); evidence, safe to delete"
            )?;
        }
        if found.contradictions > 0 {
            writeln!(
                out,
                "{} records contradict others and will not be used",
                found.contradictions
            )?;
        }
        let ended = if found.closed_in_order {
            "closed in order"
        } else {
            "not closed in order (running, or it was killed)"
        };
        writeln!(
            out,
            "{ended}; {} bad records, {} torn tails, {} gaps",
            found.bad_records,
            found.torn_tails,
            found.lost.len()
        )?;
        writeln!(
            out,
            "{}",
            if self.damaged {
                "DAMAGED: the agent starts all the same; gaps are reported as tombstones"
            } else {
                "sound"
            }
        )
    }
}
