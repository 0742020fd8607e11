//! The reflector's thread and its TCP listener: moves datagrams and stamps, by [`rules`](super::rules).

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::os::fd::AsFd;
use std::thread::JoinHandle;

use thiserror::Error;
use tracing::{info, warn};

use crate::clock::{self, Monotonic, NS_PER_S};
use crate::net::batch::{Batch, Queue};
use crate::net::clock_error::ClockWatch;
use crate::net::thread;
use crate::net::udp::{Departure, OpenError, ReflectorSocket};
use crate::net::wait::{Waker, wait};
use crate::stamp::{NtpTimestamp, StampKey};

use super::Allowed;
use super::limits::Limits;
use super::rules::{Dropped, LONGEST_ANSWER, Rules};
use super::sessions::{SessionKey, Sessions};

/// How often the counters are logged, if they have changed.
const LOG_EVERY_NS: i64 = 60 * NS_PER_S;
/// Connections taken from a listener in one turn.
const ACCEPTS_PER_TURN: usize = 64;

/// The reflector could not be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// No UDP socket.
    #[error(transparent)]
    Udp(#[from] OpenError),
    /// No TCP listener.
    #[error(
        "TCP listener on {at}: {source}. Is the address one of this host's, and the port free? `ss -ltn` lists who listens"
    )]
    Tcp {
        /// Where.
        at: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// No thread.
    #[error(
        "starting the reflector failed: {0}. Is the limit on processes or open files reached (`ulimit -a`)?"
    )]
    Thread(#[from] io::Error),
}

/// What a reflector has done since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests answered.
    pub answered: u64,
    /// Answers the system would not send.
    pub send_errors: u64,
    /// Requests for which the kernel gave no arrival stamp, so that T2 was read in userspace.
    pub missing_rx_stamp: u64,
    /// Answers that told when the one before them left, by the kernel's stamp.
    pub followed_up: u64,
    /// Answers to senders that asked for it, but there was no room to remember them.
    pub sessions_full: u64,
    /// TCP connections accepted and closed.
    pub connections: u64,
    dropped: [u64; Dropped::ALL.len()],
}

impl Counters {
    /// Datagrams not answered for this reason.
    #[must_use]
    pub fn dropped(&self, reason: Dropped) -> u64 {
        Dropped::ALL
            .iter()
            .zip(self.dropped)
            .find(|(known, _)| **known == reason)
            .map_or(0, |(_, n)| n)
    }

    fn count_dropped(&mut self, reason: Dropped) {
        for (known, count) in Dropped::ALL.iter().zip(&mut self.dropped) {
            *count += u64::from(*known == reason);
        }
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "answered={} connections={}", self.answered, self.connections)?;
        for (reason, count) in Dropped::ALL.iter().zip(self.dropped) {
            write!(f, " dropped_{}={count}", reason.as_str())?;
        }
        write!(
            f,
            " send_errors={} missing_rx_stamp={} followed_up={} sessions_full={}",
            self.send_errors, self.missing_rx_stamp, self.followed_up, self.sessions_full
        )
    }
}

/// A running reflector.
#[derive(Debug)]
pub struct Reflector {
    waker: std::sync::Arc<Waker>,
    thread: JoinHandle<Counters>,
    /// Where it answers UDP, with the ports the system chose.
    pub udp: Vec<SocketAddr>,
    /// Where it accepts TCP.
    pub tcp: Vec<SocketAddr>,
}

