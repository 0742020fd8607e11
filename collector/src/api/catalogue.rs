//! `GET /api/v1/catalogue`: what is known of providers, zones and public endpoints, each fact with its date and source. Not what is
//! measured (that is `zones`), and no judgement: a qualification says what was read, where and when.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use azimuth_measurement::catalogue::{
    Catalogue, CatalogueEndpoint, CatalogueProvider, CatalogueZone, Ownership, Qualification, ZoneConfidence,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::context::Context;
use super::params::Params;
use super::reply::Reply;
use crate::problem::Problem;
use crate::words::{GranularityName, MethodName};

/// How sure a fact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ConfidenceName {
    /// Read in the provider's documentation or SDK, or in the issuer's list.
    Verified,
    /// A verified pattern applied to this region.
    Derived,
    /// Seen in public lists only.
    Reported,
    /// Neither; replace when known.
    Guessed,
}

impl From<ZoneConfidence> for ConfidenceName {
    fn from(confidence: ZoneConfidence) -> Self {
        match confidence {
            ZoneConfidence::Verified => Self::Verified,
            ZoneConfidence::Derived => Self::Derived,
            ZoneConfidence::Reported => Self::Reported,
            ZoneConfidence::Guessed => Self::Guessed,
        }
    }
}

/// Whose an endpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum OwnershipName {
    /// The provider's, meant for its customers.
    Provider,
    /// Somebody else's.
    ThirdParty,
    /// The user's.
    Own,
}

impl From<Ownership> for OwnershipName {
    fn from(ownership: Ownership) -> Self {
        match ownership {
            Ownership::Provider => Self::Provider,
            Ownership::ThirdParty => Self::ThirdParty,
            Ownership::Own => Self::Own,
        }
    }
}

/// What was read about one certification on one day.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct QualificationAnswer {
    /// For example `SecNumCloud`.
    pub scheme: String,
    /// For example `held`, `not held`, `in progress`.
    pub status: String,
    /// What it covers; empty for all.
    pub scope: String,
    /// The day it was read, `YYYY-MM-DD`.
    pub as_of: String,
    /// How sure it is.
    pub confidence: ConfidenceName,
    /// Where it was read.
    pub source: String,
}

impl From<&Qualification> for QualificationAnswer {
    fn from(one: &Qualification) -> Self {
        Self {
            scheme: one.scheme.clone(),
            status: one.status.clone(),
            scope: one.scope.clone(),
            as_of: one.as_of.clone(),
            confidence: one.confidence.into(),
            source: one.source.clone(),
        }
    }
}

/// Who sells zones, and under whose law.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct CatalogueProviderAnswer {
    /// Provider id.
    pub provider: String,
    /// Provider name.
    pub name: String,
    /// Where the company that runs it sits, ISO 3166-1 alpha-2; null where it is not known.
    #[schema(required)]
    pub operator_country: Option<String>,
    /// Where the company that owns that one in the end sits.
    #[schema(required)]
    pub parent_country: Option<String>,
    /// The day the two countries were read, `YYYY-MM-DD`; empty for a row of the user's own.
    pub countries_as_of: String,
    /// How sure they are.
    pub countries_confidence: ConfidenceName,
    /// Where they were read.
    pub countries_source: String,
    /// What it was certified for, or not.
    pub qualifications: Vec<QualificationAnswer>,
}

impl From<&CatalogueProvider> for CatalogueProviderAnswer {
    fn from(one: &CatalogueProvider) -> Self {
        Self {
            provider: one.id.clone(),
            name: one.name.clone(),
            operator_country: one.operator_country.clone(),
            parent_country: one.parent_country.clone(),
            countries_as_of: one.countries_as_of.clone(),
            countries_confidence: one.countries_confidence.into(),
            countries_source: one.countries_source.clone(),
            qualifications: one.qualifications.iter().map(Into::into).collect(),
        }
    }
}

/// One zone, measured or not.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct CatalogueZoneAnswer {
    /// `provider/region/zone`, as everywhere.
    pub zone: String,
    /// Provider id.
    pub provider: String,
    /// Region name.
    pub region_name: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// City or nearest town.
    pub city: String,
    /// Metropolitan area to group by.
    pub metro: String,
    /// How far off the coordinates may be, in kilometres.
    pub coordinate_accuracy_km: f64,
    /// How sure the zone id is.
    pub confidence: ConfidenceName,
    /// The day its region was read, `YYYY-MM-DD`; empty for a row of the user's own.
    pub as_of: String,
    /// Where the region and its zones were read.
    pub source: String,
    /// Where the coordinates were read.
    pub coordinate_source: String,
}

