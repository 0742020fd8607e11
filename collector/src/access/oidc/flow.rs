//! What binds the provider's answer to the browser that asked. Pure: chance and time are handed in. Nothing of a login under way
//! is kept here: the browser holds it in a sealed cookie, so that beginning a million logins costs no memory and pushes nobody
//! else's out. State, nonce and code verifier all follow from the cookie's secret and a key that lives as long as the process.
//!
//! Standard: OpenID Connect Core 1.0 section 3.1.2 (state, nonce), RFC 7636 (PKCE, S256).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::hmac;

use super::refusal::Refusal;
use crate::secret::sha256;

/// The cookie of a login under way.
pub const COOKIE: &str = "azimuth_sign_in";
/// How long somebody may take at the provider.
pub const LONGEST_MS: u64 = 600_000;
/// Longest path to come back to, in bytes.
const LONGEST_RETURN: usize = 2_048;

/// What a login begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// For the cookie.
    pub cookie: String,
    /// Comes back with the answer.
    pub state: String,
    /// Comes back in the token.
    pub nonce: String,
    /// What the code is bound to (RFC 7636, S256).
    pub challenge: String,
}

/// What is known again when the answer comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed {
    /// What the token must hold.
    pub nonce: String,
    /// What redeems the code.
    pub verifier: String,
    /// Where the person wanted to go.
    pub return_to: String,
}

/// The key of all logins under way.
#[derive(Debug)]
pub struct Seal(hmac::Key);

impl Seal {
    /// A key from 32 bytes that nobody can guess.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    fn of(&self, what: &str, secret: &str) -> String {
        BASE64.encode(hmac::sign(&self.0, format!("{what}.{secret}").as_bytes()))
    }

    fn is_of(&self, what: &str, secret: &str, shown: &str) -> bool {
        let Ok(tag) = BASE64.decode(shown) else {
            return false;
        };
        // Takes as long for a tag that is nearly right.
        hmac::verify(&self.0, format!("{what}.{secret}").as_bytes(), &tag).is_ok()
    }

    /// Begins a login that ends at `return_to`.
    ///
    /// # Errors
    /// When that is not a path of ours.
    pub fn begin(&self, chance: &[u8; 32], return_to: &str, now_unix_ms: u64) -> Result<Begun, Refusal> {
        if !is_own_page(return_to) {
            return Err(Refusal::ReturnElsewhere);
        }
        let secret = BASE64.encode(chance);
        let held = format!("{secret}.{now_unix_ms}.{}", BASE64.encode(return_to));
        Ok(Begun {
            state: self.of("state", &secret),
            nonce: self.of("nonce", &secret),
            challenge: BASE64.encode(sha256(self.of("verifier", &secret).as_bytes())),
            cookie: format!("{held}.{}", self.of("cookie", &held)),
        })
    }

    /// Goes on with a login when the answer comes.
    ///
    /// # Errors
    /// When cookie and state do not belong together, are not ours, or are too old.
    pub fn resume(&self, cookie: &str, state: &str, now_unix_ms: u64) -> Result<Resumed, Refusal> {
        let resumed = || {
            let (held, tag) = cookie.rsplit_once('.')?;
            if !self.is_of("cookie", held, tag) {
                return None;
            }
            let (secret, rest) = held.split_once('.')?;
            let (began_at, return_to) = rest.split_once('.')?;
            let age_ms = now_unix_ms.checked_sub(began_at.parse().ok()?)?;
            if age_ms > LONGEST_MS || !self.is_of("state", secret, state) {
                return None;
            }
            Some(Resumed {
                nonce: self.of("nonce", secret),
                verifier: self.of("verifier", secret),
                return_to: String::from_utf8(BASE64.decode(return_to).ok()?).ok()?,
            })
        };
        resumed().ok_or(Refusal::WrongState)
    }
}

/// Whether a browser that is sent there stays with us: a path from the root that no browser reads as another host, and no answer
/// of the API.
fn is_own_page(path: &str) -> bool {
    path.len() <= LONGEST_RETURN
        && path.starts_with('/')
        && !path.starts_with("//")
        && !path.starts_with("/api/")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal() -> Seal {
        Seal::new(&[7; 32])
    }

    #[test]
    fn an_answer_is_taken_from_the_browser_that_asked_within_ten_minutes() {
        let begun = seal().begin(&[1; 32], "/matrix?metric=p99", 1_000).expect("ours");
        let resumed = seal()
            .resume(&begun.cookie, &begun.state, 1_000 + LONGEST_MS)
            .expect("its own");
        assert_eq!(resumed.return_to, "/matrix?metric=p99");
        assert_eq!(resumed.nonce, begun.nonce);
        assert_eq!(
            begun.challenge,
            BASE64.encode(sha256(resumed.verifier.as_bytes())),
            "RFC 7636 section 4.2"
        );
        assert!((43..=128).contains(&resumed.verifier.len()), "section 4.1");

        let other = seal().begin(&[2; 32], "/", 1_000).expect("ours");
        let late = 1_001 + LONGEST_MS;
        let mut bent = begun.cookie.clone();
        bent.replace_range(0..1, if bent.starts_with('A') { "B" } else { "A" });
        for (cookie, state, now, what) in [
            (&begun.cookie, &other.state, 2_000, "another's state"),
            (&other.cookie, &begun.state, 2_000, "another's cookie"),
            (&begun.cookie, &begun.nonce, 2_000, "the nonce is no state"),
            (&begun.cookie, &String::new(), 2_000, "no state"),
            (&String::new(), &begun.state, 2_000, "no cookie"),
            (&bent, &begun.state, 2_000, "a bent cookie"),
            (&begun.cookie, &begun.state, late, "too late"),
            (&begun.cookie, &begun.state, 999, "before it began"),
        ] {
            assert_eq!(
                seal().resume(cookie, state, now),
                Err(Refusal::WrongState),
                "{what}"
            );
        }
        let parts: Vec<&str> = begun.cookie.split('.').collect();
        let elsewhere = BASE64.encode("https://example.org/");
        for (forged, what) in [
            (
                [parts[0], parts[1], &elsewhere, parts[3]],
                "another page to come back to",
            ),
            ([parts[0], "600000000", parts[2], parts[3]], "a later beginning"),
        ] {
            let forged = seal().resume(&forged.join("."), &begun.state, 600_000_001);
            assert_eq!(forged, Err(Refusal::WrongState), "{what}");
        }
        let after_a_restart = Seal::new(&[8; 32]).resume(&begun.cookie, &begun.state, 2_000);
        assert_eq!(after_a_restart, Err(Refusal::WrongState));
    }

    #[test]
    fn nobody_is_sent_elsewhere_afterwards() {
        for ours in ["/", "/matrix", "/pair?agent=a&zone=b%2Fc"] {
            assert!(is_own_page(ours), "{ours}");
        }
        for elsewhere in [
            "",
            "https://example.org/",
            "//example.org/",
            "/\\example.org",
            "/a\\b",
            "/\texample.org",
            "/\r\nset-cookie: a=b",
            "javascript:alert(1)",
            "matrix",
            "/api/v1/backup",
            "/é",
        ] {
            let begun = seal().begin(&[1; 32], elsewhere, 0);
            assert_eq!(begun, Err(Refusal::ReturnElsewhere), "{elsewhere:?}");
        }
    }
}
