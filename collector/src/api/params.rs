//! Query parameters, read strictly: an unknown or repeated one is refused by name, and whatever is out of range is told
//! what is allowed. Handed the time; reads no clock.

use std::str::FromStr;

use azimuth_measurement::{AgentId, Answer, LoadLabel, Method, Phase, ZoneKey};

use crate::problem::Problem;
use crate::query::{Label, Selection};
use crate::store::TimeRange;
use crate::utc::{UtcInstant, parse_span_ms};

/// Steps are whole multiples of this: the default interval.
const STEP_GRID_MS: u64 = 10_000;
/// The longest step that may be asked for.
const LONGEST_STEP_MS: u64 = 366 * 86_400_000;
/// Step lengths chosen when none is asked for, in seconds: ones that people read easily.
const STEP_LADDER_S: [u64; 19] = [
    10, 20, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800,
    604_800, 2_592_000, 31_536_000,
];

/// The parameters of one request.
#[derive(Debug)]
pub(super) struct Params {
    pairs: Vec<(String, String)>,
}

impl Params {
    /// Splits the query string and refuses every name that is not in `allowed`.
    pub(super) fn read(query: Option<&str>, allowed: &[&str]) -> Result<Self, Problem> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
        if let Some((name, _)) = pairs.iter().find(|(name, _)| !allowed.contains(&name.as_str())) {
            let allowed = if allowed.is_empty() {
                "none".to_owned()
            } else {
                allowed.join(", ")
            };
            let name: String = name.chars().take(80).collect();
            return Err(Problem::bad_request(
                "unknown_parameter",
                format!("there is no parameter `{name}` here; allowed: {allowed}"),
            ));
        }
        Ok(Self { pairs })
    }

    /// Every value of a parameter that may be repeated.
    pub(super) fn all<T: FromStr<Err: std::fmt::Display>>(&self, name: &str) -> Result<Vec<T>, Problem> {
        self.values(name).map(|value| parse(name, value)).collect()
    }

    /// Whether a parameter was given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// One method and one load label, and whatever else narrows the choice.
    pub(super) fn selection(&self) -> Result<Selection, Problem> {
        let one = Selection::of(
            self.optional("method")?.unwrap_or(Method::Stamp),
            self.optional("load")?.unwrap_or(LoadLabel::Idle),
        );
        // Two phases are never merged into one number.
        self.one("phase")?;
        self.narrow(one, "")
    }

    /// Narrows a choice by every label but method and load, each parameter named with `prefix`.
    pub(super) fn narrow(&self, mut selection: Selection, prefix: &str) -> Result<Selection, Problem> {
        for label in FILTERS {
            let name = format!("{prefix}{label}");
            for value in self.values(&name) {
                selection = selection.with(label, canonical(label, &name, value)?);
            }
        }
        Ok(selection)
    }

    /// The value of a parameter that must be there, once.
    pub(super) fn required<T: FromStr<Err: std::fmt::Display>>(&self, name: &str) -> Result<T, Problem> {
        let value = self.one(name)?.ok_or_else(|| {
            Problem::bad_request("missing_parameter", format!("the parameter `{name}` is missing"))
        })?;
        parse(name, value)
    }

    /// The value of a parameter that may be there, once.
    pub(super) fn optional<T: FromStr<Err: std::fmt::Display>>(
        &self,
        name: &str,
    ) -> Result<Option<T>, Problem> {
        self.one(name)?.map(|value| parse(name, value)).transpose()
    }

    /// `from` and `to`, at most `longest_ms` apart.
    pub(super) fn range(
        &self,
        now_unix_ms: u64,
        default_from: &str,
        longest_ms: u64,
    ) -> Result<TimeRange, Problem> {
        self.range_of(now_unix_ms, [("from", default_from), ("to", "now")], longest_ms)
    }

    /// A range whose two ends have these names and defaults, at most `longest_ms` apart.
    pub(super) fn range_of(
        &self,
        now_unix_ms: u64,
        [(from, default_from), (to, default_to)]: [(&str, &str); 2],
        longest_ms: u64,
    ) -> Result<TimeRange, Problem> {
        let instant = |name: &str, default: &str| -> Result<u64, Problem> {
            UtcInstant::parse(self.one(name)?.unwrap_or(default), now_unix_ms)
                .map(UtcInstant::unix_ms)
                .map_err(|reason| invalid(name, &reason))
        };
        let (from_unix_ms, to_unix_ms) = (instant(from, default_from)?, instant(to, default_to)?);
        if from_unix_ms >= to_unix_ms {
            return Err(invalid(from, &format!("it must be before `{to}`")));
        }
        let range = TimeRange {
            from_unix_ms,
            to_unix_ms,
        };
        if range.length_ms() > longest_ms {
            let hours = longest_ms / 3_600_000;
            return Err(invalid(
                from,
                &format!("it may be at most {hours} h before `{to}` here"),
            ));
        }
        Ok(range)
    }

    /// `step`, in milliseconds: as asked, or the shortest of the ladder that makes at most `default_steps` of `range`.
    pub(super) fn step_ms(
        &self,
        range: TimeRange,
        default_steps: u64,
        most_steps: u64,
    ) -> Result<u64, Problem> {
        let Some(text) = self.one("step")? else {
            let fits = |step_s: &&u64| range.length_ms().div_ceil(**step_s * 1_000) <= default_steps;
            let longest = STEP_LADDER_S[STEP_LADDER_S.len() - 1];
            return Ok(STEP_LADDER_S.iter().find(fits).copied().unwrap_or(longest) * 1_000);
        };
        let step_ms = parse_span_ms(text).map_err(|reason| invalid("step", &reason))?;
        if step_ms == 0 || !step_ms.is_multiple_of(STEP_GRID_MS) || step_ms > LONGEST_STEP_MS {
            return Err(invalid("step", "it must be a multiple of 10s, and at most 366d"));
        }
        let steps = range.length_ms().div_ceil(step_ms);
        if steps > most_steps {
            let least_s =
                range.length_ms().div_ceil(most_steps).div_ceil(STEP_GRID_MS) * STEP_GRID_MS / 1_000;
            let reason = format!(
                "{steps} steps are too many, {most_steps} are allowed; for this range use at least {least_s}s"
            );
            return Err(invalid("step", &reason));
        }
        Ok(step_ms)
    }

    /// A whole number within `allowed`.
    pub(super) fn number(
        &self,
        name: &str,
        default: u32,
        allowed: std::ops::RangeInclusive<u32>,
    ) -> Result<u32, Problem> {
        let outside = || {
            invalid(
                name,
                &format!(
                    "it must be a whole number from {} to {}",
                    allowed.start(),
                    allowed.end()
                ),
            )
        };
        let Some(text) = self.one(name)? else {
            return Ok(default);
        };
        text.parse()
            .ok()
            .filter(|number| allowed.contains(number))
            .ok_or_else(outside)
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs
            .iter()
            .filter(move |(given, _)| given == name)
            .map(|(_, value)| value.as_str())
    }

    fn one<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>, Problem> {
        let mut values = self.values(name);
        let first = values.next();
        if values.next().is_some() {
            return Err(Problem::bad_request(
                "repeated_parameter",
                format!("the parameter `{name}` may be given once here"),
            ));
        }
        Ok(first)
    }
}

