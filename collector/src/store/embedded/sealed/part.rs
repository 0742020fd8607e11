//! A part: an immutable file with one chunk per series for one tier and one stretch of time, and the list of the reports in
//! it. Written whole under a temporary name, synced, then renamed; never changed afterwards.
//!
//! ```text
//! magic | chunks | index pages | contents (zstd) | facts (JSON) | footer
//! chunk    form byte (0 plain, 1 zstd), then the chunk of `chunk.rs`
//! page     up to 200 entries: series u32, offset u64, length u32, CRC-32 u32; then the page's CRC-32
//! footer   offset of the index u64, entries u32, length of contents u32, of facts u32,
//!          CRC-32 of contents, facts and these numbers u32, magic                               all little-endian
//! ```
//!
//! Series ascend, so a series is found by bisecting the pages, and a whole part is read front to back.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::chunk::{ChunkBuilder, ChunkReader};
use super::contents::Contents;
use super::disk::{Disk, NewFile};
use crate::store::SeriesId;

const MAGIC: &[u8; 8] = b"AZPART\x00\x01";
const PAGE_ENTRIES: usize = 200;
const ENTRY_BYTES: usize = 20;
const PAGE_BYTES: usize = PAGE_ENTRIES * ENTRY_BYTES + 4;
const FOOTER_BYTES: usize = 32;
/// zstd's default; 9 saves 2 % for four times the time.
const LEVEL: i32 = 3;
/// No chunk we write comes near: a day of minutes is about 100 KiB.
const MAX_CHUNK_BYTES: usize = 64 * 1024 * 1024;
/// What a file has in its name until it is whole.
pub(super) const UNFINISHED: &str = ".unfinished";

/// What a part says of itself; readable by a person with `tail`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store::embedded) struct Facts {
    /// The store whose numbers for agents and series it uses.
    pub(in crate::store::embedded) store: u64,
    /// When it was written.
    pub(in crate::store::embedded) created_at_unix_ms: u64,
    /// Entries in all chunks.
    pub(in crate::store::embedded) entries: u64,
    /// File names of the parts it stands for.
    pub(in crate::store::embedded) replaces: Vec<String>,
    /// The part a one-day rollup was computed from.
    pub(in crate::store::embedded) source: Option<String>,
}

/// Why a part cannot be read.
#[derive(Debug, thiserror::Error)]
pub(in crate::store::embedded) enum PartError {
    /// The system refuses.
    #[error("{0}")]
    System(#[from] io::Error),
    /// A checksum or a length is wrong.
    #[error("{0} is damaged")]
    Damaged(&'static str),
}

/// Writes a part chunk by chunk.
pub(in crate::store::embedded) struct PartWriter {
    disk: Disk,
    path: PathBuf,
    /// `None` once finished.
    file: Option<BufWriter<Box<dyn NewFile>>>,
    at: u64,
    index: Vec<IndexEntry>,
    entries: u64,
    compressor: zstd::bulk::Compressor<'static>,
}

#[derive(Debug, Clone, Copy)]
struct IndexEntry {
    series: SeriesId,
    at: u64,
    length: u32,
    crc: u32,
}

impl PartWriter {
    /// Begins the part that shall be at `path`.
    ///
    /// # Errors
    /// When the system refuses.
    pub(in crate::store::embedded) fn create(disk: &Disk, path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::new(disk.create(&unfinished(path))?);
        file.write_all(MAGIC)?;
        Ok(Self {
            disk: disk.clone(),
            path: path.to_owned(),
            file: Some(file),
            at: MAGIC.len() as u64,
            index: Vec::new(),
            entries: 0,
            compressor: zstd::bulk::Compressor::new(LEVEL)?,
        })
    }

    /// Adds the chunk of a series; series come in ascending order.
    ///
    /// # Errors
    /// When the system refuses; what was written so far is of no use then.
    pub(in crate::store::embedded) fn push(
        &mut self,
        series: SeriesId,
        chunk: &ChunkBuilder,
    ) -> io::Result<()> {
        let plain = chunk.encode();
        let compressed = self.compressor.compress(&plain)?;
        let stored = if compressed.len() < plain.len() {
            [&[1], compressed.as_slice()].concat()
        } else {
            [&[0], plain.as_slice()].concat()
        };
        let length = u32::try_from(stored.len()).map_err(io::Error::other)?;
        self.write(&stored)?;
        self.index.push(IndexEntry {
            series,
            at: self.at,
            length,
            crc: crc32fast::hash(&stored),
        });
        self.at += u64::from(length);
        self.entries += chunk.entries();
        Ok(())
    }

    /// Makes the part durable under its name. Until this returns, it does not exist.
    ///
    /// # Errors
    /// When the system refuses; there is no part then.
    pub(in crate::store::embedded) fn finish(
        mut self,
        contents: &Contents,
        mut facts: Facts,
    ) -> io::Result<()> {
        let index_at = self.at;
        let index = std::mem::take(&mut self.index);
        for page in index.chunks(PAGE_ENTRIES) {
            let mut bytes = Vec::with_capacity(PAGE_BYTES);
            for entry in page {
                bytes.extend(entry.series.0.to_le_bytes());
                bytes.extend(entry.at.to_le_bytes());
                bytes.extend(entry.length.to_le_bytes());
                bytes.extend(entry.crc.to_le_bytes());
            }
            bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
            self.write(&bytes)?;
        }
        facts.entries = self.entries;
        let contents = self.compressor.compress(&contents.to_bytes())?;
        let facts = serde_json::to_vec(&facts).map_err(io::Error::other)?;
        let mut tail = [contents.as_slice(), facts.as_slice()].concat();
        tail.extend(index_at.to_le_bytes());
        for number in [index.len(), contents.len(), facts.len()] {
            tail.extend(u32::try_from(number).map_err(io::Error::other)?.to_le_bytes());
        }
        tail.extend(crc32fast::hash(&tail).to_le_bytes());
        tail.extend(MAGIC);
        self.write(&tail)?;
        if let Some(file) = &mut self.file {
            file.flush()?;
            file.get_mut().sync()?;
        }
        self.disk.publish(&unfinished(&self.path), &self.path)?;
        self.file = None;
        Ok(())
    }
}

impl PartWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.file {
            Some(file) => file.write_all(bytes),
            None => Err(io::Error::other("the part is finished")),
        }
    }
}

