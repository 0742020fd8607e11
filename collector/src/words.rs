//! The words of the measurement as the API spells them: closed lists, so that the generated TypeScript
//! types are unions and a word added to `azimuth-measurement` does not compile until it is named here.
//!
//! Not the place where the words get their meaning: that is `azimuth-measurement`.

use azimuth_measurement as measurement;
use serde::Serialize;
use utoipa::ToSchema;

/// How a delay was obtained. Two methods are never merged into one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MethodName {
    /// STAMP Session-Sender to Session-Reflector (RFC 8762).
    Stamp,
    /// ICMP echo (RFC 792, RFC 4443).
    IcmpEcho,
    /// TCP connection set-up, from the kernel's `TCP_INFO`.
    TcpConnect,
    /// TLS handshake, after the TCP connection stands.
    TlsHandshake,
    /// First byte of an HTTPS answer.
    HttpsFirstByte,
    /// DNS query and answer.
    DnsQuery,
}

impl From<measurement::Method> for MethodName {
    fn from(method: measurement::Method) -> Self {
        match method {
            measurement::Method::Stamp => Self::Stamp,
            measurement::Method::IcmpEcho => Self::IcmpEcho,
            measurement::Method::TcpConnect => Self::TcpConnect,
            measurement::Method::TlsHandshake => Self::TlsHandshake,
            measurement::Method::HttpsFirstByte => Self::HttpsFirstByte,
            measurement::Method::DnsQuery => Self::DnsQuery,
        }
    }
}

/// Which clock stamped the delays of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClockName {
    /// Kernel stamps at transmission and at reception.
    Kernel,
    /// Kernel stamp at reception, user-space stamp at transmission.
    KernelRx,
    /// User-space stamps on both sides: includes scheduling delay of the agent's host.
    User,
    /// The kernel's own round-trip estimate of a TCP handshake.
    TcpInfo,
}

impl ClockName {
    /// The one spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::KernelRx => "kernel_rx",
            Self::User => "user",
            Self::TcpInfo => "tcp_info",
        }
    }
}

impl From<measurement::StampClock> for ClockName {
    fn from(clock: measurement::StampClock) -> Self {
        match clock {
            measurement::StampClock::Kernel => Self::Kernel,
            measurement::StampClock::KernelRx => Self::KernelRx,
            measurement::StampClock::User => Self::User,
            measurement::StampClock::TcpInfo => Self::TcpInfo,
        }
    }
}

/// What else the path carried while a delay was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoadName {
    /// Nothing of ours.
    Idle,
    /// Our own throughput test ran on another flow.
    SelfLoad,
    /// Our own throughput test had just ended.
    PostLoad,
}

impl From<measurement::LoadLabel> for LoadName {
    fn from(load: measurement::LoadLabel) -> Self {
        match load {
            measurement::LoadLabel::Idle => Self::Idle,
            measurement::LoadLabel::SelfLoad => Self::SelfLoad,
            measurement::LoadLabel::PostLoad => Self::PostLoad,
        }
    }
}

/// How exactly a target stands for its zone. Ordered from exact to vague.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GranularityName {
    /// The target stands in this very zone.
    Zone,
    /// The target stands somewhere in the zone's region.
    Region,
    /// The target stands somewhere on the provider's campus.
    Campus,
}

impl GranularityName {
    /// The one spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zone => "zone",
            Self::Region => "region",
            Self::Campus => "campus",
        }
    }
}

impl From<measurement::Granularity> for GranularityName {
    fn from(granularity: measurement::Granularity) -> Self {
        match granularity {
            measurement::Granularity::Zone => Self::Zone,
            measurement::Granularity::Region => Self::Region,
            measurement::Granularity::Campus => Self::Campus,
        }
    }
}
