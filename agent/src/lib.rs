//! Azimuth's agent: the library behind the `azimuth-agent` binary, split so that deciding can be tested without doing.
//!
//! Pure rooms take the time as an argument and touch nothing: [`schedule`], [`stamp`], [`probe`], [`tally`] and
//! `reflect::rules`. The rim does: [`net`] (sockets), [`clock`] (the one reader of clocks), [`prober`] (the probing
//! thread) and [`reflect`] (the far end). [`cli`] is the command line, [`oneshot`] the `probe` command.

pub mod cli;
pub mod clock;
pub mod net;
pub mod oneshot;
pub mod probe;
pub mod prober;
pub mod reflect;
pub mod schedule;
pub mod signals;
pub mod stamp;
pub mod tally;
