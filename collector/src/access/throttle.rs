//! How often somebody may try a password. Pure: handed the time. Counted by address and by user, so that neither one
//! address tries all users nor many addresses one user; tries that go wrong only.

use std::collections::HashMap;
use std::net::IpAddr;

/// Wrong tries within [`WINDOW_MS`], for each address and for each user.
pub const MOST_TRIES: u32 = 5;
/// The length of the window.
pub const WINDOW_MS: u64 = 60_000;
/// What is remembered at most. When so many are refused at once, everybody new is.
const MOST_REMEMBERED: usize = 10_000;

/// Who is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Counted {
    /// An address; of IPv6 the network, because a host has as many addresses as it likes.
    From(IpAddr),
    /// The unix socket.
    Socket,
    User(String),
}

#[derive(Debug, Clone, Copy)]
struct Tries {
    since_unix_ms: u64,
    count: u32,
}

/// The tries of the last minute.
#[derive(Debug, Default)]
pub struct Throttle(HashMap<Counted, Tries>);

impl Throttle {
    /// Counts a try before its password is looked at; [`Throttle::forgive`] takes it back when it was right.
    ///
    /// # Errors
    /// The seconds to wait when there were too many.
    pub fn begin(&mut self, from: Option<IpAddr>, user: &str, now_unix_ms: u64) -> Result<(), u32> {
        self.count(&counted(from, user), now_unix_ms)
    }

    /// Counts a try of which no name is known yet, by its address only; [`Throttle::forgive_address`] takes it back.
    ///
    /// # Errors
    /// The seconds to wait when there were too many.
    pub fn begin_address(&mut self, from: Option<IpAddr>, now_unix_ms: u64) -> Result<(), u32> {
        self.count(&[place(from)], now_unix_ms)
    }

    fn count(&mut self, all: &[Counted], now_unix_ms: u64) -> Result<(), u32> {
        let is_over = |tries: &Tries| {
            now_unix_ms.saturating_sub(tries.since_unix_ms) >= WINDOW_MS || now_unix_ms < tries.since_unix_ms
        };
        if self.0.len() >= MOST_REMEMBERED {
            self.0.retain(|_, tries| !is_over(tries));
            if self.0.len() >= MOST_REMEMBERED {
                return Err(seconds(WINDOW_MS));
            }
        }
        let longest = all
            .iter()
            .filter_map(|who| self.0.get(who))
            .filter(|tries| tries.count >= MOST_TRIES && !is_over(tries))
            .map(|tries| WINDOW_MS - (now_unix_ms - tries.since_unix_ms))
            .max();
        if let Some(wait_ms) = longest {
            return Err(seconds(wait_ms));
        }
        for who in all {
            let tries = self.0.entry(who.clone()).or_insert(Tries {
                since_unix_ms: now_unix_ms,
                count: 0,
            });
            if is_over(tries) {
                *tries = Tries {
                    since_unix_ms: now_unix_ms,
                    count: 0,
                };
            }
            tries.count += 1;
        }
        Ok(())
    }

    /// The password was right.
    pub fn forgive(&mut self, from: Option<IpAddr>, user: &str) {
        self.take_back(&counted(from, user));
    }

    /// The try was right.
    pub fn forgive_address(&mut self, from: Option<IpAddr>) {
        self.take_back(&[place(from)]);
    }

    fn take_back(&mut self, all: &[Counted]) {
        for who in all {
            if let Some(tries) = self.0.get_mut(who) {
                tries.count = tries.count.saturating_sub(1);
            }
        }
    }
}

fn place(from: Option<IpAddr>) -> Counted {
    match from.map(|address| address.to_canonical()) {
        None => Counted::Socket,
        Some(IpAddr::V4(address)) => Counted::From(address.into()),
        Some(IpAddr::V6(address)) => {
            let network = u128::from(address) >> 64 << 64;
            Counted::From(std::net::Ipv6Addr::from(network).into())
        }
    }
}

fn counted(from: Option<IpAddr>, user: &str) -> [Counted; 2] {
    // A name that nobody could have is counted as what is kept of it, so that memory has a bound.
    [place(from), Counted::User(user.chars().take(64).collect())]
}

fn seconds(ms: u64) -> u32 {
    u32::try_from(ms.div_ceil(1_000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[test]
    fn five_wrong_tries_a_minute_by_address_and_by_user() {
        let mut throttle = Throttle::default();
        for n in 0..5 {
            assert_eq!(throttle.begin(from("192.0.2.1"), &format!("user{n}"), 0), Ok(()));
        }
        assert_eq!(throttle.begin(from("192.0.2.1"), "anna", 1_000), Err(59));
        assert_eq!(throttle.begin(from("192.0.2.2"), "anna", 1_000), Ok(()));
        for n in 3..7 {
            assert_eq!(
                throttle.begin(from(&format!("192.0.2.{n}")), "anna", 2_000),
                Ok(())
            );
        }
        assert_eq!(throttle.begin(from("192.0.2.9"), "anna", 2_000), Err(59));
        assert_eq!(
            throttle.begin(from("192.0.2.1"), "anna", 61_001),
            Ok(()),
            "a minute later"
        );
    }

    #[test]
    fn who_knows_the_password_may_come_as_often_as_he_likes() {
        let mut throttle = Throttle::default();
        for _ in 0..100 {
            assert_eq!(throttle.begin(None, "anna", 0), Ok(()));
            throttle.forgive(None, "anna");
        }
    }

    #[test]
    fn a_host_with_many_ipv6_addresses_is_one_and_a_mapped_one_is_ipv4() {
        let mut throttle = Throttle::default();
        for n in 0..5 {
            assert_eq!(
                throttle.begin(from(&format!("2001:db8::{n}")), &format!("u{n}"), 0),
                Ok(())
            );
        }
        assert!(throttle.begin(from("2001:db8::ffff"), "anna", 0).is_err());
        assert!(throttle.begin(from("2001:db8:0:1::"), "anna", 0).is_ok());
        for n in 0..5 {
            assert!(
                throttle
                    .begin(from("::ffff:192.0.2.1"), &format!("v{n}"), 0)
                    .is_ok()
            );
        }
        assert!(throttle.begin(from("192.0.2.1"), "ben", 0).is_err());
    }

    #[test]
    fn a_flood_of_names_is_bounded_and_a_clock_that_goes_back_locks_nobody_out() {
        let mut throttle = Throttle::default();
        for n in 0..20_000_u32 {
            let address = std::net::Ipv4Addr::from(n);
            let _ = throttle.begin(Some(address.into()), &n.to_string(), 500_000);
        }
        assert!(throttle.0.len() <= MOST_REMEMBERED + 1);
        for _ in 0..5 {
            let _ = throttle.begin(None, "anna", 900_000);
        }
        assert_eq!(throttle.begin(None, "anna", 100_000), Ok(()));
    }
}
