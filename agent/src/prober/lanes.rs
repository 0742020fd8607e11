//! The sockets of the probing thread, one a lane, opened as their lanes say; what could not be opened or sent, counted.
//!
//! A lane that asks for something of this host (an interface, an address, a right) may be refused it. That is a failure of
//! the targets that go by it, said once by name and tried again, never of the agent.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use azimuth_measurement::ErrorKind;
use tracing::{debug, info, warn};

use crate::clock::{Monotonic, NS_PER_S};
use crate::icmp::Echo;
use crate::net::error_kind;
use crate::net::icmp::EchoSocket;
use crate::net::outgoing::{LaneError, is_too_long};
use crate::net::tcp::{Connecting, Connector};
use crate::net::udp::ProberSocket;
use crate::probe::ProbeToken;
use crate::probe::lane::{LanePlan, Transport, WantedPort};
use crate::probe::wire::Payload;

/// How often a lane that was refused is tried again.
const RETRY_NS: i64 = 30 * NS_PER_S;

/// What this host refused the probes since the start. They count as send errors of their series too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// Longer than the interface, or the path as far as it is known, carries without fragments (`EMSGSIZE`).
    pub too_long: u64,
    /// Without a socket: the log says why there is none.
    pub no_socket: u64,
    /// Stable source ports that another program had; the next one was taken.
    pub ports_taken: u64,
}

/// The same, shared with the thread that counts.
#[derive(Debug, Default)]
pub(super) struct Counting {
    too_long: AtomicU64,
    no_socket: AtomicU64,
    ports_taken: AtomicU64,
}

impl Counting {
    pub(super) fn now(&self) -> Refusals {
        Refusals {
            too_long: self.too_long.load(Ordering::Relaxed),
            no_socket: self.no_socket.load(Ordering::Relaxed),
            ports_taken: self.ports_taken.load(Ordering::Relaxed),
        }
    }
}

/// A socket and the number of its lane.
pub(super) struct Numbered<S> {
    pub(super) lane: u32,
    pub(super) socket: S,
}

struct Absent {
    lane: u32,
    retry_at: Monotonic,
    /// What the log said last, which is not said again.
    said: String,
}

pub(super) struct LaneSockets {
    plans: Vec<LanePlan>,
    pub(super) udp: Vec<Numbered<ProberSocket<ProbeToken>>>,
    pub(super) echo: Vec<Numbered<EchoSocket<ProbeToken>>>,
    tcp: Vec<Numbered<Connector>>,
    absent: Vec<Absent>,
    counting: Arc<Counting>,
    /// Whether the log has said that probes are too long.
    said_too_long: Vec<bool>,
    scratch: Vec<u8>,
}

impl LaneSockets {
    /// Opens the sockets of all lanes.
    ///
    /// # Errors
    /// When there is no plain UDP socket: such a host measures nothing.
    pub(super) fn open(
        plans: &[LanePlan],
        counting: Arc<Counting>,
        now: Monotonic,
    ) -> Result<Self, LaneError> {
        let mut sockets = Self {
            plans: plans.to_vec(),
            udp: Vec::new(),
            echo: Vec::new(),
            tcp: Vec::new(),
            absent: Vec::new(),
            counting,
            said_too_long: vec![false; plans.len()],
            scratch: Vec::new(),
        };
        for (lane, plan) in (0..).zip(plans) {
            match sockets.open_lane(lane) {
                Ok(()) => {}
                Err(Refused::Lane(error)) if plan.lane.is_plain() && plan.transport == Transport::Udp => {
                    return Err(error);
                }
                Err(refused) => sockets.set_aside(lane, &refused, "", now),
            }
        }
        Ok(sockets)
    }

    /// Opens the sockets of the lanes that came since. What is refused is said and tried again.
    pub(super) fn grow(&mut self, plans: &[LanePlan], now: Monotonic) {
        let known = self.plans.len();
        self.plans = plans.to_vec();
        self.said_too_long.resize(plans.len(), false);
        for lane in (known..plans.len()).filter_map(|lane| u32::try_from(lane).ok()) {
            if let Err(refused) = self.open_lane(lane) {
                self.set_aside(lane, &refused, "", now);
            }
        }
    }

    /// Tries again what was refused, now and then.
    pub(super) fn retry(&mut self, now: Monotonic) {
        let due = |absent: &mut Absent| absent.retry_at <= now;
        let due: Vec<Absent> = self.absent.extract_if(.., due).collect();
        for absent in due {
            match self.open_lane(absent.lane) {
                Ok(()) => {
                    if let Some(plan) = self.plans.get(absent.lane as usize) {
                        info!(transport = plan.transport.as_str(), lane = %plan.lane, "probes can be sent now");
                    }
                }
                Err(refused) => self.set_aside(absent.lane, &refused, &absent.said, now),
            }
        }
    }

    fn set_aside(&mut self, lane: u32, refused: &Refused, said: &str, now: Monotonic) {
        let reason = refused.to_string();
        if reason != said
            && let Some(plan) = self.plans.get(lane as usize)
        {
            let (transport, lane, target) = (plan.transport.as_str(), &plan.lane, plan.example);
            let what = match refused {
                Refused::Echo(_) => "ICMP echo is not available",
                Refused::Lane(_) => "probes cannot be sent like this",
            };
            warn!(transport, %lane, %target, series = plan.series, "{what}: {reason}");
        }
        self.absent.push(Absent {
            lane,
            retry_at: now.plus_ns(RETRY_NS),
            said: reason,
        });
    }

