//! Incidents of a made-up fleet of 8 agents and 6 zones, minute by minute: what is told, in which order, and that neither a
//! restart nor a gap changes it.

use proptest::prelude::*;

use super::*;
use crate::alert::book::Silence;
use crate::alert::lifecycle::Notice;
use crate::alert::rules::Selector;
use crate::alert::rules::measure::Unit;
use crate::alert::rules::watch::{Evidence, Verdict};
use crate::alert::settings::MINUTE_MS;
use crate::query::Label;

const AGENTS: u32 = 8;
const ZONES: u32 = 6;
const BASE_US: f64 = 30_000.0;
const WIDTH_US: f64 = 700.0;

struct Fleet {
    labels: Vec<SeriesLabels>,
    rule: Rule,
    book: Book,
    told: Vec<Told>,
    latest: BTreeMap<(u32, Kind), Weak>,
    sick: BTreeMap<String, Sickness>,
    minute: u64,
}

fn series(agent: u32, zone: u32) -> u32 {
    agent * ZONES + zone
}

impl Fleet {
    fn new() -> Self {
        let labels = (0..AGENTS * ZONES).map(|number| {
            let (agent, zone) = (number / ZONES, number % ZONES);
            SeriesLabels::new("t")
                .with(Label::Agent, format!("a{agent}"))
                .with(Label::Network, format!("AS{}", agent % 4))
                .with(Label::Zone, format!("p/r{}/z{zone}", zone / 2))
                .with(Label::Region, format!("p/r{}", zone / 2))
        });
        Self {
            labels: labels.collect(),
            rule: Rule::default_regression(),
            book: Book::default(),
            told: Vec::new(),
            latest: BTreeMap::new(),
            sick: BTreeMap::new(),
            minute: 1_000,
        }
    }

    /// A minute in which the series that `is_up` chooses are six widths up, and those that `is_mute` chooses say nothing.
    fn minute(&mut self, is_up: impl Fn(u32, u32) -> bool, is_mute: impl Fn(u32) -> bool) {
        self.minute += 1;
        let at_unix_ms = self.minute * MINUTE_MS;
        for agent in 0..AGENTS {
            for zone in 0..ZONES {
                let number = series(agent, zone);
                let ripple = f64::from((agent * 7 + zone * 3) % 5) * 0.2 - 0.4;
                let score = ripple + if is_up(agent, zone) { 6.0 } else { 0.0 };
                let weak = Weak {
                    end_unix_ms: at_unix_ms,
                    fresh_ms: MINUTE_MS,
                    level: BASE_US + score * WIDTH_US,
                    base: BASE_US,
                    width: WIDTH_US,
                    began_unix_ms: is_up(agent, zone).then_some(at_unix_ms - 4 * MINUTE_MS),
                };
                if !is_mute(number) {
                    self.latest.insert((number, Kind::Delay), weak);
                }
            }
        }
        self.latest.retain(|_, weak| weak.end_unix_ms == at_unix_ms);
        let (labels, rule) = (&self.labels, &self.rule);
        let watched = |number: u32| Some((labels.get(number as usize)?, rule));
        let seen = Seen {
            at_unix_ms,
            latest: &self.latest,
            sick: &self.sick,
            watched: &watched,
        };
        self.book.pool(&seen, &mut self.told);
    }

    /// The detector's word about a series: it regressed so many minutes ago, or recovered.
    fn says(&mut self, number: u32, since_minute: Option<u64>) {
        let at_unix_ms = self.minute * MINUTE_MS;
        let signal = match since_minute {
            Some(since) => Signal::Holds(Evidence {
                since_unix_ms: since * MINUTE_MS,
                value: 34.0,
                against: 30.0,
                unit: Unit::Ms,
            }),
            None => Signal::Gone(Ending::Recovered),
        };
        let verdict = Verdict {
            key: alert_of(number),
            at_unix_ms,
            signal,
        };
        let labels = self.labels[number as usize].clone();
        self.book.take(verdict, &labels, at_unix_ms, &mut self.told);
    }

