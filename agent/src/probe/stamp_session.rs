//! One STAMP Session-Sender (RFC 8762): which reply answers which probe, and what is lost, late, duplicate or out of
//! order. Pure; handed the time.
//!
//! A probe is *under way* from its sending until its waiting time has passed. An answer within that time makes it
//! returned; otherwise it is lost (RFC 7680), and stays lost when an answer comes later. A reply answers a probe only
//! if it carries that probe's sequence number and, bit for bit, its timestamp: a stranger would have to guess both.
//!
//! T3 is read by the reflector before its send call, so the delay would contain that call. A session that asks for
//! follow-up telemetry (RFC 8972 section 4.7) holds each answer back until the next one brings the kernel's stamp on it, or
//! until the waiting time has passed; then the T3 of the answer itself has to do, which is counted.

use std::collections::VecDeque;

use azimuth_measurement::{OneWaySample, StampClock};

use crate::clock::{Moment, Monotonic, NS_PER_MS, Wall};
use crate::stamp::extension::{Counted, FollowUp, Followed, Told};
use crate::stamp::{ErrorEstimate, NtpTimestamp, Reply, Request};
use crate::tally::IntervalOrdinal;

use super::delay::{Stamps, Verdict};
use super::direction::{Answered, Directions, Ways};
use super::history::{History, Memory};
use super::one_way::one_way;

/// A TX stamp this much before its own send call belongs to another probe.
const STAMP_BEFORE_SEND_NS: i64 = NS_PER_MS;
/// Longest send call of a reflector that is believed: a follow-up further from its T3 belongs to another reply, or to a
/// clock that was stepped.
const LONGEST_SEND_CALL_NS: i64 = 100 * NS_PER_MS;

/// What a session has found out about one of its probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Answered in time; this is what the answer is worth.
    Returned {
        /// When it was sent.
        interval: IntervalOrdinal,
        /// Its number.
        sequence: u32,
        /// The delay, or why there is none.
        verdict: Verdict,
        /// The kernel gave no stamp for the probe.
        missing_tx_stamp: bool,
        /// The kernel gave no stamp for the answer.
        missing_rx_stamp: bool,
        /// The reflector was asked for the kernel's stamp on its answer, and gave none.
        missing_follow_up: bool,
        /// How long each way took, where both ends say that their clock is synchronised.
        one_way: Option<OneWaySample>,
    },
    /// Not answered within the waiting time.
    Lost {
        /// When it was sent.
        interval: IntervalOrdinal,
        /// The kernel gave no stamp for the probe.
        missing_tx_stamp: bool,
    },
    /// On which way probes found lost before were lost.
    Ways(Ways),
}

/// What a reply turned out to be, apart from what it settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The first answer to a probe under way.
    First {
        /// When the probe was sent.
        interval: IntervalOrdinal,
        /// An answer to a later probe had come before it (RFC 4737).
        reordered: bool,
    },
    /// A further answer to a probe answered before (RFC 5560).
    Duplicate {
        /// When the probe was sent, if that is still known.
        interval: Option<IntervalOrdinal>,
    },
    /// The answer to a probe whose waiting time has passed.
    Late {
        /// When the probe was sent, if that is still known.
        interval: Option<IntervalOrdinal>,
    },
    /// Not an answer to anything this session sent.
    Foreign,
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    received: Moment,
    kernel_received: Option<Wall>,
    /// The number the reflector gave its reply.
    reflector_sequence: u32,
    /// T2.
    reflector_received_at: NtpTimestamp,
    /// T3: by the reply, then by the follow-up.
    reflected_at: NtpTimestamp,
    /// How far the reflector's clock may be off.
    error: ErrorEstimate,
    followed_up: bool,
    /// What the reflector had counted by then.
    counted: Option<Counted>,
}

#[derive(Clone, Copy, Debug)]
struct UnderWay {
    interval: IntervalOrdinal,
    sent: Moment,
    kernel_sent: Option<Wall>,
    answer: Option<Answer>,
    late_answer: bool,
    settled: bool,
}

/// The probes of one series to one reflector.
#[derive(Debug)]
pub struct StampSession {
    waiting_ns: i64,
    /// Whether probes ask for follow-up telemetry.
    asks_follow_up: bool,
    /// Whether the reflector's last reply spoke of it: nothing is waited for that will never come.
    follow_up_spoken: bool,
    /// How far this host's clock may be off.
    clock_error: ErrorEstimate,
    /// The ways of the lost, if probes ask for what the reflector counted.
    directions: Option<Directions>,
    next_sequence: u32,
    /// Highest sequence number answered so far.
    highest_answered: Option<u32>,
    /// In order of sequence numbers, without holes; the last one is `next_sequence - 1`.
    under_way: VecDeque<UnderWay>,
    history: History,
    settled_probes: u64,
    findings: VecDeque<Finding>,
}

