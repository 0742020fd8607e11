//! What one run of `probe` found out about one target: the numbers, as JSON and as two lines for people. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use azimuth_measurement::{
    Accumulator, AsymmetryUnknown, DelayHistogram, Method, Phase, ProbeCounts, StampClock,
};
use serde::Serialize;

use super::target::Target;
use crate::probe::exchange::Side;
use crate::tally::SeriesTally;

/// What one run found, as `--json` prints it. Numbers that do not exist are null, never 0.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The target as it was written.
    pub target: String,
    /// Where the probes went.
    pub address: SocketAddr,
    /// Which of its flows.
    pub flow: u16,
    /// How.
    pub method: &'static str,
    /// Which clock stamped the delays that the quantiles are of.
    pub clock: Option<&'static str>,
    /// How many delays those are.
    pub n: u64,
    /// Probes handed to the network.
    pub sent: u64,
    /// Answers within the waiting time.
    pub returned: u64,
    /// Probes without one.
    pub lost: u64,
    /// lost / sent.
    pub loss_ratio: Option<f64>,
    /// Smallest delay, microseconds.
    pub min_us: Option<u32>,
    /// Median, microseconds (nearest rank).
    pub p50_us: Option<u32>,
    /// 90th percentile.
    pub p90_us: Option<u32>,
    /// 99th percentile.
    pub p99_us: Option<u32>,
    /// Greatest delay.
    pub max_us: Option<u32>,
    /// Answers after the waiting time.
    pub late: u64,
    /// Further answers to an answered probe.
    pub duplicate: u64,
    /// Answers overtaken by a later probe's.
    pub reordered: u64,
    /// Answers that say no.
    pub refused: u64,
    /// Answers whose delay was not trusted.
    pub discarded: u64,
    /// Probes the system would not send.
    pub send_errors: u64,
    /// Slots passed over because this host was late.
    pub skipped: u64,
    /// Probes without a kernel stamp.
    pub missing_tx_stamp: u64,
    /// Answers without a kernel stamp.
    pub missing_rx_stamp: u64,
    /// Answers whose reflector gave no kernel stamp on its sending; at least the last one, which no answer follows.
    pub missing_follow_up: u64,
    /// Of the lost, those known not to have reached the reflector (RFC 8972 section 4.5).
    pub lost_out: u64,
    /// Of the lost, those known to have reached it.
    pub lost_back: u64,
    /// Mean difference between the delays of probes sent one after the other, signs dropped, microseconds (IPDV, RFC 3393).
    pub ipdv_mean_us: Option<f64>,
    /// 95th percentile of how much longer a delay was than the shortest, microseconds (PDV, RFC 5481).
    pub pdv_p95_us: Option<u32>,
    /// Mean delay from here to the reflector, microseconds, where both ends say that their clock is synchronised.
    pub one_way_out_mean_us: Option<f64>,
    /// Mean delay back.
    pub one_way_back_mean_us: Option<f64>,
    /// How far either of the two may be off, microseconds.
    pub one_way_error_us: Option<f64>,
    /// Why it is not known how long each way took, where it is not.
    pub asymmetry_unknown: Option<&'static str>,
    /// ICMP errors heard and send errors, by kind; only those that were met.
    pub errors: BTreeMap<&'static str, u64>,
    /// The phases of the exchanges; none for a method of one packet and its answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseOutcome>,
    /// Answers by kind, those that are not as hoped. They count as sent and returned, and are in no delay.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub answers: BTreeMap<&'static str, u64>,
    /// Whole days until the certificate ends, negative once it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_days_left: Option<i64>,
}

/// One phase of the exchanges with a target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhaseOutcome {
    /// Which.
    pub phase: &'static str,
    /// Exchanges that came so far.
    pub sent: u64,
    /// Exchanges that passed it, or were refused in it.
    pub returned: u64,
    /// How many delays the quantiles are of.
    pub n: u64,
    /// Median, microseconds (nearest rank).
    pub p50_us: Option<u32>,
    /// 99th percentile.
    pub p99_us: Option<u32>,
}

