//! Users and API tokens: what is known of each, and the changes that make sense. Pure: who calls is handed the time and
//! the hashes, and keeps the result.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::role::Role;
use super::secret::SecretHash;

/// Users, and tokens, at most: each list is looked through by people.
pub const MOST: usize = 1_000;
/// Longest name.
const LONGEST_NAME: usize = 64;

/// A person who logs in with a password, or whom a trusted proxy names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// What the user may do.
    pub role: Role,
    /// The password's hash in PHC form; none for a user whom only a proxy knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<String>,
    /// When the account was made, unix milliseconds.
    pub created_at_unix_ms: u64,
}

/// What a program shows instead of a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// What its bearer may do.
    pub role: Role,
    /// Of the whole token text.
    pub secret_sha256: SecretHash,
    /// When it was made, unix milliseconds.
    pub created_at_unix_ms: u64,
    /// When it ends, unix milliseconds; never, if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_unix_ms: Option<u64>,
}

/// Everybody who may come in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts {
    /// By name.
    #[serde(default)]
    pub users: BTreeMap<String, User>,
    /// By name.
    #[serde(default)]
    pub tokens: BTreeMap<String, Token>,
}

impl Accounts {
    /// Whether nobody has an account, which leaves the door to this machine alone.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.tokens.is_empty()
    }

    /// Whether somebody can log in and administer.
    pub fn has_administrator(&self) -> bool {
        self.users
            .values()
            .any(|user| user.role == Role::Administer && user.password_hash.is_some())
    }

    /// Adds a user.
    ///
    /// # Errors
    /// When the name is taken or no name, or there are too many.
    pub fn add_user(&mut self, name: &str, user: User) -> Result<(), String> {
        name_is_fit("user", name)?;
        if self.users.contains_key(name) {
            return Err(format!(
                "there is a user {name} already; `user password {name}` and `user role {name}` change it"
            ));
        }
        if self.users.len() >= MOST {
            return Err(format!("there are {MOST} users; remove some"));
        }
        self.users.insert(name.to_owned(), user);
        Ok(())
    }

    /// Lets `change` change a user. The last administrator stays one, or nobody could make another over the API.
    ///
    /// # Errors
    /// When there is none of that name, or it was the last administrator.
    pub fn change_user(&mut self, name: &str, change: impl FnOnce(&mut User)) -> Result<(), String> {
        let mut after = self.clone();
        let user = after.users.get_mut(name).ok_or_else(|| no_user(name))?;
        change(user);
        self.unless_locked_out(after, name)
    }

    /// Removes a user.
    ///
    /// # Errors
    /// When there is none of that name, or it is the last administrator beside others.
    pub fn remove_user(&mut self, name: &str) -> Result<(), String> {
        let mut after = self.clone();
        after.users.remove(name).ok_or_else(|| no_user(name))?;
        if after.is_empty() {
            *self = after;
            return Ok(());
        }
        self.unless_locked_out(after, name)
    }

    fn unless_locked_out(&mut self, after: Self, name: &str) -> Result<(), String> {
        if self.has_administrator() && !after.has_administrator() {
            return Err(format!(
                "{name} is the last administrator with a password; make another one first"
            ));
        }
        *self = after;
        Ok(())
    }

    /// Adds a token.
    ///
    /// # Errors
    /// When the name is taken or no name, or there are too many.
    pub fn add_token(&mut self, name: &str, token: Token) -> Result<(), String> {
        name_is_fit("token", name)?;
        if self.tokens.contains_key(name) {
            return Err(format!(
                "there is a token {name} already; revoke it, or take another name"
            ));
        }
        if self.tokens.len() >= MOST {
            return Err(format!("there are {MOST} tokens; revoke some"));
        }
        self.tokens.insert(name.to_owned(), token);
        Ok(())
    }

    /// Takes a token away.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn revoke_token(&mut self, name: &str) -> Result<(), String> {
        let removed = self.tokens.remove(name);
        removed
            .map(drop)
            .ok_or_else(|| format!("there is no token {name}; `api-token list` names those there are"))
    }

    /// Whose token this is, if it has not ended.
    pub fn bearer(&self, secret: &SecretHash, now_unix_ms: u64) -> Option<(&str, Role)> {
        self.tokens
            .iter()
            .find(|(_, token)| token.secret_sha256 == *secret)
            .filter(|(_, token)| token.expires_at_unix_ms.is_none_or(|end| now_unix_ms < end))
            .map(|(name, token)| (name.as_str(), token.role))
    }
}

