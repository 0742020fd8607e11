//! What every handler is handed: the store, ingest, the counters, the clock as a function, and the gate in front of
//! queries. A query runs on a thread for queries and holds its turn until that thread is done, so never more run than
//! there are turns; it is told to stop when its reader leaves or its time is up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use azimuth_measurement::catalogue::Catalogue;
use tokio::sync::Semaphore;

use super::query_threads::QueryThreads;
use super::reply::Reply;
use crate::access::guard::Guard;
use crate::access::oidc::desk::SignIn;
use crate::embed;
use crate::evaluate::desk::Desk;
use crate::exposition::family::Family;
use crate::fleet::Fleet;
use crate::fleet::desk::FleetDesk;
use crate::ingest::Ingest;
use crate::metrics::Metrics;
use crate::plan::desk::PlanDesk;
use crate::problem::Problem;
use crate::query::{Label, QueryError, Source, Stop};
use crate::snapshot::Snapshots;
use crate::status::Watch;
use crate::status::exposition;
use crate::store::{Coverage, Store};

/// Queries answered at the same time. Two keep both cores of a small machine busy; commits have a thread of their own.
const MAX_QUERIES_AT_ONCE: usize = 2;
/// Queries that may wait for their turn.
const MAX_QUERIES_WAITING: usize = 64;
/// How long a query may take, waiting included, unless something else is said.
const QUERY_TIMEOUT: Duration = Duration::from_secs(30);
/// When too many wait, readers are told to come back within this many seconds, each at another.
const RETRY_SPREAD_S: std::ops::RangeInclusive<u32> = 1..=5;

/// Shared by all handlers.
pub struct Context {
    /// Where measurements are kept.
    pub store: Arc<dyn Store>,
    /// Where they come in.
    pub ingest: Ingest,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What has to be remembered to say how the collector fares.
    pub watch: Arc<Watch>,
    /// The alerts.
    pub desk: Arc<Desk>,
    /// Who may do what.
    pub guard: Arc<Guard>,
    /// Who signs people in, if anybody.
    pub sign_in: Option<Arc<SignIn>>,
    /// Views that were kept.
    pub snapshots: Arc<Snapshots>,
    /// Who may report.
    pub fleet: Arc<Fleet>,
    /// What agents are to measure.
    pub plan: Arc<PlanDesk>,
    /// Names and places of zones.
    pub catalogue: Catalogue,
    /// The clock, in unix milliseconds.
    pub now_unix_ms: fn() -> u64,
    query_timeout: Duration,
    /// Who may show `/embed` in a frame, as a policy writes it.
    pub(super) frame_ancestors: String,
    turns: Arc<Semaphore>,
    threads: QueryThreads,
    present: AtomicUsize,
    /// One backup at a time.
    pub(super) backup_turn: Arc<Semaphore>,
    /// One export at a time.
    pub(super) export_turn: Arc<Semaphore>,
}

