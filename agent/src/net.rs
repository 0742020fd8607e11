//! Sockets, kernel timestamps and the few system calls no safe crate offers. The only room that may hold unsafe.
//!
//! It moves bytes and stamps; it decides nothing. What a missing stamp means, which reply belongs to which probe
//! and what is lost is judged in [`crate::probe`], which never sees a file descriptor.
//!
//! | file | what it does |
//! |---|---|
//! | [`udp`] | UDP sockets with software TX and RX stamps (SO_TIMESTAMPING), answers from the asked address |
//! | [`icmp`] | ICMP echo sockets, datagram or raw, stamped like UDP; why there is none |
//! | [`outgoing`] | class of service, source address and port, interface and no fragments, set on a socket |
//! | [`batch`] | many datagrams, or many error-queue entries, per system call |
//! | [`control`] | control messages and socket addresses read from bytes, safely |
//! | `control_writer` | control messages for sending, as bytes |
//! | [`tx_ids`] | which send call a kernel TX stamp belongs to |
//! | [`tcp`] | connections opened without blocking, and the kernel's own sample of their handshake |
//! | [`tcp_info`] | what the kernel knows of a connection that moves octets, its congestion control and pace |
//! | [`wait`] | sleeping until a deadline or a packet, to the nanosecond; waking that sleep from another thread |
//! | [`clock_error`] | how far the kernel believes its clock to be off |
//! | [`thread`] | timer slack and scheduling priority of the probing thread |

pub mod batch;
pub mod clock_error;
pub mod control;
mod control_writer;
pub mod error_kind;
pub mod icmp;
pub mod outgoing;
pub mod tcp;
pub mod tcp_info;
pub mod thread;
pub mod tx_ids;
pub mod udp;
pub mod wait;
