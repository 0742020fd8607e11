//! A network of reflectors in which a script decides the fate of every single packet. It turns the prober's handle just
//! as the probing thread does: what has arrived first, then timeouts, then what is due.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use azimuth_agent::clock::{Moment, Monotonic, NS_PER_MS, NS_PER_S, Wall};
use azimuth_agent::probe::connect_session::ConnectEnd;
use azimuth_agent::probe::lane::Lane;
use azimuth_agent::probe::{Core, ProbeToken, SeriesPlan, Transmit};
use azimuth_agent::schedule::Pace;
use azimuth_agent::stamp::extension::{self, Counted, Filling};
use azimuth_agent::stamp::{ErrorEstimate, MINIMUM_LENGTH, NtpTimestamp, Reply, Request};
use azimuth_agent::tally::ClosedInterval;
use azimuth_measurement::{ErrorKind, Method};

/// Time every reply spends in its reflector.
pub(crate) const RESIDENCE_NS: i64 = 123_000;
/// From the send call to the kernel's stamp.
pub(crate) const SEND_CALL_NS: i64 = 12_000;
/// From the kernel's stamp on an answer to its being read.
pub(crate) const WAKE_UP_NS: i64 = 90_000;
/// The reflectors' clocks are off by this much, which must not matter.
const REFLECTOR_CLOCK_OFF_NS: i64 = -37 * NS_PER_S;

/// Nobody's target.
const STRANGER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 66), 8_620));

/// What the network does to one probe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fate {
    /// Delays of the answers on the wire, residence not counted; none: lost; several: duplicated.
    pub(crate) answers_ns: &'static [i64],
    /// Where there is no answer: whether the request reached the reflector, so that only its answer was lost.
    pub(crate) lost_back: bool,
    /// Whether the kernel stamps the sending.
    pub(crate) tx_stamp: bool,
    /// Whether the kernel stamps the arrival.
    pub(crate) rx_stamp: bool,
    /// Whether the local system refuses to send.
    pub(crate) send_error: bool,
}

pub(crate) const FINE: Fate = Fate {
    answers_ns: &[2 * NS_PER_MS],
    lost_back: false,
    tx_stamp: true,
    rx_stamp: true,
    send_error: false,
};

/// What stands between the network and the prober: nothing, unless a test of the tests puts a fault there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seam {
    /// A stranger answers every probe as its target would, and sooner.
    pub(crate) stranger: bool,
    /// Fault: whoever an answer comes from, the prober is told its target's address.
    pub(crate) source_ignored: bool,
    /// Fault: the prober is not told how long the reflector held the probe.
    pub(crate) residence_hidden: bool,
    /// Fault: what is handed to the prober once more is handed to it twice.
    pub(crate) repeated_twice: bool,
}

enum Event {
    TxStamp(ProbeToken, Wall),
    Answer {
        from: SocketAddr,
        payload: Vec<u8>,
        stamped: Option<Wall>,
    },
    Connected(ProbeToken, ConnectEnd),
}

/// The world: a wall clock that may be stepped, a monotonic clock that may not, packets in flight.
pub(crate) struct World<F> {
    pub(crate) core: Core,
    now_ns: i64,
    wall_offset_ns: i64,
    steps: VecDeque<(i64, i64)>,
    in_flight: BTreeMap<(i64, u64), Event>,
    events: u64,
    fate: F,
    pub(crate) seam: Seam,
    handed: HashSet<Vec<u8>>,
    /// What each reflector has counted of its session.
    counted: HashMap<SocketAddr, Counted>,
    restarts: VecDeque<i64>,
    /// How far the reflectors' clocks are off.
    pub(crate) clock_off_ns: i64,
    /// What the reflectors say of that.
    pub(crate) clock_error: ErrorEstimate,
    /// The share of the way out in the delay on the wire, in percent.
    pub(crate) out_percent: i64,
    pub(crate) closed: Vec<ClosedInterval>,
    pub(crate) transmits: Vec<(u32, i64)>,
}

/// 2023-11-14T22:13:20Z, the start of an interval of 10 s.
pub(crate) const START_UNIX_NS: i64 = 1_700_000_000 * NS_PER_S;

pub(crate) fn stamp_series(period_ms: u32, waiting_time_ms: u32, limit: Option<u64>) -> SeriesPlan {
    SeriesPlan {
        address: "192.0.2.1:8620".parse().expect("an address"),
        method: Method::Stamp,
        period_ms,
        pace: Pace::Periodic,
        phase_ns: 0,
        waiting_time_ms,
        limit,
        follow_up: false,
        direct_measurement: false,
        key: None,
        lane: Lane::default(),
        request: None,
        backs_off: None,
    }
}

