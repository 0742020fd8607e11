//! What every handler is handed: the store, ingest, the counters, the clock as a function, and the gate in front of
//! queries.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use azimuth_measurement::catalogue::Catalogue;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::ingest::Ingest;
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::query::QueryError;
use crate::store::{Coverage, Store};

/// Queries answered at the same time. Two keep both cores of a small machine busy; commits have a thread of their own.
const MAX_QUERIES_AT_ONCE: usize = 2;
/// Queries that may wait for their turn.
const MAX_QUERIES_WAITING: usize = 64;
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
    /// Names and places of zones.
    pub catalogue: Catalogue,
    /// The clock, in unix milliseconds.
    pub now_unix_ms: fn() -> u64,
    turns: Semaphore,
    present: AtomicUsize,
}

impl Context {
    /// Puts together what handlers need.
    pub fn new(
        store: Arc<dyn Store>,
        ingest: Ingest,
        metrics: Arc<Metrics>,
        now_unix_ms: fn() -> u64,
    ) -> Self {
        Self {
            store,
            ingest,
            metrics,
            catalogue: Catalogue::built_in(),
            now_unix_ms,
            turns: Semaphore::new(MAX_QUERIES_AT_ONCE),
            present: AtomicUsize::new(0),
        }
    }

    /// Answers a question on a blocking thread, when its turn comes, and counts how it went under `endpoint`.
    pub(super) async fn answer<T, F>(self: Arc<Self>, endpoint: &'static str, question: F) -> Response
    where
        T: Serialize,
        F: FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    {
        let metrics = Arc::clone(&self.metrics);
        match self.wait_and_answer(question).await {
            Ok(response) => {
                metrics.queries.count(endpoint, "ok");
                response
            }
            Err(problem) => {
                metrics.queries.count(endpoint, problem.reason());
                problem.into_response()
            }
        }
    }

    async fn wait_and_answer<T, F>(self: Arc<Self>, question: F) -> Result<Response, Problem>
    where
        T: Serialize,
        F: FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    {
        let _place = Place::take(Arc::clone(&self)).ok_or_else(|| {
            let detail = format!("{MAX_QUERIES_WAITING} queries already wait for their turn");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "queries_overloaded", detail)
                .retry_after_s(fastrand::u32(RETRY_SPREAD_S))
        })?;
        let turn = self
            .turns
            .acquire()
            .await
            .map_err(|_| internal("the collector is stopping"))?;
        let context = Arc::clone(&self);
        let answered = tokio::task::spawn_blocking(move || {
            question(&context).map(|answer| Json(answer).into_response())
        });
        let response = answered
            .await
            .map_err(|_| internal("the query panicked; see the log"))?;
        drop(turn);
        response
    }

    /// Counts a question that was refused before it was put.
    pub(super) fn refuse(&self, endpoint: &'static str, problem: Problem) -> Problem {
        self.metrics.queries.count(endpoint, problem.reason());
        problem
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

/// A place in the queue, given back when dropped: also when the reader hangs up.
struct Place(Arc<Context>);

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
            QueryError::UnknownAgent(_) => Self::new(StatusCode::NOT_FOUND, "unknown_agent", detail),
            QueryError::UnknownZone(_) => Self::new(StatusCode::NOT_FOUND, "unknown_zone", detail),
        }
    }
}
