//! The promises of [`super`], on made-up lives of alerts and channels.

use proptest::prelude::*;

use super::super::page::tests::page;
use super::*;

const PACE: Pace = Pace {
    group_wait_ms: 10_000,
    dead_after_ms: 300_000,
    refresh_ms: None,
    send_resolved: true,
};

fn fires(alert: &str) -> Page {
    page(alert, 1, State::Firing)
}

fn ends(alert: &str) -> Page {
    page(alert, 1, State::Resolved)
}

fn member(mut page: Page) -> Page {
    page.parent = Some("incident".to_owned());
    page
}

/// What is told now, each page as its alert and state, and delivered.
fn deliver(outbox: &mut Outbox, now_unix_ms: u64) -> Vec<String> {
    let Some(message) = outbox.next(now_unix_ms, PACE) else {
        return Vec::new();
    };
    outbox.tried(&message, &Outcome::Delivered, now_unix_ms, 0.5, PACE);
    let Message::News(pages) = message else {
        panic!("nothing is refreshed here")
    };
    let told = pages.iter();
    told.map(|page| format!("{} {}", page.alert, page.state.as_str()))
        .collect()
}

#[test]
fn what_comes_together_goes_together_and_a_page_handed_over_again_is_known() {
    let mut outbox = Outbox::default();
    assert_eq!(outbox.take(fires("a"), 0, PACE), Taken::Waits);
    assert_eq!(outbox.take(fires("b"), 4_000, PACE), Taken::Waits);
    assert_eq!(outbox.take(ends("a"), 5_000, PACE), Taken::Waits);
    assert_eq!(outbox.take(fires("a"), 6_000, PACE), Taken::Known);
    assert_eq!(outbox.due_unix_ms(PACE), Some(10_000));
    assert_eq!(outbox.next(9_999, PACE), None);
    assert_eq!(deliver(&mut outbox, 10_000), ["a firing", "b firing"]);
    assert_eq!(deliver(&mut outbox, 15_000), ["a resolved"]);
    assert_eq!(outbox.take(ends("a"), 16_000, PACE), Taken::Known);
    assert_eq!(outbox.take(ends("never told"), 16_000, PACE), Taken::NotTold);
    assert_eq!(outbox.take(fires("never told"), 17_000, PACE), Taken::Known);
    assert_eq!(outbox.due_unix_ms(PACE), None);
}

#[test]
fn an_alert_that_the_book_forgot_and_counts_anew_is_told() {
    let mut outbox = Outbox::default();
    outbox.take(fires("a"), 0, PACE);
    outbox.take(ends("a"), 5_000, PACE);
    deliver(&mut outbox, 20_000);
    deliver(&mut outbox, 40_000);
    let weeks_later = |page: Page| Page {
        fired_at_unix_ms: page.fired_at_unix_ms + KEEP_RESOLVED_MS,
        ..page
    };
    let now_unix_ms = KEEP_RESOLVED_MS + 50_000;
    assert_eq!(
        outbox.take(weeks_later(fires("a")), now_unix_ms, PACE),
        Taken::Waits
    );
    assert_eq!(
        outbox.take(weeks_later(fires("a")), now_unix_ms, PACE),
        Taken::Known
    );
    assert_eq!(
        outbox.take(weeks_later(ends("a")), now_unix_ms, PACE),
        Taken::Waits
    );
    assert_eq!(
        outbox.take(weeks_later(ends("a")), now_unix_ms, PACE),
        Taken::Known
    );
}

#[test]
fn the_end_of_an_incident_waits_for_the_ends_of_its_members_but_not_for_ever() {
    let mut outbox = Outbox::default();
    for page in [fires("incident"), member(fires("x")), member(fires("y"))] {
        outbox.take(page, 0, PACE);
    }
    deliver(&mut outbox, 10_000);
    outbox.take(ends("incident"), 20_000, PACE);
    outbox.take(member(ends("x")), 21_000, PACE);
    assert_eq!(deliver(&mut outbox, 31_000), ["x resolved"]);
    assert_eq!(outbox.due_unix_ms(PACE), Some(20_000 + HOLD_MS));
    let mut late = outbox.clone();
    assert_eq!(deliver(&mut late, 20_000 + HOLD_MS), ["incident resolved"]);
    outbox.take(member(ends("y")), 60_000, PACE);
    assert_eq!(deliver(&mut outbox, 70_000), ["y resolved", "incident resolved"]);
}