/// What was not finished is of no use, and on a full disk it would be in the way of the next try.
impl Drop for PartWriter {
    fn drop(&mut self) {
        if self.file.is_some()
            && let Err(error) = self.disk.remove(&unfinished(&self.path))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!("{}: {error}", unfinished(&self.path).display());
        }
    }
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(UNFINISHED);
    name.into()
}

/// Where things are in a part, read once when the store opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store::embedded) struct Layout {
    pub(in crate::store::embedded) facts: Facts,
    index_at: u64,
    series: u32,
    contents_at: u64,
    contents_bytes: u32,
}

impl Layout {
    /// Reads and checks everything but the chunks and the index.
    ///
    /// # Errors
    /// When the file is damaged or cannot be read.
    pub(in crate::store::embedded) fn read(path: &Path) -> Result<Self, PartError> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let footer_at = length
            .checked_sub(FOOTER_BYTES as u64)
            .ok_or(PartError::Damaged("its length"))?;
        let footer = read_at(&file, footer_at, FOOTER_BYTES, "its footer")?;
        let damaged = || PartError::Damaged("its footer");
        let number =
            |at: usize| -> Option<u32> { Some(u32::from_le_bytes(*footer.get(at..)?.first_chunk::<4>()?)) };
        let index_at = u64::from_le_bytes(*footer.first_chunk::<8>().ok_or_else(damaged)?);
        let (Some(series), Some(contents_bytes), Some(facts_bytes), Some(crc)) =
            (number(8), number(12), number(16), number(20))
        else {
            return Err(damaged());
        };
        if !footer.ends_with(MAGIC) {
            return Err(damaged());
        }
        let tail_bytes = u64::from(contents_bytes) + u64::from(facts_bytes);
        let contents_at = footer_at.checked_sub(tail_bytes).ok_or_else(damaged)?;
        if index_at.checked_add(index_bytes(series)) != Some(contents_at) {
            return Err(damaged());
        }
        let mut tail = read_at(&file, contents_at, tail_bytes as usize, "its facts")?;
        tail.extend(&footer[..20]);
        if crc32fast::hash(&tail) != crc {
            return Err(damaged());
        }
        let facts = &tail[contents_bytes as usize..tail_bytes as usize];
        Ok(Self {
            facts: serde_json::from_slice(facts).map_err(|_| PartError::Damaged("its facts"))?,
            index_at,
            series,
            contents_at,
            contents_bytes,
        })
    }
}

fn index_bytes(series: u32) -> u64 {
    let series = u64::from(series);
    series * ENTRY_BYTES as u64 + series.div_ceil(PAGE_ENTRIES as u64) * 4
}

fn read_at(file: &File, at: u64, length: usize, what: &'static str) -> Result<Vec<u8>, PartError> {
    let end = at.checked_add(length as u64).ok_or(PartError::Damaged(what))?;
    if end > file.metadata()?.len() {
        return Err(PartError::Damaged(what));
    }
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

/// An open part.
pub(in crate::store::embedded) struct PartReader<'a> {
    file: File,
    layout: &'a Layout,
    decompressor: zstd::bulk::Decompressor<'static>,
    /// The page last read, and its number.
    page: Option<(u32, Vec<IndexEntry>)>,
}

