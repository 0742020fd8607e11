//! The `[limits]` table of the configuration: every number that bounds what one client, one agent or all of them may ask
//! of this collector. What each means, and why it is what it is, stands where it is used; here only its key and the
//! range in which it makes sense.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use crate::fleet::tickets::TicketBounds;
use crate::ingest::arrival::BodyLimits;
use crate::ingest::committer::MAX_QUEUED_BYTES;
use crate::ingest::share::AGENT_QUEUED_BYTES;
use crate::serve::ConnectionLimits;
use crate::store::SeriesLimits;
use crate::store::dictionary::MAX_SERIES;
use crate::utc::parse_span_ms;

/// Everything bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// What a connection may take.
    pub connections: ConnectionLimits,
    /// How slowly a body may arrive.
    pub bodies: BodyLimits,
    /// How many series there may be.
    pub series: SeriesLimits,
    /// Most bytes of one agent that may wait for a commit.
    pub agent_queued_bytes: u32,
    /// What throughput tickets are signed for.
    pub tickets: TicketBounds,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: ConnectionLimits::default(),
            bodies: BodyLimits::default(),
            series: SeriesLimits::default(),
            agent_queued_bytes: AGENT_QUEUED_BYTES,
            tickets: TicketBounds::default(),
        }
    }
}

/// The table as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsTable {
    connections: Option<Spanned<i64>>,
    connections_per_address: Option<Spanned<i64>>,
    idle_timeout: Option<Spanned<String>>,
    head_timeout: Option<Spanned<String>>,
    write_timeout: Option<Spanned<String>>,
    body_timeout: Option<Spanned<String>>,
    body_grace: Option<Spanned<String>>,
    body_min_bytes_per_s: Option<Spanned<i64>>,
    agent_queued_bytes: Option<Spanned<i64>>,
    series: Option<Spanned<i64>>,
    series_per_agent: Option<Spanned<i64>>,
    new_series_per_hour: Option<Spanned<i64>>,
    new_series_per_agent_per_hour: Option<Spanned<i64>>,
    new_manifests_per_agent_per_hour: Option<Spanned<i64>>,
    ticket_bytes: Option<Spanned<i64>>,
    ticket_load: Option<Spanned<String>>,
    tickets_per_agent_per_hour: Option<Spanned<i64>>,
}

/// From none at all, which freezes what there is, to as many as a store can number.
const SERIES: RangeInclusive<i64> = 0..=MAX_SERIES as i64;

/// A value that cannot be used: where in the text, and what to write instead.
pub(crate) type Mistake = (usize, String);

impl LimitsTable {
    /// What was written, and the defaults for the rest.
    ///
    /// # Errors
    /// Every mistake in the table.
    pub(crate) fn resolve(&self) -> Result<Limits, Vec<Mistake>> {
        let mut reader = Reader::default();
        let (connections, bodies) = (ConnectionLimits::default(), BodyLimits::default());
        let (series, tickets) = (SeriesLimits::default(), TicketBounds::default());
        let limits = Limits {
            connections: ConnectionLimits {
                connections: reader.count(
                    "connections",
                    &self.connections,
                    connections.connections,
                    1..=1_000_000,
                ),
                connections_per_address: reader.count(
                    "connections_per_address",
                    &self.connections_per_address,
                    connections.connections_per_address,
                    1..=1_000_000,
                ),
                idle_timeout: reader.span("idle_timeout", &self.idle_timeout, connections.idle_timeout),
                head_timeout: reader.span("head_timeout", &self.head_timeout, connections.head_timeout),
                write_timeout: reader.span("write_timeout", &self.write_timeout, connections.write_timeout),
            },
            bodies: BodyLimits {
                timeout: reader.span("body_timeout", &self.body_timeout, bodies.timeout),
                grace: reader.span("body_grace", &self.body_grace, bodies.grace),
                min_bytes_per_s: reader.count(
                    "body_min_bytes_per_s",
                    &self.body_min_bytes_per_s,
                    bodies.min_bytes_per_s,
                    1..=1_048_576,
                ),
            },
            agent_queued_bytes: reader.count(
                "agent_queued_bytes",
                &self.agent_queued_bytes,
                AGENT_QUEUED_BYTES,
                1..=i64::from(MAX_QUEUED_BYTES),
            ),
            series: SeriesLimits {
                series: reader.count("series", &self.series, series.series, SERIES),
                series_per_agent: reader.count(
                    "series_per_agent",
                    &self.series_per_agent,
                    series.series_per_agent,
                    SERIES,
                ),
                new_per_hour: reader.count(
                    "new_series_per_hour",
                    &self.new_series_per_hour,
                    series.new_per_hour,
                    SERIES,
                ),
                new_per_agent_per_hour: reader.count(
                    "new_series_per_agent_per_hour",
                    &self.new_series_per_agent_per_hour,
                    series.new_per_agent_per_hour,
                    SERIES,
                ),
                new_manifests_per_agent_per_hour: reader.count(
                    "new_manifests_per_agent_per_hour",
                    &self.new_manifests_per_agent_per_hour,
                    series.new_manifests_per_agent_per_hour,
                    // Without its first manifest nothing of an agent is taken.
                    1..=100_000,
                ),
            },
            tickets: TicketBounds {
                // What `azimuth-agent throughput --max-bytes` takes.
                bytes: reader.count(
                    "ticket_bytes",
                    &self.ticket_bytes,
                    tickets.bytes,
                    10_000..=100_000_000_000,
                ),
                load_ms: reader.load_ms(&self.ticket_load, tickets.load_ms),
                per_agent_per_hour: reader.count(
                    "tickets_per_agent_per_hour",
                    &self.tickets_per_agent_per_hour,
                    tickets.per_agent_per_hour,
                    0..=100_000,
                ),
            },
        };
        if reader.mistakes.is_empty() {
            Ok(limits)
        } else {
            Err(reader.mistakes)
        }
    }
}

