//! Opening the file, whatever state it was left in. After a kill, redb repairs it. A file that is damaged beyond that is
//! set aside under a new name, never deleted, and the collector starts with an empty one: a store that cannot be opened
//! must not also stop what is measured now from being kept.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use azimuth_measurement::codec::decode_manifest;
use azimuth_measurement::{AgentId, ManifestId};
use redb::{
    Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageError,
};
use thiserror::Error;

use super::dictionary_file::DictionaryCopy;
use super::growth_row;
use super::losses::Losses;
use super::sealed::disk::Disk;
use super::sealed::shelf::Shelf;
use super::tables::{
    AGENTS, AgentRow, FORMAT, GAPS, GAPS_BY_END, HOT, MANIFESTS, META, META_FORMAT, META_STORE, META_WRITES,
    SETTLED,
};
use crate::store::dictionary::AgentNumber;
use crate::store::sequences::SettledSequences;
use crate::store::{Dictionary, TimeRange};

/// The file's name in the data directory.
pub(super) const FILE_NAME: &str = "hot.redb";
/// What a file that was set aside has in its name.
pub(super) const SET_ASIDE: &str = ".damaged-";
/// redb's page cache. The map of five minutes over 1,800 series reads about 2 MB; what is read again is in the system's cache.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// The store cannot be opened, and setting its file aside would not be right.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The directory cannot be made or read.
    #[error("data directory {directory}: {source}; give --data-dir a directory this user may write to")]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process has it.
    #[error(
        "{file} is in use by another process; stop the other collector, or give this one another --data-dir"
    )]
    InUse {
        /// The file.
        file: PathBuf,
    },
    /// Written by a later release.
    #[error(
        "{file} has format {found}, and this release reads format {FORMAT}; run the release that wrote it, or give another --data-dir"
    )]
    NewerFormat {
        /// The file.
        file: PathBuf,
        /// Its format.
        found: u64,
    },
    /// The system refuses, for example for lack of space or permission.
    #[error("{file}: {cause}")]
    System {
        /// The file.
        file: PathBuf,
        /// What the system said.
        cause: String,
    },
}

/// An open file, and what it says it knows.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) database: Database,
    pub(super) dictionary: Arc<Dictionary>,
    pub(super) losses: Losses,
    /// How many transactions it has taken.
    pub(super) writes: u64,
    pub(super) store_id: u64,
    pub(super) shelf: Shelf,
}

/// Where the parts are.
pub(super) fn tiers_in(directory: &Path) -> PathBuf {
    directory.join("tiers")
}

/// Why an attempt at opening failed.
pub(super) enum Failure {
    /// The contents are not what was written.
    Damaged(String),
    Refused(OpenError),
}

impl Failure {
    fn of(file: &Path, error: &redb::Error) -> Self {
        let cause = error.to_string();
        if is_damage(error) {
            return Self::Damaged(cause);
        }
        Self::Refused(OpenError::System {
            file: file.to_owned(),
            cause,
        })
    }

    /// Where setting the file aside would not be right.
    pub(super) fn refusal(self, directory: &Path) -> OpenError {
        match self {
            Self::Refused(error) => error,
            Self::Damaged(cause) => OpenError::System {
                file: directory.join(FILE_NAME),
                cause,
            },
        }
    }
}

/// A file that was opened again: itself, its dictionary, how many transactions it has taken.
pub(super) type OpenedAgain = (Database, Arc<Dictionary>, u64);

/// Opens the store in `directory`, making both if need be. `now_unix_ms` only names a file that is set aside.
pub(super) fn open(directory: &Path, now_unix_ms: u64) -> Result<Opened, OpenError> {
    let in_directory = |source| OpenError::Directory {
        directory: directory.to_owned(),
        source,
    };
    let tiers = tiers_in(directory);
    fs::create_dir_all(&tiers).map_err(in_directory)?;
    let file = directory.join(FILE_NAME);
    let known = |(database, dictionary)| {
        let facts = facts(&database, directory)?;
        Ok((database, dictionary, facts))
    };
    let whole = match file
        .exists()
        .then(|| unless_contradictory(|| attempt(&file).and_then(known)))
    {
        None => None,
        Some(Ok(opened)) => Some(opened),
        Some(Err(Failure::Refused(error))) => return Err(error),
        Some(Err(Failure::Damaged(cause))) => {
            set_aside(directory, now_unix_ms, &cause)?;
            None
        }
    };
    if let Some((database, dictionary, (store_id, losses, writes))) = whole {
        let shelf = Shelf::open(&tiers, Disk::default(), store_id, now_unix_ms).map_err(in_directory)?;
        sync_names(directory)?;
        return Ok(Opened {
            database,
            dictionary,
            losses,
            writes,
            store_id,
            shelf,
        });
    }
    let copy = DictionaryCopy::read(&tiers).map_err(in_directory)?;
    let store_id = copy.map_or_else(|| fastrand::u64(1..), |copy| copy.store);
    let shelf = Shelf::open(&tiers, Disk::default(), store_id, now_unix_ms).map_err(in_directory)?;
    let ((database, dictionary, writes), losses) = make_anew(directory, store_id, &shelf, &[])?;
    Ok(Opened {
        database,
        dictionary,
        losses,
        writes,
        store_id,
        shelf,
    })
}

