//! Groups of series over one whole range: from the window group by group where it holds the range, else from reports side
//! by side where no part holds any of it, else by a scan. All give the same figures, because merging has no order.

use azimuth_measurement::Accumulator;

use super::merge::{Dense, Figures, Merging};
use super::side_by_side::walk_groups;
use super::{QueryError, Source};
use crate::store::{Coverage, ScanRequest, SeriesId, SeriesSelection, TimeRange, Window};

/// What is told while groups are filled.
pub(super) trait Audience {
    /// A series was heard in an interval, or a unit of a rollup. Called once for each that is merged.
    fn hear(&mut self, series: SeriesId, start_unix_ms: u64, length_ms: u32);

    /// A group is finished that has data; groups come in the order in which they were given. `seen` are its series that have
    /// data.
    fn finish(&mut self, group: usize, figures: Figures, seen: &[SeriesId]);
}

/// Merges each group over `range`. `series` are the series of all groups, each in one group.
///
/// # Errors
/// When the store cannot be read, counters overflow, or nobody waits any more.
pub(super) fn merge_groups(
    source: &Source<'_>,
    range: TimeRange,
    series: &SeriesSelection,
    groups: &[Vec<SeriesId>],
    audience: &mut dyn Audience,
) -> Result<Coverage, QueryError> {
    let from_window = source.recent(range, |window| {
        read_window(source, window, range, groups, audience)
    })?;
    if let Some(coverage) = from_window {
        return Ok(coverage);
    }
    match walk_groups(source, range, series, groups, audience)? {
        Some(coverage) => Ok(coverage),
        None => scan(source, range, series, groups, audience),
    }
}

fn read_window(
    source: &Source<'_>,
    window: &Window,
    range: TimeRange,
    groups: &[Vec<SeriesId>],
    audience: &mut dyn Audience,
) -> Result<u64, QueryError> {
    let (mut dense, mut seen, mut intervals) = (Dense::default(), Vec::new(), 0);
    for (group, members) in groups.iter().enumerate() {
        dense.clear();
        seen.clear();
        for series in members {
            source.stop.check()?;
            let mut hear = |start_unix_ms, length_ms| audience.hear(*series, start_unix_ms, length_ms);
            let of_series = window
                .add_to(*series, range, &mut dense, &mut hear)
                .ok_or(QueryError::Overflow)?;
            if of_series > 0 {
                seen.push(*series);
            }
            intervals += of_series;
        }
        if !seen.is_empty() {
            audience.finish(group, dense.figures(), &seen);
        }
    }
    Ok(intervals)
}

fn scan(
    source: &Source<'_>,
    range: TimeRange,
    series: &SeriesSelection,
    groups: &[Vec<SeriesId>],
    audience: &mut dyn Audience,
) -> Result<Coverage, QueryError> {
    let last = groups.iter().flatten().map(|series| series.index()).max();
    let mut members: Vec<Option<Member>> = vec![None; last.map_or(0, |last| last + 1)];
    for (group, of_group) in groups.iter().enumerate() {
        for series in of_group {
            members[series.index()] = Some(Member { group, seen: false });
        }
    }
    let mut merging: Vec<Merging> = groups.iter().map(|_| Merging::one_of(groups.len())).collect();
    let mut scratch = Accumulator::new();
    let coverage = source.scan(range, series, ScanRequest::WHOLE_RANGE, |observation| {
        // A series that appeared after the snapshot was taken is in the next answer.
        let Some(Some(member)) = members.get_mut(observation.series.index()) else {
            return Ok(());
        };
        member.seen = true;
        audience.hear(
            observation.series,
            observation.start_unix_ms,
            observation.length_ms,
        );
        merging[member.group].add(&observation.counts, observation.delays, &mut scratch)
    })?;
    let mut seen = Vec::new();
    for (group, (of_group, merging)) in groups.iter().zip(&mut merging).enumerate() {
        source.stop.check()?;
        seen.clear();
        seen.extend(
            of_group
                .iter()
                .filter(|series| members[series.index()].as_ref().is_some_and(|member| member.seen)),
        );
        if !seen.is_empty() {
            audience.finish(group, merging.take(&mut scratch)?, &seen);
        }
    }
    Ok(coverage)
}

