//! Cases that hold, cases that do not, and the four conditions through them.

use super::*;
use crate::alert::rules::read;
use proptest::prelude::*;

fn run(rules: &str, cases: &str) -> Vec<(usize, String)> {
    let rules = Arc::new(read([(Path::new("rules.toml"), rules)]).expect("valid rules"));
    let cases = read_cases(Path::new("cases.toml"), cases).expect("valid cases");
    cases.cases.iter().flat_map(|case| case.run(&rules)).collect()
}

fn series(minutes: &str, expect: &str) -> String {
    let labels = "labels = { agent = \"brest-1\", zone = \"aws/eu-west-3/euw3-az1\", country = \"FR\" }";
    format!(
        "[[case]]\nname = \"c\"\nstart = \"2026-11-23T00:00:00Z\"\n[[case.series]]\n{labels}\nminutes = \"{minutes}\"\n{expect}"
    )
}

fn expect(at: &str, alerts: &str) -> String {
    format!("[[case.expect]]\nat = \"{at}\"\nalerts = [{alerts}]\n")
}

#[test]
fn a_regression_fires_recovers_and_is_over() {
    let expected = [
        expect("120m", ""),
        expect(
            "130m",
            "{ rule = \"regression\", measure = \"p50\", state = \"firing\", provider = \"aws\" }",
        ),
        expect("190m", "{ state = \"recovering\" }"),
        expect("210m", ""),
    ];
    let cases = series("120x10~1 60x14~1 60x10~1", &expected.concat());
    assert_eq!(run("", &cases), []);
    let one_more = series("120x10~1 60x14~1", &expect("130m", ""));
    let failures = run("", &one_more);
    assert!(
        failures[0]
            .1
            .contains("one more alert: rule \"regression\", measure \"p50\""),
        "{failures:?}"
    );
    let missing = series(
        "120x10~1 60x14~1",
        &expect("130m", "{ rule = \"regression\", agent = \"paris-1\" }"),
    );
    assert_eq!(
        run("", &missing).len(),
        2,
        "the one wanted is missing and the one there is too many"
    );
}

#[test]
fn a_rules_own_floor_keeps_it_silent() {
    let cases = series("120x10~1 60x14~1", &expect("170m", ""));
    assert_eq!(
        run("[[regression]]\nname = \"coarse\"\nfloor_ms = 5\n", &cases),
        []
    );
    assert_eq!(
        run("[[regression]]\nname = \"coarse\"\nfloor_ms = 3\n", &cases).len(),
        1
    );
}

#[test]
fn a_threshold_waits_and_a_maintenance_window_silences() {
    let rules = "default_regression = false\n[[threshold]]\nname = \"slow\"\nmeasure = \"p90\"\nabove_ms = 20\nwindow = \"5m\"\nfor = \"5m\"\n";
    let expected = [
        expect("63m", "{ rule = \"slow\", state = \"pending\" }"),
        expect(
            "70m",
            "{ rule = \"slow\", measure = \"p90\", state = \"firing\" }",
        ),
    ];
    let cases = series("60x10 60x30", &expected.concat());
    assert_eq!(run(rules, &cases), []);
    let night = "[[maintenance]]\nname = \"night\"\nselect = { country = \"FR\" }\ndays = [\"mon\"]\nfrom = \"01:00\"\nuntil = \"01:30\"\n";
    let silenced = series(
        "60x10 60x30",
        &[
            expect("80m", "{ rule = \"slow\", state = \"silenced\" }"),
            expect("91m", "{ rule = \"slow\", state = \"firing\" }"),
        ]
        .concat(),
    );
    assert_eq!(run(&format!("{rules}{night}"), &silenced), []);
}

#[test]
fn too_few_probes_give_no_verdict() {
    let rules =
        "default_regression = false\n[[threshold]]\nname = \"tail\"\nmeasure = \"p99\"\nabove_ms = 20\n";
    assert_eq!(
        run(rules, &series("60x30", &expect("60m", ""))),
        [],
        "300 delays are no p99"
    );
    let enough = rules.to_owned() + "least = 300\n";
    assert_eq!(
        run(&enough, &series("60x30", &expect("60m", "{ rule = \"tail\" }"))),
        []
    );
}

#[test]
fn an_absence_is_noticed_by_the_clock_and_ends_with_the_next_sample() {
    let rules = "default_regression = false\n[[absence]]\nname = \"silent\"\nsilent_for = \"5m\"\n";
    let expected = [
        expect("64m", ""),
        expect("66m", "{ measure = \"absence\" }"),
        expect("91m", ""),
    ];
    assert_eq!(run(rules, &series("60x10 30xnone 30x10", &expected.concat())), []);
}

#[test]
fn no_data_freezes_a_regression() {
    let expected = [
        expect("130m", "{ state = \"firing\" }"),
        expect("20h", "{ state = \"firing\" }"),
    ];
    assert_eq!(
        run("", &series("120x10~1 10x14~1 1200xnone", &expected.concat())),
        []
    );
}

