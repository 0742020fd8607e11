//! Snapshots: the answers behind a view as they were when somebody kept them. They outlive retention, because they hold the
//! answers and not the measurements. One immutable file each, in `snapshots/` of the data directory: a line of JSON that says
//! what it is, then the whole document in one zstd frame. Written under another name, synced, renamed.
//!
//! Not a backup, but part of one: the files go along as they are. Handed the time; who may keep or delete is `api/snapshots.rs`'s.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::secret::hex;
use crate::whole_file::{Readers, replace};

/// Folder in the data directory.
pub const FOLDER: &str = "snapshots";
/// Ending of a finished file.
const ENDING: &str = ".snapshot";
/// Snapshots kept at most.
pub const MOST_KEPT: usize = 500;
/// Bytes of all files at most.
pub const MOST_BYTES: u64 = 256 * 1024 * 1024;
/// Bytes of one document, before it is compressed.
pub const MOST_DOCUMENT_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of the first line at most: a title and an address.
const MOST_HEAD_BYTES: u64 = 16 * 1024;
/// Letters of an id.
const ID_LETTERS: usize = 24;
const LEVEL: i32 = 6;

/// What a snapshot is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// The address of the view, from the first slash.
    pub view: String,
    /// When it was kept.
    pub created_unix_ms: u64,
    /// Who kept it, as far as the collector knew; earlier releases did not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_by: Option<String>,
}

/// A snapshot that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What it is of.
    pub head: Head,
    /// Bytes of its file.
    pub bytes: u64,
}

/// Why one was not kept.
#[derive(Debug, Error)]
pub enum KeepError {
    /// There is no room for another.
    #[error(
        "{kept} snapshots take {bytes} bytes; {MOST_KEPT} and {MOST_BYTES} bytes are allowed: delete some"
    )]
    Full {
        /// How many there are.
        kept: usize,
        /// What they take.
        bytes: u64,
    },
    /// It alone is too much.
    #[error(
        "this view takes {bytes} bytes, and {MOST_DOCUMENT_BYTES} are allowed; choose a shorter range or fewer rows"
    )]
    TooLarge {
        /// What it takes.
        bytes: usize,
    },
    /// It cannot be written.
    #[error("the snapshot cannot be written: {0}")]
    System(#[from] io::Error),
}

/// The snapshots of one collector.
#[derive(Debug)]
pub struct Snapshots {
    folder: PathBuf,
    kept: Mutex<BTreeMap<String, Kept>>,
    /// Files that cannot be read; they stay where they are.
    unreadable: u64,
}

impl Snapshots {
    /// Looks what there is. A file that cannot be read is named in the log and left alone.
    ///
    /// # Errors
    /// When the folder cannot be made or listed.
    pub fn open(data_dir: &Path) -> io::Result<Self> {
        let folder = data_dir.join(FOLDER);
        fs::create_dir_all(&folder)?;
        let (mut kept, mut unreadable) = (BTreeMap::new(), 0);
        for entry in fs::read_dir(&folder)? {
            let file = entry?.path();
            let name = file
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let Some(id) = name.strip_suffix(ENDING) else {
                // Cut off while it was written; nobody was told of it.
                fs::remove_file(&file)?;
                continue;
            };
            match read_head(&file) {
                Ok(one) if one.head.id == id => drop(kept.insert(id.to_owned(), one)),
                Ok(_) => {
                    tracing::error!("{}: holds another snapshot than its name says", file.display());
                    unreadable += 1;
                }
                Err(error) => {
                    tracing::error!("{}: {error}", file.display());
                    unreadable += 1;
                }
            }
        }
        Ok(Self {
            folder,
            kept: Mutex::new(kept),
            unreadable,
        })
    }

