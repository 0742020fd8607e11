//! Where a host stands, on the wire: read back by the codec and by an independent reader, refused where it could be no place, and not an
//! octet where nothing is known.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use azimuth_measurement::codec::{MAX_INFLATED_BYTES, decode_manifest, encode_manifest};
use azimuth_measurement::{CloudPlace, Manifest, VantagePoint};
use prost::Message;

/// The message as another implementation would declare it from `proto/azimuth.proto`.
#[derive(Clone, PartialEq, prost::Message)]
struct Read {
    #[prost(string, tag = "55")]
    cloud_provider: String,
    #[prost(string, tag = "56")]
    cloud_region: String,
    #[prost(string, tag = "57")]
    cloud_zone: String,
}

fn manifest(provider: &str, region: &str, zone: &str) -> Manifest {
    Manifest {
        agent: "brest-orange-1".parse().unwrap(),
        agent_version: "0.1.0".into(),
        vantage_point: VantagePoint {
            name: "Brest (Orange)".into(),
            country: "FR".into(),
            city: "Brest".into(),
            network: "Orange".into(),
            asn: 3215,
            latitude_deg: 48.39,
            longitude_deg: -4.49,
        },
        cloud: CloudPlace {
            provider: provider.into(),
            region: region.into(),
            zone: zone.into(),
        },
        series: Vec::new(),
    }
}

fn plain(manifest: &Manifest) -> Vec<u8> {
    zstd::bulk::decompress(&encode_manifest(manifest), MAX_INFLATED_BYTES).unwrap()
}

#[test]
fn where_a_host_stands_is_told_and_a_host_in_no_cloud_costs_no_octet() {
    let standing = manifest("aws", "eu-west-3", "euw3-az1");
    let (decoded, id) = decode_manifest(&encode_manifest(&standing)).unwrap();
    assert_eq!((&decoded, id), (&standing, standing.id()));
    let read = Read::decode(&plain(&standing)[..]).unwrap();
    assert_eq!(
        (&*read.cloud_provider, &*read.cloud_region, &*read.cloud_zone),
        ("aws", "eu-west-3", "euw3-az1")
    );
    let nowhere = manifest("", "", "");
    assert_ne!(nowhere.id(), standing.id());
    // Each field costs its text and three octets of tag and length.
    assert_eq!(plain(&standing).len() - plain(&nowhere).len(), 3 + 9 + 8 + 3 * 3);
    assert_eq!(Read::decode(&plain(&nowhere)[..]).unwrap(), Read::default());
}

#[test]
fn what_could_be_no_place_is_refused() {
    for wrong in [
        manifest("aws", "", "euw3-az1"),
        manifest("AWS", "", ""),
        manifest("", "eu-west-3", ""),
    ] {
        let refused = decode_manifest(&encode_manifest(&wrong)).unwrap_err();
        assert_eq!(refused.reason(), "bad_manifest", "{:?}", wrong.cloud);
    }
}
