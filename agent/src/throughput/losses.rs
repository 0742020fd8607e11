//! Whether a flow loses packets before its queue is full, and whether that is what holds it back. Pure; handed what the sending
//! end's kernel says.
//!
//! By a congestion control that heeds losses, a long transfer over a path with losses of its own settles where its window grows by
//! as much as they take from it, whatever the line carries; a short test ends before. How wide that window is: for Reno, and for
//! CUBIC where it is as fair as Reno, Mathis et al., "The Macroscopic Behavior of the TCP Congestion Avoidance Algorithm" (1997);
//! for CUBIC elsewhere, RFC 9438, section 5.1, equation 6.
//!
//! A queue that is full loses packets too, and says nothing of the path: many at once where slow start overshoots, later few at as
//! long a round trip.

use super::ndt7::TcpInfoText;
use crate::clock::{Monotonic, NS_PER_US};

/// What one packet carries beside its options.
const PACKET_BYTES: u64 = 1_448;
/// So many packets sent again at once, and so many in a hundred, are the overshoot of a queue that is full.
const OVERSHOOT_PACKETS: u64 = 8;
const OVERSHOOT_PERCENT: u64 = 1;
/// If what the queue added to the round trip then is at least this share of the most it ever did.
const NEAR_TOP_PERCENT: u64 = 60;
/// A loss at this share of what a full queue adds is one of it.
const FULL_PERCENT: u64 = 85;
/// From so many losses the flow has seen enough of them, and its own mean says more than a model.
const ENOUGH_PACKETS: u64 = 30;
/// Losses at so many different times are no accident.
const CERTAIN_SPELLS: usize = 2;
/// What the model says is from a handful of losses: it has to be above the rate so many times before they are passed over.
const MARGIN: f64 = 2.0;
/// Losses so many round trips apart are of different spells, and a spell lasts for so many at most.
const GAP_ROUND_TRIPS: i64 = 2;
const LONGEST_ROUND_TRIPS: i64 = 6;
/// Kept apart; what comes after goes to the last.
const MOST_SPELLS: usize = 256;

/// What the sending end's kernel says of its connection; counters since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LossSample {
    /// Octets sent again.
    pub retransmitted_bytes: u64,
    /// Octets acknowledged.
    pub acked_bytes: u64,
    /// Smoothed round trip, in microseconds.
    pub round_trip_us: u32,
    /// The shortest round trip, in microseconds.
    pub min_round_trip_us: u32,
}

impl From<&TcpInfoText> for LossSample {
    fn from(info: &TcpInfoText) -> Self {
        Self {
            retransmitted_bytes: info.bytes_retrans,
            acked_bytes: info.bytes_acked,
            round_trip_us: info.rtt,
            min_round_trip_us: info.min_rtt,
        }
    }
}

/// Whether it slows down for a loss. One that is not known is taken to.
#[must_use]
pub fn heeds_losses(congestion_control: &str) -> bool {
    !congestion_control.starts_with("bbr")
}

/// Losses that came together.
#[derive(Clone, Copy, Debug)]
struct Spell {
    first_at: Monotonic,
    last_at: Monotonic,
    lost_bytes: u64,
    /// Acknowledged meanwhile.
    acked_bytes: u64,
    /// The longest round trip meanwhile.
    round_trip_us: u32,
}

impl Spell {
    fn packets(&self) -> u64 {
        self.lost_bytes.div_ceil(PACKET_BYTES)
    }

    /// Whether more of it may come: the first lost packets of an overshoot are few. Losses that go on for longer are the path's, one
    /// after the other.
    fn is_open(&self, now: Monotonic, round_trip_us: u32) -> bool {
        let round_trip_ns = i64::from(round_trip_us) * NS_PER_US;
        now.since_ns(self.last_at) <= GAP_ROUND_TRIPS * round_trip_ns
            && now.since_ns(self.first_at) <= LONGEST_ROUND_TRIPS * round_trip_ns
    }

    fn overshoots(&self) -> bool {
        let packets = self.packets();
        packets >= OVERSHOOT_PACKETS && packets * 100 >= self.acked_bytes / PACKET_BYTES * OVERSHOOT_PERCENT
    }
}

/// Watches one flow.
#[derive(Debug)]
pub struct Losses {
    last: LossSample,
    last_at: Monotonic,
    top_us: u32,
    spells: Vec<Spell>,
}

impl Losses {
    /// Watches a flow that begins at `began`.
    #[must_use]
    pub fn new(began: Monotonic) -> Self {
        Self {
            last: LossSample::default(),
            last_at: began,
            top_us: 0,
            spells: Vec::new(),
        }
    }

