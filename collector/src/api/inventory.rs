//! What there is: `GET /api/v1/agents` and `GET /api/v1/zones`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::{Extension, RawQuery, State};
use axum::response::{IntoResponse, Response};
use azimuth_measurement::ZoneKey;
use azimuth_measurement::catalogue::Catalogue;

use super::answers::{AgentAnswer, AgentsAnswer, CloudAnswer, VantagePointAnswer, ZoneAnswer, ZonesAnswer};
use super::context::Context;
use super::params::Params;
use super::reply::Reply;
use crate::access::gate::Asker;
use crate::problem::Problem;
use crate::query::QueryError;
use crate::status::fleet::freshness;
use crate::store::{AgentStatus, Dictionary};
use crate::utc::UtcInstant;
use crate::words::MethodName;

/// Every agent ever heard, and how it fares.
#[utoipa::path(
    get,
    path = "/api/v1/agents",
    tag = "query",
    responses(
        (status = 200, description = "Every agent ever heard, and how it fares.", body = AgentsAnswer),
        (status = 400, description = "A parameter is missing, unknown, repeated or out of range; the detail says what is allowed.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many queries at once, or the store cannot be read; `Retry-After` says when to try again.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn agents(
    State(context): State<Arc<Context>>,
    Extension(asker): Extension<Asker>,
    RawQuery(query): RawQuery,
) -> Response {
    if let Err(problem) = Params::read(query.as_deref(), &[]) {
        return context.refuse("agents", problem).into_response();
    }
    let now_unix_ms = (context.now_unix_ms)();
    let is_blurred = matches!(asker, Asker::Anybody { is_public: true });
    context
        .answer("agents", move |context, _| {
            let statuses = context.store.agents().map_err(QueryError::from)?;
            let dictionary = context.store.dictionary();
            Reply::whole(&AgentsAnswer {
                now: UtcInstant::from_unix_ms(now_unix_ms),
                agents: statuses
                    .iter()
                    .map(|status| agent_answer(status, &dictionary, now_unix_ms))
                    .map(|answer| if is_blurred { blurred(answer) } else { answer })
                    .collect(),
            })
        })
        .await
}

/// As everybody may see it: where an agent stands to about a kilometre. Rounded, because whatever is added can be taken away
/// again by who learns how.
fn blurred(mut answer: AgentAnswer) -> AgentAnswer {
    let hundredth = |degrees: f64| (degrees * 100.0).round() / 100.0;
    answer.vantage_point.latitude = hundredth(answer.vantage_point.latitude);
    answer.vantage_point.longitude = hundredth(answer.vantage_point.longitude);
    answer
}

fn agent_answer(status: &AgentStatus, dictionary: &Dictionary, now_unix_ms: u64) -> AgentAnswer {
    let series = status.manifest.series.len();
    let waiting = dictionary
        .manifest_of(&status.agent, status.manifest_id)
        .map_or(0, |known| known.waiting().count());
    let place = &status.manifest.vantage_point;
    AgentAnswer {
        agent: status.agent.to_string(),
        version: status.manifest.agent_version.clone(),
        vantage_point: VantagePointAnswer {
            name: place.name.clone(),
            country: place.country.clone(),
            city: place.city.clone(),
            network: place.network.clone(),
            asn: place.asn,
            latitude: place.latitude_deg,
            longitude: place.longitude_deg,
        },
        cloud: CloudAnswer::of(&status.manifest.cloud),
        state: freshness(status.last_report_at_unix_ms, now_unix_ms),
        last_report_at: UtcInstant::from_unix_ms(status.last_report_at_unix_ms),
        last_interval_end_at: UtcInstant::from_unix_ms(status.last_interval_end_unix_ms),
        clock_skew_ms: status.clock_skew_ms,
        series: u32::try_from(series).unwrap_or(u32::MAX),
        series_admitted: u32::try_from(series - waiting.min(series)).unwrap_or(u32::MAX),
        reports_stored: status.reports_stored,
        send_lateness_p99_us: status.send_lateness_p99_us,
        plan: status.plan.as_ref().map(Into::into),
        identity_conflicts: status.identity_conflicts,
        last_identity_conflict_at: status
            .last_identity_conflict_at_unix_ms
            .map(UtcInstant::from_unix_ms),
    }
}

/// Every zone that is measured, joined with the catalogue.
#[utoipa::path(
    get,
    path = "/api/v1/zones",
    tag = "query",
    responses(
        (status = 200, description = "Every zone that is measured, joined with the catalogue.", body = ZonesAnswer),
        (status = 400, description = "A parameter is missing, unknown, repeated or out of range; the detail says what is allowed.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many queries at once, or the store cannot be read; `Retry-After` says when to try again.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn zones(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    if let Err(problem) = Params::read(query.as_deref(), &[]) {
        return context.refuse("zones", problem).into_response();
    }
    context
        .answer("zones", |context, _| {
            Reply::whole(&zones_answer(&context.store.dictionary(), &context.catalogue))
        })
        .await
}

fn zones_answer(dictionary: &Dictionary, catalogue: &Catalogue) -> ZonesAnswer {
    let mut methods: BTreeMap<&ZoneKey, BTreeSet<MethodName>> = BTreeMap::new();
    for (_, series) in dictionary.series() {
        let of_zone = methods.entry(&series.descriptor.zone).or_default();
        of_zone.insert(series.descriptor.method.into());
    }
    let zones = methods.into_iter().map(|(key, methods)| {
        let known = catalogue.zone(key);
        ZoneAnswer {
            zone: key.to_string(),
            provider: key.provider().to_owned(),
            provider_name: known.map(|zone| zone.provider_name.clone()),
            region: key.region().to_owned(),
            region_name: known.map(|zone| zone.region_name.clone()),
            zone_id: key.zone().to_owned(),
            country: known.map(|zone| zone.country.clone()),
            city: known.map(|zone| zone.city.clone()),
            metro: known.map_or_else(|| key.region().to_owned(), |zone| zone.metro.clone()),
            latitude: known.map(|zone| zone.latitude_deg),
            longitude: known.map(|zone| zone.longitude_deg),
            coordinate_accuracy_km: known.map(|zone| zone.coordinate_accuracy_km),
            methods: methods.into_iter().collect(),
        }
    });
    ZonesAnswer {
        zones: zones.collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::conformance::manifest_of;

    #[test]
    fn an_agent_says_how_many_of_its_series_are_admitted() {
        use crate::store::conformance::{T0, item, report_of, verified};
        use crate::store::memory::MemoryStore;
        use crate::store::{SeriesLimits, Store as _};
        let store = MemoryStore::limited(SeriesLimits {
            series_per_agent: 2,
            ..SeriesLimits::NONE
        });
        let manifest = manifest_of("a", 5);
        let report = item(&report_of(&manifest, 1, 0, &[500]));
        store.commit(&[verified(&manifest)], &[report]).expect("writable");
        let status = &store.agents().expect("readable")[0];
        let answer = agent_answer(status, &store.dictionary(), T0);
        assert_eq!((answer.series_admitted, answer.series), (2, 5));
    }

    #[test]
    fn a_zone_of_the_catalogue_has_a_place_and_another_has_its_region() {
        let catalogue = Catalogue::built_in();
        let known = catalogue.zones()[0].clone();
        let mut manifest = manifest_of("a", 2);
        manifest.series[0].zone = known.key.clone();
        let mut dictionary = Dictionary::default();
        let number = dictionary.add_agent(&manifest.agent).expect("room");
        let id = manifest.id();
        dictionary.add_manifest(number, id, Arc::new(manifest), 0);
        dictionary.admit(number, id, &[0, 1], 2, 0);
        let zones = zones_answer(&dictionary, &catalogue).zones;
        let of = |zone: &str| zones.iter().find(|answer| answer.zone == zone).expect("measured");
        assert_eq!(of(&known.key.to_string()).metro, known.metro);
        let unknown = of("aws/eu-west-3/az1");
        assert_eq!((unknown.metro.as_str(), &unknown.city), ("eu-west-3", &None));
        assert_eq!(unknown.methods, [MethodName::Stamp]);
    }
}
