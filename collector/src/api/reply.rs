//! What a handler hands back: a body of known length, or rows that are written while they are read, a chunk at a time, so
//! that a large answer is never in memory as text. JSON or CSV (RFC 4180).

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use serde::Serialize;

use super::context::Place;
use crate::csv::CsvLine;
use crate::problem::Problem;

/// Text kept in memory of an answer that is being read.
const CHUNK_BYTES: usize = 64 * 1024;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// One JSON object that says what was asked and read, and holds the rows.
    Json,
    /// The rows alone, with a header line.
    Csv,
}

impl std::str::FromStr for Format {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            _ => Err("it must be json or csv"),
        }
    }
}

/// A row of a table: one line of CSV, in the order of its columns.
pub(super) trait Row: Serialize + Send + 'static {
    /// Appends every field.
    fn fields(&self, line: &mut CsvLine);
}

/// Writes up to a chunk; says whether there is more.
type Fill = Box<dyn FnMut(&mut Vec<u8>) -> bool + Send>;

/// An answer on its way.
pub(super) struct Reply {
    content_type: &'static str,
    first: Vec<u8>,
    rest: Option<Fill>,
}

impl Reply {
    /// An answer that is small by nature.
    pub(super) fn whole(answer: &impl Serialize) -> Result<Self, Problem> {
        Ok(Self {
            content_type: "application/json",
            first: to_json(answer)?,
            rest: None,
        })
    }

    /// Rows. `envelope` is the answer without any; its last member is the empty list they belong into.
    pub(super) fn rows<R: Row>(
        format: Format,
        envelope: &impl Serialize,
        columns: &str,
        rows: Vec<R>,
    ) -> Result<Self, Problem> {
        match format {
            Format::Json => Self::json_rows(to_json(envelope)?, rows),
            Format::Csv => Ok(Self::csv_rows(columns, rows)),
        }
    }

    fn json_rows<R: Row>(mut envelope: Vec<u8>, rows: Vec<R>) -> Result<Self, Problem> {
        if !envelope.ends_with(b"[]}") {
            return Err(internal("an answer's rows are not its last member"));
        }
        envelope.truncate(envelope.len() - b"]}".len());
        let mut rows = rows.into_iter();
        let mut between: &[u8] = b"";
        let mut fill: Fill = Box::new(move |chunk| {
            for row in rows.by_ref() {
                chunk.extend_from_slice(between);
                between = b",";
                // Plain numbers and text always have a JSON form.
                let _ = serde_json::to_writer(&mut *chunk, &row);
                if chunk.len() >= CHUNK_BYTES {
                    return true;
                }
            }
            chunk.extend_from_slice(b"]}");
            false
        });
        let more = fill(&mut envelope);
        Ok(Self {
            content_type: "application/json",
            first: envelope,
            rest: more.then_some(fill),
        })
    }

    fn csv_rows<R: Row>(columns: &str, rows: Vec<R>) -> Self {
        let mut first = format!("{columns}\r\n").into_bytes();
        let mut rows = rows.into_iter();
        let mut fill: Fill = Box::new(move |chunk| {
            for row in rows.by_ref() {
                let mut line = CsvLine::default();
                row.fields(&mut line);
                line.end(chunk);
                if chunk.len() >= CHUNK_BYTES {
                    return true;
                }
            }
            false
        });
        let more = fill(&mut first);
        Self {
            content_type: "text/csv; charset=utf-8",
            first,
            rest: more.then_some(fill),
        }
    }

    /// The response. A large one keeps its `place` in the queue until it is read, which bounds how many there are.
    pub(super) fn into_response(self, place: Place) -> Response {
        let body = match self.rest {
            None => Body::from(self.first),
            Some(rest) => Body::new(Rows {
                first: Some(self.first),
                rest: Some(rest),
                _place: place,
            }),
        };
        ([(header::CONTENT_TYPE, self.content_type)], body).into_response()
    }
}

fn to_json(answer: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(answer).map_err(|_| internal("the answer has no JSON form"))
}

fn internal(detail: &str) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
}

/// The body of a large answer, written as fast as it is read.
struct Rows {
    first: Option<Vec<u8>>,
    rest: Option<Fill>,
    _place: Place,
}

impl HttpBody for Rows {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first.into()))));
        }
        let Some(fill) = &mut self.rest else {
            return Poll::Ready(None);
        };
        let mut chunk = Vec::with_capacity(CHUNK_BYTES + 1_024);
        if !fill(&mut chunk) {
            self.rest = None;
        }
        if chunk.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(chunk.into()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Envelope {
        from: u32,
        rows: [u32; 0],
    }

    #[derive(Serialize)]
    struct Line {
        name: String,
    }

    impl Row for Line {
        fn fields(&self, line: &mut CsvLine) {
            line.field(Some(&self.name)).field(None::<u32>).field(Some(7));
        }
    }

    fn read(format: Format, names: &[&str]) -> (usize, String) {
        let rows = names
            .iter()
            .map(|name| Line {
                name: (*name).to_owned(),
            })
            .collect();
        let reply = Reply::rows(
            format,
            &Envelope { from: 1, rows: [] },
            "name,nothing,seven",
            rows,
        )
        .unwrap_or_else(|problem| panic!("{}", problem.detail()));
        let (mut text, mut chunks) = (reply.first, 1);
        let mut rest = reply.rest;
        while let Some(fill) = &mut rest {
            let mut chunk = Vec::new();
            let more = fill(&mut chunk);
            assert!(chunk.len() < CHUNK_BYTES + 1_000);
            text.extend(chunk);
            chunks += 1;
            if !more {
                break;
            }
        }
        (chunks, String::from_utf8(text).expect("text"))
    }

    #[test]
    fn rows_stand_in_their_envelope_however_many_chunks_they_take() {
        assert_eq!(read(Format::Json, &[]), (1, r#"{"from":1,"rows":[]}"#.to_owned()));
        assert_eq!(
            read(Format::Json, &["a", "b"]).1,
            r#"{"from":1,"rows":[{"name":"a"},{"name":"b"}]}"#
        );
        let names = vec!["a name of some length"; 10_000];
        let (chunks, text) = read(Format::Json, &names);
        let value: serde_json::Value = serde_json::from_str(&text).expect("whole JSON");
        assert!(chunks > 3);
        assert_eq!(value["rows"].as_array().map(Vec::len), Some(10_000));
        assert_eq!(read(Format::Csv, &names).1.lines().count(), 10_001);
    }

    #[test]
    fn csv_quotes_what_would_break_a_line_and_keeps_the_absent_apart() {
        let (_, text) = read(Format::Csv, &["plain", "Free, \"SAS\"\r\n", ""]);
        assert_eq!(
            text,
            "name,nothing,seven\r\nplain,\"\",7\r\n\"Free, \"\"SAS\"\"\r\n\",\"\",7\r\n\"\",\"\",7\r\n"
        );
    }
}
