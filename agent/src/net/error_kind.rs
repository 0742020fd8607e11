//! Which kind an error of the system's is (`errno(3)`). Pure. What ICMP says itself is in [`crate::icmp`].

use std::io;

use azimuth_measurement::ErrorKind;

/// Why a probe could not be sent; `None` for what has no name.
#[must_use]
pub fn of_sending(error: &io::Error) -> Option<ErrorKind> {
    Some(match error.raw_os_error()? {
        libc::ENETUNREACH
        | libc::EHOSTUNREACH
        | libc::ENETDOWN
        | libc::EHOSTDOWN
        | libc::ENODEV
        | libc::EADDRNOTAVAIL => ErrorKind::SendNoRoute,
        libc::EPERM | libc::EACCES => ErrorKind::SendDenied,
        libc::ENOBUFS | libc::ENOMEM | libc::EAGAIN | libc::EMFILE | libc::ENFILE => ErrorKind::SendNoBuffer,
        libc::EMSGSIZE => ErrorKind::SendTooBig,
        libc::EAFNOSUPPORT => ErrorKind::SendNoSocket,
        _ => return None,
    })
}

/// What the kernel made of an ICMP error that ended a connection attempt; `None` for silence. Coarser than the error was:
/// most of them become `EHOSTUNREACH`.
#[must_use]
pub fn of_connecting(error: &io::Error) -> Option<ErrorKind> {
    match error.raw_os_error()? {
        libc::ENETUNREACH => Some(ErrorKind::NetUnreachable),
        libc::EHOSTUNREACH | libc::ENOPROTOOPT | libc::EHOSTDOWN => Some(ErrorKind::HostUnreachable),
        libc::EACCES => Some(ErrorKind::AdminProhibited),
        libc::EMSGSIZE => Some(ErrorKind::PacketTooBig),
        libc::EPROTO | libc::EOPNOTSUPP => Some(ErrorKind::IcmpOther),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_names_and_silence_has_none() {
        let sending = |errno| of_sending(&io::Error::from_raw_os_error(errno));
        assert_eq!(sending(libc::EPERM), Some(ErrorKind::SendDenied));
        assert_eq!(sending(libc::ENETUNREACH), Some(ErrorKind::SendNoRoute));
        assert_eq!(sending(libc::ENOBUFS), Some(ErrorKind::SendNoBuffer));
        assert_eq!(sending(libc::EMSGSIZE), Some(ErrorKind::SendTooBig));
        assert_eq!(sending(libc::EINVAL), None);
        let connecting = |errno| of_connecting(&io::Error::from_raw_os_error(errno));
        assert_eq!(connecting(libc::EHOSTUNREACH), Some(ErrorKind::HostUnreachable));
        assert_eq!(connecting(libc::ETIMEDOUT), None);
        assert_eq!(of_sending(&io::ErrorKind::Other.into()), None);
    }
}
