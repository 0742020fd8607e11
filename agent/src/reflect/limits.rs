//! How many answers each source address gets a second. Pure; handed the time.
//!
//! A bucket per address (an IPv6 host by its /64, which is what one subscriber has), holding a second's worth. Bounded: when
//! every place is taken, addresses without one share a bucket, so that a flood from forged addresses takes nothing from those
//! heard of before, and gets no more than one of them. Only what would be answered is asked about here; with a key, a
//! forger can therefore not use up what its victim may send.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;

use crate::clock::{Monotonic, NS_PER_S};

/// Answers per second and address, if nothing else is asked for: fifty agents behind one address, each a hundred times a
/// second.
pub const DEFAULT_MAX_PER_SECOND: NonZeroU32 = NonZeroU32::new(5_000).expect("not zero");
/// Addresses with a bucket of their own: about 1 MiB.
const ROOM: usize = 16_384;
/// What a bucket holds, as time.
const BURST_NS: i64 = NS_PER_S;
/// A look for full buckets goes through all of them, so there is one a second at most.
const SWEEP_NS: i64 = NS_PER_S;

/// When a bucket will be full again (the "theoretical arrival time" of the generic cell rate algorithm, ITU-T I.371).
type FullAt = Monotonic;

/// The buckets of one reflector.
#[derive(Debug)]
pub struct Limits {
    /// What one answer takes, as time.
    answer_ns: i64,
    full_at: HashMap<IpAddr, FullAt>,
    shared_full_at: FullAt,
    room: usize,
    swept_at: Option<Monotonic>,
}

impl Limits {
    /// Full buckets of `max_per_second` answers each.
    #[must_use]
    pub fn new(max_per_second: NonZeroU32) -> Self {
        Self {
            answer_ns: (NS_PER_S / i64::from(max_per_second.get())).max(1),
            full_at: HashMap::new(),
            shared_full_at: Monotonic::from_ns(0),
            room: ROOM,
            swept_at: None,
        }
    }

    /// Whether `address` gets an answer now; if so, it is taken from its bucket.
    pub fn permit(&mut self, address: IpAddr, now: Monotonic) -> bool {
        let payer = payer(address);
        if self.full_at.len() >= self.room && !self.full_at.contains_key(&payer) {
            self.sweep(now);
        }
        let fits = self.full_at.len() < self.room || self.full_at.contains_key(&payer);
        let full_at = if fits {
            self.full_at.entry(payer).or_insert(now)
        } else {
            &mut self.shared_full_at
        };
        let missing_ns = full_at.since_ns(now).max(0) + self.answer_ns;
        let permitted = missing_ns <= BURST_NS;
        if permitted {
            *full_at = now.plus_ns(missing_ns);
        }
        permitted
    }

    /// A full bucket says nothing that a new one would not.
    fn sweep(&mut self, now: Monotonic) {
        if self.swept_at.is_some_and(|at| now.since_ns(at) < SWEEP_NS) {
            return;
        }
        self.swept_at = Some(now);
        self.full_at.retain(|_, full_at| full_at.since_ns(now) > 0);
    }
}

/// Whose bucket pays for `address`.
fn payer(address: IpAddr) -> IpAddr {
    /// The upper half: the network of one link (RFC 4291 section 2.5.4).
    const NETWORK: u128 = !0 << 64;
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & NETWORK).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::NS_PER_MS;

    fn at(ms: i64) -> Monotonic {
        Monotonic::from_ns((1_000 + ms) * NS_PER_MS)
    }

    fn host(n: u8) -> IpAddr {
        [192, 0, 2, n].into()
    }

    fn limits(max_per_second: u32) -> Limits {
        Limits::new(NonZeroU32::new(max_per_second).expect("not zero"))
    }

    fn permitted(limits: &mut Limits, address: IpAddr, asked: usize, now: Monotonic) -> usize {
        (0..asked).filter(|_| limits.permit(address, now)).count()
    }

    #[test]
    fn a_flood_gets_a_second_s_worth_and_then_the_rate() {
        let mut limits = limits(100);
        assert_eq!(permitted(&mut limits, host(1), 1_000, at(0)), 100);
        assert_eq!(permitted(&mut limits, host(1), 1_000, at(50)), 5);
        assert_eq!(
            permitted(&mut limits, host(2), 1_000, at(50)),
            100,
            "another address"
        );
        assert_eq!(
            permitted(&mut limits, host(1), 1_000, at(60_000)),
            100,
            "never more than a second's worth"
        );
    }

    #[test]
    fn who_stays_below_the_rate_is_never_refused() {
        let mut limits = limits(100);
        for ms in (0..60_000).step_by(10) {
            assert!(limits.permit(host(1), at(ms)), "{ms} ms");
        }
    }

    #[test]
    fn hosts_of_one_ipv6_network_share_a_bucket() {
        let mut limits = limits(10);
        let host = |text: &str| text.parse().expect("an address");
        assert_eq!(permitted(&mut limits, host("2001:db8::1"), 20, at(0)), 10);
        assert_eq!(permitted(&mut limits, host("2001:db8::ffff:2"), 20, at(0)), 0);
        assert_eq!(permitted(&mut limits, host("2001:db8:0:1::1"), 20, at(0)), 10);
    }

    #[test]
    fn a_full_table_gives_forgers_one_bucket_for_all_and_takes_none_from_the_rest() {
        let mut limits = limits(10);
        limits.room = 2;
        assert!(limits.permit(host(1), at(0)) && limits.permit(host(2), at(0)));
        let forged = (3..200).filter(|n| limits.permit(host(*n), at(1))).count();
        assert_eq!((forged, limits.full_at.len()), (10, 2));
        assert_eq!(permitted(&mut limits, host(1), 20, at(1)), 9, "its own bucket");
        // Both buckets are full again after a second or two, and make room.
        assert!(limits.permit(host(3), at(3_000)));
        assert_eq!(permitted(&mut limits, host(3), 20, at(3_000)), 9);
    }
}
