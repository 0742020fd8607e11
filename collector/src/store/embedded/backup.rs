//! A backup of a store in use, as one stream, and the way back into a directory. Not a copy of `hot.redb`: that file
//! changes under the reader, so its rows are written instead, as a read transaction sees them, and the parts as they are.
//!
//! ```text
//! magic | frames
//! frame    length of name u16, length of body u64, name, body, CRC-32 of all of these u32       little-endian
//! names    rows/TABLE (rows of one table), part/TIER/FILE (a part), aside/ROOM/FILE (a file set aside, of a tier or `hot`),
//!          snapshot/FILE (a view that was kept; releases before it refuse a backup that has one), end (the summary as JSON, and nothing after it)
//! row      count of numbers, the numbers, length of the bytes (LEB128), the bytes
//! ```
//!
//! The reports are read from a transaction that begins before the shelf is looked at: what is sealed in between is in
//! both, and the parts' lists of reports decide. What gives numbers their meaning is read from one that begins after it,
//! so that no part can name a series the backup does not know.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use azimuth_measurement::codec::varint;
use redb::{Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable};
use thiserror::Error;

use super::aside;
use super::events::{EventTable, PATHS, THROUGHPUT};
use super::open::{OpenError, again, tiers_in};
use super::sealed::disk::Disk;
use super::sealed::shelf::{Shelf, is_part_name};
use super::tables::{AGENTS, GAPS, HOT, MANIFESTS, META, SETTLED};
use super::unfinished::{make_beside, parent_of};
use super::{read_copy, while_doing};
use crate::snapshot;
use crate::store::{BackupSummary, StoreError, Tier};

const MAGIC: &[u8; 8] = b"AZBACK\x00\x01";
const END: &str = "end";
/// A frame of rows is closed once it is this long.
const ROWS_BYTES: usize = 1024 * 1024;
/// The longest frame of rows that is read back: one row more than [`ROWS_BYTES`], and no row comes near this.
const MAX_ROWS_BYTES: u64 = 64 * 1024 * 1024;
const MAX_NAME_BYTES: usize = 256;
/// "No space left on device": an opening that fails keeps the system's words, not its number.
const ENOSPC: i32 = 28;

/// Why a backup was not restored. The directory is as it was.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// There is something in the way.
    #[error("{directory} is not empty; give a directory that is, or that does not exist yet")]
    NotEmpty {
        /// The directory.
        directory: PathBuf,
    },
    /// The stream is not what a backup writes.
    #[error("the backup is {what}; nothing was restored, take another one")]
    Damaged {
        /// What is wrong with it.
        what: String,
    },
    /// No room.
    #[error("the disk of {path} is full; nothing was restored, make room or restore to another disk")]
    DiskFull {
        /// Where.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("{path}: {cause}")]
    System {
        /// Where.
        path: PathBuf,
        /// What the system said.
        cause: String,
    },
}

struct Row {
    numbers: Vec<u64>,
    bytes: Vec<u8>,
}

/// Writes a backup of `database` and of the shelf that `shelf` takes down when asked.
pub(super) fn backup(
    database: &Database,
    shelf: impl FnOnce() -> std::sync::Arc<Shelf>,
    directory: &Path,
    into: &mut dyn Write,
) -> Result<BackupSummary, StoreError> {
    let doing = "write a backup";
    let reports = database.begin_read().map_err(while_doing(doing))?;
    let shelf = shelf();
    let meaning = database.begin_read().map_err(while_doing(doing))?;
    let io_error = |error: io::Error| StoreError {
        doing,
        cause: error.to_string(),
        damaged: false,
    };
    into.write_all(MAGIC).map_err(io_error)?;
    let mut summary = BackupSummary {
        agents: write_agents(&meaning, into).map_err(while_doing(doing))?,
        ..BackupSummary::default()
    };
    summary.reports_unsealed = write_reports(&reports, into).map_err(while_doing(doing))?;
    for part in shelf.parts() {
        let name = format!("part/{}/{}", part.tier.as_str(), part.name);
        let mut file = part.open_file().map_err(io_error)?;
        write_frame(into, &name, part.bytes, &mut file).map_err(io_error)?;
        summary.parts += 1;
        summary.part_bytes += part.bytes;
    }
    for place in aside::list(directory).map_err(io_error)? {
        let Some(path) = aside::path_of(directory, &place) else {
            continue;
        };
        let written = write_file(into, &format!("aside/{place}"), &path).map_err(io_error)?;
        summary.set_aside += u64::from(written);
    }
    for (name, path) in snapshot::files_in(directory).map_err(io_error)? {
        let written = write_file(into, &format!("snapshot/{name}"), &path).map_err(io_error)?;
        summary.snapshots += u64::from(written);
    }
    let end = serde_json::to_vec(&summary).map_err(|error| io_error(error.into()))?;
    write_frame(into, END, end.len() as u64, &mut end.as_slice()).map_err(io_error)?;
    into.flush().map_err(io_error)?;
    Ok(summary)
}

