//! The far end: a STAMP Session-Reflector (RFC 8762, stateless, unauthenticated; extensions of RFC 8972) and a TCP port
//! to connect to.
//!
//! It answers from the address it was asked at, never with more octets than it was sent, and only prefixes it was
//! told to allow, and no address more often than it was told, so that it is of no use to anyone who forges a sender address.
//! What it does not answer it counts by reason. [`rules`], [`limits`] and [`sessions`] decide (pure), [`serve`] does.

pub mod command;
pub mod limits;
pub mod prefix;
pub mod rules;
pub mod serve;
pub mod sessions;

pub use limits::DEFAULT_MAX_PER_SECOND;
pub use prefix::{Allowed, Prefix};
pub use rules::{Dropped, Rules};
