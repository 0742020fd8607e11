//! How probes leave the host: flows, class of service, source address, interface, size, no fragments. The keys may stand in
//! a `[[target]]`, for all its probes, and in a `[[target.probe]]`, which then has its own way.

use std::net::{IpAddr, SocketAddr};

use azimuth_measurement::{Method, Outgoing};

use super::document::{Section, Wrong, boolean, integer, parsed, shown, text};
use super::is_one_host;
use crate::probe::contract::ECHO_DATA_BYTES;
use crate::probe::exchange::sides;
use crate::probe::lane::MAX_FLOWS;
use crate::probe::wire::probe_bytes;
use crate::reflect::rules::LONGEST_ANSWER;
use crate::stamp::extension::LEAST_PADDING_BYTES;

/// Longest interface name, in bytes (Linux `IFNAMSIZ`, its end not counted).
const MAX_INTERFACE_BYTES: usize = 15;

/// How the probes of one `[[target.probe]]` leave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Leaving {
    /// How many flows, each a series; `None` when not asked for: one, and TCP from ports that the system chooses.
    pub flows: Option<u16>,
    /// Differentiated services code point.
    pub dscp: u8,
    /// The rest.
    pub outgoing: Outgoing,
}

impl Leaving {
    /// The flows, each a series.
    pub fn flows(&self) -> impl Iterator<Item = u16> + use<> {
        0..self.flows.unwrap_or(1)
    }

    /// Whether probes that leave so can go to an address of this family.
    #[must_use]
    pub fn reaches(&self, ip: IpAddr) -> bool {
        let source = self.outgoing.source_address;
        source.is_none_or(|source| source.is_ipv4() == ip.is_ipv4())
    }

    /// The same but for the number of flows: what differs in it alone would meet in the first flow.
    #[must_use]
    pub fn any_flow(&self) -> Self {
        Self {
            flows: None,
            ..self.clone()
        }
    }
}

/// The keys as they stand in one table.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    flows: Option<u64>,
    dscp: Option<u64>,
    source_address: Option<IpAddr>,
    interface: Option<String>,
    payload_bytes: Option<u64>,
    dont_fragment: Option<bool>,
}

/// What else is known of the probe whose keys are read.
pub(super) struct Of {
    pub(super) method: Method,
    pub(super) address: SocketAddr,
    /// Whether the target is a name, whose addresses nobody knows yet.
    pub(super) is_name: bool,
    pub(super) period_ms: u32,
    pub(super) waiting_time_ms: u32,
    pub(super) authenticated: bool,
    pub(super) follow_up: bool,
    pub(super) direct_measurement: bool,
}

/// Reads the keys of one table.
pub(super) fn read(section: &mut Section<'_>) -> Given {
    Given {
        flows: section.optional("flows", integer(1..=MAX_FLOWS.into())),
        dscp: section.optional("dscp", integer(0..=63)),
        source_address: section.optional("source_address", |value| {
            let address = parsed("Use an IPv4 or IPv6 address of this host")(value)?;
            if is_one_host(address) {
                Ok(address)
            } else {
                let what = format!("{address} is not the address of one host");
                Err(Wrong(
                    what,
                    "Use an address of this host, or remove the key".into(),
                ))
            }
        }),
        interface: section.optional("interface", |value| {
            let name = text(value)?;
            if name.len() <= MAX_INTERFACE_BYTES && !name.contains(['/', ' ']) {
                Ok(name)
            } else {
                let what = format!("{} cannot be the name of an interface", shown(&name));
                Err(Wrong(
                    what,
                    "`ip link` lists their names, for example eth0".into(),
                ))
            }
        }),
        payload_bytes: section.optional("payload_bytes", integer(1..=LONGEST_ANSWER as u64)),
        dont_fragment: section.optional("dont_fragment", boolean),
    }
}

