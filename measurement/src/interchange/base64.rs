//! Base64 with the standard alphabet and padding (RFC 4648, section 4), strict: one text for one sequence of bytes.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends the text of `bytes`.
pub(super) fn encode(bytes: &[u8], out: &mut String) {
    for chunk in bytes.chunks(3) {
        let mut triple = [0; 4];
        triple[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(triple);
        for digit in 0..4 {
            let sextet = (bits >> (18 - 6 * digit) & 0x3f) as usize;
            out.push(if digit <= chunk.len() {
                char::from(ALPHABET[sextet])
            } else {
                '='
            });
        }
    }
}

/// The bytes of `text`; `None` when it is not canonical base64.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let quads = text.len() / 4;
    for (position, quad) in text.chunks_exact(4).enumerate() {
        let padding = quad.iter().rev().take_while(|&&digit| digit == b'=').count();
        if padding > 2 || (padding > 0 && position + 1 < quads) {
            return None;
        }
        let mut bits = 0;
        for &digit in &quad[..4 - padding] {
            bits = bits << 6 | sextet_of(digit)?;
        }
        bits <<= 6 * padding;
        // Bits that no byte takes must be zero, or two texts would stand for the same bytes.
        if bits & ((1 << (8 * padding)) - 1) != 0 {
            return None;
        }
        bytes.extend(&bits.to_be_bytes()[1..4 - padding]);
    }
    Some(bytes)
}

fn sextet_of(digit: u8) -> Option<u32> {
    let sextet = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(sextet))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(bytes: &[u8]) -> String {
        let mut out = String::new();
        encode(bytes, &mut out);
        out
    }

    /// RFC 4648, section 10.
    #[test]
    fn the_examples_of_the_standard() {
        for (bytes, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(text(bytes.as_bytes()), expected);
        }
        for bad in [
            "Z", "Zg=", "Zg===", "Z===", "Zh==", "Zm9=", "Zg==Zg==", "Z g=", "Zm9_",
        ] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn bytes_round_trip(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(decode(&text(&bytes)), Some(bytes));
        }

        #[test]
        fn what_is_accepted_is_canonical(given in "[A-Za-z0-9+/=]{0,16}") {
            if let Some(bytes) = decode(&given) {
                prop_assert_eq!(text(&bytes), given);
            }
        }
    }
}
