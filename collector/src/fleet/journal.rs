//! The events of the fleet on disk: a file that is only appended to, one JSON object a line, synced before an event is
//! true. When it is opened it is written anew, as short as it can be. Not where the past is kept for an auditor.
//!
//! A last line without its end was cut by a kill, and was never answered for: it is left out. Any other line that cannot be
//! read keeps the collector from starting: who may report is not guessed.

use std::fs::{File, OpenOptions, read_to_string};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::book::{Book, Event};
use crate::whole_file::{Readers, replace};

/// Something about the files of the fleet.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The system refuses.
    #[error("{file}: {source}")]
    Io {
        /// Which.
        file: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// What is in it is not ours.
    #[error(
        "{file}, line {line}: {reason}; put the file back from a backup, or move it away and let every agent join again"
    )]
    Damaged {
        /// Which.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Why it is not understood.
        reason: String,
    },
}

impl JournalError {
    pub(super) fn io(file: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Io {
            file: file.to_owned(),
            source,
        }
    }
}

/// The open file.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// A write failed: what is at the end is not known, so nothing is put behind it.
    broken: bool,
}

impl Journal {
    /// Reads a journal, begun if there is none, and writes it anew.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub fn open(path: &Path) -> Result<(Self, Book), JournalError> {
        let text = match read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(JournalError::io(path)(error)),
        };
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut book = Book::default();
        for (number, line) in whole.lines().enumerate() {
            let event = serde_json::from_str(line).map_err(|error| JournalError::Damaged {
                file: path.to_owned(),
                line: number + 1,
                reason: error.to_string(),
            })?;
            book.apply(event);
        }
        let mut anew = Vec::new();
        for event in book.as_events() {
            anew.extend(line_of(&event).map_err(JournalError::io(path))?);
        }
        replace(path, &anew, Readers::Owner).map_err(JournalError::io(path))?;
        let file = OpenOptions::new().append(true).open(path);
        let file = file.map_err(JournalError::io(path))?;
        let journal = Self {
            path: path.to_owned(),
            file,
            broken: false,
        };
        Ok((journal, book))
    }

    /// Adds an event, durable when this returns.
    ///
    /// # Errors
    /// When the disk does not take it. After that nothing is added until the collector starts again.
    pub fn append(&mut self, event: &Event) -> Result<(), JournalError> {
        if self.broken {
            let error = io::Error::other("an earlier write failed; start the collector again");
            return Err(JournalError::io(&self.path)(error));
        }
        let done = line_of(event).and_then(|line| {
            self.file.write_all(&line)?;
            self.file.sync_data()
        });
        self.broken = done.is_err();
        done.map_err(JournalError::io(&self.path))
    }
}

fn line_of(event: &Event) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    Ok(line)
}
