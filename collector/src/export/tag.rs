//! The name of a series in an HdrHistogram log: everything that tells it from another, as `name=value` pairs joined by `&`
//! (the query-string form of the WHATWG URL standard, without commas and spaces, which the log has for itself). What is as
//! it usually is, is left out. The import reads the same names back.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use azimuth_measurement::{
    AgentId, Answer, Facet, Granularity, LoadLabel, Method, Outgoing, Phase, SeriesDescriptor, StampClock,
    VantagePoint,
};

/// A series, and the clock of one of its histograms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Who measured.
    pub agent: AgentId,
    /// What.
    pub descriptor: SeriesDescriptor,
    /// Which clock stamped the delays.
    pub clock: StampClock,
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = &self.descriptor;
        let mut pairs = Pairs::default();
        pairs
            .push("agent", &self.agent)
            .push("zone", &what.zone)
            .push("method", what.method)
            .push("clock", self.clock)
            .push("target", &what.target)
            .push("address", what.address)
            .push("period_ms", what.period_ms)
            .push("waiting_time_ms", what.waiting_time_ms);
        if what.granularity != Granularity::Zone {
            pairs.push("granularity", what.granularity);
        }
        if what.load != LoadLabel::Idle {
            pairs.push("load", what.load);
        }
        if what.flow != 0 {
            pairs.push("flow", what.flow);
        }
        if what.dscp != 0 {
            pairs.push("dscp", what.dscp);
        }
        if !what.facet.host.is_empty() {
            pairs.push("host", &what.facet.host);
        }
        if what.facet.phase != Phase::Whole {
            pairs.push("phase", what.facet.phase);
        }
        if what.facet.answer != Answer::Ordinary {
            pairs.push("answer", what.facet.answer);
        }
        let outgoing = &what.outgoing;
        if let Some(source) = outgoing.source_address {
            pairs.push("source_address", source);
        }
        if let Some(interface) = &outgoing.interface {
            pairs.push("interface", interface);
        }
        if outgoing.payload_bytes != 0 {
            pairs.push("payload_bytes", outgoing.payload_bytes);
        }
        if outgoing.dont_fragment {
            pairs.push("dont_fragment", true);
        }
        f.write_str(&pairs.0)
    }
}

impl FromStr for Tag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let given = Given::read(text);
        given.only(&[
            "agent",
            "zone",
            "method",
            "clock",
            "target",
            "address",
            "period_ms",
            "waiting_time_ms",
            "granularity",
            "load",
            "flow",
            "dscp",
            "host",
            "phase",
            "answer",
            "source_address",
            "interface",
            "payload_bytes",
            "dont_fragment",
        ])?;
        Ok(Self {
            agent: given.required("agent")?,
            clock: given.required::<StampClock>("clock")?,
            descriptor: SeriesDescriptor {
                zone: given.required("zone")?,
                target: given.required("target")?,
                address: given.required("address")?,
                granularity: given.or("granularity", Granularity::Zone)?,
                method: given.required::<Method>("method")?,
                flow: given.or("flow", 0)?,
                load: given.or("load", LoadLabel::Idle)?,
                period_ms: given.required("period_ms")?,
                waiting_time_ms: given.required("waiting_time_ms")?,
                dscp: given.or("dscp", 0)?,
                facet: Facet {
                    host: given.or("host", String::new())?,
                    phase: given.or("phase", Phase::Whole)?,
                    answer: given.or("answer", Answer::Ordinary)?,
                },
                outgoing: Outgoing {
                    source_address: given.optional("source_address")?,
                    interface: given.optional("interface")?,
                    payload_bytes: given.or("payload_bytes", 0)?,
                    dont_fragment: given.or("dont_fragment", false)?,
                },
            },
        })
    }
}

/// An agent and where it stands, as a comment says it.
pub fn place_to_text(agent: &AgentId, place: &VantagePoint) -> String {
    let mut pairs = Pairs::default();
    pairs
        .push("agent", agent)
        .push("name", &place.name)
        .push("country", &place.country)
        .push("city", &place.city)
        .push("network", &place.network)
        .push("asn", place.asn)
        .push("latitude", place.latitude_deg)
        .push("longitude", place.longitude_deg);
    pairs.0
}

/// What [`place_to_text`] wrote.
///
/// # Errors
/// When a value is missing or none of its kind.
pub fn place_from_text(text: &str) -> Result<(AgentId, VantagePoint), String> {
    let given = Given::read(text);
    let place = VantagePoint {
        name: given.required("name")?,
        country: given.required("country")?,
        city: given.required("city")?,
        network: given.required("network")?,
        asn: given.or("asn", 0)?,
        latitude_deg: given.required("latitude")?,
        longitude_deg: given.required("longitude")?,
    };
    Ok((given.required("agent")?, place))
}

/// `name=value` pairs being written.
#[derive(Default)]
struct Pairs(String);

impl Pairs {
    fn push(&mut self, name: &str, value: impl fmt::Display) -> &mut Self {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        for byte in value.to_string().bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'/' | b':' | b'[' => {
                    self.0.push(char::from(byte));
                }
                // `]` too, because a comment ends with it. Writing to a String cannot fail.
                _ => {
                    let _ = write!(self.0, "%{byte:02X}");
                }
            }
        }
        self
    }
}

