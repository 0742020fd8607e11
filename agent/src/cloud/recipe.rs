//! How each provider is asked and how its answers are read. Pure. Each recipe is the provider's documented way, by the numeric
//! address of its metadata service, so that no resolver is trusted with it.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use serde_json::Value;

use super::Labels;

/// Longest label.
const MAX_LABEL_BYTES: usize = 63;

/// One provider's metadata service.
#[derive(Debug)]
pub struct Recipe {
    /// Where it is.
    pub address: SocketAddr,
    /// The name it is asked by.
    pub host: &'static str,
    /// What is asked, in order.
    pub requests: &'static [Ask],
}

/// One request.
#[derive(Debug)]
pub struct Ask {
    /// What its answer is called here; [`TOKEN`] stands for `{token}` in later headers.
    pub gives: &'static str,
    /// `GET` or `PUT`.
    pub method: &'static str,
    /// Path and query.
    pub path: &'static str,
    /// Headers.
    pub headers: &'static [(&'static str, &'static str)],
    /// Whether everything else is good without it.
    pub may_fail: bool,
}

/// The answer that later requests carry.
pub const TOKEN: &str = "token";

const LINK_LOCAL: SocketAddr = at(169, 254, 169, 254);

const fn at(a: u8, b: u8, c: u8, d: u8) -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), 80))
}

const fn get(
    gives: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
) -> Ask {
    Ask {
        gives,
        method: "GET",
        path,
        headers,
        may_fail: false,
    }
}

const fn put(path: &'static str, headers: &'static [(&'static str, &'static str)]) -> Ask {
    Ask {
        gives: TOKEN,
        method: "PUT",
        path,
        headers,
        may_fail: false,
    }
}

const fn perhaps(mut ask: Ask) -> Ask {
    ask.may_fail = true;
    ask
}

const fn plain(requests: &'static [Ask]) -> Recipe {
    Recipe {
        address: LINK_LOCAL,
        host: "169.254.169.254",
        requests,
    }
}

const AWS_TOKEN: &[(&str, &str)] = &[("X-aws-ec2-metadata-token", "{token}")];
static AWS: Recipe = plain(&[
    put(
        "/latest/api/token",
        &[("X-aws-ec2-metadata-token-ttl-seconds", "60")],
    ),
    get("region", "/latest/meta-data/placement/region", AWS_TOKEN),
    get(
        "zone",
        "/latest/meta-data/placement/availability-zone-id",
        AWS_TOKEN,
    ),
    get("partition", "/latest/meta-data/services/partition", AWS_TOKEN),
]);

const GOOGLE: &[(&str, &str)] = &[("Metadata-Flavor", "Google")];
static GCP: Recipe = Recipe {
    address: LINK_LOCAL,
    host: "metadata.google.internal",
    requests: &[
        get("zone", "/computeMetadata/v1/instance/zone", GOOGLE),
        perhaps(get(
            "universe",
            "/computeMetadata/v1/universe/universe-domain",
            GOOGLE,
        )),
    ],
};

static AZURE: Recipe = plain(&[get(
    "json",
    "/metadata/instance/compute?api-version=2023-11-15&format=json",
    &[("Metadata", "true")],
)]);

const ALIYUN_TOKEN: &[(&str, &str)] = &[("X-aliyun-ecs-metadata-token", "{token}")];
static ALIBABA: Recipe = Recipe {
    address: at(100, 100, 100, 200),
    host: "100.100.100.200",
    requests: &[
        put(
            "/latest/api/token",
            &[("X-aliyun-ecs-metadata-token-ttl-seconds", "60")],
        ),
        get("region", "/latest/meta-data/region-id", ALIYUN_TOKEN),
        get("zone", "/latest/meta-data/zone-id", ALIYUN_TOKEN),
    ],
};

static OPENSTACK: Recipe = plain(&[get("json", "/openstack/latest/meta_data.json", &[])]);

static SCALEWAY: Recipe = Recipe {
    address: at(169, 254, 42, 42),
    host: "169.254.42.42",
    requests: &[get("json", "/conf?format=json", &[])],
};

static OUTSCALE: Recipe = plain(&[get("zone", "/latest/meta-data/placement/availability-zone", &[])]);

static ORACLE: Recipe = plain(&[get(
    "json",
    "/opc/v2/instance/",
    &[("Authorization", "Bearer Oracle")],
)]);

static HETZNER: Recipe = plain(&[get("zone", "/hetzner/v1/metadata/availability-zone", &[])]);
static EXOSCALE: Recipe = plain(&[get("zone", "/1.0/meta-data/availability-zone", &[])]);
static UPCLOUD: Recipe = plain(&[get("zone", "/metadata/v1/region", &[])]);
static VULTR: Recipe = plain(&[get("json", "/v1.json", &[])]);
static DIGITALOCEAN: Recipe = plain(&[get("json", "/metadata/v1.json", &[])]);

static AKAMAI: Recipe = plain(&[
    put("/v1/token", &[("Metadata-Token-Expiry-Seconds", "60")]),
    get(
        "json",
        "/v1/instance",
        &[("Metadata-Token", "{token}"), ("Accept", "application/json")],
    ),
]);

static IBM: Recipe = plain(&[
    put(
        "/instance_identity/v1/token?version=2022-03-01",
        &[("Metadata-Flavor", "ibm")],
    ),
    get(
        "json",
        "/metadata/v1/instance?version=2022-03-01",
        &[("Authorization", "Bearer {token}")],
    ),
]);

