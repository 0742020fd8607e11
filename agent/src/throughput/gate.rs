//! Who may begin a throughput test at this reflector: tickets used once, one lease a direction, octets of the month. Pure; handed
//! the time.

use std::collections::BTreeSet;

use azimuth_measurement::enrolment::KEY_BYTES;
use azimuth_measurement::enrolment::ticket::{TICKET_CHALLENGE_BYTES, TICKET_FORM};
use azimuth_measurement::{AgentId, TransferDirection};

use super::challenge::Challenges;
use super::month::Month;
use super::ticket::{LIFETIME_MS, Nonce, Refusal, Ticket};
use crate::stamp::StampKey;

/// Used tickets of one form remembered at once; there are never more, because one test at a time uses one, but who holds the key
/// could try.
const MOST_USED: usize = 65_536;

/// What a reflector gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Most octets of one test.
    pub max_bytes: u64,
    /// Longest load, in milliseconds.
    pub max_ms: u32,
    /// Fastest, in bits per second; 0 for as fast as it goes.
    pub max_bps: u64,
    /// Tests at once in each direction.
    pub leases: u32,
    /// Octets of both directions in 30 days.
    pub month_bytes: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            max_bytes: 250_000_000,
            max_ms: 10_000,
            max_bps: 0,
            leases: 1,
            month_bytes: 100_000_000_000,
        }
    }
}

/// Whose tickets are taken.
#[derive(Debug)]
pub struct Signers {
    /// Who has this key makes tickets, by the time of day.
    pub shared: Option<StampKey>,
    /// The collector with this public key, and what its tickets answer.
    pub collector: Option<([u8; KEY_BYTES], Challenges)>,
}

/// The time, by both clocks, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Of day.
    pub unix_ms: u64,
    /// That never steps.
    pub monotonic_ms: u64,
}

/// The right to run one test; to be given back with what it moved.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a lease that is not given back blocks the reflector"]
pub struct Lease {
    /// Which way.
    pub direction: TransferDirection,
    /// Most octets.
    pub max_bytes: u64,
    /// Longest load, in milliseconds.
    pub max_ms: u32,
    /// Fastest, in bits per second; 0 for as fast as it goes.
    pub max_bps: u64,
    month: u64,
}

/// Keeps the leases, the used tickets and the account.
#[derive(Debug)]
pub struct Gate {
    name: AgentId,
    signers: Signers,
    caps: Caps,
    began_unix_ms: u64,
    /// Tickets by the time of day, by when they expire.
    used: BTreeSet<(u64, Nonce)>,
    /// Tickets that answered a challenge, by when they expire by the monotonic clock.
    answered: BTreeSet<(u64, u64)>,
    running: [u32; 2],
    month: Month,
}

impl Gate {
    /// The gate of the reflector `name`, which starts now, and what was spent before.
    #[must_use]
    pub fn new(name: AgentId, signers: Signers, caps: Caps, now_unix_ms: u64, month: Month) -> Self {
        Self {
            name,
            signers,
            caps,
            began_unix_ms: now_unix_ms,
            used: BTreeSet::new(),
            answered: BTreeSet::new(),
            running: [0; 2],
            month,
        }
    }

    /// Its name in tickets.
    #[must_use]
    pub fn name(&self) -> &AgentId {
        &self.name
    }

    /// What a ticket of the collector has to answer; `None` for a reflector without one.
    pub fn challenge(&mut self, now: Now) -> Option<[u8; TICKET_CHALLENGE_BYTES]> {
        let (_, challenges) = self.signers.collector.as_mut()?;
        Some(challenges.give(now.monotonic_ms))
    }