impl<'a> PartReader<'a> {
    /// Opens the file whose layout is known.
    ///
    /// # Errors
    /// When the system refuses.
    pub(in crate::store::embedded) fn open(path: &Path, layout: &'a Layout) -> Result<Self, PartError> {
        Ok(Self {
            file: File::open(path)?,
            layout,
            decompressor: zstd::bulk::Decompressor::new()?,
            page: None,
        })
    }

    /// The reports in it.
    ///
    /// # Errors
    /// When the list is damaged or cannot be read.
    pub(in crate::store::embedded) fn contents(&mut self) -> Result<Contents, PartError> {
        let what = "its list of reports";
        let frame = read_at(
            &self.file,
            self.layout.contents_at,
            self.layout.contents_bytes as usize,
            what,
        )?;
        let bytes = inflate(&mut self.decompressor, &frame, what)?;
        Contents::from_bytes(&bytes).map_err(|_| PartError::Damaged(what))
    }

    /// The series in it, ascending.
    ///
    /// # Errors
    /// When the index is damaged or cannot be read.
    pub(in crate::store::embedded) fn series(&mut self) -> Result<Vec<SeriesId>, PartError> {
        let mut all = Vec::with_capacity(self.layout.series as usize);
        for page in 0..self.pages() {
            all.extend(self.page(page)?.iter().map(|entry| entry.series));
        }
        Ok(all)
    }

    /// The chunk of a series; `None` when the part has none.
    ///
    /// # Errors
    /// When it is damaged or cannot be read.
    pub(in crate::store::embedded) fn chunk(
        &mut self,
        series: SeriesId,
    ) -> Result<Option<ChunkReader>, PartError> {
        let Some(entry) = self.find(series)? else {
            return Ok(None);
        };
        let what = "a chunk";
        let stored = read_at(&self.file, entry.at, entry.length as usize, what)?;
        if crc32fast::hash(&stored) != entry.crc {
            return Err(PartError::Damaged(what));
        }
        let plain = match stored.split_first() {
            Some((0, plain)) => plain.to_vec(),
            Some((1, frame)) => inflate(&mut self.decompressor, frame, what)?,
            _ => return Err(PartError::Damaged(what)),
        };
        ChunkReader::new(plain)
            .map(Some)
            .map_err(|_| PartError::Damaged(what))
    }

    fn pages(&self) -> u32 {
        self.layout.series.div_ceil(PAGE_ENTRIES as u32)
    }

    fn find(&mut self, series: SeriesId) -> Result<Option<IndexEntry>, PartError> {
        let (mut low, mut high) = (0, self.pages());
        // The page read last is mostly the right one, or next to it.
        if let Some((number, page)) = &self.page
            && let (Some(first), Some(last)) = (page.first(), page.last())
        {
            if series < first.series {
                high = *number;
            } else if series > last.series {
                low = *number + 1;
            } else {
                (low, high) = (*number, *number + 1);
            }
        }
        let mut next = low;
        while low < high {
            let page = self.page(next)?;
            let (Some(first), Some(last)) = (page.first(), page.last()) else {
                return Ok(None);
            };
            if series < first.series {
                high = next;
            } else if series > last.series {
                low = next + 1;
            } else {
                let found = page.binary_search_by_key(&series, |entry| entry.series);
                return Ok(found.ok().and_then(|at| page.get(at)).copied());
            }
            next = low + (high - low) / 2;
        }
        Ok(None)
    }

    fn page(&mut self, number: u32) -> Result<&[IndexEntry], PartError> {
        let damaged = PartError::Damaged("its index");
        if self.page.as_ref().is_none_or(|(read, _)| *read != number) {
            let before = number as usize * PAGE_ENTRIES;
            let entries = (self.layout.series as usize)
                .saturating_sub(before)
                .min(PAGE_ENTRIES);
            let at = self.layout.index_at + u64::from(number) * PAGE_BYTES as u64;
            let bytes = read_at(&self.file, at, entries * ENTRY_BYTES + 4, "its index")?;
            let Some((page, crc)) = bytes.split_last_chunk::<4>() else {
                return Err(damaged);
            };
            if crc32fast::hash(page) != u32::from_le_bytes(*crc) {
                return Err(damaged);
            }
            let (rows, _) = page.as_chunks::<ENTRY_BYTES>();
            let word = |row: &[u8; ENTRY_BYTES], at: usize| {
                u32::from_le_bytes(std::array::from_fn(|byte| row[at + byte]))
            };
            let page = rows
                .iter()
                .map(|row| IndexEntry {
                    series: SeriesId(word(row, 0)),
                    at: u64::from(word(row, 4)) | u64::from(word(row, 8)) << 32,
                    length: word(row, 12),
                    crc: word(row, 16),
                })
                .collect();
            self.page = Some((number, page));
        }
        self.page.as_ref().map(|(_, page)| page.as_slice()).ok_or(damaged)
    }
}