impl StampSession {
    /// A session that gives each probe up after `waiting_ns` and numbers them from `first_sequence`.
    #[must_use]
    pub fn new(waiting_ns: i64, first_sequence: u32) -> Self {
        Self {
            waiting_ns,
            asks_follow_up: false,
            follow_up_spoken: false,
            clock_error: ErrorEstimate::UNSYNCHRONISED,
            directions: None,
            next_sequence: first_sequence,
            highest_answered: None,
            under_way: VecDeque::new(),
            history: History::default(),
            settled_probes: 0,
            findings: VecDeque::new(),
        }
    }

    /// The same session, asking its reflector for follow-up telemetry.
    #[must_use]
    pub fn asking_follow_up(mut self) -> Self {
        self.asks_follow_up = true;
        self
    }

    /// The same session, asking its reflector for what it counted.
    #[must_use]
    pub fn asking_counted(mut self) -> Self {
        self.directions = Some(Directions::default());
        self
    }

    /// Whether its probes are to carry the question for follow-up telemetry.
    #[must_use]
    pub fn asks_follow_up(&self) -> bool {
        self.asks_follow_up
    }

    /// How far this host's clock may be off, from now on.
    pub fn set_clock_error(&mut self, error: ErrorEstimate) {
        self.clock_error = error;
    }

    /// A new probe, on its way at `sent`.
    pub fn send(&mut self, sent: Moment, interval: IntervalOrdinal) -> Request {
        let sequence = self.next_sequence;
        self.next_sequence = sequence.wrapping_add(1);
        self.under_way.push_back(UnderWay {
            interval,
            sent,
            kernel_sent: None,
            answer: None,
            late_answer: false,
            settled: false,
        });
        Request {
            sequence,
            sent_at: NtpTimestamp::from_wall(sent.wall),
            error: self.clock_error,
            session_id: 0,
        }
    }

    /// The last probe was not sent after all: it never was.
    pub fn handle_send_error(&mut self) {
        if self.under_way.pop_back().is_some() {
            self.next_sequence = self.next_sequence.wrapping_sub(1);
        }
    }

    /// The kernel's stamp for the probe `sequence`. Refused (`false`) for probes not under way and for stamps that
    /// cannot be this probe's.
    pub fn handle_tx_stamp(&mut self, sequence: u32, stamped: Wall) -> bool {
        let index = self.index(sequence);
        let Some(probe) = self.under_way.get_mut(index) else {
            return false;
        };
        if probe.settled || stamped.since_ns(probe.sent.wall) < -STAMP_BEFORE_SEND_NS {
            return false;
        }
        probe.kernel_sent = Some(stamped);
        self.settle_if_complete(index);
        true
    }

    /// A reply from this session's reflector, read at `received` and stamped by the kernel at `kernel_received`, and what
    /// it says in its extensions.
    pub fn handle_reply(
        &mut self,
        reply: &Reply,
        told: impl Into<Told>,
        received: Moment,
        kernel_received: Option<Wall>,
    ) -> Arrival {
        let arrival = self.take_reply(reply, told.into(), received, kernel_received);
        if let (Some(directions), Arrival::Duplicate { .. }) = (&mut self.directions, arrival) {
            directions.handle_duplicate(self.next_sequence);
        }
        self.tell_ways();
        arrival
    }

    fn take_reply(
        &mut self,
        reply: &Reply,
        Told { followed, counted }: Told,
        received: Moment,
        kernel_received: Option<Wall>,
    ) -> Arrival {
        let sequence = reply.sender_sequence;
        let next_unsettled = self.next_sequence.wrapping_sub(self.under_way.len() as u32);
        let index = self.index(sequence);
        let Some(probe) = self.under_way.get_mut(index) else {
            return self.settled_arrival(sequence, next_unsettled);
        };
        if reply.sender_sent_at != NtpTimestamp::from_wall(probe.sent.wall) {
            return Arrival::Foreign;
        }
        let interval = probe.interval;
        let again = probe.answer.is_some() || probe.late_answer;
        self.take_follow_up(followed);
        // Settling what the follow-up completed may have moved this probe to another place.
        let index = self.index(sequence);
        let Some(probe) = self.under_way.get_mut(index) else {
            return Arrival::Duplicate { interval: None };
        };
        if again {
            return Arrival::Duplicate {
                interval: Some(interval),
            };
        }
        if travelled_ns(probe.sent, received, kernel_received) > self.waiting_ns {
            probe.late_answer = true;
            return Arrival::Late {
                interval: Some(interval),
            };
        }
        probe.answer = Some(Answer {
            received,
            kernel_received,
            reflector_sequence: reply.sequence,
            reflector_received_at: reply.received_at,
            reflected_at: reply.reflected_at,
            error: reply.error,
            followed_up: false,
            counted,
        });
        let reordered = self
            .highest_answered
            .is_some_and(|highest| is_before(sequence, highest));
        if !reordered {
            self.highest_answered = Some(sequence);
        }
        self.settle_if_complete(index);
        Arrival::First { interval, reordered }
    }

