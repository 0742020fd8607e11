//! Instants in UTC: unix milliseconds inside, ISO 8601 at every edge, and the small language of
//! relative times (`now`, `now-5m`) the API accepts.
//!
//! Reads no clock: whoever parses is handed `now`.

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// The latest instant the API speaks of: the end of the year 9999, the last one ISO 8601 writes with four digits.
const LATEST_UNIX_MS: u64 = 253_402_300_799_999;

/// An instant in UTC. Written in JSON as ISO 8601, for example `2026-11-23T10:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, format = DateTime, examples("2026-11-23T10:00:00Z"))]
pub struct UtcInstant(u64);

impl UtcInstant {
    /// The instant `unix_ms` milliseconds after 1970-01-01T00:00:00Z, cut at the end of the year 9999.
    pub fn from_unix_ms(unix_ms: u64) -> Self {
        Self(unix_ms.min(LATEST_UNIX_MS))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub fn unix_ms(self) -> u64 {
        self.0
    }

    /// Reads `now`, `now-90s`, `now-5m`, `now-1h`, `now-7d`, or an ISO 8601 instant with a zone
    /// (`2026-11-23T10:00:00Z`, `2026-11-23T11:00:00.5+01:00`).
    ///
    /// # Errors
    /// A sentence that says what is allowed.
    pub fn parse(text: &str, now_unix_ms: u64) -> Result<Self, String> {
        if let Some(offset) = text.strip_prefix("now") {
            let back_ms = match offset.strip_prefix('-') {
                None if offset.is_empty() => 0,
                None => return Err(format!("`{text}` is not a time; {ALLOWED_TIMES}")),
                Some(span) => parse_span_ms(span).map_err(|reason| format!("`{text}`: {reason}"))?,
            };
            return now_unix_ms
                .checked_sub(back_ms)
                .map(Self::from_unix_ms)
                .ok_or_else(|| format!("`{text}` lies before 1970"));
        }
        let instant = DateTime::parse_from_rfc3339(text)
            .map_err(|_| format!("`{text}` is not a time; {ALLOWED_TIMES}"))?;
        match u64::try_from(instant.timestamp_millis()) {
            Ok(unix_ms) if unix_ms <= LATEST_UNIX_MS => Ok(Self(unix_ms)),
            _ => Err(format!("`{text}` lies outside the years 1970 to 9999")),
        }
    }
}

const ALLOWED_TIMES: &str =
    "write `now`, `now-5m` (units s, m, h, d) or an instant such as `2026-11-23T10:00:00Z`";

/// Reads a span of time such as `10s`, `5m`, `1h` or `7d`, in milliseconds.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn parse_span_ms(text: &str) -> Result<u64, String> {
    let not_a_span = || {
        format!("`{text}` is not a span of time; write a whole number and a unit, such as 30s, 5m, 1h or 7d")
    };
    let unit = text.chars().last().ok_or_else(not_a_span)?;
    let unit_ms: u64 = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return Err(not_a_span()),
    };
    let number = &text[..text.len() - unit.len_utf8()];
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(not_a_span());
    }
    number
        .parse::<u64>()
        .ok()
        .and_then(|count| count.checked_mul(unit_ms))
        .ok_or_else(|| format!("`{text}` is longer than this program can count"))
}

impl std::fmt::Display for UtcInstant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The constructors keep the value within chrono's range; the fallback only keeps this total.
        let instant = i64::try_from(self.0)
            .ok()
            .and_then(DateTime::from_timestamp_millis)
            .unwrap_or(DateTime::UNIX_EPOCH);
        f.write_str(&instant.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl Serialize for UtcInstant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UtcInstant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // `now` has no meaning here, and so must not be taken for 1970.
        if text.starts_with("now") {
            return Err(serde::de::Error::custom(format!("`{text}` is not an instant")));
        }
        Self::parse(&text, 0).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 1_795_428_000_000; // 2026-11-23T10:00:00Z

    #[test]
    fn reads_relative_and_absolute_times() {
        let cases = [
            ("now", NOW),
            ("now-0s", NOW),
            ("now-90s", NOW - 90_000),
            ("now-5m", NOW - 300_000),
            ("now-1h", NOW - 3_600_000),
            ("now-7d", NOW - 604_800_000),
            ("2026-11-23T10:00:00Z", NOW),
            ("2026-11-23T11:00:00+01:00", NOW),
            ("2026-11-23T10:00:00.250Z", NOW + 250),
        ];
        for (text, expected) in cases {
            assert_eq!(
                UtcInstant::parse(text, NOW).map(UtcInstant::unix_ms),
                Ok(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_what_is_not_a_time_and_says_what_is() {
        for text in [
            "",
            "now+5m",
            "now-",
            "now-5",
            "now-m",
            "now--5m",
            "now-5w",
            "now-1.5h",
            "yesterday",
            "2026-11-23",
            "2026-11-23T10:00:00",
            "1969-12-31T23:59:59Z",
            "now-99999999999999999999d",
            "now-5é",
        ] {
            let error = UtcInstant::parse(text, NOW).expect_err(text);
            assert!(error.contains('`'), "{error} must quote the text");
        }
    }

    #[test]
    fn writes_iso_8601() {
        assert_eq!(UtcInstant::from_unix_ms(NOW).to_string(), "2026-11-23T10:00:00Z");
        assert_eq!(
            UtcInstant::from_unix_ms(NOW + 5).to_string(),
            "2026-11-23T10:00:00.005Z"
        );
        assert_eq!(
            UtcInstant::from_unix_ms(u64::MAX).to_string(),
            "9999-12-31T23:59:59.999Z"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(unix_ms in 0..=LATEST_UNIX_MS) {
            let instant = UtcInstant::from_unix_ms(unix_ms);
            prop_assert_eq!(UtcInstant::parse(&instant.to_string(), 0), Ok(instant));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,40}", now in any::<u64>()) {
            let _ = UtcInstant::parse(&text, now);
            let _ = parse_span_ms(&text);
        }
    }
}
