//! The shelf: every part of every tier, as one immutable snapshot at a time. A reader keeps the snapshot it began with, and
//! a part that has left the shelf is removed from disk when its last reader is done.
//!
//! One directory per tier, one file per tier and period: an hour, or a day once its hours have been joined. A period may
//! have several parts, because what comes late is sealed into a part of its own until it is joined. A file that is not
//! what was written is set aside under another name, never deleted, and its period is a hole with a cause from then on.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, NaiveDate, Timelike};

use super::contents::{Contents, ReportName};
use super::disk::Disk;
use super::part::{Facts, Layout, PartError, PartReader, UNFINISHED};
use crate::store::tier::{Hole, Tier};
use crate::store::{MissingCause, TimeRange};

pub(in crate::store::embedded) const HOUR_MS: u64 = 3_600_000;
pub(in crate::store::embedded) const DAY_MS: u64 = 86_400_000;
/// What a part's name ends with.
const ENDING: &str = ".part";
/// What a file that was set aside has in its name.
pub(in crate::store::embedded) const DAMAGED: &str = ".damaged-";
/// A part whose numbers for agents and series belong to another store.
pub(in crate::store::embedded) const FOREIGN: &str = ".foreign-";

/// The length of a part's period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::embedded) enum Period {
    Hour,
    Day,
}

impl Period {
    fn length_ms(self) -> u64 {
        match self {
            Self::Hour => HOUR_MS,
            Self::Day => DAY_MS,
        }
    }
}

/// One part on the shelf.
#[derive(Debug)]
pub(in crate::store::embedded) struct Part {
    pub(in crate::store::embedded) tier: Tier,
    pub(in crate::store::embedded) period: Period,
    pub(in crate::store::embedded) range: TimeRange,
    pub(in crate::store::embedded) name: String,
    pub(in crate::store::embedded) bytes: u64,
    disk: Disk,
    path: PathBuf,
    layout: Layout,
    /// Kept once read, until [`Part::forget_contents`].
    contents: Mutex<Option<Arc<Contents>>>,
    /// Off the shelf: to be removed when the last reader is done.
    retired: AtomicBool,
}

impl Part {
    /// What it says of itself.
    pub(in crate::store::embedded) fn facts(&self) -> &Facts {
        &self.layout.facts
    }

    /// Opens it for reading.
    pub(in crate::store::embedded) fn reader(&self) -> Result<PartReader<'_>, PartError> {
        PartReader::open(&self.path, &self.layout)
    }

    /// Its file, to be copied.
    pub(in crate::store::embedded) fn open_file(&self) -> io::Result<fs::File> {
        fs::File::open(&self.path)
    }

    /// The reports in it.
    pub(in crate::store::embedded) fn contents(&self) -> Result<Arc<Contents>, PartError> {
        let mut kept = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(contents) = &*kept {
            return Ok(Arc::clone(contents));
        }
        let contents = Arc::new(self.reader()?.contents()?);
        *kept = Some(Arc::clone(&contents));
        Ok(contents)
    }

    /// Gives back the memory; the next who asks reads them again.
    pub(in crate::store::embedded) fn forget_contents(&self) {
        *self.contents.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Reads all of it.
    pub(in crate::store::embedded) fn verify(&self) -> Result<(), PartError> {
        let mut reader = self.reader()?;
        reader.contents()?;
        for series in reader.series()? {
            for entry in reader.chunk(series)?.into_iter().flatten() {
                entry.map_err(|_| PartError::Damaged("a chunk"))?;
            }
        }
        Ok(())
    }

    /// Off the shelf for good.
    pub(in crate::store::embedded) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.retired.load(Ordering::Acquire)
            && let Err(error) = self.disk.remove(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            // It is found again at the next start: replaced parts and parts past retention are removed then.
            tracing::warn!("{}: {error}", self.path.display());
        }
    }
}

