//! Whether two traces show the same path, as far as they can tell. Pure.
//!
//! A star is no evidence, and neither is silence at the end. Routers that share the load stand at one hop with all their
//! addresses; one of them in common is the same hop. What is left and differs is a change.

use azimuth_measurement::Path;
use azimuth_measurement::path::MAX_HOP_ADDRESSES;

/// Whether nothing in the two contradicts that they are one path.
#[must_use]
pub fn same(one: &Path, other: &Path) -> bool {
    let lengths_fit = !(one.reached && other.reached) || one.hops.len() == other.hops.len();
    lengths_fit
        && one.hops.iter().zip(&other.hops).all(|(one, other)| {
            one.addresses.is_empty()
                || other.addresses.is_empty()
                || one
                    .addresses
                    .iter()
                    .any(|address| other.addresses.contains(address))
        })
}

/// Takes into `known` what another trace of the same path shows: further addresses, hops that were silent, newer delays.
pub fn absorb(known: &mut Path, other: &Path) {
    for (known, other) in known.hops.iter_mut().zip(&other.hops) {
        let mut addresses = std::mem::take(&mut known.addresses);
        for address in &other.addresses {
            if !addresses.contains(address) && addresses.len() < MAX_HOP_ADDRESSES {
                addresses.push(*address);
            }
        }
        if other.answered > 0 || known.answered == 0 {
            known.clone_from(other);
        }
        known.addresses = addresses;
    }
    let more = other.hops.iter().skip(known.hops.len()).cloned();
    known.hops.extend(more);
    known.reached |= other.reached;
}

#[cfg(test)]
mod tests {
    use super::*;
    use azimuth_measurement::PathHop;

    /// `1` a router, `0` a star; a path of two-digit numbers has hops with two addresses.
    fn path(hops: &[&[u8]], reached: bool) -> Path {
        let hop = |numbers: &&[u8]| PathHop {
            addresses: numbers.iter().map(|number| [10, 0, 0, *number].into()).collect(),
            sent: 3,
            answered: if numbers.is_empty() { 0 } else { 3 },
            min_us: (!numbers.is_empty()).then_some(5),
            median_us: (!numbers.is_empty()).then_some(6),
        };
        Path {
            hops: hops.iter().map(hop).collect(),
            reached,
        }
    }

    #[test]
    fn only_a_hop_that_answers_as_someone_else_is_a_change() {
        let known = path(&[&[1], &[2], &[9]], true);
        for (other, is_same) in [
            (path(&[&[1], &[2], &[9]], true), true),
            (path(&[&[1], &[], &[9]], true), true),
            (path(&[&[1], &[2]], false), true),
            (path(&[], false), true),
            (path(&[&[1], &[3, 2], &[9]], true), true),
            (path(&[&[1], &[3], &[9]], true), false),
            (path(&[&[1], &[2], &[3], &[9]], true), false),
            (path(&[&[1], &[9]], true), false),
            (path(&[&[1], &[], &[], &[9]], true), false),
            (path(&[&[1], &[2], &[9], &[8]], false), true),
        ] {
            assert_eq!(same(&known, &other), is_same, "{other:?}");
            assert_eq!(same(&other, &known), is_same, "{other:?}");
        }
    }

    #[test]
    fn what_is_known_grows_and_is_bounded() {
        let mut known = path(&[&[1], &[], &[3]], false);
        absorb(&mut known, &path(&[&[1, 7], &[2], &[], &[9]], true));
        assert_eq!(known, path(&[&[1, 7], &[2], &[3], &[9]], true));
        absorb(&mut known, &path(&[&[4, 5, 6]], false));
        assert_eq!(known.hops[0].addresses.len(), MAX_HOP_ADDRESSES);
    }
}
