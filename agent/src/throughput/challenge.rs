//! Challenges of a reflector, and tickets of a collector that answer them. Pure; handed the time.
//!
//! A reflector that is asked without a ticket gives a challenge: a serial number, the instant by its own clock, and its seal on both.
//! A ticket that a collector signs answers one challenge of one reflector, and how long it is good counts from that instant. So its
//! end is judged by one clock, which never steps; what agent, reflector and collector take for the time of day does not matter.
//! Nothing is remembered of a challenge until a ticket for it has opened the gate, so that whoever asks for many costs nothing.

use azimuth_measurement::enrolment::KEY_BYTES;
use azimuth_measurement::enrolment::ticket::{
    LONGEST_TICKET_MS, TICKET_CHALLENGE_BYTES, TestTicket, split, ticket_statement,
};
use azimuth_measurement::{AgentId, TransferDirection};

use super::ticket::Refusal;
use crate::identity::is_by;
use crate::stamp::StampKey;
use crate::stamp::key::SIGNATURE_BYTES;

/// A seal on a challenge is none on anything else under the same key.
const PURPOSE: &[u8] = b"azimuth throughput challenge\n";
/// Serial number and instant.
const BODY_BYTES: usize = TICKET_CHALLENGE_BYTES - SIGNATURE_BYTES;

/// Gives challenges and knows its own again.
#[derive(Debug)]
pub struct Challenges {
    /// Made when the process starts: challenges of one before are not known.
    seal: StampKey,
    given: u64,
}

/// A ticket that is good, and by when and under which number it may be used once.
#[derive(Debug, PartialEq, Eq)]
pub struct Opened {
    /// What it says.
    pub ticket: TestTicket,
    /// When it is no good any more, in milliseconds of the reflector's monotonic clock.
    pub expires_ms: u64,
    /// The challenge's.
    pub serial: u64,
}

impl Challenges {
    /// None given yet.
    #[must_use]
    pub fn new(seal: StampKey) -> Self {
        Self { seal, given: 0 }
    }

    /// One that was never given before. `now_ms` is of the monotonic clock.
    pub fn give(&mut self, now_ms: u64) -> [u8; TICKET_CHALLENGE_BYTES] {
        self.given += 1;
        let mut body = [0; BODY_BYTES];
        body[..8].copy_from_slice(&self.given.to_be_bytes());
        body[8..].copy_from_slice(&now_ms.to_be_bytes());
        let mut challenge = [0; TICKET_CHALLENGE_BYTES];
        challenge[..BODY_BYTES].copy_from_slice(&body);
        challenge[BODY_BYTES..].copy_from_slice(&self.seal.sign(&[PURPOSE, &body]));
        challenge
    }

    /// The ticket in `text`, if `collector` signed it, and it is good now for a test of this direction against this reflector.
    ///
    /// # Errors
    /// The [`Refusal`] that applies.
    pub fn open(
        &self,
        text: &str,
        collector: &[u8; KEY_BYTES],
        (reflector, direction): (&AgentId, TransferDirection),
        now_ms: u64,
    ) -> Result<Opened, Refusal> {
        let (said, signature) = split(text).ok_or(Refusal::Malformed)?;
        // Before anything in it is believed.
        if !is_by(collector, &ticket_statement(said), &signature) {
            return Err(Refusal::Signature);
        }
        let ticket: TestTicket = said.parse().map_err(|_| Refusal::Malformed)?;
        if ticket.reflector != *reflector {
            return Err(Refusal::Reflector);
        }
        if ticket.direction != direction {
            return Err(Refusal::Direction);
        }
        let (serial, given_ms) = self.read(&ticket.challenge).ok_or(Refusal::Challenge)?;
        if ticket.good_for_ms > LONGEST_TICKET_MS {
            return Err(Refusal::TooFarAhead);
        }
        let expires_ms = given_ms.saturating_add(ticket.good_for_ms.into());
        if expires_ms <= now_ms {
            return Err(Refusal::Expired);
        }
        Ok(Opened {
            ticket,
            expires_ms,
            serial,
        })
    }

