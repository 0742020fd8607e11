//! The gate at work: accounts that follow their file, sessions, and who tries too often. Blocks where it says so.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, HeaderName, Method, header};

use super::accounts::{Accounts, Token};
use super::audit::Event;
use super::files::{AccessFiles, FileError, Stamp};
use super::gate::{self, Asker, Caller, Known, Refusal};
use super::role::Role;
use super::secret::{self, SecretHash};
use super::sessions::{Holder, LONGEST_MS, Sessions};
use super::settings::Settings;
use super::throttle::Throttle;
use super::tokens::{self, Who};
use crate::serve::Peer;
use crate::utc::UtcInstant;

/// The cookie of a session.
pub const COOKIE: &str = "azimuth_session";
/// How old what is known of the accounts' file may be: a revocation holds within as long.
const LOOK_EVERY_MS: u64 = 500;

/// Why somebody is not logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginRefusal {
    /// Name or password are wrong; which one is not said.
    Wrong,
    /// Too many tries; the seconds to wait.
    Throttled(u32),
    /// It did not work; the log says more.
    Failed(String),
}

/// The gate, for all requests.
#[derive(Debug)]
pub struct Guard {
    files: AccessFiles,
    settings: Settings,
    now_unix_ms: fn() -> u64,
    kept: Mutex<Kept>,
    /// One password is hashed at a time: 19 MiB each.
    hashing: Mutex<()>,
    /// What is hashed when there is no such user, so that it takes as long.
    nobodys_hash: String,
}

#[derive(Debug)]
struct Kept {
    accounts: Accounts,
    stamp: Stamp,
    looked_at_unix_ms: u64,
    sessions: Sessions,
    throttle: Throttle,
}

impl Guard {
    /// Reads the accounts of a data directory. Blocks.
    ///
    /// # Errors
    /// When there are accounts that cannot be read: nobody is let in by mistake.
    pub fn open(files: AccessFiles, settings: Settings, now_unix_ms: fn() -> u64) -> Result<Self, FileError> {
        let stamp = files.stamp()?;
        let accounts = files.accounts()?;
        let nobodys_hash = secret::fresh()
            .and_then(|password| secret::hash_password(&password))
            .map_err(FileError::Refused)?;
        Ok(Self {
            kept: Mutex::new(Kept {
                accounts,
                stamp,
                looked_at_unix_ms: now_unix_ms(),
                sessions: Sessions::default(),
                throttle: Throttle::default(),
            }),
            files,
            settings,
            now_unix_ms,
            hashing: Mutex::new(()),
            nobodys_hash,
        })
    }

    /// Whether a request is answered, and as whose.
    ///
    /// # Errors
    /// Why not.
    pub fn pass(
        &self,
        method: &Method,
        path: &str,
        peer: Option<Peer>,
        headers: &HeaderMap,
    ) -> Result<Asker, Refusal> {
        let mut kept = self.kept();
        let has_accounts = !kept.accounts.is_empty() || self.settings.knows_others();
        let caller = self.known(&mut kept, peer, headers, has_accounts);
        drop(kept);
        let changes = !matches!(*method, Method::GET | Method::HEAD);
        let need = gate::need(method, path);
        gate::pass(need, caller, has_accounts, self.settings.public, changes, headers)
    }

    fn known(
        &self,
        kept: &mut Kept,
        peer: Option<Peer>,
        headers: &HeaderMap,
        has_accounts: bool,
    ) -> Option<Caller> {
        let now_unix_ms = (self.now_unix_ms)();
        if let Some(token) = bearer(headers) {
            // Who shows a token is nobody else: a wrong one must not be mended by where it came from.
            let hash = SecretHash::of(token);
            let (name, role) = kept.accounts.bearer(&hash, now_unix_ms)?;
            return Some(Caller {
                name: format!("token {name}"),
                role,
                known: Known::Token,
            });
        }
        if let Some(cookie) = cookie(headers, COOKIE) {
            let found = match kept.sessions.holder_of(&SecretHash::of(cookie), now_unix_ms) {
                None => None,
                Some(Holder::Vouched(name, role)) => Some((name, role)),
                Some(Holder::Account(name)) => kept.accounts.users.get(&name).map(|user| (name, user.role)),
            };
            if let Some((name, role)) = found {
                return Some(Caller {
                    name,
                    role,
                    known: Known::Session,
                });
            }
        }
        if let Some(caller) = self.by_proxy(&kept.accounts, peer, headers) {
            return Some(caller);
        }
        match peer? {
            Peer(None) => Some(Caller {
                name: "unix socket".to_owned(),
                role: Role::Administer,
                known: Known::UnixSocket,
            }),
            Peer(Some(address)) if !has_accounts && address.to_canonical().is_loopback() => Some(Caller {
                name: "this machine".to_owned(),
                role: Role::Administer,
                known: Known::ThisMachine,
            }),
            Peer(Some(_)) => None,
        }
    }