impl From<&CatalogueZone> for CatalogueZoneAnswer {
    fn from(one: &CatalogueZone) -> Self {
        Self {
            zone: one.key.to_string(),
            provider: one.key.provider().to_owned(),
            region_name: one.region_name.clone(),
            country: one.country.clone(),
            city: one.city.clone(),
            metro: one.metro.clone(),
            coordinate_accuracy_km: one.coordinate_accuracy_km,
            confidence: one.confidence.into(),
            as_of: one.as_of.clone(),
            source: one.source.clone(),
            coordinate_source: one.coordinate_source.clone(),
        }
    }
}

/// An address in a region that answers the public.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct CatalogueEndpointAnswer {
    /// Provider id.
    pub provider: String,
    /// Region id, as the provider writes it.
    pub region: String,
    /// The one zone it stands in, where that is known.
    #[schema(required)]
    pub zone_id: Option<String>,
    /// A name or an address.
    pub host: String,
    /// Where it answers.
    pub port: u16,
    /// How finely it is known.
    pub granularity: GranularityName,
    /// What may be measured there.
    pub methods: Vec<MethodName>,
    /// Whose it is.
    pub ownership: OwnershipName,
    /// Not to be measured without the word of whoever owns it.
    pub consent: bool,
    /// Never more often than this, in milliseconds.
    pub least_period_ms: u32,
    /// How sure it is.
    pub confidence: ConfidenceName,
    /// The day it was read, `YYYY-MM-DD`.
    pub as_of: String,
    /// Where it was read.
    pub source: String,
}

impl From<&CatalogueEndpoint> for CatalogueEndpointAnswer {
    fn from(one: &CatalogueEndpoint) -> Self {
        Self {
            provider: one.provider.clone(),
            region: one.region.clone(),
            zone_id: one.zone.clone(),
            host: one.host.clone(),
            port: one.port,
            granularity: one.granularity.into(),
            methods: one.methods.iter().map(|method| (*method).into()).collect(),
            ownership: one.ownership.into(),
            consent: one.consent,
            least_period_ms: one.least_period_ms,
            confidence: one.confidence.into(),
            as_of: one.as_of.clone(),
            source: one.source.clone(),
        }
    }
}

/// `GET /api/v1/catalogue`
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct CatalogueAnswer {
    /// Every provider, as written.
    pub providers: Vec<CatalogueProviderAnswer>,
    /// Every zone, as written.
    pub zones: Vec<CatalogueZoneAnswer>,
    /// Every public endpoint; of one region, the one to begin with first.
    pub endpoints: Vec<CatalogueEndpointAnswer>,
}

impl From<&Catalogue> for CatalogueAnswer {
    fn from(catalogue: &Catalogue) -> Self {
        Self {
            providers: catalogue.providers().iter().map(Into::into).collect(),
            zones: catalogue.zones().iter().map(Into::into).collect(),
            endpoints: catalogue.endpoints().iter().map(Into::into).collect(),
        }
    }
}

/// What is known of providers, zones and public endpoints, with dates and sources.
#[utoipa::path(
    get,
    path = "/api/v1/catalogue",
    tag = "query",
    responses(
        (status = 200, description = "What is known of providers, zones and public endpoints, with dates and sources.", body = CatalogueAnswer),
        (status = 400, description = "It has no parameters.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many queries at once; `Retry-After` says when to try again.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn catalogue(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    if let Err(problem) = Params::read(query.as_deref(), &[]) {
        return context.refuse("catalogue", problem).into_response();
    }
    context
        .answer("catalogue", |context, _| {
            Reply::whole(&CatalogueAnswer::from(&context.catalogue))
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_about_a_provider_goes_out_with_its_date_and_source() {
        let catalogue = Catalogue::built_in();
        let answer = CatalogueAnswer::from(&catalogue);
        assert_eq!(answer.providers.len(), catalogue.providers().len());
        assert_eq!(answer.zones.len(), catalogue.zones().len());
        assert_eq!(answer.endpoints.len(), catalogue.endpoints().len());
        let aws = answer
            .providers
            .iter()
            .find(|one| one.provider == "aws")
            .expect("it is shipped");
        assert_eq!(aws.parent_country.as_deref(), Some("US"));
        let held = aws.qualifications.first().expect("it is shipped");
        assert_eq!((held.scheme.as_str(), held.as_of.len()), ("C5", 10));
        assert_eq!(
            (held.confidence, held.source.as_str()),
            (ConfidenceName::Guessed, "from memory")
        );
        for one in answer
            .providers
            .iter()
            .flat_map(|provider| &provider.qualifications)
        {
            assert!(one.as_of.len() == 10 && !one.source.is_empty(), "{}", one.scheme);
        }
    }
}
