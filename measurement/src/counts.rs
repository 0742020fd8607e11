//! What happened to the probes of one series in one interval, as counts. Delays are in [histograms](crate::histogram);
//! a lost probe is counted here and never enters one.

use thiserror::Error;

use crate::errors::ErrorCounts;
use crate::one_way::OneWay;
use crate::variation::Ipdv;

/// No counter of one record may exceed this: far above any real rate, far below overflow when records are added.
pub const MAX_COUNT: u64 = 1 << 40;
/// How many counters a record has.
pub const COUNTERS: usize = 32;
/// The counters' names, one spelling everywhere, in the order of [`ProbeCounts::all`].
pub const COUNTER_NAMES: [&str; COUNTERS] = [
    "sent",
    "returned",
    "late",
    "duplicate",
    "reordered",
    "refused",
    "discarded",
    "send_errors",
    "skipped",
    "missing_tx_stamp",
    "missing_rx_stamp",
    "missing_follow_up",
    "lost_out",
    "lost_back",
    "ipdv_pairs",
    "ipdv_sum_us",
    "net_unreachable",
    "host_unreachable",
    "port_unreachable",
    "admin_prohibited",
    "packet_too_big",
    "ttl_exceeded",
    "icmp_other",
    "send_no_route",
    "send_denied",
    "send_no_buffer",
    "send_too_big",
    "send_no_socket",
    "one_way",
    "one_way_out_sum_us",
    "one_way_back_sum_us",
    "one_way_error_sum_us",
];
/// The places of those that tell of delay variation and count no probes.
pub const VARIATION: std::ops::Range<usize> = 14..16;
/// The places of those that tell of one-way delays: how many, and their sums.
pub const ONE_WAY: std::ops::Range<usize> = 28..32;

/// Counts of probes, each attributed to the interval in which the probe was sent.
///
/// `returned` = delays in the histograms + `refused` + `discarded`, and [`lost`](Self::lost) = `sent` - `returned`
/// (RFC 7680: a packet that has not come back within the waiting time is lost).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProbeCounts {
    /// Probes handed to the network.
    pub sent: u64,
    /// Answers within the waiting time, duplicates not counted.
    pub returned: u64,
    /// Answers after the waiting time; their probes are lost all the same.
    pub late: u64,
    /// Further answers to a probe already answered (RFC 5560).
    pub duplicate: u64,
    /// Answers that arrived after an answer to a later probe (RFC 4737).
    pub reordered: u64,
    /// Answers that say no, such as a TCP reset: reachable, but without a delay to trust.
    pub refused: u64,
    /// Answers whose delay was not trusted: the clock was stepped or the host suspended in between.
    pub discarded: u64,
    /// Probes that the local system would not send.
    pub send_errors: u64,
    /// Slots of the schedule that passed without a probe because the host was late.
    pub skipped: u64,
    /// Probes without a kernel stamp on sending although one was asked for.
    pub missing_tx_stamp: u64,
    /// Answers without a kernel stamp on receiving although one was asked for.
    pub missing_rx_stamp: u64,
    /// Answers whose reflector was asked for the kernel's stamp on its sending and gave none: their delay contains the
    /// reflector's send call (RFC 8972 section 4.7).
    pub missing_follow_up: u64,
    /// Lost probes known not to have reached the reflector (RFC 8972 section 4.5). Those neither here nor in `lost_back` were
    /// lost on a way that is unknown.
    pub lost_out: u64,
    /// Lost probes known to have reached the reflector, whose answer did not come in time.
    pub lost_back: u64,
    /// How much delay varied from one probe to the next.
    pub ipdv: Ipdv,
    /// Errors by kind, by the time they were noticed. Those of sending are among `send_errors`.
    pub errors: ErrorCounts,
    /// Delays of each way, where the clocks of both ends are synchronised.
    pub one_way: OneWay,
}

