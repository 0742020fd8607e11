//! From the outbox of what is to be told to those who tell it: pages are handed over in order, and forgotten here once the
//! channels have them on disk. So a page is told over any restart, and told twice only where a kill falls between the two;
//! the channels know a repetition by its alert and episode. What a page says to people is put together here, purely.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::desk::Desk;
use super::page::Page;
use crate::alert::incident::{Incident, Member};
use crate::alert::lifecycle::Notice;
use crate::alert::rules::measure::Unit;
use crate::alert::rules::model::Severity;
use crate::alert::weak::Kind;
use crate::notify;
use crate::notify::link::{Pair, to_pair};
use crate::notify::notifier::Notifier;
use crate::query::label::Label;

/// How often the outbox is looked at; a round puts something in once a minute at most.
const EVERY: Duration = Duration::from_secs(5);
/// A page older than this is not told any more: it waited for a channel to be configured, and is no news.
const STALE_MS: u64 = 86_400_000;
/// Pages handed over at once.
const MOST: usize = 500;

/// The task.
#[derive(Debug)]
pub struct Telling {
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Telling {
    /// Starts it; must be called inside a runtime. `public_url` is where people reach the dashboards, for links.
    pub fn start(
        desk: Arc<Desk>,
        notifier: Arc<Notifier>,
        public_url: Option<String>,
        now_unix_ms: fn() -> u64,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(EVERY);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            while !stopping.load(Ordering::Relaxed) {
                ticks.tick().await;
                let (desk, notifier, public_url) =
                    (Arc::clone(&desk), Arc::clone(&notifier), public_url.clone());
                let handed = tokio::task::spawn_blocking(move || {
                    hand_over(&desk, &notifier, public_url.as_deref(), now_unix_ms())
                });
                match handed.await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::error!("alerting: {error}; it is tried again in {EVERY:?}"),
                    Err(error) => tracing::error!("alerting: handing pages over panicked: {error}"),
                }
            }
        });
        Self { stop, task }
    }

    /// Ends it. What is not handed over waits for the next start.
    pub async fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.abort();
        let _ = self.task.await;
    }
}

/// All that waits, in order.
fn hand_over(
    desk: &Desk,
    notifier: &Notifier,
    public_url: Option<&str>,
    now_unix_ms: u64,
) -> Result<(), String> {
    loop {
        let pages = desk.pages(0, MOST).map_err(|error| error.to_string())?;
        let Some(last) = pages.last().map(|page| page.sequence) else {
            return Ok(());
        };
        let fresh = pages
            .iter()
            .filter(|page| now_unix_ms.saturating_sub(page.at_unix_ms) <= STALE_MS);
        let told: Vec<notify::page::Page> = fresh.map(|page| to_tell(page, public_url)).collect();
        desk.counters()
            .outbox_dropped
            .add((pages.len() - told.len()) as u64);
        notifier
            .hand(&told)
            .map_err(|error| format!("an outbox of notifications cannot be written: {error}"))?;
        desk.taken(last).map_err(|error| error.to_string())?;
    }
}

/// What people are told.
fn to_tell(page: &Page, public_url: Option<&str>) -> notify::page::Page {
    let told = of_series(page, public_url);
    match &page.incident {
        Some(incident) => of_incident(told, page, incident, public_url),
        None => told,
    }
}

