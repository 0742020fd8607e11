//! The long messages of a download, made once, as whole frames (RFC 6455, section 5.2) in a file in memory, from which the kernel sends
//! them: `sendfile(2)` copies no octet, and copying is most of what sending costs. Not for TLS, which has to see each octet, and no
//! server of files.

use std::fs::File;
use std::io::{self, Write};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::sendfile::sendfile;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::ndt7::LONGEST_MESSAGE_BYTES;

/// Before each message: final, binary, not masked, its length in eight octets.
const HEAD: [u8; 10] = {
    let length = (LONGEST_MESSAGE_BYTES as u64).to_be_bytes();
    let mut head = [0x82, 127, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut at = 0;
    while at < length.len() {
        head[2 + at] = length[at];
        at += 1;
    }
    head
};
const FRAME_BYTES: usize = HEAD.len() + LONGEST_MESSAGE_BYTES;
/// Frames in the file: 1 MiB, so that one call moves much.
const FRAMES: usize = 16;

/// The frames.
#[derive(Debug)]
pub struct Frames(File);

/// How far into the frames a download has come; it goes round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place(usize);

impl Frames {
    /// Makes them, of octets that do not compress.
    ///
    /// # Errors
    /// What the system reports, which may not let this process have a file in memory.
    pub fn new() -> io::Result<Self> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let mut file = File::from(memfd_create("azimuth-throughput", flags)?);
        let mut octets = vec![0; LONGEST_MESSAGE_BYTES];
        for _ in 0..FRAMES {
            fastrand::fill(&mut octets);
            file.write_all(&HEAD)?;
            file.write_all(&octets)?;
        }
        // What waits in the kernel is the file itself: nobody may change it.
        let seals = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        Ok(Self(file))
    }

    /// Sends what there is room for, and at most the rest of the frame under way and so many whole ones after it. The octets of
    /// messages among that, once there was room.
    ///
    /// # Errors
    /// What the system reports of the connection.
    pub(super) async fn send(&self, to: &TcpStream, place: &mut Place, more: u64) -> io::Result<u64> {
        let most = place.most(more);
        let from = i64::try_from(place.0).map_err(io::Error::other)?;
        let sent = to
            .async_io(Interest::WRITABLE, || {
                let mut from = from;
                Ok(sendfile(to, &self.0, Some(&mut from), most)?)
            })
            .await?;
        if sent == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(place.advance(sent))
    }
}

impl Place {
    /// Whether no frame is under way: something else may be sent.
    pub(super) fn is_between(self) -> bool {
        self.0.is_multiple_of(FRAME_BYTES)
    }

    /// Octets of the message under way that are still to be sent.
    pub(super) fn left_bytes(self) -> u64 {
        let within = self.0 % FRAME_BYTES;
        if within == 0 {
            0
        } else {
            (FRAME_BYTES - within.max(HEAD.len())) as u64
        }
    }

    fn most(self, more: u64) -> usize {
        let whole = usize::try_from(more).unwrap_or(usize::MAX).min(FRAMES);
        let end = self.0.next_multiple_of(FRAME_BYTES) + whole * FRAME_BYTES;
        end.min(FRAMES * FRAME_BYTES) - self.0
    }

    /// The octets of messages in what was sent.
    fn advance(&mut self, sent: usize) -> u64 {
        let before = messages_bytes(self.0);
        let to = self.0 + sent;
        self.0 = to % (FRAMES * FRAME_BYTES);
        (messages_bytes(to) - before) as u64
    }
}

/// The octets of messages in the first `octets` of the file.
fn messages_bytes(octets: usize) -> usize {
    octets / FRAME_BYTES * LONGEST_MESSAGE_BYTES + (octets % FRAME_BYTES).saturating_sub(HEAD.len())
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn what_is_sent_in_any_pieces_is_counted_as_messages_and_ends_between_them() {
        for piece in [1, 9, 10, 11, 65_535, 65_536, FRAME_BYTES, usize::MAX] {
            let (mut place, mut messages, mut octets) = (Place::default(), 0, 0);
            let wanted = 40 * LONGEST_MESSAGE_BYTES as u64;
            while messages < wanted || !place.is_between() {
                let more = (wanted - messages - place.left_bytes()) / LONGEST_MESSAGE_BYTES as u64;
                let sent = place.most(more).min(piece);
                assert!(sent > 0, "{place:?}");
                octets += sent;
                messages += place.advance(sent);
                assert!(place.left_bytes() <= LONGEST_MESSAGE_BYTES as u64);
            }
            assert_eq!((messages, octets), (wanted, 40 * FRAME_BYTES), "{piece}");
        }
    }

    #[test]
    fn the_frame_under_way_is_ended_before_none_more_is_begun() {
        let place = Place(FRAME_BYTES * FRAMES - 7);
        assert_eq!(
            (place.most(0), place.left_bytes(), place.is_between()),
            (7, 7, false)
        );
        assert_eq!(Place(3).left_bytes(), LONGEST_MESSAGE_BYTES as u64);
        assert_eq!(Place::default().most(0), 0);
    }

    #[test]
    fn the_file_is_whole_frames_that_nobody_changes() {
        let Frames(file) = Frames::new().expect("made");
        assert_eq!(
            file.metadata().expect("a file").len(),
            (FRAMES * FRAME_BYTES) as u64
        );
        for frame in 0..FRAMES {
            let mut head = [0; HEAD.len()];
            file.read_exact_at(&mut head, (frame * FRAME_BYTES) as u64)
                .expect("there");
            assert_eq!(head, [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        }
        assert!(file.write_at(&[0], 0).is_err());
        assert!(file.set_len(0).is_err());
        let mut rest = Vec::new();
        (&file).read_to_end(&mut rest).expect("at its end");
        assert!(rest.is_empty());
    }
}
