//! All series together: the schedule says when, the sessions say what an answer means, the tally keeps count. Pure;
//! handed the time.
//!
//! The caller (the probing thread, or a simulated network) turns this handle: report what happened (`handle_*`),
//! send what is asked for (`poll_transmit`), sleep until `poll_timeout`, collect `poll_closed`.

use std::collections::HashMap;
use std::hash::RandomState;
use std::net::{IpAddr, SocketAddr};

use azimuth_measurement::{Answer, ErrorKind, LoadLabel, Method, Phase};

use crate::clock::{Moment, Monotonic, NS_PER_MS, Wall};
use crate::icmp::{Echo, Family, MESSAGE_BYTES};
use crate::schedule::Schedule;
use crate::stamp::{ErrorEstimate, PacketError};
use crate::tally::{ClosedInterval, IntervalOrdinal, LOADED_SERIES, Tally};

use super::back_off::BackOff;
use super::back_offs::{BackOffCounters, BackOffs, Notice};
use super::connect_session::{ConnectEnd, ConnectSession};
use super::contract::{ECHO_DATA_BYTES, ProbeToken, SeriesPlan, Strays, Transmit};
use super::delay::whole_us;
use super::exchange::{ExchangeEnd, Request, Side, sides};
use super::exchange_session::{ExchangeSession, GRACE_NS};
use super::exchange_tally::{count_exchange, count_side};
use super::finding_tally::{count_connect, count_finding};
use super::heard;
use super::icmp_session::IcmpSession;
use super::lane::Lanes;
use super::stamp_session::{Arrival, StampSession};
use super::wire::Wire;

/// How often sessions are asked whether a waiting time has passed. Losses are counted by the waiting time itself, not
/// by this; it only bounds when they are noticed.
const SWEEP_NS: i64 = 100 * NS_PER_MS;

#[derive(Debug)]
enum Session {
    Stamp(StampSession, Wire),
    Icmp(IcmpSession),
    Connect(ConnectSession),
    Exchange(ExchangeSession, Request, &'static [Side]),
    /// A side of the exchanges of a series before it, or its probes under load.
    Side,
}

#[derive(Debug)]
struct Series {
    address: SocketAddr,
    waiting_ns: i64,
    /// Zeros after an echo request.
    padding: u16,
    session: Session,
}

/// The prober.
#[derive(Debug)]
pub struct Core {
    series: Vec<Series>,
    /// Of these, those that send; the others are counted beside one.
    senders: Vec<u32>,
    lanes: Lanes,
    /// By lane and peer.
    by_peer: HashMap<(u32, SocketAddr), u32>,
    /// Likewise.
    by_echo_peer: HashMap<(u32, IpAddr), u32>,
    schedule: Schedule,
    back_offs: BackOffs,
    tally: Tally,
    sweep_at: Monotonic,
    clock_error: ErrorEstimate,
    strays: Strays,
    /// Whether probes under load are counted in series of their own.
    labels_load: bool,
    /// Exchanges do not begin.
    holds_exchanges: bool,
}

impl Core {
    /// A prober of `plans` whose slots begin at `start`, counting in intervals of `interval_ms`.
    ///
    /// Series of one address, method and lane must not occur twice (the configuration refuses them): a reply could belong
    /// to either.
    #[must_use]
    pub fn new(plans: &[SeriesPlan], interval_ms: u32, start: Moment) -> Self {
        Self::made(plans, interval_ms, start, false)
    }

    /// The same, where each series of one packet and its answer is followed by two for its probes under load.
    #[must_use]
    pub fn labelling_load(plans: &[SeriesPlan], interval_ms: u32, start: Moment) -> Self {
        Self::made(plans, interval_ms, start, true)
    }

