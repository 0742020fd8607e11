//! Small files that are replaced whole: written beside the old one, synced, and put in its place, so that a kill or a power cut
//! at any point leaves one of the two. Not for the store's parts, whose disk can be told to fail (`store/embedded/sealed/disk.rs`).

use std::fs::{DirBuilder, File, OpenOptions, remove_file, rename};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Who may read a file, besides root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Its owner: it holds a secret, or what people did.
    Owner,
    /// Whom the process's umask lets.
    Umask,
}

impl Readers {
    fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Umask => 0o666,
        }
    }
}

/// Replaces a file; durable when this returns. What is written goes by the same name with the ending `new` before.
///
/// # Errors
/// When the disk does not take it; the old one is still there.
pub fn replace(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let fresh = path.with_extension("new");
    // What a kill left over may be anybody's to read, and a mode is given to new files only.
    match remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(readers.mode())
        .open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    rename(&fresh, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Makes a directory that only its owner may enter, if it is not there.
///
/// # Errors
/// When the system refuses.
pub fn private_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

#[cfg(test)]
mod tests {
    use std::fs::{metadata, read, write};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_replaced_and_read_by_who_may() {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let directory = scratch.path().join("a/b");
        private_directory(&directory).expect("made");
        private_directory(&directory).expect("there");
        let mode = |path: &Path| metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&directory), 0o700);
        let file = directory.join("key.json");
        // Left by a kill.
        write(file.with_extension("new"), "half").expect("written");
        for text in ["one", "another, longer", ""] {
            replace(&file, text.as_bytes(), Readers::Owner).expect("replaced");
            assert_eq!(read(&file).expect("there"), text.as_bytes());
        }
        assert_eq!(mode(&file), 0o600);
        assert!(!file.with_extension("new").exists());
    }
}
