//! A judge that cannot convict proves nothing. Each fault here is made at a seam (the disk, the boot number, who is told
//! what), and must be found out by the judge that the other tests trust. The disk that does not sync is in `power.rs`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use azimuth_agent::spool::Verdict;
use azimuth_agent::uplink::backoff::Backoff;

use crate::life::Life;

/// Whether the judge convicts.
fn is_caught(life: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(life)).is_err()
}

#[test]
fn delete_before_acknowledge_is_caught() {
    let life = |settled_unsent: bool| {
        let mut life = Life::small();
        life.intervals(5);
        let now = life.now;
        let dispatch = life.spool().next_dispatch(now, 1 << 20).unwrap();
        if settled_unsent {
            // Settled although no collector has seen it.
            let verdicts = vec![Verdict::Stored; dispatch.batch.items.len()];
            life.spool().settle(dispatch, &verdicts).unwrap();
        } else {
            life.spool()
                .give_back(dispatch, azimuth_agent::spool::Sent::Perhaps);
        }
        life.flush();
        life.end(false);
    };
    life(false);
    assert!(is_caught(|| life(true)));
}

#[test]
fn forget_on_failed_post_is_caught() {
    let life = |forgotten: bool| {
        let mut life = Life::small();
        life.intervals(5);
        // Two posts of which nobody heard; the second could not even connect.
        for sent in [
            azimuth_agent::spool::Sent::Perhaps,
            azimuth_agent::spool::Sent::Nothing,
        ] {
            let now = life.now;
            let Some(dispatch) = life.spool().next_dispatch(now, 1 << 20) else {
                assert!(forgotten, "what was given back goes again");
                break;
            };
            if forgotten {
                let verdicts = vec![Verdict::Duplicate; dispatch.batch.items.len()];
                life.spool().settle(dispatch, &verdicts).unwrap();
            } else {
                life.spool().give_back(dispatch, sent);
            }
            life.intervals(5);
        }
        life.flush();
        life.end(false);
    };
    life(false);
    assert!(is_caught(|| life(true)));
}

/// To a reader without checksums, damage looks as damage with a matching checksum looks to ours.
#[test]
fn ignored_checksums_are_caught() {
    let life = |resealed: bool| {
        let mut life = Life::small();
        life.intervals(5);
        let name = life.disk.names()[0].clone();
        life.disk.edit(&name, |bytes| {
            let markers = |bytes: &[u8]| -> Vec<usize> {
                (0..bytes.len() - 5)
                    .filter(|&at| bytes[at..].starts_with(b"AzSp\x03"))
                    .collect()
            };
            let reports = markers(bytes);
            if resealed {
                // The second report's bytes become the first one's: sound, and a lie.
                let length = reports[1] - reports[0];
                let first = bytes[reports[0]..][..length].to_vec();
                if reports[2] - reports[1] == length {
                    bytes[reports[1]..][..length].copy_from_slice(&first);
                } else {
                    bytes.splice(reports[1]..reports[2], first);
                }
            } else {
                bytes[reports[1] + 90] ^= 1;
            }
        });
        life.boot += 1;
        life.start();
        // Nothing is rotten as far as this judge is told, so what was flushed must come.
        life.end(!resealed);
    };
    life(false);
    assert!(is_caught(|| life(true)));
}

#[test]
fn a_reused_epoch_is_caught() {
    let life = |same_boot: bool| {
        let mut life = Life::small();
        life.intervals(3);
        life.spool.take().unwrap().close(life.now);
        let image = life.disk.image();
        life.start();
        life.intervals(3);
        // An earlier image is put back under the agent; without the boot as evidence its epoch would go on.
        life.spool = None;
        life.disk = image;
        life.boot += u64::from(!same_boot);
        life.start();
        life.intervals(3);
    };
    life(false);
    assert!(is_caught(|| life(true)));
}

/// A fleet of a thousand that has failed long enough to be at the cap: the most that come back within one second.
fn most_within_a_second(mut pause: impl FnMut(u32, f64) -> Duration) -> usize {
    let mut random = fastrand::Rng::with_seed(7);
    let mut seconds = std::collections::BTreeMap::new();
    for _ in 0..1_000 {
        let back_s = pause(12, random.f64()).as_secs();
        *seconds.entry(back_s).or_insert(0) += 1;
    }
    seconds.into_values().max().unwrap()
}

#[test]
fn jitter_before_the_cap_is_caught() {
    const MOST: usize = 60;
    let ours = most_within_a_second(|failures, random| {
        let mut backoff = Backoff::default();
        for _ in 0..failures {
            backoff.fail(None, 0.0);
        }
        backoff.fail(None, random)
    });
    let jitter_first = most_within_a_second(|failures, random| {
        let ceiling = Duration::from_secs(1 << failures);
        ceiling.mul_f64(random).min(Duration::from_secs(60))
    });
    assert!(ours <= MOST, "{ours} of a thousand come back within one second");
    assert!(jitter_first > MOST, "{jitter_first}: the fault went unnoticed");
}
