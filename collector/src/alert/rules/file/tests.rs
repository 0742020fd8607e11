//! Rule files as people write them, right and wrong.

use proptest::prelude::*;

use super::*;

fn read_one(text: &str) -> Result<RuleSet, String> {
    read([(Path::new("alerts.toml"), text)]).map_err(|mistakes| {
        let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })
}

const WHOLE: &str = r#"
[[regression]]
name = "paris"
select = { city = "Paris", provider = ["aws", "gcp"] }
except = { method = "icmp_echo" }
statistics = ["p50", "loss"]
floor_ms = 3
floor_percent = 5.5
floor_loss_percent = 4
floor_throughput_percent = 40
severity = "critical"
route = "on-call"
for = "10m"
keep_firing_for = "1h"

[[threshold]]
name = "slow"
measure = "p99"
above_ms = 25.5
window = "10m"

[[absence]]
name = "silent"
silent_for = "5m"

[[objective]]
name = "ten-ms"
measure = "p95"
under_ms = 10
target_percent = 99.9

[[maintenance]]
name = "night"
select = { provider = "aws" }
rules = ["slow", "regression"]
days = ["sat", "sun"]
from = "23:00"
until = "04:30"

[[maintenance]]
name = "move"
from = "2026-12-01T20:00:00Z"
until = "2026-12-02T02:00:00+01:00"
"#;

#[test]
fn a_whole_file_is_read_and_the_default_rule_comes_last() {
    let set = read_one(WHOLE).expect("valid");
    let names: Vec<&str> = set.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["paris", "slow", "silent", "ten-ms", "regression"]);
    let paris = &set.rules[0];
    assert_eq!(
        (paris.severity, paris.route.as_str()),
        (Severity::Critical, "on-call")
    );
    assert_eq!((paris.pending_ms, paris.keep_firing_ms), (600_000, 3_600_000));
    let Condition::Regression { settings, statistics } = &paris.condition else {
        panic!("a regression")
    };
    assert_eq!(statistics.as_slice(), [Statistic::Median, Statistic::Loss]);
    assert_eq!(settings.median.floor.at(10_000.0), 3_000.0);
    assert_eq!(settings.median.floor.at(100_000.0), 5_500.0);
    assert_eq!(
        settings.tail.floor,
        Settings::default().tail.floor,
        "a wider floor stays"
    );
    assert_eq!(settings.loss.rise, 0.04);
    assert_eq!(settings.rates.drop, 0.4);
    assert_eq!(
        set.maintenance[0].when,
        When::Weekly {
            days: [false, false, false, false, false, true, true],
            from_minute: 23 * 60,
            until_minute: 4 * 60 + 30,
        }
    );
    assert_eq!(set.rules[4], Rule::default_regression());
}

#[test]
fn no_file_is_the_default_rule_and_it_can_be_turned_off() {
    assert_eq!(read([]), Ok(RuleSet::default()));
    assert_eq!(read_one("default_regression = false").expect("valid").rules, []);
}

