//! The relay's thread: waits, reads, asks [`super::network`], writes, and keeps the account.
//!
//! Waiting: it sleeps in ppoll until `SPIN_NS` before the next deadline, then polls without sleeping. A sleeping
//! thread wakes 30 to 80 us late on a virtual machine; a spinning one does not, and a packet that comes in meanwhile
//! is read at once.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;

use super::network::{Direction, DropReason, Flow, Network, Outcome, Refusal, StrayReason};
use super::segment::Segment;
use super::speech::ProbeKey;
use crate::clock::Clock;
use crate::namespace::{MTU_BYTES, RelayPriority, Tun, become_relay_thread};
use crate::plan::NodeIndex;
use crate::truth::ledger::Ledger;
use crate::truth::writer::{Message, PacketRecord};

/// How long before a deadline the thread stops sleeping. Chosen with `relay-check`: 30, 50 and 80 us all keep the
/// 99th percentile near 30 us on a two-core virtual machine with its cores busy; every microsecond more costs CPU, and
/// fewer leave no room for a slower machine's wake-up.
const SPIN_NS: u64 = 50_000;

/// Housekeeping: clock offset, finished windows, batches of packet lines.
const HOUSEKEEPING_NS: u64 = 1_000_000_000;

/// Packets taken from one device before the others and the due ones get their turn.
const READS_PER_TURN: usize = 8;

/// Devices looked at per wait.
const EVENTS_PER_TURN: usize = 64;

/// The epoll token of the stop signal; devices use their node's index.
const STOP: u64 = u64::MAX;

/// What the relay's thread hands back when it stops.
#[derive(Debug)]
pub struct RelayEnd {
    /// Packets that belonged to no pair, by reason.
    pub strays: BTreeMap<StrayReason, u64>,
    /// Packets still on their way.
    pub in_flight: usize,
    /// Packet records the writer was too slow for.
    pub packet_lines_lost: u64,
}

/// A running relay.
#[derive(Debug)]
pub struct Relay {
    thread: JoinHandle<io::Result<RelayEnd>>,
    stop: Arc<EventFd>,
    /// What the kernel granted its thread.
    pub priority: RelayPriority,
}

/// What the relay keeps for `--every-packet` and for its own check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketRecords {
    /// Nothing beyond the windows.
    Off,
    /// Every packet's fate, sent in batches.
    Every,
}

impl Relay {
    /// Starts the relay over `tuns`, in node order. `clock` must stand at 0 when the network does.
    ///
    /// # Errors
    /// When the kernel refuses a descriptor or the thread.
    pub fn start(
        network: Network,
        tuns: Vec<Tun>,
        clock: Clock,
        truth: SyncSender<Message>,
        records: PacketRecords,
    ) -> io::Result<Self> {
        let stop = Arc::new(EventFd::from_flags(
            EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK,
        )?);
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&*stop, EpollEvent::new(EpollFlags::EPOLLIN, STOP))?;
        for (node, tun) in tuns.iter().enumerate() {
            epoll.add(tun, EpollEvent::new(EpollFlags::EPOLLIN, node as u64))?;
        }
        let mut worker = Worker {
            network,
            tuns,
            clock,
            truth,
            records: (records == PacketRecords::Every).then(Vec::new),
            began_unix_ns: clock.began_unix_ns(),
            ledger: Ledger::default(),
            end: RelayEnd {
                strays: BTreeMap::new(),
                in_flight: 0,
                packet_lines_lost: 0,
            },
        };
        let (granted, priority) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("relay".to_owned())
            .spawn(move || {
                // The receiver waits below; it cannot be gone.
                let _ = granted.send(become_relay_thread());
                worker.run(&epoll)?;
                Ok(worker.finish())
            })?;
        let priority = priority.recv().map_err(io::Error::other)?;
        Ok(Self {
            thread,
            stop,
            priority,
        })
    }

    /// True when the thread has ended of its own accord, which it only does on an error.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.thread.is_finished()
    }

    /// Stops the thread and hands its last windows to the writer.
    ///
    /// # Errors
    /// When the thread met an error of the kernel while it ran.
    pub fn stop(self) -> io::Result<RelayEnd> {
        self.stop.write(1)?;
        self.thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the relay panicked")))
    }
}

