//! Rotten bytes: every cut and every flipped byte of a segment, unreadable files, damage found while running. It always
//! starts; one damaged byte costs one record at most; what is lost is named exactly.

use azimuth_agent::spool::check::check;
use azimuth_measurement::LossCause;

use crate::collector::Fate;
use crate::life::Life;

/// Three segments of a dozen reports; some settled, in the middle too.
fn three_segments() -> Life {
    let mut life = Life::small();
    life.intervals(2);
    life.deliver(Fate::Answered);
    life.intervals(20);
    life.deliver(Fate::SomeRetried);
    life.intervals(10);
    assert_eq!(segments(&life).len(), 3, "{:?}", segments(&life));
    life
}

fn segments(life: &Life) -> Vec<String> {
    life.disk
        .names()
        .into_iter()
        .filter(|name| name.ends_with(".seg"))
        .collect()
}

/// Starts after a reboot on a damaged copy of the disk, delivers all, and gives back what was (counted, buried, vanished).
fn survive(life: &Life, name: &str, damage: impl FnOnce(&mut Vec<u8>)) -> (Life, (usize, usize, usize)) {
    let mut after = life.fork();
    after.disk.edit(name, damage);
    after.boot += 1;
    after.pushes.flushed.fill(false);
    after.start();
    let outcome = after.end(true);
    (after, outcome)
}

#[test]
fn every_flipped_byte_costs_at_most_one_record_and_names_it() {
    let life = three_segments();
    let pushed = life.pushes.names.len();
    let mut lost = 0;
    // One in the middle, and the newest, which nothing after it vouches for.
    for name in segments(&life).split_off(1) {
        for at in 0..life.disk.bytes(&name).len() {
            let (mut after, (counted, buried, vanished)) =
                survive(&life, &name, |bytes| bytes[at] ^= 1 << (at % 8));
            assert!(counted >= pushed - 1, "{name} byte {at}: {counted} of {pushed}");
            assert_eq!((counted + buried, vanished), (pushed, 0), "{name} byte {at}");
            let claimed: u64 = after
                .spool()
                .recovery()
                .lost
                .iter()
                .map(|lost| lost.last_sequence - lost.first_sequence + 1)
                .sum();
            assert_eq!(
                claimed as usize, buried,
                "{name} byte {at}: claims exactly what is lost"
            );
            assert!(
                after
                    .collector
                    .buried
                    .values()
                    .all(|cause| *cause == LossCause::Corrupt)
            );
            lost += buried;
        }
    }
    assert!(lost > 1_000, "the flips did hit reports: {lost}");
}

/// Here the head is all that still says what is settled.
#[test]
fn every_flipped_byte_of_a_lone_segment_costs_at_most_one_record() {
    let mut life = Life::small();
    for _ in 0..60 {
        life.interval();
        life.deliver(Fate::Answered);
    }
    assert!(life.restart());
    life.intervals(4);
    let [name] = &segments(&life)[..] else {
        panic!("one segment: {:?}", segments(&life))
    };
    for at in 0..life.disk.bytes(name).len() {
        let (mut after, (counted, buried, vanished)) =
            survive(&life, name, |bytes| bytes[at] ^= 1 << (at % 8));
        assert!(
            buried <= 1 && counted + buried == 64 && vanished == 0,
            "byte {at}: {counted}, {buried}"
        );
        let lost = &after.spool().recovery().lost;
        let claimed: u64 = lost
            .iter()
            .map(|lost| lost.last_sequence - lost.first_sequence + 1)
            .sum();
        assert_eq!(claimed as usize, buried, "byte {at}: {lost:?}");
    }
}

#[test]
fn every_cut_of_an_older_segment_is_named_exactly() {
    let life = three_segments();
    let pushed = life.pushes.names.len();
    for name in &segments(&life)[1..2] {
        for end in 0..life.disk.bytes(name).len() {
            let (after, (counted, buried, vanished)) = survive(&life, name, |bytes| bytes.truncate(end));
            assert_eq!((counted + buried, vanished), (pushed, 0), "{name} cut at {end}");
            assert!(after.spool.is_some());
        }
    }
}

#[test]
fn every_cut_of_the_newest_segment_keeps_what_is_before_it_and_reuses_nothing() {
    let life = three_segments();
    let name = segments(&life)[2].clone();
    let whole = life.disk.bytes(&name).len();
    let mut before = 0;
    for end in 0..=whole {
        let (mut after, (counted, buried, vanished)) = survive(&life, &name, |bytes| bytes.truncate(end));
        assert!(counted >= before, "cut at {end}: {counted} after {before}");
        before = counted;
        // Of what was cut off behind the torn record there is no trace; its sequences are never given again.
        assert!(buried <= 1, "cut at {end}: {buried}");
        assert_eq!(counted + buried + vanished, life.pushes.names.len());
        after.interval();
    }
    assert_eq!(before, life.pushes.names.len());
}