fn inflate(
    decompressor: &mut zstd::bulk::Decompressor<'static>,
    frame: &[u8],
    what: &'static str,
) -> Result<Vec<u8>, PartError> {
    let declared = zstd::zstd_safe::get_frame_content_size(frame).ok().flatten();
    let capacity = declared
        .and_then(|declared| usize::try_from(declared).ok())
        .filter(|declared| *declared <= MAX_CHUNK_BYTES)
        .ok_or(PartError::Damaged(what))?;
    decompressor
        .decompress(frame, capacity)
        .map_err(|_| PartError::Damaged(what))
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::ProbeCounts;

    use super::*;
    use crate::store::dictionary::AgentNumber;
    use crate::store::embedded::sealed::chunk::Entry;
    use crate::store::embedded::sealed::contents::ReportName;

    fn entry(series: u32) -> Entry {
        Entry {
            start_unix_ms: 1_000 + u64::from(series),
            counts: ProbeCounts {
                sent: u64::from(series),
                ..ProbeCounts::default()
            },
            delays: Vec::new(),
        }
    }

    /// A part with every third series up to `3 * count`.
    fn write(path: &Path, count: u32) -> Contents {
        let mut writer = PartWriter::create(&Disk::default(), path).expect("writable");
        for series in (0..count).map(|number| number * 3) {
            let mut builder = ChunkBuilder::default();
            builder.push(&entry(series));
            writer.push(SeriesId(series), &builder).expect("writable");
        }
        let mut contents = Contents::default();
        assert!(contents.insert(ReportName {
            hour_unix_ms: 0,
            agent: AgentNumber(1),
            epoch: 2,
            sequence: 3
        }));
        let facts = Facts {
            store: 7,
            created_at_unix_ms: 8,
            entries: 0,
            replaces: vec!["old".to_owned()],
            source: None,
        };
        writer.finish(&contents, facts).expect("writable");
        contents
    }

    #[test]
    fn every_series_is_found_and_no_other() {
        for count in [0, 1, 200, 201, 1_000] {
            let directory = tempfile::tempdir().expect("a scratch directory");
            let path = directory.path().join("part");
            let contents = write(&path, count);
            let layout = Layout::read(&path).expect("whole");
            assert_eq!((layout.facts.store, layout.facts.entries), (7, u64::from(count)));
            let mut reader = PartReader::open(&path, &layout).expect("readable");
            assert_eq!(reader.contents().expect("whole"), contents);
            assert_eq!(reader.series().expect("whole").len(), count as usize);
            for series in (0..3 * count + 2).rev() {
                let chunk = reader.chunk(SeriesId(series)).expect("whole");
                let read = chunk.map(|chunk| chunk.map(|entry| entry.expect("whole")).collect::<Vec<_>>());
                let expected = (series % 3 == 0 && series < 3 * count).then(|| vec![entry(series)]);
                assert_eq!(read, expected, "series {series} of {count}");
            }
            assert!(!unfinished(&path).exists());
        }
    }

    #[test]
    fn a_part_that_is_given_up_leaves_no_file() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let path = directory.path().join("part");
        let writer = PartWriter::create(&Disk::default(), &path).expect("writable");
        assert!(unfinished(&path).exists());
        drop(writer);
        assert_eq!(std::fs::read_dir(directory.path()).expect("readable").count(), 0);
    }

    #[test]
    fn no_flipped_byte_and_no_cut_is_taken_for_data() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let path = directory.path().join("part");
        let contents = write(&path, 3);
        let whole = std::fs::read(&path).expect("readable");
        let read_all = || -> Result<(Contents, Vec<Entry>), PartError> {
            let layout = Layout::read(&path)?;
            let mut reader = PartReader::open(&path, &layout)?;
            let mut entries = Vec::new();
            for series in reader.series()? {
                let chunk = reader.chunk(series)?.ok_or(PartError::Damaged("nothing"))?;
                for entry in chunk {
                    entries.push(entry.map_err(|_| PartError::Damaged("an entry"))?);
                }
            }
            Ok((reader.contents()?, entries))
        };
        let expected = (contents, vec![entry(0), entry(3), entry(6)]);
        assert_eq!(read_all().expect("whole"), expected);
        for at in MAGIC.len()..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            std::fs::write(&path, &flipped).expect("writable");
            assert!(read_all().is_err(), "byte {at} of {}", whole.len());
        }
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).expect("writable");
            assert!(read_all().is_err(), "cut to {length}");
        }
    }
}
