//! `/api/v1/snapshots`: a view kept as it is. The collector asks itself what the view asks, so that what is kept is what it
//! answered and not what somebody says it did. What is kept, and how much of it, is `snapshot.rs`'s.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, http};
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, Serialize};
use tower::ServiceExt;
use utoipa::ToSchema;

use super::blocking::blocking;
use super::body;
use super::context::Context;
use crate::access::gate::Asker;
use crate::exposition::family::Family;
use crate::problem::Problem;
use crate::snapshot::{Head, KeepError, Kept, MOST_DOCUMENT_BYTES, Snapshots};
use crate::utc::UtcInstant;

/// Questions of one view at most.
const MOST_QUESTIONS: usize = 24;
/// Characters of a title.
const MOST_TITLE: usize = 200;
/// Characters of an address.
const MOST_ADDRESS: usize = 2_000;
/// What a view may ask, under `/api/v1/`: what was measured, and what fires. Nothing that streams.
const QUESTIONS: [&str; 16] = [
    "agents",
    "zones",
    "map",
    "groups",
    "compare",
    "series",
    "heatmap",
    "explain",
    "distribution",
    "paths",
    "throughput",
    "throughput/newest",
    "alerts",
    "incidents",
    "rules",
    "silences",
];

/// Reading is apart from the rest, so that it can be given to those who may not log in.
pub(super) fn reading() -> Router<Arc<Context>> {
    Router::new().route("/api/v1/snapshots/{id}", get(snapshot).delete(forget))
}

/// What the command line asks for on the collector's own socket: who may enter its directory may see and delete what is kept.
pub fn on_the_admin_socket(snapshots: Arc<Snapshots>) -> Router {
    Router::new()
        .route("/admin/snapshots", get(listed))
        .route("/admin/snapshots/{id}", delete(deleted))
        .with_state(snapshots)
}

async fn listed(State(snapshots): State<Arc<Snapshots>>) -> Json<Vec<Kept>> {
    Json(snapshots.list())
}

async fn deleted(
    State(snapshots): State<Arc<Snapshots>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    removed(snapshots, id).await
}

/// Removes a snapshot: there is nothing to say of it any more.
async fn removed(snapshots: Arc<Snapshots>, id: String) -> Result<StatusCode, Problem> {
    match blocking("removing the snapshot", move || snapshots.forget(&id)).await? {
        Err(error) => Err(unreadable(&error)),
        Ok(false) => Err(unknown()),
        Ok(true) => Ok(StatusCode::NO_CONTENT),
    }
}

/// A view to keep.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotBody {
    /// What people call it.
    pub title: String,
    /// The address of the view, from the first slash, its times absolute.
    pub view: String,
    /// What the view asks, each from `/api/v1/`, times absolute; at most 24.
    pub questions: Vec<String>,
}

/// A snapshot without its answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct SnapshotHead {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// The address of the view.
    pub view: String,
    /// When it was kept.
    pub created_at: UtcInstant,
    /// Who kept it; null when an earlier release did, or when nobody is known here.
    #[schema(required)]
    pub kept_by: Option<String>,
    /// Bytes it takes.
    pub bytes: u64,
}

/// `GET /api/v1/snapshots`
#[derive(Debug, Serialize, ToSchema)]
pub struct SnapshotsAnswer {
    /// The newest first.
    pub snapshots: Vec<SnapshotHead>,
}

/// A question, and what was answered then.
#[derive(Debug, Serialize, ToSchema)]
pub struct SnapshotAnswered {
    /// The question, from `/api/v1/`.
    pub url: String,
    /// The answer, as it was; null when it was refused.
    #[schema(value_type = Object, required)]
    pub answer: Option<serde_json::Value>,
    /// Why it was refused; null when it was answered.
    #[schema(required)]
    pub refused: Option<String>,
}

/// `GET /api/v1/snapshots/{id}`
#[derive(Debug, Serialize, ToSchema)]
pub struct SnapshotAnswer {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// The address of the view.
    pub view: String,
    /// When it was kept.
    pub created_at: UtcInstant,
    /// What was asked and answered.
    pub answers: Vec<SnapshotAnswered>,
}

impl From<&Kept> for SnapshotHead {
    fn from(kept: &Kept) -> Self {
        Self {
            id: kept.head.id.clone(),
            title: kept.head.title.clone(),
            view: kept.head.view.clone(),
            created_at: UtcInstant::from_unix_ms(kept.head.created_unix_ms),
            kept_by: kept.head.kept_by.clone(),
            bytes: kept.bytes,
        }
    }
}

