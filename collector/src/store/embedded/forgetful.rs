//! A disk under redb that forgets (tests only): of what was written since the last sync, a power cut keeps any part, sector
//! by sector, and any of the lengths. Not a filesystem of any make: it is as unkind as POSIX allows all of them to be. The
//! agent's spool has its counterpart in `agent/tests/spool_faults/disk.rs`.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

/// What a disk writes whole or not at all.
const SECTOR_BYTES: u64 = 512;

/// A handle; clones share the disk.
#[derive(Debug, Clone, Default)]
pub(super) struct ForgetfulDisk(Arc<Mutex<Platter>>);

#[derive(Debug, Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

#[derive(Debug, Default)]
struct Platter {
    /// What every reader sees.
    seen: Vec<u8>,
    /// What a power cut cannot take.
    durable: Vec<u8>,
    /// What has happened since the last sync.
    unsynced: Vec<Change>,
    operations: u64,
    power_off_at: Option<u64>,
    off: bool,
    /// Seeded fault: syncs do nothing.
    ignores_sync: bool,
}

impl Platter {
    fn change(&mut self) -> io::Result<()> {
        self.operations += 1;
        self.off |= self.power_off_at.is_some_and(|at| self.operations >= at);
        self.check()
    }

    fn check(&self) -> io::Result<()> {
        if self.off {
            return Err(io::Error::other("the power is off"));
        }
        Ok(())
    }
}

fn apply(bytes: &mut Vec<u8>, at: u64, data: &[u8]) {
    let (from, to) = (at as usize, at as usize + data.len());
    if bytes.len() < to {
        bytes.resize(to, 0);
    }
    bytes[from..to].copy_from_slice(data);
}

impl ForgetfulDisk {
    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().expect("no test thread panicked with it")
    }

    /// A disk whose syncs do nothing: for the test of the tests.
    pub(super) fn that_never_syncs() -> Self {
        let disk = Self::default();
        disk.platter().ignores_sync = true;
        disk
    }

    /// Changes asked for so far.
    pub(super) fn operations(&self) -> u64 {
        self.platter().operations
    }

    /// The power goes with the change of this number, and that change with it.
    pub(super) fn power_off_at(&self, operation: u64) {
        self.platter().power_off_at = Some(operation);
    }

    /// A change elsewhere that the power may go with.
    pub(super) fn step(&self) -> io::Result<()> {
        self.platter().change()
    }

    /// A disk as new, on the same power.
    pub(super) fn forget_everything(&self) {
        let mut platter = self.platter();
        platter.seen.clear();
        platter.durable.clear();
        platter.unsynced.clear();
    }

    pub(super) fn is_off(&self) -> bool {
        self.platter().off
    }

    /// The power goes now, if it has not, and comes back.
    pub(super) fn power_cut(&self, random: &mut fastrand::Rng) {
        let mut platter = self.platter();
        let mut bytes = std::mem::take(&mut platter.durable);
        // Some cuts lose nearly everything, some nearly nothing, most something in between.
        let kept_percent = *random.choice(&[0, 10, 50, 90, 100]).expect("five of them");
        for change in std::mem::take(&mut platter.unsynced) {
            match change {
                Change::Length(length) => {
                    if random.u32(..100) < kept_percent {
                        bytes.resize(length as usize, 0);
                    }
                }
                Change::Write(at, data) => {
                    let mut done = 0;
                    while done < data.len() {
                        let here = at + done as u64;
                        let rest = (SECTOR_BYTES - here % SECTOR_BYTES) as usize;
                        let sector = &data[done..(done + rest).min(data.len())];
                        if random.u32(..100) < kept_percent {
                            apply(&mut bytes, here, sector);
                        }
                        done += sector.len();
                    }
                }
            }
        }
        platter.seen.clone_from(&bytes);
        platter.durable = bytes;
        platter.off = false;
        platter.power_off_at = None;
    }
}

impl StorageBackend for ForgetfulDisk {
    fn len(&self) -> io::Result<u64> {
        let platter = self.platter();
        platter.check()?;
        Ok(platter.seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.platter();
        platter.check()?;
        let from = offset as usize;
        let bytes = platter.seen.get(from..from + out.len());
        let bytes = bytes.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut platter = self.platter();
        let done = platter.change();
        // The change the power goes with may still have got through.
        platter.unsynced.push(Change::Length(length));
        done?;
        platter.seen.resize(length as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.platter();
        platter.change()?;
        if !platter.ignores_sync {
            platter.unsynced.clear();
            let seen = platter.seen.clone();
            platter.durable = seen;
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut platter = self.platter();
        let done = platter.change();
        platter.unsynced.push(Change::Write(offset, data.to_vec()));
        done?;
        apply(&mut platter.seen, offset, data);
        Ok(())
    }
}