impl Outcome {
    /// What `found` amounts to.
    ///
    /// # Errors
    /// When a histogram overflows, which takes more delays than a run can have.
    pub fn new(target: &Target, method: Method, found: &SeriesTally) -> anyhow::Result<Self> {
        let counts: ProbeCounts = found.counts;
        let record = found.to_record(0).unwrap_or_default();
        let best: Option<&(StampClock, DelayHistogram)> = record.delays.first();
        let mut delays = Accumulator::new();
        if let Some((_, histogram)) = best {
            delays
                .add(histogram)
                .map_err(|_| anyhow::anyhow!("the histogram overflowed"))?;
        }
        let one_way = counts.one_way.means();
        let loss_ratio = (counts.sent > 0).then(|| counts.lost() as f64 / counts.sent as f64);
        Ok(Self {
            target: target.name.clone(),
            address: target.address,
            flow: target.flow,
            method: method.as_str(),
            clock: best.map(|(clock, _)| clock.as_str()),
            n: delays.count(),
            sent: counts.sent,
            returned: counts.returned,
            lost: counts.lost(),
            loss_ratio,
            min_us: delays.min_us(),
            p50_us: delays.quantile_us(0.50),
            p90_us: delays.quantile_us(0.90),
            p99_us: delays.quantile_us(0.99),
            max_us: delays.max_us(),
            late: counts.late,
            duplicate: counts.duplicate,
            reordered: counts.reordered,
            refused: counts.refused,
            discarded: counts.discarded,
            send_errors: counts.send_errors,
            skipped: counts.skipped,
            missing_tx_stamp: counts.missing_tx_stamp,
            missing_rx_stamp: counts.missing_rx_stamp,
            missing_follow_up: counts.missing_follow_up,
            lost_out: counts.lost_out,
            lost_back: counts.lost_back,
            ipdv_mean_us: counts.ipdv.mean_us(),
            pdv_p95_us: pdv_us(&delays, 0.95),
            one_way_out_mean_us: one_way.ok().map(|means| means.out_us),
            one_way_back_mean_us: one_way.ok().map(|means| means.back_us),
            one_way_error_us: counts.one_way.mean_error_us(),
            asymmetry_unknown: one_way.err().map(AsymmetryUnknown::as_str),
            errors: counts
                .errors
                .present()
                .map(|(kind, count)| (kind.as_str(), count))
                .collect(),
            phases: Vec::new(),
            answers: BTreeMap::new(),
            certificate_days_left: None,
        })
    }