/// Every snapshot, without its answers.
#[utoipa::path(
    get,
    path = "/api/v1/snapshots",
    tag = "query",
    responses((status = 200, description = "The snapshots, the newest first.", body = SnapshotsAnswer))
)]
pub(super) async fn snapshots(State(context): State<Arc<Context>>) -> Json<SnapshotsAnswer> {
    context.metrics.queries.count("snapshots", "ok");
    let kept = context.snapshots.list();
    Json(SnapshotsAnswer {
        snapshots: kept.iter().map(SnapshotHead::from).collect(),
    })
}

/// Keeps a view: asks what it asks, and stores the answers. They stay until they are deleted, whatever retention removes.
#[utoipa::path(
    post,
    path = "/api/v1/snapshots",
    tag = "query",
    request_body = SnapshotBody,
    responses(
        (status = 201, description = "The snapshot; durable.", body = SnapshotHead),
        (status = 400, description = "The body cannot be understood, or names a question that cannot be kept; the detail says why.", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not asked from this machine, or by a page of another site.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There is no room for another snapshot.", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body, or what the view shows, is too large.", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not JSON.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "A question cannot be answered now, or the snapshot not be written.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn keep(
    State(context): State<Arc<Context>>,
    Extension(asker): Extension<Asker>,
    request: Request,
) -> Response {
    let kept_by = match asker {
        Asker::Caller(caller) => Some(caller.name),
        Asker::Anybody { .. } => None,
    };
    let done = async {
        let body = understood(body::read(request).await?)?;
        let mut answers = Vec::new();
        let mut room = MOST_DOCUMENT_BYTES;
        for url in &body.questions {
            answers.push(ask(&context, url, &mut room).await?);
        }
        if answers.iter().all(|one| one.answer.is_none()) {
            let detail = "no question of this view was answered, so there is nothing to keep";
            return Err(Problem::bad_request("nothing_answered", detail));
        }
        let now_unix_ms = (context.now_unix_ms)();
        let keeping = Arc::clone(&context);
        let kept = blocking("keeping the snapshot", move || {
            let document = |head: &Head| {
                let document = SnapshotAnswer {
                    id: head.id.clone(),
                    title: head.title.clone(),
                    view: head.view.clone(),
                    created_at: UtcInstant::from_unix_ms(head.created_unix_ms),
                    answers,
                };
                serde_json::to_vec(&document).unwrap_or_default()
            };
            keeping
                .snapshots
                .keep(&body.title, &body.view, kept_by, now_unix_ms, document)
        });
        let kept = kept.await?.map_err(|error| not_kept(&error))?;
        Ok((StatusCode::CREATED, Json(SnapshotHead::from(&kept))).into_response())
    };
    context.counted("keep_snapshot", done.await)
}

/// A view as it was kept.
#[utoipa::path(
    get,
    path = "/api/v1/snapshots/{id}",
    tag = "query",
    params(("id" = String, Path, description = "The snapshot's `id`.")),
    responses(
        (status = 200, description = "The answers behind the view.", body = SnapshotAnswer),
        (status = 404, description = "There is no such snapshot.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Its file cannot be read.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn snapshot(State(context): State<Arc<Context>>, Path(id): Path<String>) -> Response {
    let snapshots = Arc::clone(&context.snapshots);
    let done = async {
        let read = blocking("reading the snapshot", move || snapshots.read(&id)).await?;
        let document = read.map_err(|error| unreadable(&error))?.ok_or_else(unknown)?;
        Ok(([(header::CONTENT_TYPE, "application/json")], document).into_response())
    };
    context.counted("snapshot", done.await)
}

/// Deletes a snapshot.
#[utoipa::path(
    delete,
    path = "/api/v1/snapshots/{id}",
    tag = "query",
    params(("id" = String, Path, description = "The snapshot's `id`.")),
    responses(
        (status = 204, description = "It is gone; durable."),
        (status = 403, description = "Not asked from this machine, or by a page of another site.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such snapshot.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It could not be removed.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn forget(State(context): State<Arc<Context>>, Path(id): Path<String>) -> Response {
    let done = removed(Arc::clone(&context.snapshots), id).await;
    context.counted("forget_snapshot", done.map(IntoResponse::into_response))
}

/// For Prometheus.
pub(super) fn families(snapshots: &Snapshots) -> [Family; 3] {
    let kept = snapshots.list();
    [
        Family::gauge("azimuth_snapshots", "Snapshots kept.", kept.len() as u64),
        Family::gauge(
            "azimuth_snapshot_bytes",
            "What snapshots take on disk.",
            kept.iter().map(|one| one.bytes).sum(),
        ),
        Family::gauge(
            "azimuth_snapshots_unreadable",
            "Files of snapshots that could not be read when the collector started.",
            snapshots.unreadable(),
        ),
    ]
}

fn understood(body: SnapshotBody) -> Result<SnapshotBody, Problem> {
    let refused = |detail: String| Problem::bad_request("invalid_body", detail);
    if body.questions.is_empty() || body.questions.len() > MOST_QUESTIONS {
        let detail = format!("`questions` must be 1 to {MOST_QUESTIONS} addresses under /api/v1/");
        return Err(refused(detail));
    }
    for url in &body.questions {
        let endpoint = url
            .strip_prefix("/api/v1/")
            .and_then(|rest| rest.split('?').next());
        if url.chars().count() > MOST_ADDRESS || !endpoint.is_some_and(|name| QUESTIONS.contains(&name)) {
            let shown: String = url.chars().take(80).collect();
            let detail = format!(
                "`questions`: {shown:?} cannot be kept; use /api/v1/ and one of: {}",
                QUESTIONS.join(", ")
            );
            return Err(refused(detail));
        }
    }
    let view = body::text("view", &body.view, MOST_ADDRESS, false)?;
    // `//host` would be another site's.
    if !view.starts_with('/') || view.starts_with("//") || view.contains('\\') {
        return Err(refused(
            "`view` must begin with one `/`: it is a page of this collector".to_owned(),
        ));
    }
    Ok(SnapshotBody {
        title: body::text("title", &body.title, MOST_TITLE, false)?,
        view,
        questions: body.questions,
    })
}

/// Asks this collector, as a page would. `room` is what may still come.
async fn ask(context: &Arc<Context>, url: &str, room: &mut usize) -> Result<SnapshotAnswered, Problem> {
    let mut request = http::Request::get(url).body(Body::empty()).map_err(|error| {
        let shown: String = url.chars().take(80).collect();
        Problem::bad_request("invalid_body", format!("`questions`: {shown:?}: {error}"))
    })?;
    // Who keeps a view may look at all of it; where anybody may open it later, places are blurred in it.
    request.extensions_mut().insert(Asker::Anybody {
        is_public: context.guard.is_public(),
    });
    let Ok(response) = super::router(Arc::clone(context)).oneshot(request).await;
    let status = response.status();
    let body = Limited::new(response.into_body(), *room);
    // Limited right above.
    #[expect(clippy::disallowed_methods)]
    let body = body.collect().await.map_err(|_| {
        not_kept(&KeepError::TooLarge {
            bytes: MOST_DOCUMENT_BYTES,
        })
    })?;
    let body = body.to_bytes();
    *room = room.saturating_sub(body.len());
    let value: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let detail = value["detail"]
        .as_str()
        .unwrap_or("no reason was given")
        .to_owned();
    if status.is_server_error() {
        let detail = format!("{url}: {detail}");
        return Err(
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "question_failed", detail).retry_after_s(5),
        );
    }
    let answered = status.is_success();
    Ok(SnapshotAnswered {
        url: url.to_owned(),
        answer: answered.then_some(value),
        refused: (!answered).then_some(detail),
    })
}

fn not_kept(error: &KeepError) -> Problem {
    let detail = error.to_string();
    match error {
        KeepError::Full { .. } => Problem::new(StatusCode::CONFLICT, "too_many_snapshots", detail),
        KeepError::TooLarge { .. } => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "snapshot_too_large", detail)
        }
        KeepError::System(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_written", detail),
    }
}

fn unreadable(error: &std::io::Error) -> Problem {
    let detail = format!("the snapshot's file: {error}");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "snapshot_unreadable", detail)
}