#[test]
fn the_time_of_what_was_lost_is_told() {
    use azimuth_measurement::codec::BatchItem;
    let mut life = Life::small();
    life.intervals(5);
    let name = segments(&life)[0].clone();
    let bytes = life.disk.bytes(&name);
    // The third report's header: the markers of kind 3 (report).
    let headers: Vec<usize> = (0..bytes.len() - 5)
        .filter(|&at| bytes[at..].starts_with(b"AzSp\x03"))
        .collect();
    for damaged_at in [headers[2] + 20, headers[2] + 90] {
        let mut after = life.fork();
        after.disk.edit(&name, |bytes| bytes[damaged_at] ^= 1);
        after.boot += 1;
        after.start();
        let now = after.now;
        after.spool().hurry();
        let dispatch = after.spool().next_dispatch(now, 1 << 20).unwrap();
        let tombstones: Vec<_> = dispatch
            .batch
            .items
            .iter()
            .filter_map(|item| match item {
                BatchItem::Tombstone(tombstone) => Some(tombstone.clone()),
                BatchItem::Report { .. } => None,
            })
            .collect();
        let [tombstone] = &tombstones[..] else {
            panic!("one tombstone: {tombstones:?}")
        };
        assert_eq!((tombstone.first_sequence, tombstone.last_sequence), (3, 3));
        let start = crate::life::START_UNIX_MS + 20_000;
        assert_eq!(
            (tombstone.start_unix_ms, tombstone.end_unix_ms),
            (start, start + 10_000)
        );
    }
}

#[test]
fn an_unreadable_segment_is_set_aside_and_named() {
    let life = three_segments();
    let name = segments(&life)[1].clone();
    let (mut after, (counted, buried, vanished)) = survive(&life, &name, |bytes| {
        let mut rng = fastrand::Rng::with_seed(7);
        bytes.iter_mut().for_each(|byte| *byte = rng.u8(..));
    });
    assert_eq!((counted + buried, vanished), (life.pushes.names.len(), 0));
    assert!(buried > 5, "{buried}");
    assert_eq!(after.spool().recovery().set_aside, vec![name.clone()]);
    assert!(after.disk.names().contains(&name.replace(".seg", ".bad")));
    // And its number is not used again, so that the evidence is not overwritten.
    after.kill();
    assert!(after.spool().recovery().set_aside.is_empty());
}

#[test]
fn evidence_does_not_pile_up_nor_crowd_out_reports() {
    let mut life = Life::small();
    life.intervals(3);
    for number in 0..20 {
        life.disk
            .put(&format!("{:010}.seg", 500 + number), vec![7; 1_000]);
    }
    let evidence = |life: &Life| {
        life.disk
            .names()
            .iter()
            .filter(|name| name.ends_with(".bad"))
            .count()
    };
    life.kill();
    assert_eq!(evidence(&life), 4);
    life.disk.put("0000000900.seg", vec![7; 100_000]);
    life.kill();
    assert_eq!(evidence(&life), 0, "none of it fits an eighth of the bound");
    assert_eq!(life.end(false), (3, 0, 0));
}

#[test]
fn files_of_any_kind_in_the_directory_stop_nothing() {
    let mut life = Life::small();
    life.intervals(3);
    for (name, bytes) in [
        ("0000000900.seg", vec![]),
        ("0000000901.seg", vec![0; 9_000]),
        ("0000000902.seg", b"AzS".to_vec()),
        ("0000000903.seg", b"AzSp\x03".to_vec()),
        ("0000000904.seg", vec![b'A'; 20_000]),
        ("0000000905.seg", vec![1; 9 << 20]),
        ("99999999999999.seg", vec![1]),
        ("notes.txt", b"hello".to_vec()),
        (".seg", vec![]),
    ] {
        life.disk.put(name, bytes);
    }
    life.kill();
    life.intervals(2);
    life.kill();
    life.intervals(1);
    assert_eq!(life.end(false), (6, 0, 0));
}

#[test]
fn when_the_numbers_run_out_it_works_from_memory_and_deletes_nothing() {
    let mut life = Life::small();
    life.intervals(3);
    life.disk.put("4294967295.seg", vec![b'x'; 100]);
    for _ in 0..3 {
        life.kill();
        life.intervals(30);
    }
    let (counted, _, vanished) = life.end(false);
    assert!(counted >= 33 && counted + vanished == 93, "{counted}");
}

#[test]
fn damage_under_a_running_spool_becomes_a_tombstone() {
    let mut life = Life::small();
    life.intervals(6);
    let name = segments(&life)[0].clone();
    let bytes = life.disk.bytes(&name);
    let last = (0..bytes.len() - 5)
        .rfind(|&at| bytes[at..].starts_with(b"AzSp\x03"))
        .unwrap();
    life.disk.edit(&name, |bytes| bytes[last + 90] ^= 1);
    life.pushes.flushed.fill(false);
    assert_eq!(life.end(true), (5, 1, 0));
    assert_eq!(life.spool().counters().corrupt, 1);
}

#[test]
fn check_says_what_recovery_would() {
    let life = three_segments();
    let agent = "unknown".parse().unwrap();
    let sound = check(&life.disk, &agent);
    assert!(!sound.damaged && !sound.found.closed_in_order);
    assert_eq!(sound.epochs[0].agent, "paris-1");
    assert!(sound.to_text().contains("sound"));
    let names = segments(&life);
    life.disk.edit(&names[1], |bytes| bytes[700] ^= 1);
    life.disk.edit(&names[2], |bytes| bytes.truncate(bytes.len() - 3));
    let before = life.disk.names();
    let report = check(&life.disk, &agent);
    assert!(report.damaged);
    assert_eq!((report.found.bad_records, report.found.torn_tails), (1, 1));
    assert!(report.to_text().contains("DAMAGED"), "{}", report.to_text());
    assert_eq!(life.disk.names(), before, "reads only");
}
