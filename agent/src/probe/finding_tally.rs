//! Where the end of a probe of one packet and its answer, or of one connection attempt, is counted. Pure.

use super::connect_session::ConnectFinding;
use super::delay::{Discard, Verdict};
use super::stamp_session::Finding;
use crate::tally::{IntervalOrdinal, Tally};

/// What became of a STAMP probe or an echo request.
pub(super) fn count_finding(tally: &mut Tally, series: u32, finding: Finding) {
    let (interval, missing_tx_stamp) = match finding {
        Finding::Ways(ways) => {
            // Too late to be said of an interval that is gone; the ways of its losses stay unknown.
            if tally.is_open(ways.interval)
                && let Some(counts) = tally.counts(ways.interval, series)
            {
                counts.lost_out += ways.out;
                counts.lost_back += ways.back;
            }
            return;
        }
        Finding::Returned {
            interval,
            missing_tx_stamp,
            ..
        }
        | Finding::Lost {
            interval,
            missing_tx_stamp,
        } => (interval, missing_tx_stamp),
    };
    tally.note_settled(interval);
    let Some(counts) = tally.counts(interval, series) else {
        return;
    };
    counts.missing_tx_stamp += u64::from(missing_tx_stamp);
    let Finding::Returned {
        sequence,
        verdict,
        missing_rx_stamp,
        missing_follow_up,
        one_way,
        ..
    } = finding
    else {
        return;
    };
    counts.returned += 1;
    counts.missing_rx_stamp += u64::from(missing_rx_stamp);
    counts.missing_follow_up += u64::from(missing_follow_up);
    if let Some(sample) = one_way {
        counts.one_way.note(sample);
    }
    match verdict {
        Verdict::Delay(clock, delay_us) => tally.record(interval, (series, sequence), clock, delay_us),
        Verdict::Discarded(why) => {
            counts.discarded += 1;
            if why == Discard::ClockStep {
                tally.count_clock_step(interval);
            }
        }
    }
}

/// What became of a connection attempt.
pub(super) fn count_connect(
    tally: &mut Tally,
    series: u32,
    interval: IntervalOrdinal,
    finding: ConnectFinding,
) {
    tally.note_settled(interval);
    let Some(counts) = tally.counts(interval, series) else {
        return;
    };
    match finding {
        ConnectFinding::Delay {
            sequence,
            clock,
            delay_us,
        } => {
            counts.returned += 1;
            tally.record(interval, (series, sequence), clock, delay_us);
        }
        ConnectFinding::Refused => {
            counts.returned += 1;
            counts.refused += 1;
        }
        ConnectFinding::NoSample => {
            counts.returned += 1;
            counts.discarded += 1;
        }
        ConnectFinding::Lost { late } => counts.late += u64::from(late),
    }
}