#[test]
fn pauses_grow_with_jitter_and_a_channel_that_fails_for_long_is_dead_until_it_answers() {
    let mut outbox = Outbox::default();
    outbox.take(fires("a"), 0, PACE);
    let again = |not_before_ms| Outcome::TryAgain { not_before_ms };
    let (mut now, mut pauses, mut changes) = (10_000, Vec::new(), Vec::new());
    for _ in 0..12 {
        let message = outbox.next(now, PACE).expect("it is due");
        changes.extend(outbox.tried(&message, &again(None), now, 1.0, PACE));
        let due = outbox.due_unix_ms(PACE).expect("it waits");
        assert_eq!(outbox.next(due - 1, PACE), None);
        pauses.push((due - now) / 1_000);
        now = due;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60]);
    assert_eq!(
        changes,
        [Change::Dead {
            since_unix_ms: 10_000
        }]
    );
    let message = outbox.next(now, PACE).expect("it is due");
    let next_year = now + 31_536_000_000;
    outbox.tried(&message, &again(Some(120_000)), next_year, 0.0, PACE);
    assert_eq!(outbox.due_unix_ms(PACE), Some(next_year + 120_000));
    // The clock is set back a year: the pause is not a year longer.
    assert_eq!(outbox.next(now, PACE), None);
    assert_eq!(
        outbox.due_unix_ms(PACE),
        Some(now + LONGEST_PAUSE_MS + LONGEST_ASKED_MS)
    );
    let change = outbox.tried(&message, &Outcome::Delivered, now, 0.0, PACE);
    assert_eq!(
        (change, outbox.due_unix_ms(PACE)),
        (
            Some(Change::Alive {
                since_unix_ms: 10_000
            }),
            None
        )
    );
}

#[test]
fn of_a_refused_message_only_the_page_that_is_refused_alone_is_lost() {
    let mut outbox = Outbox::default();
    for alert in ["a", "bad", "c"] {
        outbox.take(fires(alert), 0, PACE);
    }
    let (mut now, mut told) = (10_000, Vec::new());
    while let Some(due) = outbox.due_unix_ms(PACE) {
        now = due.max(now);
        let message = outbox.next(now, PACE).expect("it is due");
        let Message::News(pages) = &message else {
            panic!("news")
        };
        let bad = pages.iter().any(|page| page.alert == "bad");
        let outcome = if bad { Outcome::Refused } else { Outcome::Delivered };
        if !bad {
            told.extend(pages.iter().map(|page| page.alert.clone()));
        }
        outbox.tried(&message, &outcome, now, 0.5, PACE);
    }
    assert_eq!(told, ["a", "c"]);
    assert_eq!(outbox.lost(), Lost { full: 0, refused: 1 });
}

#[test]
fn what_still_fires_is_told_again_to_who_forgets() {
    let pace = Pace {
        refresh_ms: Some(60_000),
        ..PACE
    };
    let mut outbox = Outbox::default();
    outbox.take(fires("a"), 0, pace);
    let news = outbox.next(10_000, pace).expect("due");
    outbox.tried(&news, &Outcome::Delivered, 10_000, 0.5, pace);
    assert_eq!(outbox.due_unix_ms(pace), Some(70_000));
    let refresh = outbox.next(70_000, pace).expect("due");
    assert_eq!(refresh, Message::Refresh(vec![fires("a")]));
    outbox.tried(&refresh, &Outcome::Delivered, 70_000, 0.5, pace);
    outbox.take(ends("a"), 80_000, pace);
    let end = outbox.next(90_000, pace).expect("due");
    outbox.tried(&end, &Outcome::Delivered, 90_000, 0.5, pace);
    assert_eq!(outbox.due_unix_ms(pace), None);
}

#[test]
fn a_full_outbox_first_loses_what_is_over_and_tells_no_end_whose_beginning_was_lost() {
    let mut outbox = Outbox::default();
    outbox.take(fires("short"), 0, PACE);
    outbox.take(ends("short"), 0, PACE);
    for number in 0..MOST_WAITING {
        outbox.take(fires(&format!("a{number}")), 0, PACE);
    }
    assert_eq!((outbox.waiting(), outbox.lost().full), (MOST_WAITING, 2));
    outbox.take(fires("one more"), 0, PACE);
    assert_eq!((outbox.waiting(), outbox.lost().full), (MOST_WAITING, 3));
    assert_eq!(outbox.take(ends("a0"), 0, PACE), Taken::NotTold);
}

