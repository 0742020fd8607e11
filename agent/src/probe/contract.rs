//! The words between the prober and whoever turns its handle: what is to be measured, what is to be sent now, what came in and
//! belonged to nothing. No decisions.

use std::net::SocketAddr;

use azimuth_measurement::Method;

use crate::clock::Monotonic;
use crate::icmp::{Echo, MESSAGE_BYTES};
use crate::schedule::Pace;
use crate::stamp::StampKey;

use super::exchange::Request;
use super::lane::Lane;
use super::wire::Payload;

/// Octets that an echo request carries above its header when nothing is added.
pub const ECHO_DATA_BYTES: u16 = MESSAGE_BYTES as u16 - 8;

/// One series as the prober needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesPlan {
    /// Where probes go.
    pub address: SocketAddr,
    /// How; the port is 0 with `icmp_echo`.
    pub method: Method,
    /// From one probe to the next, in milliseconds; on average if the pace is not periodic.
    pub period_ms: u32,
    /// How slots follow each other.
    pub pace: Pace,
    /// Where in its period the series sends, in nanoseconds; see [`phase_ns`](crate::schedule::phase_ns) and [`meeting_phase_ns`](crate::schedule::meeting_phase_ns).
    pub phase_ns: i64,
    /// After this long without an answer a probe is lost, in milliseconds.
    pub waiting_time_ms: u32,
    /// How many probes to send; `None` for ever.
    pub limit: Option<u64>,
    /// Whether a STAMP reflector is asked for the kernel's stamps on its replies (RFC 8972 section 4.7). Taken as no where
    /// the next probe leaves only after the waiting time of this one.
    pub follow_up: bool,
    /// Whether a STAMP reflector is asked for what it counted, so that losses are told apart by their way (RFC 8972 section
    /// 4.5).
    pub direct_measurement: bool,
    /// Shared with the STAMP reflector, for authenticated mode; `None` for unauthenticated.
    pub key: Option<StampKey>,
    /// By which socket.
    pub lane: Lane,
    /// What to ask, for a method of several steps. Its [`sides`] are series of their own and follow this one.
    pub request: Option<Request>,
    /// Where the address is somebody else's: it is asked less often while it fails, at random by this seed. `None` for reflectors
    /// of our own, whose losses are what is measured.
    pub backs_off: Option<u64>,
}

/// Names one probe until it is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProbeToken {
    /// Position of its series in the plan.
    pub series: u32,
    /// Its sequence number within the series.
    pub sequence: u32,
}

/// Something to send now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// A datagram.
    Datagram {
        /// Whose.
        token: ProbeToken,
        /// Where to.
        to: SocketAddr,
        /// Its octets.
        payload: Payload,
    },
    /// An ICMP echo request.
    Echo {
        /// Whose.
        token: ProbeToken,
        /// Where to.
        to: SocketAddr,
        /// What it says.
        echo: Echo,
        /// Zeros after it.
        padding: u16,
    },
    /// A TCP connection to open and measure.
    Connect {
        /// Whose.
        token: ProbeToken,
        /// Where to.
        to: SocketAddr,
        /// When to give it up.
        give_up_at: Monotonic,
    },
    /// An exchange of several steps; what is asked is [`Core::request`].
    Exchange {
        /// Whose.
        token: ProbeToken,
        /// Where to.
        to: SocketAddr,
        /// When to give it up.
        give_up_at: Monotonic,
    },
}

/// What came in and belonged to nothing, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strays {
    /// Datagrams from a target that are no STAMP reply, and ICMP messages that are no echo reply.
    pub unreadable: u64,
    /// Datagrams or echo replies from an address nobody asked.
    pub unknown_peer: u64,
    /// STAMP replies not signed with the key of their series.
    pub unauthentic: u64,
    /// Replies from a target of ours that answer no probe of ours.
    pub foreign: u64,
    /// Kernel stamps without a probe under way.
    pub stamps: u64,
}
