//! Tickets: the right to one throughput test, and to no more of it than the ticket says. Pure; handed the time. Those of this file are
//! for a reflector without a collector; what a collector signs is in [`challenge`](super::challenge).
//!
//! Signed with a key that the reflector shares with whoever gives tickets out (HMAC-SHA-256 cut to 128 bits, RFC 2104). A ticket is
//! text of visible ASCII that needs no quoting in a query string, so that any ndt7 client can carry one (`access_token`).

use std::fmt;
use std::str::FromStr;

use azimuth_measurement::{AgentId, TransferDirection};
use thiserror::Error;

use crate::stamp::StampKey;
use crate::stamp::key::SIGNATURE_BYTES;

/// How long a ticket is good for, in milliseconds.
pub const LIFETIME_MS: u64 = 60_000;
/// How far in the future a ticket may end, in milliseconds: its life, and clocks that differ.
const MOST_AHEAD_MS: u64 = 2 * LIFETIME_MS;
/// The longest text that can be a ticket.
pub const MOST_TEXT_BYTES: usize = 512;
/// First field: the form.
const FORM: &str = "1";
const NONCE_DIGITS: usize = 32;

/// Names a ticket: 128 bits that were never used before.
pub type Nonce = u128;

/// What one test may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
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
    /// When it is no good any more, Unix time in milliseconds.
    pub expires_unix_ms: u64,
    /// Used once.
    pub nonce: Nonce,
}

/// Why a test may not begin. [`as_str`](Self::as_str) is the counter's name, and what the peer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No ticket.
    #[error(
        "no ticket; ask with access_token: of the collector (--identity), or made with the reflector's key (--key-file)"
    )]
    NoTicket,
    /// Not a ticket.
    #[error("the ticket is damaged")]
    Malformed,
    /// Signed with another key, or not by anyone.
    #[error("the ticket is not signed with a key that this reflector knows")]
    Signature,
    /// For another reflector.
    #[error("the ticket is for another reflector; see --throughput-name")]
    Reflector,
    /// For the other direction.
    #[error("the ticket is for the other direction")]
    Direction,
    /// Too late, or by a clock that is behind.
    #[error("the ticket has expired; are the clocks of both ends right?")]
    Expired,
    /// Good for longer than tickets are, or by a clock that is ahead.
    #[error("the ticket ends too far ahead; are the clocks of both ends right?")]
    TooFarAhead,
    /// It asks for more octets, time or speed than this reflector gives.
    #[error("the ticket asks for more than this reflector gives")]
    OverCap,
    /// It was used.
    #[error("the ticket was used before")]
    Replayed,
    /// It may have been used before this reflector started.
    #[error("the ticket is older than this reflector; ask again")]
    BeforeStart,
    /// What it answers was not given by this process.
    #[error("the ticket answers no challenge of this reflector since it started; ask again")]
    Challenge,
    /// Another test is running.
    #[error("another test is running; try later")]
    Busy,
    /// There is nothing left to spend this month.
    #[error("this reflector has spent its octets of the month")]
    Spent,
}

impl Refusal {
    /// Every refusal, as they are counted.
    pub const ALL: [Self; 13] = [
        Self::NoTicket,
        Self::Malformed,
        Self::Signature,
        Self::Reflector,
        Self::Direction,
        Self::Expired,
        Self::TooFarAhead,
        Self::OverCap,
        Self::Replayed,
        Self::BeforeStart,
        Self::Challenge,
        Self::Busy,
        Self::Spent,
    ];

    /// A short, stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoTicket => "no_ticket",
            Self::Malformed => "malformed",
            Self::Signature => "signature",
            Self::Reflector => "reflector",
            Self::Direction => "direction",
            Self::Expired => "expired",
            Self::TooFarAhead => "too_far_ahead",
            Self::OverCap => "over_cap",
            Self::Replayed => "replayed",
            Self::BeforeStart => "before_start",
            Self::Challenge => "challenge",
            Self::Busy => "busy",
            Self::Spent => "spent",
        }
    }
}

