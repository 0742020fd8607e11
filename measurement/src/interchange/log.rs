//! The HdrHistogram interval log, version 1.3: what `HistogramLogWriter` writes and `HistogramLogReader`,
//! `HistogramLogProcessor` and HdrHistogramVisualizer read. One line an interval: optional tag, start and length in seconds,
//! the longest delay in milliseconds, and the histogram, V2 compressed, in base64. Histogram values are microseconds.
//!
//! Pure: lines come and go as text; files are the caller's.

use std::fmt::Write as _;

use thiserror::Error;

use super::base64;
use super::v2::{self, V2Error};
use crate::histogram::DelayHistogram;

/// The longest line read, in bytes: the largest histogram in base64, and room for tag and times.
pub const MAX_LINE_BYTES: usize = v2::MAX_WIRE_BYTES.div_ceil(3) * 4 + 4_096;
/// The longest tag, in bytes.
pub const MAX_TAG_BYTES: usize = 2_048;
/// Times more than this before the log's start are offsets from it, in seconds: the convention of the format.
const YEAR_S: f64 = 365.0 * 86_400.0;
/// The year 9999, in seconds.
const MAX_TIME_S: f64 = 253_402_300_799.0;

/// One interval of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Which of several series in one log.
    pub tag: Option<String>,
    /// Start, in milliseconds since the Unix epoch.
    pub start_unix_ms: u64,
    /// Length, in milliseconds.
    pub length_ms: u64,
    /// The delays.
    pub delays: DelayHistogram,
}

/// A line that is no interval, and which one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {reason}")]
pub struct LogError {
    /// From 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: LineError,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LineError {
    /// Beyond [`MAX_LINE_BYTES`].
    #[error("longer than {MAX_LINE_BYTES} bytes")]
    TooLong,
    /// Not text.
    #[error("not UTF-8")]
    NotText,
    /// Not four fields.
    #[error("not an interval; wanted: [Tag=TAG,]start,length,max,histogram")]
    Fields,
    /// An empty or endless tag.
    #[error("the tag must be 1 to {MAX_TAG_BYTES} bytes")]
    Tag,
    /// Not a number of seconds in the years that have one.
    #[error("{what} {given:?} is not a number of seconds, 0 or more, before the year 10000")]
    Time {
        /// Start, length or the log's own start.
        what: &'static str,
        /// As given, cut.
        given: String,
    },
    /// Not base64.
    #[error("the histogram is not base64")]
    Base64,
    /// Not a histogram we can hold.
    #[error(transparent)]
    Histogram(#[from] V2Error),
}

/// Appends the head of a log. `about` says in one line what is in it; `start_unix_ms` when it begins.
pub fn write_head(out: &mut String, about: &str, start_unix_ms: u64) {
    let about: String = about.chars().filter(|c| !c.is_control()).collect();
    let _ = write!(
        out,
        "#[{about}]\n\
         #[Histogram values are microseconds of round-trip delay, 1 us to 60 s, 3 significant digits; lost probes are in none]\n\
         #[Histogram log format version 1.3]\n\
         #[StartTime: {} (seconds since epoch)]\n\
         \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n",
        Seconds(start_unix_ms)
    );
}

/// Appends a comment of our own, `#[NAME VALUE]`, which readers of the format pass over. Control characters are left out.
pub fn write_comment(out: &mut String, name: &str, value: &str) {
    out.push_str("#[");
    out.push_str(name);
    out.push(' ');
    out.extend(value.chars().filter(|c| !c.is_control()));
    out.push_str("]\n");
}

/// The value of a comment that [`write_comment`] wrote under this name.
pub fn comment<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let inner = line
        .trim_end_matches(['\n', '\r'])
        .strip_prefix("#[")?
        .strip_suffix(']')?;
    inner.strip_prefix(name)?.strip_prefix(' ')
}

/// Appends one interval. The tag loses whatever would end it: commas, spaces, control characters.
pub fn write_entry(out: &mut String, entry: &LogEntry) {
    if let Some(tag) = &entry.tag {
        let kept = tag
            .chars()
            .filter(|c| *c != ',' && !c.is_whitespace() && !c.is_control());
        out.push_str("Tag=");
        out.extend(kept);
        out.push(',');
    }
    let longest_us = entry
        .delays
        .bins()
        .last()
        .map_or(0, |(bucket, _)| bucket.highest_us());
    let _ = write!(
        out,
        "{},{},{},",
        Seconds(entry.start_unix_ms),
        Seconds(entry.length_ms),
        Seconds(longest_us.into())
    );
    base64::encode(&v2::encode_compressed(&entry.delays), out);
    out.push('\n');
}