/// Every part, and what is known to be missing.
#[derive(Debug, Clone, Default)]
pub(in crate::store::embedded) struct Shelf {
    /// By tier, start and number.
    parts: BTreeMap<(Tier, u64, u64), Arc<Part>>,
    /// Periods whose file was set aside.
    damaged: Vec<Hole>,
    set_aside: u64,
    /// The highest number given to a part. No name is given twice: a part that is being replaced, or waits for its last
    /// reader to be removed, must not take a new one with it.
    last_number: Arc<AtomicU64>,
    disk: Disk,
}

impl Shelf {
    /// Takes in what is in `directory`, and removes what was left unfinished or has been replaced.
    ///
    /// # Errors
    /// When a directory cannot be made, read or changed.
    pub(in crate::store::embedded) fn open(
        directory: &Path,
        disk: Disk,
        store: u64,
        now_unix_ms: u64,
    ) -> io::Result<Self> {
        let mut shelf = Self {
            disk,
            ..Self::default()
        };
        for tier in Tier::ALL {
            let room = directory.join(tier.as_str());
            fs::create_dir_all(&room)?;
            shelf.disk.sync_directory(&room)?;
            for entry in fs::read_dir(&room)? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                shelf.take_in(&room, tier, &name, store, now_unix_ms)?;
            }
        }
        shelf.disk.sync_directory(directory)?;
        let replaced: Vec<(Tier, String)> = shelf
            .parts
            .values()
            .flat_map(|part| part.facts().replaces.iter().map(|name| (part.tier, name.clone())))
            .collect();
        for (tier, name) in replaced {
            shelf.saw(&name);
            shelf.parts.retain(|_, part| {
                let replaced = part.tier == tier && part.name == name;
                if replaced {
                    part.retire();
                }
                !replaced
            });
        }
        Ok(shelf)
    }

    fn take_in(
        &mut self,
        room: &Path,
        tier: Tier,
        name: &str,
        store: u64,
        now_unix_ms: u64,
    ) -> io::Result<()> {
        let path = room.join(name);
        if name.ends_with(UNFINISHED) {
            return self.disk.remove(&path);
        }
        if let Some((original, _)) = name.split_once(DAMAGED) {
            self.set_aside += 1;
            self.damaged
                .extend(parse_name(original).map(|(_, range, _)| hole(tier, range)));
            return Ok(());
        }
        if name.contains(FOREIGN) {
            self.set_aside += 1;
            return Ok(());
        }
        self.saw(name);
        let Some((period, range, number)) = parse_name(name) else {
            tracing::warn!("{} is not a part; it is left alone", path.display());
            return Ok(());
        };
        let layout = match Layout::read(&path) {
            Ok(layout) => layout,
            Err(PartError::System(error)) => return Err(error),
            Err(PartError::Damaged(what)) => {
                self.put_aside(&path, DAMAGED, what, now_unix_ms)?;
                self.damaged.push(hole(tier, range));
                return Ok(());
            }
        };
        if layout.facts.store != store {
            return self.put_aside(
                &path,
                FOREIGN,
                "the store it belongs to is another one; its content",
                now_unix_ms,
            );
        }
        let part = Part {
            tier,
            period,
            range,
            name: name.to_owned(),
            bytes: fs::metadata(&path)?.len(),
            disk: self.disk.clone(),
            path,
            layout,
            contents: Mutex::new(None),
            retired: AtomicBool::new(false),
        };
        self.parts
            .insert((tier, range.from_unix_ms, number), Arc::new(part));
        Ok(())
    }

    /// The shelf without a part that turned out damaged, which is set aside.
    ///
    /// # Errors
    /// When the system refuses.
    pub(in crate::store::embedded) fn without_damaged(
        &self,
        part: &Part,
        what: &str,
        now_unix_ms: u64,
    ) -> io::Result<Self> {
        let mut shelf = self.clone();
        shelf.put_aside(&part.path, DAMAGED, what, now_unix_ms)?;
        shelf.damaged.push(hole(part.tier, part.range));
        shelf
            .parts
            .retain(|_, other| !(other.tier == part.tier && other.name == part.name));
        Ok(shelf)
    }

    fn saw(&self, name: &str) {
        if let Some((_, _, number)) = parse_name(name) {
            self.last_number.fetch_max(number, Ordering::AcqRel);
        }
    }

    fn put_aside(&mut self, path: &Path, why: &str, what: &str, now_unix_ms: u64) -> io::Result<()> {
        let mut aside = path.as_os_str().to_owned();
        aside.push(format!("{why}{now_unix_ms}"));
        self.disk.rename(path, Path::new(&aside))?;
        self.set_aside += 1;
        tracing::error!(
            "{}: {what} is not usable; it was set aside as {} and its period is shown as missing",
            path.display(),
            PathBuf::from(aside).display()
        );
        Ok(())
    }

    /// Where parts are written.
    pub(in crate::store::embedded) fn disk(&self) -> &Disk {
        &self.disk
    }

    /// A name and path for a new part.
    pub(in crate::store::embedded) fn place(
        &self,
        directory: &Path,
        tier: Tier,
        period: Period,
        at_unix_ms: u64,
        now_unix_ms: u64,
    ) -> (String, PathBuf) {
        let start = at_unix_ms / period.length_ms() * period.length_ms();
        let next = |last: u64| Some(now_unix_ms.max(last.saturating_add(1)));
        let last = self
            .last_number
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        let number = last.map_or(now_unix_ms, |last| next(last).unwrap_or(now_unix_ms));
        let name = name_of(period, start, number);
        let path = directory.join(tier.as_str()).join(&name);
        (name, path)
    }

    /// The shelf with one part more, just written, and without those it replaces.
    ///
    /// # Errors
    /// When the part cannot be read back.
    pub(in crate::store::embedded) fn with(
        &self,
        directory: &Path,
        tier: Tier,
        name: &str,
    ) -> Result<Self, PartError> {
        let path = directory.join(tier.as_str()).join(name);
        let layout = Layout::read(&path)?;
        let (period, range, number) = parse_name(name).ok_or(PartError::Damaged("its name"))?;
        let mut shelf = self.clone();
        let replaced = layout.facts.replaces.clone();
        let part = Part {
            tier,
            period,
            range,
            name: name.to_owned(),
            bytes: fs::metadata(&path)?.len(),
            disk: self.disk.clone(),
            path,
            layout,
            contents: Mutex::new(None),
            retired: AtomicBool::new(false),
        };
        shelf.drop_where(|part| part.tier == tier && replaced.contains(&part.name));
        shelf
            .parts
            .insert((tier, range.from_unix_ms, number), Arc::new(part));
        Ok(shelf)
    }

    /// Takes parts off the shelf and says how many.
    pub(in crate::store::embedded) fn drop_where(&mut self, drop: impl Fn(&Part) -> bool) -> u64 {
        let before = self.parts.len();
        self.parts.retain(|_, part| {
            let dropped = drop(part);
            if dropped {
                part.retire();
            }
            !dropped
        });
        (before - self.parts.len()) as u64
    }

    /// Every part.
    pub(in crate::store::embedded) fn parts(&self) -> impl Iterator<Item = &Arc<Part>> {
        self.parts.values()
    }

    /// The parts of a tier whose period overlaps `range`, by start.
    pub(in crate::store::embedded) fn overlapping(
        &self,
        tier: Tier,
        range: TimeRange,
    ) -> impl Iterator<Item = &Arc<Part>> {
        // No period is longer than a day.
        let first = (tier, range.from_unix_ms.saturating_sub(DAY_MS), 0);
        self.parts
            .range(first..(tier, range.to_unix_ms, 0))
            .map(|(_, part)| part)
            .filter(move |part| part.range.to_unix_ms > range.from_unix_ms)
    }

    /// Whether a report is sealed into a tier.
    ///
    /// # Errors
    /// When a part's list of reports cannot be read.
    pub(in crate::store::embedded) fn holds(
        &self,
        tier: Tier,
        report: ReportName,
    ) -> Result<bool, PartError> {
        let hour = hour_range(report.hour_unix_ms);
        for part in self.overlapping(tier, hour) {
            if part.contents()?.contains(report) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The one-day rollup of a day, when it is computed from the hours as they are now.
    pub(in crate::store::embedded) fn current_day(&self, day_unix_ms: u64) -> Option<&Arc<Part>> {
        let day = TimeRange {
            from_unix_ms: day_unix_ms,
            to_unix_ms: day_unix_ms + DAY_MS,
        };
        let rollup = self.overlapping(Tier::OneDay, day).last()?;
        let source = rollup.facts().source.as_deref();
        let joined = self.joined(Tier::OneHour, day_unix_ms);
        // After the hours have been retired, what was computed from them stands.
        joined
            .is_none_or(|joined| Some(joined.name.as_str()) == source)
            .then_some(rollup)
    }

    /// The part of a tier that joins a day.
    pub(in crate::store::embedded) fn joined(&self, tier: Tier, day_unix_ms: u64) -> Option<&Arc<Part>> {
        let day = TimeRange {
            from_unix_ms: day_unix_ms,
            to_unix_ms: day_unix_ms + DAY_MS,
        };
        self.overlapping(tier, day)
            .filter(|part| part.period == Period::Day)
            .last()
    }

    /// Periods whose file was set aside.
    pub(in crate::store::embedded) fn damaged(&self) -> &[Hole] {
        &self.damaged
    }

    /// Files set aside, now or earlier.
    pub(in crate::store::embedded) fn set_aside(&self) -> u64 {
        self.set_aside
    }
}

/// The hour that starts at `hour_unix_ms`.
pub(in crate::store::embedded) fn hour_range(hour_unix_ms: u64) -> TimeRange {
    TimeRange {
        from_unix_ms: hour_unix_ms,
        to_unix_ms: hour_unix_ms.saturating_add(HOUR_MS),
    }
}

fn hole(tier: Tier, range: TimeRange) -> Hole {
    Hole {
        tier,
        range,
        cause: MissingCause::Damaged,
    }
}

/// `2026-11-24T13Z-N.part` for an hour, `2026-11-24Z-N.part` for a day, both UTC; N tells parts of one period apart, and is
/// about when it was written (unix ms).
fn name_of(period: Period, start_unix_ms: u64, number: u64) -> String {
    let start = i64::try_from(start_unix_ms)
        .ok()
        .and_then(DateTime::from_timestamp_millis)
        .unwrap_or_default();
    let start = match period {
        Period::Hour => start.format("%Y-%m-%dT%HZ"),
        Period::Day => start.format("%Y-%m-%dZ"),
    };
    format!("{start}-{number}{ENDING}")
}

/// Whether a part may have this name.
pub(in crate::store::embedded) fn is_part_name(name: &str) -> bool {
    parse_name(name).is_some()
}

fn parse_name(name: &str) -> Option<(Period, TimeRange, u64)> {
    let (start, number) = name.strip_suffix(ENDING)?.rsplit_once('-')?;
    let start = start.strip_suffix('Z')?;
    let (date, hour, period) = match start.split_once('T') {
        Some((date, hour)) => (date, hour.parse().ok()?, Period::Hour),
        None => (start, 0, Period::Day),
    };
    let start = date.parse::<NaiveDate>().ok()?.and_hms_opt(hour, 0, 0)?;
    debug_assert_eq!(start.hour(), hour);
    let from_unix_ms = u64::try_from(start.and_utc().timestamp_millis()).ok()?;
    let range = TimeRange {
        from_unix_ms,
        to_unix_ms: from_unix_ms + period.length_ms(),
    };
    Some((period, range, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_the_period_and_are_read_back() {
        let at = 1_795_428_000_000 + 90 * 60_000;
        for (period, expected) in [
            (Period::Hour, "2026-11-23T11Z-3.part"),
            (Period::Day, "2026-11-23Z-3.part"),
        ] {
            let start = at / period.length_ms() * period.length_ms();
            let name = name_of(period, start, 3);
            assert_eq!(name, expected);
            let range = TimeRange {
                from_unix_ms: start,
                to_unix_ms: start + period.length_ms(),
            };
            assert_eq!(parse_name(&name), Some((period, range, 3)));
        }
        for other in [
            "",
            "x.part",
            "2026-11-23Z.part",
            "2026-13-01Z-1.part",
            "2026-11-23T24Z-1.part",
            "2026-11-23Z-1",
        ] {
            assert_eq!(parse_name(other), None, "{other}");
        }
    }
}
