//! What became of every probe, from the relay's own record of each packet. Knows nothing of how an agent counts: the words are
//! those of RFC 7680 (loss within a waiting time), RFC 5560 (duplicates) and RFC 4737 (reordering).

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

/// Counts of one series.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    pub(crate) returned: u64,
    pub(crate) lost: u64,
    pub(crate) late: u64,
    pub(crate) duplicate: u64,
    pub(crate) reordered: u64,
}

impl Counts {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            returned: self.returned + other.returned,
            lost: self.lost + other.lost,
            late: self.late + other.late,
            duplicate: self.duplicate + other.duplicate,
            reordered: self.reordered + other.reordered,
        }
    }
}

/// What a prober can see of its packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Every answer.
    Datagrams,
    /// A connection is shown once by the kernel, and the order and the copies of its segments never; a question has a socket of its
    /// own, which is closed with the first answer.
    Once,
}

/// One probe: when the relay read it, and when each of its answers was handed to the prober.
#[derive(Debug, Default)]
struct Fate {
    sent_ns: Option<u64>,
    /// Way out of the copy that came first, and how often it was sent.
    out_us: Option<u64>,
    times_sent: u64,
    answers: Vec<Answer>,
}

#[derive(Debug, Clone, Copy)]
struct Answer {
    /// Order of its arrival among all packets.
    order: usize,
    at_ns: u64,
    back_us: u64,
}

/// The relay's record of every packet, in the order of their ends.
pub(crate) fn packets(path: &Path) -> Vec<Value> {
    let mut packets = Vec::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        if line["kind"] == "packet" {
            packets.push(line);
        } else if line["kind"] == "end" {
            assert_eq!(line["packet_lines_lost"], 0, "a truth with holes is none");
        }
    }
    packets
}

/// Every probe of the world, by zone and key.
#[derive(Debug, Default)]
pub(crate) struct Fates(HashMap<(String, String), Fate>);

impl Fates {
    pub(crate) fn read(packets: &[Value]) -> Self {
        let mut fates = Self::default();
        for (order, line) in packets.iter().enumerate() {
            fates.note(order, line);
        }
        fates
    }

    fn note(&mut self, order: usize, line: &Value) {
        let Some(probe) = line["probe"].as_str() else {
            return;
        };
        let zone = line["zone"].as_str().unwrap().to_owned();
        let fate = self.0.entry((zone, probe.to_owned())).or_default();
        let read_ns = line["read_unix_ns"].as_u64().unwrap();
        let delay_us = line["delay_us"].as_u64();
        if line["direction"] == "out" {
            // A line is written at a packet's end, so that of a held one comes after its answer to a copy.
            fate.sent_ns = Some(fate.sent_ns.map_or(read_ns, |sent_ns| sent_ns.min(read_ns)));
            fate.times_sent += u64::from(line["copy"] == false);
            fate.out_us = fate.out_us.or(delay_us);
        } else if let Some(back_us) = delay_us {
            fate.answers.push(Answer {
                order,
                at_ns: read_ns + back_us * 1_000,
                back_us,
            });
        }
    }

    /// The counts of one series, whose keys begin with `probes`, and the delays of its probes that returned: out plus back.
    pub(crate) fn counts(
        &self,
        zone: &str,
        probes: &str,
        transport: Transport,
        waiting_ns: u64,
    ) -> (Counts, Vec<u64>) {
        let fates = self
            .0
            .iter()
            .filter(|((at, key), _)| {
                at == zone && key.strip_prefix(probes).is_some_and(|rest| rest.starts_with(' '))
            })
            .map(|(_, fate)| fate);
        let mut counts = Counts::default();
        let mut delays_us = Vec::new();
        // When the first answer to each probe came, if in time, and when the probe was sent.
        let mut arrivals = Vec::new();
        for fate in fates {
            let sent_ns = fate.sent_ns.expect("an answer has a probe");
            counts.sent += 1;
            let first = fate.answers.iter().min_by_key(|answer| answer.order);
            match first {
                Some(first) if first.at_ns - sent_ns <= waiting_ns => {
                    counts.returned += 1;
                    arrivals.push((first.order, sent_ns));
                    delays_us.push(fate.out_us.expect("answered, so it arrived") + first.back_us);
                }
                Some(_) if transport == Transport::Datagrams => counts.late += 1,
                _ => {}
            }
            if transport == Transport::Datagrams {
                counts.duplicate += (fate.answers.len() as u64).saturating_sub(1);
                assert_eq!(fate.times_sent, 1, "nobody repeats a probe");
            }
        }
        counts.lost = counts.sent - counts.returned;
        if transport == Transport::Datagrams {
            arrivals.sort_unstable();
            let mut latest_sent = 0;
            for (_, sent_ns) in arrivals {
                counts.reordered += u64::from(sent_ns < latest_sent);
                latest_sent = latest_sent.max(sent_ns);
            }
        }
        (counts, delays_us)
    }
}
