//! One direction of an access line: a rate, and a queue in front of it that drops the newest when full.
//!
//! A fluid model: the line knows until when it is busy, so the backlog at any moment is the remaining time times the
//! rate. Packets must be offered in the order of their arrival.

/// An access line in one direction.
#[derive(Debug, Clone)]
pub struct Line {
    ns_per_byte: f64,
    queue_ns: u64,
    busy_until_ns: u64,
}

/// The queue had no room for the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueFull;

impl Line {
    /// A line of `rate_bps` bits per second with `queue_bytes` of waiting room.
    #[must_use]
    pub fn new(rate_bps: f64, queue_bytes: u32) -> Self {
        let ns_per_byte = 8e9 / rate_bps;
        Self {
            ns_per_byte,
            queue_ns: whole_ns(f64::from(queue_bytes) * ns_per_byte),
            busy_until_ns: 0,
        }
    }

    /// Offers a packet of `bytes` at `now_ns`; the moment its last bit has left the line.
    ///
    /// # Errors
    /// [`QueueFull`] when what is waiting, the packet included, would exceed the queue.
    pub fn offer(&mut self, now_ns: u64, bytes: usize) -> Result<u64, QueueFull> {
        let start_ns = self.busy_until_ns.max(now_ns);
        #[expect(clippy::cast_precision_loss, reason = "packets are far below 2^53 bytes")]
        let done_ns = start_ns.saturating_add(whole_ns(bytes as f64 * self.ns_per_byte));
        if done_ns - now_ns > self.queue_ns {
            return Err(QueueFull);
        }
        self.busy_until_ns = done_ns;
        Ok(done_ns)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "non-negative and below 2^53"
)]
fn whole_ns(ns: f64) -> u64 {
    ns.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 8 Mbit/s: one byte each microsecond.
    fn line() -> Line {
        Line::new(8e6, 3000)
    }

    #[test]
    fn a_packet_takes_its_own_serialisation_time_on_an_empty_line() {
        assert_eq!(line().offer(5_000, 1000), Ok(1_005_000));
    }

    #[test]
    fn packets_wait_behind_one_another_and_the_newest_is_dropped() {
        let mut line = line();
        assert_eq!(line.offer(0, 1500), Ok(1_500_000));
        assert_eq!(line.offer(0, 1500), Ok(3_000_000));
        assert_eq!(line.offer(0, 1500), Err(QueueFull));
        assert_eq!(
            line.offer(1_500_000, 1500),
            Ok(4_500_000),
            "room again once the first has left"
        );
    }

    proptest! {
        #[test]
        fn a_line_is_first_in_first_out_and_never_faster_than_its_rate(
            arrivals in prop::collection::vec((0_u64..2_000_000, 40_usize..1500), 1..200),
        ) {
            let (mut line, mut now_ns, mut last_ns, mut carried) = (line(), 0, 0, 0_u64);
            let mut began_ns = None;
            for (gap_ns, bytes) in arrivals {
                now_ns += gap_ns;
                let Ok(done_ns) = line.offer(now_ns, bytes) else { continue };
                prop_assert!(done_ns >= now_ns + bytes as u64 * 1000);
                prop_assert!(done_ns > last_ns);
                prop_assert!(done_ns - now_ns <= 3_000_000, "never more than the queue");
                last_ns = done_ns;
                carried += bytes as u64;
                let began_ns = *began_ns.get_or_insert(now_ns);
                prop_assert!(carried * 1000 <= done_ns - began_ns);
            }
        }
    }
}