fn no_user(name: &str) -> String {
    format!("there is no user {name}; `user list` names those there are")
}

/// Names go into logs, headers and the audit log: letters, digits and what mail addresses have.
fn name_is_fit(what: &str, name: &str) -> Result<(), String> {
    let is_fit = |letter: char| letter.is_alphanumeric() || "-_.@+".contains(letter);
    if (1..=LONGEST_NAME).contains(&name.chars().count()) && name.chars().all(is_fit) {
        return Ok(());
    }
    Err(format!(
        "{name:?} is no name for a {what}; take 1 to {LONGEST_NAME} letters, digits, and - _ . @ +"
    ))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A user of whom nothing but the role and whether there is a password matters.
    pub(in crate::access) fn user(role: Role) -> User {
        User {
            role,
            password_hash: Some("hash".to_owned()),
            created_at_unix_ms: 0,
        }
    }

    fn token(secret: &str, expires_at_unix_ms: Option<u64>) -> Token {
        Token {
            role: Role::Read,
            secret_sha256: SecretHash::of(secret),
            created_at_unix_ms: 0,
            expires_at_unix_ms,
        }
    }

    #[test]
    fn the_last_administrator_stays_and_the_last_of_all_may_go() {
        let mut accounts = Accounts::default();
        accounts.add_user("anna", user(Role::Administer)).expect("new");
        accounts.add_user("ben", user(Role::Read)).expect("new");
        for refused in [
            accounts.remove_user("anna"),
            accounts.change_user("anna", |user| user.role = Role::Read),
            accounts.change_user("anna", |user| user.password_hash = None),
        ] {
            assert!(refused.expect_err("locked out").contains("last administrator"));
        }
        accounts
            .change_user("ben", |user| user.role = Role::Administer)
            .expect("known");
        accounts.remove_user("anna").expect("ben is left");
        accounts
            .remove_user("ben")
            .expect("nobody is left to be locked out");
        assert!(accounts.is_empty());
    }

    #[test]
    fn names_are_taken_once_and_have_a_form() {
        let mut accounts = Accounts::default();
        accounts
            .add_user("anna@example.org", user(Role::Read))
            .expect("new");
        assert!(accounts.add_user("anna@example.org", user(Role::Read)).is_err());
        for name in ["", "a b", "a\r\nX: y", "<b>", &"x".repeat(65)] {
            let error = accounts.add_user(name, user(Role::Read)).expect_err(name);
            assert!(error.contains("is no name"), "{error}");
        }
        assert!(
            accounts
                .remove_user("carl")
                .expect_err("unknown")
                .contains("user list")
        );
    }

    #[test]
    fn a_token_is_good_until_it_ends_or_is_revoked() {
        let mut accounts = Accounts::default();
        accounts
            .add_token("grafana", token("one", Some(1_000)))
            .expect("new");
        accounts.add_token("ci", token("two", None)).expect("new");
        let bearer = |accounts: &Accounts, secret: &str, now| {
            accounts
                .bearer(&SecretHash::of(secret), now)
                .map(|(name, _)| name.to_owned())
        };
        assert_eq!(bearer(&accounts, "one", 999).as_deref(), Some("grafana"));
        assert_eq!(bearer(&accounts, "one", 1_000), None);
        assert_eq!(bearer(&accounts, "three", 0), None);
        accounts.revoke_token("ci").expect("known");
        assert_eq!(bearer(&accounts, "two", 0), None);
        assert!(accounts.revoke_token("ci").is_err());
    }
}
