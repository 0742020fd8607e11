//! Base64 with the alphabet for URLs and file names, without padding (RFC 4648, section 5), strict: one text for one
//! sequence of bytes. What keys, secrets and signatures look like in JSON and in tokens.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The text of `bytes`.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut triple = [0; 4];
        triple[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(triple);
        for digit in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(bits >> (18 - 6 * digit) & 0x3f) as usize]));
        }
    }
    text
}

/// The bytes of `text`; `None` when it is not what [`encode`] would have written.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for quad in text.as_bytes().chunks(4) {
        if quad.len() == 1 {
            return None;
        }
        let missing = 4 - quad.len();
        let mut bits = 0_u32;
        for digit in quad {
            let sextet = ALPHABET.iter().position(|known| known == digit)?;
            bits = bits << 6 | u32::try_from(sextet).ok()?;
        }
        bits <<= 6 * missing;
        // Bits that no byte takes must be zero, or two texts would stand for the same bytes.
        if bits & ((1 << (8 * missing)) - 1) != 0 {
            return None;
        }
        bytes.extend(&bits.to_be_bytes()[1..4 - missing]);
    }
    Some(bytes)
}

/// The same, for so many bytes exactly.
#[must_use]
pub fn decode_exactly<const N: usize>(text: &str) -> Option<[u8; N]> {
    // Bounded before anything is allocated: the text comes from anywhere.
    if text.len() != (N * 4).div_ceil(3) {
        return None;
    }
    decode(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc_and_every_length() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg"),
            (b"fo", "Zm8"),
            (b"foo", "Zm9v"),
            (b"\xfb\xff", "-_8"),
        ] {
            assert_eq!(encode(bytes), text);
            assert_eq!(decode(text).as_deref(), Some(bytes));
        }
        for length in 0..70 {
            let bytes: Vec<u8> = (0..length).collect();
            assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }
        for bad in ["Z", "Zh", "Zg==", "Zm 9", "Zm9+", "Zm9v\n"] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
        assert_eq!(decode_exactly::<2>("Zm8"), Some(*b"fo"));
        assert_eq!(decode_exactly::<3>("Zm8"), None);
    }
}
