//! Rules as they are written: TOML, one table per rule under the name of its condition. Every mistake is named with file,
//! line, key and remedy; what is wrong with the form (not TOML, an unknown key) hides what follows in that file, mistakes
//! of meaning are named all at once.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::calendar::{Maintenance, When};
use super::measure::{Measure, Unit};
use super::model::{Condition, DEFAULT_KEEP_FIRING_MS, DEFAULT_ROUTE, Rule, RuleSet, Severity};
use super::objective::Objective;
use super::reading::{
    DAYS, Found, Mistake, Reader, label_value, name, severity, shown, span_ms, time_of_day,
};
use super::selector::Selector;
use super::threshold::{LONGEST_WINDOW_MS, Threshold};
use crate::alert::event::Statistic;
use crate::alert::incident::RULE as INCIDENT_RULE;
use crate::alert::settings::{MINUTE_MS, Settings};
use crate::query::Label;
use crate::utc::UtcInstant;

/// Most rules of an installation: each is held against every series it selects.
pub const MOST_RULES: usize = 1_000;
/// Longest `for`, `keep_firing_for` and silence.
const LONGEST_MS: u64 = 30 * 86_400_000;

type Word = Option<Spanned<String>>;
type Number = Option<Spanned<f64>>;
type Labels = BTreeMap<String, Spanned<OneOrMany>>;

#[derive(Debug, Clone, Deserialize)]
#[serde(
    untagged,
    expecting = "text or a list of texts, such as \"aws\" or [\"aws\", \"gcp\"]"
)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    default_regression: Option<bool>,
    #[serde(default)]
    regression: Vec<Spanned<RegressionTable>>,
    #[serde(default)]
    threshold: Vec<Spanned<ThresholdTable>>,
    #[serde(default)]
    absence: Vec<Spanned<AbsenceTable>>,
    #[serde(default)]
    objective: Vec<Spanned<ObjectiveTable>>,
    #[serde(default)]
    maintenance: Vec<Spanned<MaintenanceTable>>,
}

/// A table of one kind of rule: what every rule has, and what only this kind has.
macro_rules! table {
    ($name:ident { $($field:ident : $kind:ty,)* }) => {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $name {
            name: Spanned<String>,
            #[serde(default)]
            select: Labels,
            #[serde(default)]
            except: Labels,
            severity: Word,
            route: Word,
            #[serde(rename = "for")]
            pending: Word,
            keep_firing_for: Word,
            $($field: $kind,)*
        }

        impl $name {
            fn shared(&self) -> Shared<'_> {
                Shared {
                    name: &self.name,
                    select: &self.select,
                    except: &self.except,
                    severity: self.severity.as_ref(),
                    route: self.route.as_ref(),
                    pending: self.pending.as_ref(),
                    keep_firing_for: self.keep_firing_for.as_ref(),
                }
            }
        }
    };
}

table!(RegressionTable {
    statistics: Option<Vec<Spanned<String>>>,
    floor_ms: Number,
    floor_percent: Number,
    floor_loss_percent: Number,
    floor_throughput_percent: Number,
});
table!(ThresholdTable {
    measure: Spanned<String>,
    above: Number,
    below: Number,
    above_ms: Number,
    below_ms: Number,
    above_percent: Number,
    below_percent: Number,
    window: Word,
    least: Option<Spanned<u64>>,
});
table!(AbsenceTable {
    silent_for: Spanned<String>,
});
table!(ObjectiveTable {
    measure: Spanned<String>,
    under: Number,
    under_ms: Number,
    under_percent: Number,
    target_percent: Spanned<f64>,
});

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MaintenanceTable {
    name: Spanned<String>,
    #[serde(default)]
    select: Labels,
    #[serde(default)]
    rules: Vec<Spanned<String>>,
    from: Spanned<String>,
    until: Spanned<String>,
    days: Option<Vec<Spanned<String>>>,
}

