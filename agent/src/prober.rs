//! The probing thread: turns the handle of [`Core`] with real sockets and the real clock. It decides nothing.
//!
//! One dedicated thread, not a task of the event loop: tokio's timers are a millisecond coarse, and a probe must not
//! wait for a report to be compressed. The thread never blocks on anything but its own sockets and deadlines; closed
//! intervals leave through a bounded channel, and when that is full the interval is given up and counted rather than
//! the schedule held up.
//!
//! Targets share sockets by [lane](crate::probe::lane), each with one source port for life. Exchanges of several steps are
//! ordered from [`crate::web`]; their ends come back through [`inbox`], as do other series when a name changes its addresses.
//! Where a socket is not to be had, its probes count as send errors and the log says why. ICMP errors are counted by kind and
//! settle nothing.
//!
//! Answers are not waited for one by one. The kernel stamps them as they arrive, so that reading them with the next probe, or a
//! tenth of a second later, loses nothing, and spares the host most of the times it would be woken up. Where the kernel does not
//! stamp, where more lies in a queue than was expected, and where a person watches, they are [read at once](ReadsAtOnce).

mod lanes;
mod reads_at_once;

pub mod inbox;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use azimuth_measurement::ErrorKind;
use thiserror::Error;
use tokio::sync::mpsc;
use tracing::{info, warn};

use self::inbox::{Change, Inbox, Letterbox, Message, inbox};
use crate::clock::{self, Moment, Monotonic, NS_PER_MS, NS_PER_S};
use crate::net::batch::{BATCH, Batch, Queue};
use crate::net::clock_error::ClockWatch;
use crate::net::control::IcmpError;
use crate::net::error_kind;
use crate::net::outgoing::LaneError;
use crate::net::tcp::{Connecting, Progress};
use crate::net::thread;
use crate::net::wait::{Waker, wait};
use crate::probe::back_offs::{BackOffCounters, Turned};
use crate::probe::connect_session::ConnectEnd;
use crate::probe::contract::Strays;
use crate::probe::lane::Lanes;
use crate::probe::{Core, ProbeToken, SeriesPlan, Transmit};
use crate::tally::ClosedInterval;
use crate::web::{Order, Trust, Web};

use self::lanes::{Counting, LaneSockets};
use self::reads_at_once::ReadsAtOnce;

pub use self::lanes::Refusals;

/// Time between opening the sockets and the first slot. The kernel switches packet stamping on a moment after it is
/// asked to; until then arrivals come without a stamp (and are counted so, should a busy host take longer).
const STAMPS_SETTLE_NS: i64 = 100 * NS_PER_MS;
/// How long answers are still waited for once the thread was asked to stop.
const LINGER_NS: i64 = 200 * NS_PER_MS;
/// Octets read of each datagram: an answer to the longest STAMP probe, or an IPv4 header with an echo reply, and enough
/// to see that something else is neither.
const REPLY_BYTES: usize = 256;
/// Octets read beyond the payload of a probe that was made longer: headers that a raw socket delivers.
const HEADER_BYTES: usize = 96;
/// Connection attempts open at once; above it an attempt counts as a send error. A limit on descriptors.
const MOST_CONNECTING: usize = 512;
/// Slots sent between two looks at the sockets, so that an overdue schedule cannot starve the answers.
const SENDS_PER_TURN: usize = 64;

/// The prober could not be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// No socket for the probes.
    #[error(transparent)]
    Socket(#[from] LaneError),
    /// No thread or no event descriptor.
    #[error(
        "starting the probing thread failed: {0}. Is the limit on processes or open files reached (`ulimit -a`)?"
    )]
    Thread(#[from] io::Error),
}

/// What leaves the probing thread.
#[derive(Debug)]
pub struct Delivery {
    /// Number of this interval since the thread started, from 1. A hole means intervals were given up in between.
    pub sequence: u64,
    /// The interval.
    pub closed: ClosedInterval,
}

/// A running probing thread.
#[derive(Debug)]
pub struct Prober {
    stop: Arc<Stop>,
    counting: Arc<Counting>,
    back_offs: Arc<Mutex<BackOffCounters>>,
    letterbox: Letterbox,
    thread: JoinHandle<Strays>,
}

#[derive(Debug)]
struct Stop {
    asked: AtomicBool,
    waker: Waker,
}

/// Ends the probing thread from elsewhere.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<Stop>);

impl Stopper {
    /// Asks the thread to stop sending, wait shortly for what is under way, and close.
    pub fn stop(&self) {
        self.0.asked.store(true, Ordering::Release);
        self.0.waker.wake();
    }
}