    fn made(plans: &[SeriesPlan], interval_ms: u32, start: Moment, labels_load: bool) -> Self {
        let mut core = Self {
            series: Vec::with_capacity(plans.len()),
            senders: Vec::with_capacity(plans.len()),
            lanes: Lanes::default(),
            by_peer: HashMap::new(),
            by_echo_peer: HashMap::new(),
            schedule: Schedule::default(),
            back_offs: BackOffs::default(),
            tally: Tally::new(0, interval_ms, 0, start),
            sweep_at: start.monotonic,
            clock_error: ErrorEstimate::UNSYNCHRONISED,
            strays: Strays::default(),
            labels_load,
            holds_exchanges: false,
        };
        for plan in plans {
            core.add(plan, start.monotonic);
        }
        core
    }

    /// One series more, and those of its sides after it; its slots begin at `start`. Its number, which is never another's.
    pub fn add(&mut self, plan: &SeriesPlan, start: Monotonic) -> u32 {
        let period_ns = i64::from(plan.period_ms) * NS_PER_MS;
        let waiting_ns = i64::from(plan.waiting_time_ms) * NS_PER_MS;
        let index = self
            .schedule
            .add_paced(start, plan.phase_ns, (period_ns, plan.pace), plan.limit);
        if let Some(seed) = plan.backs_off {
            self.back_offs.add(index, BackOff::new(period_ns, seed));
        }
        self.lanes.add(plan);
        let lane = self.lanes.of_series(index).unwrap_or(u32::MAX);
        let payload_bytes = plan.lane.outgoing.payload_bytes;
        let sides = sides(plan.method);
        let session = match (plan.method, &plan.request) {
            (Method::Stamp, _) => {
                self.by_peer.insert((lane, plan.address), index);
                let session = StampSession::new(waiting_ns, 0);
                let wire = Wire {
                    key: plan.key.clone(),
                    // A follow-up comes with the answer to the next probe.
                    asks_follow_up: plan.follow_up && period_ns < waiting_ns,
                    asks_counted: plan.direct_measurement,
                    payload_bytes,
                };
                let session = if wire.asks_counted {
                    session.asking_counted()
                } else {
                    session
                };
                let session = if wire.asks_follow_up {
                    session.asking_follow_up()
                } else {
                    session
                };
                Session::Stamp(session, wire)
            }
            (Method::IcmpEcho, _) => {
                self.by_echo_peer.insert((lane, plan.address.ip()), index);
                Session::Icmp(IcmpSession::new(waiting_ns, RandomState::new()))
            }
            (_, Some(request)) => Session::Exchange(ExchangeSession::new(waiting_ns), request.clone(), sides),
            (_, None) => Session::Connect(ConnectSession::new(waiting_ns)),
        };
        let tally_ns = match session {
            Session::Exchange(..) => waiting_ns.saturating_add(GRACE_NS),
            _ => waiting_ns,
        };
        let address = plan.address;
        self.senders.push(index);
        self.series.push(Series {
            address,
            waiting_ns,
            padding: payload_bytes.saturating_sub(ECHO_DATA_BYTES),
            session,
        });
        let loaded = loaded_series(plan.method, self.labels_load);
        self.lanes.add_beside(loaded);
        for _ in 0..sides.len() + loaded {
            // Keeps the numbers of both alike; never due.
            self.schedule.add(start, 0, period_ns, Some(0));
            self.series.push(Series {
                address,
                waiting_ns,
                padding: 0,
                session: Session::Side,
            });
        }
        self.tally.grow(self.series.len(), tally_ns);
        if loaded > 0 {
            self.tally.count_loaded_beside(index);
        }
        index
    }

    /// Stops sending for a series; what is under way is still waited for.
    pub fn pause(&mut self, series: u32) {
        self.schedule.pause(series);
    }

    /// Sends again for a paused series, from its next slot after `now`.
    pub fn resume(&mut self, series: u32, now: Monotonic) {
        self.schedule
            .resume(series, self.back_offs.not_before(series, now));
    }

    /// What people should read of addresses that are asked less often, or as often as ever again.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.back_offs.poll_notice()
    }

    /// What came of asking less often.
    #[must_use]
    pub fn back_offs(&self) -> BackOffCounters {
        self.back_offs.counters()
    }

    /// Where a series sends to.
    #[must_use]
    pub fn address(&self, series: u32) -> Option<SocketAddr> {
        Some(self.series.get(series as usize)?.address)
    }

