//! A TOML document read key by key, so that every mistake in it is found at once and named by line, key and remedy.
//!
//! Serde would stop at the first mistake and know nothing of ranges. Here a [`Section`] is asked for the keys it may
//! have; what was not asked for is unknown, and refused. Knows TOML; knows nothing of agents.

use std::cell::RefCell;
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Longest text value, in bytes; the limit of the wire form.
const MAX_TEXT_BYTES: usize = 128;

/// One mistake in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Line, from 1.
    pub line: usize,
    /// Where in the document, for example `target[2].probe[1].period_ms`; empty for the document itself.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// All mistakes of one file, in the order of their lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes {
    /// The file.
    pub file: PathBuf,
    /// At least one.
    pub found: Vec<Mistake>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.found.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}:{}: ", self.file.display(), mistake.line)?;
            if !mistake.key.is_empty() {
                write!(f, "{}: ", mistake.key)?;
            }
            write!(f, "{}. {}", mistake.what, mistake.remedy)?;
        }
        Ok(())
    }
}

/// What is wrong with a value, and the remedy.
pub(crate) struct Wrong(pub(crate) String, pub(crate) String);

/// The text of a document and the mistakes found in it so far.
pub(crate) struct Document<'t> {
    text: &'t str,
    mistakes: RefCell<Vec<Mistake>>,
}

impl<'t> Document<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self {
            text,
            mistakes: RefCell::default(),
        }
    }

    /// The tables of the document; `None` if it is not TOML, which is then the mistake.
    pub(crate) fn parse(&self) -> Option<Spanned<DeTable<'t>>> {
        DeTable::parse(self.text)
            .map_err(|error| {
                let what = format!("not valid TOML: {}", error.message().replace('\n', ", "));
                self.mistake(
                    error.span().unwrap_or(0..0),
                    String::new(),
                    Wrong(what, "See https://toml.io".into()),
                );
            })
            .ok()
    }

    pub(crate) fn mistake(&self, span: Range<usize>, key: String, wrong: Wrong) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        self.mistakes.borrow_mut().push(Mistake {
            line,
            key,
            what: wrong.0,
            remedy: wrong.1,
        });
    }

    /// The mistakes, if any, as those of `file`.
    pub(crate) fn into_mistakes(self, file: &Path) -> Option<Mistakes> {
        let mut found = self.mistakes.into_inner();
        found.sort_by_key(|mistake| mistake.line);
        (!found.is_empty()).then(|| Mistakes {
            file: file.to_owned(),
            found,
        })
    }
}

/// One table of the document.
pub(crate) struct Section<'d> {
    document: &'d Document<'d>,
    table: &'d DeTable<'d>,
    span: Range<usize>,
    path: String,
    asked: Vec<&'static str>,
}

impl<'d> Section<'d> {
    pub(crate) fn root(document: &'d Document<'d>, table: &'d Spanned<DeTable<'d>>) -> Self {
        Self {
            document,
            table: table.get_ref(),
            span: 0..0,
            path: String::new(),
            asked: Vec::new(),
        }
    }

