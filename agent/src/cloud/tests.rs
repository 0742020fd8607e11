//! Each provider's metadata service, played on loopback: it answers what is asked the documented way and nothing else.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Method, path, a header that must be there, and the answer.
type Line = (&'static str, &'static str, &'static str, &'static str);

struct Stub {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

fn play(lines: &'static [Line]) -> Stub {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            counted.fetch_add(1, Ordering::Relaxed);
            let mut head = BufReader::new(&stream).lines().map_while(Result::ok);
            let first = head.next().unwrap_or_default();
            let headers: Vec<String> = head.take_while(|line| !line.is_empty()).collect();
            let found = lines.iter().find(|(method, path, header, _)| {
                first == format!("{method} {path} HTTP/1.1")
                    && (header.is_empty() || headers.iter().any(|given| given.eq_ignore_ascii_case(header)))
            });
            let (status, body) = found.map_or(("404 Not Found", ""), |line| ("200 OK", line.3));
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
        }
    });
    Stub { address, asked }
}

fn run(dmi: &Dmi, given: Labels, stub: &Stub) -> Result<Labels, LocateError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .expect("a runtime")
        .block_on(locate(dmi, given, Some(stub.address)))
}

fn labels(provider: &str, region: &str, zone: &str) -> Labels {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Labels {
        provider: some(provider),
        region: some(region),
        zone: some(zone),
    }
}

fn vendor(sys_vendor: &str) -> Dmi {
    Dmi {
        sys_vendor: sys_vendor.to_owned(),
        ..Dmi::default()
    }
}

fn product(product_name: &str) -> Dmi {
    Dmi {
        product_name: product_name.to_owned(),
        ..Dmi::default()
    }
}

fn chassis(chassis_asset_tag: &str) -> Dmi {
    Dmi {
        chassis_asset_tag: chassis_asset_tag.to_owned(),
        ..Dmi::default()
    }
}

/// The OpenStack names that prove no provider: only with what a person said.
fn nova() -> Dmi {
    product("OpenStack Nova")
}

