//! One TUN device: raw IP packets between a namespace and this process.
//!
//! Not persistent: the device is gone when its descriptor closes. Standard: the kernel's
//! Documentation/networking/tuntap.rst (IFF_TUN | IFF_NO_PI, one packet per read and per write).

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use super::NamespaceError;

nix::ioctl_write_ptr_bad!(
    /// TUNSETIFF: binds the descriptor to a (new) device.
    tun_set_iff,
    libc::TUNSETIFF,
    libc::ifreq
);

/// The process's end of a TUN device. Reads and writes whole IP packets and never blocks.
#[derive(Debug)]
pub struct Tun {
    file: File,
}

impl Tun {
    /// Makes device `name` in the network namespace of the calling thread.
    pub(super) fn open(name: &str) -> Result<Self, NamespaceError> {
        let file = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open("/dev/net/tun")
            .map_err(NamespaceError::io("open /dev/net/tun"))?;
        let request = interface_request(name);
        // SAFETY: the descriptor is open and `request` is a fully initialised ifreq that outlives the call; the
        // kernel reads its name and flags and writes back at most the same structure.
        unsafe { tun_set_iff(file.as_raw_fd(), &raw const request) }
            .map_err(NamespaceError::at("make a TUN device"))?;
        Ok(Self { file })
    }

    /// Takes the next packet into `buffer`; `None` when the device has none waiting.
    ///
    /// # Errors
    /// When the device is gone or the kernel refuses.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match (&self.file).read(buffer) {
            Ok(length) => Ok(Some(length)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Hands one packet to the namespace.
    ///
    /// # Errors
    /// When the kernel refuses the packet (malformed, device down).
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        (&self.file).write(packet).map(drop)
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn interface_request(name: &str) -> libc::ifreq {
    // SAFETY: ifreq is plain old data; all zeroes is an empty name and no flags.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let room = request.ifr_name.len() - 1; // the last byte stays zero: the kernel wants a C string
    for (slot, byte) in request.ifr_name[..room].iter_mut().zip(name.bytes()) {
        *slot = libc::c_char::from_ne_bytes([byte]);
    }
    request.ifr_ifru.ifru_flags = i16::try_from(libc::IFF_TUN | libc::IFF_NO_PI).unwrap_or_default();
    request
}
