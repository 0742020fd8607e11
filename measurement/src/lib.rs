//! The nouns of Azimuth and their one wire form: what was measured, where from, where to, how, and how sure.
//!
//! This crate is pure: no sockets, no files, no clock, no async runtime. Agent and collector both depend on it and on
//! nothing of each other, so a measurement means the same on both sides by construction.
//!
//! | room | what it holds |
//! |---|---|
//! | [`zone`], [`vantage`], [`method`], [`series`] | where from, where to, by which method: the identity of a series |
//! | [`cloud`] | where in a cloud an agent's host stands |
//! | [`place`] | how far two places are apart, and how long light in fibre takes |
//! | [`interval`], [`counts`], [`histogram`] | what one series saw in one interval |
//! | [`path`] | the routers on the way to a target, and the event that they changed |
//! | [`throughput`] | what one throughput test found, and how sure that is |
//! | [`report`] | one agent, one interval, all its series; and the tombstone that stands where reports were lost |
//! | [`codec`] | version 1 of the wire form: protobuf in zstd, every size capped before it is allocated |
//! | [`enrolment`] | the token and the signed statements by which an agent joins its collector |
//! | `plan` (feature) | what a collector tells one agent to measure, and the signed envelope of it |
//! | `interchange` (feature) | HdrHistogram V2 and interval logs: how histograms leave for, and come from, other tools |
//! | `catalogue` (feature) | the built-in list of providers, regions and zones |

pub mod agent_id;
#[cfg(feature = "catalogue")]
pub mod catalogue;
pub mod cloud;
pub mod codec;
pub mod counts;
pub mod enrolment;
pub mod errors;
pub mod facet;
pub mod histogram;
#[cfg(feature = "interchange")]
pub mod interchange;
pub mod interval;
pub mod method;
pub mod one_way;
pub mod path;
pub mod place;
#[cfg(feature = "plan")]
pub mod plan;
pub mod report;
pub mod series;
mod text;
pub mod throughput;
pub mod vantage;
pub mod variation;
pub mod zone;

pub use agent_id::AgentId;
pub use cloud::CloudPlace;
pub use counts::ProbeCounts;
pub use errors::{ErrorCounts, ErrorKind};
pub use facet::Facet;
pub use histogram::{Accumulator, BucketIndex, DelayHistogram};
pub use interval::Interval;
pub use method::{
    Answer, Granularity, LoadLabel, LossCause, Method, Phase, PlanRefusal, StampClock, StopReason,
    TransferDirection, TransferLimit,
};
pub use one_way::{AsymmetryUnknown, OneWay, OneWayMeans, OneWaySample};
pub use path::{Path, PathEvent, PathHop, PathReason};
pub use report::{AgentHealth, PlanStanding, Report, SeriesRecord, Tombstone};
pub use series::{Manifest, ManifestId, Outgoing, SeriesDescriptor};
pub use throughput::{PhaseDelays, SenderView, ThroughputResult};
pub use vantage::VantagePoint;
pub use variation::Ipdv;
pub use zone::ZoneKey;