    /// Keeps a document, which `document` writes once its head is known. Durable when this returns.
    ///
    /// # Errors
    /// When there is no room, or it cannot be written.
    pub fn keep(
        &self,
        title: &str,
        view: &str,
        kept_by: Option<String>,
        created_unix_ms: u64,
        document: impl FnOnce(&Head) -> Vec<u8>,
    ) -> Result<Kept, KeepError> {
        // Held while writing, so that two at once cannot both take the last place.
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let salt: [u64; 2] = std::array::from_fn(|_| fastrand::u64(..));
        let digest = Sha256::digest(format!("{view}\n{created_unix_ms}\n{salt:?}"));
        let id = hex(&digest);
        let head = Head {
            id: id.chars().take(ID_LETTERS).collect(),
            title: title.to_owned(),
            view: view.to_owned(),
            created_unix_ms,
            kept_by,
        };
        let document = document(&head);
        if document.len() > MOST_DOCUMENT_BYTES {
            return Err(KeepError::TooLarge {
                bytes: document.len(),
            });
        }
        let mut content = serde_json::to_vec(&head).map_err(io::Error::from)?;
        content.push(b'\n');
        content.extend(zstd::bulk::compress(&document, LEVEL)?);
        let taken: u64 = all.values().map(|one| one.bytes).sum();
        let bytes = content.len() as u64;
        if all.len() >= MOST_KEPT || taken.saturating_add(bytes) > MOST_BYTES {
            return Err(KeepError::Full {
                kept: all.len(),
                bytes: taken,
            });
        }
        replace(&self.file(&head.id), &content, Readers::Umask)?;
        let one = Kept { head, bytes };
        all.insert(one.head.id.clone(), one.clone());
        Ok(one)
    }

    /// The document of a snapshot; `None` when there is no such one.
    ///
    /// # Errors
    /// When its file cannot be read back.
    pub fn read(&self, id: &str) -> io::Result<Option<Vec<u8>>> {
        let known = self
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(id);
        if !known {
            return Ok(None);
        }
        let mut file = BufReader::new(File::open(self.file(id))?);
        file.by_ref()
            .take(MOST_HEAD_BYTES)
            .read_until(b'\n', &mut Vec::new())?;
        let mut frame = Vec::new();
        file.take(MOST_BYTES).read_to_end(&mut frame)?;
        zstd::bulk::decompress(&frame, MOST_DOCUMENT_BYTES).map(Some)
    }

    /// Deletes a snapshot; says whether there was such a one. Durable when this returns.
    ///
    /// # Errors
    /// When its file cannot be removed.
    pub fn forget(&self, id: &str) -> io::Result<bool> {
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains_key(id) {
            return Ok(false);
        }
        fs::remove_file(self.file(id))?;
        self.sync()?;
        all.remove(id);
        Ok(true)
    }

    /// Every snapshot, the newest first.
    pub fn list(&self) -> Vec<Kept> {
        let all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<Kept> = all.values().cloned().collect();
        list.sort_by_key(|one| std::cmp::Reverse(one.head.created_unix_ms));
        list
    }

