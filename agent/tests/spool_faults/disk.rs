//! A disk that forgets: what was not synced may be gone after a power cut, names included; writes tear at any byte; space
//! runs out; everything fails on demand. Not a filesystem of any make: it is as unkind as POSIX allows all of them to be.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use azimuth_agent::spool::disk::{AppendFile, Disk, Space};

/// A handle; clones share the disk.
#[derive(Clone, Default)]
pub(crate) struct ForgetfulDisk(Arc<Mutex<Platter>>);

#[derive(Clone, Debug)]
enum NameChange {
    Create(String, usize),
    Remove(String),
    Rename(String, String),
}

#[derive(Default)]
struct Platter {
    files: Vec<Contents>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    unsynced_names: Vec<NameChange>,
    faults: Faults,
    operations: u64,
    off: bool,
    peak_bytes: u64,
    /// Bytes of removed files that a power cut brought back: not the spool's doing.
    resurrected_bytes: u64,
    place: u64,
}

#[derive(Default, Clone)]
struct Contents {
    bytes: Vec<u8>,
    synced: usize,
}

/// What is wrong with the disk.
#[derive(Default, Clone, Debug)]
pub(crate) struct Faults {
    /// Bytes that fit, if bounded.
    pub(crate) capacity_bytes: Option<u64>,
    /// Every change fails.
    pub(crate) read_only: bool,
    /// A sync fails in this many.
    pub(crate) failing_syncs: bool,
    /// Appends take at most this many bytes.
    pub(crate) short_writes: Option<usize>,
    /// The power goes with the operation of this number.
    pub(crate) power_off_at: Option<u64>,
    /// Seeded mutant: directories are not synced.
    pub(crate) ignores_directory_sync: bool,
    /// Seeded mutant: files are not synced.
    pub(crate) ignores_file_sync: bool,
}

impl Platter {
    /// Counts an operation that changes something; the power may go with it.
    fn change(&mut self) -> io::Result<()> {
        self.operations += 1;
        if self.faults.power_off_at.is_some_and(|at| self.operations >= at) {
            self.off = true;
        }
        if self.off {
            return Err(io::Error::other("the power is off"));
        }
        if self.faults.read_only {
            Err(io::ErrorKind::ReadOnlyFilesystem.into())
        } else {
            Ok(())
        }
    }

    fn sync(&mut self, file: usize) -> io::Result<()> {
        if self.faults.failing_syncs {
            return Err(io::Error::other("input/output error"));
        }
        if !self.faults.ignores_file_sync {
            let file = &mut self.files[file];
            file.synced = file.bytes.len();
        }
        Ok(())
    }

    fn held_bytes(&self) -> u64 {
        self.names
            .values()
            .map(|&file| self.files[file].bytes.len() as u64)
            .sum()
    }

    fn apply(names: &mut BTreeMap<String, usize>, change: &NameChange) {
        match change {
            NameChange::Create(name, file) => {
                names.insert(name.clone(), *file);
            }
            NameChange::Remove(name) => {
                names.remove(name);
            }
            NameChange::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
        }
    }

    fn alter(&mut self, change: NameChange) {
        Self::apply(&mut self.names, &change);
        self.unsynced_names.push(change);
    }

    fn find(&self, name: &str) -> io::Result<&Contents> {
        if self.off {
            return Err(io::Error::other("the power is off"));
        }
        let file = self.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(&self.files[*file])
    }
}

impl ForgetfulDisk {
    pub(crate) fn new() -> Self {
        let disk = Self::default();
        disk.platter().place = 1;
        disk
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap()
    }

    pub(crate) fn boxed(&self) -> Box<dyn Disk + Send> {
        Box::new(self.clone())
    }

    pub(crate) fn set_faults(&self, faults: Faults) {
        self.platter().faults = faults;
    }

    pub(crate) fn faults(&self) -> Faults {
        self.platter().faults.clone()
    }

    pub(crate) fn operations(&self) -> u64 {
        self.platter().operations
    }

    pub(crate) fn is_off(&self) -> bool {
        self.platter().off
    }

    /// Most bytes ever held, less what came back unasked.
    pub(crate) fn peak_bytes(&self) -> u64 {
        let platter = self.platter();
        platter.peak_bytes.saturating_sub(platter.resurrected_bytes)
    }