    /// Number and instant of a challenge of ours.
    fn read(&self, challenge: &[u8; TICKET_CHALLENGE_BYTES]) -> Option<(u64, u64)> {
        let (body, seal) = challenge.split_first_chunk::<BODY_BYTES>()?;
        let seal = seal.try_into().ok()?;
        if !self.seal.verify(&[PURPOSE, body], seal) {
            return None;
        }
        let (serial, at) = body.split_first_chunk::<8>()?;
        let at = at.try_into().ok()?;
        Some((u64::from_be_bytes(*serial), u64::from_be_bytes(at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Seed;

    const NOW_MS: u64 = 5_000_000;

    struct World {
        collector: Seed,
        challenges: Challenges,
    }

    fn seal(digits: &str) -> StampKey {
        StampKey::from_hex(&digits.repeat(32)).expect("a key")
    }

    impl World {
        fn new() -> Self {
            Self {
                collector: Seed::random().expect("random"),
                challenges: Challenges::new(seal("0b")),
            }
        }

        fn ticket(&mut self) -> TestTicket {
            TestTicket {
                agent: "brest-1".parse().expect("an id"),
                reflector: "paris-a".parse().expect("a name"),
                direction: TransferDirection::Download,
                max_bytes: 1_000,
                max_ms: 2_000,
                max_bps: 0,
                good_for_ms: LONGEST_TICKET_MS,
                challenge: self.challenges.give(NOW_MS),
            }
        }

        fn sign(&self, ticket: &TestTicket) -> String {
            let statement = ticket_statement(&ticket.to_string());
            ticket.signed(&self.collector.sign(&statement))
        }

        fn open(&self, text: &str, now_ms: u64) -> Result<Opened, Refusal> {
            let key = self.collector.public().try_into().expect("32 bytes");
            let here = "paris-a".parse().expect("a name");
            self.challenges
                .open(text, &key, (&here, TransferDirection::Download), now_ms)
        }
    }

    #[test]
    fn a_ticket_is_good_from_its_challenge_on_by_the_reflectors_clock_alone() {
        let mut world = World::new();
        let ticket = world.ticket();
        let text = world.sign(&ticket);
        for age_ms in [0, 30_000, u64::from(LONGEST_TICKET_MS) - 1] {
            let opened = world.open(&text, NOW_MS + age_ms).expect("good");
            assert_eq!((opened.serial, opened.expires_ms), (1, NOW_MS + 60_000));
            assert_eq!(opened.ticket, ticket);
        }
        let late = NOW_MS + u64::from(LONGEST_TICKET_MS);
        assert_eq!(world.open(&text, late), Err(Refusal::Expired));
        let shorter = TestTicket {
            good_for_ms: 500,
            ..ticket
        };
        let text = world.sign(&shorter);
        assert_eq!(world.open(&text, NOW_MS + 500), Err(Refusal::Expired));
    }

    #[test]
    fn what_does_not_answer_this_reflector_is_refused_by_name() {
        let mut world = World::new();
        let mut refused = |change: &dyn Fn(&mut TestTicket)| {
            let mut wrong = world.ticket();
            change(&mut wrong);
            let text = world.sign(&wrong);
            world.open(&text, NOW_MS).expect_err("refused")
        };
        let elsewhere = |wrong: &mut TestTicket| wrong.reflector = "paris-b".parse().expect("a name");
        assert_eq!(refused(&elsewhere), Refusal::Reflector);
        let up = |wrong: &mut TestTicket| wrong.direction = TransferDirection::Upload;
        assert_eq!(refused(&up), Refusal::Direction);
        assert_eq!(refused(&|wrong| wrong.good_for_ms += 1), Refusal::TooFarAhead);
        // A challenge of another reflector, or of this one before it was started again; one that was made younger.
        let of_another = Challenges::new(seal("0c")).give(NOW_MS);
        assert_eq!(refused(&|wrong| wrong.challenge = of_another), Refusal::Challenge);
        assert_eq!(refused(&|wrong| wrong.challenge[15] ^= 1), Refusal::Challenge);
        assert_eq!(refused(&|wrong| wrong.challenge[7] ^= 1), Refusal::Challenge);
        let ticket = world.ticket();
        let strange = Seed::random().expect("random");
        let by_another = ticket.signed(&strange.sign(&ticket_statement(&ticket.to_string())));
        assert_eq!(world.open(&by_another, NOW_MS), Err(Refusal::Signature));
        // Signed, but as something else.
        let as_it_is = ticket.signed(&world.collector.sign(ticket.to_string().as_bytes()));
        assert_eq!(world.open(&as_it_is, NOW_MS), Err(Refusal::Signature));
    }

    #[test]
    fn every_damage_to_a_ticket_is_refused() {
        let mut world = World::new();
        let ticket = world.ticket();
        let whole = world.sign(&ticket);
        assert!(world.open(&whole, NOW_MS).is_ok());
        for at in 0..whole.len() {
            let mut damaged = whole.clone().into_bytes();
            damaged[at] ^= 1;
            let damaged = String::from_utf8_lossy(&damaged).into_owned();
            assert!(world.open(&damaged, NOW_MS).is_err(), "{damaged}");
            assert!(world.open(&whole[..at], NOW_MS).is_err());
        }
    }
}
