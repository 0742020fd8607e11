//! How much room the file system of the store has: `statvfs(3)`, as this process may use it.

use std::path::Path;

/// The room of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that an unprivileged process may still write.
    pub free_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

/// The room where `directory` is.
///
/// # Errors
/// What the system says.
pub fn space(directory: &Path) -> nix::Result<Space> {
    let stat = nix::sys::statvfs::statvfs(directory)?;
    // The types of both differ between platforms.
    #[allow(clippy::useless_conversion)]
    let (block, free, total) = (
        u64::from(stat.fragment_size()),
        u64::from(stat.blocks_available()),
        u64::from(stat.blocks()),
    );
    Ok(Space {
        free_bytes: free.saturating_mul(block),
        total_bytes: total.saturating_mul(block),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_has_no_more_free_than_it_has() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let space = space(directory.path()).expect("it is there");
        assert!(space.total_bytes > 0 && space.free_bytes <= space.total_bytes);
        assert!(super::space(&directory.path().join("missing")).is_err());
    }
}
