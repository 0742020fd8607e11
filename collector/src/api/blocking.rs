//! Work of a handler that waits for a disk or computes for long, on a thread that may. Not for questions to the store: those have
//! threads of their own ([`super::query_threads`]).

use axum::http::StatusCode;

use crate::problem::Problem;

/// Does `work` there. `what` is what is said to have panicked.
///
/// # Errors
/// When it panicked.
pub(super) async fn blocking<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| {
        let detail = format!("{what} panicked; see the log");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    })
}
