//! The few things the spool asks of a filesystem, as a trait, so that tests can forget what was not synced, tear a write
//! at any byte and run out of space; and the real one. Not a place for decisions.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Space on the filesystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes an ordinary user may still write.
    pub free_bytes: u64,
    /// Size of the filesystem in bytes.
    pub total_bytes: u64,
}

/// One flat directory of files that are only ever appended to.
pub trait Disk {
    /// Names of all files, in any order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Length of a file in bytes.
    fn length(&self, name: &str) -> io::Result<u64>;
    /// `length` bytes from `offset`; fewer is an error of kind `UnexpectedEof`.
    fn read(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>>;
    /// Makes what is in a file survive a power cut, whoever wrote it.
    fn sync(&self, name: &str) -> io::Result<()>;
    /// A new, empty file; an error when the name is taken. Its name survives a power cut only after
    /// [`sync_directory`](Self::sync_directory).
    fn create(&self, name: &str) -> io::Result<Box<dyn AppendFile + Send>>;
    /// Gives a file another name, replacing whatever had it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes names created, changed and removed so far survive a power cut.
    fn sync_directory(&self) -> io::Result<()>;
    /// Room on the filesystem.
    fn space(&self) -> io::Result<Space>;
    /// A number that a copy of the directory elsewhere does not share.
    fn place(&self) -> u64;
}

/// A file being appended to.
pub trait AppendFile {
    /// Appends some of `bytes` and says how many; like `write(2)` it may take fewer.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Makes what was appended survive a power cut. After an error nothing is known about it, and asking again proves
    /// nothing: the kernel may have dropped the pages (so the spool abandons the file).
    fn sync(&mut self) -> io::Result<()>;
}

/// A directory on a real filesystem, held by one process at a time.
#[derive(Debug)]
pub struct RealDisk {
    directory: PathBuf,
    handle: File,
    place: u64,
    _lock: Option<File>,
}

/// Held while a process uses the directory. Not a segment, never read.
const LOCK_NAME: &str = "spool.lock";

impl RealDisk {
    /// Opens the directory, creating it when missing, and takes its lock.
    ///
    /// # Errors
    /// When it cannot be created or opened, or another process holds it; the message names the directory and the remedy.
    /// A lock file that cannot be made (read-only filesystem) is no error: then nobody can write there.
    pub fn open(directory: &Path) -> io::Result<Self> {
        let named = |error: io::Error| {
            io::Error::new(
                error.kind(),
                format!(
                    "spool directory {}: {error}; it must be a directory the agent may write to",
                    directory.display()
                ),
            )
        };
        if !directory.is_dir() {
            fs::create_dir_all(directory).map_err(named)?;
            if let Some(parent) = directory.parent().and_then(|parent| File::open(parent).ok()) {
                parent.sync_all().map_err(named)?;
            }
        }
        let lock = OpenOptions::new()
            .create(true)
            .append(true)
            .open(directory.join(LOCK_NAME))
            .ok();
        if let Some(file) = &lock
            && let Err(TryLockError::WouldBlock) = file.try_lock()
        {
            return Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                format!(
                    "spool directory {} is in use by another agent; give each agent a `directory` of its own in `[spool]`",
                    directory.display()
                ),
            ));
        }
        let mut disk = Self::read_only(directory).map_err(named)?;
        disk._lock = lock;
        Ok(disk)
    }

    /// Opens an existing directory without the lock, for looking only.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn read_only(directory: &Path) -> io::Result<Self> {
        let handle = File::open(directory)?;
        let metadata = handle.metadata()?;
        if !metadata.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        // Inodes are reused and device numbers change over boots, but epochs are only ever resumed within one boot.
        let place = metadata.dev().rotate_left(32) ^ metadata.ino();
        Ok(Self {
            directory: directory.to_owned(),
            handle,
            place,
            _lock: None,
        })
    }
}

impl Disk for RealDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn length(&self, name: &str) -> io::Result<u64> {
        fs::metadata(self.directory.join(name)).map(|metadata| metadata.len())
    }

    fn read(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let file = File::open(self.directory.join(name))?;
        let mut bytes = vec![0; length];
        if offset == 0 {
            (&file).read_exact(&mut bytes)?;
        } else {
            file.read_exact_at(&mut bytes, offset)?;
        }
        Ok(bytes)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        File::open(self.directory.join(name))?.sync_data()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn AppendFile + Send>> {
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(self.directory.join(name))?;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.directory.join(from), self.directory.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.directory.join(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.handle.sync_all()
    }

    fn space(&self) -> io::Result<Space> {
        let stat = nix::sys::statvfs::fstatvfs(&self.handle)?;
        let block = stat.fragment_size();
        Ok(Space {
            free_bytes: stat.blocks_available().saturating_mul(block),
            total_bytes: stat.blocks().saturating_mul(block),
        })
    }

    fn place(&self) -> u64 {
        self.place
    }
}

impl AppendFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// The disk of an agent whose directory cannot be used: every operation fails with the reason. The spool then works from
/// memory, and says so.
#[derive(Debug)]
pub struct NoDisk {
    reason: String,
    kind: io::ErrorKind,
}

impl NoDisk {
    /// Fails every operation with this error.
    pub fn because(error: &io::Error) -> Self {
        Self {
            reason: error.to_string(),
            kind: error.kind(),
        }
    }

    fn fail<T>(&self) -> io::Result<T> {
        Err(io::Error::new(self.kind, self.reason.clone()))
    }
}

impl Disk for NoDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn length(&self, _: &str) -> io::Result<u64> {
        self.fail()
    }

    fn read(&self, _: &str, _: u64, _: usize) -> io::Result<Vec<u8>> {
        self.fail()
    }

    fn sync(&self, _: &str) -> io::Result<()> {
        self.fail()
    }

    fn create(&self, _: &str) -> io::Result<Box<dyn AppendFile + Send>> {
        self.fail()
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        self.fail()
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        self.fail()
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.fail()
    }

    fn space(&self) -> io::Result<Space> {
        self.fail()
    }

    fn place(&self) -> u64 {
        0
    }
}
