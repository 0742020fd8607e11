//! `catalogue light`: whether what a running collector has measured could be true of where the catalogue says that zones are. A delay
//! shorter than light in straight fibre needs means a wrong place, or a front near the agent that answers instead (anycast). Reads answers
//! of the API; sends no probe. The running collector looks at the last hour by itself: [`crate::evaluate::light`].

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use azimuth_measurement::Method;
use azimuth_measurement::catalogue::Catalogue;
use azimuth_measurement::place::Place;
use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::{Failed, overlaid, say};
use crate::commands::ask::{self, Address};
use crate::commands::credential::{Credential, CredentialArgs};
use crate::evaluate::light::floor_us;

/// Exit code when something is faster than light.
const IMPOSSIBLE: u8 = 1;
/// Exit code when the collector cannot be asked.
const UNREACHABLE: u8 = 2;

/// `catalogue light`.
#[derive(Args)]
pub struct LightArgs {
    /// A catalogue of your own (TOML), laid over the built-in one
    file: Option<PathBuf>,
    /// Address of the collector's API: http://HOST:PORT or unix:PATH
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8360")]
    url: Address,
    #[command(flatten)]
    credential: CredentialArgs,
    /// How far to look back, as in the API
    #[arg(long, value_name = "INSTANT", default_value = "now-1d")]
    from: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Agents {
    agents: Vec<Agent>,
}

#[derive(Deserialize)]
struct Agent {
    agent: String,
    vantage_point: Position,
}

#[derive(Deserialize)]
struct Map {
    cells: Vec<Cell>,
}

#[derive(Deserialize)]
struct Cell {
    agent: String,
    zone: String,
    min_us: Option<u32>,
}

/// Degrees, WGS 84.
#[derive(Deserialize)]
struct Position {
    latitude: f64,
    longitude: f64,
}

impl From<Position> for Place {
    fn from(Position { latitude, longitude }: Position) -> Self {
        Self {
            latitude_deg: latitude,
            longitude_deg: longitude,
        }
    }
}

/// Shows every pair that is faster than light. 0 when there is none, 1 when there are some, 2 when nobody could be asked.
pub(super) fn light(args: &LightArgs, out: &mut dyn Write) -> Result<ExitCode, Failed> {
    let catalogue = match &args.file {
        Some(file) => overlaid(file)?,
        None => Catalogue::built_in(),
    };
    let credential = args.credential.read(args.url.is_this_machine()).map_err(failed)?;
    let agents: Agents = answer(&args.url, "/api/v1/agents", &credential)?;
    let places: BTreeMap<String, Place> = agents
        .agents
        .into_iter()
        .map(|agent| (agent.agent, agent.vantage_point.into()))
        .collect();
    let (mut held, mut unknown, mut found) = (0_u64, 0_u64, Vec::new());
    for method in Method::ALL {
        let map: Map = answer(
            &args.url,
            &format!("/api/v1/map?from={}&method={}", args.from, method.as_str()),
            &credential,
        )?;
        for cell in map.cells {
            let zone = cell.zone.parse().ok().and_then(|key| catalogue.zone(&key));
            let (Some(zone), Some(from), Some(min_us)) = (zone, places.get(&cell.agent), cell.min_us) else {
                unknown += 1;
                continue;
            };
            held += 1;
            let floor_us = floor_us(*from, zone);
            if f64::from(min_us) < floor_us {
                found.push((cell.agent, zone, method, min_us, floor_us));
            }
        }
    }
    if args.json {
        let rows: Vec<_> = found
            .iter()
            .map(|(agent, zone, method, min_us, floor_us)| {
                json!({"agent": agent, "zone": zone.key.to_string(), "method": method.as_str(), "min_us": min_us, "floor_us": floor_us.round()})
            })
            .collect();
        say(
            out,
            &json!({"held": held, "unknown": unknown, "impossible": rows}).to_string(),
        );
    } else {
        for (agent, zone, method, min_us, floor_us) in &found {
            let line = format!(
                "{agent} to {} by {}: {:.2} ms, and light in fibre needs {:.2} ms to {} ({} km off at most)",
                zone.key,
                method.as_str(),
                f64::from(*min_us) / 1_000.0,
                floor_us / 1_000.0,
                zone.city,
                zone.coordinate_accuracy_km
            );
            say(out, &line);
        }
        let told = if found.is_empty() {
            "none is faster than light in fibre"
        } else {
            "a place is wrong, of the agent or of the zone, or something near the agent answers instead (anycast)"
        };
        say(
            out,
            &format!("{held} pairs held against their places, {unknown} without one: {told}"),
        );
    }
    Ok(if found.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(IMPOSSIBLE)
    })
}

fn failed(line: String) -> Failed {
    Failed {
        code: UNREACHABLE,
        line,
    }
}

fn answer<T: serde::de::DeserializeOwned>(
    url: &Address,
    path: &str,
    credential: &Credential,
) -> Result<T, Failed> {
    let answer = ask::get(url, path, credential).map_err(failed)?;
    if answer.status != 200 {
        let text = String::from_utf8_lossy(&answer.body);
        let told = credential
            .remedy(answer.status)
            .unwrap_or_else(|| text.into_owned());
        return Err(failed(format!("{url} answered {}: {told}", answer.status)));
    }
    serde_json::from_slice(&answer.body)
        .map_err(|error| failed(format!("{url}: {error}; is the collector of another release?")))
}
