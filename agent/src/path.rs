//! Paths: which routers lie between here and a target (traceroute), and whether that has changed.
//!
//! Every packet of a trace has the same addresses, ports and ICMP checksum, so that routers that balance by flow keep them
//! on one way ("Paris traceroute", Augustin et al., IMC 2006). It needs no privilege: UDP and ICMP datagram sockets and TCP
//! connections with a small TTL, and what routers say of it from the error queue (`IP_RECVERR`). The tracing libraries there
//! are (trippy-core, tracert) want raw sockets on Linux and stamp in userspace; this is less code than taking either in.
//!
//! | file | what it does |
//! |---|---|
//! | [`trace`] | one trace: what to send when, what an answer means, when it is over. Pure |
//! | [`packet`] | the octets of its packets, and which packet an answer is to. Pure |
//! | [`timing`] | the delay from stamps, as far as they can be trusted. Pure |
//! | [`tracer`] | turns a trace with real sockets |
//! | [`compare`] | whether two traces show the same path. Pure |
//! | [`shift`] | whether the delay to a target has shifted, so that a trace is worth its packets. Pure |
//! | [`watch`] | when to trace which target, and what there is to tell. Pure |
//! | [`watcher`] | the thread that does it for `run` |
//! | [`command`], [`table`] | `azimuth-agent path` |

pub mod command;
pub mod compare;
pub mod packet;
pub mod shift;
pub mod table;
pub mod timing;
pub mod trace;
pub mod tracer;
pub mod watch;
pub mod watcher;
