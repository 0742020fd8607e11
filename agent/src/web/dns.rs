//! One DNS question over UDP (RFC 1035) to a named resolver, and the head of its answer. Records are not read; a truncated
//! answer is not asked for again over TCP.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use azimuth_measurement::Answer;
use simple_dns::header_buffer::{has_flags, id, rcode};
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, TYPE};
use tokio::net::UdpSocket;

use crate::clock::{self, Monotonic};
use crate::net::error_kind;
use crate::probe::exchange::{DnsKind, ExchangeOutcome};

/// Octets of a header (RFC 1035 section 4.1.1).
const HEADER_BYTES: usize = 12;
/// The largest answer without EDNS, which is not asked for.
const MAX_ANSWER_BYTES: usize = 512;

/// The method `dns_query`.
pub(super) async fn query(
    to: SocketAddr,
    question: &str,
    kind: DnsKind,
    give_up_at: Monotonic,
) -> Result<ExchangeOutcome, ExchangeOutcome> {
    let number = fastrand::u16(..);
    let asked = encode(number, question, kind).ok_or(ExchangeOutcome::NotSent(None))?;
    let any = match to {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let not_sent = |error: io::Error| ExchangeOutcome::NotSent(error_kind::of_sending(&error));
    // A socket for each question: a port nobody can foresee, and only datagrams of the one asked.
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await.map_err(not_sent)?;
    socket.connect(to).await.map_err(not_sent)?;
    let began = clock::monotonic();
    socket.send(&asked).await.map_err(not_sent)?;
    let mut answer = [0; MAX_ANSWER_BYTES];
    loop {
        let octets = match socket.recv(&mut answer).await {
            Ok(octets) => octets,
            // ICMP says that nobody listens there.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                return Err(ExchangeOutcome::Refused(Answer::Ordinary));
            }
            Err(_) => return Err(ExchangeOutcome::Lost),
        };
        let now = clock::monotonic();
        if now > give_up_at {
            return Err(ExchangeOutcome::Lost);
        }
        // Answers to nothing we asked are passed over: the wait goes on.
        if let Some(kind) = kind_of(&answer[..octets], number, &asked) {
            return Ok(ExchangeOutcome::Answered(kind, now.since_ns(began)));
        }
    }
}

fn encode(number: u16, question: &str, kind: DnsKind) -> Option<Vec<u8>> {
    let mut packet = Packet::new_query(number);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let kind = match kind {
        DnsKind::A => TYPE::A,
        DnsKind::Aaaa => TYPE::AAAA,
    };
    let name = Name::new(question).ok()?;
    packet
        .questions
        .push(Question::new(name, kind.into(), CLASS::IN.into(), false));
    packet.build_bytes_vec().ok()
}

/// The kind of an answer to our question; `None` if it is none.
fn kind_of(answer: &[u8], number: u16, asked: &[u8]) -> Option<Answer> {
    if id(answer).ok()? != number || !has_flags(answer, PacketFlag::RESPONSE).ok()? {
        return None;
    }
    let code = rcode(answer).ok()?;
    let echoed = answer.get(HEADER_BYTES..asked.len());
    // A server that could not read the question need not repeat it.
    let is_ours = echoed.is_some_and(|echoed| echoed.eq_ignore_ascii_case(&asked[HEADER_BYTES..]));
    if !is_ours && code != RCODE::FormatError {
        return None;
    }
    Some(match code {
        RCODE::NoError if has_flags(answer, PacketFlag::TRUNCATION).ok()? => Answer::Truncated,
        RCODE::NoError => Answer::Ordinary,
        RCODE::NameError => Answer::NoSuchName,
        RCODE::ServerFailure => Answer::ServerFailure,
        RCODE::Refused => Answer::QueryRefused,
        _ => Answer::Other,
    })
}