/// The labels that a parameter of the same name filters by, repeatable; method and load have rules of their own.
pub(super) const FILTERS: [Label; 12] = [
    Label::Agent,
    Label::City,
    Label::Country,
    Label::Network,
    Label::Provider,
    Label::Region,
    Label::Zone,
    Label::Metro,
    Label::Address,
    Label::Phase,
    Label::Answer,
    Label::Flow,
];

/// The value as labels spell it.
fn canonical(label: Label, name: &str, value: &str) -> Result<String, Problem> {
    Ok(match label {
        Label::Agent => parse::<AgentId>(name, value)?.to_string(),
        Label::Zone => parse::<ZoneKey>(name, value)?.to_string(),
        Label::Flow => parse::<u16>(name, value)?.to_string(),
        Label::Region if !value.contains('/') => {
            let reason =
                "write provider/region, for example aws/eu-west-3; region ids collide across providers";
            return Err(invalid(name, reason));
        }
        Label::Phase => parse::<Phase>(name, value)?.to_string(),
        Label::Answer => parse::<Answer>(name, value)?.to_string(),
        _ => value.to_owned(),
    })
}

fn parse<T: FromStr<Err: std::fmt::Display>>(name: &str, value: &str) -> Result<T, Problem> {
    value
        .parse()
        .map_err(|error: T::Err| invalid(name, &error.to_string()))
}

