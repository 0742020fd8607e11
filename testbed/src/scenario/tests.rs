//! Tests of the scenario parser: what is refused, and that the refusal helps.

use proptest::prelude::*;

use super::*;

fn refusal(change: impl Fn(&str) -> String) -> String {
    parse(&change(SMALL), "worlds/small.toml")
        .expect_err("must be refused")
        .to_string()
}

fn line_containing(text: &str, needle: &str) -> usize {
    text.lines()
        .position(|line| line.contains(needle))
        .expect("the line is there")
        + 1
}

#[test]
fn the_built_in_worlds_are_accepted() {
    parse(SMALL, "small.toml").expect("small");
    parse(EUROPE, "europe.toml").expect("europe");
}

#[test]
fn an_unknown_key_is_refused_with_file_line_and_the_keys_there_are() {
    let message = refusal(|text| text.replace("loss_ratio = 0.01", "los_ratio = 0.01"));
    let line = line_containing(SMALL, "loss_ratio = 0.01");
    assert!(
        message.starts_with(&format!("worlds/small.toml:{line}: ")),
        "{message}"
    );
    assert!(
        message.contains("los_ratio") && message.contains("loss_ratio"),
        "{message}"
    );
}

#[test]
fn a_value_outside_its_range_is_refused_where_it_stands() {
    let message = refusal(|text| text.replace("latitude = 47.38", "latitude = 470.38"));
    let line = line_containing(SMALL, "latitude = 47.38");
    assert!(
        message.starts_with(&format!("worlds/small.toml:{line}: ")),
        "{message}"
    );
    assert!(
        message.contains("latitude = 470.38") && message.contains("degrees north"),
        "{message}"
    );
}

#[test]
fn a_name_that_does_not_exist_is_refused_with_those_that_do() {
    let message = refusal(|text| text.replacen("isp = \"Init7\"", "isp = \"Init9\"", 1));
    let line = line_containing(SMALL, "isp = \"Init7\"");
    let remedy =
        "[[vantage_point]] isp: no [[isp]] name is called \"Init9\"; write one of: Free, Init7, Orange";
    assert_eq!(message, format!("worlds/small.toml:{line}: {remedy}"));
}

#[test]
fn every_other_mistake_is_refused_too() {
    for (from, to, says) in [
        ("name = \"small\"", "name = \"Small world\"", "lower-case letters"),
        ("10.78.0.0/16", "192.0.2.0/24", "10.77.0.0/16"),
        ("fd78::/16", "2001:db8::/16", "fd77::/16"),
        ("agent = \"lyon-orange\"", "agent = \"paris-free\"", "there twice"),
        ("agent = \"lyon-orange\"", "agent = \"Lyon\"", "Lyon"),
        (
            "country = \"CH\"",
            "country = \"Switzerland\"",
            "two capital letters",
        ),
        (
            "for_s = 30",
            "for_s = 30\nrepeat_every_s = 30",
            "longer than for_s",
        ),
        ("for_s = 30", "for_s = 0", "longer than 0 s"),
        (
            "queue_bytes = 250_000",
            "queue_bytes = 100",
            "at least one packet",
        ),
        (
            "path_factor = [1.3, 1.6]",
            "path_factor = [1.6, 1.3]",
            "[lowest, highest]",
        ),
        ("waiting_time_ms = 1000", "waiting_time_ms = 1", "100 to 60000"),
        ("key = \"aws/eu-west-3/euw3-az1\"", "key = \"aws\"", "aws"),
        (
            "access = \"dsl\"",
            "access = \"carrier-pigeon\"",
            "write one of: dsl, ftth",
        ),
        ("route_change = {", "route_chnge = {", "route_change"),
        ("seed = 8", "", "seed"),
    ] {
        let message = refusal(|text| text.replacen(from, to, 1));
        assert!(message.contains(says), "{from} -> {to}: {message}");
        assert!(message.starts_with("worlds/small.toml:"), "{message}");
    }
}

proptest! {
    #[test]
    fn any_damage_is_met_without_panic(at in 0..SMALL.len(), junk in "[ -~\n]{0,8}") {
        let mut text = SMALL.to_owned();
        text.insert_str(at, &junk);
        let _ = parse(&text, "damaged.toml").map(|scenario| crate::plan::Plan::of(&scenario));
    }
}
