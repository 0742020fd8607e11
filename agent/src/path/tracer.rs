//! Turns traces with real sockets and the real clock. It decides nothing.
//!
//! One after the other, over sockets kept for life: a source port (UDP, TCP) or identifier (ICMP) that stays the same keeps
//! the traces of a target on one way through routers that balance by flow, and so makes them comparable.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use azimuth_measurement::{ErrorKind, Method};
use thiserror::Error;

use super::packet::{Packets, Quoted};
use super::timing::{End, delay_us};
use super::trace::{Answer, Said, Sending, Trace, TracePlan};
use crate::clock::{self, Moment, NS_PER_MS, Wall};
use crate::icmp::Family;
use crate::net::batch::{Batch, Queue};
use crate::net::icmp::{Absent, EchoSocket};
use crate::net::tcp::{Connecting, FlowPort, Progress};
use crate::net::udp::{OpenError, ProberSocket};
use crate::net::wait::wait;
use crate::probe::lane::Lane;
use crate::stamp::StampKey;

/// The longest sleep, so that being told to stop is noticed.
const LONGEST_WAIT_NS: i64 = 200 * NS_PER_MS;
/// Octets read of each datagram.
const REPLY_BYTES: usize = 256;

/// Where a trace goes.
#[derive(Clone, Debug)]
pub struct TraceTarget {
    /// Where to; the port says nothing with ICMP.
    pub address: SocketAddr,
    /// How: `stamp`, `icmp_echo` or `tcp_connect`.
    pub method: Method,
    /// The key shared with a STAMP reflector.
    pub key: Option<StampKey>,
}

