//! A line of CSV (RFC 4180). Writes; reads none.

use std::fmt::Write as _;

/// A line being written.
#[derive(Debug, Default)]
pub struct CsvLine(String);

impl CsvLine {
    /// Appends a field; one that is absent is empty.
    pub fn field(&mut self, value: Option<impl std::fmt::Display>) -> &mut Self {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        let text = value.map_or_else(String::new, |value| value.to_string());
        // An empty first field would be no field at all.
        if text.is_empty() || text.contains([',', '"', '\r', '\n']) {
            // Writing to a String cannot fail.
            let _ = write!(self.0, "\"{}\"", text.replace('"', "\"\""));
        } else {
            self.0.push_str(&text);
        }
        self
    }

    /// Appends the line and its end to `text`.
    pub(crate) fn end(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(self.0.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
}
