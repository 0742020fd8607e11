//! Secrets: made here, shown once, and kept only as something they cannot be had back from. What a person chooses or
//! types is kept as Argon2id (RFC 9106); what is 256 bits of chance needs no slow hash and is kept as SHA-256.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use serde::{Deserialize, Serialize};

use crate::secret::{hex, random, sha256};

/// Bytes of chance in a token, a session and a password that is made here.
const SECRET_BYTES: usize = 32;
/// 19 MiB and two passes: what OWASP asks of Argon2id at least, about 25 ms on a small core.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// Shortest password a person may choose (NIST SP 800-63B asks for 8 of whoever also throttles).
pub const SHORTEST_PASSWORD: usize = 10;
/// Longest, so that hashing one has a bound.
pub const LONGEST_PASSWORD: usize = 256;

/// SHA-256 of a secret, in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretHash(String);

impl SecretHash {
    /// The hash of a secret. Who finds one by its hash compares hashes, which tells nothing of the secret by how long it takes.
    pub fn of(secret: &str) -> Self {
        Self(hex(&sha256(secret.as_bytes())))
    }
}

/// A new secret: 64 hexadecimal digits.
///
/// # Errors
/// When the system has no randomness to give.
pub fn fresh() -> Result<String, String> {
    let bytes = random::<SECRET_BYTES>();
    Ok(hex(&bytes))
}

/// A new password that can be read out and typed: 20 letters and digits that are not taken for each other, in five groups.
/// 97 bits.
///
/// # Errors
/// When the system has no randomness to give.
pub fn fresh_password() -> Result<String, String> {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789-";
    let bytes = random::<64>();
    // 30 letters; two of 32 values are passed over, so that each letter is as likely.
    let mut letters = bytes
        .iter()
        .map(|byte| LETTERS[usize::from(byte & 31)])
        .filter(|letter| *letter != b'-')
        .map(char::from);
    let mut password = String::new();
    for group in 0..5 {
        if group > 0 {
            password.push('-');
        }
        password.extend(letters.by_ref().take(4));
    }
    Ok(password)
}

/// A password's hash in PHC form. Slow on purpose: for a blocking thread.
///
/// # Errors
/// When the password is too short or too long, or the system has no randomness for a salt.
pub fn hash_password(password: &str) -> Result<String, String> {
    let length = password.chars().count();
    if !(SHORTEST_PASSWORD..=LONGEST_PASSWORD).contains(&length) {
        return Err(format!(
            "a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters, this one {length}"
        ));
    }
    let salt = random::<16>();
    let hash = argon2()?.hash_password_with_salt(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string())
        .map_err(|error| format!("the password cannot be hashed: {error}"))
}

/// Whether it is the password. Slow on purpose: for a blocking thread. A hash that cannot be read fits no password.
pub fn is_password(password: &str, hash: &str) -> bool {
    if password.chars().count() > LONGEST_PASSWORD {
        return false;
    }
    let (Ok(hash), Ok(argon2)) = (PasswordHash::new(hash), argon2()) else {
        return false;
    };
    argon2.verify_password(password.as_bytes(), &hash).is_ok()
}

fn argon2() -> Result<Argon2<'static>, String> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|error| error.to_string())?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_hash_and_no_other_is() {
        let hash = hash_password("a long enough one").expect("hashed");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(is_password("a long enough one", &hash));
        for other in ["a long enough on", "", "A long enough one", "a long enough one "] {
            assert!(!is_password(other, &hash), "{other:?}");
        }
        assert!(!is_password("a long enough one", "not a hash"));
        assert_ne!(
            hash,
            hash_password("a long enough one").expect("hashed"),
            "salted"
        );
    }

    #[test]
    fn a_password_has_a_length() {
        for (password, why) in [("short", "10 to 256"), (&*"x".repeat(257), "257")] {
            let error = hash_password(password).expect_err("refused");
            assert!(error.contains(why), "{error}");
        }
        assert!(!is_password(&"x".repeat(1_000_000), "$argon2id$"));
    }

    #[test]
    fn secrets_differ_and_made_passwords_can_be_used() {
        assert_ne!(fresh(), fresh());
        assert_eq!(fresh().expect("chance").len(), 64);
        let password = fresh_password().expect("chance");
        assert_eq!(password.len(), 24, "{password}");
        assert!(hash_password(&password).is_ok());
    }
}