#[derive(Debug, Clone)]
enum Step {
    /// The alert of this number begins, or ends when it is open.
    Turns(usize),
    /// The collector starts anew and hands over again what it handed over last.
    Restart,
    /// Time passes and the channel is tried, if something is due.
    Try { after_ms: u64, outcome: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_usize..5).prop_map(Step::Turns),
        1 => Just(Step::Restart),
        3 => (0_u64..90_000, 0_u8..4).prop_map(|(after_ms, outcome)| Step::Try { after_ms, outcome }),
    ]
}

proptest! {
    #[test]
    fn each_page_is_delivered_in_order_and_members_end_before_their_incident(
        steps in prop::collection::vec(step(), 0..150),
        chance in 0.0_f64..=1.0,
    ) {
        let names = ["incident", "m1", "m2", "m3", "alone"];
        let mut outbox = Outbox::default();
        let (mut now, mut episodes, mut open) = (1_000_000_u64, [0_u64; 5], [false; 5]);
        let (mut handed, mut told) = (Vec::<(u64, Page)>::new(), Vec::<(u64, Page)>::new());
        // In the end the channel answers until nothing waits.
        let patient = (0..400).map(|_| Step::Try { after_ms: 60_000, outcome: 0 });
        for step in steps.into_iter().chain(patient) {
            match step {
                Step::Turns(which) => {
                    let state = if open[which] { State::Resolved } else { State::Firing };
                    episodes[which] += u64::from(!open[which]);
                    open[which] = !open[which];
                    let mut page = page(names[which], episodes[which], state);
                    if (1..4).contains(&which) {
                        page = member(page);
                    }
                    prop_assert_eq!(outbox.take(page.clone(), now, PACE), Taken::Waits);
                    handed.push((now, page));
                }
                Step::Restart => {
                    let stored = serde_json::to_string(&outbox).expect("plain data");
                    outbox = serde_json::from_str(&stored).expect("what was written");
                    if let Some((_, last)) = handed.last() {
                        prop_assert_eq!(outbox.take(last.clone(), now, PACE), Taken::Known);
                    }
                }
                Step::Try { after_ms, outcome } => {
                    now += after_ms;
                    let Some(message) = outbox.next(now, PACE) else { continue };
                    let Message::News(pages) = &message else { panic!("nothing is refreshed here") };
                    // 1: it was delivered, but the answer was lost.
                    let outcome = match outcome {
                        0 | 1 => {
                            told.extend(pages.iter().map(|page| (now, page.clone())));
                            if outcome == 0 { Outcome::Delivered } else { Outcome::TryAgain { not_before_ms: None } }
                        }
                        _ => Outcome::TryAgain { not_before_ms: Some(1_000) },
                    };
                    outbox.tried(&message, &outcome, now, chance, PACE);
                }
            }
        }
        prop_assert_eq!(outbox.waiting(), 0);
        for name in names {
            let wanted: Vec<_> = handed.iter().filter(|(_, page)| page.alert == name).map(|(_, page)| page.position()).collect();
            let mut got: Vec<_> = told.iter().filter(|(_, page)| page.alert == name).map(|(_, page)| page.position()).collect();
            // A message whose answer was lost comes again whole, so of one alert nothing else is in between.
            got.dedup();
            prop_assert_eq!(got, wanted);
        }
        // Of a message told twice the first telling counts.
        let first = |name: &str, position| told.iter().position(|(_, page)| page.alert == name && page.position() == position);
        let ended = |(_, (_, page)): &(usize, &(u64, Page))| page.alert == "incident" && page.state == State::Resolved;
        for (at, (end_at, end)) in handed.iter().enumerate().filter(ended) {
            let incident_told = first("incident", end.position()).expect("held above");
            let (when, _) = told[incident_told];
            let goes_on = handed[at + 1..].iter().any(|(again_at, page)| page.alert == "incident" && *again_at <= when);
            if goes_on || when >= end_at + HOLD_MS {
                continue;
            }
            for name in ["m1", "m2", "m3"] {
                let last = handed[..at].iter().rfind(|(_, page)| page.alert == name);
                if let Some((_, last)) = last.filter(|(_, page)| page.state == State::Firing) {
                    let member_told = first(name, (last.episode, State::Resolved));
                    prop_assert!(member_told.is_some_and(|member_told| member_told < incident_told));
                }
            }
        }
    }
}
