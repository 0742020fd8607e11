//! LEB128, as protobuf uses it, but minimal forms only: one number has one encoding.

/// The bytes do not start with a minimal varint of at most 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    /// Offset of the byte at fault.
    pub at: usize,
}

/// Appends `value`.
pub fn write(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes one number off the front: the number and the rest.
#[inline]
pub fn read(bytes: &[u8]) -> Result<(u64, &[u8]), Error> {
    match bytes {
        [low, rest @ ..] if *low < 0x80 => Ok((u64::from(*low), rest)),
        [low, high, rest @ ..] if (1..0x80).contains(high) => {
            Ok((u64::from(*low & 0x7f) | u64::from(*high) << 7, rest))
        }
        _ => read_long(bytes),
    }
}

fn read_long(bytes: &[u8]) -> Result<(u64, &[u8]), Error> {
    let mut value = 0_u64;
    for (at, &byte) in bytes.iter().enumerate().take(10) {
        let part = u64::from(byte & 0x7f);
        if at == 9 && byte > 1 {
            return Err(Error { at });
        }
        value |= part << (7 * at);
        if byte < 0x80 {
            // A last byte of zero says that a shorter form exists.
            return if byte == 0 && at > 0 {
                Err(Error { at })
            } else {
                Ok((value, &bytes[at + 1..]))
            };
        }
    }
    Err(Error {
        at: bytes.len().min(9),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_round_trip(
            value in prop_oneof![any::<u64>(), 0_u64..70_000], tail in prop::collection::vec(any::<u8>(), 0..4)
        ) {
            let mut bytes = Vec::new();
            write(&mut bytes, value);
            bytes.extend(&tail);
            prop_assert_eq!(read(&bytes), Ok((value, &tail[..])));
        }
    }

    #[test]
    fn long_forms_and_overflow_are_refused() {
        assert!(read(&[0x80, 0x00]).is_err());
        assert!(read(&[0xff; 10]).is_err());
        assert!(read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]).is_err());
        assert!(read(&[]).is_err());
        assert!(read(&[0x80]).is_err());
    }
}
