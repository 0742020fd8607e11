//! kill -9 on both sides of the delivery: an agent's spool and uplink, as the agent has them, against the real collector.
//! What the agent had on disk is in the collector afterwards, once; nothing else is. And the installed programs themselves. Needs the collector's binary beside the
//! agent's (`make test` builds both), and for the sweep over system calls `strace` (`ci/prepare` installs it).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on says why and ends; processes live by the real clock"
)]

mod collector;
mod driver;
mod half_open;
mod kills;
mod programs;
mod syscalls;
mod world;
