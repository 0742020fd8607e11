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
}

/// What is evaluated.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// The rules: those of the files, or the default one.
    pub rules: Arc<RuleSet>,
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
        Ok(Settings {
            rules: Arc::new(rules),
        })
    }
}
