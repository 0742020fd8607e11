//! What became of every TCP connection, octet by octet, from the relay's own record of each packet: when its opening was answered, when
//! the octets of each side arrived in order, however often they were sent (RFC 9293). Knows nothing of how an agent counts.

use std::collections::HashMap;

use serde_json::Value;

/// Every connection of a world, by zone, port asked and asking port.
#[derive(Debug, Default)]
pub(crate) struct Connections(HashMap<(String, u16, u16), Connection>);

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    /// When the relay read its first SYN, and when a SYN-ACK was first handed to the asking side.
    pub(crate) opened_ns: Option<u64>,
    pub(crate) connected_ns: Option<u64>,
    /// What each side said.
    asking: Vec<Part>,
    asked: Vec<Part>,
}

/// Octets in one packet.
#[derive(Clone, Copy, Debug)]
struct Part {
    number: u32,
    octets: u32,
    read_ns: u64,
    /// When they were handed over; `None` if they were dropped.
    arrived_ns: Option<u64>,
}

impl Connections {
    pub(crate) fn read(packets: &[Value]) -> Self {
        let mut connections = Self::default();
        for line in packets {
            connections.note(line);
        }
        connections
    }

    fn note(&mut self, line: &Value) {
        let Some(segment) = line["segment"].as_str() else {
            return;
        };
        let numbers: Vec<u32> = segment.split(' ').map(|number| number.parse().unwrap()).collect();
        let [asked, asking, number, octets] = numbers[..] else {
            panic!("{segment} has four numbers");
        };
        let port = |port: u32| u16::try_from(port).unwrap();
        let zone = line["zone"].as_str().unwrap().to_owned();
        let connection = self.0.entry((zone, port(asked), port(asking))).or_default();
        let out = line["direction"] == "out";
        let read_ns = line["read_unix_ns"].as_u64().unwrap();
        let arrived_ns = line["delay_us"]
            .as_u64()
            .map(|delay_us| read_ns + delay_us * 1_000);
        if line["probe"].is_string() {
            let (known, at_ns) = if out {
                (&mut connection.opened_ns, Some(read_ns))
            } else {
                (&mut connection.connected_ns, arrived_ns)
            };
            *known = known.iter().copied().chain(at_ns).min();
        } else if octets > 0 {
            let side = if out {
                &mut connection.asking
            } else {
                &mut connection.asked
            };
            side.push(Part {
                number,
                octets,
                read_ns,
                arrived_ns,
            });
        }
    }

    /// Those of a zone that ask this port.
    pub(crate) fn of<'a>(&'a self, zone: &'a str, port: u16) -> impl Iterator<Item = &'a Connection> {
        let all = self.0.iter();
        all.filter(move |((at, asked, _), _)| at == zone && *asked == port)
            .map(|(_, connection)| connection)
    }
}

impl Connection {
    /// How many octets the asked side said first, in one go.
    pub(crate) fn first_flight_octets(&self) -> Option<u32> {
        earliest(&self.asked).map(|part| part.octets)
    }

    /// How many it said at all.
    pub(crate) fn octets_back(&self) -> Option<u32> {
        let first = earliest(&self.asked)?;
        let ends = self.asked.iter().map(|part| part.end_after(first.number));
        ends.max()
    }

    /// When the first `octets` that the asked side said had all arrived.
    pub(crate) fn arrived_ns(&self, octets: u32) -> Option<u64> {
        let first = earliest(&self.asked)?;
        let mut arrivals: Vec<_> = self
            .asked
            .iter()
            .filter_map(|part| Some((part.arrived_ns?, part)))
            .collect();
        arrivals.sort_unstable_by_key(|(at_ns, _)| *at_ns);
        let mut in_order = 0;
        for arrived in 1..=arrivals.len() {
            // What came out of order waits for what it follows.
            for _ in 0..arrived {
                for (_, part) in &arrivals[..arrived] {
                    let end = part.end_after(first.number);
                    if end - part.octets <= in_order {
                        in_order = in_order.max(end);
                    }
                }
            }
            if in_order >= octets {
                return Some(arrivals[arrived - 1].0);
            }
        }
        None
    }

    /// When the relay read what the asking side said first.
    pub(crate) fn asked_first_ns(&self) -> Option<u64> {
        earliest(&self.asking).map(|part| part.read_ns)
    }

    /// When the relay first read the last octet that the asking side said.
    pub(crate) fn asked_last_ns(&self) -> Option<u64> {
        let first = earliest(&self.asking)?;
        let end = |part: &Part| part.end_after(first.number);
        let last = self.asking.iter().map(end).max()?;
        let with_it = self.asking.iter().filter(|part| end(part) == last);
        with_it.map(|part| part.read_ns).min()
    }
}

impl Part {
    /// Where it ends, counted from the sequence number of its side's first octet; numbers wrap.
    fn end_after(&self, first: u32) -> u32 {
        self.number.wrapping_sub(first) + self.octets
    }
}

/// What a side said first.
fn earliest(side: &[Part]) -> Option<&Part> {
    side.iter().min_by_key(|part| part.read_ns)
}