    /// Files that were there and could not be read when this was opened.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// Ids come from outside; only those that are known get here.
    fn file(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}{ENDING}"))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

/// Name and path of each finished file in a data directory, by name; none where nothing was ever kept.
///
/// # Errors
/// When the folder cannot be listed.
pub fn files_in(data_dir: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let entries = match fs::read_dir(data_dir.join(FOLDER)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str().filter(|name| is_file_name(name)) {
            files.push((name.to_owned(), entry.path()));
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a snapshot's file may have this name; so also that it leads out of no folder.
pub fn is_file_name(name: &str) -> bool {
    name.strip_suffix(ENDING)
        .is_some_and(|id| id.len() == ID_LETTERS && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn read_head(file: &Path) -> io::Result<Kept> {
    let opened = File::open(file)?;
    let bytes = opened.metadata()?.len();
    let mut line = Vec::new();
    BufReader::new(opened)
        .take(MOST_HEAD_BYTES)
        .read_until(b'\n', &mut line)?;
    let head = serde_json::from_slice(&line).map_err(io::Error::from)?;
    Ok(Kept { head, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(snapshots: &Snapshots, at: u64, text: &str) -> Kept {
        let kept = snapshots.keep(
            "Paris to Paris",
            "/pair?agent=a",
            Some("anna".to_owned()),
            at,
            |_| text.into(),
        );
        kept.expect("room")
    }

    #[test]
    fn what_was_kept_is_there_after_a_restart_and_gone_when_deleted() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let snapshots = Snapshots::open(directory.path()).expect("openable");
        let (first, second) = (keep(&snapshots, 1, "{\"a\":1}"), keep(&snapshots, 2, "{}"));
        assert_ne!(first.head.id, second.head.id);
        let again = Snapshots::open(directory.path()).expect("openable");
        assert_eq!(again.list(), [second.clone(), first.clone()]);
        assert_eq!(
            again.read(&first.head.id).expect("readable"),
            Some(b"{\"a\":1}".to_vec())
        );
        assert_eq!(again.forget(&first.head.id).ok(), Some(true));
        assert_eq!(again.forget(&first.head.id).ok(), Some(false));
        assert_eq!(again.read(&first.head.id).expect("readable"), None);
        assert_eq!(
            Snapshots::open(directory.path()).expect("openable").list(),
            [second]
        );
    }

    #[test]
    fn a_cut_file_goes_a_damaged_one_stays_and_is_counted_and_no_id_leaves_the_folder() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let kept = keep(&Snapshots::open(directory.path()).expect("openable"), 1, "{}");
        let folder = directory.path().join(FOLDER);
        fs::write(folder.join("cut"), "{").expect("writable");
        fs::write(folder.join(format!("damaged{ENDING}")), "{").expect("writable");
        fs::write(directory.path().join("secret.snapshot"), "{}\n").expect("writable");
        let snapshots = Snapshots::open(directory.path()).expect("openable");
        assert_eq!(
            (snapshots.list(), snapshots.unreadable()),
            (vec![kept.clone()], 1)
        );
        assert!(!folder.join("cut").exists() && folder.join(format!("damaged{ENDING}")).exists());
        assert_eq!(snapshots.read("../secret").expect("not asked of the disk"), None);
        assert_eq!(snapshots.forget("../secret").ok(), Some(false));
        let file = folder.join(format!("{}{ENDING}", kept.head.id));
        fs::write(&file, "{}\nnot zstd").expect("writable");
        assert!(snapshots.read(&kept.head.id).is_err());
    }

    #[test]
    fn one_of_an_earlier_release_is_nobodys_and_names_lead_nowhere_else() {
        let head: Head =
            serde_json::from_str(r#"{"id":"a","title":"t","view":"/","created_unix_ms":1}"#).expect("a head");
        assert_eq!(head.kept_by, None);
        assert!(is_file_name("0123456789abcdef01234567.snapshot"));
        for name in [
            "../0123456789abcdef01234.snapshot",
            "0123456789abcdef01234567",
            "x.snapshot",
            ".snapshot",
        ] {
            assert!(!is_file_name(name), "{name}");
        }
        let directory = tempfile::tempdir().expect("a scratch directory");
        assert_eq!(files_in(directory.path()).expect("nothing there"), []);
    }

    #[test]
    fn there_is_a_bound() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let snapshots = Snapshots::open(directory.path()).expect("openable");
        let large = snapshots.keep("t", "/", None, 1, |_| vec![b' '; MOST_DOCUMENT_BYTES + 1]);
        assert!(matches!(large, Err(KeepError::TooLarge { .. })));
        let taken = |bytes| Kept {
            head: Head {
                id: "x".to_owned(),
                title: String::new(),
                view: "/".to_owned(),
                created_unix_ms: 0,
                kept_by: None,
            },
            bytes,
        };
        let full = Snapshots {
            kept: Mutex::new([("x".to_owned(), taken(MOST_BYTES))].into()),
            ..snapshots
        };
        assert!(matches!(
            full.keep("t", "/", None, 1, |_| Vec::new()),
            Err(KeepError::Full { .. })
        ));
    }
}