impl Reflector {
    /// Binds everything and starts answering `allowed`, each address at most `max_per_second` times a second; with a key, only
    /// what is signed with it.
    ///
    /// # Errors
    /// [`StartError`] when an address cannot be bound.
    pub fn start(
        udp: &[SocketAddr],
        tcp: &[SocketAddr],
        allowed: Allowed,
        max_per_second: NonZeroU32,
        key: Option<StampKey>,
    ) -> Result<Self, StartError> {
        let sockets = udp
            .iter()
            .map(|at| ReflectorSocket::open(*at))
            .collect::<Result<Vec<_>, _>>()?;
        let listeners = tcp.iter().map(|at| listen(*at)).collect::<Result<Vec<_>, _>>()?;
        let udp = sockets
            .iter()
            .map(ReflectorSocket::local_address)
            .collect::<io::Result<Vec<_>>>()?;
        let tcp = listeners
            .iter()
            .map(TcpListener::local_addr)
            .collect::<io::Result<Vec<_>>>()?;
        let waker = std::sync::Arc::new(Waker::new()?);
        let rules = Rules::new(allowed, udp.iter().map(SocketAddr::port).collect()).authenticated(key);
        let of_thread = std::sync::Arc::clone(&waker);
        let mut turning = Turning {
            sockets,
            listeners,
            answering: Answering {
                rules,
                sessions: Sessions::default(),
                limits: Limits::new(max_per_second),
                counters: Counters::default(),
                answer: Vec::with_capacity(LONGEST_ANSWER),
            },
            batch: Batch::new(LONGEST_ANSWER),
            clock_watch: ClockWatch::default(),
        };
        let thread = std::thread::Builder::new()
            .name("reflector".to_owned())
            .spawn(move || {
                info!(scheduling = %thread::become_punctual(), "reflector thread started");
                turning.run(&of_thread);
                turning.answering.counters
            })?;
        Ok(Self {
            waker,
            thread,
            udp,
            tcp,
        })
    }

    /// Ends it; what it has done. `None` if its thread panicked.
    #[must_use]
    pub fn stop(self) -> Option<Counters> {
        self.waker.wake();
        self.thread.join().ok()
    }
}

fn listen(at: SocketAddr) -> Result<TcpListener, StartError> {
    let failed = |source| StartError::Tcp { at, source };
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(at),
        socket2::Type::STREAM.nonblocking(),
        None,
    )
    .map_err(failed)?;
    if at.is_ipv6() {
        socket.set_only_v6(true).map_err(failed)?;
    }
    // A restarted reflector must not wait for connections of its former self to time out.
    socket.set_reuse_address(true).map_err(failed)?;
    socket.bind(&at.into()).map_err(failed)?;
    socket.listen(1_024).map_err(failed)?;
    Ok(socket.into())
}

/// Whose stamp is waited for: the session, and the number of the reply.
type StampOwner = (SessionKey, u32);

struct Turning {
    sockets: Vec<ReflectorSocket<StampOwner>>,
    listeners: Vec<TcpListener>,
    answering: Answering,
    batch: Batch,
    clock_watch: ClockWatch,
}

struct Answering {
    rules: Rules,
    sessions: Sessions,
    limits: Limits,
    counters: Counters,
    answer: Vec<u8>,
}

impl Turning {
    fn run(&mut self, stop: &Waker) {
        let mut logged = (self.answering.counters, clock::monotonic());
        loop {
            if let Some(error) = self.clock_watch.poll(clock::monotonic()) {
                self.answering.rules.set_clock_error(error);
            }
            for socket in &mut self.sockets {
                if let Err(error) = turn(socket, &mut self.batch, &mut self.answering) {
                    warn!(%error, "reading the reflector's socket failed");
                }
            }
            for listener in &self.listeners {
                self.answering.counters.connections += accept_and_close(listener);
            }
            let now = clock::monotonic();
            logged = self.log(logged, now);
            let stop_fd = stop.as_fd();
            let sockets = self.sockets.iter().map(AsFd::as_fd);
            let listeners = self.listeners.iter().map(AsFd::as_fd);
            let watched = sockets.chain(listeners).chain([stop_fd]);
            let next_log_at = (self.answering.counters != logged.0).then(|| logged.1.plus_ns(LOG_EVERY_NS));
            if let Err(error) = wait(watched, [], now, next_log_at) {
                warn!(%error, "waiting for packets failed; the reflector ends");
                return;
            }
            if stop.is_set() {
                return;
            }
        }
    }

