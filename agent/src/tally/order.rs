//! The delays of one series in the order in which their probes were sent, and how they vary from one to the next (RFC 3393).
//! Pure. Answers may be settled in any order; what an interval has found is put in order once it is closed.

use azimuth_measurement::{Ipdv, StampClock};

/// A delay and the probe it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// The probe's number within its series, counting up by 1 and wrapping.
    pub(super) sequence: u32,
    pub(super) clock: StampClock,
    pub(super) delay_us: u32,
}

/// The variation within `samples`, and from `last`, which becomes the last of them: the pair of two intervals belongs to the
/// later one.
pub(super) fn variation(last: &mut Option<Sample>, samples: &mut [Sample]) -> Ipdv {
    let mut ipdv = Ipdv::default();
    let Some(first) = last.map_or_else(
        || samples.iter().map(|sample| sample.sequence).min(),
        |last| Some(last.sequence),
    ) else {
        return ipdv;
    };
    // Serial numbers (RFC 1982): in order as long as an interval has fewer than 2^31 probes.
    samples.sort_unstable_by_key(|sample| sample.sequence.wrapping_sub(first).cast_signed());
    for sample in samples {
        if let Some(last) = last
            && sample.sequence == last.sequence.wrapping_add(1)
            && sample.clock == last.clock
        {
            ipdv.note(last.delay_us, sample.delay_us);
        }
        *last = Some(*sample);
    }
    ipdv
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(sequence: u32, delay_us: u32) -> Sample {
        Sample {
            sequence,
            clock: StampClock::Kernel,
            delay_us,
        }
    }

    #[test]
    fn a_lost_probe_and_another_clock_make_no_pair() {
        let mut last = None;
        let mut samples = [sample(4, 130), sample(0, 100), sample(1, 110), sample(3, 500)];
        let ipdv = variation(&mut last, &mut samples);
        assert_eq!((ipdv.pairs, ipdv.sum_us), (2, 10 + 370), "2 was lost");
        let other = Sample {
            clock: StampClock::User,
            ..sample(5, 131)
        };
        let ipdv = variation(&mut last, &mut [other, sample(6, 132)]);
        assert_eq!(ipdv, Ipdv::default());
    }

    #[test]
    fn a_pair_of_two_intervals_is_the_later_ones_and_numbers_wrap() {
        let mut last = None;
        assert_eq!(
            variation(&mut last, &mut [sample(u32::MAX, 100)]),
            Ipdv::default()
        );
        assert_eq!(
            variation(&mut last, &mut []),
            Ipdv::default(),
            "an empty one forgets nothing"
        );
        let ipdv = variation(&mut last, &mut [sample(1, 90), sample(0, 120)]);
        assert_eq!((ipdv.pairs, ipdv.sum_us), (2, 50));
    }

    proptest! {
        /// However the probes are cut into intervals and whatever order their answers came in, the pairs are the same.
        #[test]
        fn pairs_depend_on_the_order_of_sending_alone(
            delays in prop::collection::vec(prop::option::of(1_u32..1_000), 1..60),
            length in 1_usize..12,
            rotated in 0_usize..12,
        ) {
            let mut expected = Ipdv::default();
            for pair in delays.windows(2) {
                if let [Some(one), Some(next)] = *pair {
                    expected.note(one, next);
                }
            }
            let sent: Vec<_> = (u32::MAX - 20..=u32::MAX).chain(0..).zip(&delays)
                .filter_map(|(sequence, delay)| Some(sample(sequence, (*delay)?))).collect();
            let (mut last, mut found) = (None, Ipdv::default());
            for interval in sent.chunks(length) {
                let mut samples = interval.to_vec();
                let middle = rotated % samples.len();
                samples.rotate_left(middle);
                let ipdv = variation(&mut last, &mut samples);
                found.pairs += ipdv.pairs;
                found.sum_us += ipdv.sum_us;
            }
            prop_assert_eq!(found, expected);
        }
    }
}