    fn open_lane(&mut self, number: u32) -> Result<(), Refused> {
        let Some(plan) = self.plans.get(number as usize) else {
            return Ok(());
        };
        let (family, lane) = (plan.family, &plan.lane);
        let (port, taken) = match plan.transport {
            Transport::Udp => {
                let opened = ProberSocket::open_lane(family, lane).map_err(Refused::Lane)?;
                self.udp.push(Numbered {
                    lane: number,
                    socket: opened.socket,
                });
                (opened.port, opened.taken)
            }
            Transport::Icmp => {
                // An identifier apart from other agents of this host; replies prove themselves by their token.
                let identifier = (std::process::id() & 0xffff) as u16;
                let opened = EchoSocket::open(family, lane, identifier).map_err(Refused::Echo)?;
                debug!(?family, access = %opened.socket.access(), "ICMP echo available");
                self.echo.push(Numbered {
                    lane: number,
                    socket: opened.socket,
                });
                (opened.port, opened.taken)
            }
            Transport::Tcp => {
                let opened = Connector::open(family, lane).map_err(Refused::Lane)?;
                self.tcp.push(Numbered {
                    lane: number,
                    socket: opened.socket,
                });
                (opened.port, opened.taken)
            }
        };
        let transport = plan.transport.as_str();
        debug!(transport, ?family, %lane, port, "lane open");
        if taken > 0 {
            self.counting
                .ports_taken
                .fetch_add(taken.into(), Ordering::Relaxed);
            let wanted = lane.port.map(WantedPort::first);
            warn!(
                transport,
                ?family,
                wanted,
                port,
                taken,
                "another program has the stable source port of this flow; the next free one was taken"
            );
        }
        Ok(())
    }

    /// Sends a STAMP probe.
    pub(super) fn send_datagram(
        &mut self,
        lane: u32,
        token: ProbeToken,
        to: SocketAddr,
        payload: &Payload,
    ) -> Result<(), Option<ErrorKind>> {
        let socket = self.udp.iter_mut().find(|numbered| numbered.lane == lane);
        let sent = socket.map(|numbered| numbered.socket.send(payload.padded(&mut self.scratch), to, token));
        self.note(lane, to, sent)
    }

    /// Sends an echo request.
    pub(super) fn send_echo(
        &mut self,
        lane: u32,
        token: ProbeToken,
        to: SocketAddr,
        (echo, padding): (&Echo, u16),
    ) -> Result<(), Option<ErrorKind>> {
        let socket = self.echo.iter_mut().find(|numbered| numbered.lane == lane);
        let sent = socket.map(|numbered| numbered.socket.send(echo, padding, to, token));
        self.note(lane, to, sent)
    }

    /// Starts a connection; `None` when there is no socket for it.
    pub(super) fn connect(&mut self, lane: u32, to: SocketAddr) -> Option<io::Result<Connecting>> {
        let connector = self.tcp.iter().find(|numbered| numbered.lane == lane);
        if connector.is_none() {
            self.counting.no_socket.fetch_add(1, Ordering::Relaxed);
        }
        connector.map(|numbered| Connecting::start(to, &numbered.socket))
    }

    /// Counts why it was not sent, and says of what kind that is.
    fn note(
        &mut self,
        lane: u32,
        to: SocketAddr,
        sent: Option<io::Result<()>>,
    ) -> Result<(), Option<ErrorKind>> {
        match sent {
            Some(Ok(())) => Ok(()),
            None => {
                self.counting.no_socket.fetch_add(1, Ordering::Relaxed);
                Err(Some(ErrorKind::SendNoSocket))
            }
            Some(Err(error)) => {
                if is_too_long(&error) {
                    self.counting.too_long.fetch_add(1, Ordering::Relaxed);
                    self.say_too_long(lane, to);
                }
                Err(error_kind::of_sending(&error))
            }
        }
    }

    fn say_too_long(&mut self, lane: u32, to: SocketAddr) {
        if let Some(said) = self.said_too_long.get_mut(lane as usize)
            && !std::mem::replace(said, true)
        {
            warn!(target = %to, "a probe is longer than the interface or the path carries in one piece (EMSGSIZE); \
                 it was not sent. Lower `payload_bytes`, or take `dont_fragment` away");
        }
    }

    /// Lets go of errors that are reported through the error queues anyway, and would be given to the next calls.
    pub(super) fn forget_errors(&self) {
        self.udp
            .iter()
            .for_each(|numbered| numbered.socket.forget_error());
    }

    /// All that may have something to read.
    pub(super) fn readable(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let udp = self.udp.iter().map(|numbered| numbered.socket.as_fd());
        udp.chain(self.echo.iter().map(|numbered| numbered.socket.as_fd()))
    }
}

/// Why a lane has no socket.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Lane(LaneError),
    #[error(transparent)]
    Echo(crate::net::icmp::Absent),
}