    /// As if the collector had been killed and started again: all that is left is what was written.
    fn restart(&mut self, stored: &mut BTreeMap<AlertKey, String>) {
        for (key, entry) in self.book.take_changed() {
            match entry {
                Some(entry) => stored.insert(key, serde_json::to_string(&entry).expect("plain data")),
                None => stored.remove(&key),
            };
        }
        let entries = stored.iter().map(|(key, entry)| {
            let entry: Entry = serde_json::from_str(entry).expect("what was written");
            (key.clone(), entry)
        });
        let silences: Vec<Silence> = self.book.silences().cloned().collect();
        self.book = Book::new(std::sync::Arc::default(), entries, silences);
    }

    fn words(&self) -> Vec<String> {
        let word = |told: &Told| {
            let notice = match told.notice {
                Notice::Fired { .. } => "fired",
                Notice::Resolved { .. } => "resolved",
            };
            format!("{} {} {notice}", told.key.rule, told.key.series)
        };
        self.told.iter().map(word).collect()
    }

    fn the_incident(&self) -> (&Entry, &Incident) {
        let mut all = self
            .book
            .incidents()
            .map(|(_, entry, incident)| (entry, incident));
        let one = all.next().expect("one incident");
        assert!(all.next().is_none(), "more than one");
        one
    }
}

fn alert_of(number: u32) -> AlertKey {
    AlertKey {
        rule: "regression".to_owned(),
        series: number,
        measure: "p50".to_owned(),
    }
}

fn nobody(_: u32) -> bool {
    false
}

const ZONE: u32 = 2;

fn in_zone(_: u32, zone: u32) -> bool {
    zone == ZONE
}

fn calm(_: u32, _: u32) -> bool {
    false
}

#[test]
fn a_zone_is_one_notice_with_its_members_inside_and_one_end_after_theirs() {
    let mut fleet = Fleet::new();
    let early = series(0, ZONE);
    let since = fleet.minute + 1;
    fleet.says(early, Some(since));
    for minute in 0..20 {
        fleet.minute(in_zone, nobody);
        if minute == 8 {
            (1..AGENTS).for_each(|agent| fleet.says(series(agent, ZONE), Some(since)));
        }
    }
    assert_eq!(
        fleet.words(),
        [format!("regression {early} fired"), "incident 1 fired".to_owned()]
    );
    let (entry, incident) = fleet.the_incident();
    assert_eq!(
        (incident.label, incident.value.as_str()),
        (Label::Zone, "p/r1/z2")
    );
    assert_eq!(incident.members.len() as u32, AGENTS);
    let evidence = entry.alert.evidence.expect("evidence");
    assert!(
        (evidence.value - evidence.against - 4.2).abs() < 0.5,
        "{evidence:?}"
    );
    let parents = fleet
        .book
        .alerts()
        .filter(|(_, entry)| entry.parent == Some(1) && entry.alert.suppressed);
    assert_eq!(parents.count() as u32, AGENTS);

    for minute in 0..120 {
        fleet.minute(calm, nobody);
        if minute >= 12 {
            (0..AGENTS).for_each(|agent| fleet.says(series(agent, ZONE), None));
        }
    }
    assert_eq!(
        fleet.words()[2..],
        [
            format!("regression {early} resolved"),
            "incident 1 resolved".to_owned()
        ]
    );
}

#[test]
fn one_minute_of_suspicion_is_nothing() {
    let mut fleet = Fleet::new();
    fleet.minute(in_zone, nobody);
    (0..5).for_each(|_| fleet.minute(calm, nobody));
    assert_eq!(fleet.words(), [""; 0]);
    fleet.book.passed(fleet.minute * MINUTE_MS, &mut fleet.told);
    assert_eq!(fleet.book.incidents().count(), 0);
}

