//! `rules check` and `rules test`: says what is wrong with rule files and files of cases. What is right is decided in
//! `alert::rules`, and the files are read by `evaluate::rule_files`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use crate::alert::rules::cases::read_cases;
use crate::evaluate::rule_files::{RulesError, load_rules, text_of};

/// Look for mistakes in rule files
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Names every mistake with file, line, key and remedy. Exit codes: 0 sound,
1 mistakes, 2 a file that cannot be read.

Example: azimuth-collector rules check alerts.toml")]
pub struct CheckArgs {
    /// Rule files (TOML), read together as `serve` would
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}

/// Run cases: made-up series in, expected alerts out
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
A file of cases names its rule files, relative to itself, and says what alerts
there must be at which time, no more and no fewer:

  rules = [\"alerts.toml\"]
  [[case]]
  name = \"a step of 4 ms\"
    [[case.series]]
    labels = { agent = \"brest-1\", zone = \"aws/eu-west-3/euw3-az1\" }
    minutes = \"120x10~0.5 60x14~0.5\"   # minutes x ms, ~ half the width
    [[case.expect]]
    at = \"130m\"
    alerts = [{ rule = \"regression\", measure = \"p50\", state = \"firing\" }]

Exit codes: 0 all as expected, 1 not, 2 a file that cannot be used.")]
pub struct TestArgs {
    /// Files of cases (TOML)
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}

/// Says what the rules are, or what is wrong with them.
pub fn check(args: &CheckArgs, out: &mut impl Write, complaints: &mut impl Write) -> ExitCode {
    match load_rules(&args.files) {
        Ok(rules) => {
            let lines = rules.rules.iter().map(|rule| {
                format!(
                    "{} ({}, {}, route {})",
                    rule.name,
                    rule.condition.kind(),
                    rule.severity.as_str(),
                    rule.route
                )
            });
            for line in lines.chain(
                rules
                    .maintenance
                    .iter()
                    .map(|window| format!("{} (maintenance)", window.name)),
            ) {
                // A reader that went away has seen enough.
                let _ = writeln!(out, "{line}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(complaints, "{error}");
            ExitCode::from(if matches!(error, RulesError::Mistakes(_)) {
                1
            } else {
                2
            })
        }
    }
}

/// Runs every case of every file. Returns 0 when all was as expected, 1 when not, 2 when a file could not be used.
pub fn test(args: &TestArgs, out: &mut impl Write, complaints: &mut impl Write) -> ExitCode {
    let mut code = 0;
    for file in &args.files {
        match test_file(file, out) {
            Ok(0) => {}
            Ok(_) => code = code.max(1),
            Err(error) => {
                let _ = writeln!(complaints, "{error}");
                code = 2;
            }
        }
    }
    ExitCode::from(code)
}

/// Runs one file, and says how many cases failed.
fn test_file(file: &Path, out: &mut impl Write) -> Result<usize, RulesError> {
    let text = text_of(file)?;
    let cases = read_cases(file, &text).map_err(RulesError::Mistakes)?;
    let beside = file.parent().unwrap_or(Path::new(""));
    let rules: Vec<PathBuf> = cases.rules.iter().map(|name| beside.join(name)).collect();
    let rules = Arc::new(load_rules(&rules)?);
    let mut failed = 0;
    for case in &cases.cases {
        let failures = case.run(&rules);
        failed += usize::from(!failures.is_empty());
        let word = if failures.is_empty() { "ok" } else { "FAILED" };
        let _ = writeln!(out, "{word} {}", case.name);
        for (line, what) in failures {
            let _ = writeln!(out, "  {}:{line}: {what}", file.display());
        }
    }
    Ok(failed)
}