    /// Why a header with which only the proxy may name people is not believed; nothing if there is none, or it is.
    pub fn foreign_name(&self, peer: Option<Peer>, headers: &HeaderMap) -> Option<&'static str> {
        let proxy = self.settings.proxy.as_ref()?;
        headers.get(&proxy.user_header)?;
        let is_proxy = peer
            .and_then(|peer| peer.0)
            .is_some_and(|from| proxy.addresses.contains(&from.to_canonical()));
        if !is_proxy {
            return Some("not_from_the_proxy");
        }
        one(headers, &proxy.user_header)
            .is_none()
            .then_some("named_twice")
    }

    fn by_proxy(&self, accounts: &Accounts, peer: Option<Peer>, headers: &HeaderMap) -> Option<Caller> {
        let proxy = self.settings.proxy.as_ref()?;
        let from = peer?.0?.to_canonical();
        if !proxy.addresses.contains(&from) {
            return None;
        }
        let name = one(headers, &proxy.user_header).filter(|name| !name.is_empty() && name.len() <= 256)?;
        let role = accounts.users.get(name).map(|user| user.role).or(proxy.role)?;
        Some(Caller {
            name: name.to_owned(),
            role,
            known: Known::Proxy,
        })
    }

    /// Logs somebody in: the secret for the cookie. Slow on purpose, blocks.
    ///
    /// # Errors
    /// Why not.
    pub fn log_in(
        &self,
        name: &str,
        password: &str,
        peer: Option<Peer>,
    ) -> Result<(String, Role), LoginRefusal> {
        let from = peer.and_then(|peer| peer.0);
        let hash = {
            let mut kept = self.kept();
            kept.throttle
                .begin(from, name, (self.now_unix_ms)())
                .map_err(LoginRefusal::Throttled)?;
            let user = kept.accounts.users.get(name);
            user.and_then(|user| user.password_hash.clone())
        };
        let is_right = {
            let _one = self.hashing.lock().unwrap_or_else(PoisonError::into_inner);
            // As long for a user that there is not.
            secret::is_password(password, hash.as_ref().unwrap_or(&self.nobodys_hash)) && hash.is_some()
        };
        if !is_right {
            self.note(name, peer, "login_refused", "");
            return Err(LoginRefusal::Wrong);
        }
        let fresh = secret::fresh().map_err(LoginRefusal::Failed)?;
        let role = {
            let mut kept = self.kept();
            kept.throttle.forgive(from, name);
            // Meanwhile the password may have been changed.
            let user = kept.accounts.users.get(name);
            let user = user
                .filter(|user| user.password_hash == hash)
                .ok_or(LoginRefusal::Wrong)?;
            let role = user.role;
            let holder = Holder::Account(name.to_owned());
            kept.sessions
                .begin(SecretHash::of(&fresh), holder, LONGEST_MS, (self.now_unix_ms)());
            role
        };
        self.note(name, peer, "login", "");
        Ok((fresh, role))
    }

    /// The API tokens, by name.
    pub fn tokens(&self) -> Vec<(String, Token)> {
        let kept = self.kept();
        let tokens = kept.accounts.tokens.iter();
        tokens
            .map(|(name, token)| (name.clone(), token.clone()))
            .collect()
    }

    /// Whether an API token would be the first account, which shuts the door on whoever is let in for being on this machine,
    /// and leaves nobody who could log in.
    pub fn would_lock_out(&self) -> bool {
        self.settings.proxy.is_none() && self.kept().accounts.is_empty()
    }

    /// Makes an API token, good from now on: its text, which is told this once. Blocks.
    ///
    /// # Errors
    /// As [`tokens::make`].
    pub fn make_token(
        &self,
        wanted: tokens::Wanted<'_>,
        by: &str,
        peer: Option<Peer>,
    ) -> Result<String, FileError> {
        let made = tokens::make(&self.files, wanted, who(by, peer), (self.now_unix_ms)());
        self.look_again();
        made
    }

    /// Takes an API token away, from now on. Blocks.
    ///
    /// # Errors
    /// As [`tokens::revoke`].
    pub fn revoke_token(&self, name: &str, by: &str, peer: Option<Peer>) -> Result<(), FileError> {
        let revoked = tokens::revoke(&self.files, name, who(by, peer), (self.now_unix_ms)());
        self.look_again();
        revoked
    }

    /// Has the next question look at the accounts' file.
    fn look_again(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.looked_at_unix_ms = 0;
    }

    /// Whether somebody from there may have an identity provider asked; counted until [`Guard::let_in`] says that it was right.
    ///
    /// # Errors
    /// The seconds to wait when there were too many.
    pub fn may_sign_in(&self, peer: Option<Peer>) -> Result<(), u32> {
        let from = peer.and_then(|peer| peer.0);
        self.kept().throttle.begin_address(from, (self.now_unix_ms)())
    }

    /// Begins a session for somebody an identity provider vouched for: the secret for the cookie. `subject` goes into the audit
    /// log. Blocks.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn let_in(
        &self,
        name: &str,
        role: Role,
        longest_ms: u64,
        subject: &str,
        peer: Option<Peer>,
    ) -> Result<String, String> {
        let fresh = secret::fresh()?;
        {
            let mut kept = self.kept();
            kept.throttle.forgive_address(peer.and_then(|peer| peer.0));
            let holder = Holder::Vouched(name.to_owned(), role);
            kept.sessions
                .begin(SecretHash::of(&fresh), holder, longest_ms, (self.now_unix_ms)());
        }
        self.note(name, peer, "login", &format!("role {role}, {subject}"));
        Ok(fresh)
    }

    /// Whether anybody may look at measurements.
    pub fn is_public(&self) -> bool {
        self.settings.public
    }

    /// What somebody may do who is not known.
    pub fn anybodys_role(&self) -> Option<Role> {
        let has_accounts = !self.kept().accounts.is_empty() || self.settings.knows_others();
        (self.settings.public || !has_accounts).then_some(Role::Read)
    }

    /// Ends the session whose cookie the request has, if any.
    pub fn log_out(&self, headers: &HeaderMap) {
        if let Some(cookie) = cookie(headers, COOKIE) {
            self.kept().sessions.end(&SecretHash::of(cookie));
        }
    }

    /// Whether there is anybody who could log in.
    pub fn has_passwords(&self) -> bool {
        let kept = self.kept();
        kept.accounts
            .users
            .values()
            .any(|user| user.password_hash.is_some())
    }

    /// Writes into the audit log what somebody did. What cannot be written is said in the process's log: nobody is locked out
    /// because a disk is full. Blocks.
    pub fn note(&self, by: &str, peer: Option<Peer>, what: &str, subject: &str) {
        let Who { by, from } = who(by, peer);
        let event = Event {
            at: UtcInstant::from_unix_ms((self.now_unix_ms)()),
            by,
            from,
            what: what.to_owned(),
            subject: subject.chars().take(256).collect(),
        };
        if let Err(error) = self.files.append(event) {
            tracing::error!("the audit log misses {what}: {error}");
        }
    }

    /// What is kept, once it is sure that the accounts' file is the one that was read.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now_unix_ms = (self.now_unix_ms)();
        if now_unix_ms.abs_diff(kept.looked_at_unix_ms) < LOOK_EVERY_MS {
            return kept;
        }
        kept.looked_at_unix_ms = now_unix_ms;
        let looked = self.files.stamp().and_then(|stamp| {
            let is_new = stamp != kept.stamp;
            Ok((is_new.then(|| self.files.accounts()).transpose()?, stamp))
        });
        match looked {
            Ok((None, _)) => {}
            Ok((Some(accounts), stamp)) => {
                let before = std::mem::replace(&mut kept.accounts, accounts);
                kept.stamp = stamp;
                let kept = &mut *kept;
                let password = |accounts: &Accounts, name: &str| {
                    let user = accounts.users.get(name);
                    user.and_then(|user| user.password_hash.clone())
                };
                kept.sessions.retain(|name| {
                    password(&kept.accounts, name).is_some()
                        && password(&kept.accounts, name) == password(&before, name)
                });
            }
            // What was read last goes on: a file that is damaged must not open the door.
            Err(error) => tracing::error!("{error}; the accounts stay as they were"),
        }
        kept
    }
}

