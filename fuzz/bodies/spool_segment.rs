//! A spool that finds any bytes as its segments: it starts, accounts for every sequence it believes in, takes a report,
//! and says the same when asked again. The input is cut into up to four segments; where it has a marker, the checksums
//! are made good, or the fuzzer would never get past them.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use azimuth_agent::spool::disk::{AppendFile, Disk, Space};
use azimuth_agent::spool::{Limits, Now, Setup, Spool, State, SyncPolicy, check::check};

/// A disk in memory.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

struct Appender(Memory, String);

impl Memory {
    pub(crate) fn with<T>(&self, what: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> T) -> T {
        what(&mut self.0.lock().expect("one thread"))
    }
}

impl Disk for Memory {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.with(|files| files.keys().cloned().collect()))
    }
    fn length(&self, name: &str) -> io::Result<u64> {
        self.with(|files| files.get(name).map(|bytes| bytes.len() as u64))
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn read(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let offset = offset as usize;
        self.with(|files| files.get(name)?.get(offset..offset + length).map(<[u8]>::to_vec))
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
    fn sync(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn AppendFile + Send>> {
        if self.with(|files| files.contains_key(name)) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.with(|files| files.insert(name.to_owned(), Vec::new()));
        Ok(Box::new(Appender(self.clone(), name.to_owned())))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let bytes = self
            .with(|files| files.remove(from))
            .ok_or(io::ErrorKind::NotFound)?;
        self.with(|files| files.insert(to.to_owned(), bytes));
        Ok(())
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.with(|files| files.remove(name))
            .map(|_| ())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }
    fn space(&self) -> io::Result<Space> {
        Ok(Space {
            free_bytes: 1 << 40,
            total_bytes: 1 << 40,
        })
    }
    fn place(&self) -> u64 {
        1
    }
}

impl AppendFile for Appender {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .with(|files| files.entry(self.1.clone()).or_default().extend_from_slice(bytes));
        Ok(bytes.len())
    }
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes every record's checksums hold, from the last marker to the first.
fn vouch(bytes: &mut [u8]) {
    let markers: Vec<usize> = (0..bytes.len().saturating_sub(83))
        .filter(|&at| bytes[at..].starts_with(b"AzSp"))
        .collect();
    for at in markers.into_iter().rev() {
        let length =
            u32::from_le_bytes([bytes[at + 8], bytes[at + 9], bytes[at + 10], bytes[at + 11]]) as usize;
        if let Some(payload) = bytes.get(at + 84..at.saturating_add(84).saturating_add(length)) {
            let checksum = crc32fast::hash(payload).to_le_bytes();
            bytes[at + 12..at + 16].copy_from_slice(&checksum);
        }
        let checksum = crc32fast::hash(&bytes[at..at + 80]).to_le_bytes();
        bytes[at + 80..at + 84].copy_from_slice(&checksum);
    }
}

/// One input.
pub(crate) fn run(bytes: &[u8]) {
    let disk = Memory::default();
    let parts = usize::from(bytes.first().copied().unwrap_or(0) % 4) + 1;
    for (number, part) in bytes.chunks(bytes.len().div_ceil(parts).max(1)).enumerate() {
        let mut part = part.to_vec();
        vouch(&mut part);
        disk.with(|files| files.insert(format!("{number:010}.seg"), part));
    }
    let agent: azimuth_measurement::AgentId = "paris-1".parse().expect("a valid id");
    let before = check(&disk, &agent);
    let setup = Setup {
        agent: agent.clone(),
        boot: 7,
        limits: Limits {
            max_bytes: 1 << 20,
            ..Limits::default()
        },
        sync: SyncPolicy::EveryFlush,
    };
    let now = Now {
        unix_ms: 1_767_225_600_000,
        monotonic_ms: 1_000,
    };
    let mut spool = Spool::open(Box::new(disk.clone()), setup, now);
    assert_eq!(spool.recovery(), &before.found);
    assert_eq!(spool.flush(now), &State::Disk);
    // What was lost is accounted for now: asked again, nothing is.
    assert!(check(&disk, &agent).found.lost.is_empty());
    spool.hurry();
    while let Some(dispatch) = spool.next_dispatch(now, 1 << 20) {
        let verdicts = vec![azimuth_agent::spool::Verdict::Stored; dispatch.batch.items.len()];
        let _ = spool.settle(dispatch, &verdicts);
    }
    spool.flush(now);
    assert_eq!(spool.holdings().reports, 0);
    assert!(spool.close(now));
}
