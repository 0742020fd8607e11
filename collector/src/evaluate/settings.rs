//! The `[alerting]` table of the configuration. The rule files it names are read with it, so that a mistake in them is
//! found before anything is served. Not the rules, which are `alert::rules`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::rule_files::{RulesError, load_rules};
use crate::alert::rules::RuleSet;

/// Most rule files.
const MOST_FILES: usize = 1_000;

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    #[serde(default)]
    rules: Vec<toml::Spanned<PathBuf>>,
    public_url: Option<toml::Spanned<String>>,
}

/// What is evaluated.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// The rules: those of the files, or the default one.
    pub rules: Arc<RuleSet>,
    /// Where people reach the dashboards, for the links in what they are told.
    pub public_url: Option<String>,
}

/// Why the table cannot be used.
#[derive(Debug)]
pub enum Refused {
    /// A mistake in the table: its offset in the configuration, and what to do.
    Here(usize, String),
    /// A mistake in a file it names.
    There(RulesError),
}

impl Table {
    /// The settings. A relative name is relative to `beside`, the directory of the configuration.
    ///
    /// # Errors
    /// When a file is named twice, or any cannot be read or understood.
    pub fn resolve(self, beside: &Path) -> Result<Settings, Refused> {
        if let Some(over) = self.rules.get(MOST_FILES) {
            let reason =
                format!("alerting.rules names more than {MOST_FILES} files; write more rules into one file");
            return Err(Refused::Here(over.span().start, reason));
        }
        let mut files: Vec<PathBuf> = Vec::new();
        for name in &self.rules {
            let file = beside.join(name.get_ref());
            if files.contains(&file) {
                let reason = format!("alerting.rules names {} twice; name it once", file.display());
                return Err(Refused::Here(name.span().start, reason));
            }
            files.push(file);
        }
        let rules = load_rules(&files).map_err(Refused::There)?;
        if let Some(url) = &self.public_url
            && !is_base(url.get_ref())
        {
            let reason = "alerting.public_url is no address of a web site; write for example \"https://azimuth.example\"";
            return Err(Refused::Here(url.span().start, reason.to_owned()));
        }
        Ok(Settings {
            rules: Arc::new(rules),
            public_url: self.public_url.map(toml::Spanned::into_inner),
        })
    }
}

/// `http://` or `https://` and a host, no query, nothing that would end a link early.
fn is_base(url: &str) -> bool {
    let host = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    host.is_some_and(|host| {
        !host.is_empty()
            && !host.starts_with('/')
            && !host.contains(|c: char| c.is_whitespace() || c.is_control() || "?#\"<>".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_begin_with_the_address_of_a_site() {
        for good in ["https://azimuth.example", "http://10.0.0.1:8360/azimuth"] {
            assert!(is_base(good), "{good}");
        }
        for bad in [
            "azimuth.example",
            "https://",
            "https:///x",
            "https://a b",
            "https://a?b",
            "javascript:x",
        ] {
            assert!(!is_base(bad), "{bad}");
        }
    }
}