/// As the audit log has it.
fn who(by: &str, peer: Option<Peer>) -> Who {
    let letters = by.chars().filter(|letter| !letter.is_control());
    Who {
        by: letters.take(64).collect(),
        from: place(peer.and_then(|peer| peer.0), peer.is_some()),
    }
}

fn place(address: Option<IpAddr>, is_known: bool) -> String {
    match address {
        Some(address) => address.to_canonical().to_string(),
        None if is_known => "unix".to_owned(),
        None => "unknown".to_owned(),
    }
}

/// A header that is there once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    match values.next() {
        None => first.to_str().ok(),
        Some(_) => None,
    }
}

/// The token of an `Authorization: Bearer` header (RFC 6750).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = one(headers, &header::AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A cookie by its name (RFC 6265).
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == wanted)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use axum::http::HeaderValue;

    use super::*;
    use crate::access::accounts::User;
    use crate::access::settings::Proxy;

    static NOW: AtomicU64 = AtomicU64::new(1_000_000);

    fn now() -> u64 {
        // Every look at the clock is a second later, so that every question looks at the file.
        NOW.fetch_add(1_000, Ordering::Relaxed)
    }

    fn event() -> Event {
        Event {
            at: UtcInstant::from_unix_ms(0),
            by: "root".to_owned(),
            from: "command line".to_owned(),
            what: "changed".to_owned(),
            subject: String::new(),
        }
    }

    fn change(files: &AccessFiles, change: impl FnOnce(&mut Accounts) -> Result<(), String>) {
        files.change(event(), change).expect("changed");
    }

    fn with_anna(settings: Settings) -> (tempfile::TempDir, AccessFiles, Guard) {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let files = AccessFiles::new(directory.path());
        let hash = secret::hash_password("correct horse").expect("hashed");
        change(&files, |accounts| {
            accounts.add_user(
                "anna",
                User {
                    role: Role::Administer,
                    password_hash: Some(hash),
                    created_at_unix_ms: 0,
                },
            )
        });
        let guard = Guard::open(files.clone(), settings, now).expect("opened");
        (directory, files, guard)
    }

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).expect("a value"))])
    }

    fn from(text: &str) -> Option<Peer> {
        Some(Peer(Some(text.parse().expect("an address"))))
    }

    fn look(guard: &Guard, peer: Option<Peer>, headers: &HeaderMap) -> Result<Option<Role>, Refusal> {
        let passed = guard.pass(&Method::GET, "/api/v1/status", peer, headers);
        passed.map(|asker| match asker {
            Asker::Caller(caller) => Some(caller.role),
            Asker::Anybody { .. } => None,
        })
    }

    #[test]
    fn who_logs_in_is_known_until_logging_out_or_being_removed() {
        let (_directory, files, guard) = with_anna(Settings::default());
        let here = from("127.0.0.1");
        let none = HeaderMap::new();
        assert_eq!(
            look(&guard, here, &none),
            Err(Refusal::LogIn),
            "being here is not enough"
        );
        assert_eq!(
            look(&guard, Some(Peer(None)), &none),
            Ok(Some(Role::Administer)),
            "the socket is"
        );
        assert_eq!(guard.log_in("anna", "wrong", here), Err(LoginRefusal::Wrong));
        assert_eq!(
            guard.log_in("ben", "correct horse", here),
            Err(LoginRefusal::Wrong)
        );
        let (first, role) = guard.log_in("anna", "correct horse", here).expect("in");
        assert_eq!(role, Role::Administer);
        let cookie = |secret: &str| headers(header::COOKIE, &format!("theme=dark; {COOKIE}={secret}"));
        assert_eq!(
            look(&guard, from("192.0.2.1"), &cookie(&first)),
            Ok(Some(Role::Administer))
        );
        assert_eq!(look(&guard, here, &cookie("guessed")), Err(Refusal::LogIn));
        guard.log_out(&cookie(&first));
        assert_eq!(look(&guard, here, &cookie(&first)), Err(Refusal::LogIn));

        let (second, _) = guard.log_in("anna", "correct horse", here).expect("in");
        change(&files, |accounts| {
            accounts.change_user("anna", |user| user.password_hash = Some("another".to_owned()))
        });
        assert_eq!(
            look(&guard, here, &cookie(&second)),
            Err(Refusal::LogIn),
            "another password"
        );
        let log = std::fs::read_to_string(files.audit_file()).expect("a log");
        let checked = crate::access::audit::check(&log).expect("whole");
        assert_eq!(checked.lines, 6, "{log}");
        assert_eq!(log.matches("login_refused").count(), 2, "{log}");
    }

    #[test]
    fn a_token_is_good_for_its_role_and_not_after_it_is_revoked() {
        let (_directory, files, guard) = with_anna(Settings::default());
        change(&files, |accounts| {
            let token = Token {
                role: Role::Read,
                secret_sha256: SecretHash::of("azt_1"),
                created_at_unix_ms: 0,
                expires_at_unix_ms: None,
            };
            accounts.add_token("grafana", token)
        });
        let shown = headers(header::AUTHORIZATION, "Bearer azt_1");
        assert_eq!(look(&guard, from("192.0.2.1"), &shown), Ok(Some(Role::Read)));
        let backup = guard.pass(&Method::GET, "/api/v1/backup", from("192.0.2.1"), &shown);
        assert_eq!(backup, Err(Refusal::NotAllowed(Role::Administer)));
        let wrong = headers(header::AUTHORIZATION, "Bearer azt_2");
        assert_eq!(look(&guard, Some(Peer(None)), &wrong), Err(Refusal::LogIn));
        change(&files, |accounts| accounts.revoke_token("grafana"));
        assert_eq!(look(&guard, from("192.0.2.1"), &shown), Err(Refusal::LogIn));
    }

    #[test]
    fn a_proxy_is_believed_from_its_own_address_only() {
        let settings = Settings {
            proxy: Some(Proxy {
                addresses: vec!["10.0.0.5".parse().expect("an address")],
                user_header: HeaderName::from_static("x-forwarded-user"),
                role: Some(Role::Read),
            }),
            ..Settings::default()
        };
        let (_directory, _files, guard) = with_anna(settings);
        let named = |name: &str| headers(HeaderName::from_static("x-forwarded-user"), name);
        assert_eq!(
            look(&guard, from("10.0.0.5"), &named("anna")),
            Ok(Some(Role::Administer))
        );
        assert_eq!(
            look(&guard, from("::ffff:10.0.0.5"), &named("carl")),
            Ok(Some(Role::Read))
        );
        assert_eq!(guard.foreign_name(from("10.0.0.5"), &named("anna")), None);
        assert_eq!(guard.foreign_name(from("10.0.0.6"), &HeaderMap::new()), None);
        for elsewhere in ["10.0.0.6", "127.0.0.1"] {
            let foreign = guard.foreign_name(from(elsewhere), &named("anna"));
            assert_eq!(foreign, Some("not_from_the_proxy"));
            assert_eq!(look(&guard, from(elsewhere), &named("anna")), Err(Refusal::LogIn));
        }
        let mut twice = named("carl");
        twice.append("x-forwarded-user", HeaderValue::from_static("anna"));
        assert_eq!(
            look(&guard, from("10.0.0.5"), &twice),
            Err(Refusal::LogIn),
            "which of them?"
        );
        assert_eq!(guard.foreign_name(from("10.0.0.5"), &twice), Some("named_twice"));
    }

    #[test]
    fn without_accounts_this_machine_is_let_in_and_a_damaged_file_does_not_make_it_so() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let guard =
            Guard::open(AccessFiles::new(directory.path()), Settings::default(), now).expect("opened");
        let none = HeaderMap::new();
        assert_eq!(look(&guard, from("127.0.0.1"), &none), Ok(Some(Role::Administer)));
        assert_eq!(
            look(&guard, from("192.0.2.1"), &none),
            Ok(None),
            "if it was bound there by name"
        );

        let (directory, files, guard) = with_anna(Settings::default());
        std::fs::write(directory.path().join("access/accounts.json"), "{").expect("written");
        assert_eq!(look(&guard, from("127.0.0.1"), &none), Err(Refusal::LogIn));
        assert!(Guard::open(files, Settings::default(), now).is_err());
    }

    #[test]
    fn the_sixth_wrong_password_in_a_minute_is_not_even_looked_at() {
        let (_directory, files, _) = with_anna(Settings::default());
        // A clock of its own: other tests move the shared one, by more than a minute while a password is hashed.
        let guard = Guard::open(files, Settings::default(), || 1_000_000).expect("opened");
        for _ in 0..5 {
            assert_eq!(guard.log_in("anna", "wrong", None), Err(LoginRefusal::Wrong));
        }
        let refused = guard.log_in("anna", "correct horse", None);
        assert!(
            matches!(refused, Err(LoginRefusal::Throttled(1..=60))),
            "{refused:?}"
        );
    }
}