/// A file that nobody changes, only removes; whether it was still there.
fn write_file(into: &mut dyn Write, name: &str, path: &Path) -> io::Result<bool> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        // Somebody has looked at it and removed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    write_frame(into, name, length, &mut file)?;
    Ok(true)
}

fn write_agents(read: &ReadTransaction, into: &mut dyn Write) -> Result<u64, redb::Error> {
    let mut rows = Rows::new("rows/meta", into);
    for row in read.open_table(META)?.iter()? {
        let (key, value) = row?;
        rows.push(&[value.value()], key.value().as_bytes())?;
    }
    rows.finish()?;
    let mut rows = Rows::new("rows/agents", into);
    for row in read.open_table(AGENTS)?.iter()? {
        let (number, row) = row?;
        rows.push(&[number.value().into()], row.value())?;
    }
    let agents = rows.finish()?;
    let mut rows = Rows::new("rows/manifests", into);
    for row in read.open_table(MANIFESTS)?.iter()? {
        let (ordinal, row) = row?;
        let (agent, id, frame) = row.value();
        rows.push(&[ordinal.value().into(), agent.into(), id], frame)?;
    }
    rows.finish()?;
    Ok(agents)
}

fn write_reports(read: &ReadTransaction, into: &mut dyn Write) -> Result<u64, redb::Error> {
    let mut rows = Rows::new("rows/settled", into);
    for row in read.open_table(SETTLED)?.iter()? {
        let (key, sequences) = row?;
        let (agent, epoch) = key.value();
        rows.push(&[agent.into(), epoch], sequences.value())?;
    }
    rows.finish()?;
    let mut rows = Rows::new("rows/gaps", into);
    for row in read.open_table(GAPS)?.iter()? {
        let (key, value) = row?;
        let ((agent, end, epoch, first), (start, cause, reports)) = (key.value(), value.value());
        rows.push(
            &[end, agent.into(), epoch, first, start, cause.into(), reports],
            &[],
        )?;
    }
    rows.finish()?;
    write_events(read, PATHS, "rows/paths", into)?;
    write_events(read, THROUGHPUT, "rows/throughput", into)?;
    let mut rows = Rows::new("rows/hot", into);
    for row in read.open_table(HOT)?.iter()? {
        let (key, sealed) = row?;
        let (start, agent, epoch, sequence) = key.value();
        rows.push(&[start, agent.into(), epoch, sequence], sealed.value())?;
    }
    rows.finish()
}

/// Path events and throughput results have keys and rows of one shape.
fn write_events(
    read: &ReadTransaction,
    table: EventTable,
    name: &'static str,
    into: &mut dyn Write,
) -> Result<(), redb::Error> {
    let table = match read.open_table(table) {
        Ok(table) => table,
        // Nobody has told any yet.
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut rows = Rows::new(name, into);
    for row in table.iter()? {
        let (key, value) = row?;
        let ((agent, at, epoch, sequence, number), (manifest, sealed)) = (key.value(), value.value());
        rows.push(
            &[agent.into(), at, epoch, sequence, number.into(), manifest],
            sealed,
        )?;
    }
    rows.finish()?;
    Ok(())
}

/// Rows on their way into frames.
struct Rows<'a> {
    name: &'static str,
    into: &'a mut dyn Write,
    waiting: Vec<u8>,
    count: u64,
}