/// What people are told of one series.
fn of_series(page: &Page, public_url: Option<&str>) -> notify::page::Page {
    let key = &page.key;
    let (episode, state) = match page.notice {
        Notice::Fired { episode } => (episode, notify::page::State::Firing),
        Notice::Resolved { episode } => (episode, notify::page::State::Resolved),
    };
    let over = state == notify::page::State::Resolved;
    let known = |label| page.labels.value(label).unwrap_or("?");
    let (from, to, method) = (known(Label::Agent), known(Label::Zone), known(Label::Method));
    let regressed_at_unix_ms = page
        .evidence
        .map_or(page.fired_at_unix_ms, |evidence| evidence.since_unix_ms);
    let mut labels: BTreeMap<String, String> = Label::ALL
        .into_iter()
        .filter_map(|label| Some((label.as_str().to_owned(), page.labels.value(label)?.to_owned())))
        .collect();
    labels.insert("target".to_owned(), page.labels.target().to_owned());
    let pair = Pair {
        agent: from,
        zone: to,
        method,
    };
    notify::page::Page {
        alert: format!("{}/{}/{}", key.rule, key.series, key.measure),
        episode,
        state,
        parent: None,
        rule: key.rule.clone(),
        // Its rule is gone; somebody was told of it, and is to be told of its end as loudly as may be.
        severity: page.severity.unwrap_or(Severity::Critical),
        route: page.route.clone(),
        summary: format!(
            "{} from {from} to {to} by {method}{}",
            key.measure,
            if over { " is over" } else { "" }
        ),
        labels,
        measure: key.measure.clone(),
        value: page.evidence.map(|evidence| evidence.value),
        against: page.evidence.map(|evidence| evidence.against),
        unit: page
            .evidence
            .map_or("", |evidence| unit(evidence.unit))
            .to_owned(),
        regressed_at_unix_ms,
        fired_at_unix_ms: page.fired_at_unix_ms,
        resolved_at_unix_ms: over.then_some(page.at_unix_ms),
        resolution: page.ending.map(|ending| ending.as_str().to_owned()),
        link: public_url.map(|public_url| to_pair(public_url, pair, regressed_at_unix_ms, page.at_unix_ms)),
        members: Vec::new(),
    }
}

/// The same of an incident: who is to blame, and the series inside.
fn of_incident(
    told: notify::page::Page,
    page: &Page,
    incident: &Incident,
    public_url: Option<&str>,
) -> notify::page::Page {
    let (label, value) = (incident.label, &incident.value);
    let over = told.state == notify::page::State::Resolved;
    let sick = incident.sickness.map_or(String::new(), |sickness| {
        format!(" (itself sick: {})", sickness.as_str())
    });
    let by = page.evidence.map_or(String::new(), |evidence| {
        format!(
            ", typically from {:.1} to {:.1} {}",
            evidence.against,
            evidence.value,
            unit(evidence.unit)
        )
    });
    let worst = incident
        .members
        .iter()
        .max_by(|one, other| one.score().total_cmp(&other.score()));
    let link = worst.zip(public_url).map(|(member, public_url)| {
        let known = |label| member.labels.value(label).unwrap_or("?");
        let pair = Pair {
            agent: known(Label::Agent),
            zone: known(Label::Zone),
            method: known(Label::Method),
        };
        to_pair(public_url, pair, told.regressed_at_unix_ms, page.at_unix_ms)
    });
    let mut members: Vec<String> = incident.members.iter().map(line).collect();
    let more = page.members.saturating_sub(members.len());
    if more > 0 {
        members.push(format!("and {more} more"));
    }
    notify::page::Page {
        alert: format!("{}/{label}/{value}", page.key.rule),
        summary: if over {
            format!("incident of {label} {value}{sick} is over")
        } else {
            let (regressed, heard) = (page.members, incident.heard.max(page.members));
            format!("{label} {value}{sick} is to blame: {regressed} of {heard} series got worse{by}")
        },
        labels: [
            (label.to_string(), value.clone()),
            ("culprit".to_owned(), label.to_string()),
        ]
        .into(),
        link,
        members,
        ..told
    }
}