/// A trace could not be begun or went wrong on this side.
#[derive(Debug, Error)]
pub enum TraceError {
    /// No socket for UDP.
    #[error(transparent)]
    Udp(#[from] OpenError),
    /// No socket for ICMP.
    #[error(transparent)]
    Icmp(#[from] Absent),
    /// Something else of the operating system.
    #[error("tracing failed: {0}. Is there a route to the target (`ip route get`)?")]
    System(#[from] io::Error),
    /// Nothing could be sent at all.
    #[error("nothing could be sent: {0}. Is there a route to the target (`ip route get`)?")]
    Unsent(io::Error),
    /// This method has no trace.
    #[error("{0} has no trace; use stamp, icmp_echo or tcp_connect")]
    Method(Method),
}

/// The sockets of all traces, opened when first needed.
#[derive(Debug, Default)]
pub struct Tracer {
    udp: HashMap<bool, ProberSocket<u16>>,
    echo: HashMap<bool, EchoSocket<u16>>,
    ports: HashMap<bool, FlowPort>,
}

/// The sockets of one trace.
enum Way<'t> {
    Udp(&'t mut ProberSocket<u16>),
    Echo(&'t mut EchoSocket<u16>),
    Tcp {
        port: &'t FlowPort,
        attempt: Option<(u16, Connecting)>,
    },
}

struct Running<'t> {
    way: Way<'t>,
    to: SocketAddr,
    packets: Packets,
    sent: HashMap<u16, End>,
    batch: Batch,
    unsent: Option<io::Error>,
    any_sent: bool,
}

impl Tracer {
    /// Traces to its end, or until told to stop; `look` is shown the trace whenever something came of it.
    ///
    /// # Errors
    /// [`TraceError`] when this host cannot trace; a target that does not answer is no error.
    pub fn trace(
        &mut self,
        target: &TraceTarget,
        plan: TracePlan,
        stop: &AtomicBool,
        look: &mut dyn FnMut(&Trace),
    ) -> Result<Trace, TraceError> {
        let to = target.address;
        let is_v4 = to.is_ipv4();
        let family = if is_v4 { Family::V4 } else { Family::V6 };
        let identifier = (std::process::id() & 0xffff) as u16 ^ 0x5aa5;
        let (way, window) = match target.method {
            Method::Stamp => (Way::Udp(self.udp(is_v4)?), plan.window),
            Method::IcmpEcho => (Way::Echo(self.echo(family, identifier)?), plan.window),
            Method::TcpConnect => {
                let port = self.port(is_v4)?;
                // Two attempts at once cannot have the same four numbers.
                (Way::Tcp { port, attempt: None }, 1)
            }
            other => return Err(TraceError::Method(other)),
        };
        let mut running = Running {
            way,
            to,
            packets: Packets::new(
                target.method,
                family,
                target.key.clone(),
                fastrand::u64(..),
                identifier,
            ),
            sent: HashMap::new(),
            batch: Batch::new(REPLY_BYTES),
            unsent: None,
            any_sent: false,
        };
        let plan = TracePlan { window, ..plan };
        let mut trace = Trace::new(plan, to.ip(), clock::monotonic());
        running.turn(&mut trace, stop, look)?;
        match running.unsent {
            Some(error) if !running.any_sent => Err(TraceError::Unsent(error)),
            _ => Ok(trace),
        }
    }

    fn udp(&mut self, is_v4: bool) -> Result<&mut ProberSocket<u16>, TraceError> {
        match self.udp.entry(is_v4) {
            Entry::Occupied(open) => Ok(open.into_mut()),
            Entry::Vacant(none) => {
                let any: IpAddr = if is_v4 {
                    Ipv4Addr::UNSPECIFIED.into()
                } else {
                    Ipv6Addr::UNSPECIFIED.into()
                };
                let socket = ProberSocket::open(SocketAddr::new(any, 0))?;
                Ok(none.insert(socket))
            }
        }
    }

    fn echo(&mut self, family: Family, identifier: u16) -> Result<&mut EchoSocket<u16>, TraceError> {
        match self.echo.entry(family == Family::V4) {
            Entry::Occupied(open) => Ok(open.into_mut()),
            Entry::Vacant(none) => {
                Ok(none.insert(EchoSocket::open(family, &Lane::default(), identifier)?.socket))
            }
        }
    }

    fn port(&mut self, is_v4: bool) -> Result<&FlowPort, TraceError> {
        match self.ports.entry(is_v4) {
            Entry::Occupied(open) => Ok(open.into_mut()),
            Entry::Vacant(none) => Ok(none.insert(FlowPort::take(is_v4)?)),
        }
    }
}

impl Running<'_> {
    fn turn(
        &mut self,
        trace: &mut Trace,
        stop: &AtomicBool,
        look: &mut dyn FnMut(&Trace),
    ) -> Result<(), TraceError> {
        while let Some(due) = trace.poll_timeout() {
            if stop.load(Ordering::Acquire) {
                trace.stop();
                return Ok(());
            }
            while let Some(sending) = trace.poll_send(clock::monotonic()) {
                if let Err(error) = self.send(sending) {
                    trace.handle_send_error(sending.id);
                    self.unsent = Some(error);
                    if !self.any_sent {
                        return Ok(());
                    }
                }
            }
            let answers = self.receive()?;
            let now = clock::monotonic();
            for answer in &answers {
                trace.handle_answer(*answer, now);
            }
            trace.handle_timeout(now);
            if !answers.is_empty() {
                look(trace);
            }
            let due = trace
                .poll_timeout()
                .unwrap_or(due)
                .min(now.plus_ns(LONGEST_WAIT_NS));
            self.sleep(now, due)?;
        }
        look(trace);
        Ok(())
    }

    fn sleep(&self, now: clock::Monotonic, due: clock::Monotonic) -> io::Result<()> {
        let (mut readable, mut connecting): (Vec<BorrowedFd<'_>>, Vec<BorrowedFd<'_>>) =
            (Vec::new(), Vec::new());
        match &self.way {
            Way::Udp(socket) => readable.push(socket.as_fd()),
            Way::Echo(socket) => readable.push(socket.as_fd()),
            Way::Tcp { attempt, .. } => {
                connecting.extend(attempt.iter().map(|(_, connecting)| connecting.as_fd()));
            }
        }
        wait(readable, connecting, now, Some(due))
    }

    fn send(&mut self, sending: Sending) -> io::Result<()> {
        let octets = self.packets.encode(sending.id);
        let seen = clock::moment();
        match &mut self.way {
            Way::Udp(socket) => {
                socket.set_hop_limit(sending.hops)?;
                // What a router said of an earlier packet would otherwise be given to this one; it is in the queue as well.
                socket.forget_error();
                socket.send(&octets, self.to, sending.id)?;
            }
            Way::Echo(socket) => {
                socket.set_hop_limit(sending.hops)?;
                socket.send_message(&octets, self.to, sending.id)?;
            }
            Way::Tcp { port, attempt } => {
                // The one before is over: answered or given up. It is closed before the next has its numbers.
                *attempt = None;
                match Connecting::start_within(self.to, port, sending.hops) {
                    Ok(connecting) => *attempt = Some((sending.id, connecting)),
                    // A target on this host refuses at once; the packet was sent all the same, and is lost.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                    Err(error) => return Err(error),
                }
            }
        }
        self.any_sent = true;
        self.sent.insert(sending.id, End { seen, stamped: None });
        Ok(())
    }

    fn receive(&mut self) -> io::Result<Vec<Answer>> {
        let mut heard = Heard {
            packets: &self.packets,
            sent: &mut self.sent,
            to: self.to,
            answers: Vec::new(),
        };
        let batch = &mut self.batch;
        match &mut self.way {
            Way::Udp(socket) => {
                while batch.receive(socket.as_fd(), Queue::Errors)? > 0 {
                    heard.errors(batch, false, |tx_id| socket.owner(tx_id));
                }
                // Reading the queue leaves the error of the socket behind, and the next call would fail with it.
                socket.forget_error();
                while batch.receive(socket.as_fd(), Queue::Data)? > 0 {
                    heard.data(batch, Some);
                }
            }
            Way::Echo(socket) => {
                let is_raw = socket.access() == crate::net::icmp::Access::Raw;
                while batch.receive(socket.as_fd(), Queue::Errors)? > 0 {
                    heard.errors(batch, is_raw, |tx_id| socket.owner(tx_id));
                }
                socket.forget_error();
                while batch.receive(socket.as_fd(), Queue::Data)? > 0 {
                    heard.data(batch, |octets| socket.message(octets));
                }
            }
            Way::Tcp { attempt, .. } => {
                let Some((id, connecting)) = attempt else {
                    return Ok(Vec::new());
                };
                let id = *id;
                while batch.receive(connecting.as_fd(), Queue::Errors)? > 0 {
                    heard.errors(batch, false, |_| None);
                }
                for answer in &mut heard.answers {
                    answer.id = Some(id);
                }
                if heard.answers.is_empty() {
                    let seen = clock::moment();
                    heard.connected(id, &connecting.progress(), seen);
                }
                if !heard.answers.is_empty() {
                    *attempt = None;
                }
            }
        }
        Ok(heard.answers)
    }
}

/// What came in, turned into answers.
struct Heard<'h> {
    packets: &'h Packets,
    sent: &'h mut HashMap<u16, End>,
    to: SocketAddr,
    answers: Vec<Answer>,
}

impl Heard<'_> {
    /// Stamps of departures, and what routers say.
    fn errors(&mut self, batch: &Batch, is_raw: bool, mut owner: impl FnMut(u32) -> Option<u16>) {
        let seen = clock::moment();
        for entry in batch.datagrams() {
            let ancillary = entry.ancillary;
            if let (Some(tx_id), Some(stamped)) = (ancillary.tx_id, ancillary.kernel_stamp) {
                if let Some(sent) = owner(tx_id).and_then(|id| self.sent.get_mut(&id)) {
                    sent.stamped = Some(stamped);
                }
                continue;
            }
            // The kernel names the target as the peer; another one's errors say nothing of this path.
            let of_target = entry.from.is_none_or(|peer| peer.ip() == self.to.ip());
            let Some(error) = ancillary.icmp_error.filter(|_| of_target) else {
                continue;
            };
            let (Some(from), id) = (
                error.offender,
                match self.packets.quoted(entry.payload, is_raw) {
                    Quoted::Packet(id) => Some(id),
                    Quoted::Some => None,
                    Quoted::Foreign => continue,
                },
            ) else {
                continue;
            };
            self.push(id, from, Said::Error(error.kind), seen, ancillary.kernel_stamp, 0);
        }
    }