    /// Takes the next sample.
    pub fn note(&mut self, now: Monotonic, sample: LossSample) {
        let before = std::mem::replace(&mut self.last, sample);
        self.last_at = self.last_at.max(now);
        self.top_us = self.top_us.max(sample.round_trip_us);
        let lost_bytes = sample
            .retransmitted_bytes
            .saturating_sub(before.retransmitted_bytes);
        if lost_bytes == 0 {
            return;
        }
        let acked_bytes = sample.acked_bytes.saturating_sub(before.acked_bytes);
        let round_trip_us = before.round_trip_us.max(sample.round_trip_us);
        let is_full = self.spells.len() >= MOST_SPELLS;
        match self.spells.last_mut() {
            Some(spell) if is_full || spell.is_open(now, round_trip_us) => {
                spell.last_at = now;
                spell.lost_bytes = spell.lost_bytes.saturating_add(lost_bytes);
                spell.acked_bytes = spell.acked_bytes.saturating_add(acked_bytes);
                spell.round_trip_us = spell.round_trip_us.max(round_trip_us);
            }
            _ => self.spells.push(Spell {
                first_at: now,
                last_at: now,
                lost_bytes,
                acked_bytes,
                round_trip_us,
            }),
        }
    }

    /// Whether anybody has told of losses, or of none: the flow is one that slows down for them.
    #[must_use]
    pub fn are_told(&self) -> bool {
        self.last != LossSample::default()
    }

    /// Packets lost before the queue was full, but for the latest while more may come with them.
    #[must_use]
    pub fn early_packets(&self) -> u64 {
        self.early().map(Spell::packets).fold(0, u64::saturating_add)
    }

    /// Whether packets were lost so at different times: more of it says the same.
    #[must_use]
    pub fn are_certain(&self) -> bool {
        self.early().count() >= CERTAIN_SPELLS
    }

    fn early(&self) -> impl Iterator<Item = &Spell> {
        let min_us = self.last.min_round_trip_us;
        let added_us = move |round_trip_us: u32| u64::from(round_trip_us.saturating_sub(min_us));
        let near_top_us = added_us(self.top_us) * NEAR_TOP_PERCENT / 100;
        let overflows =
            |spell: &&Spell| spell.overshoots() && added_us(spell.round_trip_us) >= near_top_us.max(1);
        let full_us = self.spells.iter().filter(overflows);
        let full_us = full_us.map(|spell| added_us(spell.round_trip_us)).max();
        let now = self.last_at;
        let is_early = move |spell: &&Spell| {
            full_us.is_none_or(|full_us| added_us(spell.round_trip_us) * 100 < full_us * FULL_PERCENT)
        };
        let closed = self
            .spells
            .iter()
            .filter(move |spell| !spell.is_open(now, spell.round_trip_us));
        closed.filter(is_early)
    }

    /// Whether a long transfer would be held below a rate, in bits per second, by the losses seen so far.
    #[must_use]
    pub fn hold_back(&self, rate_bps: u64) -> bool {
        let lost = self.early_packets();
        let (packets, round_trip_us) = (self.last.acked_bytes / PACKET_BYTES, self.last.min_round_trip_us);
        if lost == 0 || lost >= ENOUGH_PACKETS || packets == 0 || round_trip_us == 0 {
            return false;
        }
        let (ratio, round_trip_s) = (lost as f64 / packets as f64, f64::from(round_trip_us) / 1e6);
        sustained_bps(ratio, round_trip_s) < MARGIN * rate_bps as f64
    }
}

