//! The cumulative pairs against small reports whose sums are known. What commits and duplicates do is tested where the
//! commits are.

use super::super::exponential::Schema;
use super::super::text;
use super::*;
use crate::store::conformance::{T0, item, manifest_of, report_of};
use crate::store::{Dictionary, Item};

/// A dictionary that grows with what is noted, as a store's does.
struct World {
    measured: Measured,
    dictionary: Dictionary,
}

impl World {
    fn new(max_pairs: usize) -> Self {
        let settings = Settings {
            max_pairs,
            schema: Schema::DEFAULT,
            delays: true,
        };
        Self {
            measured: Measured::new(settings),
            dictionary: Dictionary::default(),
        }
    }

    fn note(&mut self, manifest: &Manifest, slot: u64, delays_us: &[u32], received_at_unix_ms: u64) {
        let report = report_of(manifest, slot + 1, slot, delays_us);
        let number = self.dictionary.add_agent(&manifest.agent).expect("room");
        self.dictionary
            .add_manifest(number, manifest.id(), Arc::new(manifest.clone()), 0);
        let positions: Vec<u32> = (0..manifest.series.len() as u32).collect();
        self.dictionary.admit(
            number,
            manifest.id(),
            &positions,
            positions.len(),
            received_at_unix_ms,
        );
        let known = self.dictionary.manifest(number, manifest.id()).expect("added");
        let Item::Report(mut stored) = item(&report) else {
            panic!("a report")
        };
        stored.received_at_unix_ms = received_at_unix_ms;
        self.measured.note(&stored, &report, known);
    }

    fn page(&self) -> String {
        text::render(&self.measured.families())
    }

    fn value(&self, series: &str) -> Option<u64> {
        let page = self.page();
        let value = page
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map(|value| value.parse().expect("whole"))
    }
}

const AZ0: &str = "agent=\"a\",provider=\"aws\",region=\"aws/eu-west-3\",zone=\"aws/eu-west-3/az0\",method=\"stamp\",load=\"idle\"";

#[test]
fn a_pair_adds_up_over_intervals_targets_and_manifests() {
    let mut world = World::new(10);
    let mut manifest = manifest_of("a", 1);
    world.note(&manifest, 0, &[500, 1_500], T0);
    world.note(&manifest, 1, &[], T0);
    // A second target in the same zone is the same pair, and a new manifest continues it.
    let mut second = manifest.series[0].clone();
    second.target = "second".to_owned();
    manifest.series.push(second);
    world.note(&manifest, 2, &[700], T0);
    let value = |name: &str| world.value(&format!("{name}{{{AZ0}}}"));
    assert_eq!(value("azimuth_probes_sent_total"), Some(3 + 1 + 2 * 2));
    assert_eq!(value("azimuth_probes_returned_total"), Some(2 + 2));
    assert_eq!(value("azimuth_probes_lost_total"), Some(1 + 1 + 2));
    let delays = |suffix: &str, le: &str| {
        world.value(&format!(
            "azimuth_round_trip_delay_seconds_{suffix}{{{AZ0},clock=\"kernel\"{le}}}"
        ))
    };
    assert_eq!(delays("count", ""), Some(4));
    assert_eq!(delays("bucket", ",le=\"0.001\""), Some(3));
    assert_eq!(world.value("azimuth_metrics_pairs"), Some(1));
    assert_eq!(world.value("azimuth_agent_reports_total{agent=\"a\"}"), Some(3));
}

#[test]
fn methods_and_load_labels_stay_apart() {
    let mut world = World::new(10);
    let mut manifest = manifest_of("a", 3);
    for (series, (method, load)) in manifest.series.iter_mut().zip([
        (Method::Stamp, LoadLabel::Idle),
        (Method::Stamp, LoadLabel::SelfLoad),
        (Method::TcpConnect, LoadLabel::Idle),
    ]) {
        series.zone = ZoneKey::new("ionos", "fr/par", "fr/par").expect("valid");
        series.method = method;
        series.load = load;
    }
    world.note(&manifest, 0, &[500], T0);
    assert_eq!(world.value("azimuth_metrics_pairs"), Some(3));
    let page = world.page();
    assert!(
        page.contains("provider=\"ionos\",region=\"ionos/fr%2Fpar\",zone=\"ionos/fr%2Fpar/fr%2Fpar\""),
        "{page}"
    );
}

#[test]
fn what_finds_no_room_is_counted_until_the_idle_make_some() {
    let mut world = World::new(2);
    let (old, new) = (manifest_of("a", 2), manifest_of("b", 1));
    world.note(&old, 0, &[500], T0);
    world.note(&new, 0, &[500], T0 + 1);
    world.note(&new, 1, &[500], T0 + IDLE_MS);
    assert_eq!(world.value("azimuth_metrics_records_left_out_total"), Some(2));
    assert_eq!(world.value("azimuth_metrics_pairs"), Some(2));
    world.note(&new, 2, &[500], T0 + IDLE_MS + SWEEP_EVERY_MS);
    assert_eq!(world.value("azimuth_metrics_records_left_out_total"), Some(2));
    assert_eq!(world.value("azimuth_metrics_pairs_forgotten_total"), Some(2));
    assert_eq!(world.value("azimuth_metrics_pairs"), Some(1));
    assert_eq!(world.value("azimuth_agent_reports_total{agent=\"a\"}"), None);
    // Who comes back begins anew, in a place of its own.
    world.note(&old, 1, &[500], T0 + IDLE_MS + SWEEP_EVERY_MS + 1);
    assert_eq!(
        world.value(&format!("azimuth_probes_sent_total{{{AZ0}}}")),
        Some(2)
    );
}

#[test]
fn an_agent_shows_what_it_declared_last() {
    let mut world = World::new(10);
    let before = manifest_of("a", 1);
    let mut after = before.clone();
    after.vantage_point.city = "Lyon".to_owned();
    world.note(&after, 1, &[500], T0 + 5_000);
    world.note(&before, 0, &[500], T0 + 6_000);
    let page = world.page();
    assert!(
        page.contains("city=\"Lyon\"") && !page.contains("city=\"Paris\""),
        "{page}"
    );
    assert!(
        page.contains("azimuth_agent_last_report_timestamp_seconds{agent=\"a\"} 1795428006\n"),
        "{page}"
    );
}

#[test]
fn nothing_is_shown_when_it_is_turned_off() {
    let measured = Measured::new(Settings {
        delays: false,
        ..Settings::default()
    });
    assert!(!measured.is_kept() && measured.families().is_empty());
}