pub(super) fn invalid(name: &str, reason: &str) -> Problem {
    Problem::bad_request("invalid_parameter", format!("parameter `{name}`: {reason}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_795_428_000_000;
    const HOUR_MS: u64 = 3_600_000;
    const ALL: &[&str] = &["agent", "zone", "method", "from", "to", "step", "rows"];

    fn params(query: &str) -> Params {
        Params::read(Some(query), ALL).expect("known names")
    }

    fn range(query: &str) -> Result<(u64, u64), String> {
        params(query)
            .range(NOW, "now-1h", 24 * HOUR_MS)
            .map(|range| (NOW - range.from_unix_ms, NOW - range.to_unix_ms))
            .map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn unknown_names_are_refused_and_the_known_ones_listed() {
        let problem = Params::read(Some("from=now&form=now"), ALL).expect_err("unknown");
        assert_eq!(problem.reason(), "unknown_parameter");
        assert!(problem.detail().contains("`form`"));
        assert!(
            problem
                .detail()
                .contains("agent, zone, method, from, to, step, rows")
        );
        assert!(
            Params::read(Some("x=1"), &[])
                .expect_err("unknown")
                .detail()
                .ends_with("allowed: none")
        );
        assert!(Params::read(None, &[]).is_ok());
    }

    #[test]
    fn values_are_decoded_and_checked() {
        let given = params("agent=paris-1&zone=ionos/fr%252Fpar/fr%252Fpar&method=stamp");
        assert_eq!(
            given.required::<AgentId>("agent").expect("valid").as_str(),
            "paris-1"
        );
        assert_eq!(given.required::<ZoneKey>("zone").expect("valid").zone(), "fr/par");
        assert_eq!(given.optional::<Method>("method"), Ok(Some(Method::Stamp)));
        assert_eq!(params("").optional::<Method>("method"), Ok(None));
        let problem = params("method=ping")
            .optional::<Method>("method")
            .expect_err("no such method");
        assert!(
            problem.detail().contains("stamp, icmp_echo"),
            "{}",
            problem.detail()
        );
        assert_eq!(
            params("")
                .required::<AgentId>("agent")
                .expect_err("missing")
                .reason(),
            "missing_parameter"
        );
        let twice = params("agent=a&agent=b");
        assert_eq!(
            twice.required::<AgentId>("agent").expect_err("twice").reason(),
            "repeated_parameter"
        );
        assert_eq!(twice.all::<AgentId>("agent").map(|agents| agents.len()), Ok(2));
    }

    #[test]
    fn ranges_have_defaults_and_limits() {
        assert_eq!(range(""), Ok((HOUR_MS, 0)));
        assert_eq!(range("from=now-3h&to=now-2h"), Ok((3 * HOUR_MS, 2 * HOUR_MS)));
        assert!(range("from=now&to=now-1h").is_err_and(|reason| reason.contains("before `to`")));
        assert!(range("from=now-25h").is_err_and(|reason| reason.contains("at most 24 h")));
        assert!(range("from=soon").is_err_and(|reason| reason.contains("`soon` is not a time")));
    }

    #[test]
    fn steps_have_defaults_and_limits() {
        let day = TimeRange {
            from_unix_ms: NOW - 24 * HOUR_MS,
            to_unix_ms: NOW,
        };
        let step = |query: &str| {
            params(query)
                .step_ms(day, 360, 5_000)
                .map_err(|problem| problem.detail().to_owned())
        };
        assert_eq!(
            step(""),
            Ok(300_000),
            "288 points: the shortest step of the ladder that makes at most 360"
        );
        assert_eq!(step("step=1m"), Ok(60_000));
        for bad in ["step=0s", "step=15s", "step=5", "step=367d"] {
            assert!(step(bad).is_err(), "{bad}");
        }
        assert!(step("step=10s").is_err_and(|reason| reason.contains("use at least 20s")));
        assert_eq!(step("step=20s"), Ok(20_000));
    }

    #[test]
    fn numbers_say_what_is_allowed() {
        assert_eq!(params("").number("rows", 80, 1..=160), Ok(80));
        assert_eq!(params("rows=160").number("rows", 80, 1..=160), Ok(160));
        for bad in ["rows=0", "rows=161", "rows=-1", "rows=x", "rows="] {
            let problem = params(bad).number("rows", 80, 1..=160).expect_err(bad);
            assert!(problem.detail().contains("from 1 to 160"));
        }
    }

    proptest! {
        #[test]
        fn no_query_string_makes_the_parser_panic(query in ".{0,80}") {
            if let Ok(given) = Params::read(Some(&query), ALL) {
                let _ = given.range(NOW, "now-1h", HOUR_MS).and_then(|range| given.step_ms(range, 360, 5_000));
                let _ = (given.all::<ZoneKey>("zone"), given.number("rows", 80, 1..=160));
            }
        }

        #[test]
        fn a_default_step_never_makes_too_many_points(length_ms in 1_u64..20_000_000_000) {
            let range = TimeRange { from_unix_ms: NOW - length_ms, to_unix_ms: NOW };
            let step_ms = params("").step_ms(range, 360, 5_000).expect("a default");
            prop_assert!(length_ms.div_ceil(step_ms) <= 360);
        }
    }
}
