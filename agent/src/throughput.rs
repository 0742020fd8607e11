//! Throughput tests: one TCP flow in one direction, stopped as soon as its rate has settled or a cap is reached, with STAMP
//! probes on a flow of their own before, during and after it. On the wire ndt7 (M-Lab, protocol 0.11), so that other people's
//! clients and servers can be the other end. Not a speed test that runs for ten seconds.
//!
//! | file | what it does |
//! |---|---|
//! | [`estimator`] | when to stop, and what the rate is. Pure |
//! | [`losses`] | whether losses, and not a full queue, hold the flow back. Pure |
//! | [`ticket`], [`challenge`], [`gate`] | who may begin a test at a reflector, and how much of it. Pure |
//! | [`tickets`] | where the near end has its tickets from: a shared key, or its collector |
//! | [`ndt7`] | the words both ends speak. Pure |
//! | [`reflector`], [`serve`], [`month`], `transfer`, `bulk`, `stall`, `quota` | the far end, and what it has spent |
//! | [`plan`], [`ledger`] | which test is run when, and what was spent. Pure, but for the ledger's file |
//! | [`client`], [`phases`], [`command`], [`daemon`] | the near end: the load, the probes around it, a person's command, tests by schedule |

mod bulk;
pub mod challenge;
pub mod client;
pub mod command;
pub mod daemon;
pub mod estimator;
pub mod gate;
pub mod ledger;
pub mod losses;
pub mod month;
pub mod ndt7;
pub mod phases;
pub mod plan;
mod quota;
pub mod reflector;
pub mod serve;
mod stall;
pub mod ticket;
pub mod tickets;
mod transfer;

pub use transfer::Ended;
