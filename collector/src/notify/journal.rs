//! One channel's outbox on disk: written whole beside the old one and put in its place, so that a kill at any point
//! leaves one of the two. What it says is [`super::outbox`]'s business.

use std::fs::{create_dir_all, read, rename};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::outbox::Outbox;
use crate::whole_file::{Readers, replace};

/// Where a channel's outbox is kept in the directory of the store.
pub fn file(data_dir: &Path, channel: &str) -> PathBuf {
    data_dir.join("notify").join(format!("{channel}.json"))
}

/// Writes it, durable when this returns.
///
/// # Errors
/// When the disk does not take it; the old one is still there.
pub fn save(file: &Path, outbox: &Outbox) -> io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("."));
    create_dir_all(directory)?;
    replace(file, &serde_json::to_vec(outbox)?, Readers::Umask)
}

/// Reads it; an empty one when there is none. One that cannot be understood is set aside, and the error says where.
///
/// # Errors
/// [`ErrorKind::InvalidData`] when it was set aside, anything else when it cannot be read.
pub fn load(file: &Path) -> io::Result<Outbox> {
    let bytes = match read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Outbox::default()),
        Err(error) => return Err(error),
    };
    serde_json::from_slice(&bytes).or_else(|error| {
        let aside = file.with_extension("damaged");
        rename(file, &aside)?;
        let said = format!("{}: {error}; set aside as {}", file.display(), aside.display());
        Err(io::Error::new(ErrorKind::InvalidData, said))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::outbox::Pace;
    use crate::notify::page::State;
    use crate::notify::page::tests::page;

    #[test]
    fn it_comes_back_as_it_was_and_a_damaged_one_is_set_aside() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let file = file(directory.path(), "chat");
        assert_eq!(load(&file).expect("none yet"), Outbox::default());
        let mut outbox = Outbox::default();
        let pace = Pace {
            group_wait_ms: 0,
            dead_after_ms: 0,
            refresh_ms: None,
            send_resolved: true,
        };
        outbox.take(page("a", 1, State::Firing), 5, pace);
        save(&file, &outbox).expect("written");
        assert_eq!(load(&file).expect("read"), outbox);
        std::fs::write(&file, b"{\"queue\":").expect("writable");
        let error = load(&file).expect_err("damaged");
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        assert!(file.with_extension("damaged").exists());
        assert_eq!(load(&file).expect("anew"), Outbox::default());
    }
}
