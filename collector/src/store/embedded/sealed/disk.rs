//! What the sealed files ask of a disk, so that tests can give them one that forgets. Changes only; reading goes past it.
//!
//! A file is durable under its name when three things have happened in this order: its bytes are synced, it has been renamed
//! to its name, the directory is synced. [`Disk::publish`] is the only place where that is written down.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// A file being written.
pub(in crate::store::embedded) trait NewFile: Write + Send {
    /// Returns when its bytes, not its name, survive a power cut.
    fn sync(&mut self) -> io::Result<()>;
}

/// The changes.
pub(in crate::store::embedded) trait Changes: fmt::Debug + Send + Sync {
    /// Makes an empty file, over one of the same name.
    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>>;

    /// Gives a file another name, over one of that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a name away.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Returns when the names in the directory survive a power cut.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;
}

/// A handle; clones share the disk.
#[derive(Debug, Clone)]
pub(in crate::store::embedded) struct Disk(Arc<dyn Changes>);

impl Disk {
    /// A handle on these changes.
    #[cfg(test)]
    pub(in crate::store::embedded) fn of(changes: impl Changes + 'static) -> Self {
        Self(Arc::new(changes))
    }

    pub(in crate::store::embedded) fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        self.0.create(path)
    }

    pub(in crate::store::embedded) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    pub(in crate::store::embedded) fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    pub(in crate::store::embedded) fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.0.sync_directory(directory)
    }

    /// Gives a file whose bytes are synced the name it is to be found under, durably.
    pub(in crate::store::embedded) fn publish(&self, unfinished: &Path, path: &Path) -> io::Result<()> {
        self.0.rename(unfinished, path)?;
        // The new name is only there after a power cut if the directory says so.
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        self.0.sync_directory(directory.unwrap_or(Path::new(".")))
    }
}

impl Default for Disk {
    fn default() -> Self {
        Self(Arc::new(SystemDisk))
    }
}

/// Gives a file whose bytes are synced the name it is to be found under, durably.
///
/// # Errors
/// When the system refuses.
pub fn publish(unfinished: &Path, path: &Path) -> io::Result<()> {
    Disk::default().publish(unfinished, path)
}

#[derive(Debug)]
struct SystemDisk;

impl Changes for SystemDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        Ok(Box::new(File::create(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }
}

impl NewFile for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}