impl<F: FnMut(ProbeToken) -> Fate> World<F> {
    pub(crate) fn new(plans: &[SeriesPlan], fate: F) -> Self {
        let start = Moment {
            monotonic: Monotonic::from_ns(0),
            wall: Wall::from_unix_ns(START_UNIX_NS),
        };
        Self {
            core: Core::new(plans, 10_000, start),
            now_ns: 0,
            wall_offset_ns: 0,
            steps: VecDeque::new(),
            in_flight: BTreeMap::new(),
            events: 0,
            fate,
            seam: Seam::default(),
            handed: HashSet::new(),
            counted: HashMap::new(),
            restarts: VecDeque::new(),
            clock_off_ns: REFLECTOR_CLOCK_OFF_NS,
            clock_error: ErrorEstimate::UNSYNCHRONISED,
            out_percent: 50,
            closed: Vec::new(),
            transmits: Vec::new(),
        }
    }

    /// At `at_ns` the wall clock jumps by `by_ns`. Calls in order of time.
    pub(crate) fn step_wall_clock(&mut self, at_ns: i64, by_ns: i64) {
        self.steps.push_back((at_ns, by_ns));
    }

    /// At `at_ns` every reflector forgets what it has counted. Calls in order of time.
    pub(crate) fn restart_reflectors(&mut self, at_ns: i64) {
        self.restarts.push_back(at_ns);
    }

    /// A request reaches the reflector at `at`, and an answer leaves: what it can tell.
    fn count(&mut self, at: SocketAddr) -> Counted {
        while self
            .restarts
            .pop_front_if(|at_ns| *at_ns <= self.now_ns)
            .is_some()
        {
            self.counted.clear();
        }
        // A session's counters start anywhere; here where the day began.
        let start = u32::MAX - 5 - (self.now_ns / 1_000) as u32;
        let counted = self.counted.entry(at).or_insert(Counted {
            received: start,
            sent: start,
        });
        counted.received = counted.received.wrapping_add(1);
        let told = *counted;
        counted.sent = counted.sent.wrapping_add(1);
        told
    }

    /// Runs until `until_ns`, jumping from one thing that happens to the next.
    pub(crate) fn run(&mut self, until_ns: i64) {
        loop {
            let next_event = self.in_flight.keys().next().map(|(at_ns, _)| *at_ns);
            let wake_up = self.core.poll_timeout().map(Monotonic::as_ns);
            let step = self.steps.front().map(|(at_ns, _)| *at_ns);
            let Some(next_ns) = [next_event, wake_up, step].into_iter().flatten().min() else {
                break;
            };
            if next_ns > until_ns {
                break;
            }
            self.turn(next_ns.max(self.now_ns));
        }
        self.now_ns = until_ns;
    }

    /// The host hangs: nothing is read and nothing sent until `until_ns`.
    pub(crate) fn hang(&mut self, until_ns: i64) {
        self.turn(until_ns);
    }

    pub(crate) fn close(&mut self) -> u64 {
        let (closed, withdrawn) = self.core.close(Monotonic::from_ns(self.now_ns));
        self.closed.extend(closed);
        withdrawn
    }

    fn turn(&mut self, now_ns: i64) {
        self.now_ns = now_ns;
        while self.steps.front().is_some_and(|(at_ns, _)| *at_ns <= now_ns) {
            self.wall_offset_ns += self.steps.pop_front().map_or(0, |(_, by_ns)| by_ns);
        }
        let later = self.in_flight.split_off(&(now_ns + 1, 0));
        for event in std::mem::replace(&mut self.in_flight, later).into_values() {
            self.arrive(event);
        }
        let now = self.now();
        self.core.handle_timeout(now);
        while let Some(closed) = self.core.poll_closed(now.monotonic) {
            self.closed.push(closed);
        }
        while let Some(transmit) = self.core.poll_transmit(now) {
            self.transmit(&transmit);
        }
    }

    fn arrive(&mut self, event: Event) {
        let now = self.now();
        match event {
            Event::TxStamp(token, stamped) => self.core.handle_tx_stamp(Some(token), stamped),
            Event::Answer {
                from,
                payload,
                stamped,
            } => {
                let again = self.seam.repeated_twice && !self.handed.insert(payload.clone());
                for _ in 0..1 + u8::from(again) {
                    self.core.handle_datagram(0, from, &payload, now, stamped);
                }
            }
            Event::Connected(token, end) => self.core.handle_connect_end(token, end),
        }
    }

