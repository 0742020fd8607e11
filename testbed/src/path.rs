//! What the network between does to one packet: pure arithmetic on the time it is handed.
//!
//! Not the relay: nothing here reads a clock, a socket or a device. `base` is the delay of an empty network,
//! `dice` the luck, `line` the access line with its queue, `timeline` what goes wrong when.

pub mod base;
pub mod dice;
pub mod line;
pub mod timeline;