    /// Lets a test begin, or says why not. What is refused has used up nothing, but a good ticket that finds the reflector busy
    /// may come again.
    ///
    /// # Errors
    /// The [`Refusal`] that applies.
    pub fn enter(
        &mut self,
        text: Option<&str>,
        direction: TransferDirection,
        now: Now,
    ) -> Result<Lease, Refusal> {
        let text = text.ok_or(Refusal::NoTicket)?;
        let asked = match text.split_once(':') {
            Some((TICKET_FORM, _)) => self.answering(text, direction, now.monotonic_ms)?,
            _ => self.by_time_of_day(text, direction, now.unix_ms)?,
        };
        let caps = &self.caps;
        if asked.max_bytes > caps.max_bytes
            || asked.max_ms > caps.max_ms
            || caps.max_bps > 0 && asked.max_bps > caps.max_bps
        {
            return Err(Refusal::OverCap);
        }
        self.used = self.used.split_off(&(now.unix_ms, 0));
        self.answered = self.answered.split_off(&(now.monotonic_ms, 0));
        let (was_used, remembered) = match asked.once {
            Once::Nonce(name) => (self.used.contains(&name), self.used.len()),
            Once::Answer(name) => (self.answered.contains(&name), self.answered.len()),
        };
        if was_used {
            return Err(Refusal::Replayed);
        }
        if self.running[place(direction)] >= self.caps.leases || remembered >= MOST_USED {
            return Err(Refusal::Busy);
        }
        self.month.turn(now.unix_ms);
        let promised = self.month.bytes.saturating_add(asked.max_bytes);
        if promised > self.caps.month_bytes {
            return Err(Refusal::Spent);
        }
        self.month.bytes = promised;
        match asked.once {
            Once::Nonce(name) => self.used.insert(name),
            Once::Answer(name) => self.answered.insert(name),
        };
        self.running[place(direction)] += 1;
        Ok(Lease {
            direction,
            max_bytes: asked.max_bytes,
            max_ms: asked.max_ms,
            max_bps: match (asked.max_bps, self.caps.max_bps) {
                (0, cap) => cap,
                (asked, _) => asked,
            },
            month: self.month.number,
        })
    }

    /// A ticket made with the shared key.
    fn by_time_of_day(
        &self,
        text: &str,
        direction: TransferDirection,
        now_unix_ms: u64,
    ) -> Result<Asked, Refusal> {
        let key = self.signers.shared.as_ref().ok_or(Refusal::Signature)?;
        let ticket = Ticket::open(text, key)?;
        ticket.judge(&self.name, direction, now_unix_ms)?;
        if ticket.expires_unix_ms.saturating_sub(LIFETIME_MS) < self.began_unix_ms {
            return Err(Refusal::BeforeStart);
        }
        Ok(Asked {
            max_bytes: ticket.max_bytes,
            max_ms: ticket.max_ms,
            max_bps: ticket.max_bps,
            once: Once::Nonce((ticket.expires_unix_ms, ticket.nonce)),
        })
    }

    /// A ticket of the collector.
    fn answering(&self, text: &str, direction: TransferDirection, now_ms: u64) -> Result<Asked, Refusal> {
        let (key, challenges) = self.signers.collector.as_ref().ok_or(Refusal::Signature)?;
        let opened = challenges.open(text, key, (&self.name, direction), now_ms)?;
        Ok(Asked {
            max_bytes: opened.ticket.max_bytes,
            max_ms: opened.ticket.max_ms,
            max_bps: opened.ticket.max_bps,
            once: Once::Answer((opened.expires_ms, opened.serial)),
        })
    }

    /// Takes a lease back. What it did not move is there again for others.
    pub fn leave(&mut self, lease: &Lease, moved_bytes: u64) {
        let running = &mut self.running[place(lease.direction)];
        *running = running.saturating_sub(1);
        if lease.month == self.month.number {
            let others = self.month.bytes.saturating_sub(lease.max_bytes);
            self.month.bytes = others.saturating_add(moved_bytes);
        }
    }

    /// Octets spent or promised this month.
    #[must_use]
    pub fn month_bytes(&self) -> u64 {
        self.month.bytes
    }

