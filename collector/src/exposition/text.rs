//! The text form, version 0.0.4: for people, and for readers that know no native histograms. A histogram is shown with
//! the few classic buckets of [`super::exponential::CLASSIC_BOUNDS_S`].
//!
//! Standard: Prometheus text-based exposition format 0.0.4.

use std::fmt::{self, Write as _};

use super::family::{Family, Kind, Labels, Sample, Value};

/// What the form is called.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Writes the families.
pub fn render(families: &[Family]) -> String {
    let mut page = String::new();
    for family in families {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let help = Escaped(family.help, false);
        // Writing to a String cannot fail.
        let _ = writeln!(page, "# HELP {0} {help}\n# TYPE {0} {kind}", family.name);
        for sample in &family.samples {
            let _ = write_sample(&mut page, family.name, sample);
        }
    }
    page
}

fn write_sample(page: &mut String, name: &str, sample: &Sample) -> fmt::Result {
    let labels = |le| Braced(&sample.labels, le);
    match &sample.value {
        Value::Whole(value) => writeln!(page, "{name}{} {value}", labels(None)),
        Value::Real(value) => writeln!(page, "{name}{} {value}", labels(None)),
        Value::Delays(delays) => {
            for (bound_s, count) in delays.classic() {
                writeln!(page, "{name}_bucket{} {count}", labels(Some(bound_s)))?;
            }
            let count = delays.count();
            writeln!(page, "{name}_bucket{} {count}", labels(Some(f64::INFINITY)))?;
            writeln!(page, "{name}_sum{} {}", labels(None), delays.sum_s())?;
            writeln!(page, "{name}_count{} {count}", labels(None))
        }
    }
}

/// Labels in braces, with the bound of a bucket behind them.
struct Braced<'a>(&'a Labels, Option<f64>);

impl fmt::Display for Braced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(labels, le) = self;
        if labels.is_empty() && le.is_none() {
            return Ok(());
        }
        let mut separator = "{";
        for (name, value) in labels.iter() {
            write!(f, "{separator}{name}=\"{}\"", Escaped(value, true))?;
            separator = ",";
        }
        match le {
            None => {}
            Some(f64::INFINITY) => write!(f, "{separator}le=\"+Inf\"")?,
            Some(bound_s) => write!(f, "{separator}le=\"{bound_s}\"")?,
        }
        f.write_str("}")
    }
}

/// Text with backslash and line feed escaped, and quotation marks if asked for.
struct Escaped<'a>(&'a str, bool);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '"' if self.1 => f.write_str("\\\"")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::DelayHistogram;

    use super::super::exponential::{Delays, Grid, Schema};
    use super::super::family::labels;
    use super::*;

    #[test]
    fn a_page_is_as_the_standard_says() {
        let mut info = Family::new("azimuth_agent_info", Kind::Gauge, "Where \"it\" stands.");
        info.push(labels([("name", "a\\b \"c\"\nd")]), Value::Whole(1));
        let mut delays = Delays::new(Schema::DEFAULT);
        let three = DelayHistogram::from_values_us(&mut [500, 1_500, 3_000_000]);
        delays.add(&Grid::new(Schema::DEFAULT), &three);
        let mut histogram = Family::new("azimuth_x_seconds", Kind::Histogram, "X.");
        histogram.push(labels([("agent", "a")]), Value::Delays(Box::new(delays)));
        let page = render(&[Family::counter("azimuth_y_total", "Y.", 7), info, histogram]);
        let lines: Vec<_> = page.lines().collect();
        assert_eq!(
            &lines[..8],
            [
                "# HELP azimuth_y_total Y.",
                "# TYPE azimuth_y_total counter",
                "azimuth_y_total 7",
                "# HELP azimuth_agent_info Where \"it\" stands.",
                "# TYPE azimuth_agent_info gauge",
                "azimuth_agent_info{name=\"a\\\\b \\\"c\\\"\\nd\"} 1",
                "# HELP azimuth_x_seconds X.",
                "# TYPE azimuth_x_seconds histogram",
            ]
        );
        assert_eq!(lines[8], "azimuth_x_seconds_bucket{agent=\"a\",le=\"0.001\"} 1");
        assert_eq!(lines[9], "azimuth_x_seconds_bucket{agent=\"a\",le=\"0.002\"} 2");
        assert_eq!(lines[18], "azimuth_x_seconds_bucket{agent=\"a\",le=\"+Inf\"} 3");
        assert!(
            lines[19].starts_with("azimuth_x_seconds_sum{agent=\"a\"} 3.00"),
            "{}",
            lines[19]
        );
        assert_eq!(lines[20], "azimuth_x_seconds_count{agent=\"a\"} 3");
        assert_eq!(lines.len(), 21);
    }
}