static TENCENT: Recipe = Recipe {
    address: at(169, 254, 0, 23),
    host: "metadata.tencentyun.com",
    requests: &[
        get("region", "/latest/meta-data/placement/region", &[]),
        get("zone", "/latest/meta-data/placement/zone", &[]),
    ],
};

impl Recipe {
    /// The recipe of a provider, by its key in the catalogue.
    #[must_use]
    pub fn of(provider: &str) -> Option<&'static Self> {
        Some(match provider {
            "aws" | "aws-eusc" => &AWS,
            "gcp" | "s3ns" => &GCP,
            "azure" => &AZURE,
            "alibaba" => &ALIBABA,
            "ovhcloud" | "otc" | "huawei" | "flexible-engine" | "infomaniak" | "stackit" => &OPENSTACK,
            "scaleway" => &SCALEWAY,
            "outscale" => &OUTSCALE,
            "oracle" => &ORACLE,
            "hetzner" => &HETZNER,
            "exoscale" => &EXOSCALE,
            "upcloud" => &UPCLOUD,
            "vultr" => &VULTR,
            "akamai" => &AKAMAI,
            "digitalocean" => &DIGITALOCEAN,
            "ibm" => &IBM,
            "tencent" => &TENCENT,
            _ => return None,
        })
    }
}

/// The token in its answer: the whole of it, or `access_token` where it is JSON.
#[must_use]
pub fn token(answer: &str) -> String {
    let json: Option<Value> = serde_json::from_str(answer).ok();
    let inner = json.as_ref().and_then(|json| json["access_token"].as_str());
    inner.unwrap_or(answer).trim().to_owned()
}

/// What the answers say; `None` where they name nothing.
#[must_use]
pub fn read(provider: &str, answers: &HashMap<&'static str, String>) -> Option<Labels> {
    let plain = |name: &str| answers.get(name).and_then(|text| label(text));
    let json: Value = answers
        .get("json")
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or(Value::Null);
    let field = |pointer: &str| json.pointer(pointer).and_then(Value::as_str).and_then(label);
    let zone = plain("zone");
    let (provider, region, zone) = match provider {
        "aws" | "aws-eusc" => {
            let partition = plain("partition");
            let provider = if partition.as_deref() == Some("aws-eusc") {
                "aws-eusc"
            } else {
                "aws"
            };
            (provider, plain("region"), zone)
        }
        "gcp" | "s3ns" => {
            let path = answers.get("zone")?;
            let zone = label(path.rsplit('/').next()?)?;
            let provider = match answers.get("universe").map(|universe| universe.trim()) {
                None | Some("" | "googleapis.com") if !zone.starts_with("u-") => "gcp",
                Some(universe) if universe.contains("s3ns") => "s3ns",
                // Another universe: no catalogue of ours knows its zones.
                _ => return None,
            };
            (provider, before_last_dash(&zone), Some(zone))
        }
        "azure" => ("azure", field("/location"), field("/physicalZone")),
        "alibaba" => ("alibaba", plain("region"), zone),
        "scaleway" => {
            let zone = field("/zone");
            ("scaleway", zone.as_deref().and_then(before_last_dash), zone)
        }
        // The letter of a subregion is shuffled for each account, so it names no physical zone.
        "outscale" => {
            let region = zone.map(|zone| {
                zone.trim_end_matches(|last: char| last.is_ascii_lowercase())
                    .to_owned()
            });
            ("outscale", region.filter(|region| !region.is_empty()), None)
        }
        "oracle" => ("oracle", field("/canonicalRegionName"), field("/ociAdName")),
        "hetzner" => {
            let region = zone.as_deref().and_then(|zone| label(zone.split('-').next()?));
            ("hetzner", region, zone)
        }
        "exoscale" => ("exoscale", zone.clone(), zone),
        "upcloud" => ("upcloud", zone.clone(), zone),
        "vultr" => {
            let region = field("/region/regioncode");
            ("vultr", region.clone(), region)
        }
        "akamai" => ("akamai", field("/region"), field("/region")),
        "digitalocean" => ("digitalocean", field("/region"), field("/region")),
        "ibm" => {
            let zone = field("/zone/name");
            ("ibm", zone.as_deref().and_then(before_last_dash), zone)
        }
        "tencent" => ("tencent", plain("region"), zone),
        provider => {
            // OpenStack: "nova" is the name of a zone that nobody named.
            let zone = field("/availability_zone").filter(|zone| zone != "nova");
            let region = field("/region_id").or_else(|| zone.as_deref().and_then(before_last_dash));
            (provider, region, zone)
        }
    };
    if region.is_none() && zone.is_none() {
        return None;
    }
    Some(Labels {
        provider: Some(provider.to_owned()),
        region,
        zone,
    })
}

/// A region or zone in lower case; `None` for what cannot be one. It goes into names and log lines.
fn label(text: &str) -> Option<String> {
    let text = text.trim();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let fits = (1..=MAX_LABEL_BYTES).contains(&text.len()) && text.bytes().all(allowed);
    fits.then(|| text.to_ascii_lowercase())
}

fn before_last_dash(zone: &str) -> Option<String> {
    zone.rsplit_once('-').map(|(region, _)| region.to_owned())
}
