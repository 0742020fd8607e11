//! `GET /api/v1/throughput`: what throughput tests between an agent and a zone found, one by one. Never averaged: an estimate, a
//! lower bound and a failure are three things, and rates by different congestion controls are not compared.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use azimuth_measurement::throughput::Reading;
use azimuth_measurement::{
    PhaseDelays, StopReason, ThroughputResult, TransferDirection, TransferLimit, ZoneKey,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::context::Context;
use super::reply::Reply;
use super::way::Way;
use crate::problem::Problem;
use crate::query::QueryError;
use crate::store::throughput::StoredThroughput;
use crate::utc::UtcInstant;
use crate::words::ClockName;

/// The throughput tests of one pair.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ThroughputAnswer {
    /// Start of the window.
    pub from: UtcInstant,
    /// End of the window, exclusive.
    pub to: UtcInstant,
    /// The agent.
    pub agent: String,
    /// The zone.
    pub zone: String,
    /// The tests, oldest first.
    pub tests: Vec<ThroughputTest>,
}

/// One test.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ThroughputTest {
    /// When its load ended.
    pub at: UtcInstant,
    /// The target.
    pub target: String,
    /// The address whose probes went beside it, `ip:port`.
    pub address: String,
    /// Which way the octets went.
    pub direction: DirectionName,
    /// How `bps` is to be read.
    pub reading: ReadingName,
    /// Bits per second over the last half after the ramp-up; null when the test failed.
    pub bps: Option<u64>,
    /// Why it ended.
    pub stop: StopName,
    /// Octets moved.
    pub bytes: u64,
    /// How long the load lasted, in microseconds.
    pub duration_us: u32,
    /// The sender's congestion control; null when it was not told.
    pub congestion_control: Option<String>,
    /// Octets sent more than once; null when the sender told nothing.
    pub retransmitted_bytes: Option<u64>,
    /// The shortest round trip the connection saw, in microseconds; null when the sender told nothing.
    pub min_rtt_us: Option<u32>,
    /// What held the sender back for most of the time; null when it is not known.
    pub limited_by: Option<LimitName>,
    /// The clock of the delays.
    pub clock: ClockName,
    /// Probes before the load.
    pub idle: PhaseSummary,
    /// Probes during the load.
    pub loaded: PhaseSummary,
    /// Probes after the load.
    pub drained: PhaseSummary,
    /// Median delay under load minus median delay before it, in microseconds.
    pub added_delay_us: Option<i64>,
    /// Round trips a minute under load, from the mean delay of the UDP probes.
    pub responsiveness_rpm: Option<u64>,
}

/// The probes of one phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct PhaseSummary {
    /// Probes sent.
    pub sent: u32,
    /// Those lost.
    pub lost: u32,
    /// Delays behind the quantiles.
    pub n: u64,
    /// Median round-trip delay in microseconds.
    pub p50_us: Option<u32>,
    /// 95th percentile in microseconds.
    pub p95_us: Option<u32>,
    /// 99th percentile in microseconds.
    pub p99_us: Option<u32>,
}

/// Which way the octets of a test went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DirectionName {
    /// From the target to the agent.
    Download,
    /// From the agent to the target.
    Upload,
}

/// How a rate is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadingName {
    /// The path carried about this much.
    Estimate,
    /// The path carried at least this much: the test ended before the rate had settled.
    LowerBound,
    /// The test says nothing of the path.
    Failed,
}

/// Why a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopName {
    /// The rate had settled.
    Stable,
    /// It had moved as many octets as it may.
    ByteCap,
    /// It had lasted as long as it may.
    TimeCap,
    /// The agent gave it up.
    Aborted,
    /// The other end closed the connection.
    PeerClosed,
    /// Nothing moved any more.
    Stalled,
    /// The reflector would not begin.
    Refused,
    /// There was no connection.
    Unreachable,
    /// The other end said what the protocol does not know.
    Malformed,
    /// It lost packets before its queue was full: a long transfer settles lower.
    Losses,
}

/// What held the sender back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitName {
    /// The network.
    Network,
    /// The receiver's window.
    ReceiveWindow,
    /// The sender's buffer.
    SendBuffer,
    /// The sender had nothing to send.
    Sender,
}