/// The counts contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CountsError {
    /// More came back than went out.
    #[error("returned {returned} exceeds sent {sent}")]
    ReturnedExceedsSent {
        /// As counted.
        returned: u64,
        /// As counted.
        sent: u64,
    },
    /// Answers that are in no histogram and in no counter, or the reverse.
    #[error("returned {returned} is not the {delays} delays + {refused} refused + {discarded} discarded")]
    ReturnedNotAccounted {
        /// As counted.
        returned: u64,
        /// Sum over the histograms.
        delays: u64,
        /// As counted.
        refused: u64,
        /// As counted.
        discarded: u64,
    },
    /// More lost on known ways than were lost.
    #[error("{out} lost on the way out and {back} on the way back exceed the {lost} lost")]
    WaysExceedLost {
        /// As counted.
        out: u64,
        /// As counted.
        back: u64,
        /// Sent but not returned.
        lost: u64,
    },
    /// More variation than the pairs of so many delays can have, or less.
    #[error("ipdv of {sum_us} us in all cannot be of {pairs} pairs of {delays} delays")]
    Ipdv {
        /// As counted.
        pairs: u64,
        /// Sum of the differences.
        sum_us: u64,
        /// Sum over the histograms.
        delays: u64,
    },
    /// More one-way delay than so many probes can have, or of more probes than have a delay.
    #[error("one-way delays of {sum_us} us in all cannot be of {probes} probes of {delays} delays")]
    OneWay {
        /// As counted.
        probes: u64,
        /// The greatest of the sums.
        sum_us: u64,
        /// Sum over the histograms.
        delays: u64,
    },
    /// More reasons for not sending than probes not sent.
    #[error("{kinds} send errors by kind exceed the {send_errors} send errors")]
    SendErrors {
        /// Sum over the kinds.
        kinds: u64,
        /// As counted.
        send_errors: u64,
    },
    /// Beyond [`MAX_COUNT`].
    #[error("a counter of {0} exceeds the allowed {MAX_COUNT}")]
    TooLarge(u64),
}

