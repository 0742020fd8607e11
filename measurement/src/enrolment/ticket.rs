//! A ticket for one throughput test that a collector signs: what it says, its text, and the statements around it. Pure; keys are
//! elsewhere.
//!
//! The text is visible ASCII that needs no quoting in a query string, so that any ndt7 client can carry it:
//!
//! ```text
//! 2:AGENT:REFLECTOR:download:OCTETS:MS:BPS:GOOD_FOR_MS:CHALLENGE            what is said
//! 2:AGENT:REFLECTOR:download:OCTETS:MS:BPS:GOOD_FOR_MS:CHALLENGE:SIGNATURE  the ticket
//! ```
//!
//! No instant is in it: how long it is good counts from when the reflector gave the challenge, by the reflector's own clock.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::{base64url, statement};
use crate::AgentId;
use crate::method::TransferDirection;

/// Bytes of a reflector's challenge.
pub const TICKET_CHALLENGE_BYTES: usize = 32;
/// The longest that a ticket is good for after its challenge was given, in milliseconds.
pub const LONGEST_TICKET_MS: u32 = 60_000;
/// The longest text that can be a ticket.
pub const MOST_TICKET_BYTES: usize = 512;
/// First field: the form. Form 1 is signed with a key that agent and reflector share.
pub const TICKET_FORM: &str = "2";
/// Bytes of an Ed25519 signature.
const SIGNATURE_BYTES: usize = 64;

/// What one test may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestTicket {
    /// Who tests.
    pub agent: AgentId,
    /// Against which reflector.
    pub reflector: AgentId,
    /// Which way.
    pub direction: TransferDirection,
    /// Most octets.
    pub max_bytes: u64,
    /// Longest load, in milliseconds.
    pub max_ms: u32,
    /// Fastest, in bits per second; 0 for as fast as it goes.
    pub max_bps: u64,
    /// How long it is good after the challenge was given, in milliseconds by the reflector's clock.
    pub good_for_ms: u32,
    /// What the reflector gave, to be answered once.
    pub challenge: [u8; TICKET_CHALLENGE_BYTES],
}

/// The text is not what a ticket says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this is no ticket; one reads 2:AGENT:REFLECTOR:DIRECTION:OCTETS:MS:BPS:GOOD_FOR_MS:CHALLENGE")]
pub struct NoTicket;

impl TestTicket {
    /// The ticket with its signature, as it is carried.
    #[must_use]
    pub fn signed(&self, signature: &[u8]) -> String {
        format!("{self}:{}", base64url::encode(signature))
    }
}

/// What a ticket says, as text, and its signature, not yet held against any key; `None` when it has not the form.
#[must_use]
pub fn split(text: &str) -> Option<(&str, [u8; SIGNATURE_BYTES])> {
    if text.len() > MOST_TICKET_BYTES {
        return None;
    }
    let (said, signature) = text.rsplit_once(':')?;
    Some((said, base64url::decode_exactly(signature)?))
}

impl fmt::Display for TestTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            agent,
            reflector,
            direction,
            max_bytes,
            max_ms,
            max_bps,
            good_for_ms,
            challenge,
        } = self;
        let challenge = base64url::encode(challenge);
        write!(
            f,
            "{TICKET_FORM}:{agent}:{reflector}:{direction}:{max_bytes}:{max_ms}:{max_bps}:{good_for_ms}:{challenge}"
        )
    }
}

impl FromStr for TestTicket {
    type Err = NoTicket;

    fn from_str(said: &str) -> Result<Self, NoTicket> {
        if said.len() > MOST_TICKET_BYTES {
            return Err(NoTicket);
        }
        let fields: Vec<&str> = said.split(':').collect();
        let [
            form,
            agent,
            reflector,
            direction,
            bytes,
            ms,
            bps,
            good_for,
            challenge,
        ] = fields[..]
        else {
            return Err(NoTicket);
        };
        if form != TICKET_FORM {
            return Err(NoTicket);
        }
        Ok(Self {
            agent: read(agent)?,
            reflector: read(reflector)?,
            direction: read(direction)?,
            max_bytes: read(bytes)?,
            max_ms: read(ms)?,
            max_bps: read(bps)?,
            good_for_ms: read(good_for)?,
            challenge: base64url::decode_exactly(challenge).ok_or(NoTicket)?,
        })
    }
}

fn read<T: FromStr>(text: &str) -> Result<T, NoTicket> {
    text.parse().map_err(|_| NoTicket)
}

/// What a collector signs of a ticket.
#[must_use]
pub fn ticket_statement(said: &str) -> Vec<u8> {
    statement("azimuth throughput ticket 1", &[said.as_bytes()])
}

/// What an agent signs to ask its collector for a ticket that says this.
#[must_use]
pub fn ticket_request_statement(challenge: &[u8], agent: &AgentId, said: &str) -> Vec<u8> {
    let fields = [challenge, agent.as_str().as_bytes(), said.as_bytes()];
    statement("azimuth throughput ticket request 1", &fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> TestTicket {
        TestTicket {
            agent: "brest-1".parse().expect("an id"),
            reflector: "paris-a".parse().expect("a name"),
            direction: TransferDirection::Upload,
            max_bytes: 10_000_000,
            max_ms: 2_000,
            max_bps: 0,
            good_for_ms: 60_000,
            challenge: [0xa5; TICKET_CHALLENGE_BYTES],
        }
    }

    #[test]
    fn a_ticket_comes_back_and_one_of_another_form_does_not() {
        let said = ticket().to_string();
        assert_eq!(said.parse(), Ok(ticket()));
        let text = ticket().signed(&[7; 64]);
        assert_eq!(split(&text), Some((said.as_str(), [7; 64])));
        assert!(text.len() < MOST_TICKET_BYTES, "{text}");
        let longest = TestTicket {
            agent: "a".repeat(63).parse().expect("an id"),
            reflector: "b".repeat(63).parse().expect("a name"),
            max_bytes: u64::MAX,
            max_ms: u32::MAX,
            max_bps: u64::MAX,
            good_for_ms: u32::MAX,
            ..ticket()
        };
        assert!(longest.signed(&[7; 64]).len() <= MOST_TICKET_BYTES);
        for wrong in [
            "",
            "2",
            &said.replacen('2', "1", 1),
            &said.replace("upload", "sideways"),
            &said.replace("paris-a", "Paris A"),
            &said[..said.len() - 1],
            &format!("{said}:"),
            &"2:".repeat(400),
        ] {
            assert_eq!(wrong.parse::<TestTicket>(), Err(NoTicket), "{wrong}");
        }
        assert_eq!(split(&said), None, "a challenge is no signature");
    }

    #[test]
    fn asking_for_a_ticket_is_not_signing_it() {
        let (agent, said) = (ticket().agent, ticket().to_string());
        assert_ne!(
            ticket_statement(&said),
            ticket_request_statement(b"", &agent, &said)
        );
        assert_ne!(
            ticket_request_statement(b"xy", &agent, "z"),
            ticket_request_statement(b"x", &agent, "yz")
        );
    }
}