    /// The same with what the sides of its exchanges found; `lead` has the certificate.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_sides(
        mut self,
        sides: &[Side],
        found: &[SeriesTally],
        lead: &SeriesTally,
        now_unix_s: u64,
    ) -> anyhow::Result<Self> {
        for ((phase, answer), found) in sides.iter().zip(found) {
            let counts = found.counts;
            if counts.sent == 0 {
                continue;
            }
            if *phase == Phase::Whole {
                self.sent += counts.sent;
                self.returned += counts.returned;
                self.answers.insert(answer.as_str(), counts.returned);
                continue;
            }
            let mut delays = Accumulator::new();
            for (_, histogram) in &found.to_record(0).unwrap_or_default().delays {
                delays
                    .add(histogram)
                    .map_err(|_| anyhow::anyhow!("the histogram overflowed"))?;
            }
            self.phases.push(PhaseOutcome {
                phase: phase.as_str(),
                sent: counts.sent,
                returned: counts.returned,
                n: delays.count(),
                p50_us: delays.quantile_us(0.50),
                p99_us: delays.quantile_us(0.99),
            });
        }
        self.loss_ratio = (self.sent > 0).then(|| self.lost as f64 / self.sent as f64);
        self.certificate_days_left = lead.certificate_ends_unix_s.map(|ends| {
            let left_s =
                i64::try_from(ends).unwrap_or(i64::MAX) - i64::try_from(now_unix_s).unwrap_or(i64::MAX);
            left_s.div_euclid(86_400)
        });
        Ok(self)
    }

    /// For people who asked for one target: two lines of numbers, and below them only what is out of the ordinary.
    #[must_use]
    pub fn table(&self, period_ms: u32) -> String {
        let mut text = String::new();
        let clock = self.clock.unwrap_or("-");
        let loss = self
            .loss_ratio
            .map_or_else(|| "-".to_owned(), |ratio| format!("{:.1} %", ratio * 100.0));
        let delays = [self.min_us, self.p50_us, self.p90_us, self.p99_us, self.max_us].map(milliseconds);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{} round-trip delay to {}, one probe every {period_ms} ms\n",
            self.method, self.address
        );
        let _ = writeln!(
            text,
            "  {:>7} {:>9} {:>7} {:>8} │ {:>9} {:>9} {:>9} {:>9} {:>9}  {:<9} {:>7}",
            "sent",
            "returned",
            "lost",
            "loss",
            "min ms",
            "p50 ms",
            "p90 ms",
            "p99 ms",
            "max ms",
            "clock",
            "n"
        );
        let _ = writeln!(
            text,
            "  {:>7} {:>9} {:>7} {:>8} │ {:>9} {:>9} {:>9} {:>9} {:>9}  {:<9} {:>7}",
            self.sent,
            self.returned,
            self.lost,
            loss,
            delays[0],
            delays[1],
            delays[2],
            delays[3],
            delays[4],
            clock,
            self.n
        );
        for phase in &self.phases {
            let [p50, p99] = [phase.p50_us, phase.p99_us].map(milliseconds);
            let _ = writeln!(
                text,
                "  {:>34} │ {:>9} {p50:>9} {:>9} {p99:>9} {:>9}  {:<9} {:>7}",
                phase.phase, "", "", "", "user", phase.n
            );
        }
        for (answer, count) in &self.answers {
            let _ = writeln!(text, "\n  {count} answered {answer}; not in the delays above");
        }
        if let Some(days) = self.certificate_days_left {
            let _ = writeln!(text, "\n  the certificate has {days} days left");
        }
        for (count, meaning) in self.remarks() {
            if count > 0 {
                let _ = writeln!(text, "\n  {count} {meaning}");
            }
        }
        for (kind, count) in &self.errors {
            let _ = writeln!(
                text,
                "\n  {count} {kind}: said by a router, the other side or this host"
            );
        }
        if let (Some(ipdv_us), Some(pdv_us)) = (self.ipdv_mean_us, self.pdv_p95_us) {
            let _ = writeln!(
                text,
                "\n  delay variation: {:.3} ms from one probe to the next on average (IPDV), 95 % at most {} ms above the shortest (PDV)",
                ipdv_us / 1_000.0,
                milliseconds(Some(pdv_us)).trim(),
            );
        }
        if let (Some(out_us), Some(back_us), Some(error_us)) = (
            self.one_way_out_mean_us,
            self.one_way_back_mean_us,
            self.one_way_error_us,
        ) {
            let [out, back, error] = [out_us, back_us, error_us].map(|us| us / 1_000.0);
            let _ = writeln!(
                text,
                "\n  one-way delay: {out:.3} ms out, {back:.3} ms back on average, each known to {error:.3} ms by both clocks"
            );
        } else if self.method == Method::Stamp.as_str() && self.returned > 0 {
            let why = self.one_way_error_us.map_or_else(
                || "the clocks of both ends are not known to be synchronised".to_owned(),
                |us| format!("the clocks may be off by {:.3} ms", us / 1_000.0),
            );
            let _ = writeln!(text, "\n  one-way delay: asymmetry unknown, because {why}");
        }
        if self.returned == 0 && self.sent > 0 {
            let _ = writeln!(text, "\n  Nothing came back. {}", self.advice());
        }
        text
    }

    /// What is out of the ordinary, as counts and their meaning.
    #[must_use]
    pub fn remarks(&self) -> [(u64, &'static str); 12] {
        [
            (
                self.lost_out,
                "of the lost did not reach the reflector, by its own count",
            ),
            (
                self.lost_back,
                "of the lost reached the reflector; their answers did not come in time",
            ),
            (
                self.late,
                "late: answered after the waiting time; their probes count as lost",
            ),
            (self.duplicate, "duplicate: further answers to an answered probe"),
            (self.reordered, "reordered: answers overtaken by a later probe's"),
            (
                self.refused,
                "refused: the other side answered with a reset; reachable, but without a delay",
            ),
            (
                self.discarded,
                "discarded: the clock was stepped or the reflector's stamps were impossible",
            ),
            (
                self.send_errors,
                "not sent: this host refused (no route, a firewall here, or too long for the interface?)",
            ),
            (self.skipped, "skipped: this host was too busy to send in time"),
            (
                self.missing_tx_stamp,
                "without a kernel stamp on sending: a lesser clock, named above, was used",
            ),
            (
                self.missing_rx_stamp,
                "without a kernel stamp on receiving: userspace time was used",
            ),
            (
                // The last answer has none after it that could tell.
                self.missing_follow_up.saturating_sub(1),
                "without the reflector's kernel stamp: some microseconds of its send call are in the delay",
            ),
        ]
    }

    /// What to look at when nothing came back.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        if self.method == Method::Stamp.as_str() {
            "Is `azimuth-agent reflect` running there, does it --allow this host, has it the same key or none, and do firewalls let UDP through?"
        } else if self.method == Method::IcmpEcho.as_str() {
            "Does that host answer pings, and do firewalls let them through?"
        } else if self.method == Method::DnsQuery.as_str() {
            "Does that resolver answer this host, and do firewalls let UDP through?"
        } else {
            "Is something listening on that TCP port, and do firewalls let it through?"
        }
    }
}

