//! The collector, as a library so that tests and benches reach its rooms. The binary is a thin shell around [`run`].
//!
//! | room | what it does |
//! |---|---|
//! | [`ingest`] | from the body of a POST to a verdict per item |
//! | [`store`] | keeps reports; a trait, one conformance suite, the embedded backend |
//! | [`query`] | answers questions from merged histograms (pure) |
//! | [`api`] | the HTTP surface, [`site`] the embedded web application, [`serve`] sockets and connections |
//! | [`export`] | records as files other programs read (pure) |
//! | [`import`] | HdrHistogram logs as reports (pure) |
//! | [`alert`] | says when a series got worse, since when and by how much (pure) |
//! | [`exposition`] | the measurements for Prometheus, and the two forms of `/metrics` |
//! | [`remote_write`] | the same, sent to a receiver |
//! | [`notify`] | pages to people: Alertmanager, webhook, chat, mail |
//! | [`outgoing`] | what each request of the collector's own begins with, and whom it believes |
//! | [`evaluate`] | from what is stored to what the rules are held against |
//! | [`access`] | who may do what: accounts, tokens, sessions, the gate before the API |
//! | [`fleet`] | who may report: tokens, agents, sessions |
//! | [`plan`] | what the agents are to measure, signed, and the order that stops them |
//! | [`status`] | how the collector itself fares, and what needs a person |
//! | [`commands`] | the command line, one file a command |
//! | [`config`], [`limits`], [`clock`], [`csv`], [`metrics`], [`problem`], [`secret`], [`utc`], [`whole_file`], [`words`] | what the rooms share |
//! | [`reload`], [`supervisor`] | what SIGHUP asks for, and what the service manager is told |
//! | [`run`] | wires them |

pub mod access;
pub mod alert;
pub mod api;
pub mod clock;
pub mod commands;
pub mod config;
pub mod csv;
pub mod embed;
pub mod evaluate;
pub mod export;
pub mod exposition;
pub mod fleet;
pub mod import;
pub mod ingest;
pub mod limits;
pub mod metrics;
pub mod notify;
pub mod outgoing;
pub mod plan;
pub mod problem;
pub mod query;
pub mod reload;
pub mod remote_write;
pub mod run;
pub mod secret;
pub mod serve;
pub mod site;
pub mod snapshot;
pub mod status;
pub mod store;
pub mod supervisor;
pub mod utc;
pub mod whole_file;
pub mod words;
