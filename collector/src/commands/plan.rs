//! `azimuth-collector plan`: whether a plan would be used, what it comes to for each agent, and the order that stops everything
//! everywhere. `check` reads files only; the others ask the running collector over its admin socket.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;

use super::fleet::{Where, asked_of, by_whom, conclude, is_name, read};
use crate::plan::admin::{AgentLine, EntryLine, OfAgent, Ordered, Overview};
use crate::plan::file::PlanFile;
use crate::utc::UtcInstant;

/// `plan`.
#[derive(Debug, Subcommand)]
pub enum PlanCommand {
    /// Say whether a plan would be used, and what its entries choose; exit 2 and name the line if not
    Check {
        /// The plan (TOML)
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what the plan of the running collector comes to, for all agents or for one
    Show {
        /// Of which collector.
        #[command(flatten)]
        at: Where,
        /// Every target of this agent
        #[arg(long, value_name = "NAME")]
        agent: Option<String>,
    },
    /// Have every agent that joined stop sending, at its next report; kept over restarts until `plan resume`
    Stop {
        /// Of which collector.
        #[command(flatten)]
        at: Where,
    },
    /// Have every agent take up again what it is to measure
    Resume {
        /// Of which collector.
        #[command(flatten)]
        at: Where,
    },
}

/// 0 done, 1 refused or not reached, 2 a plan that would not be used.
pub fn plan(command: &PlanCommand, out: &mut impl Write) -> ExitCode {
    match command {
        PlanCommand::Check { file, json } => match PlanFile::load(file) {
            Ok(plan) => {
                let lines: Vec<_> = plan.entries.iter().map(EntryLine::of).collect();
                let said = if *json {
                    as_json(&lines)
                } else {
                    Ok(format!("{}{}: ok\n", entries(&lines), file.display()))
                };
                conclude(said.map(|said| say(out, &said)))
            }
            Err(error) => {
                eprintln!("{error}");
                ExitCode::from(2)
            }
        },
        PlanCommand::Show { at, agent: None } => conclude(overview(at, out)),
        PlanCommand::Show {
            at,
            agent: Some(agent),
        } => conclude(of_agent(at, agent, out)),
        PlanCommand::Stop { at } => conclude(order(at, "stop", out)),
        PlanCommand::Resume { at } => conclude(order(at, "resume", out)),
    }
}

fn overview(at: &Where, out: &mut impl Write) -> Result<(), String> {
    let told: Overview = read(&asked_of(&at.data_dir, "GET", "/admin/plan", &[])?)?;
    let said = if at.json {
        as_json(&told)?
    } else {
        let mut text = headline(told.version, told.stopped, told.changed_at_unix_ms);
        match &told.file {
            Some(file) => text += &format!("read from {file}\n\n"),
            None => text += "no plan is configured: agents measure what their own configurations say\n\n",
        }
        text += &entries(&told.entries);
        for agent in &told.agents {
            let left_out = match (agent.shadowed, agent.beyond_limit) {
                (0, 0) => String::new(),
                (shadowed, 0) => format!("  ({shadowed} probes are an earlier entry's)"),
                (shadowed, beyond) => {
                    format!("  ({shadowed} probes are an earlier entry's, {beyond} are too many)")
                }
            };
            let country = if agent.country.is_empty() {
                "not heard yet"
            } else {
                &agent.country
            };
            let _ = writeln!(
                text,
                "{:<32} {:<14} {:>4} targets, {:>4} probes{left_out}; {}",
                agent.agent,
                country,
                agent.targets,
                agent.probes,
                running(agent, told.version)
            );
        }
        text
    };
    say(out, &said);
    Ok(())
}

fn of_agent(at: &Where, agent: &str, out: &mut impl Write) -> Result<(), String> {
    if !is_name(agent) {
        return Err(format!("{agent:?} is no name of an agent"));
    }
    let path = format!("/admin/plan/agents/{agent}");
    let told: OfAgent = read(&asked_of(&at.data_dir, "GET", &path, &[])?)?;
    let said = if at.json {
        as_json(&told)?
    } else {
        let mut text = format!(
            "{}, {}: {} targets, {} probes, version {}{}\n",
            told.line.agent,
            if told.line.country.is_empty() {
                "not heard yet"
            } else {
                &told.line.country
            },
            told.line.targets,
            told.line.probes,
            told.version,
            if told.stopped { ", STOPPED" } else { "" },
        );
        for target in &told.given {
            for probe in &target.probes {
                let zone = format!("{}/{}/{}", target.provider, target.region, target.zone);
                let _ = writeln!(
                    text,
                    "  {zone:<40} {:<16} {}:{}  every {} ms",
                    probe.method, target.host, probe.port, probe.period_ms
                );
            }
        }
        text
    };
    say(out, &said);
    Ok(())
}

fn order(at: &Where, what: &str, out: &mut impl Write) -> Result<(), String> {
    let path = format!("/admin/plan/{what}?by={}", by_whom());
    let told: Ordered = read(&asked_of(&at.data_dir, "POST", &path, b"{}")?)?;
    let said = if at.json {
        as_json(&told)?
    } else {
        let (does, again) = if told.stopped {
            (
                "stopped",
                "`azimuth-collector plan resume` takes everything up again",
            )
        } else {
            ("resumed", "every agent measures what it is to")
        };
        let mut text = format!(
            "{does}, version {}: {} agents get to know at their next report; {again}\n",
            told.version, told.agents
        );
        if !told.out_of_reach.is_empty() {
            let _ = writeln!(
                text,
                "out of reach, because they never joined: {}",
                told.out_of_reach.join(", ")
            );
        }
        text
    };
    say(out, &said);
    Ok(())
}

/// What an agent says of the plan.
fn running(agent: &AgentLine, version: u64) -> String {
    let refused: Vec<_> = agent
        .refused
        .iter()
        .map(|(why, count)| format!("{count} {why}"))
        .collect();
    let refused = match refused.as_slice() {
        [] => String::new(),
        some => format!(", refuses {}", some.join(", ")),
    };
    match agent.running {
        Some(running) if running == version => format!("runs it{refused}"),
        Some(running) => format!("still runs {running}{refused}"),
        None => "says nothing of a plan".to_owned(),
    }
}

fn headline(version: u64, stopped: bool, since_unix_ms: u64) -> String {
    let since = UtcInstant::from_unix_ms(since_unix_ms);
    if stopped {
        format!("STOPPED since {since}: no agent that joined sends anything (version {version})\n")
    } else {
        format!("version {version}, since {since}\n")
    }
}

fn entries(lines: &[EntryLine]) -> String {
    let mut text = String::new();
    for line in lines {
        let chosen = match line.agents_chosen {
            Some(chosen) => format!(", {chosen} agents"),
            None => String::new(),
        };
        let consent = match line.need_consent {
            0 => String::new(),
            left => format!(", {left} more need their owner's consent"),
        };
        let _ = writeln!(
            text,
            "{:<24} {} -> {} by {} every {} ms: {} addresses{chosen}{consent}",
            line.name, line.agents, line.zones, line.method, line.period_ms, line.addresses
        );
    }
    if !lines.is_empty() {
        text.push('\n');
    }
    text
}

fn as_json(value: &impl Serialize) -> Result<String, String> {
    serde_json::to_string(value)
        .map(|text| text + "\n")
        .map_err(|error| error.to_string())
}

/// A reader that left has nothing more to be told.
fn say(out: &mut impl Write, text: &str) {
    let _ = out.write_all(text.as_bytes());
}
