//! The key of authenticated STAMP: HMAC-SHA-256 cut to 128 bits (RFC 8762 section 4.4). Pure; files are read elsewhere.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;

/// Octets of a signature.
pub const SIGNATURE_BYTES: usize = 16;
/// Shortest key: as many bits as the signature has.
const SHORTEST_KEY_BYTES: usize = 16;
const LONGEST_KEY_BYTES: usize = 64;

/// A shared secret of a sender and a reflector. Never shown.
#[derive(Clone)]
pub struct StampKey(Hmac<Sha256>);

/// The text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Something other than hexadecimal digits.
    #[error("the key has something other than hexadecimal digits; `openssl rand -hex 32` makes a good one")]
    NotHex,
    /// Too few or too many octets.
    #[error(
        "the key has {bytes} octets; use {SHORTEST_KEY_BYTES} to {LONGEST_KEY_BYTES}, for example from `openssl rand -hex 32`"
    )]
    Length {
        /// How many there were.
        bytes: usize,
    },
}

impl StampKey {
    /// Reads a key written in hexadecimal digits; white space around it does not count.
    ///
    /// # Errors
    /// [`KeyError`] when it is none. The error never repeats the text.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let digits = text.trim().as_bytes();
        let (pairs, odd) = digits.as_chunks::<2>();
        if !odd.is_empty() {
            return Err(KeyError::NotHex);
        }
        let value = |digit: u8| char::from(digit).to_digit(16);
        let bytes = pairs.iter().map(|&[high, low]| {
            let octet = value(high)? << 4 | value(low)?;
            u8::try_from(octet).ok()
        });
        let bytes = bytes.collect::<Option<Vec<u8>>>().ok_or(KeyError::NotHex)?;
        Self::from_bytes(&bytes)
    }

    /// The key of these octets.
    ///
    /// # Errors
    /// [`KeyError::Length`] when there are too few or too many.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        if !(SHORTEST_KEY_BYTES..=LONGEST_KEY_BYTES).contains(&bytes.len()) {
            return Err(KeyError::Length { bytes: bytes.len() });
        }
        Hmac::new_from_slice(bytes)
            .map(Self)
            .map_err(|_| KeyError::Length { bytes: bytes.len() })
    }

    /// The signature of the octets of `parts`, one after the other.
    #[must_use]
    pub fn sign(&self, parts: &[&[u8]]) -> [u8; SIGNATURE_BYTES] {
        let whole = self.over(parts).finalize().into_bytes();
        let mut cut = [0; SIGNATURE_BYTES];
        cut.copy_from_slice(&whole[..SIGNATURE_BYTES]);
        cut
    }

    /// Whether `signature` is that of `parts`. Takes as long whether it is or not.
    #[must_use]
    pub fn verify(&self, parts: &[&[u8]], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        self.over(parts).verify_truncated_left(signature).is_ok()
    }

    fn over(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac
    }
}

/// Compares signatures rather than keys, and takes as long whether they are equal or not.
impl PartialEq for StampKey {
    fn eq(&self, other: &Self) -> bool {
        self.verify(&[b"same key?"], &other.sign(&[b"same key?"]))
    }
}

impl Eq for StampKey {}

impl fmt::Debug for StampKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StampKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2's data under a key as long as ours must be: test case 1's key, of 20 octets 0x0b.
    const KEY: &str = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b\n";

    #[test]
    fn signatures_are_those_of_the_standard_cut_to_128_bits() {
        let key = StampKey::from_hex(KEY).expect("a key");
        // RFC 4231 section 4.2: HMAC-SHA-256 of "Hi There".
        let expected = [
            0xb0, 0x34, 0x4c, 0x61, 0xd8, 0xdb, 0x38, 0x53, 0x5c, 0xa8, 0xaf, 0xce, 0xaf, 0x0b, 0xf1, 0x2b,
        ];
        assert_eq!(key.sign(&[b"Hi ", b"There"]), expected);
        assert!(key.verify(&[b"Hi There"], &expected));
        assert!(!key.verify(&[b"Hi there"], &expected));
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_repeated() {
        assert_eq!(StampKey::from_hex("xyz").err(), Some(KeyError::NotHex));
        assert_eq!(
            StampKey::from_hex("0g".repeat(16).as_str()).err(),
            Some(KeyError::NotHex)
        );
        assert_eq!(
            StampKey::from_hex("ab").err(),
            Some(KeyError::Length { bytes: 1 })
        );
        assert_eq!(
            StampKey::from_hex(&"ab".repeat(65)).err(),
            Some(KeyError::Length { bytes: 65 })
        );
        let key = StampKey::from_hex(KEY).expect("a key");
        assert_eq!(format!("{key:?}"), "StampKey(..)");
        assert_eq!(key, key.clone());
        assert_ne!(Ok(key), StampKey::from_hex(&"0b".repeat(21)));
    }
}