/// Thousandths as a decimal number, exactly.
struct Seconds(u64);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1_000, self.0 % 1_000)
    }
}

/// Reads a log line by line; remembers what its head said about time.
#[derive(Debug, Default)]
pub struct LogReader {
    line: u64,
    start_s: Option<f64>,
    base_s: Option<f64>,
}

impl LogReader {
    /// At the start of a log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next line, without or with its end. `None` for a comment, the legend or an empty line.
    ///
    /// # Errors
    /// When the line is none of these and not an interval that can be held without loss.
    pub fn line(&mut self, line: &[u8]) -> Result<Option<LogEntry>, LogError> {
        self.line += 1;
        self.read(line).map_err(|reason| LogError {
            line: self.line,
            reason,
        })
    }

    fn read(&mut self, line: &[u8]) -> Result<Option<LogEntry>, LineError> {
        if line.len() > MAX_LINE_BYTES {
            return Err(LineError::TooLong);
        }
        let line = std::str::from_utf8(line).map_err(|_| LineError::NotText)?;
        let line = line.trim_end_matches(['\n', '\r']);
        if let Some(comment) = line.strip_prefix('#') {
            self.note(comment)?;
            return Ok(None);
        }
        if line.is_empty() || line.starts_with('"') {
            return Ok(None);
        }
        let (tag, fields) = match line.strip_prefix("Tag=") {
            None => (None, line),
            Some(tagged) => {
                let (tag, fields) = tagged.split_once(',').ok_or(LineError::Fields)?;
                if !(1..=MAX_TAG_BYTES).contains(&tag.len()) {
                    return Err(LineError::Tag);
                }
                (Some(tag.to_owned()), fields)
            }
        };
        let mut fields = fields.split(',');
        let (Some(start), Some(length), Some(_longest), Some(histogram), None) = (
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
        ) else {
            return Err(LineError::Fields);
        };
        let (start_s, length_s) = (seconds("start", start)?, seconds("length", length)?);
        let start_s = start_s + self.base_of(start_s);
        // Named once more, because an offset may lead beyond the calendar.
        seconds("start", &start_s.to_string())?;
        let bytes = base64::decode(histogram).ok_or(LineError::Base64)?;
        Ok(Some(LogEntry {
            tag,
            start_unix_ms: (start_s * 1_000.0).round() as u64,
            length_ms: (length_s * 1_000.0).round() as u64,
            delays: v2::decode(&bytes)?,
        }))
    }

    fn note(&mut self, comment: &str) -> Result<(), LineError> {
        let said = |name: &str| {
            let value = comment.strip_prefix('[')?.strip_prefix(name)?.trim_start();
            Some(value.split([' ', ']']).next().unwrap_or_default().to_owned())
        };
        if let Some(start) = said("StartTime:") {
            self.start_s = Some(seconds("StartTime", &start)?);
        }
        if let Some(base) = said("BaseTime:") {
            self.base_s = Some(seconds("BaseTime", &base)?);
        }
        Ok(())
    }

    /// What the first interval decides: whether times are absolute or offsets from the log's start.
    fn base_of(&mut self, first_s: f64) -> f64 {
        let start_s = *self.start_s.get_or_insert(first_s);
        *self
            .base_s
            .get_or_insert(if first_s < start_s - YEAR_S { start_s } else { 0.0 })
    }
}