impl Context {
    /// Puts together what handlers need.
    #[expect(clippy::too_many_arguments, reason = "one a room; there is one caller")]
    pub fn new(
        store: Arc<dyn Store>,
        ingest: Ingest,
        metrics: Arc<Metrics>,
        watch: Arc<Watch>,
        desk: Arc<Desk>,
        guard: Arc<Guard>,
        snapshots: Arc<Snapshots>,
        fleet: Arc<Fleet>,
        plan: Arc<PlanDesk>,
        now_unix_ms: fn() -> u64,
    ) -> Self {
        Self {
            store,
            ingest,
            metrics,
            watch,
            desk,
            guard,
            sign_in: None,
            snapshots,
            fleet,
            catalogue: plan.plan().catalogue.clone(),
            plan,
            now_unix_ms,
            query_timeout: QUERY_TIMEOUT,
            frame_ancestors: embed::Settings::default().frame_ancestors(),
            turns: Arc::new(Semaphore::new(MAX_QUERIES_AT_ONCE)),
            threads: QueryThreads::default(),
            present: AtomicUsize::new(0),
            backup_turn: Arc::new(Semaphore::new(1)),
            export_turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// The same, but a query is given up after so long, waiting included.
    #[must_use]
    pub fn with_query_timeout(mut self, query_timeout: Duration) -> Self {
        self.query_timeout = query_timeout;
        self
    }

    /// The same, but people can sign in with an identity provider.
    #[must_use]
    pub fn with_sign_in(mut self, sign_in: Option<Arc<SignIn>>) -> Self {
        self.sign_in = sign_in;
        self
    }

    /// The same, but these sites may show a panel.
    #[must_use]
    pub fn with_embedding(mut self, embed: &embed::Settings) -> Self {
        self.frame_ancestors = embed.frame_ancestors();
        self
    }

    /// Where people change who may report.
    pub fn fleet_desk(&self) -> FleetDesk {
        FleetDesk::new(Arc::clone(&self.fleet), Arc::clone(&self.guard), self.now_unix_ms)
    }

    /// Everything for Prometheus, as it is now. Reads procfs; async callers use a blocking thread.
    pub fn families(&self) -> Vec<Family> {
        let mut families = self.metrics.families(
            self.store.condition(),
            &self.store.dictionary(),
            self.ingest.queued_bytes(),
        );
        families.extend(super::snapshots::families(&self.snapshots));
        match super::status::of(self, 0) {
            Ok(status) => families.extend(exposition::families(&status)),
            // The counters are there without it, and say in what state the store is.
            Err(error) => tracing::warn!("{error}; /metrics goes without the status"),
        }
        families
    }

    /// Answers a question on a blocking thread, when its turn comes, and counts how it went under `endpoint`.
    pub(super) async fn answer<F>(self: Arc<Self>, endpoint: &'static str, question: F) -> Response
    where
        F: FnOnce(&Self, &Source<'_>) -> Result<Reply, Problem> + Send + 'static,
    {
        let mut leaving = Leaving {
            stop: Stop::default(),
            metrics: Arc::clone(&self.metrics),
            endpoint,
            outcome: "cancelled",
        };
        let in_time = tokio::time::timeout(
            self.query_timeout,
            Arc::clone(&self).wait_and_answer(leaving.stop.clone(), question),
        );
        let answered = in_time.await.unwrap_or_else(|_| Err(self.too_long()));
        leaving.outcome = answered.as_ref().map_or_else(Problem::reason, |_| "ok");
        answered.unwrap_or_else(IntoResponse::into_response)
    }

    async fn wait_and_answer<F>(self: Arc<Self>, stop: Stop, question: F) -> Result<Response, Problem>
    where
        F: FnOnce(&Self, &Source<'_>) -> Result<Reply, Problem> + Send + 'static,
    {
        let place = Place::take(Arc::clone(&self)).ok_or_else(|| {
            let detail = format!("{MAX_QUERIES_WAITING} queries already wait for their turn");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "queries_overloaded", detail)
                .retry_after_s(fastrand::u32(RETRY_SPREAD_S))
        })?;
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .map_err(|_| internal("the collector is stopping"))?;
        let context = Arc::clone(&self);
        // The turn is held by the thread, not by the reader: who leaves does not make room before the work has stopped.
        let answered = self.threads.run(turn, move || {
            context.metrics.queries_started.add(1);
            let source = Source {
                store: context.store.as_ref(),
                catalogue: &context.catalogue,
                stop: &stop,
                observations: &context.metrics.query_observations.0,
            };
            let reply = question(&context, &source);
            context.metrics.queries_finished.add(1);
            reply
        });
        let reply = answered
            .await
            .map_err(|error| internal(&format!("no thread for the query: {error}")))?
            .ok_or_else(|| internal("the query panicked; see the log"))??;
        Ok(reply.into_response(place))
    }

    fn too_long(&self) -> Problem {
        let detail = format!(
            "the answer was not there after {} s; ask for a shorter range, a longer step, or fewer agents and zones",
            self.query_timeout.as_secs()
        );
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "query_timeout", detail)
    }

    /// Counts a question that was refused before it was put.
    pub(super) fn refuse(&self, endpoint: &'static str, problem: Problem) -> Problem {
        self.metrics.queries.count(endpoint, problem.reason());
        problem
    }

    /// Counts how a request went that is no question to the store, and makes its answer.
    pub(super) fn counted(&self, request: &'static str, done: Result<Response, Problem>) -> Response {
        let outcome = done.as_ref().map_or_else(Problem::reason, |_| "ok");
        self.metrics.queries.count(request, outcome);
        done.unwrap_or_else(IntoResponse::into_response)
    }

    /// Counts what a scan could not read, and passes it on.
    pub(super) fn note_coverage(&self, coverage: Coverage) -> Coverage {
        self.metrics.reports_unreadable.add(coverage.unreadable_reports);
        coverage
    }
}

fn internal(detail: &str) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
}

/// Dropped when a query is over, also when its reader hangs up: tells the thread, which may still run, to stop, and
/// counts how it went.
struct Leaving {
    stop: Stop,
    metrics: Arc<Metrics>,
    endpoint: &'static str,
    outcome: &'static str,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.stop.raise();
        self.metrics.queries.count(self.endpoint, self.outcome);
    }
}

/// A place in the queue, given back when dropped: also when the reader hangs up.
pub(super) struct Place(Arc<Context>);

impl Place {
    fn take(context: Arc<Context>) -> Option<Self> {
        let before = context.present.fetch_add(1, Ordering::AcqRel);
        // Made before it is judged, so that dropping it undoes the count either way.
        let place = Self(context);
        (before < MAX_QUERIES_AT_ONCE + MAX_QUERIES_WAITING).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.present.fetch_sub(1, Ordering::AcqRel);
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let detail = error.to_string();
        match error {
            QueryError::Store(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_unreadable", detail)
                .retry_after_s(fastrand::u32(RETRY_SPREAD_S)),
            QueryError::Overflow => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "count_overflow", detail),
            QueryError::Unknown { label, .. } => Self::new(StatusCode::NOT_FOUND, unknown(label), detail),
            QueryError::TooManyCells { .. } => Self::bad_request("too_many_cells", detail),
            QueryError::Stopped => Self::new(StatusCode::SERVICE_UNAVAILABLE, "query_stopped", detail),
        }
    }
}

fn unknown(label: Label) -> &'static str {
    match label {
        Label::Agent => "unknown_agent",
        Label::Zone => "unknown_zone",
        _ => "unknown_value",
    }
}