impl Ticket {
    /// The text of the ticket, signed.
    #[must_use]
    pub fn sign(&self, key: &StampKey) -> String {
        let said = self.to_string();
        let signature = key.sign(&[PURPOSE, said.as_bytes()]);
        let digits = signature.iter().map(|octet| format!("{octet:02x}"));
        format!("{said}:{}", digits.collect::<String>())
    }

    /// The ticket in `text`, if it is signed with `key`.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] or [`Refusal::Signature`].
    pub fn open(text: &str, key: &StampKey) -> Result<Self, Refusal> {
        if text.len() > MOST_TEXT_BYTES {
            return Err(Refusal::Malformed);
        }
        let (said, signature) = text.rsplit_once(':').ok_or(Refusal::Malformed)?;
        let signature = octets(signature).ok_or(Refusal::Malformed)?;
        // Before anything in it is believed.
        if !key.verify(&[PURPOSE, said.as_bytes()], &signature) {
            return Err(Refusal::Signature);
        }
        said.parse()
    }

    /// Whether it is good now, for a test of this direction against this reflector.
    ///
    /// # Errors
    /// The [`Refusal`] that applies.
    pub fn judge(
        &self,
        reflector: &AgentId,
        direction: TransferDirection,
        now_unix_ms: u64,
    ) -> Result<(), Refusal> {
        if self.reflector != *reflector {
            Err(Refusal::Reflector)
        } else if self.direction != direction {
            Err(Refusal::Direction)
        } else if self.expires_unix_ms <= now_unix_ms {
            Err(Refusal::Expired)
        } else if self.expires_unix_ms > now_unix_ms.saturating_add(MOST_AHEAD_MS) {
            Err(Refusal::TooFarAhead)
        } else {
            Ok(())
        }
    }
}

/// A signature over a ticket is no signature over a STAMP packet under the same key.
const PURPOSE: &[u8] = b"azimuth throughput ticket\n";

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            agent,
            reflector,
            direction,
            max_bytes,
            max_ms,
            max_bps,
            expires_unix_ms,
            nonce,
        } = self;
        write!(
            f,
            "{FORM}:{agent}:{reflector}:{direction}:{max_bytes}:{max_ms}:{max_bps}:{expires_unix_ms}:{nonce:032x}"
        )
    }
}

impl FromStr for Ticket {
    type Err = Refusal;

    fn from_str(said: &str) -> Result<Self, Refusal> {
        let mut fields = said.split(':');
        let mut next = || fields.next().ok_or(Refusal::Malformed);
        if next()? != FORM {
            return Err(Refusal::Malformed);
        }
        let ticket = Self {
            agent: read(next()?)?,
            reflector: read(next()?)?,
            direction: read(next()?)?,
            max_bytes: read(next()?)?,
            max_ms: read(next()?)?,
            max_bps: read(next()?)?,
            expires_unix_ms: read(next()?)?,
            nonce: {
                let digits = next()?;
                let nonce = Nonce::from_str_radix(digits, 16).map_err(|_| Refusal::Malformed)?;
                (digits.len() == NONCE_DIGITS)
                    .then_some(nonce)
                    .ok_or(Refusal::Malformed)?
            },
        };
        match fields.next() {
            None => Ok(ticket),
            Some(_) => Err(Refusal::Malformed),
        }
    }
}

fn read<T: FromStr>(text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| Refusal::Malformed)
}

fn octets(digits: &str) -> Option<[u8; SIGNATURE_BYTES]> {
    let mut octets = [0; SIGNATURE_BYTES];
    if digits.len() != 2 * SIGNATURE_BYTES || !digits.is_ascii() {
        return None;
    }
    for (place, octet) in octets.iter_mut().enumerate() {
        *octet = u8::from_str_radix(digits.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(octets)
}
