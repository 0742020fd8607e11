//! A whole world: the network, the real programs inside it, their files, and a clean end.
//!
//! `fabric` is namespaces and relay; `directory` and `run_file` what stands on disk; `children` the programs;
//! `agent_config` what agents are told; `runner` the order of it all.

pub mod agent_config;
pub mod children;
pub mod directory;
pub mod fabric;
pub mod run_file;
pub mod runner;