impl<'a> Rows<'a> {
    fn new(name: &'static str, into: &'a mut dyn Write) -> Self {
        Self {
            name,
            into,
            waiting: Vec::new(),
            count: 0,
        }
    }

    fn push(&mut self, numbers: &[u64], bytes: &[u8]) -> io::Result<()> {
        varint::write(&mut self.waiting, numbers.len() as u64);
        for number in numbers {
            varint::write(&mut self.waiting, *number);
        }
        varint::write(&mut self.waiting, bytes.len() as u64);
        self.waiting.extend(bytes);
        self.count += 1;
        if self.waiting.len() < ROWS_BYTES {
            return Ok(());
        }
        self.write_out()
    }

    fn write_out(&mut self) -> io::Result<()> {
        let length = self.waiting.len() as u64;
        write_frame(self.into, self.name, length, &mut self.waiting.as_slice())?;
        self.waiting.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<u64, redb::Error> {
        if !self.waiting.is_empty() {
            self.write_out()?;
        }
        Ok(self.count)
    }
}

pub(super) fn write_frame(
    into: &mut dyn Write,
    name: &str,
    length: u64,
    body: &mut dyn Read,
) -> io::Result<()> {
    let name_length = u16::try_from(name.len()).map_err(io::Error::other)?;
    let mut crc = crc32fast::Hasher::new();
    for piece in [
        &name_length.to_le_bytes()[..],
        &length.to_le_bytes(),
        name.as_bytes(),
    ] {
        crc.update(piece);
        into.write_all(piece)?;
    }
    copy_checked(body, into, length, &mut crc).map_err(|error| match error {
        CopyError::Read(error) | CopyError::Write(error) => error,
    })?;
    into.write_all(&crc.finalize().to_le_bytes())
}

/// Which end of a copy failed.
enum CopyError {
    Read(io::Error),
    Write(io::Error),
}

/// Copies exactly `length` bytes and adds them to the checksum.
fn copy_checked(
    from: &mut dyn Read,
    into: &mut dyn Write,
    mut length: u64,
    crc: &mut crc32fast::Hasher,
) -> Result<(), CopyError> {
    let mut buffer = vec![0; 64 * 1024];
    while length > 0 {
        let most = usize::try_from(length).unwrap_or(usize::MAX).min(buffer.len());
        let piece = &mut buffer[..most];
        from.read_exact(piece).map_err(CopyError::Read)?;
        crc.update(piece);
        into.write_all(piece).map_err(CopyError::Write)?;
        length -= most as u64;
    }
    Ok(())
}

/// Makes `directory` from a backup. It appears whole, checked and durable, or not at all.
///
/// # Errors
/// When there is something in it, the backup is cut off or damaged, or the system refuses.
pub fn restore(from: &mut dyn Read, directory: &Path) -> Result<BackupSummary, RestoreError> {
    let system = |cause: io::Error| refused(directory, &cause);
    match fs::read_dir(directory) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(RestoreError::NotEmpty {
                    directory: directory.to_owned(),
                });
            }
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(system(error)),
        Err(_) => {}
    }
    let (beside, lock) = make_beside(directory).map_err(system)?;
    let restored = fill(from, &beside).and_then(|summary| {
        fs::rename(&beside, directory).map_err(system)?;
        Ok(summary)
    });
    match restored {
        Ok(summary) => {
            File::open(parent_of(directory))
                .and_then(|parent| parent.sync_all())
                .map_err(system)?;
            drop(lock);
            Ok(summary)
        }
        Err(error) => {
            // What went wrong first is what is worth telling.
            let _ = fs::remove_dir_all(&beside);
            Err(error)
        }
    }
}