    /// The account, as it is kept.
    #[must_use]
    pub fn month(&self) -> Month {
        self.month
    }
}

/// What a ticket that is good asks for.
struct Asked {
    max_bytes: u64,
    max_ms: u32,
    max_bps: u64,
    once: Once,
}

/// By what a ticket is known again.
#[derive(Clone, Copy)]
enum Once {
    Nonce((u64, Nonce)),
    Answer((u64, u64)),
}

fn place(direction: TransferDirection) -> usize {
    match direction {
        TransferDirection::Download => 0,
        TransferDirection::Upload => 1,
    }
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::enrolment::ticket::{TestTicket, ticket_statement};

    use super::*;
    use crate::identity::Seed;
    use crate::throughput::month::MONTH_MS;

    const NOW: u64 = 1_795_428_000_000;

    fn key(digit: &str) -> StampKey {
        StampKey::from_hex(&digit.repeat(32)).expect("a key")
    }

    fn gate() -> Gate {
        let caps = Caps {
            max_bytes: 1_000,
            max_ms: 2_000,
            max_bps: 500,
            leases: 1,
            month_bytes: 2_500,
        };
        Gate::new(
            "paris-a".parse().expect("a name"),
            Signers {
                shared: Some(key("0b")),
                collector: None,
            },
            caps,
            NOW,
            Month::new(NOW),
        )
    }

    /// The monotonic clock is another than that of the day.
    fn at(unix_ms: u64) -> Now {
        Now {
            unix_ms,
            monotonic_ms: unix_ms - NOW + 77_000,
        }
    }

    fn ticket(nonce: Nonce) -> Ticket {
        Ticket {
            agent: "brest-1".parse().expect("an id"),
            reflector: "paris-a".parse().expect("a name"),
            direction: TransferDirection::Download,
            max_bytes: 1_000,
            max_ms: 2_000,
            max_bps: 0,
            expires_unix_ms: NOW + LIFETIME_MS,
            nonce,
        }
    }

    fn enter(gate: &mut Gate, ticket: &Ticket, now_unix_ms: u64) -> Result<Lease, Refusal> {
        gate.enter(
            Some(&ticket.sign(&key("0b"))),
            TransferDirection::Download,
            at(now_unix_ms),
        )
    }

    #[test]
    fn a_ticket_opens_the_gate_once_and_the_lease_blocks_the_direction_until_it_is_back() {
        let mut gate = gate();
        let lease = enter(&mut gate, &ticket(1), NOW).expect("good");
        assert_eq!((lease.max_bytes, lease.max_bps), (1_000, 500));
        assert_eq!(enter(&mut gate, &ticket(1), NOW), Err(Refusal::Replayed));
        assert_eq!(enter(&mut gate, &ticket(2), NOW), Err(Refusal::Busy));
        let up = Ticket {
            direction: TransferDirection::Upload,
            ..ticket(3)
        };
        let upload = gate.enter(Some(&up.sign(&key("0b"))), TransferDirection::Upload, at(NOW));
        assert!(upload.is_ok(), "directions are leased apart");
        gate.leave(&lease, 600);
        assert!(
            enter(&mut gate, &ticket(2), NOW).is_err(),
            "1 000 and 600 of 2 500 are taken"
        );
        gate.leave(&upload.expect("good"), 0);
        assert!(enter(&mut gate, &ticket(2), NOW).is_ok());
        assert_eq!(gate.month_bytes(), 1_600);
    }

    #[test]
    fn what_is_not_a_good_ticket_is_refused_by_name() {
        let mut gate = gate();
        let mut refused = |change: fn(&mut Ticket), now_unix_ms| {
            let mut wrong = ticket(7);
            change(&mut wrong);
            enter(&mut gate, &wrong, now_unix_ms).expect_err("refused")
        };
        assert_eq!(refused(|_| {}, NOW + LIFETIME_MS), Refusal::Expired);
        assert_eq!(
            refused(|wrong| wrong.expires_unix_ms += 61_000, NOW),
            Refusal::TooFarAhead
        );
        assert_eq!(
            refused(|wrong| wrong.expires_unix_ms -= 1, NOW),
            Refusal::BeforeStart
        );
        assert_eq!(refused(|wrong| wrong.max_bytes += 1, NOW), Refusal::OverCap);
        assert_eq!(refused(|wrong| wrong.max_ms += 1, NOW), Refusal::OverCap);
        assert_eq!(refused(|wrong| wrong.max_bps = 501, NOW), Refusal::OverCap);
        assert_eq!(
            refused(|wrong| wrong.direction = TransferDirection::Upload, NOW),
            Refusal::Direction
        );
        let elsewhere = |wrong: &mut Ticket| wrong.reflector = "paris-b".parse().expect("a name");
        assert_eq!(refused(elsewhere, NOW), Refusal::Reflector);
        let mut of = |text: Option<&str>| {
            gate.enter(text, TransferDirection::Download, at(NOW))
                .expect_err("refused")
        };
        assert_eq!(of(None), Refusal::NoTicket);
        assert_eq!(of(Some("")), Refusal::Malformed);
        assert_eq!(of(Some(&"1:".repeat(400))), Refusal::Malformed);
        assert_eq!(of(Some(&ticket(1).sign(&key("0c")))), Refusal::Signature);
        let more = ticket(1).sign(&key("0b")).replace(":1000:", ":9000:");
        assert_eq!(of(Some(&more)), Refusal::Signature);
        assert_eq!(gate.month_bytes(), 0, "and has cost nothing");
    }

    #[test]
    fn a_ticket_of_the_collector_opens_the_gate_once_whatever_the_time_of_day() {
        let collector = Seed::random().expect("random");
        let public = collector.public().try_into().expect("32 bytes");
        let mut gate = gate();
        let challenges = Challenges::new(key("0d"));
        gate.signers.collector = Some((public, challenges));
        let signed = |gate: &mut Gate, change: fn(&mut TestTicket)| {
            let mut ticket = TestTicket {
                agent: "brest-1".parse().expect("an id"),
                reflector: gate.name().clone(),
                direction: TransferDirection::Download,
                max_bytes: 1_000,
                max_ms: 2_000,
                max_bps: 0,
                good_for_ms: 60_000,
                challenge: gate.challenge(at(NOW)).expect("it has a collector"),
            };
            change(&mut ticket);
            ticket.signed(&collector.sign(&ticket_statement(&ticket.to_string())))
        };
        let text = signed(&mut gate, |_| {});
        // The clock of the day was set to another year between challenge and answer.
        let stepped = |age_ms| Now {
            unix_ms: NOW + 365 * 86_400_000,
            monotonic_ms: at(NOW).monotonic_ms + age_ms,
        };
        let down = TransferDirection::Download;
        assert_eq!(
            gate.enter(Some(&text), down, stepped(60_000)),
            Err(Refusal::Expired)
        );
        let lease = gate.enter(Some(&text), down, stepped(59_999)).expect("good");
        assert_eq!(
            gate.enter(Some(&text), down, stepped(59_999)),
            Err(Refusal::Replayed)
        );
        gate.leave(&lease, 10);
        assert_eq!(
            gate.enter(Some(&text), down, at(NOW)),
            Err(Refusal::Replayed),
            "nor when the clock is set back"
        );
        assert_eq!(
            gate.enter(Some(&text), down, stepped(60_000)),
            Err(Refusal::Expired),
            "when it is forgotten it is no good either"
        );
        let text = signed(&mut gate, |wrong| wrong.max_bytes += 1);
        assert_eq!(gate.enter(Some(&text), down, at(NOW)), Err(Refusal::OverCap));
        let text = signed(&mut gate, |_| {});
        gate.signers.collector = None;
        assert_eq!(gate.enter(Some(&text), down, at(NOW)), Err(Refusal::Signature));
        assert_eq!(gate.month_bytes(), 10);
    }

    #[test]
    fn the_account_of_the_month_is_kept_and_begins_anew() {
        let mut gate = gate();
        for nonce in 0..2 {
            let lease = enter(&mut gate, &ticket(nonce), NOW).expect("good");
            gate.leave(&lease, 1_000);
        }
        assert_eq!(enter(&mut gate, &ticket(2), NOW), Err(Refusal::Spent));
        let later = NOW + MONTH_MS;
        let next = Ticket {
            expires_unix_ms: later + 1_000,
            ..ticket(2)
        };
        assert!(enter(&mut gate, &next, later).is_ok());
        assert_eq!(gate.month_bytes(), 1_000);
        assert!(gate.used.len() == 1, "expired tickets are forgotten");
    }

    /// Two simulated months of far more tests than there are octets for. Every so often the reflector is killed during one, and comes
    /// back with what its file says.
    #[test]
    fn a_month_stays_within_its_budget_whatever_kills_the_reflector() {
        const BUDGET: u64 = 100_000_000_000;
        const TEST: u64 = 50_000_000;
        let start = NOW.next_multiple_of(MONTH_MS);
        for seed in 1..4 {
            let mut random = fastrand::Rng::with_seed(seed);
            let begin = |now: u64, month: Month| {
                let caps = Caps {
                    max_bytes: TEST,
                    month_bytes: BUDGET,
                    ..Caps::default()
                };
                let signers = Signers {
                    shared: Some(key("0b")),
                    collector: None,
                };
                Gate::new("paris-a".parse().expect("a name"), signers, caps, now, month)
            };
            let mut now = start;
            let mut gate = begin(now, Month::new(now));
            let (mut spent, mut kills, mut full) = ([0_u64; 2], 0, 0);
            while now < start + 2 * MONTH_MS {
                now += random.u64(60_000..1_200_000);
                let ticket = Ticket {
                    max_bytes: TEST,
                    expires_unix_ms: now + LIFETIME_MS,
                    ..ticket(now.into())
                };
                let lease = match enter(&mut gate, &ticket, now) {
                    Ok(lease) => lease,
                    Err(refusal) => {
                        assert_eq!(refusal, Refusal::Spent);
                        full += 1;
                        continue;
                    }
                };
                // On disk before the first octet.
                let file = gate.month().to_text();
                let moved = random.u64(TEST / 2..=TEST);
                if let Some(month) = usize::try_from((now - start) / MONTH_MS)
                    .ok()
                    .and_then(|month| spent.get_mut(month))
                {
                    *month += moved;
                }
                now += random.u64(1_000..20_000);
                if random.u8(0..10) == 0 {
                    kills += 1;
                    gate = begin(now, Month::from_text(&file).expect("whole"));
                } else {
                    gate.leave(&lease, moved);
                }
            }
            assert!(kills > 100 && full > 100, "{kills} kills, {full} refused");
            for month in spent {
                assert!(month <= BUDGET + BUDGET / 100, "{month}");
                assert!(month > BUDGET / 100 * 90, "and it is used: {month}");
            }
        }
    }

    #[test]
    fn every_damage_to_a_ticket_is_refused() {
        let whole = ticket(9).sign(&key("0b"));
        assert_eq!(Ticket::open(&whole, &key("0b")), Ok(ticket(9)));
        for at in 0..whole.len() {
            let mut damaged = whole.clone().into_bytes();
            damaged[at] ^= 1;
            let damaged = String::from_utf8_lossy(&damaged).into_owned();
            assert!(Ticket::open(&damaged, &key("0b")).is_err(), "{damaged}");
            assert!(Ticket::open(&whole[..at], &key("0b")).is_err());
        }
    }
}
