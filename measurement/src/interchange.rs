//! How histograms leave for other tools and come from them: HdrHistogram V2 bytes, and the interval log (`.hlog`) that
//! holds them as text. For export and import only; reports travel in [`crate::codec`], at a fifth of the size.
//!
//! What comes in is from strangers: nothing is allocated on the word of a header, and whatever our index space cannot hold
//! without loss is refused with the reason. The format has no place for a lost probe, so losses do not travel this way.

mod base64;
pub mod log;
pub mod v2;

pub use log::{LogEntry, LogError, LogReader};
pub use v2::V2Error;
