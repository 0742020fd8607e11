//! What to send, what an answer means, what is lost: the prober as a state machine. Pure; handed the time.
//!
//! It touches no socket and reads no clock, so that a simulated network can run it through hours in milliseconds.
//! The verbs are the same throughout: `handle_*` tells it what happened, `poll_*` asks what it wants.
//!
//! | file | what it decides |
//! |---|---|
//! | [`delay`] | the round-trip delay from four stamps, and when they are not to be trusted |
//! | [`one_way`] | how long each way took, where both clocks are synchronised |
//! | [`history`] | whether a probe long settled was answered before |
//! | [`stamp_session`] | one STAMP Session-Sender: which reply answers which probe |
//! | [`icmp_session`] | one series of ICMP echoes |
//! | [`back_off`] | how an address that is somebody else's is asked less often while it fails |
//! | [`back_offs`] | the same for all series, with what is said of it |
//! | [`heard`] | what the end of a probe says of how the other side fares |
//! | [`attempts`] | numbers and waiting times of what ends once |
//! | [`connect_session`] | one series of TCP connects |
//! | [`exchange`] | what an exchange of several steps asks, and which series show its sides |
//! | [`exchange_session`] | one series of them |
//! | [`exchange_tally`] | where the end of one is counted |
//! | [`finding_tally`] | where the end of any other probe is counted |
//! | [`lane`] | which series share a socket: flows, source ports, ways out |
//! | [`contract`] | nothing: the words between the prober and whoever turns its handle |
//! | [`core`] | all series together: schedule, sessions, tally |

pub mod attempts;
pub mod back_off;
pub mod back_offs;
pub mod connect_session;
pub mod contract;
pub mod core;
pub mod delay;
pub mod direction;
pub mod exchange;
pub mod exchange_session;
pub mod exchange_tally;
pub mod finding_tally;
mod heard;
pub mod history;
pub mod icmp_session;
pub mod lane;
pub mod one_way;
pub mod stamp_session;
pub mod wire;

pub use self::contract::{ProbeToken, SeriesPlan, Transmit};
pub use self::core::{Core, loaded_series};
