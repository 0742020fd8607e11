//! Sealed data: what has left the hot table for files that never change. The form of a chunk, of a part, of the list of
//! reports in it, and the shelf that knows every part. When something is sealed, joined or retired is `maintain.rs`.

pub(super) mod chunk;
pub(super) mod contents;
pub(super) mod disk;
pub(super) mod part;
pub(super) mod rollup;
pub(super) mod shelf;