/// What throughput tests between an agent and a zone found.
#[utoipa::path(
    get,
    path = "/api/v1/throughput",
    tag = "query",
    params(
        ("agent" = String, Query, description = "The agent."),
        ("zone" = String, Query, description = "The zone, `provider/region/zone`."),
        ("from" = Option<String>, Query, description = "Start of the window: `2026-11-23T10:00:00Z`, or `now-1h` (units s, m, h, d). Default `now-24h`."),
        ("to" = Option<String>, Query, description = "End of the window, exclusive, written like `from`. Default `now`."),
    ),
    responses(
        (status = 200, description = "The tests, oldest first; none when the agent tests nothing.", body = ThroughputAnswer),
        (status = 400, description = "A parameter is missing, unknown, repeated or out of range; the detail says what is allowed.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such agent.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many queries at once, or the store cannot be read; `Retry-After` says when to try again.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn throughput(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    let now_unix_ms = (context.now_unix_ms)();
    match Way::read(query.as_deref(), now_unix_ms) {
        Err(problem) => context.refuse("throughput", problem).into_response(),
        Ok(way) => {
            context
                .answer("throughput", move |context, _| {
                    let store = context.store.as_ref();
                    way.must_be_known(store)?;
                    let Way { agent, zone, range } = way;
                    let stored = store.throughput(&agent, range).map_err(QueryError::Store)?;
                    Reply::whole(&ThroughputAnswer {
                        from: UtcInstant::from_unix_ms(range.from_unix_ms),
                        to: UtcInstant::from_unix_ms(range.to_unix_ms),
                        agent: agent.to_string(),
                        zone: zone.to_string(),
                        tests: of_zone(&zone, stored),
                    })
                })
                .await
        }
    }
}

fn of_zone(zone: &ZoneKey, stored: Vec<StoredThroughput>) -> Vec<ThroughputTest> {
    let of_zone = stored.into_iter().filter(|stored| stored.series.zone == *zone);
    of_zone.map(test).collect()
}

fn test(StoredThroughput { series, result }: StoredThroughput) -> ThroughputTest {
    let ThroughputResult { sender, .. } = &result;
    let name = sender.as_ref().map(|sender| sender.congestion_control.clone());
    ThroughputTest {
        at: UtcInstant::from_unix_ms(result.at_unix_ms),
        target: series.target,
        address: series.address.to_string(),
        direction: result.direction.into(),
        reading: result.reading().into(),
        bps: (result.bps > 0).then_some(result.bps),
        stop: result.stop.into(),
        bytes: result.bytes,
        duration_us: result.duration_us,
        congestion_control: name.filter(|name| !name.is_empty()),
        retransmitted_bytes: sender.as_ref().map(|sender| sender.retransmitted_bytes),
        min_rtt_us: sender.as_ref().map(|sender| sender.min_rtt_us),
        limited_by: sender
            .as_ref()
            .and_then(|sender| sender.limited_by)
            .map(LimitName::from),
        clock: result.clock.into(),
        idle: (&result.idle).into(),
        loaded: (&result.loaded).into(),
        drained: (&result.drained).into(),
        added_delay_us: result.added_delay_us(),
        responsiveness_rpm: result.responsiveness_rpm(),
    }
}

impl From<&PhaseDelays> for PhaseSummary {
    fn from(phase: &PhaseDelays) -> Self {
        Self {
            sent: phase.sent,
            lost: phase.lost,
            n: phase.delays.count(),
            p50_us: phase.quantile_us(0.5),
            p95_us: phase.quantile_us(0.95),
            p99_us: phase.quantile_us(0.99),
        }
    }
}

impl From<TransferDirection> for DirectionName {
    fn from(direction: TransferDirection) -> Self {
        match direction {
            TransferDirection::Download => Self::Download,
            TransferDirection::Upload => Self::Upload,
        }
    }
}

impl From<Reading> for ReadingName {
    fn from(reading: Reading) -> Self {
        match reading {
            Reading::Estimate => Self::Estimate,
            Reading::LowerBound => Self::LowerBound,
            Reading::Failed => Self::Failed,
        }
    }
}

impl From<StopReason> for StopName {
    fn from(stop: StopReason) -> Self {
        match stop {
            StopReason::Stable => Self::Stable,
            StopReason::ByteCap => Self::ByteCap,
            StopReason::TimeCap => Self::TimeCap,
            StopReason::Aborted => Self::Aborted,
            StopReason::PeerClosed => Self::PeerClosed,
            StopReason::Stalled => Self::Stalled,
            StopReason::Refused => Self::Refused,
            StopReason::Unreachable => Self::Unreachable,
            StopReason::Malformed => Self::Malformed,
            StopReason::Losses => Self::Losses,
        }
    }
}

impl From<TransferLimit> for LimitName {
    fn from(limit: TransferLimit) -> Self {
        match limit {
            TransferLimit::Network => Self::Network,
            TransferLimit::ReceiveWindow => Self::ReceiveWindow,
            TransferLimit::SendBuffer => Self::SendBuffer,
            TransferLimit::Sender => Self::Sender,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::{manifest_of, throughput::result};

    #[test]
    fn names_are_those_of_the_wire_and_a_failure_has_no_rate() {
        for stop in StopReason::ALL {
            let name = serde_json::to_value(StopName::from(*stop)).expect("a name");
            assert_eq!(name, stop.as_str());
        }
        for limit in TransferLimit::ALL {
            let name = serde_json::to_value(LimitName::from(*limit)).expect("a name");
            assert_eq!(name, limit.as_str());
        }
        let series = manifest_of("one", 1).series[0].clone();
        let stored = |bps, settled, stop| StoredThroughput {
            series: series.clone(),
            result: ThroughputResult {
                settled,
                stop,
                ..result(5, 0, bps)
            },
        };
        let all = vec![
            stored(90, true, StopReason::Stable),
            stored(80, false, StopReason::ByteCap),
            stored(0, false, StopReason::Refused),
        ];
        let found = of_zone(&series.zone, all.clone());
        let read: Vec<_> = found.iter().map(|test| (test.reading, test.bps)).collect();
        assert_eq!(
            read,
            [
                (ReadingName::Estimate, Some(90)),
                (ReadingName::LowerBound, Some(80)),
                (ReadingName::Failed, None)
            ]
        );
        assert_eq!(found[0].congestion_control.as_deref(), Some("cubic"));
        let elsewhere = "aws/eu-west-3/euw3-az9".parse().expect("a zone");
        assert_eq!(of_zone(&elsewhere, all), []);
    }
}