    /// Corrects the T3 of an earlier answer by the kernel's stamp on it.
    fn take_follow_up(&mut self, followed: Followed) {
        if !self.asks_follow_up {
            return;
        }
        self.follow_up_spoken = followed != Followed::NotSpoken;
        let Followed::Up(FollowUp { sequence, sent_at }) = followed else {
            // A reflector that stopped speaking it owes nothing to the answers held back so far.
            if !self.follow_up_spoken {
                (0..self.under_way.len())
                    .rev()
                    .for_each(|index| self.settle_if_complete(index));
            }
            return;
        };
        let meant = self.under_way.iter().rposition(|probe| {
            let answer = probe.answer.filter(|_| !probe.settled);
            answer.is_some_and(|answer| answer.reflector_sequence == sequence && !answer.followed_up)
        });
        let Some(index) = meant else { return };
        if let Some(answer) = self.under_way[index].answer.as_mut()
            && (0..=LONGEST_SEND_CALL_NS).contains(&sent_at.since_ns(answer.reflected_at))
        {
            answer.reflected_at = sent_at;
            answer.followed_up = true;
            self.settle_if_complete(index);
        }
    }

    /// What an answer with a number that is not under way is.
    fn settled_arrival(&mut self, sequence: u32, next_unsettled: u32) -> Arrival {
        let age = next_unsettled.wrapping_sub(sequence);
        if u64::from(age) > self.settled_probes {
            return Arrival::Foreign;
        }
        match self.history.recall(sequence, next_unsettled) {
            Memory::Answered => Arrival::Duplicate { interval: None },
            // Too long ago to tell: an answer this old is late, whatever else it is.
            Memory::Forgotten if age > 0 => Arrival::Late { interval: None },
            Memory::Forgotten => Arrival::Foreign,
            Memory::Unanswered => {
                self.history.settle(sequence, true);
                Arrival::Late { interval: None }
            }
        }
    }

    /// Gives up every probe whose waiting time has passed, and settles for a lesser clock where a stamp is missing.
    pub fn handle_timeout(&mut self, now: Monotonic) {
        while let Some(probe) = self.under_way.front()
            && now.since_ns(probe.sent.monotonic) >= self.waiting_ns
        {
            self.settle(0);
            self.forget_front();
        }
        self.tell_ways();
    }

