//! Versions over restarts, changes and orders; tags and signatures.

use azimuth_measurement::CloudPlace;
use tempfile::TempDir;

use super::*;
use crate::clock::monotonic;
use crate::fleet::keys::verify;

const T0: u64 = 1_795_428_000_000;

const PLAN: &str =
    "[[entry]]\nname = \"a\"\nagents = \"country=FR\"\nmethod = \"tcp_connect\"\nperiod_ms = 30000\n";

fn plan(text: &str) -> Arc<PlanFile> {
    let parsed = PlanFile::parse(
        text,
        Path::new("plan.toml"),
        |_| Ok(PlanFile::default().catalogue),
    );
    Arc::new(parsed.expect("valid"))
}

fn directory() -> TempDir {
    let directory = tempfile::tempdir().expect("a scratch directory");
    std::fs::create_dir(directory.path().join("fleet")).expect("made");
    directory
}

fn open(directory: &TempDir, text: &str, now_unix_ms: u64) -> PlanDesk {
    PlanDesk::open(directory.path(), plan(text), now_unix_ms).expect("open")
}

fn labels(agent: &str, country: &str) -> Labels {
    Labels {
        agent: agent.to_owned(),
        country: country.to_owned(),
        ..Labels::default()
    }
}

fn read(given: &Given) -> Plan {
    serde_json::from_str(&given.signed.plan).expect("a plan")
}

#[test]
fn a_version_is_kept_over_restarts_and_never_goes_back() {
    let directory = directory();
    let first = open(&directory, PLAN, T0).standing();
    assert_eq!((first.version, first.stopped), (T0, false));
    assert_eq!(
        open(&directory, PLAN, T0 + 9).standing(),
        first,
        "nothing changed"
    );
    // The same by another name of a key is the same; another period is not.
    let other = PLAN.replace("30000", "60000");
    let second = open(&directory, &other, T0 + 10).standing();
    assert_eq!(second.version, T0 + 10);
    // The clock was set back meanwhile.
    let desk = open(&directory, PLAN, T0 - 5_000_000);
    assert_eq!(desk.standing().version, T0 + 11);
    let stopped = desk.set_stopped(true, T0).expect("kept");
    assert_eq!((stopped.version, stopped.stopped), (T0 + 12, true));
    drop(desk);
    let again = open(&directory, &other, T0 + 20);
    assert!(
        again.standing().stopped,
        "a new plan does not take up what was stopped"
    );
    assert!(!again.set_stopped(false, T0 + 21).expect("kept").stopped);
    assert_eq!(open(&directory, &other, T0).standing().version, T0 + 21);
}

#[test]
fn what_is_damaged_is_not_taken_for_going_on() {
    let directory = directory();
    drop(open(&directory, PLAN, T0));
    std::fs::write(directory.path().join("fleet/plan.json"), "{}").expect("written");
    let error = PlanDesk::open(directory.path(), plan(PLAN), T0)
        .err()
        .expect("damaged");
    assert!(error.to_string().contains("plan.json"), "{error}");
}

