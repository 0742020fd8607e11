//! `probe --zones`: which public addresses of the catalogue are meant, and whether they may be asked as often as a person
//! wants. Chooses and refuses; sends nothing. The rules are the catalogue's: nobody's address without their consent, none
//! more often than its least period.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use azimuth_measurement::catalogue::select::Selector;
use azimuth_measurement::catalogue::{Catalogue, CatalogueEndpoint, CatalogueZone};
use serde_json::json;

use super::target::{Target, resolve};
use crate::cli::ProbeArgs;

/// A larger file is no catalogue.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// What a selector came to.
#[derive(Debug)]
pub struct Choice {
    /// One address a region, or a zone where that is known: the one the catalogue names first.
    pub chosen: Vec<Chosen>,
    /// Left out because whoever owns them was not asked.
    pub need_consent: usize,
    /// The least time from one probe to the next at any of them, in milliseconds.
    pub least_period_ms: u32,
}

/// One address and what it stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// The address.
    pub endpoint: CatalogueEndpoint,
    /// A zone it stands for; of several where it is known no finer than a region.
    pub zone: CatalogueZone,
}

impl Chosen {
    /// `provider/region`, or the zone where that is known.
    #[must_use]
    pub fn name(&self) -> String {
        let zone = self.zone.key.to_string();
        match (&self.endpoint.zone, zone.rsplit_once('/')) {
            (None, Some((region, _))) => region.to_owned(),
            _ => zone,
        }
    }
}

/// The catalogue that `args` ask for.
///
/// # Errors
/// When the file cannot be read, or is none.
pub fn catalogue(file: Option<&Path>) -> anyhow::Result<Catalogue> {
    let Some(file) = file else {
        return Ok(Catalogue::built_in());
    };
    let shown = file.display();
    let size = fs::metadata(file).with_context(|| format!("{shown}"))?.len();
    ensure!(
        size <= MAX_FILE_BYTES,
        "{shown}: {size} bytes are too many for a catalogue"
    );
    let text = fs::read_to_string(file).with_context(|| format!("{shown}"))?;
    Catalogue::built_in()
        .overlaid(&text)
        .with_context(|| format!("{shown}"))
}

/// What `selector` means to a person who asked for `args`.
///
/// # Errors
/// When nothing is chosen, or it would be asked more often than it may.
pub fn choose(catalogue: &Catalogue, selector: &Selector, args: &ProbeArgs) -> anyhow::Result<Choice> {
    let method = args.method();
    let mut choice = Choice {
        chosen: Vec::new(),
        need_consent: 0,
        least_period_ms: 0,
    };
    let mut by_other_methods = 0;
    for (endpoint, zone) in selector.endpoints(catalogue)? {
        if endpoint.consent {
            choice.need_consent += 1;
        } else if !endpoint.methods.contains(&method) {
            by_other_methods += 1;
        } else {
            let chosen = Chosen {
                endpoint: endpoint.clone(),
                zone: zone.clone(),
            };
            if choice.chosen.iter().all(|known| known.name() != chosen.name()) {
                choice.chosen.push(chosen);
            }
        }
    }
    if choice.chosen.is_empty() {
        bail!(
            "no address of the catalogue that may be probed by {method} fits {selector}: {} would need their owner's consent, \
             {by_other_methods} go by other methods. `azimuth-collector catalogue list` shows them; addresses of your own go \
             into a file for --catalogue",
            choice.need_consent
        );
    }
    let flows = u32::from(args.leaving.flows.unwrap_or(1));
    let slowest = choice
        .chosen
        .iter()
        .max_by_key(|chosen| chosen.endpoint.least_period_ms);
    if let Some(slowest) = slowest {
        choice.least_period_ms = slowest.endpoint.least_period_ms.saturating_mul(flows);
        if let Some(asked_ms) = args.period_ms {
            ensure!(
                asked_ms >= choice.least_period_ms,
                "--period-ms {asked_ms} is too often for {}: {} ms at least with {flows} flow(s), because it is not yours. Leave \
                 --period-ms away, or probe reflectors of your own",
                slowest.endpoint.host,
                choice.least_period_ms
            );
        }
    }
    Ok(choice)
}

impl Choice {
    /// The addresses behind the names, looked up once, and what is wrong with those that have none.
    #[must_use]
    pub fn targets(&self) -> (Vec<Target>, Vec<anyhow::Error>) {
        let (mut targets, mut wrong) = (Vec::<Target>::new(), Vec::new());
        for chosen in &self.chosen {
            let (host, port) = (&chosen.endpoint.host, chosen.endpoint.port);
            match resolve(host, port) {
                Ok(address) => match targets.iter().find(|known| known.address == address) {
                    Some(first) => wrong.push(anyhow::anyhow!(
                        "{} at {host} is {address}, and so is {}; it is probed once",
                        chosen.name(),
                        first.name
                    )),
                    None => targets.push(Target {
                        name: chosen.name(),
                        host: host.clone(),
                        address,
                        flow: 0,
                    }),
                },
                Err(error) => wrong.push(error.context(chosen.name())),
            }
        }
        (targets, wrong)
    }

