//! What an agent and its collector must mean alike when the one joins the other: the token that an operator carries from
//! one to the other, and the statements that both sign and check. Pure: no keys are made and nothing is signed here.
//!
//! Signatures are Ed25519 (RFC 8032) over a statement. Each kind of statement begins with a name of its own and each field
//! with its length, so that no statement can be read as another.

pub mod base64url;
pub mod ticket;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::AgentId;

/// Bytes of a public key, a secret, a challenge, a nonce and a pin.
pub const KEY_BYTES: usize = 32;
/// Longest address of a collector in a token.
const MAX_ADDRESS_BYTES: usize = 512;
/// What every token begins with; the digit is the form.
const PREFIX: &str = "azimuth1.";

/// By what an agent knows the server at the end of a TLS connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsTrust {
    /// The authorities of its system: a proxy with a certificate of its own stands in front.
    System,
    /// The SHA-256 of the server's public key (`SubjectPublicKeyInfo`), and nothing else: no name, no dates.
    Pin([u8; KEY_BYTES]),
}

/// What an operator gives to a host so that it may join: where to, how to know that it is there, and one secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Address of the collector: `https://HOST:PORT`, `http://HOST:PORT` or `unix:PATH`.
    pub address: String,
    /// The collector's Ed25519 public key: what it signs its challenges and plans with.
    pub collector_key: [u8; KEY_BYTES],
    /// How its TLS is known.
    pub tls: TlsTrust,
    /// What lets in. Who has it may join; the collector keeps only its hash.
    pub secret: [u8; KEY_BYTES],
}

/// A text that is no token.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It does not look like one.
    #[error("this is no token; one begins with {PREFIX:?} and is printed by azimuth-collector token create")]
    NoToken,
    /// It was cut short or changed on its way.
    #[error("the token is damaged; copy all of it, without spaces or line breaks")]
    Damaged,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("address", &self.address)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(140 + self.address.len());
        match self.tls {
            TlsTrust::System => bytes.push(0),
            TlsTrust::Pin(pin) => {
                bytes.push(1);
                bytes.extend(pin);
            }
        }
        bytes.extend(self.collector_key);
        bytes.extend(self.secret);
        bytes.extend(self.address.as_bytes());
        bytes.extend(checksum(&bytes).to_be_bytes());
        write!(f, "{PREFIX}{}", base64url::encode(&bytes))
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let text = text.trim().strip_prefix(PREFIX).ok_or(TokenError::NoToken)?;
        if text.len() > 2 * (MAX_ADDRESS_BYTES + 4 * KEY_BYTES) {
            return Err(TokenError::Damaged);
        }
        let bytes = base64url::decode(text).ok_or(TokenError::Damaged)?;
        let (body, sum) = bytes.split_last_chunk::<4>().ok_or(TokenError::Damaged)?;
        if checksum(body).to_be_bytes() != *sum {
            return Err(TokenError::Damaged);
        }
        let read = || {
            let (kind, mut rest) = body.split_first()?;
            let tls = match kind {
                0 => TlsTrust::System,
                1 => {
                    let (pin, after) = rest.split_first_chunk()?;
                    rest = after;
                    TlsTrust::Pin(*pin)
                }
                _ => return None,
            };
            let (collector_key, rest) = rest.split_first_chunk()?;
            let (secret, rest) = rest.split_first_chunk()?;
            let address = std::str::from_utf8(rest).ok()?;
            (!address.is_empty() && address.len() <= MAX_ADDRESS_BYTES).then(|| Self {
                address: address.to_owned(),
                collector_key: *collector_key,
                tls,
                secret: *secret,
            })
        };
        read().ok_or(TokenError::Damaged)
    }
}

/// FNV-1a: finds a token that was cut or mistyped. It proves nothing.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| {
        (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

/// What a collector signs when it gives a challenge: that it is there now, for the one who asked with `nonce`.
#[must_use]
pub fn challenge_statement(nonce: &[u8], challenge: &[u8]) -> Vec<u8> {
    statement("azimuth challenge 1", &[nonce, challenge])
}

/// What an agent signs to join: that it has the key.
#[must_use]
pub fn join_statement(challenge: &[u8], public_key: &[u8]) -> Vec<u8> {
    statement("azimuth join 1", &[challenge, public_key])
}

/// What an agent signs to open a session. `instance` is a name that its process made up when it started.
#[must_use]
pub fn session_statement(challenge: &[u8], agent: &AgentId, instance: &str) -> Vec<u8> {
    let fields = [challenge, agent.as_str().as_bytes(), instance.as_bytes()];
    statement("azimuth session 1", &fields)
}

/// What an agent signs, with the old key and with the new one, to change its key.
#[must_use]
pub fn rotation_statement(challenge: &[u8], agent: &AgentId, new_key: &[u8]) -> Vec<u8> {
    let fields = [challenge, agent.as_str().as_bytes(), new_key];
    statement("azimuth key 1", &fields)
}

/// What a collector signs of the plan it gives to one agent: its bytes, for that agent.
#[must_use]
pub fn plan_statement(agent: &AgentId, plan: &[u8]) -> Vec<u8> {
    statement("azimuth plan 1", &[agent.as_str().as_bytes(), plan])
}

fn statement(name: &str, fields: &[&[u8]]) -> Vec<u8> {
    let mut bytes =
        Vec::with_capacity(name.len() + fields.iter().map(|field| field.len() + 8).sum::<usize>());
    for field in std::iter::once(name.as_bytes()).chain(fields.iter().copied()) {
        bytes.extend((field.len() as u64).to_be_bytes());
        bytes.extend(field);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(tls: TlsTrust) -> Token {
        Token {
            address: "https://collector.example:8360".to_owned(),
            collector_key: [7; 32],
            tls,
            secret: [9; 32],
        }
    }

    #[test]
    fn a_token_comes_back_and_a_damaged_one_does_not() {
        for tls in [TlsTrust::System, TlsTrust::Pin([3; 32])] {
            let text = token(tls).to_string();
            assert_eq!(text.parse(), Ok(token(tls)));
            assert_eq!(format!(" {text}\n").parse(), Ok(token(tls)));
            for cut in PREFIX.len()..text.len() {
                assert_eq!(text[..cut].parse::<Token>(), Err(TokenError::Damaged), "{cut}");
            }
            for at in PREFIX.len()..text.len() {
                let mut other = text.clone().into_bytes();
                other[at] = if other[at] == b'A' { b'B' } else { b'A' };
                let other = String::from_utf8(other).expect("ASCII");
                assert!(other.parse::<Token>().is_err(), "{at}");
            }
        }
        for none in ["", "azimuth2.AAAA", "hello"] {
            assert_eq!(none.parse::<Token>(), Err(TokenError::NoToken));
        }
    }

    #[test]
    fn the_secret_is_not_in_what_a_log_shows() {
        let shown = format!("{:?}", token(TlsTrust::System));
        assert!(
            shown.contains("collector.example") && !shown.contains('9'),
            "{shown}"
        );
    }

    #[test]
    fn no_statement_can_be_read_as_another() {
        let agent: AgentId = "a".parse().expect("an id");
        let all = [
            challenge_statement(b"xy", b"z"),
            challenge_statement(b"x", b"yz"),
            join_statement(b"xy", b"z"),
            session_statement(b"x", &agent, "yz"),
            rotation_statement(b"x", &agent, b"yz"),
            plan_statement(&agent, b"yz"),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(all[at + 1..].iter().all(|other| other != one), "{at}");
        }
    }
}
