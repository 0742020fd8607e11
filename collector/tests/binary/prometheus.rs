//! The real Prometheus against the real collector: what it scrapes is what was delivered, every query of the manual
//! answers, and its own linter finds nothing. Waits by asking again until a deadline.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use azimuth_collector::clock;
use azimuth_collector::exposition::exponential::Schema;

use super::fleet::{body, manifest, report, slot_before};
use super::process::Collector;

/// How long anything here may take. Far more than it does; only a fault gets there.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);
/// Between two questions.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// A running Prometheus; killed when dropped.
pub(super) struct Prometheus {
    child: Child,
    pub(super) address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Prometheus {
    /// Starts it on a port of the system's choice. It scrapes `target`, if given, every second.
    pub(super) fn start(target: Option<SocketAddr>) -> Self {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let config = directory.path().join("prometheus.yml");
        let scrape = target.map_or_else(String::new, |target| {
            format!(
                "scrape_configs: [{{job_name: azimuth, scrape_interval: 1s, static_configs: [{{targets: [\"{target}\"]}}]}}]\n"
            )
        });
        std::fs::write(&config, scrape).expect("writable");
        let mut child = Self::command(&config, &directory.path().join("data"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("prometheus is installed; ci/prepare test installs it");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut seen = String::new();
        let address = loop {
            let Some(Ok(line)) = lines.next() else {
                panic!("Prometheus ended before it listened:\n{seen}")
            };
            let said: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if said["msg"] == "Listening on" {
                break said["address"]
                    .as_str()
                    .expect("text")
                    .parse()
                    .expect("an address");
            }
            seen.push_str(&(line + "\n"));
        };
        // The pipe must be emptied, or it would block on its own log.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let prometheus = Self {
            child,
            address,
            _directory: directory,
        };
        // It listens before it answers.
        let started = clock::monotonic();
        while !prometheus.get("/-/ready").is_ok_and(|(status, _)| status == 200) {
            assert!(
                clock::monotonic() - started < DEADLINE,
                "Prometheus does not get ready"
            );
            std::thread::sleep(PAUSE);
        }
        prometheus
    }

    fn command(config: &Path, data: &Path) -> Command {
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .args(["--web.listen-address=127.0.0.1:0", "--log.format=json"])
            .args([
                "--enable-feature=native-histograms",
                "--web.enable-remote-write-receiver",
            ])
            .stdout(Stdio::null());
        command
    }

    /// One GET; HTTP/1.0, so that the answer is not in chunks.
    fn get(&self, path: &str) -> std::io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(self.address)?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        Ok((status.unwrap_or(0), body.to_owned()))
    }

    /// The answer to a PromQL question now: labels and value of each sample.
    fn query(&self, query: &str) -> Vec<(serde_json::Value, f64)> {
        let query: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("query", query)
            .finish();
        let (_, answer) = self.get(&format!("/api/v1/query?{query}")).expect("it answers");
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        let samples = answer["data"]["result"].as_array().expect("a vector").iter();
        samples
            .map(|sample| {
                // Of a native histogram, its count.
                let value = sample["value"][1]
                    .as_str()
                    .or_else(|| sample["histogram"][1]["count"].as_str());
                let value = value.expect("a value").parse();
                (sample["metric"].clone(), value.expect("a number"))
            })
            .collect()
    }

    /// The only sample of the answer.
    pub(super) fn value(&self, query: &str) -> Option<f64> {
        let samples = self.query(query);
        assert!(samples.len() <= 1, "{query}: {samples:?}");
        samples.first().map(|(_, value)| *value)
    }

    /// Asks until the answer is one that was waited for.
    pub(super) fn wait_for(&self, query: &str, wanted: impl Fn(f64) -> bool) -> f64 {
        let started = clock::monotonic();
        loop {
            let value = self.value(query);
            match value {
                Some(value) if wanted(value) => return value,
                _ if clock::monotonic() - started > DEADLINE => panic!("{query} is still {value:?}"),
                _ => std::thread::sleep(PAUSE),
            }
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Delays around 12 ms with a long tail, always the same.
pub(super) fn delays_us(seed: u64, count: usize) -> Vec<u32> {
    let mut random = fastrand::Rng::with_seed(seed);
    let draw = |_| (9_000.0 - 3_000.0 * (1.0 - random.f64()).ln() + 40_000.0 * random.f64().powi(12)) as u32;
    (0..count).map(draw).collect()
}

/// Holds what Prometheus makes of the histogram of az0 against the delays themselves.
pub(super) fn assert_is_the_truth(prometheus: &Prometheus, truth_us: &[u32]) {
    let histogram = "azimuth_round_trip_delay_seconds{zone=\"aws/eu-west-3/az0\"}";
    let mut sorted = truth_us.to_vec();
    sorted.sort_unstable();
    let error = Schema::DEFAULT.relative_width() + 0.001;
    for quantile in [0.01, 0.1, 0.5, 0.9, 0.99, 0.999] {
        let rank = (quantile * sorted.len() as f64).ceil() as usize;
        // Interpolation may mean the neighbour by the same rank.
        let low_s = f64::from(sorted[rank.saturating_sub(2)]) / 1e6 * (1.0 - error);
        let high_s = f64::from(sorted[rank.min(sorted.len() - 1)]) / 1e6 * (1.0 + error);
        let told_s = prometheus
            .value(&format!("histogram_quantile({quantile}, {histogram})"))
            .expect("a value");
        assert!(
            (low_s..=high_s).contains(&told_s),
            "quantile {quantile}: {told_s} is not in {low_s}..={high_s}"
        );
    }
    let told_s = prometheus
        .value(&format!("histogram_sum({histogram})"))
        .expect("a value");
    let sum_s = truth_us
        .iter()
        .map(|delay_us| f64::from(*delay_us) / 1e6)
        .sum::<f64>();
    assert!((told_s / sum_s - 1.0).abs() < 0.000_5, "{told_s} is not {sum_s}");
}

#[test]
fn what_is_scraped_is_what_was_delivered() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let collector = Collector::start(directory.path());
    let prometheus = Prometheus::start(Some(collector.address));
    let now = clock::unix_ms();
    let manifest = manifest("paris-1", 2);
    let (first, second) = (delays_us(1, 2_000), delays_us(2, 1_000));
    let bodies = [(1, 3, &first), (2, 2, &second)].map(|(sequence, back, delays)| {
        let report = report(&manifest, sequence, slot_before(now, back), delays);
        body(&[&manifest], &[report], now)
    });
    let deliver = |body: &[u8]| {
        let answer = collector.deliver(body).expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    let count = "histogram_count(azimuth_round_trip_delay_seconds{zone=\"aws/eu-west-3/az0\"})";

    deliver(&bodies[0]);
    assert_eq!(prometheus.wait_for(count, |count| count > 0.0), 2_000.0);
    assert_is_the_truth(&prometheus, &first);
    // A replay is a duplicate and changes nothing; what comes after it shows that it was seen.
    deliver(&bodies[0]);
    deliver(&bodies[1]);
    assert_eq!(prometheus.wait_for(count, |count| count > 2_000.0), 3_000.0);
    assert_is_the_truth(&prometheus, &[&first[..], &second].concat());
    for (name, expected) in [("sent", 3_002.0), ("returned", 3_000.0), ("lost", 2.0)] {
        let query = format!("azimuth_probes_{name}_total{{zone=\"aws/eu-west-3/az1\"}}");
        assert_eq!(prometheus.value(&query), Some(expected), "{name}");
    }
    let info = prometheus.query("azimuth_agent_info");
    assert_eq!(
        (&info[0].0["city"], &info[0].0["asn"]),
        (&"Paris".into(), &"12322".into())
    );
    the_queries_of_the_manual_answer(&prometheus);
    the_queries_of_the_dashboards_answer(&prometheus);
    the_links_of_the_dashboards_lead_to_what_they_name(&prometheus, &collector);
}

/// A query as Grafana asks it with everything chosen.
fn with_everything(query: &str) -> String {
    let query = query
        .replace("$__rate_interval", "1m")
        .replace("=\"$agent\"", "=~\".+\"")
        .replace("$agent", ".*")
        .replace("$zone", ".*")
        .replace("$method", "stamp")
        .replace("$quantile", "0.9");
    assert!(!query.contains('$'), "{query}");
    query
}

/// Each panel's links, filled in with the labels of what its first query answers: a page of the collector, about an agent and a
/// zone that the collector knows by these names. That the page reads the rest of the address is held beside the dashboards.
fn the_links_of_the_dashboards_lead_to_what_they_name(prometheus: &Prometheus, collector: &Collector) {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../dashboards/grafana/generated");
    let known = |path: &str| collector.get(path).json().to_string();
    let (agents, zones) = (known("/api/v1/agents"), known("/api/v1/zones"));
    let mut followed = 0;
    for file in std::fs::read_dir(directory).expect("dashboards") {
        let text = std::fs::read_to_string(file.expect("a file").path()).expect("readable");
        let dashboard: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        for panel in dashboard["panels"].as_array().expect("a list") {
            for link in panel["fieldConfig"]["defaults"]["links"]
                .as_array()
                .expect("a list")
            {
                let query = with_everything(panel["targets"][0]["expr"].as_str().expect("text"));
                let (labels, _) = prometheus.query(&query).swap_remove(0);
                let mut url = link["url"].as_str().expect("text").replace("${azimuth}", "");
                for (label, known) in [("agent", &agents), ("zone", &zones)] {
                    let place = format!("${{__field.labels.{label}");
                    if !url.contains(&place) {
                        continue;
                    }
                    let value = labels[label].as_str().expect("the label");
                    assert!(known.contains(value), "{value} is not in {known}");
                    let encoded: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
                    url = url
                        .replace(&format!("{place}}}"), value)
                        .replace(&format!("{place}:percentencode}}"), &encoded);
                }
                for end in ["from", "to"] {
                    let time = "2026-11-25T10:00:00.000Z";
                    url = url.replace(&format!("${{__{end}:date:iso}}"), time);
                }
                assert!(!url.contains('$'), "{url}");
                assert_eq!(collector.get(&url).status, 200, "{url}");
                followed += 1;
            }
        }
    }
    assert!(followed >= 8, "only {followed} links");
}

/// `dashboards/grafana/generated`, as Grafana would ask with everything chosen.
fn the_queries_of_the_dashboards_answer(prometheus: &Prometheus) {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../dashboards/grafana/generated");
    let mut asked = 0;
    for file in std::fs::read_dir(directory).expect("dashboards") {
        let path = file.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("readable");
        let dashboard: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let list = |value: &serde_json::Value| value.as_array().expect("a list").clone();
        let panels = list(&dashboard["panels"]);
        let queries = panels.iter().flat_map(|panel| list(&panel["targets"]));
        let mut queries: Vec<(String, Option<String>)> = queries
            .map(|target| (target["expr"].as_str().expect("text").to_owned(), None))
            .collect();
        // A variable needs a series with its label.
        for variable in list(&dashboard["templating"]["list"]) {
            let query = variable["query"].as_str().expect("text");
            if let Some((series, label)) = query
                .strip_prefix("label_values(")
                .and_then(|query| query.strip_suffix(')')?.rsplit_once(", "))
            {
                queries.push((format!("count by ({label}) ({series})"), Some(label.to_owned())));
            }
        }
        for (query, label) in queries {
            let query = with_everything(&query);
            let samples = prometheus.query(&query);
            assert!(!samples.is_empty(), "{}: nothing answers {query}", path.display());
            let finite = samples.iter().all(|(_, value)| value.is_finite());
            assert!(finite, "{query}: {samples:?}");
            for (labels, _) in &samples {
                assert!(
                    label.iter().all(|label| labels[label].is_string()),
                    "{query}: {samples:?}"
                );
            }
            asked += 1;
        }
    }
    assert!(asked > 30, "only {asked} queries");
}

fn the_queries_of_the_manual_answer(prometheus: &Prometheus) {
    let manual = include_str!("../../../docs/prometheus.md");
    let mut queries: Vec<String> = Vec::new();
    let (mut goes_on, mut fenced) = (false, false);
    for line in manual.lines() {
        fenced ^= line.starts_with("```");
        match line.strip_prefix("    ") {
            Some(line) if fenced || line.starts_with('#') => goes_on = false,
            Some(line) if goes_on => *queries.last_mut().expect("begun") += line,
            Some(line) => {
                queries.push(line.to_owned());
                goes_on = true;
            }
            None => goes_on = false,
        }
    }
    assert!(queries.len() >= 3, "{queries:?}");
    for query in queries {
        let samples = prometheus.query(&query);
        assert!(!samples.is_empty(), "nothing answers {query}");
        assert!(
            samples.iter().all(|(_, value)| value.is_finite()),
            "{query}: {samples:?}"
        );
    }
}

#[test]
fn the_linter_of_prometheus_finds_nothing_on_the_page() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let collector = Collector::start(directory.path());
    let now = clock::unix_ms();
    let manifest = manifest("paris-1", 2);
    let report = report(&manifest, 1, slot_before(now, 2), &[900, 30_000, 5_000_000]);
    collector
        .deliver(&body(&[&manifest], &[report], now))
        .expect("an answer");
    // Families with labels have samples only after something happened.
    assert_eq!(collector.get("/api/v1/map?nonsense=1").status, 400);
    collector.deliver(b"nonsense").expect("an answer");
    let answer = collector.get("/metrics");
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let page = String::from_utf8(answer.body).expect("text");

    let mut linter = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed; ci/prepare test installs it");
    linter
        .stdin
        .take()
        .expect("piped")
        .write_all(page.as_bytes())
        .expect("it reads");
    let said = linter.wait_with_output().expect("it ends");
    let complaints = [said.stdout, said.stderr].concat();
    assert!(
        said.status.success() && complaints.is_empty(),
        "{}",
        String::from_utf8_lossy(&complaints)
    );

    // What the linter does not look at: each series stands under help and type of its own family.
    let mut family = "";
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split(' ').next().expect("a name");
            assert!(help.len() > family.len() + 2, "{family} has no help");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            assert_eq!(kind.split(' ').next(), Some(family));
        } else {
            let name = line.split(['{', ' ']).next().expect("a name");
            let suffix = name.strip_prefix(family);
            assert!(
                matches!(suffix, Some("" | "_bucket" | "_sum" | "_count")),
                "{line}"
            );
        }
    }
}