#[test]
fn mistakes_name_file_line_key_and_remedy_all_at_once() {
    let cases = [
        (
            "[[threshold]]\nname = \"a\"\nmeasure = \"p50\"\n",
            "alerts.toml:2: above: 0 limits; write exactly one of above_ms and below_ms",
        ),
        (
            "[[threshold]]\nname = \"a\"\nmeasure = \"loss\"\nabove_ms = 3\n",
            "alerts.toml:4: above_ms: loss has another unit; write above_percent",
        ),
        (
            "[[threshold]]\nname = \"a\"\nmeasure = \"median\"\nabove_ms = 3\n",
            "alerts.toml:3: measure: \"median\" cannot be watched; use a percentile such as p50",
        ),
        (
            "[[threshold]]\nname = \"a\"\nmeasure = \"loss\"\nabove_percent = 101\n",
            "alerts.toml:4: above_percent: 101 is out of range",
        ),
        (
            "[[threshold]]\nname = \"a\"\nmeasure = \"p50\"\nabove_ms = nan\n",
            "alerts.toml:4: above_ms: NaN is out of range",
        ),
        (
            "[[threshold]]\nname = \"a\"\nmeasure = \"p50\"\nabove_ms = 1\nwindow = \"2h\"\n",
            "alerts.toml:5: window: \"2h\" is not a span of time from 60s to 1h",
        ),
        (
            "[[absence]]\nname = \"A b\"\nsilent_for = \"1s\"\n",
            "alerts.toml:2: name: \"A b\" is not a name",
        ),
        (
            "[[absence]]\nname = \"A b\"\nsilent_for = \"1s\"\n",
            "alerts.toml:3: silent_for: \"1s\" is not a span",
        ),
        (
            "[[absence]]\nname = \"a\"\nsilent = \"5m\"\n",
            "alerts.toml:3: silent: unknown field `silent`",
        ),
        ("[[absence]]\nname = \"a\"\n", "missing field `silent_for`"),
        (
            "[[absence]]\nname = 7\nsilent_for = \"5m\"\n",
            "alerts.toml:2: name: invalid type",
        ),
        (
            "[[absence]]\nname = \"a\"\nsilent_for = \"5m\"\n[[absence]]\nname = \"a\"\nsilent_for = \"9m\"\n",
            "alerts.toml:4: name: \"a\" names a rule already (alerts.toml:1)",
        ),
        (
            "[[absence]]\nname = \"a\"\nsilent_for = \"5m\"\nselect = { isp = \"x\" }\n",
            "alerts.toml:4: select.isp: \"isp\" is not a label; use one of: agent, city",
        ),
        (
            "[[absence]]\nname = \"a\"\nsilent_for = \"5m\"\nselect = { zone = \"eu-west-2\" }\n",
            "select.zone: \"eu-west-2\" is not a zone; write provider/region/zone",
        ),
        (
            "[[absence]]\nname = \"a\"\nsilent_for = \"5m\"\nselect = { load = \"self_load\" }\n",
            "select.load: what was measured under our own load never alerts",
        ),
        (
            "[[absence]]\nname = \"a\"\nsilent_for = \"5m\"\nselect = { city = [] }\n",
            "select.city: an empty list selects nothing",
        ),
        (
            "[[absence]]\nname = \"a\"\nsilent_for = \"5m\"\nselect = { city = 7 }\n",
            "text or a list of texts",
        ),
        (
            "[[absence]]\nname = \"a\"\nsilent_for = \"5m\"\nseverity = \"page\"\n",
            "severity: \"page\" is not a severity; use info, warning or critical",
        ),
        (
            "[[regression]]\nname = \"a\"\nstatistics = [\"p50\", \"p99\"]\n",
            "alerts.toml:3: statistics: \"p99\" is not watched for regressions; use p50, p98, spread, loss, download, upload",
        ),
        (
            "[[objective]]\nname = \"a\"\nmeasure = \"p95\"\ntarget_percent = 99.9\n",
            "alerts.toml:2: under_ms: missing",
        ),
        (
            "[[objective]]\nname = \"a\"\nmeasure = \"p95\"\nunder_ms = 10\ntarget_percent = 100\n",
            "target_percent: 100 is out of range",
        ),
        (
            "[[maintenance]]\nname = \"a\"\nfrom = \"22:00\"\nuntil = \"23:00\"\n",
            "from: \"22:00\" is not an instant; write for example \"2026-11-23T10:00:00Z\", or add `days`",
        ),
        (
            "[[maintenance]]\nname = \"a\"\nfrom = \"now-1h\"\nuntil = \"now\"\n",
            "from: \"now-1h\" is not an instant",
        ),
        (
            "[[maintenance]]\nname = \"a\"\nfrom = \"2026-11-23T10:00:00Z\"\nuntil = \"2026-11-23T10:00:00Z\"\n",
            "until: is not after `from`",
        ),
        (
            "[[maintenance]]\nname = \"a\"\nfrom = \"24:00\"\nuntil = \"1:00\"\ndays = [\"monday\"]\n",
            "days: \"monday\" is not a day; use mon, tue",
        ),
        (
            "[[maintenance]]\nname = \"a\"\nfrom = \"24:00\"\nuntil = \"01:00\"\ndays = [\"mon\"]\n",
            "from: \"24:00\" is not a time of day",
        ),
        (
            "[[maintenance]]\nname = \"a\"\nfrom = \"22:00\"\nuntil = \"01:00\"\ndays = [\"mon\"]\nrules = [\"b\"]\n",
            "alerts.toml:6: rules: there is no rule \"b\"",
        ),
        ("default_regression = \n", "alerts.toml:1: default_regression: "),
        ("[[regressions]]\nname = \"a\"\n", "unknown field `regressions`"),
    ];
    for (text, says) in cases {
        let error = read_one(text).expect_err(text);
        assert!(error.contains(says), "{says:?} is not in:\n{error}");
    }
    let both = read_one("[[absence]]\nname = \"A b\"\nsilent_for = \"1s\"\n").expect_err("two mistakes");
    assert_eq!(both.lines().count(), 2, "{both}");
}

#[test]
fn the_same_name_in_two_files_names_both() {
    let text = "[[absence]]\nname = \"a\"\nsilent_for = \"5m\"\n";
    let mistakes = read([(Path::new("one.toml"), text), (Path::new("two.toml"), text)]).expect_err("twice");
    assert_eq!(mistakes.len(), 1);
    let says = mistakes[0].to_string();
    assert!(
        says.starts_with("two.toml:1: name") && says.contains("one.toml:1"),
        "{says}"
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "(\\[\\[(regression|threshold|absence|objective|maintenance)\\]\\]\n|[a-z_]{1,12} = |\"[ -~é]{0,12}\"|[0-9.e+-]{1,9}|\\{|\\}|\\[|\\]|,|\n|=){0,60}") {
        let _ = read_one(&text);
    }

    #[test]
    fn no_change_of_one_place_makes_the_reader_panic(at in 0..WHOLE.len(), with in "[ -~\\n\\PC]{0,4}") {
        let mut text = WHOLE.to_owned();
        if text.is_char_boundary(at) && text.is_char_boundary(at + 1) {
            text.replace_range(at..at + 1, &with);
        }
        let _ = read_one(&text);
    }
}
