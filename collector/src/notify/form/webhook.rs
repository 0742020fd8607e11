//! Our own JSON for any program. Stable: fields are added, never renamed or given another meaning, without a new
//! `version`. Signed with HMAC-SHA-256 (RFC 2104) over the time of sending and the body, so that a receiver knows who
//! sent it and can refuse what is old.

use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;

use super::{Post, delivery};
use crate::notify::page::Page;
use crate::notify::text::{Style, Templates, write};
use crate::secret::hex;
use crate::utc::UtcInstant;

/// Header with the signature, `t=SECONDS,v1=HEX`; HEX is over `SECONDS.BODY`.
pub const SIGNATURE: &str = "azimuth-signature";
/// Header with the name of the message, the same when it comes again.
pub const DELIVERY: &str = "azimuth-delivery";

#[derive(Serialize)]
struct Body<'a> {
    version: u32,
    delivery: &'a str,
    channel: &'a str,
    state: &'static str,
    sent_at: UtcInstant,
    title: String,
    text: String,
    pages: Vec<Shown<'a>>,
}

#[derive(Serialize)]
struct Shown<'a> {
    alert: &'a str,
    episode: u64,
    state: &'static str,
    parent: Option<&'a str>,
    rule: &'a str,
    severity: &'static str,
    route: &'a str,
    summary: &'a str,
    labels: &'a std::collections::BTreeMap<String, String>,
    measure: &'a str,
    value: Option<f64>,
    against: Option<f64>,
    unit: &'a str,
    regressed_at: UtcInstant,
    fired_at: UtcInstant,
    resolved_at: Option<UtcInstant>,
    resolution: Option<&'a str>,
    link: Option<&'a str>,
    members: &'a [String],
}

/// The request for pages that tell the same, at a time.
pub fn post(
    channel: &str,
    pages: &[Page],
    templates: &Templates,
    secret: Option<&[u8]>,
    now_unix_ms: u64,
) -> Post {
    let text = write(channel, pages, templates, Style::Plain);
    let pages: Vec<Page> = pages.iter().map(|page| page.clone().cleaned()).collect();
    let delivery = delivery(&pages);
    let body = Body {
        version: 1,
        delivery: &delivery,
        channel,
        state: pages.first().map_or("", |page| page.state.as_str()),
        sent_at: UtcInstant::from_unix_ms(now_unix_ms),
        title: text.title,
        text: text.body,
        pages: pages.iter().map(shown).collect(),
    };
    let body = serde_json::to_string(&body).unwrap_or_default();
    let mut headers = vec![(DELIVERY, delivery)];
    if let Some(secret) = secret {
        headers.push((SIGNATURE, signature(secret, now_unix_ms / 1_000, &body)));
    }
    Post { headers, body }
}

fn shown(page: &Page) -> Shown<'_> {
    Shown {
        alert: &page.alert,
        episode: page.episode,
        state: page.state.as_str(),
        parent: page.parent.as_deref(),
        rule: &page.rule,
        severity: page.severity.as_str(),
        route: &page.route,
        summary: &page.summary,
        labels: &page.labels,
        measure: &page.measure,
        value: page.value,
        against: page.against,
        unit: &page.unit,
        regressed_at: UtcInstant::from_unix_ms(page.regressed_at_unix_ms),
        fired_at: UtcInstant::from_unix_ms(page.fired_at_unix_ms),
        resolved_at: page.resolved_at_unix_ms.map(UtcInstant::from_unix_ms),
        resolution: page.resolution.as_deref(),
        link: page.link.as_deref(),
        members: &page.members,
    }
}

/// The value of [`SIGNATURE`].
pub fn signature(secret: &[u8], sent_at_unix_s: u64, body: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        // HMAC takes keys of every length.
        return String::new();
    };
    mac.update(format!("{sent_at_unix_s}.").as_bytes());
    mac.update(body.as_bytes());
    format!("t={sent_at_unix_s},v1={}", hex(&mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::page::State;
    use crate::notify::page::tests::page;

    #[test]
    fn the_form_is_the_one_that_is_documented() {
        let now = 1_795_428_060_000;
        let post = post(
            "hook",
            &[page("a", 3, State::Resolved)],
            &Templates::default(),
            Some(b"key"),
            now,
        );
        let said: serde_json::Value = serde_json::from_str(&post.body).expect("JSON");
        let keys = |value: &serde_json::Value| -> Vec<String> {
            value.as_object().expect("an object").keys().cloned().collect()
        };
        assert_eq!(
            keys(&said),
            [
                "channel", "delivery", "pages", "sent_at", "state", "text", "title", "version"
            ]
        );
        assert_eq!(
            keys(&said["pages"][0]).join(" "),
            "against alert episode fired_at labels link measure members parent regressed_at resolution resolved_at \
             route rule severity state summary unit value"
        );
        assert_eq!(said["sent_at"], "2026-11-23T10:01:00Z");
        assert_eq!(
            post.headers[0],
            (DELIVERY, said["delivery"].as_str().expect("text").to_owned())
        );
        assert_eq!(post.headers[1].1, signature(b"key", 1_795_428_060, &post.body));
    }

    #[test]
    fn the_signature_is_hmac_sha_256_of_time_and_body() {
        // python3: hmac.new(b"key", b"1795428060.{}", "sha256").hexdigest()
        assert_eq!(
            signature(b"key", 1_795_428_060, "{}"),
            "t=1795428060,v1=79463473250b470266a028515d0e40baa0e22c82be5608b10be7d84f3d32ba0e"
        );
    }
}
