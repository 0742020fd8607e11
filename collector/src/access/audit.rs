//! The audit log: one JSON object a line, each with the hash of the line before, so that a line that was changed, taken out or
//! put in is found. Pure: lines in, lines out. The last lines can be cut off without a trace; who needs to know keeps a copy
//! of the newest hash elsewhere (`audit check` prints it).

use serde::{Deserialize, Serialize};

use crate::secret::{hex, sha256};
use crate::utc::UtcInstant;

/// What the first line names as the hash before.
pub const BEGINNING: &str = "azimuth audit log 1";

/// Something that was done, or tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: UtcInstant,
    /// Who, as the gate knew them; for the command line the operating system's user.
    pub by: String,
    /// From where: an address, `unix` or `command line`.
    pub from: String,
    /// What: a word of this program.
    pub what: String,
    /// To whom or what.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    event: Event,
    before: String,
}

/// The line for an event that comes after the line with hash `before`; with its line feed.
///
/// # Errors
/// When the event has no JSON form.
pub fn line(event: Event, before: &str) -> Result<String, String> {
    let line = Line {
        event,
        before: before.to_owned(),
    };
    let text = serde_json::to_string(&line).map_err(|error| error.to_string())?;
    Ok(text + "\n")
}

/// The hash that the line after `line` names. The line feed counts not.
pub fn hash(line: &str) -> String {
    hex(&sha256(line.trim_end_matches('\n').as_bytes()))
}

/// A chain that was read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// How many lines it has.
    pub lines: usize,
    /// What the next line has to name.
    pub newest: String,
}

/// Reads a whole log.
///
/// # Errors
/// The number of the first line, from 1, that does not follow from the one before, and why.
pub fn check(text: &str) -> Result<Checked, (usize, String)> {
    let mut checked = Checked {
        lines: 0,
        newest: BEGINNING.to_owned(),
    };
    for (number, line) in (1..).zip(text.lines()) {
        let read: Line = serde_json::from_str(line).map_err(|error| (number, error.to_string()))?;
        if read.before != checked.newest {
            let why = "it does not follow the line before: that line, or this one, was changed, put in or taken out";
            return Err((number, why.to_owned()));
        }
        checked = Checked {
            lines: number,
            newest: hash(line),
        };
    }
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(events: usize) -> String {
        let mut before = BEGINNING.to_owned();
        let mut text = String::new();
        for number in 0..events {
            let event = Event {
                at: UtcInstant::from_unix_ms(1_000 * number as u64),
                by: "anna".to_owned(),
                from: "unix".to_owned(),
                what: "login".to_owned(),
                subject: number.to_string(),
            };
            let line = line(event, &before).expect("a line");
            before = hash(&line);
            text += &line;
        }
        text
    }

    #[test]
    fn a_whole_log_holds_and_says_what_comes_next() {
        assert_eq!(check("").map(|checked| checked.lines), Ok(0));
        let checked = check(&log(4)).expect("whole");
        assert_eq!(checked.lines, 4);
        assert_eq!(checked.newest, hash(log(4).lines().last().expect("a line")));
    }

    #[test]
    fn every_line_changed_taken_out_or_put_in_is_found() {
        let whole = log(6);
        let lines: Vec<&str> = whole.lines().collect();
        // The last line can be changed or cut without a trace: nothing follows it yet.
        for at in 0..lines.len() - 1 {
            let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            changed[at] = changed[at].replace("anna", "ben");
            assert!(check(&changed.join("\n")).is_err(), "changed {at}");
            let mut taken = lines.clone();
            taken.remove(at);
            assert!(check(&taken.join("\n")).is_err(), "taken {at}");
            let mut doubled = lines.clone();
            doubled.insert(at, lines[at]);
            assert!(check(&doubled.join("\n")).is_err(), "doubled {at}");
            let mut swapped = lines.clone();
            swapped.swap(at, at + 1);
            assert!(check(&swapped.join("\n")).is_err(), "swapped {at}");
        }
        let (line, why) = check(&whole.replacen('{', "", 1)).expect_err("no JSON");
        assert_eq!(line, 1, "{why}");
    }
}
