//! Notifications: from pages somebody is to be told to messages that a channel has taken. Told by whom and why is
//! [`crate::alert`]'s business; here nothing is judged.
//!
//! | room | what it holds |
//! |---|---|
//! | [`page`] | one thing to tell, complete in itself (pure) |
//! | [`link`] | where its evidence is shown (pure) |
//! | [`routing`] | which channels are told (pure) |
//! | [`outbox`] | what one channel still has to tell, in which order, and when to try (pure) |
//! | [`text`] | titles and texts, by template or in our own words (pure) |
//! | [`form`] | what Alertmanager, webhooks, chats and ntfy take (pure) |
//! | [`authorities`] | which certificate authorities a channel believes (pure) |
//! | [`reach`] | which addresses a channel may be at (pure) |
//! | [`settings`] | the `[notify.NAME]` tables of the configuration |
//! | [`journal`] | an outbox on disk (IO) |
//! | [`notifier`] | wires them: one task a channel |
//! | [`counters`] | what is counted |
//! | [`send`] | one attempt to give a message to a channel (IO) |

pub mod authorities;
pub mod counters;
pub mod form;
pub mod journal;
pub mod link;
pub mod notifier;
pub mod outbox;
pub mod page;
pub mod reach;
pub mod routing;
pub mod send;
pub mod settings;
pub mod text;