/// A packet's way, as far as the account is concerned.
#[derive(Clone, Copy)]
struct Passage {
    flow: Flow,
    read_at_ns: u64,
    held: bool,
    copy: bool,
    said: Said,
}

/// What is read of a packet where every packet is written down.
#[derive(Clone, Copy, Default)]
struct Said {
    probe: Option<ProbeKey>,
    segment: Option<Segment>,
}

impl Passage {
    fn of(flow: Flow, read_at_ns: u64) -> Self {
        Self {
            flow,
            read_at_ns,
            held: false,
            copy: false,
            said: Said::default(),
        }
    }

    fn copy(self, copy: bool) -> Self {
        Self { copy, ..self }
    }
}

struct Worker {
    network: Network,
    tuns: Vec<Tun>,
    clock: Clock,
    truth: SyncSender<Message>,
    records: Option<Vec<PacketRecord>>,
    began_unix_ns: u64,
    ledger: Ledger,
    end: RelayEnd,
}

impl Worker {
    fn run(&mut self, epoll: &Epoll) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); EVENTS_PER_TURN];
        let mut buffer = [0_u8; MTU_BYTES];
        let mut housekeeping_at_ns = HOUSEKEEPING_NS;
        loop {
            self.deliver_due();
            if self.clock.elapsed_ns() >= housekeeping_at_ns {
                self.keep_house();
                housekeeping_at_ns += HOUSEKEEPING_NS;
            }
            let deadline_ns = self
                .network
                .next_deadline()
                .unwrap_or(u64::MAX)
                .min(housekeeping_at_ns);
            sleep_until(
                epoll,
                deadline_ns.saturating_sub(SPIN_NS),
                self.clock.elapsed_ns(),
            )?;
            let ready = epoll
                .wait(&mut events, EpollTimeout::ZERO)
                .or_else(interrupted_is_zero)?;
            for event in &events[..ready] {
                if event.data() == STOP {
                    return Ok(());
                }
                self.read_from(usize::try_from(event.data()).unwrap_or_default(), &mut buffer)?;
            }
        }
    }

    fn deliver_due(&mut self) {
        while let Some(outcome) = self.network.poll(self.clock.elapsed_ns()) {
            match outcome {
                Outcome::Dropped {
                    flow,
                    read_at_ns,
                    copy,
                    reason,
                } => {
                    self.account(Passage::of(flow, read_at_ns).copy(copy), Err(reason));
                }
                Outcome::Deliver(delivery) => {
                    // Taken before the call: the kernel stamps the packet inside it.
                    let write_at_ns = self.clock.elapsed_ns();
                    let written = self.tuns[delivery.to.0].send(&delivery.packet);
                    let delay_ns = write_at_ns - delivery.read_at_ns;
                    let late_ns = write_at_ns - delivery.due_at_ns;
                    let fate = written
                        .map(|()| (delay_ns, late_ns))
                        .map_err(|_| DropReason::DeviceRefused);
                    let passage = Passage {
                        held: delivery.held,
                        said: self.said_in(delivery.flow, &delivery.packet),
                        ..Passage::of(delivery.flow, delivery.read_at_ns)
                    };
                    self.account(passage.copy(delivery.copy), fate);
                }
            }
        }
    }

    fn read_from(&mut self, node: usize, buffer: &mut [u8]) -> io::Result<()> {
        for _ in 0..READS_PER_TURN {
            let Some(length) = self.tuns[node].receive(buffer)? else {
                break;
            };
            let read_at_ns = self.clock.elapsed_ns();
            let packet = &buffer[..length];
            match self
                .network
                .handle_packet(read_at_ns, NodeIndex(node), packet.to_vec())
            {
                Ok(()) => {}
                Err(Refusal::Dropped(flow, reason)) => {
                    let said = self.said_in(flow, packet);
                    let passage = Passage {
                        said,
                        ..Passage::of(flow, read_at_ns)
                    };
                    self.account(passage, Err(reason));
                }
                Err(Refusal::Stray(reason)) => *self.end.strays.entry(reason).or_default() += 1,
            }
        }
        Ok(())
    }

    fn said_in(&self, flow: Flow, packet: &[u8]) -> Said {
        let out = flow.direction == Direction::Out;
        self.records.as_ref().map_or_else(Said::default, |_| Said {
            probe: ProbeKey::of(packet, out),
            segment: Segment::of(packet, out),
        })
    }

    fn account(&mut self, passage: Passage, fate: Result<(u64, u64), DropReason>) {
        let Passage { flow, copy, .. } = passage;
        let read_unix_ns = self.began_unix_ns + passage.read_at_ns;
        match fate {
            _ if copy => self.ledger.doubled(flow, read_unix_ns, fate.is_ok()),
            Ok((delay_ns, late_ns)) => {
                self.ledger.delivered(flow, read_unix_ns, delay_ns, late_ns);
                if passage.held {
                    self.ledger.held(flow, read_unix_ns);
                }
            }
            Err(reason) => self.ledger.dropped(flow, read_unix_ns, reason),
        }
        if let Some(records) = &mut self.records {
            records.push(PacketRecord {
                flow,
                read_unix_ns,
                copy,
                probe: passage.said.probe,
                segment: passage.said.segment,
                fate,
            });
        }
    }

    fn keep_house(&mut self) {
        self.began_unix_ns = self.clock.began_unix_ns();
        let now_unix_ns = self.began_unix_ns + self.clock.elapsed_ns();
        while let Some(window) = self.ledger.take_finished(now_unix_ns) {
            match self.truth.try_send(Message::Window(window)) {
                Ok(()) => {}
                Err(TrySendError::Full(Message::Window(window))) => {
                    self.ledger.put_back(window);
                    break;
                }
                // Nobody writes any more; the world goes on and the runner reports the writer.
                Err(_) => break,
            }
        }
        if let Some(records) = &mut self.records {
            let batch = std::mem::take(records);
            let count = batch.len() as u64;
            if self.truth.try_send(Message::Packets(batch)).is_err() {
                self.end.packet_lines_lost += count;
            }
        }
    }

    /// Nothing is timed any more, so the last account may wait for room in the queue.
    fn finish(mut self) -> RelayEnd {
        if let Some(records) = self.records.take() {
            let _ = self.truth.send(Message::Packets(records));
        }
        for window in self.ledger.take_all() {
            let _ = self.truth.send(Message::Window(window));
        }
        self.end.in_flight = self.network.in_flight();
        self.end
    }
}

/// Sleeps until a descriptor is ready or `until_ns` has come; returns at once when it has passed.
fn sleep_until(epoll: &Epoll, until_ns: u64, now_ns: u64) -> io::Result<()> {
    let Some(left_ns) = until_ns.checked_sub(now_ns).filter(|left_ns| *left_ns > 0) else {
        return Ok(());
    };
    let timeout = TimeSpec::from_duration(std::time::Duration::from_nanos(left_ns));
    // ppoll on the epoll descriptor itself: epoll_wait alone counts in milliseconds.
    let mut ready = [PollFd::new(epoll.0.as_fd(), PollFlags::POLLIN)];
    ppoll(&mut ready, Some(timeout), None)
        .map(drop)
        .or_else(|errno| interrupted_is_zero(errno).map(drop))
}

fn interrupted_is_zero(errno: nix::Error) -> io::Result<usize> {
    if errno == nix::Error::EINTR {
        Ok(0)
    } else {
        Err(errno.into())
    }
}
