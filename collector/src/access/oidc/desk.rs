//! Signing in, from the question of a browser to a person with a role: what the provider publishes is fetched when it is first
//! needed, kept, and fetched again when it is old or a key is unknown. A provider that is away costs its own logins only.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::StatusCode;
use serde::Deserialize;
use tokio::sync::{Mutex, Semaphore};

use super::claims::{self, Expected, Person};
use super::fetch::{Ask, fetch};
use super::flow::{Begun, Seal};
use super::provider::{self, Provider};
use super::refusal::Refusal;
use super::settings::Settings;
use super::token::{self, Claims, Keys};
use crate::metrics::Metrics;
use crate::notify::settings::Secret;
use crate::secret::random;

/// How long the discovery document and the keys are believed.
const OLD_AFTER_MS: u64 = 3_600_000;
/// How long a failure is, so that a flood of logins does not wait for a provider that is away one after the other.
const FAILED_FOR_MS: u64 = 2_000;
/// Codes redeemed at once.
const MOST_AT_ONCE: usize = 8;

/// What a provider publishes.
#[derive(Debug, Clone)]
struct Published {
    provider: Provider,
    keys: Keys,
    at_unix_ms: u64,
}

#[derive(Debug, Default)]
struct Kept {
    published: Option<Published>,
    failed: Option<(Refusal, u64)>,
}

/// Where a browser is sent, and what it has to keep.
#[derive(Debug)]
pub struct Departure {
    /// The provider's page.
    pub location: String,
    /// The value of [`super::flow::COOKIE`].
    pub cookie: String,
}

/// Somebody who came back.
#[derive(Debug)]
pub struct Arrival {
    /// Who it is.
    pub person: Person,
    /// Where they wanted to go; a path of ours.
    pub return_to: String,
}

/// What the provider's answer brings, each parameter once.
#[derive(Debug, Default)]
pub struct Answer {
    code: Option<String>,
    state: Option<String>,
    issuer: Option<String>,
    error: Option<String>,
}

impl Answer {
    /// Reads a query string; a parameter that is there twice is there not at all.
    pub fn read(query: &str) -> Self {
        let mut found: BTreeMap<String, Option<String>> = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            found
                .entry(name.into_owned())
                .and_modify(|before| *before = None)
                .or_insert_with(|| Some(value.into_owned()));
        }
        let mut take = |name: &str| found.remove(name).flatten();
        Self {
            code: take("code"),
            state: take("state"),
            issuer: take("iss"),
            error: take("error"),
        }
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: String,
}

/// Signs people in.
#[derive(Debug)]
pub struct SignIn {
    settings: Settings,
    seal: Seal,
    kept: Mutex<Kept>,
    turns: Semaphore,
    metrics: Arc<Metrics>,
    now_unix_ms: fn() -> u64,
}

impl SignIn {
    /// With a fresh key for logins under way.
    pub fn new(settings: Settings, metrics: Arc<Metrics>, now_unix_ms: fn() -> u64) -> Self {
        Self {
            settings,
            seal: Seal::new(&random()),
            kept: Mutex::default(),
            turns: Semaphore::new(MOST_AT_ONCE),
            metrics,
            now_unix_ms,
        }
    }

    /// What people call the provider.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Whether browsers find this collector by https, so that no cookie may travel otherwise.
    pub fn is_https(&self) -> bool {
        self.settings.redirect.scheme() == "https"
    }

    /// How long a session lasts at most, milliseconds.
    pub fn session_ms(&self) -> u64 {
        self.settings.session_ms
    }

    /// Asks the provider for what it publishes, so that a mistake is said at the start and not at the first login.
    pub async fn look(&self) {
        match self.published(None).await {
            Ok(_) => tracing::info!(
                "people can sign in with {} ({})",
                self.name(),
                self.settings.issuer
            ),
            Err(refusal) => tracing::warn!(
                "nobody can sign in with {}: {}; it is tried again at each login, and accounts of this collector work",
                self.name(),
                refusal.detail()
            ),
        }
    }