/// Gives a damaged file a name that says so.
pub(super) fn set_aside(directory: &Path, now_unix_ms: u64, cause: &str) -> Result<(), OpenError> {
    let file = directory.join(FILE_NAME);
    let named = |at: u64| directory.join(format!("{FILE_NAME}{SET_ASIDE}{at}"));
    // Never over another one.
    let aside = (now_unix_ms..).map(named).find(|path| !path.exists());
    let aside = aside.unwrap_or_else(|| named(now_unix_ms));
    fs::rename(&file, &aside).map_err(|source| OpenError::Directory {
        directory: directory.to_owned(),
        source,
    })?;
    tracing::error!(
        "{} is damaged ({cause}); it was set aside as {} and an empty one takes its place",
        file.display(),
        aside.display()
    );
    Ok(())
}

/// Makes the file where there is none, from what stands beside it: the copy of the dictionary, the lists of the parts, and what
/// was set aside. `lost_before` is what the file before knew to be lost.
pub(super) fn make_anew(
    directory: &Path,
    store_id: u64,
    shelf: &Shelf,
    lost_before: &[TimeRange],
) -> Result<(OpenedAgain, Losses), OpenError> {
    let file = directory.join(FILE_NAME);
    let system = |error: redb::Error| OpenError::System {
        file: file.clone(),
        cause: error.to_string(),
    };
    let copy = DictionaryCopy::read(&tiers_in(directory)).map_err(|source| OpenError::Directory {
        directory: directory.to_owned(),
        source,
    })?;
    let refused = |failure: Failure| failure.refusal(directory);
    let (database, _) = attempt(&file).map_err(refused)?;
    name_store(&database, Some(store_id)).map_err(system)?;
    if let Some(copy) = copy {
        restore(&database, &copy, shelf).map_err(system)?;
        tracing::warn!(
            "{} was made anew from the copy beside the parts: {} agents, {} parts; what was not sealed yet is not in it",
            file.display(),
            copy.agents.len(),
            shelf.parts().count()
        );
    }
    Losses::note(&database, directory, shelf, lost_before).map_err(system)?;
    let losses = Losses::read(&database, directory).map_err(system)?;
    drop(database);
    let opened = again(directory, false, 0).map_err(refused)?;
    sync_names(directory)?;
    Ok((opened, losses))
}

/// A new file is only there after a power cut if its directory entry is.
fn sync_names(directory: &Path) -> Result<(), OpenError> {
    let entry = fs::File::open(directory);
    entry
        .and_then(|entry| entry.sync_all())
        .map_err(|source| OpenError::Directory {
            directory: directory.to_owned(),
            source,
        })
}

/// The store's number, what it has lost, and how many transactions it has taken.
fn facts(database: &Database, directory: &Path) -> Result<(u64, Losses, u64), Failure> {
    let read = || {
        let store_id = name_store(database, None)?;
        Ok((store_id, Losses::read(database, directory)?, writes_of(database)?))
    };
    read().map_err(|error| Failure::of(&directory.join(FILE_NAME), &error))
}

fn writes_of(database: &Database) -> Result<u64, redb::Error> {
    let meta = database.begin_read()?.open_table(META)?;
    Ok(meta.get(META_WRITES)?.map_or(0, |writes| writes.value()))
}

/// The store's own number: the one it has, else `wanted`, else a new one. Writes only then, so that a full disk does not
/// keep a store from being opened.
fn name_store(database: &Database, wanted: Option<u64>) -> Result<u64, redb::Error> {
    let known = database.begin_read()?.open_table(META)?.get(META_STORE)?;
    if let Some(known) = known {
        return Ok(known.value());
    }
    let store = wanted.unwrap_or_else(|| fastrand::u64(1..));
    let mut write = database.begin_write()?;
    write.set_durability(Durability::Immediate)?;
    write.open_table(META)?.insert(META_STORE, store)?;
    write.commit()?;
    Ok(store)
}

