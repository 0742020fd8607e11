//! What every secret is made of and kept as: the system's randomness, SHA-256, and digits. All arithmetic is ring's and sha2's;
//! what a secret is for stands where it is used.

use std::fmt::Write as _;

use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};

/// Bytes that nobody can guess.
///
/// # Panics
/// When the system has no random numbers: nothing that is secret can be made then, and going on would be worse.
#[expect(
    clippy::expect_used,
    reason = "without random numbers nothing may go on; Linux always has them"
)]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system has random numbers");
    bytes
}

/// SHA-256 (FIPS 180-4).
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Hexadecimal digits, two a byte, lower case.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_standard_and_chance_does_not_repeat() {
        assert_eq!(
            hex(&sha256(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(hex(&[]), "");
        assert_ne!(random::<32>(), random::<32>());
    }
}
