//! Scenario files: reading one, and saying precisely what is wrong with it.
//!
//! Format: TOML, one world per file; unknown keys are refused. The tables: [`mod@file`].

mod check;
pub mod file;
pub mod value;

use std::path::{Path, PathBuf};

pub use file::{Family, Scenario, What};

/// The default world, built into the binary so that `demo` needs no file.
pub const EUROPE: &str = include_str!("../scenarios/europe.toml");

/// The world of the end-to-end test.
pub const SMALL: &str = include_str!("../scenarios/small.toml");

/// Why a scenario cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("{}: cannot read the scenario: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no TOML, or a key or value is not what it should be.
    #[error("{file}:{line}: {problem}")]
    Invalid {
        /// The file, as the user wrote it.
        file: String,
        /// Line, counted from 1.
        line: usize,
        /// The key, what is wrong with it and what to write instead.
        problem: String,
    },
}

/// Reads and checks a scenario file.
///
/// # Errors
/// [`ScenarioError`] naming file, line, key and remedy.
pub fn load(path: &Path) -> Result<Scenario, ScenarioError> {
    let text = std::fs::read_to_string(path).map_err(|source| ScenarioError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    parse(&text, &path.display().to_string())
}

/// Reads and checks the text of a scenario; `file` names it in errors.
///
/// # Errors
/// [`ScenarioError::Invalid`].
pub fn parse(text: &str, file: &str) -> Result<Scenario, ScenarioError> {
    let invalid = |offset: usize, problem: String| ScenarioError::Invalid {
        file: file.to_owned(),
        line: line_of(text, offset),
        problem,
    };
    let scenario: Scenario = toml::from_str(text)
        .map_err(|error| invalid(error.span().map_or(0, |span| span.start), error.to_string()))?;
    check::check(&scenario).map_err(|fault| invalid(fault.offset, fault.problem))?;
    Ok(scenario)
}

/// The base of the world's IPv4 addresses. `Some` for every scenario that passed its checks.
pub(crate) fn ipv4_prefix(scenario: &Scenario) -> Option<std::net::Ipv4Addr> {
    check::parse_ipv4_prefix(scenario.network.ipv4_prefix.get_ref())
}

/// The base of the world's IPv6 addresses. `Some` for every scenario that passed its checks.
pub(crate) fn ipv6_prefix(scenario: &Scenario) -> Option<std::net::Ipv6Addr> {
    check::parse_ipv6_prefix(scenario.network.ipv6_prefix.get_ref())
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests;
