//! Azimuth's agent: the library behind the `azimuth-agent` binary, split so that deciding can be tested without doing.
//!
//! The way of one probe: [`schedule`] says it is due, [`probe`] makes it, [`prober`] (a thread of its own) sends it
//! through [`net`] and brings back stamps and answers, [`probe`] judges the delay, [`tally`] counts it, [`report`]
//! makes its interval a report, [`outbox`] keeps it in the [`spool`], [`uplink`] delivers it. [`reflect`] is the far end,
//! [`path`] what lies in between. [`identity`] says who the agent is to its collector, [`plan`] what the collector wants it to
//! measure, [`policy`] what of that it does not.
//!
//! Pure rooms, which are handed the time and touch nothing: [`schedule`], [`stamp`], [`icmp`], [`probe`], [`tally`], [`report`],
//! [`config`] below its `load`, `cloud::recipe`, `reflect::rules`, `uplink::answer`, `uplink::backoff`, [`policy`], `plan::judge`, `plan::merge`. The rest does.

pub mod cli;
pub mod clock;
pub mod cloud;
pub mod commands;
pub mod config;
pub mod doctor;
pub mod icmp;
pub mod identity;
pub mod key_file;
pub mod net;
pub mod oneshot;
pub mod outbox;
pub mod path;
pub mod plan;
pub mod policy;
pub mod probe;
pub mod prober;
pub mod reflect;
pub mod reload;
pub mod report;
pub mod resolve;
pub mod roster;
pub mod run;
pub mod schedule;
pub mod signals;
pub mod spool;
pub mod stamp;
pub mod supervisor;
pub mod tally;
pub mod throughput;
pub mod uplink;
pub mod web;