    /// What was left out, for people; nothing if nothing was.
    #[must_use]
    pub fn left_out(&self) -> Option<String> {
        (self.need_consent > 0).then(|| {
            format!(
                "{} more addresses need their owner's consent and are left out",
                self.need_consent
            )
        })
    }

    /// The addresses, one a line, without asking any.
    #[must_use]
    pub fn list(&self, as_json: bool) -> String {
        let line = |chosen: &Chosen| {
            let (endpoint, zone) = (&chosen.endpoint, &chosen.zone);
            if as_json {
                return json!({
                    "zone": chosen.name(), "host": endpoint.host, "port": endpoint.port,
                    "granularity": endpoint.granularity.as_str(), "city": zone.city, "country": zone.country,
                    "least_period_ms": endpoint.least_period_ms, "confidence": endpoint.confidence, "source": endpoint.source,
                })
                .to_string();
            }
            format!(
                "{:<32} {}:{}  {}, {}; {}, every {} s at most",
                chosen.name(),
                endpoint.host,
                endpoint.port,
                zone.city,
                zone.country,
                endpoint.granularity,
                f64::from(endpoint.least_period_ms) / 1_000.0,
            )
        };
        self.chosen.iter().map(|chosen| line(chosen) + "\n").collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    const OWN: &str = r#"
[[provider]]
id = "mine"
name = "Mine"
[[region]]
provider = "mine"
id = "home"
name = "At home"
country = "FR"
city = "Lyon"
metro = "Lyon"
latitude = 45.76
longitude = 4.84
coordinate_accuracy_km = 1
zones = ["a", "b"]
[[endpoint]]
provider = "mine"
region = "home"
zone = "a"
host = "127.0.0.1"
port = 1
granularity = "zone"
methods = ["tcp_connect"]
ownership = "own"
least_period_ms = 50
[[endpoint]]
provider = "mine"
region = "home"
host = "localhost"
port = 2
granularity = "region"
methods = ["tcp_connect"]
[[endpoint]]
provider = "mine"
region = "home"
host = "example.net"
port = 3
granularity = "region"
methods = ["tcp_connect"]
ownership = "third_party"
"#;

    fn asked(flags: &[&str]) -> anyhow::Result<Choice> {
        let line = ["azimuth-agent", "probe", "--zones"].iter().chain(flags);
        let Command::Probe(args) = Cli::try_parse_from(line)?.command else {
            unreachable!("it is the word")
        };
        let selector = args.zones.clone().context("it is there")?;
        choose(&Catalogue::built_in().overlaid(OWN)?, &selector, &args)
    }

    #[test]
    fn one_address_a_zone_is_chosen_and_none_without_consent() {
        let choice = asked(&["provider=mine"]).expect("two");
        let names: Vec<_> = choice.chosen.iter().map(Chosen::name).collect();
        assert_eq!(
            (names, choice.need_consent),
            (vec!["mine/home/a".into(), "mine/home".into()], 1)
        );
        assert_eq!(choice.least_period_ms, 30_000, "the slowest sets the pace");
        let (targets, wrong) = choice.targets();
        assert_eq!(
            (targets[0].address.to_string(), wrong.len()),
            ("127.0.0.1:1".to_owned(), 0)
        );
        assert_eq!(
            targets[0].host, "127.0.0.1",
            "and no zone's name in a certificate"
        );
        let french = asked(&["country=FR,provider=ovhcloud"]).expect("some");
        assert!(french.chosen.len() > 3 && french.chosen.iter().all(|chosen| chosen.zone.country == "FR"));
        assert!(
            french.list(false).contains("s3.eu-west-par.io.cloud.ovh.net:443"),
            "{}",
            french.list(false)
        );
        let third_party = asked(&["provider=azure,country=FR"])
            .expect_err("somebody else's")
            .to_string();
        assert!(
            third_party.contains("would need their owner's consent"),
            "{third_party}"
        );
    }

    #[test]
    fn nobody_is_asked_more_often_than_they_allow() {
        let refused = |flags: &[&str]| asked(flags).expect_err("refused").to_string();
        assert!(refused(&["provider=aws", "--period-ms", "1000"]).contains("30000 ms at least"));
        assert!(
            refused(&["provider=aws", "--flows", "2", "--period-ms", "30000"]).contains("60000 ms at least")
        );
        assert!(asked(&["zone=mine/home/b", "--period-ms", "30000"]).is_ok());
        assert!(
            asked(&["provider=aws", "--method", "stamp"])
                .expect_err("no reflector there")
                .to_string()
                .contains("by stamp")
        );
    }
}
