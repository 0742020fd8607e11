//! `azimuth-agent plan`: which plan this host has, what of it it does and what it does not, and why. Reads files only.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, anyhow};

use super::keeper::{file_beside, kept};
use super::merge::merge;
use crate::config::Config;
use crate::identity::Identity;

/// Prints it. 0 if all of the plan is done, 1 if a part is refused or nothing is sent.
///
/// # Errors
/// When there is no plan, or none that is good.
pub fn run(config: &Config, config_file: &Path, json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let Some(identity_file) = &config.identity else {
        return Err(anyhow!(
            "{}: there is no `identity`: a host has a plan once it has joined (azimuth-agent join)",
            config_file.display()
        ));
    };
    let identity = Identity::load(identity_file)?;
    let file = file_beside(identity_file);
    let plan = kept(&file, &identity).map_err(|why| anyhow!("{}: {why}", file.display()))?;
    let plan = plan.with_context(|| {
        format!(
            "{}: not there; a running agent asks its collector for it within seconds",
            file.display()
        )
    })?;
    let merged = merge(config, Some(&plan));
    let said = if json {
        let refused = merged
            .refused
            .iter()
            .map(|(what, why)| serde_json::json!({"what": what, "reason": why.as_str()}));
        serde_json::json!({
            "version": plan.version, "stopped": plan.stopped, "targets": plan.targets.len(), "taken": merged.planned,
            "refused": refused.collect::<Vec<_>>(),
        })
        .to_string()
    } else if plan.stopped {
        format!("version {}: STOPPED, nothing is sent", plan.version)
    } else {
        let mut lines = vec![format!(
            "version {}: {} of {} targets are measured, beside {} of this host's own configuration",
            plan.version,
            merged.planned,
            plan.targets.len(),
            config.targets.len()
        )];
        let refused = merged.refused.iter();
        lines.extend(refused.map(|(what, why)| format!("  refused: {what}: {why}")));
        lines.join("\n")
    };
    // A reader that left has nothing more to be told.
    let _ = writeln!(out, "{said}");
    Ok(if plan.stopped || !merged.refused.is_empty() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
