//! What a restore that was killed leaves behind: a directory beside the one it was making. Found by its name, known to be
//! nobody's because nobody holds its lock, and removed before the next restore.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// What the name has behind that of the directory to be made, before eight hexadecimal digits.
const MARK: &str = ".restoring-";

/// A directory to be filled beside `directory`, locked for as long as the second is held.
pub(super) fn make_beside(directory: &Path) -> io::Result<(PathBuf, File)> {
    let mut beside = directory.as_os_str().to_owned();
    beside.push(format!("{MARK}{:08x}", fastrand::u32(..)));
    let beside = PathBuf::from(beside);
    fs::create_dir(&beside)?;
    let lock = File::open(&beside)?;
    lock.lock()?;
    Ok((beside, lock))
}

/// The directory that holds `directory`'s entry.
pub(super) fn parent_of(directory: &Path) -> &Path {
    match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Removes what restores into `directory` left behind that were killed; one that still runs is left alone.
///
/// # Errors
/// When something cannot be read or removed.
pub fn remove_unfinished(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut removed = Vec::new();
    let Some(own) = directory.file_name().and_then(|name| name.to_str()) else {
        return Ok(removed);
    };
    let parent = parent_of(directory);
    let entries = match fs::read_dir(parent) {
        Ok(entries) => entries,
        // There is nothing beside what has no place yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(removed),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let name = entry?.file_name();
        let digits = name
            .to_str()
            .and_then(|name| name.strip_prefix(own)?.strip_prefix(MARK));
        if !digits
            .is_some_and(|digits| digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        {
            continue;
        }
        let path = parent.join(&name);
        let lock = File::open(&path)?;
        match lock.try_lock() {
            Ok(()) => {
                fs::remove_dir_all(&path)?;
                removed.push(path);
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    removed.sort();
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_is_removed_and_what_is_under_way_is_not() {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let directory = scratch.path().join("data");
        let (left, lock) = make_beside(&directory).expect("writable");
        fs::write(left.join("hot.redb"), "half").expect("writable");
        drop(lock);
        let (running, _lock) = make_beside(&directory).expect("writable");
        for other in ["data.restoring-x", "data2.restoring-00000000", "data"] {
            fs::create_dir(scratch.path().join(other)).expect("writable");
        }
        assert_eq!(
            remove_unfinished(&directory).expect("writable"),
            std::slice::from_ref(&left)
        );
        assert!(running.exists() && !left.exists());
        assert_eq!(fs::read_dir(scratch.path()).expect("readable").count(), 4);
        assert!(
            remove_unfinished(&scratch.path().join("none/data"))
                .expect("nothing")
                .is_empty()
        );
    }
}
