//! What the rules remember of a series, in bytes, by calculation: what was asked of the allocator, without its own overhead, and without
//! the text of labels, which series share.

use super::SeriesWatch;

impl super::Watch {
    /// Bytes kept for a watched series, on the heap and off it; 0 for one that is not watched. Minutes that a threshold
    /// looks back on are exact histograms and not in it: a rule with a window of an hour asks for them.
    pub fn series_bytes(&self, series: u32) -> usize {
        self.series.get(&series).map_or(0, SeriesWatch::bytes)
    }
}

impl SeriesWatch {
    fn bytes(&self) -> usize {
        let regression = self.regression.as_ref().map_or(0, |regression| {
            size_of_val(&**regression) - size_of_val(&regression.detector)
                + regression.detector.state_bytes()
                + regression.known.capacity() * size_of::<super::Regression>()
        });
        let objectives = self
            .objectives
            .iter()
            .map(|(_, ledger, _)| size_of_val(&**ledger));
        size_of::<Self>()
            + self.labels.heap_bytes()
            + regression
            + size_of_val(&*self.thresholds)
            + size_of_val(&*self.objectives)
            + objectives.sum::<usize>()
            + size_of_val(&*self.absences)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use azimuth_measurement::{DelayHistogram, ProbeCounts};

    use super::super::{Sample, Watch};
    use crate::alert::rules::SeriesLabels;
    use crate::query::Label;

    /// Minutes of two days, on paths whose delays go over five decades and jump every few hours, so that every part of the
    /// memory is filled.
    fn peak_bytes() -> usize {
        let mut watch = Watch::new(Arc::default());
        let labels = Label::ALL
            .iter()
            .fold(SeriesLabels::new("a target with a name"), |labels, label| {
                let value = match label {
                    Label::Load => "idle",
                    Label::Phase => "whole",
                    Label::Answer => "ordinary",
                    _ => "a value of forty letters, as cities have",
                };
                labels.with(*label, value)
            });
        watch.add(0, labels);
        let mut random = fastrand::Rng::with_seed(5);
        let (mut peak, mut verdicts) = (0, Vec::new());
        for minute in 0..2 * 24 * 60_u64 {
            let jump = 1 + minute / 200 % 7;
            let mut delays: Vec<u32> = (0..60)
                .map(|_| (10.0_f64.powf(2.0 + 4.0 * random.f64()) * jump as f64) as u32)
                .collect();
            let counts = ProbeCounts {
                sent: 64,
                returned: 60,
                ..ProbeCounts::default()
            };
            let sample = Sample {
                start_unix_ms: minute * 60_000,
                length_ms: 60_000,
                counts: &counts,
                delays: &DelayHistogram::from_values_us(&mut delays),
            };
            watch.observe(0, &sample, &mut verdicts).expect("in order");
            verdicts.clear();
            peak = peak.max(watch.series_bytes(0));
        }
        peak
    }

    #[test]
    fn a_series_fits_in_16_kib() {
        let peak = peak_bytes();
        assert!((1_024..=16 * 1_024).contains(&peak), "{peak} bytes");
    }
}
