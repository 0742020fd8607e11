//! An export as an HdrHistogram interval log (version 1.3): one line a record and clock, its tag the series, its histogram
//! whole. Other readers of the format take the histograms; what the format has no place for stands in comments, which they
//! pass over: where the agents stand, and the counts of each record, so that losses travel too.

use std::collections::BTreeMap;
use std::io::Write;

use azimuth_measurement::counts::COUNTER_NAMES;
use azimuth_measurement::interchange::LogEntry;
use azimuth_measurement::interchange::log::{write_comment, write_entry, write_head};
use azimuth_measurement::{DelayHistogram, Method, ProbeCounts, StampClock};

use super::tag::{Tag, place_to_text};
use super::{ExportError, Sheet};
use crate::query::records::{Record, RecordsQuestion, SeriesIdentity};
use crate::store::Coverage;
use crate::utc::UtcInstant;

/// The comment that says where an agent stands.
pub const AGENT: &str = "Agent";
/// The comment that says what happened to the probes of the record that follows.
pub const COUNTS: &str = "Counts";

/// Writes the lines.
#[derive(Default)]
pub struct HlogSheet {
    text: String,
}

impl Sheet for HlogSheet {
    fn begin(
        &mut self,
        question: &RecordsQuestion,
        series: &mut dyn Iterator<Item = &SeriesIdentity>,
        into: &mut dyn Write,
    ) -> Result<(), ExportError> {
        let start_unix_ms = question.first_step_unix_ms();
        let about = format!(
            "Azimuth, intervals that start from {} until before {}",
            UtcInstant::from_unix_ms(question.range.from_unix_ms),
            UtcInstant::from_unix_ms(question.range.to_unix_ms)
        );
        self.text.clear();
        write_head(&mut self.text, &about, start_unix_ms);
        let places: BTreeMap<_, _> = series
            .filter_map(|series| Some((&series.agent, series.vantage_point.as_ref()?)))
            .collect();
        for (agent, place) in places {
            write_comment(&mut self.text, AGENT, &place_to_text(agent, place));
        }
        Ok(into.write_all(self.text.as_bytes())?)
    }

    fn record(
        &mut self,
        series: &SeriesIdentity,
        record: &Record,
        into: &mut dyn Write,
    ) -> Result<(), ExportError> {
        self.text.clear();
        write_comment(&mut self.text, COUNTS, &counts_to_text(&record.counts));
        // A record of nothing but losses has a line too, or its losses would not travel.
        let none = [(usual_clock(series.descriptor.method), DelayHistogram::default())];
        let delays = if record.delays.is_empty() {
            &none[..]
        } else {
            &record.delays
        };
        for (clock, delays) in delays {
            let tag = Tag {
                agent: series.agent.clone(),
                descriptor: series.descriptor.clone(),
                clock: *clock,
            };
            let entry = LogEntry {
                tag: Some(tag.to_string()),
                start_unix_ms: record.start_unix_ms,
                length_ms: record.length_ms,
                delays: delays.clone(),
            };
            write_entry(&mut self.text, &entry);
        }
        Ok(into.write_all(self.text.as_bytes())?)
    }

    fn end(&mut self, coverage: &Coverage, into: &mut dyn Write) -> Result<(), ExportError> {
        self.text.clear();
        for missing in &coverage.missing {
            let stretch = format!(
                "from {} to {}: {}",
                UtcInstant::from_unix_ms(missing.range.from_unix_ms),
                UtcInstant::from_unix_ms(missing.range.to_unix_ms),
                missing.cause.as_str()
            );
            write_comment(&mut self.text, "Missing", &stretch);
        }
        Ok(into.write_all(self.text.as_bytes())?)
    }
}

/// The clock that stamps delays of a method where all is well.
fn usual_clock(method: Method) -> StampClock {
    match method {
        Method::TcpConnect => StampClock::TcpInfo,
        Method::Stamp | Method::IcmpEcho => StampClock::Kernel,
        Method::TlsHandshake | Method::HttpsFirstByte | Method::DnsQuery => StampClock::User,
    }
}

