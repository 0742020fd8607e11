//! Who may do what here: people with a password, programs with a token, an identity provider or a proxy that knows its users, or everybody. As
//! long as there is no account, only this machine is let in, and needs none.
//!
//! | file | what it does |
//! |---|---|
//! | `role` | what a caller may do |
//! | `gate` | what a request needs, and whether its caller has it (pure) |
//! | `accounts` | users and tokens (pure) |
//! | `secret` | passwords, tokens and what is kept of them |
//! | `tokens` | API tokens made and taken away |
//! | `sessions`, `throttle` | who is logged in, who tries too often (pure) |
//! | `audit` | what was changed, by whom, in a chain of hashes (pure) |
//! | `settings` | the `[access]` table |
//! | `files` | accounts and audit log on disk |
//! | [`oidc`] | people who sign in with an identity provider |
//! | `first` | the first administrator |
//! | `guard` | puts them together for the API |
//!
//! Not the credentials of agents: what they send is judged in `ingest`. Password hashing follows RFC 9106 (Argon2id).

pub mod accounts;
pub mod audit;
pub mod files;
pub mod first;
pub mod gate;
pub mod guard;
pub mod oidc;
pub mod role;
pub mod secret;
pub mod sessions;
pub mod settings;
pub mod throttle;
pub mod tokens;
