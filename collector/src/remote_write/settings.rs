//! The `[remote_write]` table of the configuration.

use std::time::Duration;

use serde::Deserialize;

use crate::utc::parse_span_ms;

/// How often a snapshot is sent unless told otherwise.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);
/// The longest.
const LONGEST_INTERVAL: Duration = Duration::from_secs(3_600);

/// Where what is sent how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The receiver; a name and password in it are sent as basic authentication.
    pub url: String,
    /// From one snapshot to the next.
    pub interval: Duration,
    /// Label `instance` of everything sent: which collector it is.
    pub instance: String,
    /// In which form histograms go.
    pub histograms: Histograms,
}

impl Settings {
    /// The receiver as it may be logged: without name and password.
    pub fn shown_url(&self) -> String {
        reqwest::Url::parse(&self.url).map_or_else(
            |_| String::new(),
            |mut url| {
                // Neither fails for an http address.
                let _ = url.set_password(None);
                let _ = url.set_username("");
                url.to_string()
            },
        )
    }
}

/// In which form histograms go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Histograms {
    /// Native, one series a histogram.
    #[default]
    Native,
    /// `_bucket`, `_sum` and `_count`, for receivers that know no native ones.
    Classic,
}

/// The table as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    url: toml::Spanned<String>,
    interval: Option<toml::Spanned<String>>,
    instance: Option<String>,
    #[serde(default)]
    histograms: Histograms,
}

impl Table {
    /// The settings it asks for; the collector listens on `listen`, which names it if nothing else does.
    ///
    /// # Errors
    /// Offset in the text, and what is wrong there.
    pub fn resolve(self, listen: &str) -> Result<Settings, (usize, String)> {
        let url = self.url.get_ref();
        let is_http = reqwest::Url::parse(url).is_ok_and(|url| url.scheme() == "http" && url.has_host());
        if !is_http {
            // Not shown: there may be a password in it.
            let reason = "remote_write.url is not an http address; write \"http://127.0.0.1:9090/api/v1/write\" \
                          (this release speaks no TLS: put a proxy beside it)";
            return Err((self.url.span().start, reason.to_owned()));
        }
        let interval = match &self.interval {
            None => DEFAULT_INTERVAL,
            Some(written) => parse_span_ms(written.get_ref())
                .map(Duration::from_millis)
                .ok()
                .filter(|interval| (Duration::from_secs(1)..=LONGEST_INTERVAL).contains(interval))
                .ok_or_else(|| {
                    let reason = format!(
                        "remote_write.interval = {:?} is not a span between 1s and 1h; write \"10s\"",
                        written.get_ref()
                    );
                    (written.span().start, reason)
                })?,
        };
        Ok(Settings {
            url: self.url.into_inner(),
            interval,
            instance: self.instance.unwrap_or_else(|| listen.to_owned()),
            histograms: self.histograms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let table: Table = toml::from_str("url = \"http://me:secret@x:9090/write\"").expect("a table");
        let settings = table.resolve("127.0.0.1:8360").expect("valid");
        assert_eq!(settings.shown_url(), "http://x:9090/write");
        assert_eq!(settings.instance, "127.0.0.1:8360");
    }
}
