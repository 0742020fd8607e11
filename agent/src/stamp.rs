//! STAMP, the Simple Two-way Active Measurement Protocol (RFC 8762) and some of its extensions (RFC 8972): packets and
//! their timestamps. Pure.
//!
//! Unauthenticated mode, 44 octets in both directions, or authenticated mode, 112; extensions after them. No sockets, no clock, no session state:
//! those are [`crate::net`], [`crate::clock`] and [`crate::probe`].

pub mod authenticated;
pub mod error_estimate;
pub mod extension;
#[cfg(test)]
mod golden;
pub mod key;
pub mod ntp;
pub mod packet;

pub use authenticated::AUTHENTICATED_LENGTH;
pub use error_estimate::ErrorEstimate;
pub use key::StampKey;
pub use ntp::NtpTimestamp;
pub use packet::{MINIMUM_LENGTH, PacketError, Reply, Request};
