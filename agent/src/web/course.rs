//! How far an exchange has come, step by step, on the monotonic clock. What is noted here survives the exchange being
//! given up in the middle.

use std::io;
use std::net::SocketAddr;

use azimuth_measurement::{Answer, Phase};
use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;

use crate::clock::{self, Monotonic};
use crate::net::error_kind;
use crate::probe::exchange::{ExchangeEnd, ExchangeOutcome};

/// The phases passed, and the one it is in.
#[derive(Debug, Default)]
pub(super) struct Course {
    passed: Vec<(Phase, i64)>,
    current: Option<(Phase, Monotonic)>,
    /// What is passed later is not: whoever was held up looks at what has arrived before it looks at the clock.
    give_up_at: Option<Monotonic>,
    certificate_ends_unix_s: Option<u64>,
    asked_to_wait_s: Option<u32>,
}

impl Course {
    /// One that is given up then.
    pub(super) fn until(give_up_at: Monotonic) -> Self {
        Self {
            give_up_at: Some(give_up_at),
            ..Self::default()
        }
    }

    /// Whether its time has passed at `now` and it is still in a phase.
    pub(super) fn is_stuck(&self, now: Monotonic) -> bool {
        self.current.is_some() && self.give_up_at.is_some_and(|give_up_at| now > give_up_at)
    }

    /// Begins a phase at `now`, unless it is stuck in the one before.
    pub(super) fn enter(&mut self, phase: Phase, now: Monotonic) {
        if !self.is_stuck(now) {
            self.current = Some((phase, now));
        }
    }

    /// The current phase is passed at `now`; how long it took, in nanoseconds.
    pub(super) fn pass(&mut self, now: Monotonic) -> i64 {
        let Some((phase, began)) = self.current else {
            return 0;
        };
        let took_ns = now.since_ns(began);
        if !self.is_stuck(now) {
            self.current = None;
            self.passed.push((phase, took_ns));
        }
        took_ns
    }

    /// The certificate shown ends then.
    pub(super) fn note_certificate(&mut self, ends_unix_s: Option<u64>) {
        self.certificate_ends_unix_s = ends_unix_s;
    }

    /// The answer asks for fewer requests, and for so many seconds without any.
    pub(super) fn note_asked_to_wait(&mut self, wait_s: u32) {
        self.asked_to_wait_s = Some(wait_s);
    }

    /// What it came to.
    pub(super) fn end(self, outcome: ExchangeOutcome) -> ExchangeEnd {
        ExchangeEnd {
            passed: self.passed,
            stuck: self.current.map(|(phase, _)| phase),
            outcome,
            certificate_ends_unix_s: self.certificate_ends_unix_s,
            asked_to_wait_s: self.asked_to_wait_s,
        }
    }
}

/// Opens a TCP connection: the phase `connect`.
///
/// # Errors
/// How the exchange ended instead.
pub(super) async fn connect(to: SocketAddr, course: &mut Course) -> Result<TcpStream, ExchangeOutcome> {
    let began = clock::monotonic();
    // What fails here was never sent; what fails later is the network's word. `TcpStream::connect` does not tell them apart.
    let stream = match begin(to) {
        Ok(stream) => stream,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            course.enter(Phase::Connect, began);
            return Err(ExchangeOutcome::Refused(Answer::Ordinary));
        }
        Err(error) => return Err(ExchangeOutcome::NotSent(error_kind::of_sending(&error))),
    };
    course.enter(Phase::Connect, began);
    let decided = stream.writable().await.and_then(|()| stream.take_error());
    match decided {
        Ok(None) => {
            course.pass(clock::monotonic());
            Ok(stream)
        }
        Ok(Some(error)) | Err(error) => Err(match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => {
                ExchangeOutcome::Refused(Answer::Ordinary)
            }
            _ => ExchangeOutcome::Lost,
        }),
    }
}

fn begin(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(
        Domain::for_address(to),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&to.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(Errno::EINPROGRESS as i32) => {}
        Err(error) => return Err(error),
    }
    TcpStream::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_after_its_time_is_not_passed() {
        let at = Monotonic::from_ns;
        let mut course = Course::until(at(100));
        course.enter(Phase::Connect, at(0));
        assert_eq!(course.pass(at(100)), 100);
        course.enter(Phase::Tls, at(100));
        course.pass(at(101));
        course.enter(Phase::Request, at(101));
        assert!(course.is_stuck(at(101)));
        let end = course.end(ExchangeOutcome::Lost);
        assert_eq!(
            (end.passed, end.stuck),
            (vec![(Phase::Connect, 100)], Some(Phase::Tls))
        );
    }
}
