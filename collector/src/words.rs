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

/// Which part of an exchange delays are of. Two phases are never merged into one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PhaseName {
    /// What the method measures as a whole.
    Whole,
    /// Looking the name up, once a cycle.
    Dns,
    /// Opening the TCP connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Handing the request to the connection.
    Request,
    /// Waiting for the head of the answer.
    FirstByte,
}

impl From<measurement::Phase> for PhaseName {
    fn from(given: measurement::Phase) -> Self {
        match given {
            measurement::Phase::Whole => Self::Whole,
            measurement::Phase::Dns => Self::Dns,
            measurement::Phase::Connect => Self::Connect,
            measurement::Phase::Tls => Self::Tls,
            measurement::Phase::Request => Self::Request,
            measurement::Phase::FirstByte => Self::FirstByte,
        }
    }
}

/// What kind of answer the probes of a series got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnswerName {
    /// The one hoped for, or none at all.
    Ordinary,
    /// HTTP status 3xx.
    Redirect,
    /// HTTP status 4xx.
    ClientError,
    /// HTTP status 5xx.
    ServerError,
    /// The certificate is not valid now.
    CertificateExpired,
    /// The certificate is for another name.
    CertificateName,
    /// The certificate leads to no believed authority.
    CertificateUntrusted,
    /// The TLS handshake failed otherwise.
    TlsFailed,
    /// The connection ended or was not the protocol.
    Broken,
    /// DNS: no such name.
    NoSuchName,
    /// DNS: the server failed.
    ServerFailure,
    /// DNS: the server will not say.
    QueryRefused,
    /// DNS: cut to fit a datagram.
    Truncated,
    /// Any other answer.
    Other,
}

impl From<measurement::Answer> for AnswerName {
    fn from(given: measurement::Answer) -> Self {
        match given {
            measurement::Answer::Ordinary => Self::Ordinary,
            measurement::Answer::Redirect => Self::Redirect,
            measurement::Answer::ClientError => Self::ClientError,
            measurement::Answer::ServerError => Self::ServerError,
            measurement::Answer::CertificateExpired => Self::CertificateExpired,
            measurement::Answer::CertificateName => Self::CertificateName,
            measurement::Answer::CertificateUntrusted => Self::CertificateUntrusted,
            measurement::Answer::TlsFailed => Self::TlsFailed,
            measurement::Answer::Broken => Self::Broken,
            measurement::Answer::NoSuchName => Self::NoSuchName,
            measurement::Answer::ServerFailure => Self::ServerFailure,
            measurement::Answer::QueryRefused => Self::QueryRefused,
            measurement::Answer::Truncated => Self::Truncated,
            measurement::Answer::Other => Self::Other,
        }
    }
}