    /// The power comes back: of what was not synced, each name change and the beginning of each append may have survived.
    pub(crate) fn power_cut(&self, rng: &mut fastrand::Rng) {
        let mut platter = self.platter();
        let mut names = platter.durable_names.clone();
        for change in std::mem::take(&mut platter.unsynced_names) {
            if rng.bool() {
                Platter::apply(&mut names, &change);
            }
        }
        for file in &mut platter.files {
            let unsynced = file.bytes.len() - file.synced;
            let kept = file.synced + if unsynced == 0 { 0 } else { rng.usize(..=unsynced) };
            // A length that was journalled before its data reads as zeros.
            let zeros = if rng.u8(..4) == 0 {
                file.bytes.len() - kept
            } else {
                0
            };
            file.bytes.truncate(kept);
            file.bytes.resize(kept + zeros, 0);
            file.synced = file.bytes.len();
        }
        let held_before = platter.held_bytes();
        platter.names.clone_from(&names);
        let back_bytes = platter.held_bytes().saturating_sub(held_before);
        platter.resurrected_bytes += back_bytes;
        platter.durable_names = names;
        platter.off = false;
        platter.faults.power_off_at = None;
    }

    /// A copy of the directory as it stands, elsewhere.
    pub(crate) fn copy(&self) -> Self {
        let platter = self.platter();
        let names = platter.names.clone();
        Self(Arc::new(Mutex::new(Platter {
            files: platter.files.clone(),
            durable_names: names.clone(),
            names,
            place: platter.place + 1,
            ..Platter::default()
        })))
    }

    /// The disk itself as it stands, to be put back later: same place.
    pub(crate) fn image(&self) -> Self {
        let image = self.copy();
        image.platter().place = self.platter().place;
        image
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.platter().names.keys().cloned().collect()
    }

    /// The bytes of a file, to be damaged.
    pub(crate) fn edit(&self, name: &str, edit: impl FnOnce(&mut Vec<u8>)) {
        let mut platter = self.platter();
        let file = platter.names[name];
        edit(&mut platter.files[file].bytes);
        platter.files[file].synced = platter.files[file].bytes.len();
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        let platter = self.platter();
        platter.files[platter.names[name]].bytes.clone()
    }

    pub(crate) fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut platter = self.platter();
        let synced = bytes.len();
        platter.files.push(Contents { bytes, synced });
        let file = platter.files.len() - 1;
        platter.names.insert(name.to_owned(), file);
        platter.durable_names.insert(name.to_owned(), file);
    }
}

impl Disk for ForgetfulDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.names())
    }

    fn length(&self, name: &str) -> io::Result<u64> {
        Ok(self.platter().find(name)?.bytes.len() as u64)
    }

    fn read(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let platter = self.platter();
        let bytes = platter
            .find(name)?
            .bytes
            .get(offset as usize..offset as usize + length);
        bytes
            .map(<[u8]>::to_vec)
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        let mut platter = self.platter();
        platter.change()?;
        let file = *platter.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        platter.sync(file)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn AppendFile + Send>> {
        let mut platter = self.platter();
        platter.change()?;
        if platter.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        platter.files.push(Contents::default());
        let file = platter.files.len() - 1;
        platter.alter(NameChange::Create(name.to_owned(), file));
        Ok(Box::new(ForgetfulFile {
            disk: self.clone(),
            file,
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut platter = self.platter();
        platter.change()?;
        platter.find(from)?;
        platter.alter(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut platter = self.platter();
        platter.change()?;
        platter.find(name)?;
        platter.alter(NameChange::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut platter = self.platter();
        platter.change()?;
        if !platter.faults.ignores_directory_sync {
            platter.unsynced_names.clear();
            platter.durable_names = platter.names.clone();
        }
        Ok(())
    }

    fn space(&self) -> io::Result<Space> {
        let platter = self.platter();
        let total_bytes = platter.faults.capacity_bytes.unwrap_or(1 << 40);
        Ok(Space {
            free_bytes: total_bytes.saturating_sub(platter.held_bytes()),
            total_bytes,
        })
    }

    fn place(&self) -> u64 {
        self.platter().place
    }
}

struct ForgetfulFile {
    disk: ForgetfulDisk,
    file: usize,
}

impl AppendFile for ForgetfulFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut platter = self.disk.platter();
        let changed = platter.change();
        let held = platter.held_bytes();
        let fits = platter
            .faults
            .capacity_bytes
            .map_or(usize::MAX, |most| most.saturating_sub(held) as usize);
        let taken = bytes
            .len()
            .min(fits)
            .min(platter.faults.short_writes.unwrap_or(usize::MAX));
        if let Err(error) = changed {
            // The write that the power cut hits may have got anywhere; `power_cut` decides how far.
            if platter.off && platter.faults.power_off_at == Some(platter.operations) {
                platter.files[self.file].bytes.extend_from_slice(bytes);
            }
            return Err(error);
        }
        if taken == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        platter.files[self.file].bytes.extend_from_slice(&bytes[..taken]);
        platter.peak_bytes = platter.peak_bytes.max(held + taken as u64);
        Ok(taken)
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut platter = self.disk.platter();
        platter.change()?;
        platter.sync(self.file)
    }
}
