//! The only file of the collector that reads a clock. Everything else is handed the time.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the one place where the collector reads the clock"
)]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Wall-clock time in unix milliseconds; 0 should the clock stand before 1970.
pub fn unix_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Monotonic time, for durations.
pub fn monotonic() -> Instant {
    Instant::now()
}