/// Reads a backup to its end and checks everything that can be checked without keeping it.
///
/// # Errors
/// When it is damaged or cannot be read.
pub fn verify(from: &mut dyn Read) -> Result<BackupSummary, RestoreError> {
    read_magic(from)?;
    let mut found = BackupSummary::default();
    loop {
        let (name, length, mut crc) = read_head(from)?;
        if ["part/", "aside/", "snapshot/"]
            .iter()
            .any(|kind| name.starts_with(kind))
        {
            copy_checked(from, &mut io::sink(), length, &mut crc)
                .map_err(|error| not_copied(error, Path::new("")))?;
            check(from, crc, &name)?;
            count_file(&mut found, &name, length);
            continue;
        }
        let body = read_body(from, &name, length, crc)?;
        if name == END {
            return read_end(from, &body, found);
        }
        let rows = read_rows(&body).ok_or_else(|| damaged("damaged (a row)"))?.len() as u64;
        match name.as_str() {
            "rows/agents" => found.agents += rows,
            "rows/hot" => found.reports_unsealed += rows,
            _ => {}
        }
    }
}

fn read_magic(from: &mut dyn Read) -> Result<(), RestoreError> {
    let mut magic = [0; MAGIC.len()];
    from.read_exact(&mut magic).map_err(|error| unreadable(&error))?;
    if &magic == MAGIC {
        return Ok(());
    }
    Err(damaged("not one, or of a later release"))
}

/// The body of a frame that fits in memory.
fn read_body(
    from: &mut dyn Read,
    name: &str,
    length: u64,
    mut crc: crc32fast::Hasher,
) -> Result<Vec<u8>, RestoreError> {
    if length > MAX_ROWS_BYTES {
        return Err(damaged("damaged (a length)"));
    }
    let mut body = Vec::new();
    copy_checked(from, &mut body, length, &mut crc).map_err(|error| not_copied(error, Path::new("")))?;
    check(from, crc, name)?;
    Ok(body)
}

/// What the end says must be what was found, and nothing may follow it.
fn read_end(from: &mut dyn Read, body: &[u8], found: BackupSummary) -> Result<BackupSummary, RestoreError> {
    let told: BackupSummary = serde_json::from_slice(body).map_err(|_| damaged("damaged (its end)"))?;
    if told != found || from.read(&mut [0]).map_err(|error| unreadable(&error))? != 0 {
        return Err(damaged("damaged (it does not hold what its end says)"));
    }
    Ok(found)
}

fn fill(from: &mut dyn Read, directory: &Path) -> Result<BackupSummary, RestoreError> {
    let system = |error: io::Error| refused(directory, &error);
    let store = |error: redb::Error| refused_by_store(directory, &error);
    read_magic(from)?;
    let tiers = tiers_in(directory);
    for tier in Tier::ALL {
        fs::create_dir_all(tiers.join(tier.as_str())).map_err(system)?;
    }
    fs::create_dir_all(directory.join(snapshot::FOLDER)).map_err(system)?;
    let (database, ..) =
        again(directory, false, 0).map_err(|failure| refused_open(directory, failure.refusal(directory)))?;
    let mut write = database.begin_write().map_err(|error| store(error.into()))?;
    write
        .set_durability(Durability::Immediate)
        .map_err(|error| store(error.into()))?;
    let mut found = BackupSummary::default();
    loop {
        let (name, length, mut crc) = read_head(from)?;
        if let Some(path) = file_path(directory, &tiers, &name)? {
            let file = File::create(&path).map_err(system)?;
            let mut file = BufWriter::new(file);
            copy_checked(from, &mut file, length, &mut crc).map_err(|error| not_copied(error, directory))?;
            check(from, crc, &name)?;
            let file = file.into_inner().map_err(|error| system(error.into_error()))?;
            file.sync_all().map_err(system)?;
            count_file(&mut found, &name, length);
            continue;
        }
        let body = read_body(from, &name, length, crc)?;
        if name == END {
            read_end(from, &body, found)?;
            break;
        }
        for row in read_rows(&body).ok_or_else(|| damaged("damaged (a row)"))? {
            let known = insert(&write, &name, &row).map_err(store)?;
            if !known {
                return Err(damaged("damaged, or of a later release (a table or a row)"));
            }
            found.agents += u64::from(name == "rows/agents");
            found.reports_unsealed += u64::from(name == "rows/hot");
        }
    }
    write.commit().map_err(|error| store(error.into()))?;
    drop(database);
    seal_directory(directory, &tiers)?;
    Ok(found)
}

