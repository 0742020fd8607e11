//! Azimuth's testbed: an emulated Europe on one machine, with real packets and the ground truth written down.
//!
//! Agents and reflectors are the real programs, each in a network namespace of its own; the network between them is
//! this crate: TUN devices, one relay thread, and a scenario that says how far, how fast and how broken. It is not a
//! simulator (nothing is sped up) and not netem (no kernel module, no shared interface, no host address touched).
//!
//! | room | what it holds |
//! |---|---|
//! | [`scenario`] | the TOML file of a world, read strictly |
//! | [`plan`] | the same as numbers: addresses, base delays, incidents by index |
//! | [`path`] | pure arithmetic: fibre, luck, queues, times |
//! | [`relay`] | the network as a state machine, and the thread that moves real packets through it |
//! | [`namespace`] | network namespaces and TUN devices; the only room with `unsafe` |
//! | [`truth`] | what was really done to every packet, as JSON lines |
//! | [`load`] | a fleet of tasks that comes back all at once, against a real collector |
//! | [`world`] | a whole world: processes, files, supervision, a clean end |

pub mod clock;
pub mod describe;
pub mod load;
pub mod namespace;
pub mod path;
pub mod plan;
pub mod probing_bench;
pub mod relay;
pub mod relay_check;
pub mod scenario;
pub mod truth;
pub mod world;