    /// Probes sent from now on are sent under this load of our own.
    pub fn set_load(&mut self, load: LoadLabel) {
        self.tally.set_load(load);
    }

    /// Whether exchanges, which take long and have no series for load, are left out from now on; their slots count as skipped.
    pub fn hold_exchanges(&mut self, holds: bool) {
        self.holds_exchanges = holds;
    }

    /// How far this host's clock may be off, from now on.
    pub fn set_clock_error(&mut self, error: ErrorEstimate) {
        self.clock_error = error;
    }

    /// What the exchanges of a series ask.
    #[must_use]
    pub fn request(&self, series: u32) -> Option<&Request> {
        match &self.series.get(series as usize)?.session {
            Session::Exchange(_, request, _) => Some(request),
            _ => None,
        }
    }

    /// A name was looked up for the exchanges of `series`, in so many nanoseconds; `None` if in vain.
    pub fn handle_lookup(&mut self, series: u32, took_ns: Option<i64>) {
        if let Some(side) = self.side_of(series, (Phase::Dns, Answer::Ordinary)) {
            let interval = self.tally.current();
            // A look-up is no probe of a stream, so it varies from no other.
            count_side(&mut self.tally, (side, 0), interval, took_ns);
        }
    }

    fn side_of(&self, series: u32, wanted: Side) -> Option<u32> {
        let Session::Exchange(_, _, sides) = &self.series.get(series as usize)?.session else {
            return None;
        };
        let place = sides.iter().position(|side| *side == wanted)?;
        Some(series + 1 + place as u32)
    }

    /// An exchange has ended.
    pub fn handle_exchange_end(&mut self, token: ProbeToken, end: ExchangeEnd) {
        if let Some(Session::Exchange(session, ..)) = self.session(token.series) {
            session.handle_end(token.sequence, end);
            self.settle(token.series);
        }
    }

    /// The same, closing each interval as soon as all its probes are settled: for a person who watches.
    #[must_use]
    pub fn eager(mut self) -> Self {
        self.tally = self.tally.eager();
        self
    }

