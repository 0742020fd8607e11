//! How far the kernel believes its wall clock to be off UTC, as whoever keeps the clock told it (`adjtimex(2)`). It reads and
//! sets nothing.
#![expect(unsafe_code, reason = "adjtimex has no safe wrapper")]

use std::mem::MaybeUninit;

use crate::clock::{Monotonic, NS_PER_S, NS_PER_US};
use crate::stamp::ErrorEstimate;

/// How often the kernel is asked: as often as it changes the figure by itself.
const ASK_EVERY_NS: i64 = NS_PER_S;

/// The greatest error of the wall clock in nanoseconds; `None` when nobody keeps it synchronised, or the system does not say.
///
/// The kernel lets the figure grow by 0.5 ms a second until the clock's keeper (chrony, ntpd, systemd-timesyncd) corrects it.
#[must_use]
pub fn clock_error_ns() -> Option<i64> {
    let mut timex = MaybeUninit::<libc::timex>::zeroed();
    // SAFETY: all zeros is a valid `timex` and asks for no change (`modes` 0); the call writes within it and keeps no pointer.
    let state = unsafe { libc::adjtimex(timex.as_mut_ptr()) };
    // SAFETY: it was zeroed, which is valid, and the call only writes whole fields.
    let timex = unsafe { timex.assume_init() };
    judge(state, timex.status, timex.maxerror)
}

/// Asks at a low pace.
#[derive(Debug, Default)]
pub struct ClockWatch {
    next_at: Option<Monotonic>,
}

impl ClockWatch {
    /// What STAMP packets are to say of this host's clock from `now` on; `None` when it is not time to ask again.
    pub fn poll(&mut self, now: Monotonic) -> Option<ErrorEstimate> {
        if self.next_at.is_some_and(|next_at| now < next_at) {
            return None;
        }
        self.next_at = Some(now.plus_ns(ASK_EVERY_NS));
        Some(ErrorEstimate::of_error_ns(clock_error_ns()))
    }
}

/// What the answer of the call means. The kernel's figure has the width of a machine word.
fn judge(state: i32, status: i32, maxerror_us: impl Into<i64>) -> Option<i64> {
    let maxerror_us = maxerror_us.into();
    let synchronised =
        (0..libc::TIME_ERROR).contains(&state) && status & (libc::STA_UNSYNC | libc::STA_CLOCKERR) == 0;
    (synchronised && maxerror_us >= 0).then(|| maxerror_us.saturating_mul(NS_PER_US))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clock_that_is_kept_has_an_error_that_is_known() {
        assert_eq!(judge(libc::TIME_OK, libc::STA_PLL, 1_500), Some(1_500_000));
        assert_eq!(judge(libc::TIME_INS, 0, 1), Some(1_000), "a leap second to come");
        let unknown = [
            (libc::TIME_ERROR, libc::STA_UNSYNC, 16_000_000),
            (libc::TIME_OK, libc::STA_UNSYNC, 0),
            (libc::TIME_OK, libc::STA_CLOCKERR, 10),
            (libc::TIME_ERROR, 0, 10),
            (-1, 0, 0),
            (libc::TIME_OK, 0, -1),
        ];
        for (state, status, maxerror_us) in unknown {
            assert_eq!(judge(state, status, maxerror_us), None, "{state} {status:#x}");
        }
    }

    #[test]
    fn it_asks_once_a_second() {
        let mut watch = ClockWatch::default();
        let asked = [0, 1, 999_999_999, 1_000_000_000, 1_500_000_000, 9_000_000_000]
            .map(|at_ns| watch.poll(Monotonic::from_ns(at_ns)).is_some());
        assert_eq!(asked, [true, false, false, true, false, true]);
    }

    #[test]
    fn the_kernel_answers_and_nothing_is_changed() {
        assert_eq!(clock_error_ns().is_some(), clock_error_ns().is_some());
        assert!(clock_error_ns().is_none_or(|error_ns| (0..=16_100_000_000).contains(&error_ns)));
    }
}
