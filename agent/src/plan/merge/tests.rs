//! What a plan adds to a configuration, and what of it is refused and why.

use super::*;
use crate::plan::fixtures::{own, probe, target};
use crate::policy::Policy;

fn plan(targets: Vec<PlanTarget>) -> Plan {
    Plan {
        version: 1,
        agent: "paris-1".to_owned(),
        stopped: false,
        targets,
    }
}

fn one(host: &str, method: &str, port: u16, period_ms: u32) -> Plan {
    plan(vec![target("t", host, vec![probe(method, port, period_ms)])])
}

#[test]
fn a_plan_adds_to_what_the_host_is_configured_to_and_changes_none_of_it() {
    let own = own();
    let given = plan(vec![
        target(
            "one",
            "ec2.eu-west-3.amazonaws.com",
            vec![
                probe("tcp_connect", 443, 30_000),
                probe("https_first_byte", 443, 30_000),
            ],
        ),
        target(
            "two",
            "1.1.1.1",
            vec![probe("icmp_echo", 0, 1_000), probe("stamp", 862, 1_000)],
        ),
    ]);
    let merged = merge(&own, Some(&given));
    assert_eq!((merged.planned, merged.refused.len()), (2, 0));
    assert_eq!(
        merged.config.targets[0], own.targets[0],
        "with its 50 ms, and on loopback"
    );
    assert_eq!(
        merged.config.targets[1].host.as_deref(),
        Some("ec2.eu-west-3.amazonaws.com")
    );
    assert!(merged.config.targets[1].probes[1].request.is_some());
    assert_eq!(merged.config.manifest().check(), Ok(()));
    let (before, after) = (own.series_plans(), merged.config.series_plans());
    assert_eq!(after[..before.len()], before[..], "the same flows and phases");
    assert_eq!(merge(&own, None).config, own);
    let stopped = Plan {
        stopped: true,
        ..given
    };
    let merged = merge(&own, Some(&stopped));
    assert!(merged.config.targets.is_empty() && merged.config.paths.is_none());
    assert!(own.paths.is_some());
}

#[test]
fn what_a_plan_calls_public_backs_off_and_nothing_else_does() {
    let mut given = plan(vec![target(
        "t",
        "1.1.1.1",
        vec![probe("tcp_connect", 443, 30_000), probe("stamp", 862, 1_000)],
    )]);
    given.targets[0].probes[0].public = true;
    let plans = merge(&own(), Some(&given)).config.series_plans();
    let backs_off: Vec<bool> = plans.iter().map(|plan| plan.backs_off.is_some()).collect();
    assert_eq!(backs_off, [false, true, false], "the host's own, then the plan's");
    // A collector from before does not say it.
    let text = serde_json::to_string(&given).expect("plain data");
    assert_eq!(text.matches("public").count(), 1, "{text}");
    let before: Plan = serde_json::from_str(&text.replace(",\"public\":true", "")).expect("a plan");
    assert!(!before.targets[0].probes[0].public);
}

#[test]
fn each_refusal_has_its_reason() {
    let why = |given: &Plan| {
        let merged = merge(&own(), Some(given));
        assert_eq!(merged.planned, 0);
        merged.refused.iter().map(|(_, why)| *why).collect::<Vec<_>>()
    };
    use PlanRefusal as R;
    for (given, expected) in [
        (one("127.0.0.1", "stamp", 862, 1_000), R::Loopback),
        (one("169.254.169.254", "tcp_connect", 80, 30_000), R::Metadata),
        (one("::ffff:10.0.0.1", "tcp_connect", 443, 30_000), R::Transition),
        (one("2130706433", "tcp_connect", 443, 30_000), R::Name),
        (one("1.1.1.1", "tcp_connect", 22, 30_000), R::Port),
        (one("1.1.1.1", "tcp_connect", 0, 30_000), R::Malformed),
        (one("1.1.1.1", "icmp_echo", 7, 30_000), R::Malformed),
        (one("1.1.1.1", "stamp", 862, 999), R::Rate),
        (one("1.1.1.1", "stamp", 862, 4_000_000), R::Malformed),
        (one("1.1.1.1", "dns_query", 443, 30_000), R::Method),
        (one("1.1.1.1", "quantum", 443, 30_000), R::Method),
        (plan(vec![target("t", "1.1.1.1", vec![])]), R::Malformed),
        (
            plan(vec![target("", "1.1.1.1", vec![probe("stamp", 862, 1_000)])]),
            R::Malformed,
        ),
        (
            plan(vec![target("own", "1.1.1.1", vec![probe("stamp", 862, 1_000)])]),
            R::Duplicate,
        ),
    ] {
        assert_eq!(why(&given), [expected], "{given:?}");
    }
    let mut zoneless = one("1.1.1.1", "stamp", 862, 1_000);
    zoneless.targets[0].zone.clear();
    assert_eq!(why(&zoneless), [R::Malformed]);
}

#[test]
fn limits_are_of_all_targets_together_and_the_first_ones_are_taken() {
    let many = |number: usize, period_ms: u32| {
        let target = |at: usize| {
            let host = format!("1.1.{}.{}", at / 250, at % 250 + 1);
            target(&format!("t{at}"), &host, vec![probe("stamp", 862, period_ms)])
        };
        plan((0..number).map(target).collect())
    };
    let counted = |own: &Config, given: &Plan| {
        let merged = merge(own, Some(given));
        (merged.planned, merged.counts().into_iter().collect::<Vec<_>>())
    };
    assert_eq!(
        counted(&own(), &many(1_001, 30_000)),
        (1_000, vec![(PlanRefusal::TooManyTargets, 1)])
    );
    assert_eq!(
        counted(&own(), &many(600, 1_000)),
        (500, vec![(PlanRefusal::TotalRate, 100)])
    );
    let mut own = own();
    own.policy = Policy {
        enabled: false,
        ..Policy::default()
    };
    assert_eq!(
        counted(&own, &many(3, 1_000)),
        (0, vec![(PlanRefusal::Disabled, 3)])
    );
    assert!(
        merge(
            &own,
            Some(&Plan {
                stopped: true,
                ..many(3, 1_000)
            })
        )
        .config
        .targets
        .is_empty(),
        "who takes no plan stops all the same"
    );
    // One address by one method is measured once, whoever asks.
    own.policy = Policy {
        allow: vec!["127.0.0.0/8".parse().expect("a prefix")],
        ..Policy::default()
    };
    own.policy.ports.push(8_620);
    let twice = plan(vec![
        target(
            "t",
            "127.0.0.1",
            vec![probe("stamp", 8_620, 1_000), probe("tcp_connect", 443, 1_000)],
        ),
        target("u", "127.0.0.1", vec![probe("tcp_connect", 443, 2_000)]),
    ]);
    assert_eq!(counted(&own, &twice), (1, vec![(PlanRefusal::Duplicate, 2)]));
}
