//! The real binary, from outside: what it refuses, what it survives, what it answers, how it stops.
#![expect(clippy::panic, reason = "a test that cannot go on says why and ends")]

mod access;
mod alerts;
mod backup;
mod cloud;
mod compare;
mod crash;
mod desk;
mod enrolment;
mod export;
mod fleet;
mod full;
mod hostile;
mod import;
mod incidents;
mod load;
mod oidc;
mod plan;
mod process;
mod prometheus;
mod proxy;
mod queries;
mod refusals;
mod reload;
mod remote_write;
#[expect(dead_code, reason = "the tests of notifications use the rest")]
#[path = "../notify/sinks.rs"]
mod sinks;
mod slow;
mod snapshots;
mod status;
mod surface;
mod throughput_alerts;
mod tickets;
mod versions;