const AWS: &[Line] = &[
    (
        "PUT",
        "/latest/api/token",
        "x-aws-ec2-metadata-token-ttl-seconds: 60",
        "t0k",
    ),
    (
        "GET",
        "/latest/meta-data/placement/region",
        "x-aws-ec2-metadata-token: t0k",
        "eu-west-3",
    ),
    (
        "GET",
        "/latest/meta-data/placement/availability-zone-id",
        "x-aws-ec2-metadata-token: t0k",
        "euw3-az1",
    ),
    (
        "GET",
        "/latest/meta-data/services/partition",
        "x-aws-ec2-metadata-token: t0k",
        "aws",
    ),
];
const AWS_EUSC: &[Line] = &[
    ("PUT", "/latest/api/token", "", "t0k"),
    ("GET", "/latest/meta-data/placement/region", "", "eusc-de-east-1"),
    (
        "GET",
        "/latest/meta-data/placement/availability-zone-id",
        "",
        "eusce1-az1",
    ),
    ("GET", "/latest/meta-data/services/partition", "", "aws-eusc"),
];
const GCP: &[Line] = &[
    (
        "GET",
        "/computeMetadata/v1/instance/zone",
        "metadata-flavor: Google",
        "projects/7/zones/europe-west9-a",
    ),
    (
        "GET",
        "/computeMetadata/v1/universe/universe-domain",
        "metadata-flavor: Google",
        "googleapis.com",
    ),
];
const GCP_OLD: &[Line] = &[(
    "GET",
    "/computeMetadata/v1/instance/zone",
    "",
    "projects/7/zones/europe-west9-a",
)];
const S3NS: &[Line] = &[
    (
        "GET",
        "/computeMetadata/v1/instance/zone",
        "",
        "projects/7/zones/u-france-east1-a",
    ),
    (
        "GET",
        "/computeMetadata/v1/universe/universe-domain",
        "",
        "s3nsapis.fr",
    ),
];
const AZURE: &[Line] = &[(
    "GET",
    "/metadata/instance/compute?api-version=2023-11-15&format=json",
    "metadata: true",
    r#"{"location":"francecentral","zone":"2","physicalZone":"francecentral-AZ1"}"#,
)];
const ALIBABA: &[Line] = &[
    (
        "PUT",
        "/latest/api/token",
        "x-aliyun-ecs-metadata-token-ttl-seconds: 60",
        "t0k",
    ),
    (
        "GET",
        "/latest/meta-data/region-id",
        "x-aliyun-ecs-metadata-token: t0k",
        "eu-central-1",
    ),
    (
        "GET",
        "/latest/meta-data/zone-id",
        "x-aliyun-ecs-metadata-token: t0k",
        "eu-central-1a",
    ),
];
const OPENSTACK: &str = "/openstack/latest/meta_data.json";
const OVH: &[Line] = &[("GET", OPENSTACK, "", r#"{"availability_zone":"eu-west-par-a"}"#)];
const OVH_ONE_ZONE: &[Line] = &[("GET", OPENSTACK, "", r#"{"availability_zone":"nova"}"#)];
const OTC: &[Line] = &[(
    "GET",
    OPENSTACK,
    "",
    r#"{"availability_zone":"eu-de-01","region_id":"eu-de"}"#,
)];
const OTHER_OPENSTACK: &[Line] = &[("GET", OPENSTACK, "", r#"{"availability_zone":"eu01-1"}"#)];
const SCALEWAY: &[Line] = &[(
    "GET",
    "/conf?format=json",
    "",
    r#"{"zone":"fr-par-1","location":{"zone_id":"par1"}}"#,
)];
const OUTSCALE: &[Line] = &[(
    "GET",
    "/latest/meta-data/placement/availability-zone",
    "",
    "eu-west-2a",
)];
const ORACLE: &[Line] = &[(
    "GET",
    "/opc/v2/instance/",
    "authorization: Bearer Oracle",
    r#"{"canonicalRegionName":"eu-paris-1","ociAdName":"eu-paris-1-ad-1","availabilityDomain":"xyz:EU-PARIS-1-AD-1"}"#,
)];
const HETZNER: &[Line] = &[("GET", "/hetzner/v1/metadata/availability-zone", "", "hel1-dc2\n")];
const EXOSCALE: &[Line] = &[("GET", "/1.0/meta-data/availability-zone", "", "ch-gva-2")];
const UPCLOUD: &[Line] = &[("GET", "/metadata/v1/region", "", "de-fra1")];
const VULTR: &[Line] = &[(
    "GET",
    "/v1.json",
    "",
    r#"{"region":{"regioncode":"CDG","countrycode":"FR"}}"#,
)];
const AKAMAI: &[Line] = &[
    ("PUT", "/v1/token", "metadata-token-expiry-seconds: 60", "t0k"),
    (
        "GET",
        "/v1/instance",
        "metadata-token: t0k",
        r#"{"region":"fr-par"}"#,
    ),
];
const DIGITALOCEAN: &[Line] = &[("GET", "/metadata/v1.json", "", r#"{"region":"fra1"}"#)];
const IBM: &[Line] = &[
    (
        "PUT",
        "/instance_identity/v1/token?version=2022-03-01",
        "metadata-flavor: ibm",
        r#"{"access_token":"t0k"}"#,
    ),
    (
        "GET",
        "/metadata/v1/instance?version=2022-03-01",
        "authorization: Bearer t0k",
        r#"{"zone":{"name":"eu-de-1"}}"#,
    ),
];
const TENCENT: &[Line] = &[
    ("GET", "/latest/meta-data/placement/region", "", "eu-frankfurt"),
    ("GET", "/latest/meta-data/placement/zone", "", "eu-frankfurt-1"),
];

#[test]
fn each_provider_is_asked_its_own_way_and_its_answer_is_read() {
    let uuid = Dmi {
        product_uuid: "EC2A1B2C-0000".to_owned(),
        ..Dmi::default()
    };
    let outscale = Dmi {
        sys_vendor: "3DS Outscale".to_owned(),
        ..product("3DS Outscale VM")
    };
    // The machine, what a person said, the service, and what comes of it.
    let table: Vec<(Dmi, &str, &'static [Line], Labels)> = vec![
        (
            vendor("Amazon EC2"),
            "",
            AWS,
            labels("aws", "eu-west-3", "euw3-az1"),
        ),
        (
            uuid,
            "",
            AWS_EUSC,
            labels("aws-eusc", "eusc-de-east-1", "eusce1-az1"),
        ),
        (
            product("Google Compute Engine"),
            "",
            GCP,
            labels("gcp", "europe-west9", "europe-west9-a"),
        ),
        (
            product("Google Compute Engine"),
            "",
            GCP_OLD,
            labels("gcp", "europe-west9", "europe-west9-a"),
        ),
        (
            product("Google Compute Engine"),
            "",
            S3NS,
            labels("s3ns", "u-france-east1", "u-france-east1-a"),
        ),
        (
            chassis("7783-7084-3265-9085-8269-3286-77"),
            "",
            AZURE,
            labels("azure", "francecentral", "francecentral-az1"),
        ),
        (
            product("Alibaba Cloud ECS"),
            "",
            ALIBABA,
            labels("alibaba", "eu-central-1", "eu-central-1a"),
        ),
        (
            nova(),
            "ovhcloud",
            OVH,
            labels("ovhcloud", "eu-west-par", "eu-west-par-a"),
        ),
        (
            chassis("OpenTelekomCloud"),
            "",
            OTC,
            labels("otc", "eu-de", "eu-de-01"),
        ),
        (
            chassis("HUAWEICLOUD"),
            "",
            OTC,
            labels("huawei", "eu-de", "eu-de-01"),
        ),
        (
            nova(),
            "stackit",
            OTHER_OPENSTACK,
            labels("stackit", "eu01", "eu01-1"),
        ),
        (
            vendor("Scaleway"),
            "",
            SCALEWAY,
            labels("scaleway", "fr-par", "fr-par-1"),
        ),
        (outscale, "", OUTSCALE, labels("outscale", "eu-west-2", "")),
        (
            chassis("OracleCloud.com"),
            "",
            ORACLE,
            labels("oracle", "eu-paris-1", "eu-paris-1-ad-1"),
        ),
        (
            vendor("Hetzner"),
            "",
            HETZNER,
            labels("hetzner", "hel1", "hel1-dc2"),
        ),
        (
            product("Exoscale Compute Platform"),
            "",
            EXOSCALE,
            labels("exoscale", "ch-gva-2", "ch-gva-2"),
        ),
        (
            vendor("UpCloud"),
            "",
            UPCLOUD,
            labels("upcloud", "de-fra1", "de-fra1"),
        ),
        (vendor("Vultr"), "", VULTR, labels("vultr", "cdg", "cdg")),
        (vendor("Akamai"), "", AKAMAI, labels("akamai", "fr-par", "fr-par")),
        (
            vendor("DigitalOcean"),
            "",
            DIGITALOCEAN,
            labels("digitalocean", "fra1", "fra1"),
        ),
        (Dmi::default(), "ibm", IBM, labels("ibm", "eu-de", "eu-de-1")),
        (
            Dmi::default(),
            "tencent",
            TENCENT,
            labels("tencent", "eu-frankfurt", "eu-frankfurt-1"),
        ),
    ];
    for (dmi, said, lines, expected) in table {
        let found = run(&dmi, labels(said, "", ""), &play(lines));
        assert_eq!(found.ok(), Some(expected));
    }
}

#[test]
fn nobody_is_asked_where_the_firmware_names_no_provider() {
    let stub = play(AWS);
    for dmi in [
        Dmi::default(),
        vendor("Dell Inc."),
        vendor("QEMU"),
        nova(),
        chassis("amazon"),
        product("Standard PC (Q35 + ICH9, 2009)"),
    ] {
        assert!(matches!(
            run(&dmi, Labels::default(), &stub),
            Err(LocateError::NoProvider)
        ));
    }
    let known = labels("aws", "eu-west-3", "euw3-az1");
    assert_eq!(
        run(&vendor("Amazon EC2"), known.clone(), &stub).ok(),
        Some(known),
        "nothing is missing"
    );
    assert_eq!(stub.asked.load(Ordering::Relaxed), 0);
}

#[test]
fn what_a_person_said_wins_and_what_is_missing_is_found() {
    let found = run(&vendor("Amazon EC2"), labels("", "", "euw3-az9"), &play(AWS));
    assert_eq!(found.ok(), Some(labels("aws", "eu-west-3", "euw3-az9")));
    let found = run(&nova(), labels("ovhcloud", "eu-west-gra", ""), &play(OVH));
    assert_eq!(
        found.ok(),
        Some(labels("ovhcloud", "eu-west-gra", "eu-west-par-a"))
    );
}

#[test]
fn what_is_no_answer_names_nothing() {
    let nothing = run(&nova(), labels("ovhcloud", "", ""), &play(OVH_ONE_ZONE));
    assert!(matches!(nothing, Err(LocateError::NotUnderstood { .. })));
    let refused = run(&vendor("Amazon EC2"), Labels::default(), &play(&[]));
    let said = refused.expect_err("404").to_string();
    assert!(
        said.contains("aws") && said.contains("/latest/api/token: HTTP 404"),
        "{said}"
    );
    const STRANGE: &[Line] = &[("GET", "/metadata/v1/region", "", "<html>\nsign in here</html>")];
    assert!(
        run(&vendor("UpCloud"), Labels::default(), &play(STRANGE)).is_err(),
        "a page is no region"
    );
    const UNKNOWN: &[Line] = &[
        (
            "GET",
            "/computeMetadata/v1/instance/zone",
            "",
            "projects/7/zones/u-x-east1-a",
        ),
        (
            "GET",
            "/computeMetadata/v1/universe/universe-domain",
            "",
            "else.example",
        ),
    ];
    assert!(
        run(
            &product("Google Compute Engine"),
            Labels::default(),
            &play(UNKNOWN)
        )
        .is_err()
    );
}

#[test]
fn the_firmware_is_read_from_its_files() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    std::fs::write(directory.path().join("sys_vendor"), "Hetzner\n").expect("writable");
    assert_eq!(Dmi::read(directory.path()).provider(), Some("hetzner"));
    assert_eq!(Dmi::read(&directory.path().join("none")), Dmi::default());
}
