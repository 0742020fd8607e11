//! Signing in with an identity provider that people have anyway: OpenID Connect Core 1.0, authorization code flow with PKCE
//! (RFC 7636), state and nonce. What a person may do follows from a claim; no account is made here.
//!
//! | file | what it does |
//! |---|---|
//! | `settings` | the `[access.oidc]` table |
//! | `provider` | where a provider says it answers (pure) |
//! | `flow` | what binds an answer to the browser that asked (pure) |
//! | `token` | whether a token is signed by the provider (pure) |
//! | `claims` | whether it is meant for us, and what its bearer may do (pure) |
//! | `refusal` | why somebody is not signed in |
//! | `fetch` | one request to the provider (IO) |
//! | `desk` | puts them together |
//!
//! Not a provider, no refresh tokens, no logout at the provider, no claims from the userinfo endpoint. The arithmetic of
//! signatures is ring's, which is here anyway. `openidconnect` was weighed and would add some forty crates, among them `rsa`
//! with an open advisory (RUSTSEC-2023-0071); `jsonwebtoken` needs the same crate or a second TLS library's C code, installs its
//! cryptography for the whole process, and reads the clock itself. What remains to be read of a token is three parts in base64.

pub mod claims;
pub mod desk;
mod fetch;
pub mod flow;
pub mod provider;
pub mod refusal;
pub mod settings;
pub mod token;