/// Reads values and collects the mistakes among them.
#[derive(Default)]
struct Reader {
    mistakes: Vec<Mistake>,
}

impl Reader {
    /// No timeout is of use below a second or above an hour.
    const SPANS_S: RangeInclusive<u64> = 1..=3_600;

    fn span(&mut self, key: &str, written: &Option<Spanned<String>>, default: Duration) -> Duration {
        let Some(written) = written else { return default };
        let read = parse_span_ms(written.get_ref()).ok();
        let in_range = read.filter(|span_ms| Self::SPANS_S.contains(&(span_ms / 1_000)));
        in_range.map_or_else(
            || {
                let reason = format!(
                    "limits.{key} = {:?} is not a span between 1s and 1h; write \"{}s\"",
                    written.get_ref(),
                    default.as_secs()
                );
                self.mistakes.push((written.span().start, reason));
                default
            },
            Duration::from_millis,
        )
    }

    /// Within the range of all spans here.
    fn load_ms(&mut self, written: &Option<Spanned<String>>, default_ms: u32) -> u32 {
        let default = Duration::from_millis(default_ms.into());
        let load = self.span("ticket_load", written, default);
        u32::try_from(load.as_millis()).unwrap_or(default_ms)
    }

    fn count<N>(
        &mut self,
        key: &str,
        written: &Option<Spanned<i64>>,
        default: N,
        range: RangeInclusive<i64>,
    ) -> N
    where
        N: TryFrom<i64> + std::fmt::Display + Copy,
    {
        let Some(written) = written else { return default };
        let read = Some(*written.get_ref()).filter(|count| range.contains(count));
        read.and_then(|count| N::try_from(count).ok()).unwrap_or_else(|| {
            let reason = format!(
                "limits.{key} = {} is not a number from {} to {}; write {default}",
                written.get_ref(),
                range.start(),
                range.end()
            );
            self.mistakes.push((written.span().start, reason));
            default
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<Limits, Vec<Mistake>> {
        toml::from_str::<LimitsTable>(text).expect("a table").resolve()
    }

    #[test]
    fn an_empty_table_is_the_defaults_and_what_is_written_counts() {
        assert_eq!(resolve(""), Ok(Limits::default()));
        let limits =
            resolve("idle_timeout = \"2m\"\nbody_min_bytes_per_s = 64\nconnections = 7\n").expect("sound");
        assert_eq!(limits.connections.idle_timeout, Duration::from_secs(120));
        assert_eq!(
            (limits.bodies.min_bytes_per_s, limits.connections.connections),
            (64, 7)
        );
        assert_eq!(limits.connections.head_timeout, Duration::from_secs(5));
    }

    #[test]
    fn bounds_of_tickets_are_read_and_held_to_their_ranges() {
        let limits =
            resolve("ticket_bytes = 40000000\nticket_load = \"2s\"\ntickets_per_agent_per_hour = 0\n");
        let tickets = limits.expect("sound").tickets;
        assert_eq!(
            (tickets.bytes, tickets.load_ms, tickets.per_agent_per_hour),
            (40_000_000, 2_000, 0)
        );
        let mistakes =
            resolve("ticket_bytes = 9999\nticket_load = \"10ms\"\ntickets_per_agent_per_hour = -1\n");
        let told: Vec<_> = mistakes
            .expect_err("three")
            .into_iter()
            .map(|(_, reason)| reason)
            .collect();
        assert_eq!(
            told,
            [
                "limits.ticket_bytes = 9999 is not a number from 10000 to 100000000000; write 250000000",
                "limits.ticket_load = \"10ms\" is not a span between 1s and 1h; write \"10s\"",
                "limits.tickets_per_agent_per_hour = -1 is not a number from 0 to 100000; write 120",
            ]
        );
    }

    #[test]
    fn every_mistake_is_named_with_its_remedy() {
        let mistakes = resolve(
            "head_timeout = \"0s\"\nidle_timeout = \"never\"\nconnections = 0\nbody_grace = \"2h\"\n",
        )
        .expect_err("four mistakes");
        let told: Vec<&str> = mistakes.iter().map(|(_, reason)| reason.as_str()).collect();
        assert_eq!(
            told,
            [
                "limits.connections = 0 is not a number from 1 to 1000000; write 4096",
                "limits.idle_timeout = \"never\" is not a span between 1s and 1h; write \"60s\"",
                "limits.head_timeout = \"0s\" is not a span between 1s and 1h; write \"5s\"",
                "limits.body_grace = \"2h\" is not a span between 1s and 1h; write \"5s\"",
            ]
        );
    }
}
