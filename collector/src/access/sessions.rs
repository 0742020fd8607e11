//! Who is logged in. Pure: handed the time. Kept in memory only, by hash: a restart of the collector logs everybody out.

use std::collections::HashMap;

use super::secret::SecretHash;

/// A session ends when nothing was asked in it for as long.
pub const IDLE_MS: u64 = 12 * 3_600_000;
/// And at the latest after as long.
pub const LONGEST_MS: u64 = 7 * 86_400_000;
/// Sessions at most; the one that was asked in longest ago makes room.
const MOST: usize = 10_000;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Session {
    user: String,
    began_at_unix_ms: u64,
    asked_at_unix_ms: u64,
}

impl Session {
    fn is_over(&self, now_unix_ms: u64) -> bool {
        now_unix_ms.saturating_sub(self.asked_at_unix_ms) >= IDLE_MS
            || now_unix_ms.saturating_sub(self.began_at_unix_ms) >= LONGEST_MS
    }
}

/// The sessions there are.
#[derive(Debug, Default)]
pub struct Sessions(HashMap<SecretHash, Session>);

impl Sessions {
    /// Begins one.
    pub fn begin(&mut self, secret: SecretHash, user: &str, now_unix_ms: u64) {
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
            user: user.to_owned(),
            began_at_unix_ms: now_unix_ms,
            asked_at_unix_ms: now_unix_ms,
        };
        self.0.insert(secret, session);
    }

    /// Whose session it is, if it goes on; it then does for another while.
    pub fn user_of(&mut self, secret: &SecretHash, now_unix_ms: u64) -> Option<String> {
        let session = self.0.get_mut(secret)?;
        if session.is_over(now_unix_ms) {
            self.0.remove(secret);
            return None;
        }
        session.asked_at_unix_ms = session.asked_at_unix_ms.max(now_unix_ms);
        Some(session.user.clone())
    }

    /// Ends one.
    pub fn end(&mut self, secret: &SecretHash) {
        self.0.remove(secret);
    }

    /// Ends those of users of whom `stays` says no: removed, or with another password.
    pub fn retain(&mut self, stays: impl Fn(&str) -> bool) {
        self.0.retain(|_, session| stays(&session.user));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_idle_or_old_or_ended() {
        let (mut sessions, secret) = (Sessions::default(), SecretHash::of("s"));
        sessions.begin(secret.clone(), "anna", 0);
        assert_eq!(sessions.user_of(&secret, IDLE_MS - 1).as_deref(), Some("anna"));
        assert_eq!(
            sessions.user_of(&secret, 2 * IDLE_MS - 2).as_deref(),
            Some("anna"),
            "asked in between"
        );
        assert_eq!(sessions.user_of(&secret, 4 * IDLE_MS), None);

        sessions.begin(secret.clone(), "anna", 0);
        let mut now = 0;
        while sessions.user_of(&secret, now).is_some() {
            now += IDLE_MS / 2;
        }
        assert_eq!(now, LONGEST_MS);

        sessions.begin(secret.clone(), "anna", 0);
        sessions.retain(|user| user != "anna");
        assert_eq!(sessions.user_of(&secret, 0), None);
    }

    #[test]
    fn there_are_only_so_many() {
        let mut sessions = Sessions::default();
        for number in 0..=MOST as u64 {
            sessions.begin(SecretHash::of(&number.to_string()), "anna", number);
        }
        assert_eq!(sessions.0.len(), MOST);
        assert_eq!(sessions.user_of(&SecretHash::of("0"), MOST as u64), None);
        assert!(sessions.user_of(&SecretHash::of("1"), MOST as u64).is_some());
    }
}
