//! Which octets of which TCP connection a packet carries, so that it can be told when each of them arrived, whatever is lost, doubled or
//! sent again. Not what they say, and not the opening of a connection, which is [`speech`](super::speech)'s.
//!
//! Standard: RFC 9293.

use std::fmt;

use super::speech::above_ip;

/// The octets that one packet carries; none for a bare acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Port asked.
    pub asked: u16,
    /// Port of the asking side.
    pub asking: u16,
    /// Sequence number of the first octet.
    pub number: u32,
    /// How many.
    pub octets: u32,
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            asked,
            asking,
            number,
            octets,
        } = self;
        write!(f, "{asked} {asking} {number} {octets}")
    }
}

impl Segment {
    /// The segment in a packet that travels to (`out`) or from the side that is asked; `None` for another protocol.
    #[must_use]
    pub fn of(packet: &[u8], out: bool) -> Option<Self> {
        let (6, above) = above_ip(packet)? else {
            return None;
        };
        let port_at = |at: usize| Some(u16::from_be_bytes(above.get(at..at + 2)?.try_into().ok()?));
        let (asking, asked) = if out { (0, 2) } else { (2, 0) };
        let header_octets = usize::from(above.get(12)? >> 4) * 4;
        Some(Self {
            asked: port_at(asked)?,
            asking: port_at(asking)?,
            number: u32::from_be_bytes(above.get(4..8)?.try_into().ok()?),
            octets: u32::try_from(above.len().checked_sub(header_octets)?).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By IPv4, with a header of 24 octets, four of which are options.
    fn packet(from: u16, to: u16, said: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 20];
        (packet[0], packet[9]) = (0x45, 6);
        packet.extend([from.to_be_bytes(), to.to_be_bytes()].concat());
        packet.extend(u32::MAX.to_be_bytes());
        packet.extend([0, 0, 0, 0, 0x60, 0b0001_1000, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1]);
        packet.extend(said);
        packet
    }

    #[test]
    fn both_sides_of_a_connection_have_its_ports_and_options_are_no_octets() {
        let asked = Segment::of(&packet(40_000, 8_444, b"GET"), true).map(|segment| segment.to_string());
        assert_eq!(asked.as_deref(), Some("8444 40000 4294967295 3"));
        let answered = Segment::of(&packet(8_444, 40_000, b""), false).map(|segment| segment.to_string());
        assert_eq!(answered.as_deref(), Some("8444 40000 4294967295 0"));
        let mut datagram = packet(1, 2, b"");
        datagram[9] = 17;
        assert_eq!(Segment::of(&datagram, true), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_met_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), out: bool) {
            let _ = Segment::of(&bytes, out);
        }
    }
}