/// Proves that the store opens, gives it its copy of the dictionary, and makes its directories durable.
fn seal_directory(directory: &Path, tiers: &Path) -> Result<(), RestoreError> {
    let system = |error: io::Error| refused(directory, &error);
    let (database, ..) =
        again(directory, false, 0).map_err(|failure| refused_open(directory, failure.refusal(directory)))?;
    let store = (|| -> Result<_, redb::Error> {
        let store = database
            .begin_read()?
            .open_table(META)?
            .get(super::tables::META_STORE)?;
        Ok(store.map(|store| store.value()))
    })()
    .map_err(|error| refused_by_store(directory, &error))?;
    if let Some(store) = store {
        let copy = read_copy(&database, store).map_err(|error| system(io::Error::other(error)))?;
        copy.write(&Disk::default(), tiers).map_err(system)?;
    }
    let rooms = Tier::ALL.map(|tier| tiers.join(tier.as_str()));
    let kept = directory.join(snapshot::FOLDER);
    for room in rooms
        .iter()
        .chain([&kept])
        .map(PathBuf::as_path)
        .chain([tiers, directory])
    {
        File::open(room)
            .and_then(|room| room.sync_all())
            .map_err(system)?;
    }
    Ok(())
}

fn read_head(from: &mut dyn Read) -> Result<(String, u64, crc32fast::Hasher), RestoreError> {
    let (mut name_length, mut length) = ([0; 2], [0; 8]);
    from.read_exact(&mut name_length)
        .and_then(|()| from.read_exact(&mut length))
        .map_err(|error| unreadable(&error))?;
    let mut name = vec![0; usize::from(u16::from_le_bytes(name_length))];
    if name.len() > MAX_NAME_BYTES {
        return Err(damaged("damaged (the length of a name)"));
    }
    from.read_exact(&mut name).map_err(|error| unreadable(&error))?;
    let mut crc = crc32fast::Hasher::new();
    for piece in [&name_length[..], &length, &name] {
        crc.update(piece);
    }
    let name = String::from_utf8(name).map_err(|_| damaged("damaged (a name)"))?;
    Ok((name, u64::from_le_bytes(length), crc))
}

fn check(from: &mut dyn Read, crc: crc32fast::Hasher, name: &str) -> Result<(), RestoreError> {
    let mut told = [0; 4];
    from.read_exact(&mut told).map_err(|error| unreadable(&error))?;
    if u32::from_le_bytes(told) == crc.finalize() {
        return Ok(());
    }
    Err(damaged(&format!("damaged (the checksum of {name})")))
}

fn damaged(what: &str) -> RestoreError {
    RestoreError::Damaged {
        what: what.to_owned(),
    }
}

fn unreadable(error: &io::Error) -> RestoreError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged("cut off before its end"),
        _ => damaged(&format!("not to be read or kept ({error})")),
    }
}

/// A copy that failed is the backup's fault or that of the disk under `directory`, never one for the other.
fn not_copied(error: CopyError, directory: &Path) -> RestoreError {
    match error {
        CopyError::Read(error) => unreadable(&error),
        CopyError::Write(error) => refused(directory, &error),
    }
}

fn refused(path: &Path, error: &io::Error) -> RestoreError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => RestoreError::DiskFull { path },
        _ => RestoreError::System {
            path,
            cause: error.to_string(),
        },
    }
}

fn refused_by_store(path: &Path, error: &redb::Error) -> RestoreError {
    match error {
        redb::Error::Io(error) => refused(path, error),
        other => RestoreError::System {
            path: path.to_owned(),
            cause: other.to_string(),
        },
    }
}

fn refused_open(path: &Path, error: OpenError) -> RestoreError {
    match error {
        OpenError::Directory { source, .. } => refused(path, &source),
        OpenError::System { cause, .. }
            if cause.contains(&io::Error::from_raw_os_error(ENOSPC).to_string()) =>
        {
            RestoreError::DiskFull {
                path: path.to_owned(),
            }
        }
        other => RestoreError::System {
            path: path.to_owned(),
            cause: other.to_string(),
        },
    }
}

