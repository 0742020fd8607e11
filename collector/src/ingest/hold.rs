//! Bodies that are held in memory before they are examined, bounded in bytes over all connections. Not the queue of
//! what was examined: [`super::committer`] bounds that by itself.
//!
//! Bytes are charged as they arrive. Were a declared length set aside instead, sixty-four clients that declare the most
//! and send nothing would keep everybody else out.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most bytes of bodies held at once: sixty-four of the largest.
pub const MAX_HELD_BYTES: usize = 64 * 1024 * 1024;

/// There is no room for these bytes until other bodies were examined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldFull;

/// The room for bodies.
#[derive(Clone, Debug)]
pub struct Hold(Arc<Semaphore>);

impl Hold {
    /// Room for `max_bytes`.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(max_bytes)))
    }

    /// Bytes there is room for now.
    #[must_use]
    pub fn free_bytes(&self) -> usize {
        self.0.available_permits()
    }

    /// An empty body. `declared_bytes` is what its sender says it will be.
    ///
    /// # Errors
    /// When that much would not fit now: better said before it is sent than after.
    pub fn open(&self, declared_bytes: usize) -> Result<HeldBody, HoldFull> {
        if declared_bytes > self.free_bytes() {
            return Err(HoldFull);
        }
        Ok(HeldBody {
            bytes: Vec::new(),
            charged: self.charge(0)?,
            hold: self.clone(),
        })
    }

    fn charge(&self, bytes: usize) -> Result<OwnedSemaphorePermit, HoldFull> {
        let bytes = u32::try_from(bytes).map_err(|_| HoldFull)?;
        Arc::clone(&self.0)
            .try_acquire_many_owned(bytes)
            .map_err(|_| HoldFull)
    }
}

/// A body as far as it has arrived. Its room is given back when it is dropped.
#[derive(Debug)]
pub struct HeldBody {
    bytes: Vec<u8>,
    charged: OwnedSemaphorePermit,
    hold: Hold,
}

impl HeldBody {
    /// Takes in what arrived.
    ///
    /// # Errors
    /// When there is no room for it; the body is as it was.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), HoldFull> {
        self.charged.merge(self.hold.charge(chunk.len())?);
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    /// What arrived so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_charged_as_they_arrive_and_given_back() {
        let hold = Hold::new(10);
        let mut first = hold.open(8).expect("room");
        assert_eq!(hold.free_bytes(), 10, "a promise takes no room");
        first.push(b"123456").expect("room");
        assert_eq!(hold.free_bytes(), 4);
        assert_eq!(hold.open(5).expect_err("no room for so much"), HoldFull);
        let mut second = hold.open(4).expect("room");
        first.push(b"7").expect("room");
        assert_eq!(second.push(b"abcd"), Err(HoldFull));
        assert_eq!(second.bytes(), b"", "all of a chunk or nothing");
        second.push(b"abc").expect("room");
        assert_eq!((first.bytes(), hold.free_bytes()), (&b"1234567"[..], 0));
        drop(first);
        assert_eq!(hold.free_bytes(), 7);
        drop(second);
        assert_eq!(hold.free_bytes(), 10);
    }
}
