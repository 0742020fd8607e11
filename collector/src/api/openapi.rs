//! The API description (OpenAPI 3.1), generated from the handlers and held against `collector/openapi.json`,
//! from which the dashboards' types are generated.

use utoipa::OpenApi;

/// The description of everything under `/api/v1/`, and of the three operational pages.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Azimuth collector",
        description = "Round-trip delay and loss from vantage points to availability zones. Delays are whole microseconds; quantiles are nearest rank, taken from merged histograms only, and travel with the number of delays behind them (`n`). A number that does not exist is null.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        super::inventory::agents,
        super::inventory::zones,
        super::catalogue::catalogue,
        super::map::map,
        super::groups::groups,
        super::compare::compare,
        super::pair::series,
        super::pair::heatmap,
        super::pair::distribution,
        super::explain::explain,
        super::paths::paths,
        super::throughput::throughput,
        super::throughput_newest::newest,
        super::export::export,
        super::reports::reports,
        super::enrolment::challenge,
        super::enrolment::join,
        super::enrolment::session,
        super::enrolment::key,
        super::enrolment::ticket,
        super::plan::plan,
        super::backup::backup,
        super::status::status,
        super::alerts::alerts,
        super::alerts::acknowledge,
        super::alerts::rules,
        super::incidents::incidents,
        super::silences::silences,
        super::silences::silence,
        super::silences::unsilence,
        super::session::who,
        super::session::log_in,
        super::session::log_out,
        super::fleet::join_tokens,
        super::fleet::make_join_token,
        super::fleet::revoke_join_token,
        super::fleet::joined_agents,
        super::fleet::revoke_agent,
        super::fleet::plan_in_force,
        super::api_tokens::api_tokens,
        super::api_tokens::make_api_token,
        super::api_tokens::revoke_api_token,
        super::oidc::login,
        super::oidc::callback,
        super::snapshots::snapshots,
        super::snapshots::keep,
        super::snapshots::snapshot,
        super::snapshots::forget,
        super::operation::openapi,
        super::operation::metrics,
        super::operation::healthz,
        super::operation::readyz,
    ),
    // Named by parameters only, where they are not found by themselves.
    components(schemas(crate::words::PhaseName, crate::words::AnswerName)),
    tags(
        (name = "query", description = "What was measured."),
        (name = "ingest", description = "Where agents deliver."),
        (name = "alerting", description = "What fires, and who is told."),
        (name = "access", description = "Who asks, and what they may do."),
        (name = "fleet", description = "Who may report, and what they are to measure."),
        (name = "operation", description = "How the collector itself fares."),
    )
)]
pub struct Description;

impl Description {
    /// The description as the file in the repository holds it.
    pub fn json() -> String {
        let mut text = Self::openapi().to_pretty_json().unwrap_or_default();
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        alerts, compare, explain, export, groups, incidents, map, pair, status, throughput_newest, way::Way,
    };
    use super::*;

    #[test]
    fn what_is_described_is_what_is_allowed() {
        let description = serde_json::to_value(Description::openapi()).expect("plain data");
        for (path, allowed) in [
            ("agents", &[][..]),
            ("zones", &[]),
            ("catalogue", &[]),
            ("status", status::ALLOWED),
            ("alerts", alerts::ALLOWED),
            ("incidents", incidents::ALLOWED),
            ("rules", &[]),
            ("silences", &[]),
            ("map", map::ALLOWED),
            ("groups", groups::ALLOWED),
            ("compare", compare::ALLOWED),
            ("series", pair::ALLOWED_SERIES),
            ("heatmap", pair::ALLOWED_HEATMAP),
            ("distribution", pair::ALLOWED_DISTRIBUTION),
            ("explain", explain::ALLOWED),
            ("paths", Way::ALLOWED),
            ("throughput", Way::ALLOWED),
            ("throughput/newest", throughput_newest::ALLOWED),
            ("export", export::ALLOWED),
        ] {
            let parameters = &description["paths"][format!("/api/v1/{path}")]["get"]["parameters"];
            let mut described: Vec<&str> = parameters
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|one| one["name"].as_str())
                .collect();
            let mut allowed = allowed.to_vec();
            described.sort_unstable();
            allowed.sort_unstable();
            assert_eq!(described, allowed, "{path}");
        }
    }

    /// `UPDATE_OPENAPI=1 cargo test -p azimuth-collector openapi` rewrites the file.
    #[test]
    fn openapi_json_is_what_the_code_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(path, Description::json()).expect("the repository is writable");
        }
        let stored = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            stored == Description::json(),
            "collector/openapi.json is stale; run: UPDATE_OPENAPI=1 cargo test -p azimuth-collector openapi"
        );
    }
}
