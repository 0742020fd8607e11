//! Receives many datagrams, or many entries of a socket's error queue, with one `recvmmsg(2)`.
#![expect(
    unsafe_code,
    reason = "recvmmsg takes raw pointers to buffers; no safe crate reuses them across calls"
)]

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::{mem, ptr};

use super::control::{self, Ancillary};

/// Datagrams per system call.
pub const BATCH: usize = 32;
/// Room for one peer address: `sockaddr_in6` is the larger of the two.
const NAME_BYTES: usize = size_of::<libc::sockaddr_in6>();
/// Room for the control messages of one datagram, in words of 8 octets for their alignment: a TX stamp with its
/// extended error needs 64 + 48 + 32 octets, a reflected datagram 64 + 40 + 24.
const CONTROL_WORDS: usize = 32;

/// Which of a socket's two queues to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Datagrams from peers.
    Data,
    /// TX stamps (and errors).
    Errors,
}

/// One received datagram; borrows the batch's buffers.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Who sent it; `None` for entries of the error queue without an address.
    pub from: Option<SocketAddr>,
    /// Its octets, at most the capacity the batch was made with.
    pub payload: &'a [u8],
    /// What the kernel said about it.
    pub ancillary: Ancillary,
}

/// Buffers for one call, reused from call to call.
#[derive(Debug)]
pub struct Batch {
    payloads: Vec<u8>,
    payload_bytes: usize,
    names: [[u8; NAME_BYTES]; BATCH],
    controls: [[u64; CONTROL_WORDS]; BATCH],
    lengths: [Lengths; BATCH],
    received: usize,
}

/// How much of each buffer the kernel filled.
#[derive(Clone, Copy, Debug, Default)]
struct Lengths {
    payload: usize,
    name: usize,
    control: usize,
}

impl Batch {
    /// Buffers for datagrams of up to `payload_bytes`; longer ones are cut.
    #[must_use]
    pub fn new(payload_bytes: usize) -> Self {
        Self {
            payloads: vec![0; payload_bytes * BATCH],
            payload_bytes,
            names: [[0; NAME_BYTES]; BATCH],
            controls: [[0; CONTROL_WORDS]; BATCH],
            lengths: [Lengths::default(); BATCH],
            received: 0,
        }
    }

    /// Takes what is waiting in `queue`, up to [`BATCH`] entries, without blocking. Returns how many; 0 when the
    /// queue is empty.
    ///
    /// # Errors
    /// What `recvmmsg(2)` reports, except that an empty queue and an interrupted call are not errors.
    pub fn receive(&mut self, socket: BorrowedFd<'_>, queue: Queue) -> io::Result<usize> {
        self.received = 0;
        let flags = match queue {
            Queue::Data => libc::MSG_DONTWAIT,
            Queue::Errors => libc::MSG_DONTWAIT | libc::MSG_ERRQUEUE,
        };
        let mut vectors = [libc::iovec {
            iov_base: ptr::null_mut(),
            iov_len: 0,
        }; BATCH];
        // SAFETY: mmsghdr is plain data of integers and pointers, for which all zeroes is a valid value.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
        let buffers = self.payloads.chunks_exact_mut(self.payload_bytes.max(1));
        for ((((header, vector), payload), name), control) in headers
            .iter_mut()
            .zip(&mut vectors)
            .zip(buffers)
            .zip(&mut self.names)
            .zip(&mut self.controls)
        {
            vector.iov_base = payload.as_mut_ptr().cast();
            vector.iov_len = payload.len();
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = name.as_mut_ptr().cast();
            header.msg_hdr.msg_namelen = NAME_BYTES as libc::socklen_t;
            header.msg_hdr.msg_control = control.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = size_of_val(control) as _;
        }
        // SAFETY: `headers` holds BATCH initialised headers whose pointers lead to distinct live buffers of the
        // stated lengths, borrowed mutably for the whole call; a null timeout is allowed.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                flags as _,
                ptr::null_mut(),
            )
        };
        let Ok(received) = usize::try_from(received) else {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
                _ => Err(error),
            };
        };
        for (lengths, header) in self.lengths.iter_mut().zip(&headers).take(received) {
            *lengths = Lengths {
                payload: (header.msg_len as usize).min(self.payload_bytes),
                name: (header.msg_hdr.msg_namelen as usize).min(NAME_BYTES),
                #[allow(clippy::unnecessary_cast, reason = "usize with glibc, u32 with musl")]
                control: header.msg_hdr.msg_controllen as usize,
            };
        }
        self.received = received;
        Ok(received)
    }

    /// The datagrams of the last [`receive`](Self::receive).
    pub fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        let buffers = self.payloads.chunks_exact(self.payload_bytes.max(1));
        let parts = self
            .lengths
            .iter()
            .zip(buffers)
            .zip(&self.names)
            .zip(&self.controls);
        parts
            .take(self.received)
            .map(|(((lengths, payload), name), control)| Datagram {
                from: name.get(..lengths.name).and_then(control::socket_address),
                payload: payload.get(..lengths.payload).unwrap_or_default(),
                ancillary: Ancillary::parse(octets(control).get(..lengths.control).unwrap_or_default()),
            })
    }
}

/// The octets of the control buffer, which is made of words only for its alignment.
fn octets(words: &[u64; CONTROL_WORDS]) -> &[u8] {
    // SAFETY: any initialised words are valid octets; the length is that of the array; alignment only shrinks.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
}
