//! The forms in which pages go out over HTTP. Pure: each file makes a [`Post`]; nothing here opens a connection. Mail is
//! [`super::mail`]'s business.
//!
//! | form | receiver |
//! |---|---|
//! | [`alertmanager`] | Prometheus Alertmanager, API v2 |
//! | [`webhook`] | any program; our own JSON, signed |
//! | [`chat`] | incoming webhooks of Slack and of what speaks like it (Mattermost), and ntfy |

pub mod alertmanager;
pub mod chat;
pub mod webhook;

use sha2::{Digest, Sha256};

use super::page::Page;
use crate::secret::hex;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Headers beside the type, which is JSON always.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

/// Names a message by what it tells: the same again when it is sent again.
pub fn delivery(pages: &[Page]) -> String {
    let mut hash = Sha256::new();
    for page in pages {
        hash.update(page.alert.as_bytes());
        hash.update([0]);
        hash.update(page.episode.to_be_bytes());
        hash.update(page.state.as_str().as_bytes());
    }
    let digest = hash.finalize();
    hex(digest.get(..16).unwrap_or_default())
}