struct Shared<'t> {
    name: &'t Spanned<String>,
    select: &'t Labels,
    except: &'t Labels,
    severity: Option<&'t Spanned<String>>,
    route: Option<&'t Spanned<String>>,
    pending: Option<&'t Spanned<String>>,
    keep_firing_for: Option<&'t Spanned<String>>,
}

/// Reads files into one set, in their order. Without any, and unless one says `default_regression = false`, the default
/// regression rule watches everything that no regression rule of the files selects.
///
/// # Errors
/// Every mistake found.
pub fn read<'f>(files: impl IntoIterator<Item = (&'f Path, &'f str)>) -> Result<RuleSet, Vec<Mistake>> {
    let mut rules = Vec::new();
    let mut maintenance = Vec::new();
    let mut mistakes = Vec::new();
    let mut names: HashMap<String, (PathBuf, usize)> = HashMap::new();
    let mut wanted_rules = Vec::new();
    let mut default_regression = true;
    for (file, text) in files {
        let reader = Reader { file, text };
        let document = match toml::from_str::<Document>(text) {
            Ok(document) => document,
            Err(error) => {
                mistakes.push(reader.form(&error));
                continue;
            }
        };
        default_regression &= document.default_regression.unwrap_or(true);
        // In the order of the file, so that of two regression rules the upper one is the first.
        let mut found = Vec::new();
        let mut take = |at: usize, rule: Result<Rule, Vec<Mistake>>| match rule {
            Ok(rule) => found.push((at, rule)),
            Err(more) => mistakes.extend(more),
        };
        for table in &document.regression {
            take(table.span().start, reader.regression(table.get_ref()));
        }
        for table in &document.threshold {
            take(table.span().start, reader.threshold(table.get_ref()));
        }
        for table in &document.absence {
            take(table.span().start, reader.absence(table.get_ref()));
        }
        for table in &document.objective {
            take(table.span().start, reader.objective(table.get_ref()));
        }
        found.sort_by_key(|(at, _)| *at);
        for (at, rule) in found {
            let here = (file.to_owned(), reader.line(at));
            match names.get(&rule.name) {
                Some((file, line)) => {
                    let what = format!(
                        "{:?} names a rule already ({}:{line}); give each rule a name of its own",
                        rule.name,
                        file.display()
                    );
                    mistakes.push(reader.mistake(at, "name", what));
                }
                None => {
                    names.insert(rule.name.clone(), here);
                    rules.push(rule);
                }
            }
        }
        for table in &document.maintenance {
            match reader.maintenance(table.get_ref()) {
                Ok(window) => maintenance.push(window),
                Err(more) => mistakes.extend(more),
            }
            for name in &table.get_ref().rules {
                wanted_rules.push((name.get_ref().clone(), reader.mistake(
                    name.span().start,
                    "rules",
                    format!("there is no rule {:?}; name a rule of these files, or leave `rules` out for all of them", shown(name.get_ref())),
                )));
            }
        }
    }
    if default_regression {
        let rule = Rule::default_regression();
        if !names.contains_key(&rule.name) {
            names.insert(rule.name.clone(), Default::default());
            rules.push(rule);
        }
    }
    let unknown = wanted_rules
        .into_iter()
        .filter(|(name, _)| !names.contains_key(name));
    mistakes.extend(unknown.map(|(_, mistake)| mistake));
    if rules.len() > MOST_RULES {
        mistakes.push(Mistake {
            file: PathBuf::new(),
            line: 0,
            key: String::new(),
            what: format!(
                "{} rules; use at most {MOST_RULES}: one rule with a list of values does for many",
                rules.len()
            ),
        });
    }
    if mistakes.is_empty() {
        Ok(RuleSet { rules, maintenance })
    } else {
        mistakes.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
        Err(mistakes)
    }
}