#[test]
fn a_member_that_stays_bad_after_the_end_stands_for_itself() {
    let mut fleet = Fleet::new();
    let stays = series(3, ZONE);
    (0..5).for_each(|_| fleet.minute(in_zone, nobody));
    let since = fleet.minute - 4;
    for _ in 0..90 {
        fleet.minute(calm, nobody);
        fleet.says(stays, Some(since));
    }
    assert_eq!(
        fleet.words(),
        [
            "incident 1 fired".to_owned(),
            "incident 1 resolved".to_owned(),
            format!("regression {stays} fired")
        ]
    );
}

#[test]
fn a_day_makes_a_new_baseline_which_is_not_blamed_again_and_its_members_end_silently() {
    let mut fleet = Fleet::new();
    let since = fleet.minute;
    for minute in 0..26 * 60 {
        fleet.minute(in_zone, nobody);
        if (10..25 * 60).contains(&minute) {
            fleet.says(series(1, ZONE), Some(since));
        }
    }
    fleet.says(series(1, ZONE), None);
    assert_eq!(fleet.words(), ["incident 1 fired", "incident 1 resolved"]);
    let (entry, _) = fleet.the_incident();
    assert!(
        matches!(
            entry.alert.phase,
            Phase::Resolved {
                ending: Ending::NewBaseline,
                ..
            }
        ),
        "{:?}",
        entry.alert.phase
    );
}

#[test]
fn no_data_neither_begins_nor_ends_an_incident() {
    let mut fleet = Fleet::new();
    (0..5).for_each(|_| fleet.minute(in_zone, nobody));
    (0..120).for_each(|_| fleet.minute(calm, |_| true));
    assert_eq!(fleet.words(), ["incident 1 fired"]);
    (0..20).for_each(|_| fleet.minute(calm, nobody));
    assert_eq!(fleet.words(), ["incident 1 fired", "incident 1 resolved"]);
}

#[test]
fn a_wider_spread_takes_series_in_without_another_notice() {
    let mut fleet = Fleet::new();
    (0..5).for_each(|_| fleet.minute(|agent, zone| agent < 4 && zone == ZONE, nobody));
    assert_eq!(fleet.the_incident().1.members.len(), 4);
    (0..5).for_each(|_| fleet.minute(in_zone, nobody));
    assert_eq!(fleet.words(), ["incident 1 fired"]);
    assert_eq!(fleet.the_incident().1.members.len() as u32, AGENTS);
}

#[test]
fn what_is_silenced_as_a_whole_is_told_when_the_silence_ends() {
    let mut fleet = Fleet::new();
    let silence = Silence {
        id: 1,
        select: Selector::default().with(Label::Region, vec!["p/r1".to_owned()]),
        rule: Some("regression".to_owned()),
        from_unix_ms: 0,
        until_unix_ms: (fleet.minute + 10) * MINUTE_MS,
        by: "anna".to_owned(),
        comment: String::new(),
    };
    fleet
        .book
        .silence(silence, fleet.minute * MINUTE_MS, &mut fleet.told);
    for minute in 1..15 {
        fleet.minute(in_zone, nobody);
        fleet.book.passed(fleet.minute * MINUTE_MS, &mut fleet.told);
        assert_eq!(fleet.told.len(), usize::from(minute >= 10), "minute {minute}");
    }
    assert_eq!(fleet.words(), ["incident 1 fired"]);
}

#[test]
fn a_sick_agent_is_named_and_has_no_vote() {
    let mut fleet = Fleet::new();
    fleet.sick.insert("a0".to_owned(), Sickness::Cpu);
    (0..5).for_each(|_| fleet.minute(|agent, _| agent == 0, nobody));
    let (_, incident) = fleet.the_incident();
    assert_eq!(
        (incident.label, incident.value.as_str(), incident.sickness),
        (Label::Agent, "a0", Some(Sickness::Cpu))
    );
    assert_eq!(incident.vetoed, fleet.sick);
    assert_eq!(fleet.words(), ["incident 1 fired"]);
}