/// Gives an empty file the agents, manifests and settled sequences that the parts beside it stand for.
fn restore(database: &Database, copy: &DictionaryCopy, shelf: &Shelf) -> Result<(), redb::Error> {
    let mut settled: BTreeMap<(u32, u64), SettledSequences> = BTreeMap::new();
    for part in shelf.parts() {
        let Ok(contents) = part.contents() else { continue };
        for (agent, epoch, sequences) in contents.spaces() {
            let own = settled.entry((agent.0, epoch)).or_default();
            for (first, last) in sequences.ranges() {
                own.settle(first, last);
            }
        }
        part.forget_contents();
    }
    let mut write = database.begin_write()?;
    write.set_durability(Durability::Immediate)?;
    {
        let mut agents = write.open_table(AGENTS)?;
        for (number, agent) in (0_u32..).zip(&copy.agents) {
            let row = AgentRow {
                agent: agent.clone(),
                latest: None,
            };
            let row = serde_json::to_vec(&row).map_err(std::io::Error::other)?;
            agents.insert(number, row.as_slice())?;
        }
        let mut manifests = write.open_table(MANIFESTS)?;
        for (ordinal, (agent, id, frame)) in (0_u32..).zip(&copy.manifests) {
            manifests.insert(ordinal, (*agent, *id, frame.as_slice()))?;
        }
        let mut table = write.open_table(SETTLED)?;
        for (space, sequences) in &settled {
            table.insert(*space, sequences.to_bytes().as_slice())?;
        }
    }
    write.commit()?;
    Ok(())
}

/// Opens the file again after a failed write. Sets nothing aside. `whole` has every page held against its checksum; a file that
/// has taken fewer than `least_writes` transactions was rolled back past what was acknowledged.
pub(super) fn again(directory: &Path, whole: bool, least_writes: u64) -> Result<OpenedAgain, Failure> {
    let file = directory.join(FILE_NAME);
    unless_contradictory(|| {
        let (mut database, dictionary) = attempt(&file)?;
        if whole
            && !database
                .check_integrity()
                .map_err(|error| failure(&file, error))?
        {
            tracing::warn!("{} was mended by the database", file.display());
        }
        let writes = writes_of(&database).map_err(|error| Failure::of(&file, &error))?;
        if writes < least_writes {
            return Err(Failure::Damaged(format!(
                "{} transactions are gone from it",
                least_writes - writes
            )));
        }
        Ok((database, dictionary, writes))
    })
}

/// Whether this says that the contents of the file are not what was written.
pub(super) fn is_damage(error: &redb::Error) -> bool {
    match error {
        redb::Error::Corrupted(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. } => true,
        redb::Error::Io(error) => matches!(
            error.kind(),
            std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
        ),
        _ => false,
    }
}

/// redb asserts on some contents it could not have written, when it closes a file too; to us that is one more kind of damage.
fn unless_contradictory<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Failure::Damaged("its pages contradict each other".to_owned())))
}

/// Closes a file that may be damaged. What redb could not write then it works out anew when the file is opened.
pub(super) fn close(database: Option<Database>) {
    let closed = unless_contradictory(|| {
        drop(database);
        Ok(())
    });
    if closed.is_err() {
        tracing::error!("the file cannot be closed in order: its pages contradict each other");
    }
}

fn attempt(file: &Path) -> Result<(Database, Arc<Dictionary>), Failure> {
    unless_contradictory(|| {
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(file)
            .map_err(|error| failure(file, error))?;
        let dictionary = read_dictionary(&database, file)?;
        Ok((database, Arc::new(dictionary)))
    })
}

fn failure(file: &Path, error: DatabaseError) -> Failure {
    let file = file.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            Failure::Refused(OpenError::InUse { file })
        }
        DatabaseError::Storage(StorageError::Corrupted(cause)) => Failure::Damaged(cause),
        DatabaseError::Storage(StorageError::Io(error))
            if matches!(
                error.kind(),
                std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
            ) =>
        {
            Failure::Damaged(error.to_string())
        }
        other => Failure::Refused(OpenError::System {
            file,
            cause: other.to_string(),
        }),
    }
}