impl Reader<'_> {
    fn selector(&self, found: &mut Found<'_, '_>, key: &str, labels: &Labels) -> Selector {
        let mut selector = Selector::default();
        for (text, values) in labels {
            let at = values.span().start;
            let key = format!("{key}.{}", shown(text));
            let Some(label) = found.take(at, &key, text.parse::<Label>()) else {
                continue;
            };
            let values = match values.get_ref() {
                OneOrMany::One(value) => vec![value.clone()],
                OneOrMany::Many(values) => values.clone(),
            };
            if values.is_empty() {
                found.take::<()>(
                    at,
                    &key,
                    Err("an empty list selects nothing; name a value, or leave the label out".to_owned()),
                );
            }
            for value in &values {
                found.take(at, &key, label_value(label, value));
            }
            selector = selector.with(label, values);
        }
        selector
    }

    fn rule(
        &self,
        found: &mut Found<'_, '_>,
        shared: &Shared<'_>,
        condition: Option<Condition>,
        keep_ms: u64,
    ) -> Option<Rule> {
        let at = shared.name.span().start;
        let free = name(shared.name.get_ref()).and_then(|name| {
            if name == INCIDENT_RULE {
                Err(format!(
                    "{name:?} is what incidents are called; give the rule another name"
                ))
            } else {
                Ok(name)
            }
        });
        let name = found.take(at, "name", free);
        let select = self.selector(found, "select", shared.select);
        let except = self.selector(found, "except", shared.except);
        let severity = found.word("severity", shared.severity, Severity::Warning, severity);
        let route = found.word("route", shared.route, DEFAULT_ROUTE.to_owned(), self::name);
        let pending = found.word("for", shared.pending, 0, span_ms(0, LONGEST_MS, "5m"));
        let keep = found.word(
            "keep_firing_for",
            shared.keep_firing_for,
            keep_ms,
            span_ms(0, LONGEST_MS, "15m"),
        );
        Some(Rule {
            name: name?,
            condition: condition?,
            select,
            except,
            severity: severity?,
            route: route?,
            pending_ms: pending?,
            keep_firing_ms: keep?,
        })
    }

    fn regression(&self, table: &RegressionTable) -> Result<Rule, Vec<Mistake>> {
        let mut found = self.found();
        let mut settings = Settings::default();
        if let Some(Some(floor_ms)) = found.number("floor_ms", table.floor_ms.as_ref(), 0.05, 60_000.0) {
            let floor_us = floor_ms * 1_000.0;
            settings.median.floor.absolute = floor_us;
            settings.median.floor.absolute_least = floor_us;
            for wide in [&mut settings.tail.floor, &mut settings.spread.floor] {
                wide.absolute = wide.absolute.max(floor_us);
                wide.absolute_least = wide.absolute_least.max(floor_us);
            }
        }
        if let Some(Some(percent)) = found.number("floor_percent", table.floor_percent.as_ref(), 0.1, 1_000.0)
        {
            settings.median.floor.relative = percent / 100.0;
            for wide in [&mut settings.tail.floor, &mut settings.spread.floor] {
                wide.relative = wide.relative.max(percent / 100.0);
            }
        }
        if let Some(Some(percent)) = found.number(
            "floor_loss_percent",
            table.floor_loss_percent.as_ref(),
            0.1,
            100.0,
        ) {
            settings.loss.rise = percent / 100.0;
        }
        if let Some(Some(percent)) = found.number(
            "floor_throughput_percent",
            table.floor_throughput_percent.as_ref(),
            5.0,
            99.0,
        ) {
            settings.rates.drop = percent / 100.0;
        }
        let mut statistics = Vec::new();
        match &table.statistics {
            None => statistics.extend(Statistic::ALL),
            Some(names) => {
                for name in names {
                    let known = Statistic::ALL
                        .into_iter()
                        .find(|known| known.as_str() == name.get_ref());
                    let known = known.ok_or_else(|| {
                        format!(
                            "{:?} is not watched for regressions; use p50, p98, spread, loss, download, upload",
                            shown(name.get_ref())
                        )
                    });
                    statistics.extend(found.take(name.span().start, "statistics", known));
                }
                if names.is_empty() {
                    let what =
                        "an empty list watches nothing; name p50, p98, spread, loss, download or upload, or leave it out"
                            .to_owned();
                    found.take::<()>(table.name.span().start, "statistics", Err(what));
                }
            }
        }
        let condition = Condition::Regression {
            settings: settings.into(),
            statistics,
        };
        let rule = self.rule(
            &mut found,
            &table.shared(),
            Some(condition),
            DEFAULT_KEEP_FIRING_MS,
        );
        found.done(rule)
    }

    fn threshold(&self, table: &ThresholdTable) -> Result<Rule, Vec<Mistake>> {
        let mut found = self.found();
        let measure = found.take(
            table.measure.span().start,
            "measure",
            Measure::parse(table.measure.get_ref()),
        );
        let limits = [
            ("above", &table.above, true, Unit::Probes),
            ("below", &table.below, false, Unit::Probes),
            ("above_ms", &table.above_ms, true, Unit::Ms),
            ("below_ms", &table.below_ms, false, Unit::Ms),
            ("above_percent", &table.above_percent, true, Unit::Percent),
            ("below_percent", &table.below_percent, false, Unit::Percent),
        ];
        let given: Vec<_> = limits
            .into_iter()
            .filter_map(|(key, limit, above, unit)| Some((key, limit.as_ref()?, above, unit)))
            .collect();
        let limit = match given.as_slice() {
            [(key, limit, above, unit)] => match measure {
                Some(measure) if measure.unit().suffix() != unit.suffix() => {
                    let suffix = measure.unit().suffix();
                    let what = format!(
                        "{} has another unit; write above{suffix} or below{suffix}",
                        measure.name()
                    );
                    found.take(limit.span().start, key, Err(what))
                }
                _ => {
                    let most = if *unit == Unit::Percent { 100.0 } else { 1e12 };
                    found
                        .number(key, Some(limit), 0.0, most)
                        .flatten()
                        .map(|limit| (limit, *above))
                }
            },
            _ => {
                let suffix = measure.map_or("_ms", |measure| measure.unit().suffix());
                let what = format!(
                    "{} limits; write exactly one of above{suffix} and below{suffix}",
                    given.len()
                );
                found.take(table.name.span().start, "above", Err(what))
            }
        };
        let window = found.word(
            "window",
            table.window.as_ref(),
            5 * MINUTE_MS,
            span_ms(MINUTE_MS, LONGEST_WINDOW_MS, "5m"),
        );
        let least = table.least.as_ref().map(|least| *least.get_ref());
        let condition = measure
            .zip(limit)
            .zip(window)
            .map(|((measure, (limit, above)), window_ms)| {
                Condition::Threshold(Threshold {
                    measure,
                    limit,
                    above,
                    window_ms,
                    least: least.unwrap_or_else(|| measure.least()),
                })
            });
        let rule = self.rule(&mut found, &table.shared(), condition, DEFAULT_KEEP_FIRING_MS);
        found.done(rule)
    }

    fn absence(&self, table: &AbsenceTable) -> Result<Rule, Vec<Mistake>> {
        let mut found = self.found();
        let silent = found.word(
            "silent_for",
            Some(&table.silent_for),
            0,
            span_ms(MINUTE_MS, LONGEST_MS, "5m"),
        );
        let condition = silent.map(|silent_ms| Condition::Absence { silent_ms });
        let rule = self.rule(&mut found, &table.shared(), condition, 0);
        found.done(rule)
    }

    fn objective(&self, table: &ObjectiveTable) -> Result<Rule, Vec<Mistake>> {
        let mut found = self.found();
        let measure = found.take(
            table.measure.span().start,
            "measure",
            Measure::parse(table.measure.get_ref()),
        );
        let limits = [
            ("under", &table.under, Unit::Probes),
            ("under_ms", &table.under_ms, Unit::Ms),
            ("under_percent", &table.under_percent, Unit::Percent),
        ];
        let wanted = measure.map_or(Unit::Ms, Measure::unit);
        let mut under = None;
        for (key, limit, unit) in limits {
            let Some(limit) = limit else { continue };
            if unit.suffix() == wanted.suffix() {
                let most = if unit == Unit::Percent { 100.0 } else { 1e12 };
                under = found.number(key, Some(limit), 0.0, most).flatten();
            } else if let Some(measure) = measure {
                let what = format!(
                    "{} has another unit; write under{}",
                    measure.name(),
                    wanted.suffix()
                );
                found.take::<()>(limit.span().start, key, Err(what));
            }
        }
        if under.is_none() && found.mistakes.is_empty() {
            let key = format!("under{}", wanted.suffix());
            found.take::<()>(
                table.name.span().start,
                &key,
                Err("missing; say under what a minute is good".to_owned()),
            );
        }
        let target = found
            .number("target_percent", Some(&table.target_percent), 50.0, 99.999)
            .flatten();
        let condition = measure.zip(under).zip(target).map(|((measure, under), percent)| {
            Condition::Objective(Objective {
                measure,
                under,
                target: percent / 100.0,
            })
        });
        let rule = self.rule(&mut found, &table.shared(), condition, DEFAULT_KEEP_FIRING_MS);
        found.done(rule)
    }

    fn maintenance(&self, table: &MaintenanceTable) -> Result<Maintenance, Vec<Mistake>> {
        let mut found = self.found();
        let name = found.take(table.name.span().start, "name", name(table.name.get_ref()));
        let select = self.selector(&mut found, "select", &table.select);
        let (from, until) = (&table.from, &table.until);
        let when = match &table.days {
            None => {
                let mut instant = |key: &str, text: &Spanned<String>| {
                    let read = UtcInstant::parse(text.get_ref(), 0).map(UtcInstant::unix_ms);
                    let read = read.ok().filter(|_| !text.get_ref().starts_with("now"));
                    let read = read.ok_or_else(|| format!("{:?} is not an instant; write for example \"2026-11-23T10:00:00Z\", or add `days` for a weekly window", shown(text.get_ref())));
                    found.take(text.span().start, key, read)
                };
                let both = instant("from", from).zip(instant("until", until));
                both.and_then(|(from_unix_ms, until_unix_ms)| {
                    let ordered = if from_unix_ms < until_unix_ms {
                        Ok(When::Once {
                            from_unix_ms,
                            until_unix_ms,
                        })
                    } else {
                        Err("is not after `from`; a window ends after it begins".to_owned())
                    };
                    found.take(until.span().start, "until", ordered)
                })
            }
            Some(names) => {
                let mut days = [false; 7];
                for name in names {
                    let day = DAYS.iter().position(|day| day == name.get_ref());
                    let day = day.ok_or_else(|| {
                        format!(
                            "{:?} is not a day; use {}",
                            shown(name.get_ref()),
                            DAYS.join(", ")
                        )
                    });
                    if let Some(day) = found.take(name.span().start, "days", day) {
                        days[day] = true;
                    }
                }
                if names.is_empty() {
                    found.take::<()>(from.span().start, "days", Err("an empty list is never; name a day, or leave it out for a window that opens once".to_owned()));
                }
                let from = found.take(from.span().start, "from", time_of_day(from.get_ref()));
                let until = found.take(until.span().start, "until", time_of_day(until.get_ref()));
                from.zip(until).map(|(from_minute, until_minute)| When::Weekly {
                    days,
                    from_minute,
                    until_minute,
                })
            }
        };
        let window = name.zip(when).map(|(name, when)| Maintenance {
            name,
            select,
            rules: table.rules.iter().map(|name| name.get_ref().clone()).collect(),
            when,
        });
        found.done(window)
    }
}

#[cfg(test)]
mod tests;
