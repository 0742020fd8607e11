//! The closed sets of the field: how a delay was measured, which clock stamped it, under which load, how finely the far
//! end is known, and why data was given up. Each has one spelling, from TOML to wire to SQL to screen.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The text or number names no member of the set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{given:?} is not a {what}; use one of: {allowed}")]
pub struct UnknownName {
    what: &'static str,
    given: String,
    allowed: String,
}

macro_rules! closed_set {
    ($(#[$doc:meta])* $name:ident, $what:literal: $($(#[$member_doc:meta])* $member:ident = $number:literal, $text:literal;)+) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$member_doc])* $member,)+
        }

        impl $name {
            /// Every member, in wire order.
            pub const ALL: &[Self] = &[$(Self::$member),+];

            /// The one spelling.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$member => $text,)+ }
            }

            /// The number on the wire; 0 is never used, so that an absent field is not a member.
            pub const fn wire(self) -> u8 {
                match self { $(Self::$member => $number,)+ }
            }

            /// The member with this wire number.
            pub const fn from_wire(number: u64) -> Option<Self> {
                match number { $($number => Some(Self::$member),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, UnknownName> {
                Self::ALL.iter().copied().find(|member| member.as_str() == text).ok_or_else(|| UnknownName {
                    what: $what,
                    given: text.chars().take(80).collect(),
                    allowed: Self::ALL.iter().map(|member| member.as_str()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}

closed_set! {
    /// How a delay was measured. Two methods are never merged into one number.
    Method, "method":
    /// STAMP test packets over UDP (RFC 8762) to a Session-Reflector.
    Stamp = 1, "stamp";
    /// ICMP echo (RFC 792, RFC 4443).
    IcmpEcho = 2, "icmp_echo";
    /// TCP handshake delay as the kernel saw it (`TCP_INFO`).
    TcpConnect = 3, "tcp_connect";
    /// TLS handshake after the connection stands; `connect` is a phase beside it.
    TlsHandshake = 4, "tls_handshake";
    /// HTTPS: from opening the connection to the head of the answer; its phases are series beside it.
    HttpsFirstByte = 5, "https_first_byte";
    /// A DNS query and its answer.
    DnsQuery = 6, "dns_query";
}

closed_set! {
    /// Which clock stamped a delay, most trustworthy first. Delays of different clocks stay in different histograms.
    StampClock, "clock":
    /// Kernel stamps on sending and on receiving (`SO_TIMESTAMPING`).
    Kernel = 1, "kernel";
    /// Kernel stamp on receiving only; the sending stamp was read in userspace.
    KernelRx = 2, "kernel_rx";
    /// Userspace on both sides.
    User = 3, "user";
    /// The kernel's own handshake sample, `tcpi_rtt`.
    TcpInfo = 4, "tcp_info";
}

closed_set! {
    /// What the host's own tests were doing to the path. Maps and alerts use `idle`.
    LoadLabel, "load label":
    /// No throughput test of ours was running.
    Idle = 1, "idle";
    /// Our own throughput test was running.
    SelfLoad = 2, "self_load";
    /// The queues our test filled were still draining.
    PostLoad = 3, "post_load";
}

closed_set! {
    /// How finely the far end is known: a regional name rotates over zones, so its delay is a mixture.
    Granularity, "granularity":
    /// One availability zone.
    Zone = 1, "zone";
    /// A region: several zones behind one name.
    Region = 2, "region";
    /// A campus or building group.
    Campus = 3, "campus";
}

closed_set! {
    /// Which part of an exchange the delays of a series are of. Two phases are never merged into one number.
    Phase, "phase":
    /// What the method measures as a whole.
    Whole = 1, "whole";
    /// Looking the name up, once a cycle.
    Dns = 2, "dns";
    /// Opening the TCP connection.
    Connect = 3, "connect";
    /// The TLS handshake (RFC 8446), after the connection stands.
    Tls = 4, "tls";
    /// Handing the request to the connection, after the handshake.
    Request = 5, "request";
    /// Waiting for the head of the answer, after the request left.
    FirstByte = 6, "first_byte";
}

closed_set! {
    /// What kind of answer the probes of a series got. An answer that says no is no loss, and its delay says nothing of
    /// one that says yes: each kind is a series of its own.
    Answer, "kind of answer":
    /// The one hoped for; and where probes without any answer are counted.
    Ordinary = 1, "ordinary";
    /// HTTP status 3xx (RFC 9110); never followed.
    Redirect = 2, "redirect";
    /// HTTP status 4xx.
    ClientError = 3, "client_error";
    /// HTTP status 5xx.
    ServerError = 4, "server_error";
    /// The certificate is not valid now.
    CertificateExpired = 5, "certificate_expired";
    /// The certificate is for another name.
    CertificateName = 6, "certificate_name";
    /// The certificate leads to no authority this host believes, or is malformed or revoked.
    CertificateUntrusted = 7, "certificate_untrusted";
    /// The TLS handshake failed otherwise: an alert, no common version or cipher.
    TlsFailed = 8, "tls_failed";
    /// The connection ended, or what came was not the protocol, before the answer was there.
    Broken = 9, "broken";
    /// DNS: there is no such name (RFC 1035, code 3).
    NoSuchName = 10, "no_such_name";
    /// DNS: the server failed (code 2).
    ServerFailure = 11, "server_failure";
    /// DNS: the server will not say (code 5).
    QueryRefused = 12, "query_refused";
    /// DNS: the answer was cut to fit a datagram.
    Truncated = 13, "truncated";
    /// DNS: any other answer code; HTTP: any other status.
    Other = 14, "other";
}

closed_set! {
    /// Which way the octets of a throughput test go.
    TransferDirection, "direction":
    /// From the target to the agent.
    Download = 1, "download";
    /// From the agent to the target.
    Upload = 2, "upload";
}

closed_set! {
    /// Why a throughput test ended.
    StopReason, "reason to stop":
    /// The rate had settled.
    Stable = 1, "stable";
    /// It had moved as many octets as it may.
    ByteCap = 2, "byte_cap";
    /// It had lasted as long as it may.
    TimeCap = 3, "time_cap";
    /// The agent gave it up: it was told to stop, or the host has become busy.
    Aborted = 4, "aborted";
    /// The other end closed the connection, as it may at any time.
    PeerClosed = 5, "peer_closed";
    /// Nothing moved any more.
    Stalled = 6, "stalled";
    /// The reflector would not begin: no ticket it takes, or another test is running.
    Refused = 7, "refused";
    /// There was no connection.
    Unreachable = 8, "unreachable";
    /// The other end said what the protocol does not know.
    Malformed = 9, "malformed";
    /// It lost packets before its queue was full: the losses, and not the line, are what a long transfer would be held back by.
    Losses = 10, "losses";
}

closed_set! {
    /// What held the sender of a throughput test back for most of the time.
    TransferLimit, "limit":
    /// The network: what congestion control let out.
    Network = 1, "network";
    /// The receiver's window.
    ReceiveWindow = 2, "receive_window";
    /// The sender's buffer.
    SendBuffer = 3, "send_buffer";
    /// The sender had nothing to send: the program or its caps, not the path.
    Sender = 4, "sender";
}

closed_set! {
    /// Why sequences will never come as reports of their own.
    LossCause, "cause of loss":
    /// The queue or spool was full and the oldest had to go.
    QueueFull = 1, "queue_full";
    /// The stored form was damaged.
    Corrupt = 2, "corrupt";
    /// The collector refused them for good.
    Refused = 3, "refused";
    /// Not a loss of data: what these reports counted was added into the report whose sequence follows the last of them,
    /// over a longer interval. Kept at lower resolution.
    Merged = 4, "merged";
}

closed_set! {
    /// Why an agent does not do what its collector's plan says, or a part of it.
    PlanRefusal, "reason to refuse a plan":
    /// The address names no host (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.2).
    Unspecified = 1, "unspecified";
    /// An address of a private network (RFC 1918, RFC 4193, RFC 3879).
    Private = 2, "private";
    /// An address shared by a provider's customers (RFC 6598).
    Shared = 3, "shared";
    /// An address of the agent's own host.
    Loopback = 4, "loopback";
    /// An address of the agent's own link (RFC 3927, RFC 4291 section 2.5.6).
    LinkLocal = 5, "link_local";
    /// A group of hosts (RFC 5771, RFC 4291 section 2.7).
    Multicast = 6, "multicast";
    /// All hosts of the link (RFC 919).
    Broadcast = 7, "broadcast";
    /// An address that stands for another: IPv4-mapped, IPv4-compatible, 6to4, Teredo, NAT64, ISATAP.
    Transition = 8, "transition";
    /// An address for documentation (RFC 5737, RFC 3849, RFC 9637).
    Documentation = 9, "documentation";
    /// An address at which clouds tell their hosts secrets.
    Metadata = 10, "metadata";
    /// Another address set aside by IANA.
    Reserved = 11, "reserved";
    /// A port that is not on the agent's list.
    Port = 12, "port";
    /// One address more often than the agent allows.
    Rate = 13, "rate";
    /// All of them together more often than the agent allows.
    TotalRate = 14, "total_rate";
    /// More targets than the agent allows.
    TooManyTargets = 15, "too_many_targets";
    /// Neither an address nor a host name, or a number that a resolver would take for an address.
    Name = 16, "name";
    /// A method that the agent does not know, or does not take from a plan.
    Method = 17, "method";
    /// Measured already: by the agent's own configuration, or by another part of the plan.
    Duplicate = 18, "duplicate";
    /// A part of a target is missing or out of its range.
    Malformed = 19, "malformed";
    /// The plan is not signed by the collector that the agent joined.
    Signature = 20, "signature";
    /// An older plan than the one the agent has.
    OlderVersion = 21, "older_version";
    /// A plan for another agent.
    OtherAgent = 22, "other_agent";
    /// What came is no plan.
    NotAPlan = 23, "not_a_plan";
    /// The agent's configuration takes no plan.
    Disabled = 24, "disabled";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_wire_numbers_round_trip() {
        for &method in Method::ALL {
            assert_eq!(method.as_str().parse::<Method>().unwrap(), method);
            assert_eq!(Method::from_wire(u64::from(method.wire())), Some(method));
        }
        assert_eq!(Method::from_wire(0), None);
        assert_eq!(StampClock::from_wire(5), None);
    }

    #[test]
    fn a_wrong_name_lists_the_right_ones() {
        let error = "ping".parse::<LoadLabel>().unwrap_err();
        assert_eq!(
            error.to_string(),
            r#""ping" is not a load label; use one of: idle, self_load, post_load"#
        );
    }
}
