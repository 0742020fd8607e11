//! What was said instead of an answer, and why probes were not sent: one name per kind from the wire to the screen. Not what
//! became of the probes: an error settles nothing, because anyone may send one. Its probe is lost once its waiting time has
//! passed, and a probe that was not sent never was.

use crate::counts::CountsError;

/// How many kinds there are.
pub const ERROR_KINDS: usize = 12;
/// Place of the first kind of those that kept a probe from being sent.
const FIRST_SEND_ERROR: usize = 7;

/// A kind of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// A router has no way to the network (RFC 792, RFC 4443).
    NetUnreachable,
    /// A router has no way to the host, or the host does not take part in the protocol.
    HostUnreachable,
    /// The host is there, and nobody listens.
    PortUnreachable,
    /// A firewall said no (RFC 1812 section 5.2.7.1).
    AdminProhibited,
    /// Too large for a link on the way, and not to be cut.
    PacketTooBig,
    /// The packet had run out of hops: a loop in the network.
    TtlExceeded,
    /// Any other ICMP error.
    IcmpOther,
    /// This host has no route, or no address to send from.
    SendNoRoute,
    /// This host does not allow it: a local firewall, or a missing right.
    SendDenied,
    /// This host had no buffer or descriptor left.
    SendNoBuffer,
    /// Larger than a local link takes.
    SendTooBig,
    /// There is no socket for this family or method.
    SendNoSocket,
}

impl ErrorKind {
    /// Every kind, in wire order.
    pub const ALL: [Self; ERROR_KINDS] = [
        Self::NetUnreachable,
        Self::HostUnreachable,
        Self::PortUnreachable,
        Self::AdminProhibited,
        Self::PacketTooBig,
        Self::TtlExceeded,
        Self::IcmpOther,
        Self::SendNoRoute,
        Self::SendDenied,
        Self::SendNoBuffer,
        Self::SendTooBig,
        Self::SendNoSocket,
    ];

    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NetUnreachable => "net_unreachable",
            Self::HostUnreachable => "host_unreachable",
            Self::PortUnreachable => "port_unreachable",
            Self::AdminProhibited => "admin_prohibited",
            Self::PacketTooBig => "packet_too_big",
            Self::TtlExceeded => "ttl_exceeded",
            Self::IcmpOther => "icmp_other",
            Self::SendNoRoute => "send_no_route",
            Self::SendDenied => "send_denied",
            Self::SendNoBuffer => "send_no_buffer",
            Self::SendTooBig => "send_too_big",
            Self::SendNoSocket => "send_no_socket",
        }
    }
}

/// How many errors of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ErrorCounts(pub(crate) [u64; ERROR_KINDS]);

impl ErrorCounts {
    /// How many of this kind.
    pub fn get(&self, kind: ErrorKind) -> u64 {
        self.0[kind as usize]
    }

    /// Counts one.
    pub fn note(&mut self, kind: ErrorKind) {
        self.0[kind as usize] += 1;
    }

    /// Those there are any of, in wire order.
    pub fn present(&self) -> impl Iterator<Item = (ErrorKind, u64)> + use<> {
        let all = ErrorKind::ALL.into_iter().zip(self.0);
        all.filter(|(_, count)| *count > 0)
    }

    /// How many kept a probe from being sent.
    pub fn of_sending(&self) -> u64 {
        let of_sending = &self.0[FIRST_SEND_ERROR..];
        of_sending.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Holds them against the number of probes that could not be sent: some of those have no kind.
    pub(crate) fn check(&self, send_errors: u64) -> Result<(), CountsError> {
        let kinds = self.of_sending();
        if kinds > send_errors {
            return Err(CountsError::SendErrors { kinds, send_errors });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_stand_at_their_places_and_add_up() {
        let mut errors = ErrorCounts::default();
        for (place, kind) in ErrorKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place, "{kind:?}");
        }
        errors.note(ErrorKind::IcmpOther);
        errors.note(ErrorKind::SendNoRoute);
        errors.note(ErrorKind::SendNoRoute);
        let present: Vec<_> = errors.present().collect();
        assert_eq!(present, [(ErrorKind::IcmpOther, 1), (ErrorKind::SendNoRoute, 2)]);
        assert_eq!((errors.of_sending(), errors.get(ErrorKind::SendTooBig)), (2, 0));
        assert_eq!(errors.check(2), Ok(()));
        assert!(matches!(errors.check(1), Err(CountsError::SendErrors { .. })));
    }
}
