//! The name of one agent (the process), not of the place where it stands; that is the [vantage point](crate::vantage).

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// `^[a-z0-9][a-z0-9-]{0,62}$`: fits a DNS label, a file name and a URL without quoting.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentId(Box<str>);

/// The text is not an agent id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "agent id {given:?} is not valid; use 1 to 63 lower-case letters, digits and hyphens, not starting with a hyphen"
)]
pub struct AgentIdError {
    given: String,
}

impl AgentId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AgentId {
    type Err = AgentIdError;

    fn from_str(text: &str) -> Result<Self, AgentIdError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let fits = (1..=63).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-');
        if fits {
            Ok(Self(text.into()))
        } else {
            // Bounded, because the text may come from anywhere and ends up in a log line.
            Err(AgentIdError {
                given: text.chars().take(80).collect(),
            })
        }
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_pass_and_names_that_do_not() {
        for good in ["a", "paris-free-1", "0", &"x".repeat(63)] {
            assert_eq!(good.parse::<AgentId>().unwrap().to_string(), *good);
        }
        for bad in ["", "-a", "Paris", "a_b", "a/b", "é", &"x".repeat(64)] {
            assert!(bad.parse::<AgentId>().is_err(), "{bad:?} must be refused");
        }
    }
}
