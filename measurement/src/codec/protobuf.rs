//! The few words of protobuf that version 1 speaks: varint, 64-bit and length-delimited fields, unknown fields skipped so
//! that a later minor addition does not break an older reader. Standard: the protobuf encoding specification.

use super::{CodecError, varint};

/// One field as it stands in the bytes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    /// A 32-bit field; version 1 has none, so it can only be skipped.
    Fixed32,
}

/// Walks the fields of one message.
pub(super) struct Fields<'a> {
    whole: usize,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self {
            whole: message.len(),
            rest: message,
        }
    }

    /// The next field, `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, CodecError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let field = u32::try_from(tag >> 3)
            .ok()
            .filter(|&field| field > 0)
            .ok_or_else(|| self.damaged())?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => {
                let mut eight = [0; 8];
                eight.copy_from_slice(self.take(8)?);
                Value::Fixed64(u64::from_le_bytes(eight))
            }
            2 => {
                let length = self.varint()?;
                let length = usize::try_from(length).map_err(|_| self.damaged())?;
                Value::Bytes(self.take(length)?)
            }
            5 => {
                self.take(4)?;
                Value::Fixed32
            }
            _ => return Err(self.damaged()),
        };
        Ok(Some((field, value)))
    }

    fn varint(&mut self) -> Result<u64, CodecError> {
        let (value, rest) = varint::read(self.rest).map_err(|_| self.damaged())?;
        self.rest = rest;
        Ok(value)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], CodecError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.damaged())?;
        self.rest = rest;
        Ok(taken)
    }

    fn damaged(&self) -> CodecError {
        CodecError::Protobuf {
            at: self.whole - self.rest.len(),
        }
    }
}

impl<'a> Value<'a> {
    fn mismatch(self, field: u32) -> CodecError {
        let wire_type = match self {
            Self::Varint(_) => 0,
            Self::Fixed64(_) => 1,
            Self::Bytes(_) => 2,
            Self::Fixed32 => 5,
        };
        CodecError::WireType { field, wire_type }
    }

    pub(super) fn number(self, field: u32) -> Result<u64, CodecError> {
        match self {
            Self::Varint(value) => Ok(value),
            other => Err(other.mismatch(field)),
        }
    }

    pub(super) fn number_u32(self, field: u32, what: &'static str) -> Result<u32, CodecError> {
        let given = self.number(field)?;
        u32::try_from(given).map_err(|_| CodecError::Value { what, given })
    }

    pub(super) fn fixed64(self, field: u32) -> Result<u64, CodecError> {
        match self {
            Self::Fixed64(value) => Ok(value),
            other => Err(other.mismatch(field)),
        }
    }

    pub(super) fn bytes(self, field: u32) -> Result<&'a [u8], CodecError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            other => Err(other.mismatch(field)),
        }
    }

    pub(super) fn text(self, field: u32, what: &'static str) -> Result<&'a str, CodecError> {
        std::str::from_utf8(self.bytes(field)?).map_err(|_| CodecError::Utf8(what))
    }
}

/// Appends fields in the order called. Zero and empty are left out, as proto3 does.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
}

impl Writer {
    fn tag(&mut self, field: u32, wire_type: u64) {
        varint::write(&mut self.bytes, u64::from(field) << 3 | wire_type);
    }

    pub(super) fn number(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.tag(field, 0);
            varint::write(&mut self.bytes, value);
        }
    }

    pub(super) fn fixed64(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.tag(field, 1);
            self.bytes.extend(value.to_le_bytes());
        }
    }

    pub(super) fn bytes(&mut self, field: u32, value: &[u8]) {
        if !value.is_empty() {
            self.tag(field, 2);
            varint::write(&mut self.bytes, value.len() as u64);
            self.bytes.extend(value);
        }
    }

    pub(super) fn text(&mut self, field: u32, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    /// A message within the message, written even when empty: its presence says something.
    pub(super) fn message(&mut self, field: u32, inner: &Self) {
        self.tag(field, 2);
        varint::write(&mut self.bytes, inner.bytes.len() as u64);
        self.bytes.extend(&inner.bytes);
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }
}
