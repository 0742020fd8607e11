//! `[throughput]` of the agent's configuration: whether it tests by itself, how often, and what that may cost. Pure but for the key
//! file.

use std::path::{Path, PathBuf};

use azimuth_measurement::Method;

use super::document::{Section, Wrong, integer, number, parsed, shown, text};
use super::{CollectorAddress, Config};
use crate::cli::TCP_PORT;
use crate::key_file;
use crate::throughput::daemon::TestTarget;
use crate::throughput::phases::Probing;
use crate::throughput::plan::Budget;
use crate::throughput::reflector::DEFAULT_NAME;
use crate::throughput::tickets::Tickets;

/// Octets that make a day's plan absurd.
const MOST_BYTES: u64 = 1 << 42;
const DEFAULT_BUSY_BPS: u64 = 5_000_000;

/// How an agent tests by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct ThroughputConfig {
    /// Where tickets come from.
    pub tickets: Tickets,
    /// The reflectors' throughput port.
    pub port: u16,
    /// How often, and how much.
    pub budget: Budget,
    /// Where the ledger is.
    pub directory: PathBuf,
    /// A host whose interfaces carry more than this is left alone, in bits per second.
    pub busy_bps: u64,
    /// What a gigabyte that leaves a cloud costs, for the plan that is printed; in any currency.
    pub price_per_gb: Option<f64>,
}

/// `joined` is the identity's file, and `collector` where it is reached: tickets are asked there unless the reflectors' key is given.
pub(super) fn read(
    section: Option<Section<'_>>,
    joined: Option<&Path>,
    collector: Option<&CollectorAddress>,
) -> Option<ThroughputConfig> {
    let mut section = section?;
    let key = section.optional("key_file", |value| {
        let file = text(value)?;
        key_file::read(file.as_ref()).map_err(|error| {
            Wrong(
                error.to_string(),
                "Name the file of the reflectors' --throughput-key-file".into(),
            )
        })
    });
    if joined.is_none() && !section.has("key_file") {
        let remedy = "Name the file of the reflectors' key; a host that has joined (`identity`) needs none";
        section.wrong("key_file", Wrong("missing".into(), remedy.into()));
    }
    let reflector = section.optional("reflector", |value| {
        let name = text(value)?;
        name.parse().map_err(|_| {
            let remedy = "Use the name given with --throughput-name";
            Wrong(format!("{} is not a name", shown(&name)), remedy.into())
        })
    });
    let port = section.optional("port", integer(1..=65_535));
    let tests_per_day = section.optional("tests_per_day", number(0.01..=10_000.0));
    let test_bytes = section.optional("test_bytes", integer(100_000..=MOST_BYTES));
    let fast_test_bytes = section.optional("fast_test_bytes", integer(100_000..=MOST_BYTES));
    let day_bytes = section.optional("day_bytes", integer(100_000..=MOST_BYTES));
    let directory = section.required("directory", parsed("Use a path"));
    let busy_bps = section.optional("busy_bps", integer(1..=1 << 50));
    let price_per_gb = section.optional("price_per_gb", number(0.0..=1_000.0));
    let usual = Budget::default();
    let budget = Budget {
        tests_per_day: tests_per_day.unwrap_or(usual.tests_per_day),
        test_bytes: test_bytes.unwrap_or(usual.test_bytes),
        fast_test_bytes: fast_test_bytes.unwrap_or(usual.fast_test_bytes),
        day_bytes: day_bytes.unwrap_or(usual.day_bytes),
    };
    if budget.test_bytes > budget.day_bytes {
        let what = format!(
            "a test of {} octets does not fit a day of {}",
            budget.test_bytes, budget.day_bytes
        );
        section.wrong(
            "test_bytes",
            Wrong(what, "Make it smaller, or day_bytes larger".into()),
        );
    }
    let is_shared = section.has("key_file");
    section.finish();
    let tickets = if is_shared {
        Tickets::Shared {
            key: key?,
            reflector: reflector.or_else(|| DEFAULT_NAME.parse().ok())?,
        }
    } else {
        Tickets::Collector {
            identity: joined?.to_owned(),
            collector: collector?.clone(),
            reflector,
        }
    };
    Some(ThroughputConfig {
        tickets,
        port: u16::try_from(port.unwrap_or(TCP_PORT.into())).ok()?,
        budget,
        directory: directory?,
        busy_bps: busy_bps.unwrap_or(DEFAULT_BUSY_BPS),
        price_per_gb,
    })
}

impl Config {
    /// The targets that are tested: those with a reflector of ours at an address, each by its first STAMP probe. Names are left
    /// out: their addresses change.
    #[must_use]
    pub fn throughput_targets(&self) -> Vec<TestTarget> {
        let Some(throughput) = &self.throughput else {
            return Vec::new();
        };
        let mut found: Vec<TestTarget> = Vec::new();
        let mut next = 0_u32;
        // What the collector's plan asks for comes last, and is not tested.
        for target in self
            .targets
            .iter()
            .filter(|target| target.host.is_none() && !target.planned)
        {
            for probe in &target.probes {
                let series = next;
                next += u32::try_from(probe.series(true)).unwrap_or(u32::MAX);
                let is_new = found.iter().all(|known| known.name != target.name);
                if probe.method == Method::Stamp && is_new {
                    found.push(TestTarget {
                        name: target.name.clone(),
                        series,
                        to: (probe.address.ip(), throughput.port).into(),
                        probing: Probing {
                            to: probe.address,
                            key: probe.key.clone(),
                        },
                    });
                }
            }
        }
        found
    }

