//! The rows of a catalogue as they are written, and what is wrong with them.

use serde::Deserialize;
use toml::Spanned;

use super::{
    Catalogue, CatalogueEndpoint, CatalogueError, CatalogueProvider, CatalogueZone, Ownership,
    POLITE_PERIOD_MS, Qualification, ZoneConfidence,
};
use crate::method::{Granularity, Method};
use crate::zone::ZoneKey;

/// No endpoint more often than this, whoever owns it, in milliseconds: what an agent may be configured to.
const LEAST_PERIOD_MS: u32 = 10;
/// Nor more seldom than this.
const GREATEST_PERIOD_MS: u32 = 3_600_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    provider: Vec<Spanned<Provider>>,
    #[serde(default)]
    region: Vec<Spanned<Region>>,
    #[serde(default)]
    endpoint: Vec<Spanned<Endpoint>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Provider {
    id: String,
    name: String,
    operator_country: Option<String>,
    parent_country: Option<String>,
    #[serde(default)]
    countries_as_of: String,
    #[serde(default = "of_the_user")]
    countries_confidence: ZoneConfidence,
    #[serde(default)]
    countries_source: String,
    #[serde(default)]
    qualification: Vec<Qualification>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Region {
    provider: String,
    id: String,
    #[serde(default)]
    hidden: bool,
    #[serde(default)]
    name: String,
    #[serde(default)]
    country: String,
    #[serde(default)]
    city: String,
    #[serde(default)]
    metro: String,
    #[serde(default)]
    latitude: f64,
    #[serde(default)]
    longitude: f64,
    #[serde(default)]
    coordinate_accuracy_km: f64,
    #[serde(default)]
    zones: Vec<String>,
    #[serde(default = "of_the_user")]
    zone_confidence: ZoneConfidence,
    #[serde(default)]
    as_of: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    coordinate_source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Endpoint {
    provider: String,
    region: String,
    zone: Option<String>,
    host: String,
    port: u16,
    #[serde(default)]
    hidden: bool,
    granularity: Option<String>,
    #[serde(default)]
    methods: Vec<String>,
    #[serde(default)]
    ownership: Ownership,
    #[serde(default)]
    consent: bool,
    #[serde(default = "polite")]
    least_period_ms: u32,
    #[serde(default = "of_the_user")]
    confidence: ZoneConfidence,
    #[serde(default)]
    as_of: String,
    #[serde(default)]
    source: String,
}

/// Who writes a row of their own knows it.
fn of_the_user() -> ZoneConfidence {
    ZoneConfidence::Verified
}

fn polite() -> u32 {
    POLITE_PERIOD_MS
}

/// `text` over `catalogue`.
pub(super) fn lay_over(mut catalogue: Catalogue, text: &str) -> Result<Catalogue, CatalogueError> {
    let file: File = toml::from_str(text)?;
    let at = |start: usize| {
        text.get(..start)
            .map_or(1, |before| before.matches('\n').count() + 1)
    };
    for row in file.provider {
        let line = at(row.span().start);
        put_provider(&mut catalogue, row.into_inner()).map_err(|what| CatalogueError::Row { line, what })?;
    }
    let mut regions = Vec::new();
    for row in file.region {
        let (line, region) = (at(row.span().start), row.into_inner());
        let wrong = |what| CatalogueError::Row { line, what };
        let key = (region.provider.clone(), region.id.clone());
        if regions.contains(&key) {
            return Err(wrong(format!(
                "region {}/{} is listed twice; keep one",
                key.0, key.1
            )));
        }
        put_region(&mut catalogue, &region).map_err(wrong)?;
        regions.push(key);
    }
    for row in file.endpoint {
        let line = at(row.span().start);
        put_endpoint(&mut catalogue, row.into_inner()).map_err(|what| CatalogueError::Row { line, what })?;
    }
    Ok(catalogue)
}

fn put_provider(catalogue: &mut Catalogue, row: Provider) -> Result<(), String> {
    // A zone key is stricter about providers than about anything else.
    ZoneKey::new(&row.id, "region", "zone").map_err(|error| error.to_string())?;
    for country in row.operator_country.iter().chain(&row.parent_country) {
        check_country(country).map_err(|what| format!("provider {}: {what}", row.id))?;
    }
    let provider = CatalogueProvider {
        id: row.id,
        name: row.name,
        operator_country: row.operator_country,
        parent_country: row.parent_country,
        countries_as_of: row.countries_as_of,
        countries_confidence: row.countries_confidence,
        countries_source: row.countries_source,
        qualifications: row.qualification,
    };
    match catalogue
        .providers
        .iter_mut()
        .find(|known| known.id == provider.id)
    {
        Some(known) => *known = provider,
        None => catalogue.providers.push(provider),
    }
    Ok(())
}

fn put_region(catalogue: &mut Catalogue, row: &Region) -> Result<(), String> {
    let name = format!("{}/{}", row.provider, row.id);
    let Some(provider) = catalogue
        .provider(&row.provider)
        .map(|provider| provider.name.clone())
    else {
        return Err(format!(
            "region {name} names a provider that has no [[provider]] entry; add one"
        ));
    };
    let in_region = |what: String| format!("region {name}: {what}");
    let of_region = |zone: &CatalogueZone| zone.key.provider() == row.provider && zone.key.region() == row.id;
    let place = catalogue.zones.iter().position(of_region);
    catalogue.zones.retain(|zone| !of_region(zone));
    if row.hidden {
        let before = catalogue.endpoints.len();
        catalogue
            .endpoints
            .retain(|endpoint| (&endpoint.provider, &endpoint.region) != (&row.provider, &row.id));
        return if place.is_some() || before > catalogue.endpoints.len() {
            Ok(())
        } else {
            Err(in_region("hides nothing; is the id right?".into()))
        };
    }
    check_country(&row.country).map_err(&in_region)?;
    for (what, text) in [("name", &row.name), ("city", &row.city), ("metro", &row.metro)] {
        if text.is_empty() {
            return Err(in_region(format!("{what} is missing; add it")));
        }
    }
    for (what, given, bound) in [
        ("latitude", row.latitude, 90.0),
        ("longitude", row.longitude, 180.0),
    ] {
        if !(-bound..=bound).contains(&given) {
            return Err(in_region(format!(
                "{what} {given} is not within -{bound} to {bound}"
            )));
        }
    }
    if row.coordinate_accuracy_km.is_nan() || row.coordinate_accuracy_km <= 0.0 {
        return Err(in_region("coordinate_accuracy_km must be more than 0".into()));
    }
    let mut zones: Vec<CatalogueZone> = Vec::with_capacity(row.zones.len());
    for zone in &row.zones {
        let key = ZoneKey::new(&row.provider, &row.id, zone).map_err(|error| in_region(error.to_string()))?;
        if zones.iter().any(|known| known.key == key) {
            return Err(in_region(format!("zone {key} is listed twice; keep one")));
        }
        zones.push(CatalogueZone {
            key,
            provider_name: provider.clone(),
            region_name: row.name.clone(),
            country: row.country.clone(),
            city: row.city.clone(),
            metro: row.metro.clone(),
            latitude_deg: row.latitude,
            longitude_deg: row.longitude,
            coordinate_accuracy_km: row.coordinate_accuracy_km,
            confidence: row.zone_confidence,
            as_of: row.as_of.clone(),
            source: row.source.clone(),
            coordinate_source: row.coordinate_source.clone(),
        });
    }
    if zones.is_empty() {
        return Err(in_region(
            "has no zones; a region without any is one zone of its own name".into(),
        ));
    }
    let place = place.unwrap_or(catalogue.zones.len());
    catalogue.zones.splice(place..place, zones);
    Ok(())
}

fn put_endpoint(catalogue: &mut Catalogue, row: Endpoint) -> Result<(), String> {
    let at = format!("{}:{}", row.host, row.port);
    let wrong = |what: &str| Err(format!("endpoint {at}: {what}"));
    let is_host = !row.host.is_empty()
        && row.host.len() <= 253
        && row
            .host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte));
    if !is_host {
        return Err(format!(
            "endpoint {:?} is neither a host name nor an address; write it without scheme and path",
            row.host
        ));
    }
    if row.port == 0 {
        return Err(format!(
            "endpoint {}: port 0 is none; use 443, for example",
            row.host
        ));
    }
    let same = |known: &CatalogueEndpoint| {
        (&known.provider, &known.region, &known.host, known.port)
            == (&row.provider, &row.region, &row.host, row.port)
    };
    let place = catalogue.endpoints.iter().position(same);
    if row.hidden {
        return match place {
            Some(place) => {
                catalogue.endpoints.remove(place);
                Ok(())
            }
            None => wrong("hides nothing; are region, host and port right?"),
        };
    }
    if catalogue.zones_of(&row.provider, &row.region).next().is_none() {
        return wrong(&format!(
            "there is no region {}/{}; add a [[region]]",
            row.provider, row.region
        ));
    }
    let granularity: Granularity = match row.granularity.as_deref().map(str::parse) {
        Some(Ok(granularity)) => granularity,
        Some(Err(error)) => return wrong(&error.to_string()),
        None => return wrong("granularity is missing; use zone, region or campus"),
    };
    if (granularity == Granularity::Zone) != row.zone.is_some() {
        return wrong("granularity \"zone\" and the key `zone` need each other");
    }
    if let Some(zone) = &row.zone {
        match ZoneKey::new(&row.provider, &row.region, zone) {
            Ok(key) if catalogue.zone(&key).is_some() => {}
            Ok(key) => return wrong(&format!("there is no zone {key}")),
            Err(error) => return wrong(&error.to_string()),
        }
    }
    let methods: Vec<Method> = match row.methods.iter().map(|method| method.parse()).collect() {
        Ok(methods) => methods,
        Err(error) => {
            let error: crate::method::UnknownName = error;
            return wrong(&error.to_string());
        }
    };
    if methods.is_empty() {
        return wrong("methods is missing; use [\"tcp_connect\"], for example");
    }
    let least_period_ms = match row.ownership {
        Ownership::Own => LEAST_PERIOD_MS,
        _ => POLITE_PERIOD_MS,
    };
    if !(least_period_ms..=GREATEST_PERIOD_MS).contains(&row.least_period_ms) {
        let which = if row.least_period_ms > GREATEST_PERIOD_MS {
            "too seldom"
        } else {
            "too often"
        };
        return wrong(&format!(
            "least_period_ms {} is {which}; use {least_period_ms} to {GREATEST_PERIOD_MS}, or ownership = \"own\" if it is yours",
            row.least_period_ms
        ));
    }
    let endpoint = CatalogueEndpoint {
        provider: row.provider,
        region: row.region,
        zone: row.zone,
        host: row.host,
        port: row.port,
        granularity,
        methods,
        ownership: row.ownership,
        consent: row.consent || row.ownership == Ownership::ThirdParty,
        least_period_ms: row.least_period_ms,
        confidence: row.confidence,
        as_of: row.as_of,
        source: row.source,
    };
    match place.and_then(|place| catalogue.endpoints.get_mut(place)) {
        Some(known) => *known = endpoint,
        None => catalogue.endpoints.push(endpoint),
    }
    Ok(())
}

fn check_country(country: &str) -> Result<(), String> {
    if country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase()) {
        Ok(())
    } else {
        Err(format!(
            "{country:?} is not a country; use two upper-case letters (ISO 3166-1 alpha-2)"
        ))
    }
}
