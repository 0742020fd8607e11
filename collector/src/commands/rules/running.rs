//! `rules replay --collector`: the store of a collector that goes on running, as a copy to replay. The copy is a backup of it,
//! restored into a directory of its own, which is removed at the end. Not the replay: that is `stored.rs`'s.

use std::fs::{self, DirBuilder, File};
use std::io::BufReader;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::commands::backup;
use crate::commands::credential::Credential;
use crate::store::embedded::restore;

/// A copy of a running collector's store; gone when dropped.
#[derive(Debug)]
pub struct Copied {
    directory: PathBuf,
}

impl Copied {
    /// Takes the copy, somewhere in `scratch`, readable by this user only. It needs twice the room of the store for a while.
    ///
    /// # Errors
    /// When there is no collector, or the copy cannot be made; nothing is left behind then.
    pub fn take(from: SocketAddr, scratch: &Path, credential: &Credential) -> Result<Self, String> {
        let directory = scratch.join(format!("azimuth-replay-{}", std::process::id()));
        let made = DirBuilder::new().mode(0o700).create(&directory);
        made.map_err(|error| {
            let shown = directory.display();
            format!("{shown}: {error}; name a directory to work in with --scratch")
        })?;
        let copied = Self { directory };
        let file = copied.directory.join("backup");
        backup::take(from, &file, credential)?;
        let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let opened = File::open(&file).map_err(|error| named(&error))?;
        restore(&mut BufReader::new(opened), &copied.data_dir()).map_err(|error| named(&error))?;
        fs::remove_file(&file).map_err(|error| named(&error))?;
        Ok(copied)
    }

    /// Where the copy is.
    pub fn data_dir(&self) -> PathBuf {
        self.directory.join("data")
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            eprintln!(
                "{}: {error}; remove it, nobody needs it",
                self.directory.display()
            );
        }
    }
}
