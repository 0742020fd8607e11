//! Files that were set aside, as a backup carries them: nothing is ever deleted because it is damaged, not by a restore
//! either, and the name of a damaged part is what says from then on why its period is missing. Does not set anything aside;
//! `open.rs` and `sealed/shelf.rs` do.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::open::{FILE_NAME, SET_ASIDE, tiers_in};
use super::sealed::shelf::{DAMAGED, FOREIGN, is_part_name};
use crate::store::Tier;

/// The room of files that were the database itself.
const HOT: &str = "hot";

/// Every file set aside in a store's directory: its room (`hot`, or a tier) and its name there, ascending.
pub(super) fn list(directory: &Path) -> io::Result<Vec<String>> {
    let mut places = Vec::new();
    let tiers = Tier::ALL.map(|tier| (tier.as_str(), tiers_in(directory).join(tier.as_str())));
    for (room, path) in tiers.into_iter().chain([(HOT, directory.to_owned())]) {
        for entry in fs::read_dir(path)? {
            let place = format!("{room}/{}", entry?.file_name().to_string_lossy());
            if path_of(directory, &place).is_some() {
                places.push(place);
            }
        }
    }
    places.sort();
    Ok(places)
}

/// Where such a file stands in `directory`; `None` when this is not the name of one. A name may come from outside.
pub(super) fn path_of(directory: &Path, place: &str) -> Option<PathBuf> {
    let (room, name) = place.split_once('/')?;
    let dated = |date: &str| !date.is_empty() && date.bytes().all(|byte| byte.is_ascii_digit());
    if room == HOT {
        let date = name.strip_prefix(FILE_NAME)?.strip_prefix(SET_ASIDE)?;
        return dated(date).then(|| directory.join(name));
    }
    let tier = Tier::ALL.into_iter().find(|tier| tier.as_str() == room)?;
    let (original, date) = name.split_once(DAMAGED).or_else(|| name.split_once(FOREIGN))?;
    (is_part_name(original) && dated(date)).then(|| tiers_in(directory).join(tier.as_str()).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_files_set_aside_have_a_place() {
        let directory = Path::new("d");
        let place = |place: &str| path_of(directory, place);
        assert_eq!(
            place("1min/2026-11-24Z-7.part.damaged-1795428000000"),
            Some(PathBuf::from(
                "d/tiers/1min/2026-11-24Z-7.part.damaged-1795428000000"
            ))
        );
        assert!(place("10s/2026-11-24T13Z-7.part.foreign-1").is_some());
        assert_eq!(
            place("hot/hot.redb.damaged-5"),
            Some(PathBuf::from("d/hot.redb.damaged-5"))
        );
        for wrong in [
            "10s/2026-11-24T13Z-7.part",
            "10s/../2026-11-24Z-7.part.damaged-1",
            "10s/2026-11-24Z-7.part.damaged-../../x",
            "10s/2026-11-24Z-7.part.damaged-",
            "2s/2026-11-24Z-7.part.damaged-1",
            "hot/hot.redb",
            "hot/hot.redb.damaged-../x",
            "hot",
        ] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }
}