    fn transmit(&mut self, transmit: &Transmit) {
        let (token, to) = match transmit {
            Transmit::Datagram { token, to, .. }
            | Transmit::Echo { token, to, .. }
            | Transmit::Connect { token, to, .. }
            | Transmit::Exchange { token, to, .. } => (*token, *to),
        };
        let fate = (self.fate)(token);
        self.transmits.push((token.series, self.now_ns));
        if fate.send_error {
            self.core.handle_send_error(token, Some(ErrorKind::SendNoRoute));
            return;
        }
        let Transmit::Datagram { payload, .. } = transmit else {
            for rtt_ns in fate.answers_ns {
                let rtt_us = u32::try_from(rtt_ns / 1_000).expect("a short delay");
                let end = ConnectEnd::Connected {
                    rtt_us,
                    retransmitted: false,
                };
                self.post(self.now_ns + rtt_ns + WAKE_UP_NS, Event::Connected(token, end));
            }
            return;
        };
        let left_ns = self.now_ns + SEND_CALL_NS;
        if fate.tx_stamp {
            self.post(left_ns, Event::TxStamp(token, self.wall_at(left_ns)));
        }
        if fate.lost_back {
            self.count(to);
        }
        for wire_ns in fate.answers_ns {
            let back_ns = left_ns + wire_ns + RESIDENCE_NS;
            let stamped = fate.rx_stamp.then(|| self.wall_at(back_ns));
            let counted = self.count(to);
            let residence_ns = if self.seam.residence_hidden {
                0
            } else {
                RESIDENCE_NS
            };
            let received = self.wall_at(left_ns + wire_ns * self.out_percent / 100);
            let received = received.plus_ns(self.clock_off_ns);
            let payload = reflect(
                payload.as_slice(),
                (received, self.clock_error),
                residence_ns,
                counted,
            );
            if self.seam.stranger {
                let from = if self.seam.source_ignored { to } else { STRANGER };
                self.inject(left_ns + wire_ns / 2, from, payload.clone());
            }
            self.post(
                back_ns + WAKE_UP_NS,
                Event::Answer {
                    from: to,
                    payload,
                    stamped,
                },
            );
        }
    }

    pub(crate) fn inject(&mut self, at_ns: i64, from: SocketAddr, payload: Vec<u8>) {
        let stamped = Some(self.wall_at(at_ns));
        self.post(
            at_ns,
            Event::Answer {
                from,
                payload,
                stamped,
            },
        );
    }

    fn post(&mut self, at_ns: i64, event: Event) {
        self.events += 1;
        self.in_flight.insert((at_ns, self.events), event);
    }

    fn now(&self) -> Moment {
        Moment {
            monotonic: Monotonic::from_ns(self.now_ns),
            wall: self.wall_at(self.now_ns),
        }
    }

    /// The wall clock at a monotonic instant, steps announced for before then included.
    fn wall_at(&self, at_ns: i64) -> Wall {
        let due = self.steps.iter().filter(|(step_at_ns, _)| *step_at_ns <= at_ns);
        let stepped_ns: i64 = due.map(|(_, by_ns)| by_ns).sum();
        Wall::from_unix_ns(START_UNIX_NS + at_ns + self.wall_offset_ns + stepped_ns)
    }
}

fn reflect(
    octets: &[u8],
    (received, error): (Wall, ErrorEstimate),
    residence_ns: i64,
    counted: Counted,
) -> Vec<u8> {
    let request = Request::decode(octets).expect("a request of the prober");
    let reply = Reply {
        sequence: request.sequence,
        reflected_at: NtpTimestamp::from_wall(received.plus_ns(residence_ns)),
        error,
        session_id: request.session_id,
        received_at: NtpTimestamp::from_wall(received),
        sender_sequence: request.sequence,
        sender_sent_at: request.sent_at,
        sender_error_bits: request.error.to_bits(),
        sender_ttl: 60,
    };
    let mut answer = octets.to_vec();
    answer[..MINIMUM_LENGTH].copy_from_slice(&reply.encode());
    let filling = Filling {
        counted: Some(counted),
        ..Filling::default()
    };
    extension::reflect(&mut answer[MINIMUM_LENGTH..], filling);
    answer
}