impl Prober {
    /// Opens the sockets that `plans` need and starts probing. Closed intervals go to `out`.
    ///
    /// # Errors
    /// [`StartError`] when a socket or the thread cannot be had.
    pub fn start(
        plans: &[SeriesPlan],
        interval_ms: u32,
        out: mpsc::Sender<Delivery>,
    ) -> Result<Self, StartError> {
        Self::start_core(
            plans,
            out,
            (Trust::of_the_system, ReadsAtOnce::default()),
            |start| Core::new(plans, interval_ms, start),
        )
    }

    /// The same, with probes under load counted apart.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_labelling_load(
        plans: &[SeriesPlan],
        interval_ms: u32,
        out: mpsc::Sender<Delivery>,
    ) -> Result<Self, StartError> {
        Self::start_core(
            plans,
            out,
            (Trust::of_the_system, ReadsAtOnce::default()),
            |start| Core::labelling_load(plans, interval_ms, start),
        )
    }

    /// The same; exchanges believe the authorities of `trust` instead of the system's.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_believing(
        plans: &[SeriesPlan],
        interval_ms: u32,
        out: mpsc::Sender<Delivery>,
        trust: Trust,
    ) -> Result<Self, StartError> {
        Self::start_core(plans, out, (|| trust, ReadsAtOnce::default()), |start| {
            Core::new(plans, interval_ms, start)
        })
    }

    /// The same for a person who watches: each interval leaves as soon as all its probes are settled.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_eager(
        plans: &[SeriesPlan],
        interval_ms: u32,
        out: mpsc::Sender<Delivery>,
    ) -> Result<Self, StartError> {
        Self::start_core(plans, out, (Trust::of_the_system, ReadsAtOnce::Always), |start| {
            Core::new(plans, interval_ms, start).eager()
        })
    }

    fn start_core(
        plans: &[SeriesPlan],
        out: mpsc::Sender<Delivery>,
        (trust, reads_at_once): (impl FnOnce() -> Trust + Send + 'static, ReadsAtOnce),
        core: impl FnOnce(Moment) -> Core,
    ) -> Result<Self, StartError> {
        let stop = Arc::new(Stop {
            asked: AtomicBool::new(false),
            waker: Waker::new()?,
        });
        let counting = Arc::new(Counting::default());
        let lanes = Lanes::of(plans);
        let sockets = LaneSockets::open(lanes.all(), Arc::clone(&counting), clock::monotonic())?;
        let (letterbox, inbox) = inbox()?;
        let back_offs = Arc::new(Mutex::new(BackOffCounters::default()));
        let core = core(clock::moment().plus_ns(STAMPS_SETTLE_NS));
        let reply_bytes = reply_bytes(plans);
        let mut turning = Turning {
            core,
            clock_watch: ClockWatch::default(),
            sockets,
            back_offs: Arc::clone(&back_offs),
            icmp_errors: HashMap::new(),
            connecting: HashMap::new(),
            batch: Batch::new(reply_bytes),
            reply_bytes,
            reads_at_once,
            sequence: 0,
            out,
            is_finite: plans.iter().any(|plan| plan.limit.is_some()),
            web: None,
            inbox,
        };
        if plans.iter().any(|plan| plan.request.is_some()) {
            turning.web = Some(Web::start_believing(letterbox.clone(), trust)?);
        }
        let of_thread = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("prober".to_owned())
            .spawn(move || {
                info!(scheduling = %thread::become_punctual(), "probing thread started");
                turning.run(&of_thread);
                turning.core.strays()
            })?;
        Ok(Self {
            stop,
            counting,
            back_offs,
            letterbox,
            thread,
        })
    }

    /// Where to tell the thread of other series.
    #[must_use]
    pub fn letterbox(&self) -> Letterbox {
        self.letterbox.clone()
    }

    /// A handle that ends the thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.stop))
    }

    /// Whether the thread has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// What this host refused the probes so far.
    #[must_use]
    pub fn refusals(&self) -> Refusals {
        self.counting.now()
    }

    /// What came of asking failing addresses less often so far.
    #[must_use]
    pub fn back_offs(&self) -> BackOffCounters {
        *self.back_offs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the thread to end; what came in and belonged to nothing. `None` if the thread panicked.
    #[must_use]
    pub fn join(self) -> Option<Strays> {
        self.thread.join().ok()
    }
}

/// Octets to read of each answer to these.
fn reply_bytes(plans: &[SeriesPlan]) -> usize {
    let longest = plans.iter().map(|plan| plan.lane.outgoing.payload_bytes).max();
    (usize::from(longest.unwrap_or(0)) + HEADER_BYTES).max(REPLY_BYTES)
}