    /// When the oldest probe's waiting time will have passed.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Monotonic> {
        self.under_way
            .front()
            .map(|probe| probe.sent.monotonic.plus_ns(self.waiting_ns))
    }

    /// What has been found out since the last call.
    pub fn poll_finding(&mut self) -> Option<Finding> {
        self.findings.pop_front()
    }

    /// Whether an answer may still come to a probe of this session. Probes that are answered may still wait for a stamp.
    #[must_use]
    pub fn awaits_answer(&self) -> bool {
        self.under_way.iter().any(|probe| probe.answer.is_none())
    }

    /// Probes neither returned nor lost yet.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.under_way.iter().filter(|probe| !probe.settled).count()
    }

    /// The end: settles every answered probe, and returns the intervals of those whose fate stays unknown.
    pub fn withdraw(&mut self) -> Vec<IntervalOrdinal> {
        // A probe whose fate is unknown is not lost on any way.
        self.directions = None;
        let mut unknown = Vec::new();
        while let Some(probe) = self.under_way.front() {
            if probe.answer.is_some() || probe.late_answer {
                self.settle(0);
            } else if !probe.settled {
                unknown.push(probe.interval);
            }
            self.forget_front();
        }
        unknown
    }

    fn index(&self, sequence: u32) -> usize {
        let next_unsettled = self.next_sequence.wrapping_sub(self.under_way.len() as u32);
        sequence.wrapping_sub(next_unsettled) as usize
    }

    /// A probe is settled early once its answer and all stamps are there; a missing one may still come.
    fn settle_if_complete(&mut self, index: usize) {
        let waits = self.asks_follow_up && self.follow_up_spoken;
        if self.under_way.get(index).is_some_and(|probe| {
            let answered = probe.answer.is_some_and(|answer| answer.followed_up || !waits);
            answered && probe.kernel_sent.is_some()
        }) {
            self.settle(index);
        }
        while self.under_way.front().is_some_and(|probe| probe.settled) {
            self.forget_front();
        }
    }

    fn settle(&mut self, index: usize) {
        let first = self.next_sequence.wrapping_sub(self.under_way.len() as u32);
        let Some(probe) = self.under_way.get_mut(index) else {
            return;
        };
        if std::mem::replace(&mut probe.settled, true) {
            return;
        }
        let missing_tx_stamp = probe.kernel_sent.is_none();
        let interval = probe.interval;
        self.findings.push_back(match probe.answer {
            None => Finding::Lost {
                interval,
                missing_tx_stamp,
            },
            Some(answer) => {
                let stamps = Stamps {
                    sent: probe.sent,
                    kernel_sent: probe.kernel_sent,
                    received: answer.received,
                    kernel_received: answer.kernel_received,
                    residence_ns: answer.reflected_at.since_ns(answer.reflector_received_at),
                };
                let missing_rx_stamp = answer.kernel_received.is_none();
                let missing_follow_up = self.asks_follow_up && !answer.followed_up;
                let verdict = stamps.judge();
                Finding::Returned {
                    interval,
                    sequence: first.wrapping_add(index as u32),
                    verdict,
                    missing_tx_stamp,
                    missing_rx_stamp,
                    missing_follow_up,
                    // A stamp of userspace is off by what no clock says.
                    one_way: matches!(verdict, Verdict::Delay(StampClock::Kernel, _) if !missing_follow_up)
                        .then(|| answer.one_way(&stamps, self.clock_error))
                        .flatten(),
                }
            }
        });
    }

    fn forget_front(&mut self) {
        let sequence = self.next_sequence.wrapping_sub(self.under_way.len() as u32);
        self.tell_ways();
        if let Some(probe) = self.under_way.pop_front() {
            if let (Some(directions), None) = (&mut self.directions, probe.answer) {
                directions.lose(probe.interval, probe.sent.monotonic);
            }
            self.history
                .settle(sequence, probe.answer.is_some() || probe.late_answer);
            self.settled_probes += 1;
        }
    }
}

impl StampSession {
    /// What the answer to the oldest probe, if it has one, says about those lost before it.
    fn tell_ways(&mut self) {
        let first = self.next_sequence.wrapping_sub(self.under_way.len() as u32);
        let Some(directions) = &mut self.directions else {
            return;
        };
        let mut answered = self.under_way.iter().enumerate().map(|(n, probe)| {
            probe.answer.map(|answer| Answered {
                sequence: first.wrapping_add(n as u32),
                sent_at: probe.sent.monotonic,
                counted: answer.counted,
            })
        });
        if let Some(Some(oldest)) = answered.next() {
            let ways = directions.pass(oldest, answered.flatten());
            self.findings.extend(ways.into_iter().map(Finding::Ways));
        }
    }
}

impl Answer {
    /// How long each way took, if both clocks are synchronised.
    fn one_way(&self, stamps: &Stamps, clock_error: ErrorEstimate) -> Option<OneWaySample> {
        let error_ns = clock_error.error_ns()?.saturating_add(self.error.error_ns()?);
        let (sent, received) = (stamps.kernel_sent?, stamps.kernel_received?);
        let out_ns = self.reflector_received_at.since_ns(NtpTimestamp::from_wall(sent));
        Some(one_way(
            received.since_ns(sent) - stamps.residence_ns,
            out_ns,
            error_ns,
        ))
    }
}

/// How long the answer took to arrive at this host. Preferably by the kernel's stamp: that this process was slow to
/// read an answer does not make it late. Never longer than the monotonic clock allows, in case the wall clock stepped.
fn travelled_ns(sent: Moment, received: Moment, kernel_received: Option<Wall>) -> i64 {
    let at_most_ns = received.monotonic.since_ns(sent.monotonic).max(0);
    kernel_received.map_or(at_most_ns, |stamped| {
        stamped.since_ns(sent.wall).clamp(0, at_most_ns)
    })
}

/// Serial number order (RFC 1982): right as long as the two are less than 2^31 apart.
fn is_before(sequence: u32, other: u32) -> bool {
    sequence.wrapping_sub(other).cast_signed() < 0
}

#[cfg(test)]
mod tests;
