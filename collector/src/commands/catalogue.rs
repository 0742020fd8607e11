//! `azimuth-collector catalogue`: what the built-in catalogue holds, whether a file of one's own would lie over it, and what
//! that would change. Reads files; asks no network, but for what [`light`] asks of a running collector.

mod light;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use azimuth_measurement::catalogue::diff::diff as differences;
use azimuth_measurement::catalogue::select::Selector;
use azimuth_measurement::catalogue::{Catalogue, CatalogueZone};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

/// A larger file is no catalogue.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// `catalogue`.
#[derive(Subcommand)]
pub enum CatalogueCommand {
    /// Show the zones, and the addresses in them that answer the public
    #[command(
        after_help = "Example:\n  azimuth-collector catalogue list --zones 'country=FR,provider=ovhcloud'"
    )]
    List(ListArgs),
    /// Say whether a file of your own would lie over the built-in catalogue; exit 2 and name the line if not
    Check(FileArgs),
    /// Show what a file of your own adds, changes and hides
    Diff(FileArgs),
    /// Show which measured delays are shorter than light allows: a wrong place, or something near that answers instead; exit 1 if any
    Light(light::LightArgs),
}

/// `catalogue list`.
#[derive(Args)]
pub struct ListArgs {
    /// A catalogue of your own (TOML), laid over the built-in one
    file: Option<PathBuf>,
    /// Only these, for example country=FR,provider=ovhcloud: values of one key widen, keys narrow
    #[arg(long, value_name = "SELECTOR")]
    zones: Option<Selector>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// `catalogue check` and `catalogue diff`.
#[derive(Args)]
pub struct FileArgs {
    /// A catalogue of your own (TOML)
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Does it. 0 when it is fine, 1 when nothing could be read or chosen, 2 when the file is wrong.
pub fn catalogue(command: &CatalogueCommand, out: &mut dyn Write) -> ExitCode {
    let done = match command {
        CatalogueCommand::List(args) => list(args, out),
        CatalogueCommand::Check(args) => check(args, out),
        CatalogueCommand::Diff(args) => diff(args, out),
        CatalogueCommand::Light(args) => light::light(args, out),
    };
    done.unwrap_or_else(|Failed { code, line }| {
        eprintln!("{line}");
        ExitCode::from(code)
    })
}

struct Failed {
    code: u8,
    line: String,
}

/// A reader that left has nothing more to be told.
fn say(out: &mut dyn Write, line: &str) {
    let _ = writeln!(out, "{line}");
}

fn overlaid(file: &Path) -> Result<Catalogue, Failed> {
    let unreadable = |what: String| Failed {
        code: 1,
        line: format!("{}: {what}", file.display()),
    };
    let size = fs::metadata(file)
        .map_err(|error| unreadable(error.to_string()))?
        .len();
    if size > MAX_FILE_BYTES {
        return Err(unreadable(format!("{size} bytes are too many for a catalogue")));
    }
    let text = fs::read_to_string(file).map_err(|error| unreadable(error.to_string()))?;
    Catalogue::built_in().overlaid(&text).map_err(|error| Failed {
        code: 2,
        line: format!("{}: {error}", file.display()),
    })
}

fn list(args: &ListArgs, out: &mut dyn Write) -> Result<ExitCode, Failed> {
    let catalogue = match &args.file {
        Some(file) => overlaid(file)?,
        None => Catalogue::built_in(),
    };
    let unknown = |error: azimuth_measurement::catalogue::select::SelectorError| Failed {
        code: 1,
        line: error.to_string(),
    };
    let zones: Vec<&CatalogueZone> = match &args.zones {
        Some(selector) => selector.zones(&catalogue).map_err(unknown)?,
        None => catalogue.zones().iter().collect(),
    };
    if args.json {
        say(out, &as_json(&catalogue, &zones).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let mut region = None;
    for zone in zones {
        let of = (zone.key.provider(), zone.key.region());
        if region != Some(of) {
            region = Some(of);
            let place = format!(
                "{} ({}, {}): {}",
                zone.provider_name, zone.city, zone.country, zone.region_name
            );
            say(out, &place);
        }
        say(
            out,
            &format!("  {:<44} {}", zone.key.to_string(), zone.confidence.as_str()),
        );
        let last_of_region = catalogue.zones_of(of.0, of.1).last() == Some(zone);
        for endpoint in catalogue.endpoints() {
            let of_zone = endpoint.zone.as_deref() == Some(zone.key.zone())
                || (endpoint.zone.is_none() && last_of_region);
            if (&*endpoint.provider, &*endpoint.region) == of && of_zone {
                let (host, port) = (&endpoint.host, endpoint.port);
                let consent = if endpoint.consent {
                    ", only with its owner's consent"
                } else {
                    ""
                };
                let every_s = endpoint.least_period_ms / 1_000;
                say(
                    out,
                    &format!(
                        "    {host}:{port}  {}, every {every_s} s at most{consent}",
                        endpoint.granularity
                    ),
                );
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(catalogue: &Catalogue, zones: &[&CatalogueZone]) -> Value {
    let of = |provider: &str, region: &str| {
        zones
            .iter()
            .any(|zone| (zone.key.provider(), zone.key.region()) == (provider, region))
    };
    let providers = catalogue.providers().iter();
    let providers: Vec<_> = providers
        .filter(|provider| zones.iter().any(|zone| zone.key.provider() == provider.id))
        .collect();
    let endpoints = catalogue.endpoints().iter();
    let endpoints: Vec<Value> = endpoints
        .filter(|endpoint| of(&endpoint.provider, &endpoint.region))
        .map(|endpoint| {
            let methods: Vec<_> = endpoint.methods.iter().map(|method| method.as_str()).collect();
            json!({
                "provider": endpoint.provider, "region": endpoint.region, "zone": endpoint.zone,
                "host": endpoint.host, "port": endpoint.port, "granularity": endpoint.granularity.as_str(),
                "methods": methods, "ownership": endpoint.ownership, "consent": endpoint.consent,
                "least_period_ms": endpoint.least_period_ms, "confidence": endpoint.confidence,
                "as_of": endpoint.as_of, "source": endpoint.source,
            })
        })
        .collect();
    let zones: Vec<Value> = zones
        .iter()
        .map(|zone| {
            json!({
                "zone": zone.key.to_string(), "provider_name": zone.provider_name, "region_name": zone.region_name,
                "country": zone.country, "city": zone.city, "metro": zone.metro, "latitude": zone.latitude_deg,
                "longitude": zone.longitude_deg, "coordinate_accuracy_km": zone.coordinate_accuracy_km,
                "confidence": zone.confidence, "as_of": zone.as_of, "source": zone.source,
                "coordinate_source": zone.coordinate_source,
            })
        })
        .collect();
    json!({ "providers": providers, "zones": zones, "endpoints": endpoints })
}

fn check(args: &FileArgs, out: &mut dyn Write) -> Result<ExitCode, Failed> {
    let catalogue = match overlaid(&args.file) {
        Err(failed) if args.json => {
            say(out, &json!({ "ok": false, "mistake": failed.line }).to_string());
            return Ok(ExitCode::from(failed.code));
        }
        found => found?,
    };
    let counts = (
        catalogue.providers().len(),
        catalogue.zones().len(),
        catalogue.endpoints().len(),
    );
    if args.json {
        let told = json!({ "ok": true, "providers": counts.0, "zones": counts.1, "endpoints": counts.2 });
        say(out, &told.to_string());
    } else {
        let (providers, zones, endpoints) = counts;
        let file = args.file.display();
        say(
            out,
            &format!("{file}: ok; with it {providers} providers, {zones} zones, {endpoints} endpoints"),
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn diff(args: &FileArgs, out: &mut dyn Write) -> Result<ExitCode, Failed> {
    let found = differences(&Catalogue::built_in(), &overlaid(&args.file)?);
    if args.json {
        let rows = found
            .iter()
            .map(|row| json!({ "change": row.change.as_str(), "kind": row.kind, "key": row.key }));
        say(out, &Value::from(rows.collect::<Vec<_>>()).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    for row in &found {
        say(
            out,
            &format!("{:<8} {:<9} {}", row.change.as_str(), row.kind, row.key),
        );
    }
    if found.is_empty() {
        say(out, "no difference from the built-in catalogue");
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: CatalogueCommand,
    }

    fn run(words: &[&str]) -> (ExitCode, String) {
        let line = Line::try_parse_from(["catalogue"].iter().chain(words)).expect("well formed");
        let mut out = Vec::new();
        let code = catalogue(&line.command, &mut out);
        (code, String::from_utf8(out).expect("text"))
    }

    fn file(text: &str) -> (tempfile::TempDir, String) {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let path = directory.path().join("own.toml");
        fs::write(&path, text).expect("writable");
        let path = path.to_str().expect("text").to_owned();
        (directory, path)
    }

    #[test]
    fn what_is_chosen_is_listed_for_people_and_for_machines() {
        let (code, text) = run(&["list", "--zones", "region=aws/eu-west-3"]);
        assert_eq!(code, ExitCode::SUCCESS);
        assert!(
            text.contains("aws/eu-west-3/euw3-az1")
                && text.contains("ec2.eu-west-3.amazonaws.com:443  region, every 30 s"),
            "{text}"
        );
        assert!(!text.contains("ovh"), "{text}");
        let (_, text) = run(&["list", "--zones", "provider=azure", "--json"]);
        let found: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(found["providers"][0]["parent_country"], "US");
        assert_eq!(found["providers"][0]["countries_source"], "from memory");
        let zone = |key: &str| {
            let zones = found["zones"].as_array().expect("zones");
            let zone = zones.iter().find(|zone| zone["zone"] == key);
            zone.expect("listed").clone()
        };
        let alone = zone("azure/ukwest/ukwest");
        assert_eq!(
            (&alone["city"], &alone["as_of"]),
            (&json!("Cardiff"), &json!("2026-11-23"))
        );
        assert_eq!(found["endpoints"][0]["consent"], true, "somebody else's account");
        let (code, _) = run(&["list", "--zones", "provider=nobody"]);
        assert_eq!(code, ExitCode::from(1));
    }

    #[test]
    fn an_own_file_is_checked_and_compared() {
        let good = "[[endpoint]]\nprovider = \"aws\"\nregion = \"eu-west-3\"\nhost = \"ec2.eu-west-3.amazonaws.com\"\nport = 443\nhidden = true\n";
        let (_kept, path) = file(good);
        let (code, text) = run(&["check", &path]);
        assert!(
            code == ExitCode::SUCCESS && text.contains(": ok; with it "),
            "{text}"
        );
        let (_, text) = run(&["diff", &path]);
        assert_eq!(
            text,
            "hidden   endpoint  aws/eu-west-3 ec2.eu-west-3.amazonaws.com:443\n"
        );
        let (code, text) = run(&["diff", &path, "--json"]);
        let found: Value = serde_json::from_str(&text).expect("JSON");
        let hidden = json!([{"change": "hidden", "kind": "endpoint", "key": "aws/eu-west-3 ec2.eu-west-3.amazonaws.com:443"}]);
        assert_eq!((code, found), (ExitCode::SUCCESS, hidden));
        let (_, text) = run(&["check", &path, "--json"]);
        let counted: Value = serde_json::from_str(&text).expect("JSON");
        assert!(
            counted["ok"] == true && counted["zones"].as_u64() > Some(200),
            "{text}"
        );
        let (_kept, path) = file(&good.replace("443", "0"));
        let (code, text) = run(&["check", &path, "--json"]);
        assert!(
            code == ExitCode::from(2) && text.contains("line 1: endpoint") && text.contains("\"ok\":false"),
            "{text}"
        );
        assert_eq!(run(&["diff", &path]).0, ExitCode::from(2));
        assert_eq!(run(&["diff", "/nowhere/own.toml"]).0, ExitCode::from(1));
    }
}