struct Attempt {
    connecting: Connecting,
    give_up_at: Monotonic,
}

struct Turning {
    core: Core,
    clock_watch: ClockWatch,
    sockets: LaneSockets,
    /// What came of asking failing addresses less often, for others to read.
    back_offs: Arc<Mutex<BackOffCounters>>,
    /// What was last said instead of an answer, per series.
    icmp_errors: HashMap<u32, IcmpError>,
    connecting: HashMap<ProbeToken, Attempt>,
    batch: Batch,
    /// What the batch takes of each datagram.
    reply_bytes: usize,
    reads_at_once: ReadsAtOnce,
    sequence: u64,
    out: mpsc::Sender<Delivery>,
    /// Whether it ends when all is sent and answered. Without a limit there may be nothing to send for a while: a name that
    /// does not resolve yet.
    is_finite: bool,
    /// Who carries out exchanges of several steps. Never started by this thread: without a real-time right it is niced, and
    /// what it starts would be too.
    web: Option<Web>,
    inbox: Inbox,
}

impl Turning {
    fn run(&mut self, stop: &Stop) {
        let mut until = None;
        loop {
            if stop.asked.load(Ordering::Acquire) && until.is_none() {
                self.core.stop_sending();
                until = Some(clock::monotonic().plus_ns(LINGER_NS));
            }
            if let Some(error) = self.clock_watch.poll(clock::monotonic()) {
                self.core.set_clock_error(error);
            }
            // Sending first is what makes it punctual; and the stamps of what was just sent are then there to be read
            // in the same turn.
            self.send();
            self.receive();
            self.take_messages();
            let now = clock::moment();
            self.sockets.retry(now.monotonic);
            self.core.handle_timeout(now);
            self.say_back_offs();
            self.connecting
                .retain(|_, attempt| attempt.give_up_at > now.monotonic);
            while let Some(closed) = self.core.poll_closed(now.monotonic) {
                self.deliver(closed);
            }
            if (self.is_finite || until.is_some()) && self.core.is_done()
                || until.is_some_and(|until| until <= now.monotonic)
            {
                break;
            }
            if let Err(error) = self.sleep(stop, until) {
                warn!(%error, "waiting for packets failed; the probing thread ends");
                break;
            }
        }
        let now = clock::monotonic();
        let (closed, withdrawn) = self.core.close(now);
        if withdrawn > 0 {
            info!(
                probes = withdrawn,
                "stopped while probes were under way; they are counted neither as sent nor as lost"
            );
        }
        closed.into_iter().for_each(|interval| self.deliver(interval));
    }

    /// Once when an address begins to be asked less often, and once when it no longer is.
    fn say_back_offs(&mut self) {
        while let Some(notice) = self.core.poll_notice() {
            let counters = self.core.back_offs();
            *self.back_offs.lock().unwrap_or_else(PoisonError::into_inner) = counters;
            let series = notice.series;
            let address = self.core.address(series).map(|address| address.to_string());
            let address = address.unwrap_or_default();
            match notice.what {
                Turned::Slower(why) => warn!(
                    series,
                    address,
                    why = why.as_str(),
                    ?counters,
                    "a public address fails and is asked less often until it answers; what is not sent is no loss"
                ),
                Turned::AsEver(after_ns) => info!(
                    series,
                    address,
                    after_s = after_ns / NS_PER_S,
                    ?counters,
                    "a public address answers again and is asked as often as before"
                ),
            }
        }
    }

    fn take_messages(&mut self) {
        while let Some(message) = self.inbox.take() {
            match message {
                Message::Ended(token, end) => self.core.handle_exchange_end(token, end),
                Message::Changed(change) => self.take_change(&change),
                Message::Carrier(web) => self.web = Some(web),
            }
        }
    }

    fn take_change(&mut self, change: &Change) {
        for plan in &change.add {
            self.core.add(plan, clock::monotonic().plus_ns(STAMPS_SETTLE_NS));
            self.make_room(plan);
        }
        let now = clock::monotonic();
        change.pause.iter().for_each(|series| self.core.pause(*series));
        change
            .resume
            .iter()
            .for_each(|series| self.core.resume(*series, now));
        if let Some(load) = change.load {
            self.core.set_load(load);
        }
        if let Some(holds) = change.hold_exchanges {
            self.core.hold_exchanges(holds);
        }
        for (series, took_ns) in &change.looked_up {
            self.core.handle_lookup(*series, *took_ns);
        }
    }

