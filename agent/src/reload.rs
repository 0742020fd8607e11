//! What a SIGHUP asks the agent for: the configuration read again, held against the one that runs. Reads the file and
//! judges; [`crate::run`] takes it up.

use std::path::Path;

use crate::config::{self, Config};

/// What to do about a SIGHUP.
#[derive(Debug)]
pub enum Judged {
    /// Nothing: it says what it said before.
    Same,
    /// Measure by this.
    New(Box<Config>),
    /// Nothing, and this is why.
    Refused(String),
}

/// Reads the configuration again. What undelivered reports depend on does not change while there may be some.
#[must_use]
pub fn judge(file: &Path, running: &Config) -> Judged {
    let new = match config::load(file) {
        Ok(new) => new,
        Err(mistakes) => return Judged::Refused(mistakes.to_string()),
    };
    if new == *running {
        return Judged::Same;
    }
    let fixed = [
        ("agent", new.agent != running.agent),
        (
            "[collector]",
            new.collector != running.collector
                || new.trust != running.trust
                || new.identity != running.identity,
        ),
        ("[spool]", new.spool != running.spool),
    ];
    let changed: Vec<_> = fixed
        .iter()
        .filter(|(_, changed)| *changed)
        .map(|(key, _)| *key)
        .collect();
    if changed.is_empty() {
        Judged::New(Box::new(new))
    } else {
        Judged::Refused(format!(
            "{}: {} changed, which takes a restart, because reports that wait belong to it",
            file.display(),
            changed.join(" and ")
        ))
    }
}