#[test]
fn each_agent_gets_its_own_plan_signed_and_tagged() {
    let directory = directory();
    let desk = open(&directory, PLAN, T0);
    let key = CollectorKey::load_or_make(&directory.path().join("collector.key")).expect("a key");
    let (paris, berlin): (AgentId, AgentId) = (
        "paris-1".parse().expect("an id"),
        "berlin-1".parse().expect("an id"),
    );
    let now = monotonic();
    assert!(desk.wants_labels(&paris, now));
    let before = desk.tag(&paris);
    desk.learn(
        [labels("paris-1", "FR"), labels("berlin-1", "DE")],
        Places::new(),
        BTreeMap::new(),
        now,
    );
    assert!(!desk.wants_labels(&paris, now));
    let stranger: AgentId = "rome-1".parse().expect("an id");
    assert!(!desk.wants_labels(&stranger, now), "not at every request");
    assert!(desk.wants_labels(&stranger, now + LABELS_KEPT_FOR_A_STRANGER));
    assert!(
        !desk.wants_labels(&stranger, now + LABELS_KEPT_FOR_A_STRANGER),
        "one reads at a time"
    );
    assert!(!desk.wants_labels(&paris, now + LABELS_KEPT_FOR_A_STRANGER));
    assert!(desk.wants_labels(&paris, now + LABELS_KEPT + LABELS_KEPT_FOR_A_STRANGER));

    let given = desk.give(&paris, &key);
    assert_eq!(given.tag, desk.tag(&paris));
    assert_ne!(given.tag, before, "where it stands is known now");
    let text = read(&given);
    assert_eq!((text.version, &*text.agent, text.stopped), (T0, "paris-1", false));
    assert!(text.targets.len() > 10 && read(&desk.give(&berlin, &key)).targets.is_empty());
    let signature = base64url::decode_exactly::<64>(&given.signed.signature).expect("a signature");
    let signed = |agent: &AgentId, text: &str| {
        verify(&key.public(), &plan_statement(agent, text.as_bytes()), &signature)
    };
    assert!(signed(&paris, &given.signed.plan));
    assert!(!signed(&berlin, &given.signed.plan), "for that agent only");
    assert!(!signed(&paris, &given.signed.plan.replace("30000", "100")));

    // Moved: another plan of the same version.
    desk.learn([labels("paris-1", "DE")], Places::new(), BTreeMap::new(), now);
    assert_ne!(desk.tag(&paris), given.tag);
    let moved = desk.tag(&paris);
    desk.set_stopped(true, T0 + 1).expect("kept");
    let stopped = read(&desk.give(&paris, &key));
    assert!(stopped.stopped && stopped.targets.is_empty());
    assert_ne!(desk.tag(&paris), moved);
}

#[test]
fn a_reflector_is_measured_where_its_host_says_that_it_stands() {
    const OWN: &str = "[[entry]]\nname = \"own\"\nagents = \"country=FR\"\nzones = \"provider=aws\"\nmethod = \"stamp\"\n\
                       period_ms = 1000\n[[reflector]]\nagent = \"far-1\"\nhost = \"11.0.0.1\"\n";
    let directory = directory();
    let desk = open(&directory, OWN, T0);
    let key = CollectorKey::load_or_make(&directory.path().join("collector.key")).expect("a key");
    let now = monotonic();
    let place = |provider: &str, region: &str, zone: &str| CloudPlace {
        provider: provider.to_owned(),
        region: region.to_owned(),
        zone: zone.to_owned(),
    };
    let paris: AgentId = "paris-1".parse().expect("an id");
    let told = |place: CloudPlace| {
        let places = [("far-1".to_owned(), place)].into();
        desk.learn(
            [labels("paris-1", "FR"), labels("far-1", "FR")],
            places,
            BTreeMap::new(),
            now,
        );
        let targets = read(&desk.give(&paris, &key)).targets;
        let where_to = |target: &azimuth_measurement::plan::PlanTarget| {
            format!(
                "{}/{}/{} {} {}",
                target.provider, target.region, target.zone, target.granularity, target.host
            )
        };
        (desk.tag(&paris), targets.iter().map(where_to).collect::<Vec<_>>())
    };
    let (nowhere, none) = told(CloudPlace::default());
    assert!(none.is_empty(), "{none:?}");
    let (there, one) = told(place("aws", "eu-west-3", "euw3-az1"));
    assert_eq!(one, ["aws/eu-west-3/euw3-az1 zone 11.0.0.1"]);
    assert_ne!(there, nowhere, "the answer to the next report names another plan");
    let (moved, one) = told(place("aws", "eu-central-1", ""));
    assert!(
        one[0].starts_with("aws/eu-central-1/") && one[0].ends_with(" region 11.0.0.1"),
        "{one:?}"
    );
    assert_ne!(moved, there);
    for elsewhere in [place("gcp", "europe-west9", ""), place("aws", "mars-1", "")] {
        let (_, none) = told(elsewhere);
        assert!(none.is_empty(), "another provider, no such region: {none:?}");
    }
    let far: AgentId = "far-1".parse().expect("an id");
    told(place("aws", "eu-west-3", "euw3-az1"));
    assert!(
        read(&desk.give(&far, &key)).targets.is_empty(),
        "nobody measures to its own host"
    );
}