/// What a long transfer by CUBIC gets, in bits per second, where such a share of packets is lost at random.
fn sustained_bps(loss_ratio: f64, round_trip_s: f64) -> f64 {
    let reno = (1.5 / loss_ratio).sqrt();
    let cubic = 1.054 * (round_trip_s / loss_ratio).powf(0.75);
    reno.max(cubic) * (PACKET_BYTES * 8) as f64 / round_trip_s
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::NS_PER_MS;
    use proptest::prelude::*;

    const START: Monotonic = Monotonic::from_ns(0);

    /// Of (ms, round trip in ms, packets sent again so far, packets acknowledged so far), over a path of 10 ms.
    fn watched(samples: &[(i64, u32, u64, u64)]) -> Losses {
        let mut losses = Losses::new(START);
        for &(ms, round_trip_ms, again, acked) in samples {
            let sample = LossSample {
                retransmitted_bytes: again * PACKET_BYTES,
                acked_bytes: acked * PACKET_BYTES,
                round_trip_us: round_trip_ms * 1_000,
                min_round_trip_us: 10_000,
            };
            losses.note(START.plus_ns(ms * NS_PER_MS), sample);
        }
        losses
    }

    #[test]
    fn what_a_full_queue_loses_is_not_early() {
        // 50 Mbit/s with 50 ms of queue: slow start overshoots, told over three looks; later one more at the same round trip.
        let overshot = [
            (25, 10, 0, 0),
            (700, 58, 0, 2_780),
            (725, 60, 3, 2_884),
            (767, 60, 12, 2_884),
            (809, 45, 13, 3_144),
        ];
        for seen in 1..=overshot.len() {
            assert_eq!(watched(&overshot[..seen]).early_packets(), 0, "{seen}");
        }
        let again = [
            overshot.as_slice(),
            &[(1_500, 58, 14, 6_000), (1_600, 43, 14, 6_400)],
        ]
        .concat();
        assert_eq!(watched(&again).early_packets(), 0);
        let between = [
            overshot.as_slice(),
            &[(1_500, 30, 14, 6_000), (1_600, 30, 14, 6_400)],
        ]
        .concat();
        assert_eq!(watched(&between).early_packets(), 1);
    }

    #[test]
    fn packets_lost_one_by_one_on_the_way_up_are_early() {
        let losses = watched(&[
            (25, 10, 0, 0),
            (380, 43, 1, 1_300),
            (640, 33, 2, 2_500),
            (940, 24, 3, 3_700),
            (1_010, 24, 3, 4_000),
        ]);
        assert_eq!(losses.early_packets(), 3);
        assert!(losses.are_certain());
        assert!(!watched(&[(25, 10, 0, 0), (380, 43, 3, 1_300), (640, 33, 3, 2_500)]).are_certain());
        assert!(losses.hold_back(48_000_000));
        assert!(!losses.hold_back(10_000_000), "far below what such losses leave");
    }

    #[test]
    fn losses_that_never_pause_are_no_single_spell() {
        // 200 Mbit/s, a packet in a thousand: one each 58 ms, while two round trips are 60 or more.
        let samples: Vec<_> = (0..10).map(|n| (100 + n as i64 * 58, 31, n, n * 1_000)).collect();
        assert!(watched(&samples).are_certain());
    }

    #[test]
    fn a_burst_far_below_the_top_is_no_overshoot() {
        let losses = watched(&[(25, 10, 0, 0), (100, 11, 20, 300), (700, 60, 20, 3_000)]);
        assert_eq!(losses.early_packets(), 20);
    }

    #[test]
    fn one_loss_in_very_many_packets_and_very_many_losses_are_passed_over() {
        assert!(
            !watched(&[(25, 10, 0, 0), (900, 40, 1, 30_000), (1_000, 40, 1, 30_400)]).hold_back(48_000_000)
        );
        let seen_enough: Vec<_> = (0..40).map(|n| (25 + n as i64 * 100, 10, n, n * 1_000)).collect();
        assert!(!watched(&seen_enough).hold_back(48_000_000));
        assert!(!watched(&[]).hold_back(48_000_000));
    }

    #[test]
    fn the_model_is_near_what_iperf3_gets_in_the_testbed() {
        // Means of five, with a loss in a thousand packets: 36 Mbit/s over 50 Mbit/s and 10 ms, 18 over 50 and 30.
        let near = |found: f64, said: f64| (found / said - 1.0).abs() < 0.3;
        assert!(near(sustained_bps(0.001, 0.0115), 36e6));
        assert!(near(sustained_bps(0.001, 0.0305), 18e6));
    }

    #[test]
    fn bbr_does_not_heed_losses() {
        assert!(heeds_losses("cubic") && heeds_losses("") && !heeds_losses("bbr") && !heeds_losses("bbr2"));
    }

    proptest! {
        #[test]
        fn any_numbers_are_met_without_panic(
            samples in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u32>(), any::<u32>(), 0_i64..9_000), 0..600),
            rate_bps: u64,
        ) {
            let mut losses = Losses::new(START);
            for (retransmitted_bytes, acked_bytes, round_trip_us, min_round_trip_us, ms) in samples {
                let sample = LossSample { retransmitted_bytes, acked_bytes, round_trip_us, min_round_trip_us };
                losses.note(START.plus_ns(ms * NS_PER_MS), sample);
            }
            let _ = losses.hold_back(rate_bps);
            prop_assert!(losses.spells.len() <= MOST_SPELLS);
        }
    }
}
