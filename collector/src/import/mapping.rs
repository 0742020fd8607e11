//! Which series a tag means. A tag that an export wrote says so itself; one of another program is given its zone and method
//! by whoever imports it, and what nobody knows of it stands as not known.

use std::collections::BTreeMap;

use azimuth_measurement::{AgentId, Granularity, LoadLabel, Method, SeriesDescriptor, StampClock, ZoneKey};

use crate::export::tag::Tag;

/// Longest target name, in bytes.
const MAX_TARGET_BYTES: usize = 128;

/// What whoever imports says about tags.
#[derive(Debug, Clone, Default)]
pub struct Mapping {
    /// Zones by foreign tag.
    zones: BTreeMap<String, ZoneKey>,
    /// The zone of lines without a tag, and of tags that are not named above.
    zone: Option<ZoneKey>,
    /// The method of foreign tags.
    method: Option<Method>,
    /// Of the agents named in tags, take this one and pass over the others.
    from_agent: Option<AgentId>,
    /// The agent whose lines are taken: the one above, or the first one met.
    taken: Option<AgentId>,
}

/// A line's series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// These delays, by this clock, belong to this series.
    Series(Box<SeriesDescriptor>, StampClock),
    /// It is another agent's, and was not asked for.
    PassedOver,
}

impl Mapping {
    /// Nothing was met yet.
    pub fn new(
        zones: BTreeMap<String, ZoneKey>,
        zone: Option<ZoneKey>,
        method: Option<Method>,
        from_agent: Option<AgentId>,
    ) -> Self {
        Self {
            zones,
            zone,
            method,
            from_agent,
            taken: None,
        }
    }

    /// What a tag means.
    ///
    /// # Errors
    /// A sentence that says what is missing or wrong, and what to do about it.
    pub fn meaning(&mut self, tag: Option<&str>) -> Result<Meaning, String> {
        match tag {
            Some(text) if text.starts_with("agent=") => self.own(text),
            other => self.foreign(other),
        }
    }

    /// The agent whose lines were taken, as far as tags named one.
    pub fn taken(&self) -> Option<&AgentId> {
        self.taken.as_ref()
    }

    fn own(&mut self, text: &str) -> Result<Meaning, String> {
        let tag: Tag = text.parse().map_err(|reason| format!("the tag: {reason}"))?;
        let taken = self
            .taken
            .get_or_insert_with(|| self.from_agent.clone().unwrap_or_else(|| tag.agent.clone()));
        if *taken == tag.agent {
            return Ok(Meaning::Series(Box::new(tag.descriptor), tag.clock));
        }
        if self.from_agent.is_some() {
            return Ok(Meaning::PassedOver);
        }
        Err(format!(
            "this line is of agent {}, those before of {taken}; import one at a time with --from-agent",
            tag.agent
        ))
    }

    fn foreign(&self, tag: Option<&str>) -> Result<Meaning, String> {
        let name = tag.unwrap_or("imported");
        if name.len() > MAX_TARGET_BYTES || name.chars().any(char::is_control) {
            return Err(format!(
                "a tag that is not an export's must be 1 to {MAX_TARGET_BYTES} bytes without control characters"
            ));
        }
        let known = tag.and_then(|tag| self.zones.get(tag));
        let zone = known.or(self.zone.as_ref()).ok_or_else(|| match tag {
            Some(tag) => format!("no zone for tag {tag:?}; give --map {tag}=PROVIDER/REGION/ZONE, or --zone"),
            None => "no zone for lines without a tag; give --zone PROVIDER/REGION/ZONE".to_owned(),
        })?;
        let method = self
            .method
            .ok_or("by which method was it measured? give --method, for example tcp_connect")?;
        let descriptor = SeriesDescriptor {
            zone: zone.clone(),
            target: name.to_owned(),
            // Not known.
            address: ([0, 0, 0, 0], 0).into(),
            granularity: Granularity::Zone,
            method,
            flow: 0,
            load: LoadLabel::Idle,
            period_ms: 1_000,
            waiting_time_ms: 60_000,
            dscp: 0,
            facet: azimuth_measurement::Facet::default(),
            outgoing: azimuth_measurement::Outgoing::default(),
        };
        Ok(Meaning::Series(Box::new(descriptor), StampClock::User))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(agent: &str) -> String {
        format!(
            "agent={agent}&zone=aws/eu-west-3/az1&method=stamp&clock=kernel_rx&target=t&address=10.0.0.1:8620&period_ms=1000&waiting_time_ms=2000"
        )
    }

    #[test]
    fn an_exports_tag_says_all_and_a_second_agent_is_named() {
        let mut mapping = Mapping::default();
        let Ok(Meaning::Series(descriptor, clock)) = mapping.meaning(Some(&own("a"))) else {
            panic!("ours");
        };
        assert_eq!((descriptor.target.as_str(), clock), ("t", StampClock::KernelRx));
        let refused = mapping.meaning(Some(&own("b"))).expect_err("another agent");
        assert!(
            refused.contains("of agent b") && refused.contains("--from-agent"),
            "{refused}"
        );
        let mut chosen = Mapping {
            from_agent: Some("b".parse().expect("an id")),
            ..Mapping::default()
        };
        assert_eq!(chosen.meaning(Some(&own("a"))), Ok(Meaning::PassedOver));
        assert!(matches!(chosen.meaning(Some(&own("b"))), Ok(Meaning::Series(..))));
        let bad = Mapping::default().meaning(Some("agent=a&zone=x"));
        assert!(bad.is_err_and(|reason| reason.contains("the tag: ")));
    }

    #[test]
    fn a_foreign_tag_needs_a_zone_and_a_method() {
        let mut mapping = Mapping::default();
        assert!(
            mapping
                .meaning(None)
                .is_err_and(|reason| reason.contains("--zone"))
        );
        mapping
            .zones
            .insert("api".to_owned(), "gcp/europe-west9/a".parse().expect("a zone"));
        assert!(
            mapping
                .meaning(Some("api"))
                .is_err_and(|reason| reason.contains("--method"))
        );
        mapping.method = Some(Method::TcpConnect);
        let Ok(Meaning::Series(descriptor, clock)) = mapping.meaning(Some("api")) else {
            panic!("mapped");
        };
        assert_eq!(
            (descriptor.target.as_str(), descriptor.zone.provider(), clock),
            ("api", "gcp", StampClock::User)
        );
        assert!(
            mapping
                .meaning(Some("web"))
                .is_err_and(|reason| reason.contains("--map web="))
        );
    }
}
