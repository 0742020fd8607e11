//! Lines of a file of any size and any content. A line beyond the cap is cut there and its rest passed over, so that no file
//! takes more memory than one line may have.

use std::io::{self, BufRead};

/// Reads lines, each at most `max_bytes` and one byte more, which tells that it was longer.
pub struct BoundedLines<R> {
    from: R,
    max_bytes: usize,
    line: Vec<u8>,
}

impl<R: BufRead> BoundedLines<R> {
    /// Lines of `from`.
    pub fn new(from: R, max_bytes: usize) -> Self {
        Self {
            from,
            max_bytes,
            line: Vec::new(),
        }
    }

    /// The next line without its end; `None` after the last.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        let mut any = false;
        loop {
            let buffer = self.from.fill_buf()?;
            if buffer.is_empty() {
                break;
            }
            any = true;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let piece = &buffer[..end.unwrap_or(buffer.len())];
            let room = (self.max_bytes + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            let used = piece.len() + usize::from(end.is_some());
            self.from.consume(used);
            if end.is_some() {
                break;
            }
        }
        Ok(any.then_some(self.line.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(bytes: &[u8], max_bytes: usize, capacity: usize) -> Vec<Vec<u8>> {
        let mut lines = BoundedLines::new(io::BufReader::with_capacity(capacity, bytes), max_bytes);
        let mut seen = Vec::new();
        while let Some(line) = lines.next_line().expect("memory") {
            seen.push(line.to_vec());
        }
        seen
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_one_is_whole() {
        assert_eq!(
            lines(b"abcdefgh\nxy\n\nz", 3, 2),
            [&b"abcd"[..], b"xy", b"", b"z"]
        );
        assert!(lines(b"", 3, 2).is_empty());
    }

    proptest! {
        #[test]
        fn it_splits_as_the_library_does(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), any::<u8>()], 0..80), capacity in 1_usize..9) {
            let expected: Vec<Vec<u8>> = BufRead::split(&bytes[..], b'\n').collect::<Result<_, _>>().expect("memory");
            prop_assert_eq!(lines(&bytes, 1_000, capacity), expected);
        }
    }
}