    /// The sockets that the series need.
    #[must_use]
    pub fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    /// When to call again even if nothing happens.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Monotonic> {
        let slot_at = self.schedule.poll_timeout();
        let soon = self.sweep_at.plus_ns(SWEEP_NS);
        // Not woken up for it where a probe is to be sent soon: it is done then.
        let wants_sweep = slot_at.is_none_or(|at| at > soon) && self.senders().any(Series::is_waiting);
        let sweep_at = wants_sweep.then_some(self.sweep_at);
        let all = [slot_at, sweep_at, self.tally.poll_timeout()];
        all.into_iter().flatten().min()
    }

    /// Lets waiting times pass and intervals begin. To be called before anything is sent, and after everything that
    /// has arrived was handled: an answer must not be given up while it lies in a queue.
    pub fn handle_timeout(&mut self, now: Moment) {
        self.tally.handle_timeout(now);
        if now.monotonic >= self.sweep_at {
            self.sweep(now.monotonic);
            self.sweep_at = now.monotonic.plus_ns(SWEEP_NS);
        }
        self.back_offs.turn(&mut self.schedule, now.monotonic);
    }

    /// Whether a slot is due at `now`.
    #[must_use]
    pub fn is_due(&self, now: Monotonic) -> bool {
        self.schedule.poll_timeout().is_some_and(|at| at <= now)
    }

    /// The next thing to send, if one is due at `now`. `now` must be read just before each call: it is the sending
    /// time of the probe.
    pub fn poll_transmit(&mut self, now: Moment) -> Option<Transmit> {
        self.tally.handle_timeout(now);
        let interval = self.tally.current();
        let due = loop {
            let due = self.schedule.poll_due(now.monotonic)?;
            let session = self.series.get(due.series as usize).map(|series| &series.session);
            if !self.holds_exchanges || !matches!(session, Some(Session::Exchange(..))) {
                break due;
            }
            if let Some(counts) = self.tally.counts(interval, due.series) {
                counts.skipped += 1 + due.skipped;
            }
        };
        self.tally
            .record_lateness(whole_us(now.monotonic.since_ns(due.intended_at)));
        if let Some(counts) = self.tally.counts(interval, due.series) {
            counts.sent += 1;
            counts.skipped += due.skipped;
        }
        self.tally.note_sent();
        let series = self.series.get_mut(due.series as usize)?;
        let to = series.address;
        Some(match &mut series.session {
            Session::Stamp(session, wire) => {
                session.set_clock_error(self.clock_error);
                let request = session.send(now, interval);
                Transmit::Datagram {
                    token: ProbeToken {
                        series: due.series,
                        sequence: request.sequence,
                    },
                    to,
                    payload: wire.encode(&request),
                }
            }
            Session::Icmp(session) => {
                let echo = session.send(now, interval);
                Transmit::Echo {
                    token: ProbeToken {
                        series: due.series,
                        sequence: echo.sequence,
                    },
                    to,
                    echo,
                    padding: series.padding,
                }
            }
            // Never due.
            Session::Side => return None,
            Session::Exchange(session, ..) => Transmit::Exchange {
                token: ProbeToken {
                    series: due.series,
                    sequence: session.send(now.monotonic, interval),
                },
                to,
                give_up_at: now.monotonic.plus_ns(series.waiting_ns),
            },
            Session::Connect(session) => {
                let sequence = session.send(now.monotonic, interval);
                let give_up_at = now.monotonic.plus_ns(series.waiting_ns);
                Transmit::Connect {
                    token: ProbeToken {
                        series: due.series,
                        sequence,
                    },
                    to,
                    give_up_at,
                }
            }
        })
    }

    /// What [`poll_transmit`](Self::poll_transmit) just asked for could not be sent, for this reason if it has a name.
    pub fn handle_send_error(&mut self, token: ProbeToken, why: Option<ErrorKind>) {
        let interval = self.tally.current();
        if let Some(counts) = self.tally.counts(interval, token.series) {
            counts.sent = counts.sent.saturating_sub(1);
            counts.send_errors += 1;
            if let Some(why) = why {
                counts.errors.note(why);
            }
        }
        self.tally.note_settled(interval);
        match self
            .series
            .get_mut(token.series as usize)
            .map(|series| &mut series.session)
        {
            Some(Session::Stamp(session, _)) => session.handle_send_error(),
            Some(Session::Icmp(session)) => session.inner().handle_send_error(),
            Some(Session::Connect(session)) => session.handle_send_error(),
            Some(Session::Exchange(session, ..)) => session.handle_send_error(),
            Some(Session::Side) | None => {}
        }
    }

    /// An error was heard instead of an answer to `series`. It settles nothing, because anyone may send one: its probe is lost
    /// once its waiting time has passed. It counts in the interval in which it was heard.
    pub fn handle_error(&mut self, series: u32, kind: ErrorKind) {
        let interval = self.tally.current();
        if let Some(counts) = self.tally.counts(interval, series) {
            counts.errors.note(kind);
        }
    }

    /// The kernel's stamp for a probe on its way; `None` when the rim could not tell whose it is.
    pub fn handle_tx_stamp(&mut self, token: Option<ProbeToken>, stamped: Wall) {
        let taken = token.is_some_and(|token| match self.session(token.series) {
            Some(Session::Stamp(session, _)) => session.handle_tx_stamp(token.sequence, stamped),
            Some(Session::Icmp(session)) => session.inner().handle_tx_stamp(token.sequence, stamped),
            _ => false,
        });
        match token {
            Some(token) if taken => self.settle(token.series),
            _ => self.strays.stamps += 1,
        }
    }

    /// A datagram that arrived on the socket of `lane`.
    pub fn handle_datagram(
        &mut self,
        lane: u32,
        from: SocketAddr,
        payload: &[u8],
        received: Moment,
        kernel_received: Option<Wall>,
    ) {
        let Some(&index) = self.by_peer.get(&(lane, from)) else {
            self.strays.unknown_peer += 1;
            return;
        };
        let Some(Session::Stamp(session, wire)) = self.session(index) else {
            return;
        };
        let (reply, told) = match wire.decode(payload) {
            Ok(read) => read,
            Err(PacketError::Signature) => {
                self.strays.unauthentic += 1;
                return;
            }
            Err(PacketError::TooShort { .. } | PacketError::ZeroMultiplier) => {
                self.strays.unreadable += 1;
                return;
            }
        };
        let arrival = session.handle_reply(&reply, told, received, kernel_received);
        self.count_arrival(index, arrival);
        self.settle(index);
    }

    /// An ICMP message that arrived on the echo socket of `lane`, which is of `family`.
    pub fn handle_icmp(
        &mut self,
        (lane, from): (u32, IpAddr),
        (family, message): (Family, &[u8]),
        received: Moment,
        kernel_received: Option<Wall>,
    ) {
        let Ok(echo) = Echo::decode_reply(message, family) else {
            self.strays.unreadable += 1;
            return;
        };
        let Some(index) = self.echo_series(lane, from) else {
            self.strays.unknown_peer += 1;
            return;
        };
        let padding = self.series.get(index as usize).map_or(0, |series| series.padding);
        if message.len() != MESSAGE_BYTES + usize::from(padding) {
            self.strays.unreadable += 1;
            return;
        }
        let Some(Session::Icmp(session)) = self.session(index) else {
            return;
        };
        let arrival = session.handle_reply(&echo, received, kernel_received);
        self.count_arrival(index, arrival);
        self.settle(index);
    }

    /// The series that sends echo requests to `peer` by `lane`.
    #[must_use]
    pub fn echo_series(&self, lane: u32, peer: IpAddr) -> Option<u32> {
        self.by_echo_peer.get(&(lane, peer)).copied()
    }

    /// The series that sends STAMP probes to `peer` by this lane.
    #[must_use]
    pub fn stamp_series(&self, lane: u32, peer: SocketAddr) -> Option<u32> {
        self.by_peer.get(&(lane, peer)).copied()
    }

    /// A connection attempt has ended.
    pub fn handle_connect_end(&mut self, token: ProbeToken, end: ConnectEnd) {
        if let Some(Session::Connect(session)) = self.session(token.series) {
            session.handle_end(token.sequence, end);
            self.settle(token.series);
        }
    }

    /// The next interval all of whose probes are settled.
    pub fn poll_closed(&mut self, now: Monotonic) -> Option<ClosedInterval> {
        if !self.tally.is_due(now) {
            return None;
        }
        // The sweep may be up to SWEEP_NS ago, and a probe still under way must not leave with its interval.
        self.sweep(now);
        self.tally.poll_closed(now)
    }

    /// No more probes from now on; what is under way is still waited for.
    pub fn stop_sending(&mut self) {
        self.schedule.stop();
    }

    /// Whether nothing is left to send or to wait for.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.schedule.poll_timeout().is_none() && !self.senders().any(Series::awaits_answer)
    }

    /// The end: all intervals as they stand. Probes whose fate is still open were neither returned nor lost, so they
    /// are taken out of `sent`; how many that were is the second value.
    pub fn close(&mut self, now: Monotonic) -> (Vec<ClosedInterval>, u64) {
        self.sweep(now);
        let mut withdrawn = 0;
        for place in 0..self.senders.len() {
            let index = self.senders[place];
            let unknown = match self.session(index) {
                Some(Session::Stamp(session, _)) => session.withdraw(),
                Some(Session::Icmp(session)) => session.inner().withdraw(),
                Some(Session::Connect(session)) => session.withdraw(),
                Some(Session::Exchange(session, ..)) => session.withdraw(),
                Some(Session::Side) | None => Vec::new(),
            };
            self.settle(index);
            for interval in unknown {
                withdrawn += 1;
                if let Some(counts) = self.tally.counts(interval, index) {
                    counts.sent = counts.sent.saturating_sub(1);
                }
            }
        }
        (self.tally.close_all(now), withdrawn)
    }

    /// What came in and belonged to nothing.
    #[must_use]
    pub fn strays(&self) -> Strays {
        self.strays
    }

    fn session(&mut self, series: u32) -> Option<&mut Session> {
        self.series
            .get_mut(series as usize)
            .map(|series| &mut series.session)
    }

    fn senders(&self) -> impl Iterator<Item = &Series> {
        let all = self.senders.iter();
        all.filter_map(|index| self.series.get(*index as usize))
    }

    fn sweep(&mut self, now: Monotonic) {
        for place in 0..self.senders.len() {
            let index = self.senders[place];
            match self.session(index) {
                Some(Session::Stamp(session, _)) => session.handle_timeout(now),
                Some(Session::Icmp(session)) => session.inner().handle_timeout(now),
                Some(Session::Connect(session)) => session.handle_timeout(now),
                Some(Session::Exchange(session, ..)) => session.handle_timeout(now),
                Some(Session::Side) | None => {}
            }
            self.settle(index);
        }
    }

    fn count_arrival(&mut self, series: u32, arrival: Arrival) {
        let oldest = IntervalOrdinal::FIRST;
        let (interval, count): (_, fn(&mut azimuth_measurement::ProbeCounts)) = match arrival {
            Arrival::First { reordered: false, .. } => return,
            Arrival::First {
                interval,
                reordered: true,
            } => (interval, |counts| counts.reordered += 1),
            Arrival::Duplicate { interval } => (interval.unwrap_or(oldest), |counts| counts.duplicate += 1),
            Arrival::Late { interval } => (interval.unwrap_or(oldest), |counts| counts.late += 1),
            Arrival::Foreign => {
                self.strays.foreign += 1;
                return;
            }
        };
        if let Some(counts) = self.tally.counts(interval, series) {
            count(counts);
        }
    }

    /// Moves what the session of `series` has found out into the tally.
    fn settle(&mut self, series: u32) {
        match self
            .series
            .get_mut(series as usize)
            .map(|series| &mut series.session)
        {
            Some(Session::Stamp(session, _)) => {
                while let Some(finding) = session.poll_finding() {
                    self.back_offs.hear(series, heard::of_finding(&finding));
                    count_finding(&mut self.tally, series, finding);
                }
            }
            Some(Session::Icmp(session)) => {
                while let Some(finding) = session.inner().poll_finding() {
                    self.back_offs.hear(series, heard::of_finding(&finding));
                    count_finding(&mut self.tally, series, finding);
                }
            }
            Some(Session::Connect(session)) => {
                while let Some((interval, finding)) = session.poll_finding() {
                    self.back_offs.hear(series, Some(heard::of_connect(&finding)));
                    count_connect(&mut self.tally, series, interval, finding);
                }
            }
            Some(Session::Exchange(session, _, sides)) => {
                while let Some((interval, sequence, end)) = session.poll_finding() {
                    self.back_offs.hear(series, heard::of_exchange(end.as_ref()));
                    count_exchange(&mut self.tally, (series, sequence), sides, interval, end);
                }
            }
            Some(Session::Side) | None => {}
        }
    }
}

/// How many series for its probes under load follow one of this method.
#[must_use]
pub fn loaded_series(method: Method, labels_load: bool) -> usize {
    // What takes several steps is not begun under load.
    if labels_load && sides(method).is_empty() {
        LOADED_SERIES
    } else {
        0
    }
}

impl Series {
    fn awaits_answer(&self) -> bool {
        match &self.session {
            // A missing stamp is not worth the wait at the end; the answers are there.
            Session::Stamp(session, _) if session.asks_follow_up() => session.awaits_answer(),
            _ => self.is_waiting(),
        }
    }

    fn is_waiting(&self) -> bool {
        match &self.session {
            Session::Stamp(session, _) => session.poll_timeout().is_some(),
            Session::Icmp(session) => session.as_inner().poll_timeout().is_some(),
            Session::Connect(session) => session.poll_timeout().is_some(),
            Session::Exchange(session, ..) => session.is_waiting(),
            Session::Side => false,
        }
    }
}
