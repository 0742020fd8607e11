//! What an exchange of several steps is, as the pure rooms see it: what to ask, which series show its sides, how it ended.
//! Not how it is carried out: that is [`crate::web`].

use std::sync::Arc;

use azimuth_measurement::{Answer, ErrorKind, Method, Phase};

/// What to ask of the far end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A TLS handshake.
    Tls {
        /// The name in the handshake and in the certificate.
        server_name: Arc<str>,
    },
    /// A GET over HTTPS.
    Https {
        /// The name in the handshake, in the certificate and in the request.
        server_name: Arc<str>,
        /// What is asked for; begins with `/`.
        path: Arc<str>,
    },
    /// One DNS question over UDP.
    Dns {
        /// The name asked for.
        question: Arc<str>,
        /// `A` or `AAAA` records.
        kind: DnsKind,
    },
}

/// The type of a DNS question (RFC 1035, RFC 3596).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsKind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
}

/// One side of an exchange: a series of its own beside the one that leads.
pub type Side = (Phase, Answer);

const fn phase(phase: Phase) -> Side {
    (phase, Answer::Ordinary)
}

const fn answer(answer: Answer) -> Side {
    (Phase::Whole, answer)
}

const TLS_SIDES: &[Side] = &[
    phase(Phase::Connect),
    answer(Answer::CertificateExpired),
    answer(Answer::CertificateName),
    answer(Answer::CertificateUntrusted),
    answer(Answer::TlsFailed),
    answer(Answer::Broken),
];

const HTTPS_SIDES: &[Side] = &[
    phase(Phase::Dns),
    phase(Phase::Connect),
    phase(Phase::Tls),
    phase(Phase::Request),
    phase(Phase::FirstByte),
    answer(Answer::Redirect),
    answer(Answer::ClientError),
    answer(Answer::ServerError),
    answer(Answer::CertificateExpired),
    answer(Answer::CertificateName),
    answer(Answer::CertificateUntrusted),
    answer(Answer::TlsFailed),
    answer(Answer::Broken),
    answer(Answer::Other),
];

const DNS_SIDES: &[Side] = &[
    answer(Answer::NoSuchName),
    answer(Answer::ServerFailure),
    answer(Answer::QueryRefused),
    answer(Answer::Truncated),
    answer(Answer::Broken),
    answer(Answer::Other),
];

/// The sides of a method, in the order in which their series follow the one that leads; none for a method of one packet and
/// its answer.
#[must_use]
pub const fn sides(method: Method) -> &'static [Side] {
    match method {
        Method::TlsHandshake => TLS_SIDES,
        Method::HttpsFirstByte => HTTPS_SIDES,
        Method::DnsQuery => DNS_SIDES,
        Method::Stamp | Method::IcmpEcho | Method::TcpConnect => &[],
    }
}

/// How an exchange ended within its waiting time, or that it did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeEnd {
    /// The phases that were passed, with how long each took, in nanoseconds.
    pub passed: Vec<(Phase, i64)>,
    /// The phase in which it ended, if it was not passed.
    pub stuck: Option<Phase>,
    /// What came of it all.
    pub outcome: ExchangeOutcome,
    /// When the certificate shown ends, in seconds since 1970; `None` if none was accepted.
    pub certificate_ends_unix_s: Option<u64>,
    /// The answer asks for fewer requests, and to be left alone for so many seconds, 0 if it does not say how long.
    pub asked_to_wait_s: Option<u32>,
}

/// What came of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeOutcome {
    /// An answer of this kind, after so many nanoseconds.
    Answered(Answer, i64),
    /// The other side said no, and there is no delay to keep.
    Refused(Answer),
    /// No answer within the waiting time, or no way.
    Lost,
    /// This host would not send, for this reason if it has a name.
    NotSent(Option<ErrorKind>),
}
