//! What Alertmanager's API v2 takes. Alertmanager forgets an alert at its `endsAt`, so what still fires is sent again
//! every [`REFRESH_MS`], and says that it ends a few of those later: a collector that is away for a moment ends nothing.
//!
//! Standard: Alertmanager's `api/v2/openapi.yaml`, `POST /api/v2/alerts`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Post;
use crate::notify::page::{Page, State};
use crate::notify::text::{Style, Templates, write};
use crate::utc::UtcInstant;

/// How often what still fires is sent again, in milliseconds.
pub const REFRESH_MS: u64 = 60_000;
/// For how long an alert stands without being sent again.
const STANDS_MS: u64 = 4 * REFRESH_MS;
/// The path under the address of Alertmanager.
pub const PATH: &str = "api/v2/alerts";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert<'a> {
    labels: BTreeMap<&'a str, &'a str>,
    annotations: BTreeMap<&'a str, String>,
    starts_at: UtcInstant,
    ends_at: UtcInstant,
    #[serde(rename = "generatorURL", skip_serializing_if = "Option::is_none")]
    generator_url: Option<&'a str>,
}

/// The request for pages at a time.
pub fn post(channel: &str, pages: &[Page], templates: &Templates, now_unix_ms: u64) -> Post {
    let pages: Vec<Page> = pages.iter().map(|page| page.clone().cleaned()).collect();
    let alerts: Vec<Alert<'_>> = pages
        .iter()
        .map(|page| alert(channel, page, templates, now_unix_ms))
        .collect();
    Post {
        headers: Vec::new(),
        body: serde_json::to_string(&alerts).unwrap_or_default(),
    }
}

fn alert<'a>(channel: &str, page: &'a Page, templates: &Templates, now_unix_ms: u64) -> Alert<'a> {
    // An empty value is no label to Alertmanager.
    let labels = page.labels.iter().filter(|(_, value)| !value.is_empty());
    let mut labels: BTreeMap<&str, &str> = labels.map(|(name, value)| (&**name, &**value)).collect();
    for (name, value) in [
        ("alertname", page.rule.as_str()),
        ("severity", page.severity.as_str()),
        ("measure", page.measure.as_str()),
        // Tells alerts apart whose labels are the same, and names members to `inhibit_rules`.
        ("alert", page.alert.as_str()),
        ("incident", page.parent.as_deref().unwrap_or_default()),
    ] {
        if !value.is_empty() {
            labels.insert(name, value);
        }
    }
    let text = write(channel, std::slice::from_ref(page), templates, Style::Plain);
    let mut annotations = BTreeMap::from([("summary", page.summary.clone()), ("description", text.body)]);
    for (name, value) in [("value", page.value), ("against", page.against)] {
        if let Some(value) = value {
            annotations.insert(name, format!("{value} {}", page.unit));
        }
    }
    if let Some(resolution) = &page.resolution {
        annotations.insert("resolution", resolution.clone());
    }
    let ends_at = match page.state {
        State::Firing => now_unix_ms.saturating_add(STANDS_MS),
        // One that ends in the future would still fire, so a clock ahead of ours is cut.
        State::Resolved => page.resolved_at_unix_ms.unwrap_or(now_unix_ms).min(now_unix_ms),
    };
    let starts_at = page.fired_at_unix_ms.min(ends_at);
    Alert {
        labels,
        annotations,
        starts_at: UtcInstant::from_unix_ms(starts_at),
        ends_at: UtcInstant::from_unix_ms(ends_at),
        // It refuses the whole request over one that is no address.
        generator_url: page
            .link
            .as_deref()
            .filter(|link| reqwest::Url::parse(link).is_ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::page::tests::page;

    #[test]
    fn it_stands_for_a_while_and_ends_when_it_ended() {
        let now = 1_795_428_060_000;
        let mut fires = page("regression 7 p50", 1, State::Firing);
        fires.link = Some("not an address".to_owned());
        fires.labels.insert("city".to_owned(), String::new());
        let ends = page("regression 7 p50", 1, State::Resolved);
        let post = post("am", &[fires, ends], &Templates::default(), now);
        let said: serde_json::Value = serde_json::from_str(&post.body).expect("JSON");
        assert_eq!(said[0]["labels"], said[1]["labels"], "one alert to its receiver");
        assert_eq!(said[0]["labels"]["alertname"], "regression");
        assert_eq!(said[0]["labels"].get("city"), None);
        assert_eq!(said[0].get("generatorURL"), None);
        assert_eq!(said[0]["startsAt"], "2026-11-23T10:00:00Z");
        assert_eq!(said[0]["endsAt"], "2026-11-23T10:05:00Z");
        assert_eq!(said[1]["endsAt"], "2026-11-23T10:01:00Z", "not in the future");
        assert_eq!(
            said[1]["generatorURL"],
            "https://azimuth.example/pair?agent=brest-1"
        );
        assert_eq!(said[1]["annotations"]["value"], "14 ms");
    }
}