#[derive(Debug, Clone)]
struct Member {
    group: usize,
    seen: bool,
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::{LoadLabel, LossCause, Manifest, Method, Tombstone};
    use proptest::prelude::*;

    use super::super::group::{GroupQuestion, groups};
    use super::super::map::{Map, MapQuestion, map};
    use super::super::source::tests::source;
    use super::super::{Label, Selection};
    use super::*;
    use crate::store::conformance::{T0, agent, item, manifest_of, report_of, verified};
    use crate::store::embedded::EmbeddedStore;
    use crate::store::window::WindowCondition;
    use crate::store::{
        Admission, AgentStatus, BackupSummary, Condition, Dictionary, Item, Maintained, Retention, Store,
        StoreError, StoredGap, VerifiedManifest, Visit, VisitAgent,
    };

    const MINUTE_MS: u64 = 60_000;

    /// By which way a store may be read: it shows nobody its window.
    #[derive(Clone, Copy, PartialEq)]
    enum Way {
        Scan,
        Walk,
    }

    struct Only<'a>(Way, &'a dyn Store);

    fn from_disk(store: &dyn Store) -> Only<'_> {
        Only(Way::Scan, store)
    }

    fn side_by_side(store: &dyn Store) -> Only<'_> {
        Only(Way::Walk, store)
    }

    impl Store for Only<'_> {
        fn commit(
            &self,
            manifests: &[VerifiedManifest],
            items: &[Item],
        ) -> Result<Vec<Admission>, StoreError> {
            self.1.commit(manifests, items)
        }
        fn dictionary(&self) -> std::sync::Arc<Dictionary> {
            self.1.dictionary()
        }
        fn scan(&self, request: ScanRequest<'_>, visit: Visit<'_>) -> Result<Coverage, StoreError> {
            match self.0 {
                Way::Scan => self.1.scan(request, visit),
                Way::Walk => Err(StoreError {
                    doing: "scan",
                    cause: "it was left to a scan".to_owned(),
                    damaged: false,
                }),
            }
        }
        fn walk(
            &self,
            range: TimeRange,
            series: &SeriesSelection,
            stop: &dyn Fn() -> bool,
            visit: VisitAgent<'_>,
        ) -> Result<Option<Coverage>, StoreError> {
            match self.0 {
                Way::Scan => Ok(None),
                Way::Walk => self.1.walk(range, series, stop, visit),
            }
        }
        fn agents(&self) -> Result<Vec<AgentStatus>, StoreError> {
            self.1.agents()
        }
        fn gaps(
            &self,
            agent: &azimuth_measurement::AgentId,
            range: TimeRange,
        ) -> Result<Vec<StoredGap>, StoreError> {
            self.1.gaps(agent, range)
        }
        fn paths(
            &self,
            agent: &azimuth_measurement::AgentId,
            range: TimeRange,
        ) -> Result<Vec<crate::store::StoredPath>, StoreError> {
            self.1.paths(agent, range)
        }
        fn throughput(
            &self,
            agent: &azimuth_measurement::AgentId,
            range: TimeRange,
        ) -> Result<Vec<crate::store::StoredThroughput>, StoreError> {
            self.1.throughput(agent, range)
        }
        fn maintain(&self, now_unix_ms: u64) -> Result<Maintained, StoreError> {
            self.1.maintain(now_unix_ms)
        }
        fn backup(&self, into: &mut dyn std::io::Write) -> Result<BackupSummary, StoreError> {
            self.1.backup(into)
        }
        fn condition(&self) -> Condition {
            self.1.condition()
        }
    }

    fn open(directory: &std::path::Path, now_unix_ms: u64) -> EmbeddedStore {
        EmbeddedStore::open(directory, Retention::default(), now_unix_ms).expect("openable")
    }

    fn range(from_s: u64, to_s: u64) -> TimeRange {
        TimeRange {
            from_unix_ms: T0 + from_s * 1_000,
            to_unix_ms: T0 + to_s * 1_000,
        }
    }

    fn map_of(store: &dyn Store, range: TimeRange) -> Map {
        let question = MapQuestion {
            selection: Selection::of(Method::Stamp, LoadLabel::Idle),
            range,
        };
        map(&source(store), &question, range.to_unix_ms).expect("readable")
    }

    fn window(store: &EmbeddedStore) -> WindowCondition {
        store.condition().window
    }

    /// Two series, or three of which two go to one zone.
    fn manifest(id: &str, larger: bool) -> Manifest {
        let mut manifest = manifest_of(id, if larger { 3 } else { 2 });
        if larger {
            manifest.series[2].zone = manifest.series[0].zone.clone();
        }
        manifest
    }

    #[test]
    fn now_is_answered_from_memory_and_what_is_older_from_disk_and_both_are_counted() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let store = open(directory.path(), T0);
        let manifest = manifest("a", false);
        let items: Vec<_> = (0..180)
            .map(|slot| item(&report_of(&manifest, slot + 1, slot, &[100 + slot as u32, 900])))
            .collect();
        store.commit(&[verified(&manifest)], &items).expect("writable");
        let last_five = range(1_500, 1_800);
        let found = map_of(&store, last_five);
        assert_eq!((found.cells.len(), found.cells[0].n), (2, 60));
        assert_eq!(found, map_of(&from_disk(&store), last_five));
        assert_eq!((window(&store).answered, window(&store).fallbacks), (1, [0; 3]));
        assert_eq!(window(&store).held_from_unix_ms, Some(T0 + 15 * MINUTE_MS));
        assert_eq!(
            map_of(&store, range(840, 1_800)).cells[0].n,
            192,
            "a minute more than is held"
        );
        assert_eq!(
            (window(&store).answered, window(&store).fallbacks),
            (1, [0, 1, 0])
        );
        drop(store);

        let again = open(directory.path(), T0 + 30 * MINUTE_MS);
        assert_eq!(map_of(&again, last_five), found);
        assert_eq!(window(&again).answered, 1, "filled when it was opened");
        again.maintain(T0 + 50 * MINUTE_MS).expect("writable");
        assert_eq!(window(&again).held_from_unix_ms, Some(T0 + 35 * MINUTE_MS));
        again.maintain(T0 + 30 * MINUTE_MS).expect("writable");
        assert_eq!(map_of(&again, last_five), found, "the clock was set back");
        assert_eq!(window(&again).answered, 2);
    }

    /// Two agents with 80 series each, of which the last goes to the zone of the first, and holes in their reports.
    fn many_groups(store: &EmbeddedStore) {
        let mut random = fastrand::Rng::with_seed(7);
        for id in ["a", "b"] {
            let mut manifest = manifest_of(id, 80);
            manifest.series[79].zone = manifest.series[0].zone.clone();
            let items: Vec<_> = (0..12)
                .map(|slot| {
                    let delays: Vec<u32> = (0..5).map(|_| random.u32(300..70_000)).collect();
                    let mut report = report_of(&manifest, slot + 1, slot, &delays);
                    report.records.retain(|_| random.u32(0..4) > 0);
                    for record in &mut report.records {
                        if random.bool() {
                            record.delays[0].0 = azimuth_measurement::StampClock::User;
                        }
                        let sent = random.u64(5..9);
                        record.counts.sent = sent;
                        record.counts.skipped = sent % 2;
                    }
                    item(&report)
                })
                .collect();
            store.commit(&[verified(&manifest)], &items).expect("writable");
        }
    }

    fn rows_of(store: &dyn Store, range: TimeRange, by: &[Label]) -> Option<super::super::group::Groups> {
        let question = GroupQuestion {
            selection: Selection::of(Method::Stamp, LoadLabel::Idle),
            by: by.to_vec(),
            range,
            step_ms: None,
        };
        groups(&source(store), &question, range.to_unix_ms).ok()
    }

    #[test]
    fn many_groups_are_filled_one_after_the_other_from_reports_side_by_side() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let store = open(directory.path(), T0);
        many_groups(&store);
        let asked = range(10, 110);
        let found = map_of(&side_by_side(&store), asked);
        assert_eq!(found.cells.len(), 158);
        assert_eq!(found, map_of(&from_disk(&store), asked));
        for by in [&[][..], &[Label::Agent], &[Label::Agent, Label::Zone]] {
            let rows = rows_of(&side_by_side(&store), asked, by);
            assert_eq!(rows, rows_of(&from_disk(&store), asked, by));
            assert!(rows.is_some(), "{by:?}");
        }
        let some = MapQuestion {
            selection: Selection::of(Method::Stamp, LoadLabel::Idle).agent(&agent("b")),
            range: asked,
        };
        let of_one = |store: &dyn Store| map(&source(store), &some, asked.to_unix_ms).expect("readable");
        assert_eq!(of_one(&side_by_side(&store)), of_one(&from_disk(&store)));
        assert_eq!(of_one(&from_disk(&store)).cells.len(), 79);
    }

    #[test]
    fn what_cannot_be_filled_side_by_side_is_left_to_a_scan() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let store = open(directory.path(), T0);
        many_groups(&store);
        let asked = range(0, 120);
        assert_eq!(
            rows_of(&side_by_side(&store), asked, &[Label::Zone]),
            None,
            "more groups than are open at once, each of two agents"
        );
        // Positions come to mean other series halfway.
        let mut other = manifest_of("a", 80);
        other.series.reverse();
        let items: Vec<_> = (20..24)
            .map(|slot| item(&report_of(&other, slot + 1, slot, &[800])))
            .collect();
        store.commit(&[verified(&other)], &items).expect("writable");
        let asked = range(0, 240);
        assert_eq!(
            rows_of(&side_by_side(&store), asked, &[Label::Agent, Label::Zone]),
            None
        );
        assert!(rows_of(&side_by_side(&store), asked, &[Label::Agent]).is_some());
        drop(store);
        // Opened so late that nothing is in the window.
        let store = open(directory.path(), T0 + 60 * MINUTE_MS);
        for by in [&[Label::Zone][..], &[Label::Agent, Label::Zone], &[Label::Agent]] {
            let rows = rows_of(&store, asked, by);
            assert_eq!(rows, rows_of(&from_disk(&store), asked, by));
            assert!(rows.is_some());
        }
        assert_eq!(window(&store).answered, 0);
        while store.maintain(T0 + 300 * MINUTE_MS).expect("writable").more {}
        assert_eq!(rows_of(&side_by_side(&store), asked, &[]), None, "it is sealed");
        assert!(rows_of(&store, asked, &[]).is_some());
    }

    /// What can happen to a store.
    #[derive(Debug, Clone)]
    enum Event {
        /// Reports of one agent, late or for a second time if they must be.
        Deliver {
            agent: usize,
            larger: bool,
            slot: u64,
            count: u64,
            apart: u64,
        },
        GiveUp {
            agent: usize,
            slot: u64,
            count: u64,
            merged: bool,
        },
        Maintain {
            minutes: u64,
        },
        Restart,
        /// A write fails, and the file is opened again.
        FailedWrite,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            8 => (0_usize..3, any::<bool>(), 0_u64..450, 1_u64..40, 1_u64..4).prop_map(
                |(agent, larger, slot, count, apart)| Event::Deliver { agent, larger, slot, count, apart }
            ),
            2 => (0_usize..3, 0_u64..450, 1_u64..30, any::<bool>())
                .prop_map(|(agent, slot, count, merged)| Event::GiveUp { agent, slot, count, merged }),
            1 => (0_u64..8).prop_map(|minutes| Event::Maintain { minutes }),
            1 => Just(Event::Restart),
            1 => Just(Event::FailedWrite),
        ]
    }

    /// A twentieth of the usual number, because each is a life on a disk; `PROPTEST_CASES=10000` for a night.
    fn cases() -> ProptestConfig {
        let usual = ProptestConfig::default();
        ProptestConfig {
            cases: usual.cases / 20,
            failure_persistence: None,
            ..usual
        }
    }

    proptest! {
        #![proptest_config(cases())]

        /// Whatever happens to a store, its window and its files give the same answers.
        #[test]
        fn any_life_is_answered_alike_from_memory_and_from_disk(events in prop::collection::vec(event(), 1..16)) {
            let directory = tempfile::tempdir().expect("a scratch directory");
            let mut store = open(directory.path(), T0);
            let mut now_unix_ms = T0;
            for event in events {
                match event {
                    Event::Deliver { agent, larger, slot, count, apart } => {
                        let manifest = manifest(["a", "b", "c"][agent], larger);
                        let slots = (0..count).map(|number| slot + number * apart);
                        let items: Vec<_> = slots
                            .map(|slot| item(&report_of(&manifest, slot + 1, slot, &[400 + slot as u32 % 97, 90_000])))
                            .collect();
                        store.commit(&[verified(&manifest)], &items).expect("writable");
                        now_unix_ms = now_unix_ms.max(T0 + (slot + count * apart) * 10_000);
                    }
                    Event::GiveUp { agent: number, slot, count, merged } => {
                        let stone = Item::Tombstone(Tombstone {
                            agent: agent(["a", "b", "c"][number]),
                            epoch: T0,
                            first_sequence: slot + 1,
                            last_sequence: slot + count,
                            start_unix_ms: T0 + slot * 10_000,
                            end_unix_ms: T0 + (slot + count) * 10_000,
                            cause: if merged { LossCause::Merged } else { LossCause::QueueFull },
                        });
                        store.commit(&[], &[stone]).expect("writable");
                    }
                    Event::Maintain { minutes } => {
                        now_unix_ms += minutes * MINUTE_MS;
                        store.maintain(now_unix_ms).expect("writable");
                    }
                    Event::Restart => {
                        drop(store);
                        store = open(directory.path(), now_unix_ms);
                    }
                    Event::FailedWrite => store.fail_a_write(),
                }
                let now_s = (now_unix_ms - T0) / 1_000;
                for asked in [
                    range(now_s.saturating_sub(300), now_s),
                    range(now_s.saturating_sub(877), now_s.saturating_sub(13)),
                    range(now_s.saturating_sub(130), now_s + 1_000),
                ] {
                    let question = MapQuestion {
                        selection: Selection::of(Method::Stamp, LoadLabel::Idle),
                        range: asked,
                    };
                    if let Ok(walked) = map(&source(&side_by_side(&store)), &question, now_unix_ms) {
                        let scanned = map(&source(&from_disk(&store)), &question, now_unix_ms).expect("readable");
                        prop_assert_eq!(walked, scanned);
                    }
                    let before = window(&store).answered;
                    let (one, other) = (map_of(&store, asked), map_of(&from_disk(&store), asked));
                    if window(&store).answered == before {
                        continue;
                    }
                    prop_assert_eq!((&one.cells, &one.coverage), (&other.cells, &other.coverage));
                    // A rollup does not know when in its unit an agent fell silent.
                    if store.condition().tier_bytes == [0; 4] {
                        prop_assert_eq!(&one.gaps, &other.gaps);
                    }
                    for by in [&[][..], &[Label::Agent], &[Label::Zone, Label::Metro]] {
                        let question = GroupQuestion {
                            selection: Selection::of(Method::Stamp, LoadLabel::Idle),
                            by: by.to_vec(),
                            range: asked,
                            step_ms: None,
                        };
                        let rows = |store: &dyn Store| groups(&source(store), &question, now_unix_ms).expect("readable").rows;
                        prop_assert_eq!(rows(&store), rows(&from_disk(&store)));
                    }
                }
            }
        }
    }
}
