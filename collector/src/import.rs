//! HdrHistogram logs from anywhere, as reports that ingest takes. Pure: lines come as bytes, reports leave; files and the
//! collector are `commands/import.rs`'s. What is in a line is read behind the guard of `measurement/src/interchange/`.
//!
//! | room | what it decides |
//! |---|---|
//! | [`lines`] | where a line ends, however long it is |
//! | [`mapping`] | which series a tag means |
//! | [`gather`] | which lines make one report, and what it is called, so that a second import changes nothing |

pub mod gather;
pub mod lines;
pub mod mapping;