#[test]
fn an_objective_burns_and_a_spike_of_three_minutes_does_not() {
    let rules = "default_regression = false\n[[objective]]\nname = \"ten\"\nmeasure = \"p95\"\nunder_ms = 10\ntarget_percent = 99.9\n";
    assert_eq!(run(rules, &series("600x8 3x12 60x8", &expect("11h", ""))), []);
    let long = series(
        "600x8 6x12 60x8",
        &[expect("606m", "{ rule = \"ten\", measure = \"p95\" }")].concat(),
    );
    assert_eq!(run(rules, &long), []);
    let lost = series("600x8 6xlost", &expect("606m", "{ rule = \"ten\" }"));
    assert_eq!(run(rules, &lost), [], "a minute without an answer is not good");
}

#[test]
fn loss_alerts_by_regression_and_by_threshold() {
    let rules = "[[threshold]]\nname = \"lossy\"\nmeasure = \"loss\"\nabove_percent = 3\n";
    let cases = series(
        "120x10~1 30x10~1!20",
        &expect(
            "150m",
            "{ rule = \"lossy\", measure = \"loss\" }, { rule = \"regression\", measure = \"loss\" }",
        ),
    );
    assert_eq!(run(rules, &cases), []);
}

#[test]
fn a_drop_of_throughput_fires_recovers_and_is_over_and_a_lower_bound_is_none() {
    let tested =
        |tests: &str, expected: &[String]| series("2400x10~1", &format!("{tests}{}", expected.concat()));
    let expected = [
        expect("26h", ""),
        expect(
            "1630m",
            "{ rule = \"regression\", measure = \"download\", state = \"firing\", agent = \"brest-1\" }",
        ),
        expect("1925m", "{ measure = \"download\", state = \"recovering\" }"),
        expect("33h", ""),
    ];
    let drop = "download = \"24x200 6x100 8x200\"\nupload = \"24x50 6x48 8x50\"\n";
    assert_eq!(run("", &tested(drop, &expected)), []);
    let coarse = "[[regression]]\nname = \"coarse\"\nfloor_throughput_percent = 60\n";
    assert_eq!(run(coarse, &tested(drop, &[expect("33h", "")])), []);
    let bound = "download = \"24x200 6x>100 8x200\"\n";
    assert_eq!(run("", &tested(bound, &[expect("30h", "")])), []);
    let up = "upload = \"24x200 6x100\"\ntest_every = \"20m\"\n";
    let told = [expect("9h", "{ measure = \"upload\", state = \"firing\" }")];
    assert_eq!(run("", &tested(up, &told)), []);
}

#[test]
fn unreachability_is_a_loss_of_everything_and_is_over_when_it_answers_again() {
    let expected = [
        expect("123m", ""),
        expect(
            "126m",
            "{ rule = \"regression\", measure = \"loss\", state = \"firing\" }",
        ),
        expect("160m", "{ measure = \"loss\", state = \"recovering\" }"),
        expect("4h", ""),
    ];
    assert_eq!(
        run("", &series("120x10~1 30xlost 120x10~1", &expected.concat())),
        []
    );
    assert_eq!(
        run("", &series("120x10~1 3xlost 120x10~1", &expect("126m", ""))),
        [],
        "three minutes are a spike"
    );
}

#[test]
fn delay_variation_and_the_tail_are_told_though_the_median_stands() {
    // From 9 to 11 ms, then from 4 to 16: the median stands.
    let wide = [
        expect("12h", ""),
        expect(
            "780m",
            "{ rule = \"regression\", measure = \"spread\", state = \"firing\" }, { rule = \"regression\", measure = \"p98\", state = \"firing\" }",
        ),
        expect("17h", ""),
    ];
    let cases = series("720x10~1 60x10~6.5 300x10~1", &wide.concat());
    assert_eq!(run("", &cases), []);
    let only_median = "[[regression]]\nname = \"median\"\nstatistics = [\"p50\"]\n";
    assert_eq!(
        run(only_median, &series("720x10~1 60x10~6.5", &expect("13h", ""))),
        []
    );
}

#[test]
fn mistakes_in_cases_are_named() {
    let error = |text: &str| {
        let mistakes = read_cases(Path::new("cases.toml"), text).expect_err(text);
        mistakes
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    for (text, says) in [
        (String::new(), "cases.toml:1: case: there is none"),
        (
            series("ten", &expect("1h", "")),
            "cases.toml:6: minutes: \"ten\" is not COUNTxDELAY",
        ),
        (series("0x10", &expect("1h", "")), "a series has 1 to"),
        (series("9999999x10", &expect("1h", "")), "a series has 1 to"),
        (series("10x-1", &expect("1h", "")), "is not COUNTxDELAY"),
        (series("10x10", &expect("soon", "")), "at: \"soon\" is not a span"),
        (
            series("10x10", &expect("1h", "{ city_name = \"x\" }")),
            "nothing an alert has",
        ),
        (
            series("10x10", &format!("download = \"5xfast\"\n{}", expect("1h", ""))),
            "cases.toml:7: download: \"5xfast\" is not COUNTxMBPS",
        ),
        (
            series("10x10", &format!("test_every = \"5s\"\n{}", expect("1h", ""))),
            "cases.toml:7: test_every: \"5s\" is not a span",
        ),
        (series("10x10", "expect = []\n"), "expect: invalid type"),
    ] {
        let found = error(&text);
        assert!(
            found.contains(says) || says.starts_with("expect"),
            "{says:?} is not in {found}"
        );
    }
}

proptest! {
    #[test]
    fn no_pattern_panics(text in "[0-9x~!. a-z-]{0,30}") {
        let _ = pattern(&text);
    }
}