/// Makes the tables where they are missing and reads the dictionary.
pub(super) fn read_dictionary(database: &Database, file: &Path) -> Result<Dictionary, Failure> {
    let system = |error: redb::Error| match error {
        redb::Error::Io(error) if error.kind() != std::io::ErrorKind::InvalidData => {
            Failure::Refused(OpenError::System {
                file: file.to_owned(),
                cause: error.to_string(),
            })
        }
        other => Failure::Damaged(other.to_string()),
    };
    let tables = || -> Result<_, redb::Error> {
        let read = database.begin_read()?;
        // Not read here. A table whose description is damaged must be found before the first commit, which would fail on it
        // for ever.
        read.open_table(HOT)?;
        read.open_table(SETTLED)?;
        read.open_table(GAPS)?;
        Ok((
            read.open_table(META)?,
            read.open_table(AGENTS)?,
            read.open_table(MANIFESTS)?,
        ))
    };
    // Only where they are missing: a full disk takes no write, and what is on it must be readable all the same.
    if let Err(redb::Error::TableDoesNotExist(_)) = tables() {
        make_tables(database).map_err(system)?;
    }
    let (meta, agents, manifests) = tables().map_err(system)?;
    let found = meta
        .get(META_FORMAT)
        .map_err(|error| system(error.into()))?
        .map_or(0, |found| found.value());
    if found > FORMAT {
        return Err(Failure::Refused(OpenError::NewerFormat {
            file: file.to_owned(),
            found,
        }));
    }
    let mut dictionary = Dictionary::default();
    let damaged = |what: String| Failure::Damaged(what);
    for row in agents.iter().map_err(|error| system(error.into()))? {
        let (number, row) = row.map_err(|error| system(error.into()))?;
        let number = number.value();
        let agent = serde_json::from_slice::<AgentRow>(row.value())
            .map_err(|error| damaged(format!("agent {number}: {error}")))?
            .agent
            .parse::<AgentId>()
            .map_err(|error| damaged(format!("agent {number}: {error}")))?;
        let given = dictionary
            .add_agent(&agent)
            .map_err(|_| damaged("too many agents".to_owned()))?;
        if given.0 != number {
            return Err(damaged(format!("agent {number} would be numbered {}", given.0)));
        }
    }
    for row in manifests.iter().map_err(|error| system(error.into()))? {
        let (ordinal, row) = row.map_err(|error| system(error.into()))?;
        let (agent, id, bytes) = row.value();
        replay_growth(&mut dictionary, agent, ManifestId(id), bytes)
            .map_err(|what| damaged(format!("manifest {}: {what}", ordinal.value())))?;
    }
    Ok(dictionary)
}

/// Takes one step of the dictionary again.
pub(super) fn replay_growth(
    dictionary: &mut Dictionary,
    agent: u32,
    id: ManifestId,
    bytes: &[u8],
) -> Result<(), String> {
    let row = growth_row::decode(bytes).ok_or("it cannot be read")?;
    let number = AgentNumber(agent);
    if !row.frame.is_empty() {
        let (manifest, found_id) = decode_manifest(row.frame).map_err(|error| error.to_string())?;
        if found_id != id {
            return Err("it is not the one that was stored".to_owned());
        }
        if dictionary.agent_number(&manifest.agent) != Some(number) {
            return Err("it has no agent".to_owned());
        }
        dictionary.add_manifest(number, id, Arc::new(manifest), row.at_unix_ms);
    }
    let known = dictionary.manifest(number, id).ok_or("it was never taken in")?;
    let waiting: Vec<u32> = known.waiting().collect();
    let expected = row.admitted.as_ref().map(Vec::len);
    let positions = row.admitted.as_ref().unwrap_or(&waiting);
    let admitted = dictionary.admit(number, id, positions, positions.len(), row.at_unix_ms);
    if expected.is_some_and(|expected| admitted.len() != expected) {
        return Err("its series are not those that were stored".to_owned());
    }
    let all_known = row.admitted.is_some()
        || dictionary
            .manifest(number, id)
            .is_some_and(|known| known.waiting().next().is_none());
    all_known
        .then_some(())
        .ok_or_else(|| "too many series".to_owned())
}

fn make_tables(database: &Database) -> Result<(), redb::Error> {
    let mut write = database.begin_write()?;
    write.set_durability(Durability::Immediate)?;
    {
        let mut meta = write.open_table(META)?;
        if meta.get(META_FORMAT)?.is_none() {
            meta.insert(META_FORMAT, FORMAT)?;
        }
        write.open_table(AGENTS)?;
        write.open_table(MANIFESTS)?;
        write.open_table(HOT)?;
        write.open_table(SETTLED)?;
        // The one table that files of earlier releases lack, so this is where theirs is found.
        let mut gaps = write.open_table(GAPS)?;
        let before = write.open_table(GAPS_BY_END)?;
        if !before.is_empty()? {
            meta.insert(META_FORMAT, FORMAT)?;
        }
        for row in before.iter()? {
            let (key, value) = row?;
            let (end, agent, epoch, first) = key.value();
            gaps.insert((agent, end, epoch, first), value.value())?;
        }
    }
    write.delete_table(GAPS_BY_END)?;
    write.commit()?;
    Ok(())
}