/// Milliseconds to the microsecond; a dash for what does not exist.
#[must_use]
pub fn milliseconds(us: Option<u32>) -> String {
    us.map_or_else(|| "-".to_owned(), |us| format!("{:.3}", f64::from(us) / 1_000.0))
}

fn pdv_us(delays: &Accumulator, quantile: f64) -> Option<u32> {
    Some(delays.quantile_us(quantile)?.saturating_sub(delays.min_us()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use azimuth_measurement::OneWaySample;

    fn target() -> Target {
        Target {
            name: "10.0.0.1".to_owned(),
            host: String::new(),
            address: "10.0.0.1:8620".parse().expect("an address"),
            flow: 0,
        }
    }

    #[test]
    fn nothing_measured_is_null_and_says_what_to_look_at() {
        let counts = ProbeCounts {
            sent: 4,
            ..ProbeCounts::default()
        };
        let found = SeriesTally {
            counts,
            ..SeriesTally::default()
        };
        let outcome = Outcome::new(&target(), Method::Stamp, &found).expect("no overflow");
        assert_eq!(
            (outcome.p50_us, outcome.loss_ratio, outcome.lost),
            (None, Some(1.0), 4)
        );
        assert!(outcome.table(200).contains("does it --allow this host"));
        assert!(
            !outcome.table(200).contains("one-way"),
            "nothing came back at all"
        );
        let told = Outcome {
            lost_out: 3,
            ..outcome.clone()
        };
        assert!(
            told.table(200)
                .contains("3 of the lost did not reach the reflector")
        );
        let json = serde_json::to_string(&outcome).expect("JSON");
        assert!(
            json.contains(
                r#""clock":null,"n":0,"sent":4,"returned":0,"lost":4,"loss_ratio":1.0,"min_us":null"#
            )
        );
    }

    #[test]
    fn each_way_is_told_with_its_error_or_the_reason_why_not() {
        let told = |samples: &[(u32, u32, u32)]| {
            let mut counts = ProbeCounts {
                sent: 2,
                returned: 2,
                ..ProbeCounts::default()
            };
            for &(out_us, back_us, error_us) in samples {
                counts.one_way.note(OneWaySample {
                    out_us,
                    back_us,
                    error_us,
                });
            }
            let found = SeriesTally {
                counts,
                delays_us: vec![(StampClock::Kernel, 10_000); 2],
                certificate_ends_unix_s: None,
            };
            let outcome = Outcome::new(&target(), Method::Stamp, &found).expect("no overflow");
            (
                outcome.asymmetry_unknown,
                outcome.one_way_out_mean_us,
                outcome.table(200),
            )
        };
        let (why, out_us, table) = told(&[(4_000, 6_000, 1_000), (5_000, 5_000, 1_000)]);
        assert_eq!((why, out_us), (None, Some(4_500.0)));
        assert!(
            table.contains("4.500 ms out, 5.500 ms back on average, each known to 1.000 ms"),
            "{table}"
        );
        let (why, out_us, table) = told(&[(5_000, 5_000, 5_000)]);
        assert_eq!((why, out_us), (Some("error_exceeds_delay"), None));
        assert!(
            table.contains("asymmetry unknown, because the clocks may be off by 5.000 ms"),
            "{table}"
        );
        let (why, _, table) = told(&[]);
        assert_eq!(why, Some("clocks_not_synchronised"));
        assert!(
            table.contains("asymmetry unknown, because the clocks of both ends"),
            "{table}"
        );
    }

    #[test]
    fn the_table_shows_milliseconds_to_the_microsecond() {
        let counts = ProbeCounts {
            sent: 2,
            returned: 2,
            ..ProbeCounts::default()
        };
        let delays_us = vec![(StampClock::Kernel, 1_207), (StampClock::Kernel, 1_209)];
        let outcome = Outcome::new(
            &target(),
            Method::Stamp,
            &SeriesTally {
                counts,
                delays_us,
                certificate_ends_unix_s: None,
            },
        )
        .expect("no overflow");
        let table = outcome.table(200);
        assert!(
            table.contains("1.207") && table.contains("kernel") && !table.contains("late"),
            "{table}"
        );
    }
}