/// Pairs that were read.
struct Given(Vec<(String, String)>);

impl Given {
    fn read(text: &str) -> Self {
        Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// Refuses names that stand for nothing, so that no part of an identity is dropped in silence.
    fn only(&self, names: &[&str]) -> Result<(), String> {
        match self.0.iter().find(|(name, _)| !names.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, _)) => Err(format!("there is no {:?} in a series", cut(name))),
        }
    }

    fn or<T: FromStr<Err: fmt::Display>>(&self, name: &str, usual: T) -> Result<T, String> {
        Ok(self.optional(name)?.unwrap_or(usual))
    }

    fn optional<T: FromStr<Err: fmt::Display>>(&self, name: &str) -> Result<Option<T>, String> {
        let given = self.0.iter().find(|(given, _)| given == name);
        given
            .map(|(_, value)| {
                value
                    .parse()
                    .map_err(|error| format!("{name} {:?}: {error}", cut(value)))
            })
            .transpose()
    }

    fn required<T: FromStr<Err: fmt::Display>>(&self, name: &str) -> Result<T, String> {
        let (_, value) = self
            .0
            .iter()
            .find(|(given, _)| given == name)
            .ok_or_else(|| format!("{name} is missing"))?;
        value
            .parse()
            .map_err(|error| format!("{name} {:?}: {error}", cut(value)))
    }
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::ZoneKey;
    use proptest::prelude::*;

    use super::*;

    fn tag() -> Tag {
        Tag {
            agent: "brest-1".parse().expect("an id"),
            descriptor: SeriesDescriptor {
                zone: ZoneKey::new("ionos", "fr/par", "fr,par").expect("a zone"),
                target: "one, two & three]".to_owned(),
                address: "[2001:db8::1]:8620".parse().expect("an address"),
                granularity: Granularity::Zone,
                method: Method::Stamp,
                flow: 0,
                load: LoadLabel::Idle,
                period_ms: 1_000,
                waiting_time_ms: 2_000,
                dscp: 0,
                facet: Facet::default(),
                outgoing: Outgoing::default(),
            },
            clock: StampClock::Kernel,
        }
    }

    #[test]
    fn a_name_has_neither_comma_nor_space_and_reads_back() {
        let text = tag().to_string();
        assert_eq!(
            text,
            "agent=brest-1&zone=ionos/fr%252Fpar/fr%2Cpar&method=stamp&clock=kernel&\
             target=one%2C%20two%20%26%20three%5D&address=[2001:db8::1%5D:8620&period_ms=1000&waiting_time_ms=2000"
        );
        assert_eq!(text.parse(), Ok(tag()));
        let wrong = text.replace("method=stamp", "method=ping").parse::<Tag>();
        assert!(wrong.is_err_and(|reason| reason.contains("stamp, icmp_echo")));
        let unknown = format!("{text}&colour=blue").parse::<Tag>();
        assert!(unknown.is_err_and(|reason| reason.contains("\"colour\"")));
        assert_eq!(
            "A".parse::<Tag>(),
            Err("there is no \"A\" in a series".to_owned())
        );
    }

    #[test]
    fn a_side_of_a_target_reads_back() {
        let mut tag = tag();
        tag.descriptor.facet = Facet {
            host: "zone-a.example.net".to_owned(),
            phase: Phase::FirstByte,
            answer: Answer::ServerError,
        };
        let text = tag.to_string();
        assert!(
            text.ends_with("&host=zone-a.example.net&phase=first_byte&answer=server_error"),
            "{text}"
        );
        assert_eq!(text.parse(), Ok(tag));
    }

    #[test]
    fn a_place_reads_back() {
        let place = VantagePoint {
            name: "Besançon [SFR]".to_owned(),
            country: "FR".to_owned(),
            city: "Besançon".to_owned(),
            network: "SFR, fibre".to_owned(),
            asn: 15_557,
            latitude_deg: 47.24,
            longitude_deg: -6.02,
        };
        let agent: AgentId = "besancon".parse().expect("an id");
        let text = place_to_text(&agent, &place);
        assert!(!text.contains([' ', ',', ']']), "{text}");
        assert_eq!(place_from_text(&text), Ok((agent, place)));
    }

    proptest! {
        #[test]
        fn whatever_a_target_is_called_it_reads_back(
            target in ".{1,60}", flow: u16, dscp in 0_u8..64,
            source: Option<std::net::IpAddr>, interface in prop::option::of(".{1,15}"), payload_bytes: u16, dont_fragment: bool,
        ) {
            let mut given = tag();
            let outgoing = Outgoing { source_address: source, interface, payload_bytes, dont_fragment };
            given.descriptor = SeriesDescriptor { target, flow, dscp, load: LoadLabel::SelfLoad, granularity: Granularity::Region, outgoing, ..given.descriptor };
            prop_assert_eq!(given.to_string().parse(), Ok(given));
        }

        #[test]
        fn any_text_is_met_without_panic(text in ".{0,80}") {
            let _ = (text.parse::<Tag>(), place_from_text(&text));
        }
    }
}