    fn log(&self, logged: (Counters, Monotonic), now: Monotonic) -> (Counters, Monotonic) {
        let counters = self.answering.counters;
        if counters == logged.0 || now.since_ns(logged.1) < LOG_EVERY_NS {
            return logged;
        }
        info!("reflected: {counters}");
        (counters, now)
    }
}

/// Stamps first, so that an answer can tell of the one before it.
fn turn(
    socket: &mut ReflectorSocket<StampOwner>,
    batch: &mut Batch,
    answering: &mut Answering,
) -> io::Result<()> {
    while socket.awaits_stamps() {
        if batch.receive(socket.as_fd(), Queue::Errors)? == 0 {
            socket.handle_no_stamps();
        }
        for entry in batch.datagrams() {
            if let (Some(tx_id), Some(stamped)) = (entry.ancillary.tx_id, entry.ancillary.kernel_stamp)
                && let Some((session, sequence)) = socket.owner(tx_id)
            {
                answering
                    .sessions
                    .stamped(&session, sequence, NtpTimestamp::from_wall(stamped));
            }
        }
    }
    batch.receive(socket.as_fd(), Queue::Data)?;
    answering.answer_all(socket, batch);
    Ok(())
}

impl Answering {
    fn answer_all(&mut self, socket: &mut ReflectorSocket<StampOwner>, batch: &Batch) {
        let (read_at, now) = (NtpTimestamp::from_wall(clock::wall()), clock::monotonic());
        for datagram in batch.datagrams() {
            let (Some(from), ancillary) = (datagram.from, datagram.ancillary) else {
                continue;
            };
            let judged = self.rules.judge(from, datagram.payload, &ancillary, read_at);
            let (complete, asked_at) = match (judged, ancillary.asked_at) {
                (Ok(complete), Some(asked_at)) => (complete, asked_at),
                (Err(reason), _) => {
                    self.counters.count_dropped(reason);
                    continue;
                }
                (Ok(_), None) => continue,
            };
            self.counters.missing_rx_stamp += u64::from(ancillary.kernel_stamp.is_none());
            let session = complete.session();
            let known =
                session.and_then(|session| self.sessions.answering(session, complete.sequence(), now));
            self.counters.sessions_full += u64::from(session.is_some() && known.is_none());
            let remembered = session.filter(|_| known.is_some());
            let known = known.unwrap_or_default();
            // After the session has counted it: a request that arrived was not lost on the way out.
            if !self.limits.permit(from.ip(), now) {
                self.counters.count_dropped(Dropped::RateLimited);
                continue;
            }
            self.counters.followed_up += u64::from(known.follow_up.is_some());
            self.answer.clear();
            self.answer.extend_from_slice(datagram.payload);
            let departure = Departure {
                from: asked_at,
                interface: ancillary.interface,
                traffic_class: self.rules.fill_extensions(&complete, known, &mut self.answer),
                stamp_for: remembered.map(|session| (session, complete.sequence())),
            };
            // T3 is read here, as late as can be: what follows is one encoding of 44 octets and the send call.
            self.rules
                .write(complete, NtpTimestamp::from_wall(clock::wall()), &mut self.answer);
            match socket.answer(&self.answer, from, departure) {
                Ok(()) => {
                    self.counters.answered += 1;
                    if let Some(session) = remembered {
                        self.sessions.answered(&session);
                    }
                }
                Err(_) => self.counters.send_errors += 1,
            }
        }
    }
}

/// Takes what is waiting and closes it at once; returns how many.
fn accept_and_close(listener: &TcpListener) -> u64 {
    // A listener out of descriptors answers with an error; the next turn tries again.
    (0..ACCEPTS_PER_TURN)
        .map_while(|_| listener.accept().ok())
        .count() as u64
}
