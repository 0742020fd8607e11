//! Any bytes as the query string of any endpoint: an answer or a refusal that says why, never a fault of ours. The first
//! byte chooses the endpoint.

use axum::body::Body;
use axum::http::{Request, Uri};

use super::collector::World;

const ENDPOINTS: [&str; 9] = [
    "agents",
    "zones",
    "map",
    "groups",
    "compare",
    "series",
    "heatmap",
    "distribution",
    "nothing",
];

/// One input; the status of the answer, if it came as far as one.
pub(crate) fn run(bytes: &[u8]) -> Option<u16> {
    let (first, query) = bytes.split_first()?;
    let endpoint = ENDPOINTS[usize::from(*first) % ENDPOINTS.len()];
    // What is no URI never comes as far as our parameters.
    let mut uri = format!("/api/v1/{endpoint}?").into_bytes();
    uri.extend(query);
    let uri = Uri::try_from(uri).ok()?;
    let request = Request::get(uri).body(Body::empty()).expect("a request");
    let (status, body) = World::get().ask(request);
    match status {
        200 => {}
        400 | 404 => {
            let problem: serde_json::Value = serde_json::from_slice(&body).expect("problem details");
            assert!(problem["reason"].is_string() && problem["detail"].is_string());
        }
        other => panic!("{other} for {endpoint}"),
    }
    Some(status)
}
