//! What leaves for Prometheus: the measured delays as native histograms, and the two forms of `/metrics`.
//!
//! | room | what it holds |
//! |---|---|
//! | [`exponential`] | from the buckets measured in to exponential ones (pure) |
//! | [`measured`] | what each pair saw since start, cumulative, bounded |
//! | [`family`] | metric families, before they have a form |
//! | [`text`], [`protobuf`] | the two forms |
//! | [`negotiate`] | which of the two a reader gets (pure) |
//! | [`settings`] | the `[metrics]` table of the configuration |
//!
//! Not the collector's counters about itself, which are [`crate::metrics`], and not a store: all of it begins at zero
//! when the process does, as Prometheus expects of counters.

pub mod exponential;
pub mod family;
pub mod measured;
pub mod negotiate;
pub mod protobuf;
pub mod settings;
pub mod text;
