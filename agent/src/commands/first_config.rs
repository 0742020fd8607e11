//! The configuration that `azimuth-agent join --write-config` writes: who the host is, where its users are, and nothing else, so that it
//! measures what the collector's plan says. Never over a file that is there.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use azimuth_measurement::VantagePoint;

use crate::cli::JoinArgs;
use crate::config;

/// A file to be written.
#[derive(Debug, PartialEq)]
pub(super) struct FirstConfig {
    file: PathBuf,
    place: VantagePoint,
}

impl FirstConfig {
    /// What is asked for, judged before a token is used up.
    ///
    /// # Errors
    /// A file that is there, a place that is none.
    pub(super) fn asked(args: &JoinArgs) -> anyhow::Result<Option<Self>> {
        let Some((file, place)) = args.write_config.as_ref().zip(args.vantage_point.as_ref()) else {
            return Ok(None);
        };
        if file.try_exists().with_context(|| file.display().to_string())? {
            bail!(
                "{} exists; move it away, or join without --write-config",
                file.display()
            );
        }
        Ok(Some(Self {
            file: file.clone(),
            place: read(place)?,
        }))
    }

    /// Writes it, whole or not at all, and reads it as the agent will.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(super) fn write(&self, identity: &Path) -> anyhow::Result<()> {
        let text = self.text(identity)?;
        config::parse(&text, &self.file).map_err(|mistakes| anyhow!("{mistakes}"))?;
        let fresh = self.file.with_extension("new");
        let write = || {
            let mut open = OpenOptions::new();
            let mut out = open
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o644)
                .open(&fresh)?;
            out.write_all(text.as_bytes())?;
            out.sync_all()?;
            std::fs::rename(&fresh, &self.file)
        };
        write().with_context(|| format!("{}: joined, but this was not written", self.file.display()))
    }

    fn text(&self, identity: &Path) -> anyhow::Result<String> {
        let spool = identity.with_file_name("spool");
        // A basic string; control characters are refused where they come in.
        let text = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let path = |path: &Path| {
            let given = path
                .to_str()
                .ok_or_else(|| anyhow!("{}: not UTF-8", path.display()));
            given.map(text)
        };
        let VantagePoint {
            name,
            country,
            city,
            network,
            asn,
            latitude_deg,
            longitude_deg,
        } = &self.place;
        Ok(format!(
            "# Written by azimuth-agent join. What is measured comes from the collector's plan; what may be said here is in \
             configuration.md.\nidentity = {}\n\n[vantage_point]\nname = {}\ncountry = {}\ncity = {}\nnetwork = {}\nasn = {asn}\n\
             latitude = {latitude_deg:?}\nlongitude = {longitude_deg:?}\n\n[spool]\ndirectory = {}\n",
            path(identity)?,
            text(name),
            text(country),
            text(city),
            text(network),
            path(&spool)?,
        ))
    }
}

fn read(text: &str) -> anyhow::Result<VantagePoint> {
    let told = |what: &str| {
        anyhow!(
            "--vantage-point {text:?}: {what}. Write NAME, COUNTRY, CITY, NETWORK, ASN, LATITUDE, LONGITUDE, for example \
             \"Brest (Orange), FR, Brest, Orange, 3215, 48.39, -4.49\""
        )
    };
    let fields: Vec<&str> = text.split(',').map(str::trim).collect();
    let [name, country, city, network, asn, latitude, longitude] = fields[..] else {
        return Err(told(&format!("{} fields instead of 7", fields.len())));
    };
    let degrees = |text: &str, what: &str| text.parse::<f64>().map_err(|_| told(what));
    let place = VantagePoint {
        name: name.to_owned(),
        country: country.to_owned(),
        city: city.to_owned(),
        network: network.to_owned(),
        asn: asn
            .trim_start_matches("AS")
            .parse()
            .map_err(|_| told("the ASN is no number"))?,
        latitude_deg: degrees(latitude, "the latitude is no number")?,
        longitude_deg: degrees(longitude, "the longitude is no number")?,
    };
    place.check().map_err(|error| told(&error.to_string()))?;
    Ok(place)
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::enrolment::TlsTrust;

    use super::*;
    use crate::identity::{Identity, Seed};

    #[test]
    fn what_is_written_is_a_configuration_and_nothing_is_written_over() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let (identity, file) = (
            directory.path().join("identity.json"),
            directory.path().join("agent.toml"),
        );
        let joined = Identity {
            agent: "brest-1".parse().expect("an id"),
            collector: "https://collector.example:8361".to_owned(),
            collector_key: [7; 32],
            tls: TlsTrust::System,
            key: Seed::random().expect("random"),
            next_key: None,
        };
        joined.save(&identity).expect("written");
        let first = FirstConfig {
            file: file.clone(),
            place: read("Brest \"O\" \\u00e9, FR, Brest, Orange, AS3215, 48, -4.49").expect("a place"),
        };
        first.write(&identity).expect("written");
        let config = config::load(&file).expect("a good file");
        assert_eq!((config.agent, config.vantage_point), (joined.agent, first.place));
        let args = JoinArgs {
            token: String::new(),
            identity,
            agent: None,
            json: false,
            allow_plain_http: false,
            write_config: Some(file),
            vantage_point: Some("Brest, FR, Brest, Orange, 3215, 48, -4.49".to_owned()),
        };
        let refused = FirstConfig::asked(&args).expect_err("there").to_string();
        assert!(refused.contains("exists; move it away"), "{refused}");
    }

    #[test]
    fn a_place_that_is_none_is_named() {
        for (text, told) in [
            ("Brest", "1 fields instead of 7"),
            ("Brest, FR, Brest, Orange, x, 48, -4.49", "the ASN is no number"),
            (
                "Brest, FR, Brest, Orange, 1, 98, -4.49",
                "98 is outside -90 to 90",
            ),
            ("Brest, france, Brest, Orange, 1, 48, -4.49", "two-letter"),
        ] {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