    /// A name may have the first address of its family, or the first probes that are so long.
    fn make_room(&mut self, plan: &SeriesPlan) {
        let reply_bytes = reply_bytes(std::slice::from_ref(plan));
        if reply_bytes > self.reply_bytes {
            self.reply_bytes = reply_bytes;
            self.batch = Batch::new(reply_bytes);
        }
        self.sockets.grow(self.core.lanes().all(), clock::monotonic());
    }

    /// Stamps first: an answer settled before its probe's stamp was seen would wait for it in vain.
    fn receive(&mut self) {
        for numbered in &mut self.sockets.udp {
            let (lane, socket) = (numbered.lane, &mut numbered.socket);
            // Bounded by what the receive buffer holds; each turn takes entries out.
            while let Some(stamps) = receive_or_log(&mut self.batch, socket.as_fd(), Queue::Errors) {
                for entry in self.batch.datagrams() {
                    if let (Some(tx_id), Some(stamped)) =
                        (entry.ancillary.tx_id, entry.ancillary.kernel_stamp)
                    {
                        self.core.handle_tx_stamp(socket.owner(tx_id), stamped);
                    }
                    if let (Some(error), Some(target)) = (entry.ancillary.icmp_error, entry.from)
                        && let Some(series) = self.core.stamp_series(lane, target)
                    {
                        hear(&mut self.core, &mut self.icmp_errors, (series, target), error);
                    }
                }
                if stamps < BATCH {
                    break;
                }
            }
            while let Some(datagrams) = receive_or_log(&mut self.batch, socket.as_fd(), Queue::Data) {
                let received = clock::moment();
                let mut unstamped = false;
                for datagram in self.batch.datagrams() {
                    if let Some(from) = datagram.from {
                        let stamped = datagram.ancillary.kernel_stamp;
                        unstamped |= stamped.is_none();
                        self.core
                            .handle_datagram(lane, from, datagram.payload, received, stamped);
                    }
                }
                self.reads_at_once.note(datagrams, unstamped, received.monotonic);
                if datagrams < BATCH {
                    break;
                }
            }
        }
        self.receive_echoes();
        let core = &mut self.core;
        self.connecting.retain(|token, attempt| {
            let end = match attempt.connecting.progress() {
                Progress::Pending => return true,
                Progress::Connected(handshake) => ConnectEnd::Connected {
                    rtt_us: handshake.rtt_us,
                    retransmitted: handshake.retransmitted,
                },
                Progress::Refused => ConnectEnd::Refused,
                Progress::Failed(error) => {
                    if let Some(kind) = error_kind::of_connecting(&error) {
                        core.handle_error(token.series, kind);
                    }
                    ConnectEnd::Unreachable
                }
            };
            core.handle_connect_end(*token, end);
            false
        });
    }

    fn receive_echoes(&mut self) {
        for numbered in &mut self.sockets.echo {
            let (lane, socket) = (numbered.lane, &mut numbered.socket);
            while let Some(entries) = receive_or_log(&mut self.batch, socket.as_fd(), Queue::Errors) {
                for entry in self.batch.datagrams() {
                    let ancillary = entry.ancillary;
                    if let (Some(tx_id), Some(stamped)) = (ancillary.tx_id, ancillary.kernel_stamp) {
                        self.core.handle_tx_stamp(socket.owner(tx_id), stamped);
                    }
                    if let (Some(error), Some(target)) = (ancillary.icmp_error, entry.from)
                        && let Some(series) = self.core.echo_series(lane, target.ip())
                    {
                        hear(&mut self.core, &mut self.icmp_errors, (series, target), error);
                    }
                }
                if entries < BATCH {
                    break;
                }
            }
            socket.forget_error();
            while let Some(datagrams) = receive_or_log(&mut self.batch, socket.as_fd(), Queue::Data) {
                let received = clock::moment();
                let mut unstamped = false;
                for datagram in self.batch.datagrams() {
                    if let (Some(from), Some(message)) = (datagram.from, socket.message(datagram.payload)) {
                        let stamped = datagram.ancillary.kernel_stamp;
                        unstamped |= stamped.is_none();
                        let message = (socket.family(), message);
                        self.core
                            .handle_icmp((lane, from.ip()), message, received, stamped);
                    }
                }
                self.reads_at_once.note(datagrams, unstamped, received.monotonic);
                if datagrams < BATCH {
                    break;
                }
            }
        }
    }