/// One line about a member.
fn line(member: &Member) -> String {
    let known = |label| member.labels.value(label).unwrap_or("?");
    let (scale, unit) = match member.kind {
        Kind::Delay => (0.001, "ms"),
        Kind::Loss => (100.0, "percent"),
    };
    format!(
        "{} from {} to {} by {}: {:.1} to {:.1} {unit}",
        member.kind.as_str(),
        known(Label::Agent),
        known(Label::Zone),
        known(Label::Method),
        member.base * scale,
        member.level * scale
    )
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Ms => "ms",
        Unit::Percent => "percent",
        Unit::Probes => "probes",
        Unit::Burn => "burn",
        Unit::S => "s",
        Unit::Mbps => "mbps",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::rules::watch::Ending;
    use crate::alert::rules::{AlertKey, Evidence, SeriesLabels};

    const T0: u64 = 1_795_428_000_000;

    fn page(notice: Notice, ending: Option<Ending>) -> Page {
        Page {
            sequence: 7,
            key: AlertKey {
                rule: "regression".to_owned(),
                series: 3,
                measure: "p50".to_owned(),
            },
            notice,
            at_unix_ms: T0 + 600_000,
            fired_at_unix_ms: T0 + 300_000,
            ending,
            severity: None,
            route: "default".to_owned(),
            labels: SeriesLabels::new("paris")
                .with(Label::Agent, "brest-1")
                .with(Label::Zone, "aws/eu-west-3/euw3-az1")
                .with(Label::Method, "stamp"),
            evidence: Some(Evidence {
                since_unix_ms: T0,
                value: 12.5,
                against: 10.0,
                unit: Unit::Ms,
            }),
            incident: None,
            members: 0,
        }
    }

    #[test]
    fn a_beginning_and_its_end_are_of_one_alert_and_lead_to_the_pair() {
        let began = to_tell(
            &page(Notice::Fired { episode: 2 }, None),
            Some("https://a.example"),
        );
        let ended = to_tell(
            &page(Notice::Resolved { episode: 2 }, Some(Ending::NewBaseline)),
            None,
        );
        assert_eq!((&began.alert, began.episode), (&ended.alert, ended.episode));
        assert_eq!(
            (began.resolved_at_unix_ms, ended.resolved_at_unix_ms),
            (None, Some(T0 + 600_000))
        );
        assert_eq!(ended.resolution.as_deref(), Some("new_baseline"));
        assert_eq!(
            (began.value, began.against, began.unit.as_str()),
            (Some(12.5), Some(10.0), "ms")
        );
        assert_eq!(began.regressed_at_unix_ms, T0);
        assert_eq!(began.labels["target"], "paris");
        let link = began.link.expect("a public address");
        assert!(
            link.starts_with(
                "https://a.example/pair?agent=brest-1&zone=aws%2Feu-west-3%2Feuw3-az1&method=stamp&from="
            ),
            "{link}"
        );
        assert_eq!(ended.link, None);
    }

    #[test]
    fn an_incident_says_who_is_to_blame_and_names_its_members() {
        let mut page = page(Notice::Fired { episode: 1 }, None);
        let member = Member {
            series: 3,
            kind: Kind::Delay,
            labels: page.labels.clone(),
            rule: "regression".to_owned(),
            base: 10_000.0,
            level: 13_100.0,
            width: 500.0,
        };
        page.key = Incident::key(1, Label::Zone);
        page.members = 21;
        page.incident = Some(Incident {
            label: Label::Zone,
            value: "aws/eu-west-3/euw3-az1".to_owned(),
            sickness: None,
            gain: 40.0,
            heard: 30,
            members: vec![member; 20],
            vetoed: BTreeMap::new(),
            severity: Severity::Warning,
            route: "default".to_owned(),
        });
        let told = to_tell(&page, Some("https://a.example"));
        assert_eq!(told.alert, "incident/zone/aws/eu-west-3/euw3-az1");
        assert_eq!(
            told.summary,
            "zone aws/eu-west-3/euw3-az1 is to blame: 21 of 30 series got worse, typically from 10.0 to 12.5 ms"
        );
        assert_eq!(told.labels["culprit"], "zone");
        assert_eq!(
            told.members.first().map(String::as_str),
            Some("delay from brest-1 to aws/eu-west-3/euw3-az1 by stamp: 10.0 to 13.1 ms")
        );
        assert_eq!(told.members.last().map(String::as_str), Some("and 1 more"));
        assert!(told.link.is_some_and(|link| link.contains("agent=brest-1")));
    }
}
