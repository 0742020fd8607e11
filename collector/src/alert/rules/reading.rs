//! What rule files and files of cases are read with: values that say what is allowed, and mistakes with file, line, key and
//! remedy. Not what the files mean.

use std::fmt;
use std::path::{Path, PathBuf};

use azimuth_measurement::{AgentId, Method, ZoneKey};
use toml::Spanned;

use super::model::Severity;
use crate::query::Label;
use crate::utc::parse_span_ms;

/// Longest name, in bytes.
const NAME_BYTES: usize = 64;

/// One mistake in a rules file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// The key; empty for the file as a whole.
    pub key: String,
    /// What is wrong, and what to do about it.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file.display(), self.line)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)
    }
}

pub(super) struct Reader<'t> {
    pub(super) file: &'t Path,
    pub(super) text: &'t str,
}

/// A value as it is shown in a message.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Collects the mistakes of one table.
pub(super) struct Found<'r, 't> {
    reader: &'r Reader<'t>,
    pub(super) mistakes: Vec<Mistake>,
}

impl Found<'_, '_> {
    pub(super) fn take<T>(&mut self, at: usize, key: &str, value: Result<T, String>) -> Option<T> {
        value
            .map_err(|what| self.mistakes.push(self.reader.mistake(at, key, what)))
            .ok()
    }

    pub(super) fn word<T>(
        &mut self,
        key: &str,
        word: Option<&Spanned<String>>,
        default: T,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        match word {
            None => Some(default),
            Some(word) => self.take(word.span().start, key, read(word.get_ref())),
        }
    }

    pub(super) fn number(
        &mut self,
        key: &str,
        number: Option<&Spanned<f64>>,
        least: f64,
        most: f64,
    ) -> Option<Option<f64>> {
        let Some(number) = number else { return Some(None) };
        let value = *number.get_ref();
        let checked = if (least..=most).contains(&value) {
            Ok(Some(value))
        } else {
            Err(format!(
                "{value} is out of range; use a number from {least} to {most}"
            ))
        };
        self.take(number.span().start, key, checked)
    }

    pub(super) fn done<T>(self, value: Option<T>) -> Result<T, Vec<Mistake>> {
        match value {
            Some(value) if self.mistakes.is_empty() => Ok(value),
            _ => Err(self.mistakes),
        }
    }
}

pub(super) fn name(text: &str) -> Result<String, String> {
    let fits = (1..=NAME_BYTES).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'));
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{:?} is not a name; use 1 to {NAME_BYTES} lower-case letters, digits, hyphens and underscores",
            shown(text)
        ))
    }
}

pub(super) fn span_ms(
    least_ms: u64,
    most_ms: u64,
    example: &'static str,
) -> impl Fn(&str) -> Result<u64, String> {
    move |text| {
        parse_span_ms(text)
            .ok()
            .filter(|span| (least_ms..=most_ms).contains(span))
            .ok_or_else(|| {
                format!(
                    "{:?} is not a span of time from {}s to {}h; write for example {example:?}",
                    shown(text),
                    least_ms / 1_000,
                    most_ms / 3_600_000
                )
            })
    }
}

pub(super) fn severity(text: &str) -> Result<Severity, String> {
    [Severity::Info, Severity::Warning, Severity::Critical]
        .into_iter()
        .find(|severity| severity.as_str() == text)
        .ok_or_else(|| {
            format!(
                "{:?} is not a severity; use info, warning or critical",
                shown(text)
            )
        })
}

pub(super) fn label_value(label: Label, value: &str) -> Result<(), String> {
    let wrong = |remedy: &str| Err(format!("{:?} is not a {label}; {remedy}", shown(value)));
    match label {
        Label::Load if value != "idle" => {
            Err("what was measured under our own load never alerts; leave the label out".to_owned())
        }
        Label::Phase if value != "whole" => Err("a phase alone never alerts; leave the label out".to_owned()),
        Label::Answer if value != "ordinary" => {
            Err("answers that say no never alert by their delay; leave the label out".to_owned())
        }
        Label::Method if value.parse::<Method>().is_err() => wrong(&format!(
            "use one of: {}",
            Method::ALL
                .iter()
                .map(|method| method.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        )),
        Label::Flow if value.parse::<u16>().ok().is_none_or(|flow| flow == 0) => {
            wrong("use a flow from 1; the first, 0, is not named in alerts")
        }
        Label::Zone if value.parse::<ZoneKey>().is_err() => {
            wrong("write provider/region/zone, for example aws/eu-west-3/euw3-az1")
        }
        Label::Region if value.split('/').count() != 2 => {
            wrong("write provider/region, for example aws/eu-west-3")
        }
        Label::Agent if value.parse::<AgentId>().is_err() => {
            wrong("use an agent's id, for example brest-orange-1")
        }
        Label::Country if value.len() != 2 || !value.bytes().all(|byte| byte.is_ascii_uppercase()) => {
            wrong("use a two-letter upper-case ISO 3166-1 code, for example FR")
        }
        _ if value.is_empty() || value.len() > 256 || value.chars().any(char::is_control) => {
            wrong("use 1 to 256 bytes of plain text")
        }
        _ => Ok(()),
    }
}

/// Minute of the day.
pub(super) fn time_of_day(text: &str) -> Result<u16, String> {
    let read = || {
        let (hours, minutes) = text.split_once(':')?;
        let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let (hours, minutes): (u16, u16) = (digits(hours) && digits(minutes))
            .then(|| Some((hours.parse().ok()?, minutes.parse().ok()?)))??;
        (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
    };
    read().ok_or_else(|| {
        format!(
            "{:?} is not a time of day; with `days` write UTC hours and minutes, such as \"02:30\"",
            shown(text)
        )
    })
}

pub(super) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Reader<'_> {
    pub(super) fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
    }

    pub(super) fn mistake(&self, at: usize, key: &str, what: String) -> Mistake {
        Mistake {
            file: self.file.to_owned(),
            line: self.line(at),
            key: key.to_owned(),
            what,
        }
    }

    /// What TOML or its mapping found wrong. Its own words name the key when it is unknown or missing; otherwise the key is
    /// what stands before the `=` of the line.
    pub(super) fn form(&self, error: &toml::de::Error) -> Mistake {
        let at = error.span().map_or(0, |span| span.start);
        let line = self.line(at);
        let text = self.text.lines().nth(line - 1).unwrap_or_default();
        let key = text.split_once('=').map_or(text, |(key, _)| key).trim();
        let what = error.message().trim().replace('\n', ", ");
        let remedy = if what.contains("unknown field")
            || what.contains("missing field")
            || what.contains("invalid type")
        {
            "docs/alerting.md lists the keys"
        } else {
            "write TOML, https://toml.io"
        };
        self.mistake(at, &shown(key), format!("{what}; {remedy}"))
    }

    pub(super) fn found(&self) -> Found<'_, '_> {
        Found {
            reader: self,
            mistakes: Vec::new(),
        }
    }
}
