//! When the collector is asked, what is kept, and what is not taken. Simulated time, real files.

use azimuth_measurement::enrolment::{TlsTrust, base64url, plan_statement};
use azimuth_measurement::plan::SignedPlan;
use tempfile::TempDir;

use super::*;
use crate::identity::Seed;

struct World {
    directory: TempDir,
    collector: Seed,
    identity: Identity,
}

impl World {
    fn new() -> Self {
        let collector = Seed::random().expect("random");
        let identity = Identity {
            agent: "paris-1".parse().expect("an id"),
            collector: "http://127.0.0.1:1".to_owned(),
            collector_key: collector.public().try_into().expect("32 bytes"),
            tls: TlsTrust::System,
            key: Seed::random().expect("random"),
            next_key: None,
        };
        Self {
            directory: tempfile::tempdir().expect("a scratch directory"),
            collector,
            identity,
        }
    }

    fn keeper(&self, now_ms: u64) -> Keeper {
        let file = self.directory.path().join("identity.json");
        Keeper::open(&file, &self.identity, now_ms, 0.5)
    }

    fn signed(&self, by: &Seed, version: u64, stopped: bool) -> Vec<u8> {
        let plan = format!("{{\"version\":{version},\"agent\":\"paris-1\",\"stopped\":{stopped}}}");
        let statement = plan_statement(&self.identity.agent, plan.as_bytes());
        let signature = base64url::encode(&by.sign(&statement));
        serde_json::to_vec(&SignedPlan { plan, signature }).expect("plain data")
    }
}

fn take(keeper: &Keeper, body: &[u8], tag: &str, now_ms: u64) {
    let etag = Some(format!("\"{tag}\""));
    keeper.take(Answer::Plan { body, etag }, now_ms, 0.5);
}

fn version(keeper: &Keeper) -> Option<u64> {
    keeper.plan().map(|plan| plan.version)
}

#[test]
fn it_is_asked_for_when_another_is_named_and_every_few_minutes_anyway() {
    let world = World::new();
    let keeper = world.keeper(1_000);
    assert!(
        !keeper.is_due(1_000) && keeper.is_due(6_000),
        "half of ten seconds"
    );
    take(&keeper, &world.signed(&world.collector, 7, false), "a", 6_000);
    assert_eq!(
        (version(&keeper), keeper.etag().as_deref()),
        (Some(7), Some("\"a\""))
    );
    assert!(!keeper.is_due(305_000) && keeper.is_due(306_000));
    keeper.note_named("a", 10_000);
    assert!(!keeper.is_due(10_000), "it is in use");
    keeper.note_named("b", 10_000);
    assert!(keeper.is_due(10_000));
    keeper.take(Answer::Same, 10_000, 0.0);
    assert!(
        !keeper.is_due(159_000) && keeper.is_due(160_000),
        "from half of it"
    );
    keeper.take(Answer::Failed, 160_000, 0.5);
    assert!(keeper.is_due(220_000));
}

#[test]
fn what_is_refused_changes_nothing_is_counted_and_not_asked_for_again_at_once() {
    let world = World::new();
    let keeper = world.keeper(0);
    assert_eq!(keeper.standing(), None);
    take(&keeper, &world.signed(&world.collector, 7, false), "a", 0);
    let other = Seed::random().expect("random");
    take(&keeper, &world.signed(&other, 8, true), "b", 0);
    take(&keeper, &world.signed(&world.collector, 6, true), "c", 0);
    assert_eq!(version(&keeper), Some(7));
    keeper.note_named("c", 1);
    assert!(!keeper.is_due(1), "it would be refused again");
    keeper.set_refused([(PlanRefusal::Private, 2), (PlanRefusal::Signature, 1)].into());
    let standing = keeper.standing().expect("a plan");
    assert_eq!((standing.version, standing.stopped), (7, false));
    assert_eq!(
        standing.refused,
        [
            (PlanRefusal::Private, 2),
            (PlanRefusal::Signature, 2),
            (PlanRefusal::OlderVersion, 1)
        ]
    );
}

#[test]
fn a_plan_outlives_the_process_also_one_that_stops_and_a_changed_file_is_none() {
    let world = World::new();
    take(
        &world.keeper(0),
        &world.signed(&world.collector, 7, false),
        "a",
        0,
    );
    let keeper = world.keeper(0);
    assert_eq!((version(&keeper), keeper.etag()), (Some(7), None));
    take(&keeper, &world.signed(&world.collector, 8, true), "b", 0);
    assert!(world.keeper(0).plan().is_some_and(|plan| plan.stopped));
    take(
        &world.keeper(0),
        &world.signed(&world.collector, 7, false),
        "a",
        0,
    );
    assert_eq!(
        version(&world.keeper(0)),
        Some(8),
        "not back, over a restart either"
    );
    let file = world.directory.path().join("plan.json");
    let text = fs::read_to_string(&file).expect("there").replace("true", "false");
    fs::write(&file, text).expect("written");
    assert_eq!(version(&world.keeper(0)), None, "not what the collector signed");
}

#[tokio::test]
async fn who_measures_is_told_of_another_plan_and_not_of_the_same() {
    let world = World::new();
    let keeper = world.keeper(0);
    let body = world.signed(&world.collector, 7, false);
    take(&keeper, &body, "a", 0);
    keeper.changed().await;
    take(&keeper, &body, "a2", 0);
    let told = tokio::select! {
        biased;
        () = keeper.changed() => true,
        () = std::future::ready(()) => false,
    };
    assert!(!told);
}
