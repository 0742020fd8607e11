//! The relay: one thread that moves every packet of the world between TUN devices, each when it is due.
//!
//! `packet`, `speech` and `segment` read headers, `conditions` and `network` decide (pure), `thread` does.

pub mod conditions;
pub mod network;
pub mod packet;
pub mod segment;
pub mod speech;
pub mod thread;