impl ProbeCounts {
    /// Probes without an answer within the waiting time.
    pub fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.returned)
    }

    /// Holds the counts against each other and against the number of delays in the histograms.
    pub fn check(&self, delays: u64) -> Result<(), CountsError> {
        if let Some(&large) = self.all().iter().find(|&&count| count > MAX_COUNT) {
            return Err(CountsError::TooLarge(large));
        }
        let Self {
            sent,
            returned,
            refused,
            discarded,
            ..
        } = *self;
        if returned > sent {
            return Err(CountsError::ReturnedExceedsSent { returned, sent });
        }
        if delays > MAX_COUNT || returned != delays + refused + discarded {
            return Err(CountsError::ReturnedNotAccounted {
                returned,
                delays,
                refused,
                discarded,
            });
        }
        if self.lost_out + self.lost_back > self.lost() {
            return Err(CountsError::WaysExceedLost {
                out: self.lost_out,
                back: self.lost_back,
                lost: self.lost(),
            });
        }
        self.ipdv.check(delays)?;
        self.one_way.check(delays)?;
        self.errors.check(self.send_errors)
    }

    /// Adds another record's counts. `None` when a counter would overflow; nothing is changed then.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Option<Self> {
        let mut sum = self.all();
        for (into, from) in sum.iter_mut().zip(other.all()) {
            *into = into.checked_add(from)?;
        }
        Some(Self::from_all(sum))
    }

    /// Every counter, in wire order.
    pub fn all(&self) -> [u64; COUNTERS] {
        let [
            net,
            host,
            port,
            prohibited,
            too_big,
            ttl,
            other,
            no_route,
            denied,
            no_buffer,
            send_too_big,
            no_socket,
        ] = self.errors.0;
        [
            self.sent,
            self.returned,
            self.late,
            self.duplicate,
            self.reordered,
            self.refused,
            self.discarded,
            self.send_errors,
            self.skipped,
            self.missing_tx_stamp,
            self.missing_rx_stamp,
            self.missing_follow_up,
            self.lost_out,
            self.lost_back,
            self.ipdv.pairs,
            self.ipdv.sum_us,
            net,
            host,
            port,
            prohibited,
            too_big,
            ttl,
            other,
            no_route,
            denied,
            no_buffer,
            send_too_big,
            no_socket,
            self.one_way.probes,
            self.one_way.out_sum_us,
            self.one_way.back_sum_us,
            self.one_way.error_sum_us,
        ]
    }

    /// The counts whose [`all`](Self::all) this is.
    pub fn from_all(all: [u64; COUNTERS]) -> Self {
        let [
            sent,
            returned,
            late,
            duplicate,
            reordered,
            refused,
            discarded,
            send_errors,
            skipped,
            missing_tx_stamp,
            missing_rx_stamp,
            missing_follow_up,
            lost_out,
            lost_back,
            pairs,
            sum_us,
            errors @ ..,
            probes,
            out_sum_us,
            back_sum_us,
            error_sum_us,
        ] = all;
        Self {
            sent,
            returned,
            late,
            duplicate,
            reordered,
            refused,
            discarded,
            send_errors,
            skipped,
            missing_tx_stamp,
            missing_rx_stamp,
            missing_follow_up,
            lost_out,
            lost_back,
            ipdv: Ipdv { pairs, sum_us },
            errors: ErrorCounts(errors),
            one_way: OneWay {
                probes,
                out_sum_us,
                back_sum_us,
                error_sum_us,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::ErrorKind;

    #[test]
    fn each_name_stands_at_the_place_of_its_counter() {
        let place = |name: &str| COUNTER_NAMES.iter().position(|known| *known == name);
        let counts = |set: fn(&mut ProbeCounts)| {
            let mut counts = ProbeCounts::default();
            set(&mut counts);
            counts.all().iter().position(|count| *count > 0)
        };
        assert_eq!(place("sent"), counts(|counts| counts.sent = 1));
        assert_eq!(place("discarded"), counts(|counts| counts.discarded = 1));
        assert_eq!(
            place("missing_follow_up"),
            counts(|counts| counts.missing_follow_up = 1)
        );
        assert_eq!(place("lost_back"), counts(|counts| counts.lost_back = 1));
        assert_eq!(place("ipdv_sum_us"), counts(|counts| counts.ipdv.sum_us = 1));
        assert_eq!(place("ipdv_pairs"), Some(VARIATION.start));
        assert_eq!(place("one_way"), Some(ONE_WAY.start));
        assert_eq!(
            place("one_way_back_sum_us"),
            counts(|counts| counts.one_way.back_sum_us = 1)
        );
        assert_eq!(
            place("one_way_error_sum_us"),
            counts(|counts| counts.one_way.error_sum_us = 1)
        );
        for kind in ErrorKind::ALL {
            let mut counts = ProbeCounts::default();
            counts.errors.note(kind);
            let at = counts.all().iter().position(|count| *count > 0);
            assert_eq!(place(kind.as_str()), at, "{kind:?}");
        }
    }

    #[test]
    fn contradictions_are_found() {
        let counts = ProbeCounts {
            sent: 10,
            returned: 8,
            refused: 1,
            discarded: 2,
            ..Default::default()
        };
        assert_eq!(counts.lost(), 2);
        assert_eq!(counts.check(5), Ok(()));
        assert!(matches!(
            counts.check(6),
            Err(CountsError::ReturnedNotAccounted { .. })
        ));
        let more = ProbeCounts {
            returned: 11,
            ..counts
        };
        assert!(matches!(
            more.check(8),
            Err(CountsError::ReturnedExceedsSent { .. })
        ));
        let huge = ProbeCounts {
            skipped: u64::MAX,
            ..counts
        };
        assert_eq!(huge.check(5), Err(CountsError::TooLarge(u64::MAX)));
        assert_eq!(huge.plus(&huge), None);
        assert_eq!(counts.plus(&counts).unwrap().sent, 20);
    }
}