#[test]
fn an_alert_stored_before_incidents_were_is_read() {
    let old = r#"{"labels":{"values":{},"network_name":null,"target":"t"},"alert":{"phase":"inactive","episode":3,"told":true,"evidence":null,"acknowledged":null,"silenced":false,"suppressed":false,"last_unix_ms":5}}"#;
    let entry: Entry = serde_json::from_str(old).expect("readable");
    assert_eq!(
        (entry.parent, entry.incident, entry.alert.episode),
        (None, None, 3)
    );
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Which zone is up, if any, and whether nothing is heard.
    Minutes(u8, Option<u32>, bool),
    Says(u32, bool),
    Silence(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let zone = prop_oneof![3 => (0..ZONES).prop_map(Some), 2 => Just(None)];
    let step = prop_oneof![
        6 => (1_u8..25, zone, prop::bool::weighted(0.1)).prop_map(|(count, zone, mute)| Step::Minutes(count, zone, mute)),
        4 => (0..AGENTS * ZONES, any::<bool>()).prop_map(|(number, holds)| Step::Says(number, holds)),
        1 => any::<bool>().prop_map(Step::Silence),
    ];
    prop::collection::vec(step, 1..30)
}

fn run(steps: &[Step], restarting: bool) -> Fleet {
    let mut fleet = Fleet::new();
    let mut stored = BTreeMap::new();
    for step in steps {
        match *step {
            Step::Minutes(count, zone, mute) => {
                for _ in 0..count {
                    fleet.minute(|_, of| Some(of) == zone, |_| mute);
                    fleet.book.passed(fleet.minute * MINUTE_MS, &mut fleet.told);
                    if restarting {
                        fleet.restart(&mut stored);
                    }
                }
            }
            Step::Says(number, holds) => {
                let since = fleet.minute - 3;
                fleet.says(number, holds.then_some(since));
            }
            Step::Silence(on) => {
                let silence = Silence {
                    id: 1,
                    select: Selector::default(),
                    rule: None,
                    from_unix_ms: 0,
                    until_unix_ms: if on { u64::MAX } else { 0 },
                    by: String::new(),
                    comment: String::new(),
                };
                fleet
                    .book
                    .silence(silence, fleet.minute * MINUTE_MS, &mut fleet.told);
            }
        }
        if restarting {
            fleet.restart(&mut stored);
        }
    }
    fleet
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_page_is_lost_or_repeated_and_kills_between_any_two_steps_change_nothing(steps in steps()) {
        let straight = run(&steps, false);
        let killed = run(&steps, true);
        prop_assert_eq!(&straight.told, &killed.told);
        let mut said: BTreeMap<(AlertKey, u64), Vec<bool>> = BTreeMap::new();
        for told in &straight.told {
            let (episode, over) = match told.notice {
                Notice::Fired { episode } => (episode, false),
                Notice::Resolved { episode } => (episode, true),
            };
            said.entry((told.key.clone(), episode)).or_default().push(over);
        }
        for ((key, episode), said) in &said {
            prop_assert!(matches!(said[..], [false] | [false, true]), "{key:?} {episode}: {said:?}");
        }
        for (key, entry) in straight.book.alerts() {
            let alert = &entry.alert;
            let hushed = alert.silenced || alert.suppressed;
            let told = said.contains_key(&(key.clone(), alert.episode));
            if matches!(alert.phase, Phase::Firing { .. }) && !hushed {
                prop_assert!(told, "{key:?} fires and nobody knows");
            }
            if alert.suppressed && alert.phase.is_open() {
                let parent = straight.book.incidents().find(|(key, ..)| Some(key.series) == entry.parent);
                prop_assert!(parent.is_some(), "{key:?} is suppressed by nothing");
            }
        }
    }
}
