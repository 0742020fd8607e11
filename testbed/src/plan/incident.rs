//! Incidents with their names resolved to indices of the plan.
//!
//! Not when they are on ([`crate::path::timeline`]) nor what they do to a packet ([`crate::relay::conditions`]).

use super::{VantagePoint, Zone};
use crate::path::timeline::Times;
use crate::scenario::What;
use crate::scenario::file::IncidentTable;
use crate::scenario::value::Seconds;

/// An incident with its names resolved.
#[derive(Debug, Clone)]
pub struct Incident {
    /// Its name.
    pub name: String,
    /// When it is on.
    pub times: Times,
    /// What it does.
    pub effect: Effect,
    /// What it does, as a sentence.
    pub description: String,
}

/// What an incident does, by index.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Adds delay to pairs.
    RouteChange {
        /// Pairs hit.
        pairs: Vec<usize>,
        /// Added in each direction.
        added_one_way_ns: u64,
    },
    /// A zone answers nobody.
    ZoneOutage {
        /// Index of the zone.
        zone: usize,
    },
    /// A vantage point's downlink is full of somebody else's packets.
    AccessCongestion {
        /// Index of the vantage point.
        vantage_point: usize,
        /// Deepest standing queue.
        queue_ns: u64,
        /// Loss towards the vantage point.
        loss_ratio: f64,
    },
    /// Delay and loss for pairs, in each direction.
    TransitFault {
        /// Pairs hit.
        pairs: Vec<usize>,
        /// Added in each direction.
        added_one_way_ns: u64,
        /// Loss in each direction.
        loss_ratio: f64,
    },
    /// Doubled and overtaken packets for pairs, in each direction.
    Disorder {
        /// Pairs hit.
        pairs: Vec<usize>,
        /// What happens to their packets.
        disorder: Disorder,
    },
}

/// Packets doubled, and packets held so that others overtake them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Disorder {
    /// Share that arrives twice.
    pub duplication_ratio: f64,
    /// Share that is held.
    pub held_ratio: f64,
    /// For how long.
    pub held_ns: u64,
}

impl Effect {
    /// The scenario's word for it, also in the ground truth.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::RouteChange { .. } => "route_change",
            Self::ZoneOutage { .. } => "zone_outage",
            Self::AccessCongestion { .. } => "access_congestion",
            Self::TransitFault { .. } => "transit_fault",
            Self::Disorder { .. } => "disorder",
        }
    }
}

impl Incident {
    /// The incident of a table whose names all exist, as every checked scenario's do.
    pub(super) fn of(table: &IncidentTable, points: &[VantagePoint], zones: &[Zone]) -> Option<Self> {
        let pairs_where = |wanted: &dyn Fn(&VantagePoint, &Zone) -> bool| -> Vec<usize> {
            let all = points
                .iter()
                .flat_map(|point| zones.iter().map(move |zone| (point, zone)))
                .enumerate();
            all.filter(|(_, (point, zone))| wanted(point, zone))
                .map(|(index, _)| index)
                .collect()
        };
        let zone_index = |key: &str| zones.iter().position(|zone| zone.table.key.get_ref() == key);
        let (effect, description) = match &table.what {
            What::RouteChange { isp, zone, added_ms } => (
                Effect::RouteChange {
                    pairs: pairs_where(&|point, end| {
                        point.table.isp.get_ref() == isp.get_ref()
                            && end.table.key.get_ref() == zone.get_ref()
                    }),
                    added_one_way_ns: added_ms.as_ns() / 2,
                },
                format!(
                    "{} reaches {} over a longer way: +{} ms",
                    isp.get_ref(),
                    zone.get_ref(),
                    added_ms.get()
                ),
            ),
            What::ZoneOutage { zone } => (
                Effect::ZoneOutage {
                    zone: zone_index(zone.get_ref())?,
                },
                format!("{} answers nobody", zone.get_ref()),
            ),
            What::AccessCongestion {
                agent,
                queue_ms,
                loss_ratio,
            } => (
                Effect::AccessCongestion {
                    vantage_point: points
                        .iter()
                        .position(|point| point.table.agent.get_ref() == agent.get_ref())?,
                    queue_ns: queue_ms.as_ns(),
                    loss_ratio: loss_ratio.get(),
                },
                format!(
                    "the downlink of {} is congested: a queue of up to {} ms and {} % loss",
                    agent.get_ref(),
                    queue_ms.get(),
                    loss_ratio.get() * 100.0
                ),
            ),
            What::TransitFault {
                country,
                added_ms,
                loss_ratio,
            } => (
                Effect::TransitFault {
                    pairs: pairs_where(&|point, _| point.table.country.get_ref() == country.get_ref()),
                    added_one_way_ns: added_ms.as_ns() / 2,
                    loss_ratio: loss_ratio.get(),
                },
                format!(
                    "transit out of {} is faulty: +{} ms and {} % loss each way",
                    country.get_ref(),
                    added_ms.get(),
                    loss_ratio.get() * 100.0
                ),
            ),
            What::Disorder {
                country,
                duplication_ratio,
                held_ratio,
                held_ms,
            } => (
                Effect::Disorder {
                    pairs: pairs_where(&|point, _| point.table.country.get_ref() == country.get_ref()),
                    disorder: Disorder {
                        duplication_ratio: duplication_ratio.get(),
                        held_ratio: held_ratio.get(),
                        held_ns: held_ms.as_ns(),
                    },
                },
                format!(
                    "transit out of {} is in disorder: {} % of packets come twice, {} % {} ms late, each way",
                    country.get_ref(),
                    duplication_ratio.get() * 100.0,
                    held_ratio.get() * 100.0,
                    held_ms.get()
                ),
            ),
        };
        let times = Times {
            from_ns: table.from_s.as_ns(),
            for_ns: table.for_s.as_ns(),
            repeat_ns: table.repeat_every_s.map(Seconds::as_ns),
        };
        Some(Self {
            name: table.name.get_ref().clone(),
            times,
            effect,
            description,
        })
    }
}
