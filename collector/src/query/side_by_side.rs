//! Groups filled from reports that are walked side by side: all of one agent's at once, series by series, so that a group
//! is whole before the next begins and nothing but its sums is ever made. What cannot be read so is left to a scan.

use azimuth_measurement::codec::walk::{PassedOver, Unwalkable};

use super::merge::{Dense, Figures, MOST_DENSE};
use super::whole::Audience;
use super::{QueryError, Source};
use crate::store::{Coverage, OpenReport, SeriesId, SeriesSelection, TimeRange};

/// As [`merge_groups`](super::whole::merge_groups). `None` when it was left to a scan; of the audience, only what was heard
/// was told then, and a scan tells it again.
pub(super) fn walk_groups(
    source: &Source<'_>,
    range: TimeRange,
    series: &SeriesSelection,
    groups: &[Vec<SeriesId>],
    audience: &mut dyn Audience,
) -> Result<Option<Coverage>, QueryError> {
    let mut filling = Filling::of(groups);
    let coverage = source.walk(range, series, |reports| {
        match filling.add_agent(reports, audience) {
            Ok(()) => Some(std::mem::take(&mut filling.observations)),
            Err(Unwalkable) => None,
        }
    })?;
    let Some(coverage) = coverage else { return Ok(None) };
    filling.close_all();
    let mut seen = Vec::new();
    for (group, (of_group, figures)) in groups.iter().zip(filling.figures).enumerate() {
        source.stop.check()?;
        let Some(figures) = figures else { continue };
        seen.clear();
        seen.extend(of_group.iter().filter(|series| filling.seen[series.index()]));
        audience.finish(group, figures, &seen);
    }
    Ok(Some(coverage))
}

/// The groups as they fill.
struct Filling {
    /// By series.
    group_of: Vec<Option<usize>>,
    /// By series.
    seen: Vec<bool>,
    /// By group, while it is being filled: where in `sums`.
    open: Vec<Option<usize>>,
    /// By group, once it is whole.
    figures: Vec<Option<Figures>>,
    /// By group: the last position in the manifest at hand that belongs to it.
    last_position: Vec<u32>,
    /// Of the groups that are open, and emptied ones for the next.
    sums: Vec<Dense>,
    /// Those of `sums` that no group has.
    spare: Vec<usize>,
    observations: u64,
}

impl Filling {
    fn of(groups: &[Vec<SeriesId>]) -> Self {
        let last = groups.iter().flatten().map(|series| series.index()).max();
        let mut group_of = vec![None; last.map_or(0, |last| last + 1)];
        for (group, of_group) in groups.iter().enumerate() {
            for series in of_group {
                group_of[series.index()] = Some(group);
            }
        }
        Self {
            seen: vec![false; group_of.len()],
            group_of,
            open: vec![None; groups.len()],
            figures: vec![None; groups.len()],
            last_position: vec![0; groups.len()],
            sums: Vec::new(),
            spare: Vec::new(),
            observations: 0,
        }
    }

    /// Few groups stay open throughout, whatever agents they are of.
    fn are_few(&self) -> bool {
        self.open.len() <= MOST_DENSE
    }

    fn group_at(&self, report: &OpenReport<'_>, position: u32) -> Option<(SeriesId, usize)> {
        let series = report.known.series_at(position)?;
        let group = self.group_of.get(series.index()).copied().flatten()?;
        Some((series, group))
    }

    fn add_agent(
        &mut self,
        reports: &mut [OpenReport<'_>],
        audience: &mut dyn Audience,
    ) -> Result<(), Unwalkable> {
        let Some(first) = reports.first() else {
            return Ok(());
        };
        let positions = reports.iter().map(|report| report.known.series.len()).max();
        let positions = u32::try_from(positions.unwrap_or(0)).map_err(|_| Unwalkable)?;
        if !self.are_few() {
            // In step only if a position means the same in all of them.
            if reports
                .iter()
                .any(|other| other.known.series != first.known.series)
            {
                return Err(Unwalkable);
            }
            for position in 0..positions {
                if let Some((_, group)) = self.group_at(first, position) {
                    self.last_position[group] = position;
                }
            }
        }
        for position in 0..positions {
            for report in &mut *reports {
                if report.walk.next_series() != Some(position) {
                    continue;
                }
                let Some((series, group)) = self.group_at(report, position) else {
                    report.walk.add_next(&mut PassedOver)?;
                    continue;
                };
                audience.hear(series, report.start_unix_ms, report.walk.length_ms());
                self.seen[series.index()] = true;
                self.observations += 1;
                report.walk.add_next(self.opened(group)?)?;
            }
            if !self.are_few()
                && let Some((_, group)) = reports.first().and_then(|first| self.group_at(first, position))
                && self.last_position[group] == position
            {
                self.close(group);
            }
        }
        Ok(())
    }

    fn opened(&mut self, group: usize) -> Result<&mut Dense, Unwalkable> {
        let at = match self.open[group] {
            Some(at) => at,
            // A group of several agents was taken for whole.
            None if self.figures[group].is_some() => return Err(Unwalkable),
            None => match self.spare.pop() {
                Some(at) => at,
                None if self.sums.len() == MOST_DENSE => return Err(Unwalkable),
                None => {
                    self.sums.push(Dense::default());
                    self.sums.len() - 1
                }
            },
        };
        self.open[group] = Some(at);
        self.sums.get_mut(at).ok_or(Unwalkable)
    }

    fn close(&mut self, group: usize) {
        if let Some(at) = self.open[group].take() {
            self.figures[group] = Some(self.sums[at].figures());
            self.sums[at].clear();
            self.spare.push(at);
        }
    }

    fn close_all(&mut self) {
        (0..self.open.len()).for_each(|group| self.close(group));
    }
}