    /// Begins a login that ends at `return_to`.
    ///
    /// # Errors
    /// Why not.
    pub async fn depart(&self, return_to: &str) -> Result<Departure, Refusal> {
        let Begun {
            cookie,
            state,
            nonce,
            challenge,
        } = self.seal.begin(&random(), return_to, (self.now_unix_ms)())?;
        let mut url = self.published(None).await?.provider.authorization;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", self.settings.redirect.as_str())
            .append_pair("scope", &self.settings.scopes)
            .append_pair("state", &state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(Departure {
            location: url.into(),
            cookie,
        })
    }

    /// Takes up an answer. `may_redeem` is asked before the provider is, and says how long to wait when there were too many.
    ///
    /// # Errors
    /// Why nobody is signed in.
    pub async fn arrive(
        &self,
        answer: &Answer,
        cookie: &str,
        may_redeem: impl FnOnce() -> Result<(), u32> + Send,
    ) -> Result<Arrival, Refusal> {
        let state = answer.state.as_deref().unwrap_or_default();
        let resumed = self.seal.resume(cookie, state, (self.now_unix_ms)())?;
        if let Some(error) = &answer.error {
            return Err(Refusal::Denied(format!("{} says {error}", self.name())));
        }
        let published = self.published(None).await?;
        // Two providers must not be taken for each other (RFC 9207).
        let is_its = match &answer.issuer {
            None => !published.provider.names_itself,
            Some(issuer) => *issuer == self.settings.issuer,
        };
        if !is_its {
            return Err(Refusal::Issuer);
        }
        let code = answer.code.as_deref().filter(|code| !code.is_empty());
        let code = code.ok_or_else(|| Refusal::Malformed("the answer has no code".to_owned()))?;
        may_redeem().map_err(Refusal::Throttled)?;
        let _turn = self.turns.try_acquire().map_err(|_| Refusal::Busy)?;
        let token = self.redeem(&published.provider, code, &resumed.verifier).await?;
        let claims = self.verified(&token, published).await?;
        let expected = Expected {
            issuer: &self.settings.issuer,
            client_id: &self.settings.client_id,
            audiences: &self.settings.audiences,
            nonce: &resumed.nonce,
        };
        claims::judge(&claims, &expected, (self.now_unix_ms)())?;
        Ok(Arrival {
            person: claims::person(&claims, &self.settings.mapping)?,
            return_to: resumed.return_to,
        })
    }

    async fn verified(&self, token: &str, published: Published) -> Result<Claims, Refusal> {
        match token::verified(token, &published.keys) {
            // A provider changes its keys; the token came from itself a moment ago.
            Err(Refusal::UnknownKey) => {
                let newer = self.published(Some(published.at_unix_ms)).await?;
                token::verified(token, &newer.keys)
            }
            judged => judged,
        }
    }

    async fn redeem(&self, provider: &Provider, code: &str, verifier: &str) -> Result<String, Refusal> {
        let client_id = self.settings.client_id.as_str();
        let secret = self.settings.client_secret.as_ref().map(Secret::reveal);
        let basic = secret
            .filter(|_| !provider.secret_in_body)
            .map(|secret| (client_id, secret));
        let form = {
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.append_pair("grant_type", "authorization_code")
                .append_pair("code", code)
                .append_pair("redirect_uri", self.settings.redirect.as_str())
                .append_pair("code_verifier", verifier);
            if basic.is_none() {
                form.append_pair("client_id", client_id);
                if let Some(secret) = secret {
                    form.append_pair("client_secret", secret);
                }
            }
            form.finish()
        };
        let body = self.ask("token", &provider.token, Ask::Post(form, basic)).await;
        let body = body.map_err(|refused| match refused {
            Refused::Status(status, said) => {
                Refusal::CodeRefused(format!("{} answers {status}: {said}", provider.token))
            }
            Refused::Away(refusal) => refusal,
        })?;
        let answer: TokenAnswer = serde_json::from_slice(&body).map_err(|error| {
            Refusal::Malformed(format!("the answer with the token is not understood: {error}"))
        })?;
        Ok(answer.id_token)
    }

    /// What the provider publishes, newer than `than`.
    async fn published(&self, than: Option<u64>) -> Result<Published, Refusal> {
        // One fetches, the others wait for what it finds.
        let mut kept = self.kept.lock().await;
        let now_unix_ms = (self.now_unix_ms)();
        let is_fresh = |at: u64, for_ms: u64| now_unix_ms.abs_diff(at) < for_ms;
        if let Some(published) = &kept.published
            && is_fresh(published.at_unix_ms, OLD_AFTER_MS)
            && than.is_none_or(|than| published.at_unix_ms > than)
        {
            return Ok(published.clone());
        }
        if let Some((refusal, at)) = &kept.failed
            && is_fresh(*at, FAILED_FOR_MS)
        {
            return Err(refusal.clone());
        }
        match self.fetch_published(now_unix_ms).await {
            Ok(published) => {
                kept.failed = None;
                kept.published = Some(published.clone());
                Ok(published)
            }
            Err(refusal) => {
                // From the end of the attempt on, which may have taken long.
                kept.failed = Some((refusal.clone(), (self.now_unix_ms)()));
                Err(refusal)
            }
        }
    }

    async fn fetch_published(&self, now_unix_ms: u64) -> Result<Published, Refusal> {
        let away = |refused| match refused {
            Refused::Status(status, said) => Refusal::Unreachable(format!("status {status}: {said}")),
            Refused::Away(refusal) => refusal,
        };
        let address = provider::document_of(&self.settings.issuer);
        let url = reqwest::Url::parse(&address)
            .map_err(|error| Refusal::Unreachable(format!("{address}: {error}")))?;
        let document = self.ask("discovery", &url, Ask::Get).await.map_err(away)?;
        let unfit = |url: &reqwest::Url, why: String| Refusal::Unreachable(format!("{url} {why}"));
        let provider = provider::read(&self.settings.issuer, &document).map_err(|why| {
            self.metrics.oidc.count("discovery", "unfit");
            unfit(&url, why)
        })?;
        let keys = self.ask("keys", &provider.keys, Ask::Get).await.map_err(away)?;
        let keys = Keys::read(&keys).map_err(|why| {
            self.metrics.oidc.count("keys", "unfit");
            unfit(&provider.keys, why)
        })?;
        Ok(Published {
            provider,
            keys,
            at_unix_ms: now_unix_ms,
        })
    }

    async fn ask(&self, what: &'static str, url: &reqwest::Url, ask: Ask<'_>) -> Result<Vec<u8>, Refused> {
        match fetch(url, ask, self.settings.authorities.as_ref()).await {
            Ok((StatusCode::OK, body)) => {
                self.metrics.oidc.count(what, "ok");
                Ok(body)
            }
            Ok((status, body)) => {
                self.metrics.oidc.count(what, "refused");
                let said: String = String::from_utf8_lossy(&body).trim().chars().take(200).collect();
                Err(Refused::Status(status, said))
            }
            Err(failed) => {
                self.metrics.oidc.count(what, failed.reason);
                Err(Refused::Away(Refusal::Unreachable(format!(
                    "{url}: {}",
                    failed.said
                ))))
            }
        }
    }
}

/// Why a request brought nothing.
enum Refused {
    /// Another status than 200, and the beginning of what it said.
    Status(StatusCode, String),
    /// No answer.
    Away(Refusal),
}