    /// Answers of the target itself.
    fn data<'b>(&mut self, batch: &'b Batch, message: impl Fn(&'b [u8]) -> Option<&'b [u8]>) {
        let seen = clock::moment();
        for datagram in batch.datagrams() {
            let Some(from) = datagram.from.map(|from| from.ip()) else {
                continue;
            };
            let answered = message(datagram.payload).and_then(|octets| self.packets.answered(octets));
            if let Some((id, residence_ns)) = answered.filter(|_| from == self.to.ip()) {
                let stamped = datagram.ancillary.kernel_stamp;
                self.push(Some(id), from, Said::Arrived, seen, stamped, residence_ns);
            }
        }
    }

    fn connected(&mut self, id: u16, progress: &Progress, seen: Moment) {
        let from = self.to.ip();
        match progress {
            // Kernels before 5.18 keep from an ordinary program which router it was: a hop without an address.
            Progress::Pending | Progress::Failed(_) => {}
            Progress::Refused => self.push(Some(id), from, Said::Arrived, seen, None, 0),
            Progress::Connected(handshake) => {
                self.push(Some(id), from, Said::Arrived, seen, None, 0);
                if let Some(answer) = self.answers.last_mut()
                    && handshake.rtt_us > 0
                    && !handshake.retransmitted
                {
                    answer.delay_us = handshake.rtt_us;
                }
            }
        }
    }

    fn push(
        &mut self,
        id: Option<u16>,
        from: IpAddr,
        said: Said,
        seen: Moment,
        stamped: Option<Wall>,
        residence_ns: i64,
    ) {
        // Without a number it is to the only one under way, which is the last sent.
        let sent = match id {
            Some(id) => self.sent.get(&id),
            None => self.sent.values().max_by_key(|end| end.seen.monotonic),
        };
        let Some(sent) = sent else { return };
        // An error says nothing more than that it arrived once it comes from the target itself, but for the one that says
        // the packet had no hop left.
        let said = match said {
            Said::Error(kind) if from == self.to.ip() && kind != ErrorKind::TtlExceeded => Said::Arrived,
            other => other,
        };
        let delay_us = delay_us(*sent, End { seen, stamped }, residence_ns);
        self.answers.push(Answer {
            id,
            from,
            said,
            delay_us,
        });
    }
}
