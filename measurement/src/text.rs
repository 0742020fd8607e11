//! What a short piece of text from outside may look like. Not a sanitiser: text that does not fit is refused, never altered.

use thiserror::Error;

/// The longest name, city, network or version accepted, in bytes.
pub(crate) const MAX_TEXT_BYTES: usize = 128;

/// Why a piece of text was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TextError {
    /// Nothing was given where something is needed.
    #[error("{what} is empty; give it a value")]
    Empty {
        /// The field.
        what: &'static str,
    },
    /// More bytes than allowed.
    #[error("{what} has {bytes} bytes; at most {MAX_TEXT_BYTES} are allowed")]
    TooLong {
        /// The field.
        what: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// A control character, which has no place on a screen or in a log line.
    #[error("{what} contains the control character U+{code:04X}; remove it")]
    Control {
        /// The field.
        what: &'static str,
        /// The offending scalar value.
        code: u32,
    },
}

/// Accepts `text` if it is 1 to 128 bytes without control characters.
pub(crate) fn check(what: &'static str, text: &str) -> Result<(), TextError> {
    if text.is_empty() {
        return Err(TextError::Empty { what });
    }
    if text.len() > MAX_TEXT_BYTES {
        return Err(TextError::TooLong {
            what,
            bytes: text.len(),
        });
    }
    match text.chars().find(|c| c.is_control()) {
        Some(c) => Err(TextError::Control { what, code: c.into() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_pass_and_escapes_do_not() {
        assert_eq!(check("city", "Besançon"), Ok(()));
        assert_eq!(
            check("city", "a\u{1b}[31m"),
            Err(TextError::Control {
                what: "city",
                code: 0x1b
            })
        );
        assert_eq!(check("city", ""), Err(TextError::Empty { what: "city" }));
        assert_eq!(
            check("city", &"x".repeat(129)),
            Err(TextError::TooLong {
                what: "city",
                bytes: 129
            })
        );
    }
}
