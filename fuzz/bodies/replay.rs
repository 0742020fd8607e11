//! Replays the seeds of a fuzz target with a stable toolchain: each as it is, cut short, with bits flipped and with bytes
//! repeated, the same ones every time. Not a fuzzer: it looks for nothing new, it keeps what was found from coming back.
//!
//! Seeds are files in `fuzz/seeds/TARGET/`. Those a test can make are made by it when `UPDATE_SEEDS` is set; whatever else
//! lies there (an input that once broke something) is replayed as well.

use std::path::{Path, PathBuf};

/// Changed forms of each seed.
const CHANGES: u64 = 60;
/// Seeds are small; a large one is no seed but a corpus.
const MAX_SEED_BYTES: usize = 64 * 1024;

fn directory(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/seeds")
        .join(target)
}

/// Replays every seed of `target`. `made` are those the caller can make.
pub(crate) fn replay(target: &str, made: &[(&str, Vec<u8>)], run: impl Fn(&[u8])) {
    let directory = directory(target);
    if std::env::var_os("UPDATE_SEEDS").is_some() {
        std::fs::create_dir_all(&directory).expect("writable");
        for (name, bytes) in made {
            std::fs::write(directory.join(name), bytes).expect("writable");
        }
    }
    let entries =
        std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    for (name, _) in made {
        let there = files.iter().any(|file| file.ends_with(name));
        assert!(
            there,
            "seed {target}/{name} is missing; run this test with UPDATE_SEEDS=1 and commit it"
        );
    }
    for file in files {
        // Said before, so that what breaks is the last one said.
        println!("replaying {}", file.display());
        let seed = std::fs::read(&file).expect("readable");
        assert!(
            seed.len() <= MAX_SEED_BYTES,
            "{} is too large for a seed",
            file.display()
        );
        run(&seed);
        for change in 0..CHANGES {
            println!("change {change}");
            run(&changed(&seed, change));
        }
    }
}

/// The seed, changed in the way of this number.
fn changed(seed: &[u8], change: u64) -> Vec<u8> {
    // SplitMix64: the same numbers on every machine, and no dependency for them.
    let mut state = change
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(seed.len() as u64);
    let mut below = |bound: usize| {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    };
    let mut bytes = seed.to_vec();
    if bytes.is_empty() {
        return vec![below(256) as u8];
    }
    for _ in 0..=below(3) {
        let at = below(bytes.len());
        match below(4) {
            0 => bytes.truncate(at.max(1)),
            1 => bytes[at] ^= 1 << below(8),
            2 => bytes[at] = [0, 0x7F, 0x80, 0xFF][below(4)],
            _ => {
                let end = (at + below(9)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
    bytes
}
