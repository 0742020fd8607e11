//! What is told of a series' past beside its samples: the hours of weeks ago, of which only the medians are wanted.

impl super::Watch {
    /// What the median of an hour was, in microseconds, of which no sample will be observed. Hours come in order, before the
    /// samples; nothing is said of them. A series that no regression rule watches needs none.
    pub fn remember_hour(&mut self, series: u32, start_unix_ms: u64, median_us: f64) {
        let watch = self.series.get_mut(&series);
        if let Some(regression) = watch.and_then(|watch| watch.regression.as_mut()) {
            regression.detector.remember_hour(start_unix_ms, median_us);
        }
    }
}
