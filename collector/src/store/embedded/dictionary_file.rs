//! A second copy of the dictionary, beside the parts. Parts name agents and series by numbers that only the dictionary
//! gives meaning to; should `hot.redb` be damaged beyond repair, years of rollups must not become unreadable with it.
//!
//! Written before any part that needs it, whole, under a temporary name, synced, renamed. From it and from the lists of
//! reports in the parts a new `hot.redb` is made that knows every agent, every series and every sequence that is sealed;
//! what is lost then is at most what was not sealed yet.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use azimuth_measurement::codec::varint;

use super::sealed::disk::Disk;

/// The file's name in the directory of the tiers.
const FILE_NAME: &str = "dictionary";

/// What a store must remember to give its numbers meaning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DictionaryCopy {
    /// The store's own number.
    pub(super) store: u64,
    /// Agents in the order of their numbers.
    pub(super) agents: Vec<String>,
    /// (agent number, manifest id, frame) in order of arrival.
    pub(super) manifests: Vec<(u32, u64, Vec<u8>)>,
}

impl DictionaryCopy {
    /// Makes it durable.
    ///
    /// # Errors
    /// When the system refuses; the copy before stands.
    pub(super) fn write(&self, disk: &Disk, directory: &Path) -> io::Result<()> {
        let mut bytes = Vec::new();
        varint::write(&mut bytes, self.store);
        varint::write(&mut bytes, self.agents.len() as u64);
        for agent in &self.agents {
            varint::write(&mut bytes, agent.len() as u64);
            bytes.extend(agent.as_bytes());
        }
        for (agent, id, frame) in &self.manifests {
            for number in [u64::from(*agent), *id, frame.len() as u64] {
                varint::write(&mut bytes, number);
            }
            bytes.extend(frame);
        }
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        let path = file_in(directory);
        let unfinished = path.with_extension("unfinished");
        let mut file = disk.create(&unfinished)?;
        file.write_all(&bytes)?;
        file.sync()?;
        disk.publish(&unfinished, &path)
    }

    /// Reads it back; `None` when there is none or it is damaged.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn read(directory: &Path) -> io::Result<Option<Self>> {
        match fs::read(file_in(directory)) {
            Ok(bytes) => Ok(Self::decode(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (mut bytes, crc) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(bytes) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut copy = Self {
            store: number(&mut bytes)?,
            ..Self::default()
        };
        for _ in 0..number(&mut bytes)? {
            copy.agents.push(String::from_utf8(blob(&mut bytes)?).ok()?);
        }
        while !bytes.is_empty() {
            let agent = u32::try_from(number(&mut bytes)?).ok()?;
            copy.manifests
                .push((agent, number(&mut bytes)?, blob(&mut bytes)?));
        }
        Some(copy)
    }
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let (number, rest) = varint::read(bytes).ok()?;
    *bytes = rest;
    Some(number)
}

fn blob(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let length = usize::try_from(number(bytes)?).ok()?;
    let (blob, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(blob.to_vec())
}

fn file_in(directory: &Path) -> PathBuf {
    directory.join(FILE_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_back_or_is_none() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        assert_eq!(DictionaryCopy::read(directory.path()).expect("readable"), None);
        let copy = DictionaryCopy {
            store: 7,
            agents: vec!["a".to_owned(), "b".to_owned()],
            manifests: vec![(1, u64::MAX, vec![1, 2, 3]), (0, 5, Vec::new())],
        };
        copy.write(&Disk::default(), directory.path()).expect("writable");
        assert_eq!(
            DictionaryCopy::read(directory.path()).expect("readable"),
            Some(copy)
        );
        let path = file_in(directory.path());
        let whole = fs::read(&path).expect("readable");
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            fs::write(&path, &flipped).expect("writable");
            assert_eq!(
                DictionaryCopy::read(directory.path()).expect("readable"),
                None,
                "byte {at}"
            );
        }
    }
}