/// The keys of a probe before those of its target, held against what the method can do.
pub(super) fn settle(section: &Section<'_>, own: Given, of_target: &Given, of: &Of) -> Leaving {
    if !sides(of.method).is_empty() {
        return settle_exchange(section, &own, of_target, of.method);
    }
    let carries_payload = of.method != Method::TcpConnect;
    if !carries_payload && (own.payload_bytes.is_some() || own.dont_fragment.is_some()) {
        let key = if own.payload_bytes.is_some() {
            "payload_bytes"
        } else {
            "dont_fragment"
        };
        let what = "tcp_connect carries nothing".to_owned();
        section.wrong(key, Wrong(what, "Remove the key".into()));
    }
    let source_address = own.source_address.or(of_target.source_address);
    // Of a name, addresses of the other family are passed over when they are found.
    if let Some(source) = source_address
        && !of.is_name
        && source.is_ipv4() != of.address.is_ipv4()
    {
        let what = format!("{source} and {} are not of one family", of.address.ip());
        let remedy = "Use an address of this host that is of the target's family";
        section.wrong("source_address", Wrong(what, remedy.into()));
    }
    let flows = own.flows.or(of_target.flows);
    if of.method == Method::TcpConnect && flows.is_some() && of.waiting_time_ms >= of.period_ms {
        let what = format!(
            "{} ms is not shorter than the period of {} ms: a connection would still hold the source port of its flow",
            of.waiting_time_ms, of.period_ms
        );
        let remedy = "Use a shorter `waiting_time_ms`, or remove `flows`";
        section.wrong("waiting_time_ms", Wrong(what, remedy.into()));
    }
    let payload_bytes = own
        .payload_bytes
        .or(of_target.payload_bytes)
        .filter(|_| carries_payload);
    if let Some(bytes) = payload_bytes {
        check_length(section, bytes, of);
    }
    let dont_fragment = own.dont_fragment.or(of_target.dont_fragment);
    Leaving {
        flows: flows.and_then(|flows| u16::try_from(flows).ok()),
        dscp: own
            .dscp
            .or(of_target.dscp)
            .and_then(|dscp| u8::try_from(dscp).ok())
            .unwrap_or(0),
        outgoing: Outgoing {
            source_address,
            interface: own.interface.or_else(|| of_target.interface.clone()),
            payload_bytes: payload_bytes
                .and_then(|bytes| u16::try_from(bytes).ok())
                .unwrap_or(0),
            dont_fragment: dont_fragment.unwrap_or(false) && carries_payload,
        },
    }
}

/// An exchange of several steps leaves as the system chooses. What was asked of it alone is refused; so is what its target
/// asks of all, but for the shape of packets, which is nothing to a method that sends none of its own.
fn settle_exchange(section: &Section<'_>, own: &Given, of_target: &Given, method: Method) -> Leaving {
    let keys = |given: &Given| {
        [
            ("flows", given.flows.is_some()),
            ("dscp", given.dscp.is_some()),
            ("source_address", given.source_address.is_some()),
            ("interface", given.interface.is_some()),
            ("payload_bytes", given.payload_bytes.is_some()),
            ("dont_fragment", given.dont_fragment.is_some()),
        ]
    };
    for ((key, own), (_, of_target)) in keys(own).into_iter().zip(keys(of_target)) {
        let is_shape = matches!(key, "payload_bytes" | "dont_fragment");
        if own {
            let what = format!("{method} leaves as the system chooses");
            section.wrong(key, Wrong(what, "Remove the key".into()));
        } else if of_target && !is_shape {
            let what = format!("{method} leaves as the system chooses, and its target asks for `{key}`");
            let remedy = format!(
                "Move `{key}` to the other probes of the target, or this probe to a target of its own"
            );
            section.wrong("method", Wrong(what, remedy));
        }
    }
    Leaving::default()
}

fn check_length(section: &Section<'_>, bytes: u64, of: &Of) {
    let (needed, more) = match of.method {
        Method::IcmpEcho => (usize::from(ECHO_DATA_BYTES), 0),
        _ => (
            probe_bytes(of.authenticated, of.follow_up, of.direct_measurement),
            LEAST_PADDING_BYTES,
        ),
    };
    let given = usize::try_from(bytes).unwrap_or(usize::MAX);
    if given == needed || given >= needed + more && given > needed {
        return;
    }
    let what = format!("{bytes} octets are too few for these probes, which need {needed}");
    let remedy = format!(
        "Use {needed}, or {} to {LONGEST_ANSWER}, which is what a reflector gives back",
        needed + more.max(1)
    );
    section.wrong("payload_bytes", Wrong(what, remedy));
}
