//! A directory that forgets (tests only): names that were not synced may be gone or back after a power cut, each by itself;
//! bytes that were not synced may be missing or zero. Shares the power with the disk under redb ([`super::forgetful`]). What
//! readers see are real files, which a power cut writes anew.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::forgetful::ForgetfulDisk;
use super::sealed::disk::{Changes, NewFile};

/// A handle; clones share the directory.
#[derive(Clone)]
pub(super) struct ForgetfulDirectory(Arc<Mutex<State>>);

#[derive(Debug, Clone)]
enum NameChange {
    Create(PathBuf, usize),
    Rename(PathBuf, PathBuf, usize),
    Remove(PathBuf),
}

#[derive(Default, Clone)]
struct Contents {
    seen: Vec<u8>,
    durable: Vec<u8>,
}

/// Seeded faults.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    pub(super) ignores_file_sync: bool,
    pub(super) ignores_directory_sync: bool,
}

struct State {
    power: ForgetfulDisk,
    faults: Faults,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    unsynced: Vec<NameChange>,
    files: Vec<Contents>,
    hook: Option<(PathBuf, Box<dyn FnOnce() + Send>)>,
}

impl std::fmt::Debug for ForgetfulDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ForgetfulDirectory")
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Create(path, file) => {
                names.insert(path.clone(), *file);
            }
            Self::Rename(from, to, file) => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
        }
    }

    fn directory(&self) -> Option<&Path> {
        match self {
            Self::Create(path, _) | Self::Rename(_, path, _) | Self::Remove(path) => path.parent(),
        }
    }
}

impl State {
    fn alter(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.unsynced.push(change);
    }
}

impl ForgetfulDirectory {
    /// A directory with nothing in it.
    pub(super) fn new(power: &ForgetfulDisk, faults: Faults) -> Self {
        Self(Arc::new(Mutex::new(State {
            power: power.clone(),
            faults,
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            unsynced: Vec::new(),
            files: Vec::new(),
            hook: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test thread panicked with it")
    }

    /// Calls `then` once, after the directory was next synced.
    pub(super) fn after_sync_of(&self, directory: &Path, then: impl FnOnce() + Send + 'static) {
        self.state().hook = Some((directory.to_owned(), Box::new(then)));
    }

    /// What the power cut has left: the files are written anew. The power itself comes back with the disk's own cut.
    pub(super) fn power_cut(&self, random: &mut fastrand::Rng) {
        let mut state = self.state();
        let kept_percent = *random.choice(&[0, 10, 50, 90, 100]).expect("five of them");
        let mut names = std::mem::take(&mut state.durable_names);
        for change in std::mem::take(&mut state.unsynced) {
            if random.u32(..100) < kept_percent {
                change.apply(&mut names);
            }
        }
        let before = std::mem::take(&mut state.names);
        for path in before.keys().filter(|path| !names.contains_key(*path)) {
            fs::remove_file(path).expect("removable");
        }
        for (path, file) in &names {
            let contents = &mut state.files[*file];
            if contents.seen != contents.durable {
                // Some of what was written since, and of the rest perhaps the length.
                let length = random.usize(contents.durable.len()..=contents.seen.len());
                let mut left = contents.seen[..length].to_vec();
                if random.bool() {
                    left.resize(contents.seen.len(), 0);
                }
                *contents = Contents {
                    seen: left.clone(),
                    durable: left,
                };
            }
            fs::write(path, &contents.seen).expect("writable");
        }
        state.durable_names.clone_from(&names);
        state.names = names;
    }
}

impl Changes for ForgetfulDirectory {
    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let mut state = self.state();
        state.power.step()?;
        let real = File::create(path)?;
        state.files.push(Contents::default());
        let file = state.files.len() - 1;
        state.alter(NameChange::Create(path.to_owned(), file));
        Ok(Box::new(ForgetfulFile {
            directory: self.clone(),
            real,
            file,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.power.step()?;
        fs::rename(from, to)?;
        let file = state.names[from];
        state.alter(NameChange::Rename(from.to_owned(), to.to_owned(), file));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.power.step()?;
        fs::remove_file(path)?;
        state.alter(NameChange::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.power.step()?;
        if !state.faults.ignores_directory_sync {
            let (synced, unsynced) = std::mem::take(&mut state.unsynced)
                .into_iter()
                .partition(|change: &NameChange| change.directory() == Some(directory));
            let synced: Vec<NameChange> = synced;
            state.unsynced = unsynced;
            for change in synced {
                change.apply(&mut state.durable_names);
            }
        }
        let called = state.hook.take_if(|(of, _)| of == directory);
        drop(state);
        if let Some((_, then)) = called {
            then();
        }
        Ok(())
    }
}

struct ForgetfulFile {
    directory: ForgetfulDirectory,
    real: File,
    file: usize,
}

impl Write for ForgetfulFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.directory.state();
        let done = state.power.step();
        // The write the power goes with may still have got through.
        state.files[self.file].seen.extend_from_slice(bytes);
        done?;
        self.real.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl NewFile for ForgetfulFile {
    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.directory.state();
        state.power.step()?;
        if !state.faults.ignores_file_sync {
            let contents = &mut state.files[self.file];
            contents.durable.clone_from(&contents.seen);
        }
        Ok(())
    }
}