/// Where the body of a frame is kept as a file; `None` for a frame of rows.
fn file_path(directory: &Path, tiers: &Path, name: &str) -> Result<Option<PathBuf>, RestoreError> {
    let path = match name.split_once('/') {
        Some(("part", place)) => part_path(tiers, place),
        Some(("aside", place)) => aside::path_of(directory, place),
        Some(("snapshot", file)) => {
            snapshot::is_file_name(file).then(|| directory.join(snapshot::FOLDER).join(file))
        }
        _ => return Ok(None),
    };
    path.map(Some)
        .ok_or_else(|| damaged("damaged (the name of a file)"))
}

fn count_file(found: &mut BackupSummary, name: &str, length: u64) {
    if name.starts_with("part/") {
        found.parts += 1;
        found.part_bytes += length;
    } else if name.starts_with("snapshot/") {
        found.snapshots += 1;
    } else {
        found.set_aside += 1;
    }
}

fn part_path(tiers: &Path, place: &str) -> Option<PathBuf> {
    let (tier, name) = place.split_once('/')?;
    let tier = Tier::ALL.into_iter().find(|known| known.as_str() == tier)?;
    is_part_name(name).then(|| tiers.join(tier.as_str()).join(name))
}

fn read_rows(mut bytes: &[u8]) -> Option<Vec<Row>> {
    let mut rows = Vec::new();
    while !bytes.is_empty() {
        let mut number = || {
            let (number, rest) = varint::read(bytes).ok()?;
            bytes = rest;
            Some(number)
        };
        let count = number()?;
        let numbers = (0..count).map(|_| number()).collect::<Option<Vec<u64>>>()?;
        let length = usize::try_from(number()?).ok()?;
        let (own, rest) = bytes.split_at_checked(length)?;
        rows.push(Row {
            numbers,
            bytes: own.to_vec(),
        });
        bytes = rest;
    }
    Some(rows)
}

/// Puts a row where it belongs; `false` when it belongs nowhere.
fn insert(write: &redb::WriteTransaction, table: &str, row: &Row) -> Result<bool, redb::Error> {
    let bytes = row.bytes.as_slice();
    let narrow =
        |number: u64| u32::try_from(number).map_err(|error| redb::Error::Io(io::Error::other(error)));
    match (table, row.numbers.as_slice()) {
        ("rows/meta", &[value]) => {
            let Ok(key) = std::str::from_utf8(bytes) else {
                return Ok(false);
            };
            write.open_table(META)?.insert(key, value)?;
        }
        ("rows/agents", &[number]) => {
            write.open_table(AGENTS)?.insert(narrow(number)?, bytes)?;
        }
        ("rows/manifests", &[ordinal, agent, id]) => {
            let row = (narrow(agent)?, id, bytes);
            write.open_table(MANIFESTS)?.insert(narrow(ordinal)?, row)?;
        }
        ("rows/settled", &[agent, epoch]) => {
            write
                .open_table(SETTLED)?
                .insert((narrow(agent)?, epoch), bytes)?;
        }
        ("rows/gaps", &[end, agent, epoch, first, start, cause, reports]) => {
            let Ok(cause) = u8::try_from(cause) else {
                return Ok(false);
            };
            let key = (narrow(agent)?, end, epoch, first);
            write.open_table(GAPS)?.insert(key, (start, cause, reports))?;
        }
        ("rows/paths", &[agent, at, epoch, sequence, number, manifest]) => {
            let key = (narrow(agent)?, at, epoch, sequence, narrow(number)?);
            write.open_table(PATHS)?.insert(key, (manifest, bytes))?;
        }
        ("rows/throughput", &[agent, at, epoch, sequence, number, manifest]) => {
            let key = (narrow(agent)?, at, epoch, sequence, narrow(number)?);
            write.open_table(THROUGHPUT)?.insert(key, (manifest, bytes))?;
        }
        ("rows/hot", &[start, agent, epoch, sequence]) => {
            let key = (start, narrow(agent)?, epoch, sequence);
            write.open_table(HOT)?.insert(key, bytes)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}
