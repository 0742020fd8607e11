//! Who is logged in. Pure: handed the time. Kept in memory only, by hash: a restart of the collector logs everybody out.

use std::collections::HashMap;

use super::role::Role;
use super::secret::SecretHash;

/// A session ends when nothing was asked in it for as long.
pub const IDLE_MS: u64 = 12 * 3_600_000;
/// And at the latest after as long.
pub const LONGEST_MS: u64 = 7 * 86_400_000;
/// Sessions at most; the one that was asked in longest ago makes room.
const MOST: usize = 10_000;

/// Whose session it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// Of a user with an account here, who may do what the account says.
    Account(String),
    /// Of somebody an identity provider vouched for, with what they may do until the session ends.
    Vouched(String, Role),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Session {
    holder: Holder,
    longest_ms: u64,
    began_at_unix_ms: u64,
    asked_at_unix_ms: u64,
}

impl Session {
    fn is_over(&self, now_unix_ms: u64) -> bool {
        now_unix_ms.saturating_sub(self.asked_at_unix_ms) >= IDLE_MS
            || now_unix_ms.saturating_sub(self.began_at_unix_ms) >= self.longest_ms
    }
}

/// The sessions there are.
#[derive(Debug, Default)]
pub struct Sessions(HashMap<SecretHash, Session>);

impl Sessions {
    /// Begins one, that ends after `longest_ms` at the latest.
    pub fn begin(&mut self, secret: SecretHash, holder: Holder, longest_ms: u64, now_unix_ms: u64) {
        self.0.retain(|_, session| !session.is_over(now_unix_ms));
        if self.0.len() >= MOST
            && let Some(oldest) = self
                .0
                .iter()
                .min_by_key(|(_, session)| session.asked_at_unix_ms)
                .map(|(secret, _)| secret.clone())
        {
            self.0.remove(&oldest);
        }
        let session = Session {
            holder,
            longest_ms: longest_ms.min(LONGEST_MS),
            began_at_unix_ms: now_unix_ms,
            asked_at_unix_ms: now_unix_ms,
        };
        self.0.insert(secret, session);
    }

    /// Whose session it is, if it goes on; it then does for another while.
    pub fn holder_of(&mut self, secret: &SecretHash, now_unix_ms: u64) -> Option<Holder> {
        let session = self.0.get_mut(secret)?;
        if session.is_over(now_unix_ms) {
            self.0.remove(secret);
            return None;
        }
        session.asked_at_unix_ms = session.asked_at_unix_ms.max(now_unix_ms);
        Some(session.holder.clone())
    }

    /// Ends one.
    pub fn end(&mut self, secret: &SecretHash) {
        self.0.remove(secret);
    }

    /// Ends those of accounts of which `stays` says no: removed, or with another password.
    pub fn retain(&mut self, stays: impl Fn(&str) -> bool) {
        self.0.retain(|_, session| match &session.holder {
            Holder::Account(name) => stays(name),
            Holder::Vouched(..) => true,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anna() -> Holder {
        Holder::Account("anna".to_owned())
    }

    #[test]
    fn a_session_ends_when_idle_or_old_or_ended() {
        let (mut sessions, secret) = (Sessions::default(), SecretHash::of("s"));
        sessions.begin(secret.clone(), anna(), LONGEST_MS, 0);
        assert_eq!(sessions.holder_of(&secret, IDLE_MS - 1), Some(anna()));
        assert_eq!(
            sessions.holder_of(&secret, 2 * IDLE_MS - 2),
            Some(anna()),
            "asked in between"
        );
        assert_eq!(sessions.holder_of(&secret, 4 * IDLE_MS), None);

        for longest_ms in [LONGEST_MS, LONGEST_MS / 2, 2 * LONGEST_MS] {
            sessions.begin(secret.clone(), anna(), longest_ms, 0);
            let mut now = 0;
            while sessions.holder_of(&secret, now).is_some() {
                now += IDLE_MS / 2;
            }
            assert_eq!(now, longest_ms.min(LONGEST_MS));
        }

        sessions.begin(secret.clone(), anna(), LONGEST_MS, 0);
        let vouched = Holder::Vouched("anna (Example)".to_owned(), Role::Read);
        sessions.begin(SecretHash::of("t"), vouched.clone(), LONGEST_MS, 0);
        sessions.retain(|user| user != "anna");
        assert_eq!(sessions.holder_of(&secret, 0), None);
        assert_eq!(
            sessions.holder_of(&SecretHash::of("t"), 0),
            Some(vouched),
            "of no account"
        );
    }

    #[test]
    fn there_are_only_so_many() {
        let mut sessions = Sessions::default();
        for number in 0..=MOST as u64 {
            sessions.begin(SecretHash::of(&number.to_string()), anna(), LONGEST_MS, number);
        }
        assert_eq!(sessions.0.len(), MOST);
        assert_eq!(sessions.holder_of(&SecretHash::of("0"), MOST as u64), None);
        assert!(sessions.holder_of(&SecretHash::of("1"), MOST as u64).is_some());
    }
}
