//! Requests that wait, oldest first, within a bound of bytes. When a new one does not fit, the oldest go: counters are
//! cumulative, so the newest tell most. Pure.

use std::collections::VecDeque;

use super::message::Frame;

/// What waits.
#[derive(Debug)]
pub struct Queue {
    frames: VecDeque<Frame>,
    bytes: usize,
    max_bytes: usize,
}

impl Queue {
    /// An empty queue.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            frames: VecDeque::new(),
            bytes: 0,
            max_bytes,
        }
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Samples that wait.
    pub fn samples(&self) -> u64 {
        self.frames.iter().map(|frame| frame.samples).sum()
    }

    /// Adds the newest. How many samples had to go for it.
    #[must_use]
    pub fn push(&mut self, frame: Frame) -> u64 {
        self.bytes += frame.body.len();
        self.frames.push_back(frame);
        self.shrink()
    }

    /// Takes the oldest.
    pub fn pop(&mut self) -> Option<Frame> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.body.len();
        Some(frame)
    }

    /// Puts back what was taken and not delivered. How many samples had to go for it.
    #[must_use]
    pub fn give_back(&mut self, frame: Frame) -> u64 {
        self.bytes += frame.body.len();
        self.frames.push_front(frame);
        self.shrink()
    }

    fn shrink(&mut self) -> u64 {
        let mut dropped = 0;
        while self.bytes > self.max_bytes {
            dropped += self.pop().map_or(0, |frame| frame.samples);
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: usize, samples: u64) -> Frame {
        Frame {
            body: vec![0; length],
            samples,
        }
    }

    #[test]
    fn the_oldest_make_room_and_are_told() {
        let mut queue = Queue::new(10);
        assert_eq!(queue.push(frame(4, 1)) + queue.push(frame(4, 2)), 0);
        assert_eq!((queue.bytes(), queue.samples()), (8, 3));
        assert_eq!(queue.push(frame(4, 4)), 1);
        let taken = queue.pop().expect("the second");
        assert_eq!((taken.samples, queue.bytes()), (2, 4));
        assert_eq!(queue.push(frame(4, 8)), 0);
        assert_eq!(
            queue.give_back(taken),
            2,
            "it is the oldest and does not fit any more"
        );
        assert_eq!(queue.push(frame(11, 16)), 4 + 8 + 16, "never more than the bound");
        assert_eq!((queue.bytes(), queue.pop().map(|frame| frame.samples)), (0, None));
    }
}