/// `sent=30 returned=29`, and whatever else is not 0.
pub fn counts_to_text(counts: &ProbeCounts) -> String {
    let all = COUNTER_NAMES.iter().zip(counts.all()).enumerate();
    let told = all.filter(|(place, (_, count))| *place < 2 || *count > 0);
    told.map(|(_, (name, count))| format!("{name}={count}"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// What [`counts_to_text`] wrote; `None` when it is not that.
pub fn counts_from_text(text: &str) -> Option<ProbeCounts> {
    let mut all = ProbeCounts::default().all();
    for pair in text.split(' ') {
        let (name, count) = pair.split_once('=')?;
        let place = COUNTER_NAMES.iter().position(|known| *known == name)?;
        all[place] = count.parse().ok()?;
    }
    Some(ProbeCounts::from_all(all))
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::interchange::LogReader;
    use azimuth_measurement::interchange::log::comment;
    use azimuth_measurement::{Granularity, LoadLabel, SeriesDescriptor};

    use super::*;
    use crate::query::Selection;
    use crate::store::{Missing, MissingCause, TimeRange};

    const T0: u64 = 1_795_428_000_000;

    fn identity() -> SeriesIdentity {
        SeriesIdentity {
            agent: "brest".parse().expect("an id"),
            vantage_point: None,
            metro: None,
            descriptor: SeriesDescriptor {
                zone: "aws/eu-west-3/euw3-az1".parse().expect("a zone"),
                target: "one".to_owned(),
                address: ([10, 0, 0, 1], 8_620).into(),
                granularity: Granularity::Zone,
                method: Method::Stamp,
                flow: 3,
                load: LoadLabel::Idle,
                period_ms: 1_000,
                waiting_time_ms: 2_000,
                dscp: 0,
                facet: azimuth_measurement::Facet::default(),
                outgoing: azimuth_measurement::Outgoing::default(),
            },
        }
    }

    fn record(start_unix_ms: u64, delays: &[(StampClock, &[u32])], sent: u64) -> Record {
        let returned = delays.iter().map(|(_, delays)| delays.len() as u64).sum();
        Record {
            start_unix_ms,
            length_ms: 10_000,
            counts: ProbeCounts {
                sent,
                returned,
                ..ProbeCounts::default()
            },
            delays: delays
                .iter()
                .map(|(clock, delays)| (*clock, DelayHistogram::from_values_us(&mut delays.to_vec())))
                .collect(),
        }
    }

    #[test]
    fn every_clock_has_a_line_and_losses_stand_in_comments() {
        let mut sheet = HlogSheet::default();
        let question = RecordsQuestion {
            selection: Selection::default(),
            range: TimeRange {
                from_unix_ms: T0,
                to_unix_ms: T0 + 60_000,
            },
            step_ms: None,
        };
        let mut bytes = Vec::new();
        sheet
            .begin(&question, &mut [identity()].iter(), &mut bytes)
            .expect("memory");
        let both: [(_, &[u32]); 2] = [(StampClock::Kernel, &[100, 200]), (StampClock::KernelRx, &[300])];
        for record in [record(T0, &both, 5), record(T0 + 10_000, &[], 4)] {
            sheet.record(&identity(), &record, &mut bytes).expect("memory");
        }
        let coverage = Coverage {
            missing: vec![Missing {
                range: question.range,
                cause: MissingCause::Damaged,
            }],
            ..Coverage::default()
        };
        sheet.end(&coverage, &mut bytes).expect("memory");
        let text = String::from_utf8(bytes).expect("text");
        let mut reader = LogReader::new();
        let entries: Vec<_> = text
            .lines()
            .filter_map(|line| reader.line(line.as_bytes()).expect("sound"))
            .collect();
        let seen: Vec<_> = entries
            .iter()
            .map(|entry| {
                let tag: Tag = entry.tag.as_deref().expect("tagged").parse().expect("ours");
                assert_eq!(tag.descriptor, identity().descriptor);
                (entry.start_unix_ms - T0, tag.clock, entry.delays.count())
            })
            .collect();
        assert_eq!(
            seen,
            [
                (0, StampClock::Kernel, 2),
                (0, StampClock::KernelRx, 1),
                (10_000, StampClock::Kernel, 0)
            ]
        );
        let counts: Vec<_> = text
            .lines()
            .filter_map(|line| counts_from_text(comment(line, COUNTS)?))
            .map(|counts| (counts.sent, counts.lost()))
            .collect();
        assert_eq!(counts, [(5, 2), (4, 4)]);
        assert!(text.contains("#[Missing from 2026-11-23T10:00:00Z to 2026-11-23T10:01:00Z: damaged]"));
    }

    #[test]
    fn counts_read_back_whatever_they_are() {
        let mut all = ProbeCounts::default().all();
        for (place, count) in all.iter_mut().enumerate() {
            *count = place as u64 * 7 + 1;
        }
        let counts = ProbeCounts::from_all(all);
        assert_eq!(counts_from_text(&counts_to_text(&counts)), Some(counts));
        let none = ProbeCounts::default();
        assert_eq!(counts_to_text(&none), "sent=0 returned=0");
        for wrong in ["", "sent", "sent=x", "sent=1 lost=2"] {
            assert_eq!(counts_from_text(wrong), None, "{wrong}");
        }
    }
}
