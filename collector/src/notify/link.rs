//! Where the evidence of a page is shown: the pair's screen, at absolute times, so that the link shows the same tomorrow.
//! Pure.

use crate::utc::UtcInstant;

/// How much before the change is shown, so that before and after can be compared.
const BEFORE_MS: u64 = 2 * 3_600_000;
/// How much after the last known time.
const AFTER_MS: u64 = 30 * 60_000;

/// The pair of an agent and a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair<'a> {
    /// The agent.
    pub agent: &'a str,
    /// The zone, `provider/region/zone`.
    pub zone: &'a str,
    /// The method.
    pub method: &'a str,
}

/// The address of the pair's screen under `public_url`, from well before the change to well after `until_unix_ms`. All
/// times in Unix milliseconds.
pub fn to_pair(public_url: &str, pair: Pair<'_>, regressed_at_unix_ms: u64, until_unix_ms: u64) -> String {
    let from = UtcInstant::from_unix_ms(seconds(regressed_at_unix_ms.saturating_sub(BEFORE_MS)));
    let to = UtcInstant::from_unix_ms(seconds(until_unix_ms.saturating_add(AFTER_MS)));
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("agent", pair.agent)
        .append_pair("zone", pair.zone)
        .append_pair("method", pair.method)
        .append_pair("from", &from.to_string())
        .append_pair("to", &to.to_string())
        .finish();
    format!("{}/pair?{query}", public_url.trim_end_matches('/'))
}

fn seconds(unix_ms: u64) -> u64 {
    unix_ms / 1_000 * 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stand_still_and_labels_cannot_leave_the_query() {
        let pair = Pair {
            agent: "a&b=\"<c>\n",
            zone: "aws/eu-west-3/euw3-az1",
            method: "stamp",
        };
        let link = to_pair(
            "https://azimuth.example/",
            pair,
            1_795_428_000_123,
            1_795_428_600_000,
        );
        assert_eq!(
            link,
            "https://azimuth.example/pair?agent=a%26b%3D%22%3Cc%3E%0A&zone=aws%2Feu-west-3%2Feuw3-az1&method=stamp\
             &from=2026-11-23T08%3A00%3A00Z&to=2026-11-23T10%3A40%3A00Z"
        );
    }
}
