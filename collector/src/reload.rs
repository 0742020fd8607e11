//! What a SIGHUP asks for: the configuration read again, held against the one that runs. Reads the file and judges;
//! [`crate::run`] takes it up.

use crate::config::{self, Config, Flags};
use crate::exposition::family::Family as Shown;
use crate::metrics::{Family, labelled};

/// How reloads ended, by outcome; kept over them.
#[derive(Debug, Default)]
pub struct Reloads(Family);

impl Reloads {
    /// Counts one.
    pub fn count(&self, outcome: &'static str, reason: &'static str) {
        self.0.count(outcome, reason);
    }

    /// For `/metrics`.
    pub fn family(&self) -> Shown {
        let help =
            "Times the configuration was read again, by what came of it; a refused one changed nothing.";
        let name = "azimuth_config_reloads_total";
        labelled(name, help, ("outcome", "reason"), &self.0)
    }
}

/// What to do about a SIGHUP.
#[derive(Debug)]
pub enum Judged {
    /// Nothing: it says what it said before.
    Same,
    /// Run with this.
    New(Box<Config>),
    /// Nothing, and this is why.
    Refused(String),
}

/// Reads the configuration again as it was read at the start.
pub fn judge(flags: &Flags, running: &Config) -> Judged {
    if flags.config.is_none() {
        return Judged::Refused("there is no file to read again: it was started without --config".to_owned());
    }
    match config::load(flags) {
        Err(error) => Judged::Refused(error.to_string()),
        Ok(new) if new == *running => Judged::Same,
        Ok(new) if new.data_dir != running.data_dir => Judged::Refused(format!(
            "data_dir = {:?} is not the directory that is used, {:?}; a store is changed by a restart",
            new.data_dir, running.data_dir
        )),
        Ok(new) => Judged::New(Box::new(new)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_names_its_line_and_another_store_is_refused() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let file = directory.path().join("collector.toml");
        let write = |text: &str| std::fs::write(&file, text).expect("writable");
        let flags = Flags {
            config: Some(file.clone()),
            ..Flags::default()
        };
        write("data_dir = \"a\"\n");
        let running = config::load(&flags).expect("valid");
        assert!(matches!(judge(&flags, &running), Judged::Same));
        write("data_dir = \"a\"\nquery_timeout = \"5s\"\n");
        assert!(matches!(judge(&flags, &running), Judged::New(new) if new.query_timeout.as_secs() == 5));
        for (text, expected) in [
            ("data_dir = \"a\"\nquery_timeout = 5\n", "line 2"),
            ("data_dir = \"b\"\n", "restart"),
        ] {
            write(text);
            let judged = judge(&flags, &running);
            assert!(
                matches!(&judged, Judged::Refused(why) if why.contains(expected)),
                "{judged:?}"
            );
        }
        let judged = judge(&Flags::default(), &running);
        assert!(
            matches!(&judged, Judged::Refused(why) if why.contains("--config")),
            "{judged:?}"
        );
    }
}