fn unknown() -> Problem {
    let detail = "there is no such snapshot; GET /api/v1/snapshots lists what there is";
    Problem::new(StatusCode::NOT_FOUND, "unknown_snapshot", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(view: &str, questions: &[&str]) -> Result<SnapshotBody, String> {
        let body = SnapshotBody {
            title: " A view ".to_owned(),
            view: view.to_owned(),
            questions: questions.iter().map(|one| (*one).to_owned()).collect(),
        };
        understood(body).map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn only_questions_about_measurements_and_only_pages_of_ours() {
        let good = read("/pair?agent=a", &["/api/v1/agents", "/api/v1/series?agent=a"]).expect("good");
        assert_eq!(good.title, "A view");
        for bad in [
            "/api/v1/backup",
            "/api/v1/export?format=csv",
            "/api/v1/snapshots",
            "/metrics",
            "http://192.0.2.1/api/v1/map",
            "/api/v1/../../metrics",
        ] {
            assert!(
                read("/", &[bad]).is_err_and(|detail| detail.contains("cannot be kept")),
                "{bad}"
            );
        }
        assert!(read("/", &[]).is_err());
        assert!(read("/", &["/api/v1/map"; MOST_QUESTIONS + 1]).is_err());
        for elsewhere in ["//evil.example/", "https://evil.example/", "/\\evil.example", ""] {
            assert!(read(elsewhere, &["/api/v1/map"]).is_err(), "{elsewhere}");
        }
    }
}