    /// The value of a key that must be there.
    pub(crate) fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, Wrong>,
    ) -> Option<T> {
        let found = self.optional(key, read);
        if !self.has(key) {
            let what = "missing".to_owned();
            self.wrong(key, Wrong(what, format!("Add `{key}` to this table")));
        }
        found
    }

    /// The value of a key that may be there.
    pub(crate) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, Wrong>,
    ) -> Option<T> {
        self.asked.push(key);
        let value = self.table.get(key)?;
        read(value.get_ref()).map_err(|wrong| self.wrong(key, wrong)).ok()
    }

    /// A table under a key, `[key]`, that must be there.
    pub(crate) fn section(&mut self, key: &'static str) -> Option<Section<'d>> {
        let found = self.optional_section(key);
        if !self.has(key) {
            self.wrong(
                key,
                Wrong("missing".into(), format!("Add a table `[{}]`", self.path_of(key))),
            );
        }
        found
    }

    /// A table under a key, `[key]`, that may be there.
    pub(crate) fn optional_section(&mut self, key: &'static str) -> Option<Section<'d>> {
        self.asked.push(key);
        let value = self.table.get(key)?;
        let Some(table) = value.get_ref().as_table() else {
            self.wrong(
                key,
                not_a(
                    "table",
                    value.get_ref(),
                    format!("Write `[{}]`", self.path_of(key)),
                ),
            );
            return None;
        };
        Some(self.below(self.path_of(key), table, value.span()))
    }

    /// The tables of an array, `[[key]]`; numbered from 1 in paths, as people count.
    pub(crate) fn sections(&mut self, key: &'static str) -> Vec<Section<'d>> {
        self.asked.push(key);
        let Some(value) = self.table.get(key) else {
            return Vec::new();
        };
        let remedy = || format!("Write `[[{}]]`", without_numbers(&self.path_of(key)));
        let Some(array) = value.get_ref().as_array() else {
            self.wrong(key, not_a("array of tables", value.get_ref(), remedy()));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, element) in array.iter().enumerate() {
            let path = format!("{}[{}]", self.path_of(key), index + 1);
            match element.get_ref().as_table() {
                Some(table) => sections.push(self.below(path, table, element.span())),
                None => {
                    self.document
                        .mistake(element.span(), path, not_a("table", element.get_ref(), remedy()));
                }
            }
        }
        sections
    }

    /// Notes a mistake in the value of `key`, at its line; at the table's line when the key is missing.
    pub(crate) fn wrong(&self, key: &str, wrong: Wrong) {
        let span = self
            .table
            .get(key)
            .map_or_else(|| self.span.clone(), Spanned::span);
        self.document.mistake(span, self.path_of(key), wrong);
    }

    /// The line on which the value of `key` begins, for pointing back at it.
    pub(crate) fn line_of(&self, key: &str) -> usize {
        let start = self
            .table
            .get(key)
            .map_or(self.span.start, |value| value.span().start);
        self.document
            .text
            .get(..start)
            .map_or(1, |before| before.matches('\n').count() + 1)
    }

    /// Refuses every key that was not asked for.
    pub(crate) fn finish(self) {
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            if !self.asked.contains(&name) {
                let wrong = Wrong(
                    "unknown key".into(),
                    format!("Keys allowed here: {}", self.asked.join(", ")),
                );
                self.document.mistake(key.span(), self.path_of(name), wrong);
            }
        }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn below(&self, path: String, table: &'d DeTable<'d>, span: Range<usize>) -> Section<'d> {
        Section {
            document: self.document,
            table,
            span,
            path,
            asked: Vec::new(),
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

/// Text of 1 to 128 bytes without control characters.
pub(crate) fn text(value: &DeValue<'_>) -> Result<String, Wrong> {
    let Some(text) = value.as_str() else {
        return Err(not_a("text", value, "Put it in double quotes".into()));
    };
    if text.is_empty() || text.len() > MAX_TEXT_BYTES || text.chars().any(char::is_control) {
        let what = format!("{} is empty, too long or has control characters", shown(text));
        return Err(Wrong(
            what,
            format!("Use 1 to {MAX_TEXT_BYTES} bytes of plain text"),
        ));
    }
    Ok(text.to_owned())
}

/// Text that `T` can be parsed from.
pub(crate) fn parsed<T: std::str::FromStr>(
    remedy: &'static str,
) -> impl FnOnce(&DeValue<'_>) -> Result<T, Wrong> {
    move |value| {
        let text = text(value)?;
        text.parse()
            .map_err(|_| Wrong(format!("{} is not valid", shown(&text)), remedy.to_owned()))
    }
}

/// `true` or `false`.
pub(crate) fn boolean(value: &DeValue<'_>) -> Result<bool, Wrong> {
    value.as_bool().ok_or_else(|| {
        not_a(
            "true or false",
            value,
            "Write true or false, without quotes".into(),
        )
    })
}

/// A whole number within `range`.
pub(crate) fn integer(range: RangeInclusive<u64>) -> impl FnOnce(&DeValue<'_>) -> Result<u64, Wrong> {
    move |value| {
        let remedy = format!("Use a whole number from {} to {}", range.start(), range.end());
        let Some(number) = value.as_integer() else {
            return Err(not_a("whole number", value, remedy));
        };
        match u64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(Wrong(format!("{number} is out of range"), remedy)),
        }
    }
}

/// A number within `range`; `1` is as good as `1.0`.
pub(crate) fn number(range: RangeInclusive<f64>) -> impl FnOnce(&DeValue<'_>) -> Result<f64, Wrong> {
    move |value| {
        let remedy = format!("Use a number from {} to {}", range.start(), range.end());
        let given = match value {
            DeValue::Integer(number) => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            other => return Err(not_a("number", other, remedy)),
        };
        match given.parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(Wrong(format!("{given} is out of range"), remedy)),
        }
    }
}

/// A value as it is shown in a message: quoted, and short.
pub(crate) fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(60).collect::<String>())
}

/// `target[2].probe` as it is written in a file: `target.probe`.
fn without_numbers(path: &str) -> String {
    path.split(['[', ']']).step_by(2).collect()
}

fn not_a(wanted: &str, given: &DeValue<'_>, remedy: String) -> Wrong {
    Wrong(format!("expected {wanted}, found {}", given.type_str()), remedy)
}