    fn send(&mut self) {
        if self.core.is_due(clock::monotonic()) {
            // What has arrived since the last look at the error queue would fail the first send.
            self.sockets.forget_errors();
        }
        for _ in 0..SENDS_PER_TURN {
            match self.core.poll_transmit(clock::moment()) {
                None => return,
                Some(Transmit::Datagram { token, to, payload }) => {
                    let lane = self.lane(token);
                    if let Err(kind) = self.sockets.send_datagram(lane, token, to, &payload) {
                        self.core.handle_send_error(token, kind);
                    }
                }
                Some(Transmit::Echo {
                    token,
                    to,
                    echo,
                    padding,
                }) => {
                    let lane = self.lane(token);
                    if let Err(kind) = self.sockets.send_echo(lane, token, to, (&echo, padding)) {
                        self.core.handle_send_error(token, kind);
                    }
                }
                Some(Transmit::Connect {
                    token,
                    to,
                    give_up_at,
                }) => self.connect(token, to, give_up_at),
                Some(Transmit::Exchange {
                    token,
                    to,
                    give_up_at,
                }) => {
                    let order = self.core.request(token.series).map(|request| Order {
                        token,
                        to,
                        give_up_at,
                        request: request.clone(),
                    });
                    let taken = order.zip(self.web.as_ref()).map(|(order, web)| web.take(order));
                    let kind = match taken {
                        Some(true) => continue,
                        Some(false) => ErrorKind::SendNoBuffer,
                        None => ErrorKind::SendNoSocket,
                    };
                    self.core.handle_send_error(token, Some(kind));
                }
            }
        }
    }

    fn lane(&self, token: ProbeToken) -> u32 {
        self.core.lanes().of_series(token.series).unwrap_or(u32::MAX)
    }

    fn connect(&mut self, token: ProbeToken, to: SocketAddr, give_up_at: Monotonic) {
        if self.connecting.len() >= MOST_CONNECTING {
            self.core.handle_send_error(token, Some(ErrorKind::SendNoBuffer));
            return;
        }
        let Some(started) = self.sockets.connect(self.lane(token), to) else {
            self.core.handle_send_error(token, Some(ErrorKind::SendNoSocket));
            return;
        };
        match started {
            Ok(connecting) => {
                self.connecting.insert(
                    token,
                    Attempt {
                        connecting,
                        give_up_at,
                    },
                );
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                self.core.handle_connect_end(token, ConnectEnd::Refused);
            }
            Err(error) => self.core.handle_send_error(token, error_kind::of_sending(&error)),
        }
    }

    fn sleep(&self, stop: &Stop, until: Option<Monotonic>) -> io::Result<()> {
        let now = clock::monotonic();
        let at_once = self.reads_at_once.at(now) || self.is_finite;
        let sockets = at_once.then(|| self.sockets.readable());
        let others = [
            Some(self.inbox.as_fd()),
            until.is_none().then(|| stop.waker.as_fd()),
        ];
        let connecting = self.connecting.values();
        let deadlines = [self.core.poll_timeout(), until];
        wait(
            sockets.into_iter().flatten().chain(others.into_iter().flatten()),
            connecting.map(|attempt| attempt.connecting.as_fd()),
            now,
            deadlines.into_iter().flatten().min(),
        )
    }

    fn deliver(&mut self, closed: ClosedInterval) {
        self.sequence += 1;
        if self
            .out
            .try_send(Delivery {
                sequence: self.sequence,
                closed,
            })
            .is_err()
        {
            // The receiver sees the hole in the numbers and leaves a tombstone in its place.
            warn!(
                sequence = self.sequence,
                "an interval was given up: the channel to the uplink is full or closed"
            );
        }
    }
}

/// Counts an ICMP error, and says it whenever it changes.
fn hear(
    core: &mut Core,
    last: &mut HashMap<u32, IcmpError>,
    (series, target): (u32, SocketAddr),
    error: IcmpError,
) {
    core.handle_error(series, error.kind);
    if last.insert(series, error) != Some(error) {
        let offender = error.offender.map(|at| at.to_string()).unwrap_or_default();
        warn!(target = %target.ip(), error = error.kind.as_str(), from = offender, "ICMP error instead of an answer");
    }
}

fn receive_or_log(batch: &mut Batch, socket: BorrowedFd<'_>, queue: Queue) -> Option<usize> {
    // An ICMP error that has just arrived fails whatever call comes next, once.
    let received = batch
        .receive(socket, queue)
        .or_else(|_| batch.receive(socket, queue));
    match received {
        Ok(0) => None,
        Ok(received) => Some(received),
        Err(error) => {
            warn!(%error, ?queue, "reading a prober socket failed");
            None
        }
    }
}