fn seconds(what: &'static str, text: &str) -> Result<f64, LineError> {
    let parsed = text.trim().parse::<f64>().ok();
    parsed
        .filter(|seconds| (0.0..=MAX_TIME_S).contains(seconds))
        .ok_or_else(|| LineError::Time {
            what,
            given: text.chars().take(40).collect(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(tag: Option<&str>, start_unix_ms: u64, delays_us: &[u32]) -> LogEntry {
        LogEntry {
            tag: tag.map(str::to_owned),
            start_unix_ms,
            length_ms: 10_000,
            delays: DelayHistogram::from_values_us(&mut delays_us.to_vec()),
        }
    }

    fn read(text: &str) -> Result<Vec<LogEntry>, LogError> {
        let mut reader = LogReader::new();
        text.lines()
            .filter_map(|line| reader.line(line.as_bytes()).transpose())
            .collect()
    }

    fn log(entries: &[LogEntry]) -> String {
        let mut text = String::new();
        write_head(
            &mut text,
            "test",
            entries.first().map_or(0, |entry| entry.start_unix_ms),
        );
        for entry in entries {
            write_entry(&mut text, entry);
        }
        text
    }

    #[test]
    fn lines_look_like_the_formats_own() {
        let text = log(&[entry(Some("paris, one"), 1_795_428_000_000, &[1_500])]);
        assert!(text.contains("#[StartTime: 1795428000.000 (seconds since epoch)]\n"));
        assert!(
            text.contains("\nTag=parisone,1795428000.000,10.000,1.500,HISTFAAAA"),
            "{text}"
        );
    }

    #[test]
    fn comments_of_ours_are_passed_over_and_found_again() {
        let mut text = String::new();
        write_comment(&mut text, "Counts", "sent=3\n&lost=1");
        assert_eq!(text, "#[Counts sent=3&lost=1]\n");
        assert_eq!(LogReader::new().line(text.as_bytes()), Ok(None));
        assert_eq!(comment(&text, "Counts"), Some("sent=3&lost=1"));
        assert_eq!(comment(&text, "Count"), None);
    }

    /// The three ways in which logs tell time.
    #[test]
    fn times_are_absolute_or_offsets() {
        let line = |start: &str| {
            log(&[entry(None, 0, &[9])])
                .lines()
                .last()
                .unwrap()
                .replace("0.000,10.000", &format!("{start},10.000"))
        };
        let start = |head: &str, at: &str| read(&format!("{head}\n{}", line(at))).unwrap()[0].start_unix_ms;
        assert_eq!(
            start("#[StartTime: 1795428000.5 (x)]", "1795428007.25"),
            1_795_428_007_250
        );
        assert_eq!(
            start("#[StartTime: 1795428000.5 (x)]", "0.127"),
            1_795_428_000_627
        );
        assert_eq!(start("#[BaseTime: 1000.0 (x)]", "2.0"), 1_002_000);
        assert_eq!(start("", "2.0"), 2_000);
    }

    #[test]
    fn refusals_name_line_and_reason() {
        let good = log(&[entry(None, 1_795_428_000_000, &[9])]);
        let histogram = good.rsplit_once(',').unwrap().1.trim_end();
        for (line, reason) in [
            ("1.0,2.0".to_owned(), "wanted: [Tag=TAG,]"),
            (format!("Tag=,1.0,2.0,3.0,{histogram}"), "tag must be"),
            (format!("-1.0,2.0,3.0,{histogram}"), "start \"-1.0\""),
            (format!("NaN,2.0,3.0,{histogram}"), "start \"NaN\""),
            (format!("1.0,inf,3.0,{histogram}"), "length \"inf\""),
            ("1.0,2.0,3.0,HISTF".to_owned(), "not base64"),
            (format!("1.0,2.0,3.0,AAAA{histogram}"), "cookie"),
            ("#[StartTime: soon]".to_owned(), "StartTime \"soon\""),
        ] {
            let error = read(&format!("{good}{line}\n")).unwrap_err().to_string();
            assert!(error.starts_with("line 7: ") && error.contains(reason), "{error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            given in prop::collection::vec(
                (prop::option::of("[a-z0-9/|-]{1,20}"), 0_u64..200_000_000_000_000, prop::collection::vec(1_u32..60_000_000, 0..20)),
                1..5,
            )
        ) {
            let mut entries: Vec<LogEntry> =
                given.iter().map(|(tag, start, delays)| entry(tag.as_deref(), *start, delays)).collect();
            entries.sort_by_key(|entry| entry.start_unix_ms);
            prop_assert_eq!(read(&log(&entries)), Ok(entries));
        }

        #[test]
        fn any_line_is_met_without_panic(line in prop::collection::vec(any::<u8>(), 0..200), text in "(Tag=.{0,5},)?[0-9.]{0,6},[0-9.e]{0,6},x,[A-Za-z0-9+/=]{0,60}") {
            let _ = LogReader::new().line(&line);
            let _ = LogReader::new().line(text.as_bytes());
        }
    }
}