    /// Whether probes under a load of our own are counted in series of their own: where there can be such a load.
    #[must_use]
    pub fn labels_load(&self) -> bool {
        self.throughput.is_some()
    }

    /// The same with another price of a gigabyte, if one is given.
    #[must_use]
    pub fn priced(mut self, price_per_gb: Option<f64>) -> Self {
        if let (Some(throughput), Some(price)) = (&mut self.throughput, price_per_gb) {
            throughput.price_per_gb = Some(price);
        }
        self
    }

    /// What the plan of tests comes to in 30 days, for people: octets, and money where a price is stated.
    #[must_use]
    pub fn throughput_plan(&self) -> Option<String> {
        let throughput = self.throughput.as_ref()?;
        let targets = self.throughput_targets().len();
        let gb = |bytes: u64| bytes as f64 / 1e9;
        let budget = &throughput.budget;
        let (usual, most) = (budget.usual_month_bytes(targets), budget.month_bytes(targets));
        let mut plan = format!(
            "It tests throughput to {targets} targets {} times a day and direction: in 30 days at most {:.1} GB each way, usually below \
             {:.1} GB",
            budget.tests_per_day,
            gb(most),
            gb(usual)
        );
        if let Some(price) = throughput.price_per_gb {
            // What enters a cloud is free at those that sell by the gigabyte.
            let (usual, most) = (gb(usual) * price, gb(most) * price);
            plan +=
                &format!("; downloads cost at most {most:.2}, usually below {usual:.2}, at {price} per GB");
        }
        Some(plan)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use azimuth_measurement::LoadLabel;

    use super::super::parse;
    use super::*;

    fn read_with(section: &str) -> Result<Config, String> {
        let directory = tempfile::tempdir().expect("a directory");
        let key = directory.path().join("throughput.key");
        fs::write(&key, "0b".repeat(16)).expect("written");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("set");
        let section = section.replace("KEY", &key.display().to_string());
        let target = |name: &str, address: &str, probes: &str| {
            format!(
                "[[target]]\nname = \"{name}\"\nprovider = \"aws\"\nregion = \"r\"\nzone = \"z\"\naddress = \"{address}\"\n{probes}"
            )
        };
        let probe = |method: &str| format!("[[target.probe]]\nmethod = \"{method}\"\nperiod_ms = 30000\n");
        let text = format!(
            "agent = \"a\"\n[collector]\nurl = \"http://127.0.0.1:1\"\n[vantage_point]\nname = \"n\"\ncountry = \"FR\"\ncity = \"c\"\n\
             network = \"n\"\nasn = 1\nlatitude = 1.0\nlongitude = 1.0\n{section}\n{}{}{}",
            target("one", "192.0.2.1", &(probe("tcp_connect") + &probe("stamp"))),
            target("named", "zone-a.example.net", &probe("stamp")),
            target("two", "192.0.2.2", &probe("stamp")),
        );
        parse(&text, Path::new("agent.toml")).map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn targets_with_a_reflector_at_an_address_are_tested_and_the_plan_is_told_in_money() {
        assert_eq!(read_with("").expect("fine").throughput, None);
        let config = read_with("[throughput]\nkey_file = \"KEY\"\ndirectory = \"/tmp\"\nprice_per_gb = 0.1")
            .expect("fine");
        let targets = config.throughput_targets();
        let found: Vec<_> = targets
            .iter()
            .map(|target| (target.name.as_str(), target.series, target.to.to_string()))
            .collect();
        assert_eq!(
            found,
            [
                ("one", 3, "192.0.2.1:8621".to_owned()),
                ("two", 6, "192.0.2.2:8621".to_owned())
            ]
        );
        let manifest = config.manifest();
        for target in &targets {
            let series = &manifest.series[target.series as usize];
            assert_eq!(
                (series.target.as_str(), series.address),
                (target.name.as_str(), target.probing.to)
            );
        }
        let loads = manifest.series.iter().map(|series| series.load);
        assert!(
            loads.eq(LoadLabel::ALL.iter().copied().cycle().take(9)),
            "each beside its own"
        );
        let plan = config.throughput_plan().expect("a plan");
        assert!(plan.contains("2 targets 4 times"), "{plan}");
        assert!(
            plan.contains("at most 2.4 GB each way") && plan.contains("at most 0.24"),
            "{plan}"
        );
        let dearer = config.priced(Some(10.0)).throughput_plan().expect("a plan");
        assert!(
            dearer.contains("at most 24.00") && dearer.contains("at 10 per GB"),
            "{dearer}"
        );
    }

    #[test]
    fn a_test_must_fit_its_day_and_needs_a_key_and_a_ledger() {
        let wrong =
            read_with("[throughput]\nkey_file = \"KEY\"\ndirectory = \"/tmp\"\ntest_bytes = 50000000")
                .expect_err("refused");
        assert!(wrong.contains("does not fit a day"), "{wrong}");
        let wrong = read_with("[throughput]\ndirectory = \"/tmp\"").expect_err("refused");
        assert!(
            wrong.contains("throughput.key_file: missing") && wrong.contains("has joined"),
            "{wrong}"
        );
        let wrong = read_with("[throughput]\nkey_file = \"/nowhere\"").expect_err("refused");
        assert!(
            wrong.contains("throughput.directory: missing") && wrong.contains("/nowhere"),
            "{wrong}"
        );
    }
}
