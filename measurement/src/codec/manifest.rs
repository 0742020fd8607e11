//! The manifest on the wire.

use super::protobuf::{Fields, Value, Writer};
use super::{CodecError, VERSION, frame};
use crate::agent_id::AgentId;
use crate::cloud::CloudPlace;
use crate::facet::Facet;
use crate::method::{Answer, Granularity, LoadLabel, Method, Phase};
use crate::series::{MAX_SERIES, Manifest, ManifestId, Outgoing, SeriesDescriptor};
use crate::vantage::VantagePoint;
use crate::zone::ZoneKey;

/// The manifest as a zstd frame.
pub fn encode_manifest(manifest: &Manifest) -> Vec<u8> {
    frame::compress(&encode_plain(manifest))
}

/// The manifest before compression: the bytes its id is the hash of.
pub(crate) fn encode_plain(manifest: &Manifest) -> Vec<u8> {
    let mut out = Writer::default();
    out.number(1, VERSION);
    out.text(2, manifest.agent.as_str());
    out.text(3, &manifest.agent_version);
    let place = &manifest.vantage_point;
    let mut inner = Writer::default();
    inner.text(1, &place.name);
    inner.text(2, &place.country);
    inner.text(3, &place.city);
    inner.text(4, &place.network);
    inner.number(5, place.asn.into());
    inner.fixed64(6, place.latitude_deg.to_bits());
    inner.fixed64(7, place.longitude_deg.to_bits());
    out.message(4, &inner);
    for series in &manifest.series {
        inner.clear();
        inner.text(1, series.zone.provider());
        inner.text(2, series.zone.region());
        inner.text(3, series.zone.zone());
        inner.text(4, &series.target);
        inner.text(5, &series.address.to_string());
        inner.number(6, series.granularity.wire().into());
        inner.number(7, series.method.wire().into());
        inner.number(8, series.flow.into());
        inner.number(9, series.load.wire().into());
        inner.number(10, series.period_ms.into());
        inner.number(11, series.waiting_time_ms.into());
        inner.number(12, series.dscp.into());
        let outgoing = &series.outgoing;
        if let Some(source) = outgoing.source_address {
            inner.text(20, &source.to_string());
        }
        if let Some(interface) = &outgoing.interface {
            inner.text(21, interface);
        }
        inner.number(22, outgoing.payload_bytes.into());
        inner.number(23, outgoing.dont_fragment.into());
        inner.text(25, &series.facet.host);
        // What is as it usually is takes no bytes, and reads as 0.
        if series.facet.phase != Phase::Whole {
            inner.number(26, series.facet.phase.wire().into());
        }
        if series.facet.answer != Answer::Ordinary {
            inner.number(27, series.facet.answer.wire().into());
        }
        out.message(5, &inner);
    }
    // Not sent where nothing is known: manifests of hosts in no cloud are the bytes they always were.
    out.text(55, &manifest.cloud.provider);
    out.text(56, &manifest.cloud.region);
    out.text(57, &manifest.cloud.zone);
    out.bytes
}

/// A manifest from outside, checked, with the id its bytes have.
pub fn decode_manifest(bytes: &[u8]) -> Result<(Manifest, ManifestId), CodecError> {
    let plain = frame::decompress("manifest", bytes)?;
    let mut version = 0;
    let mut agent = "";
    let mut agent_version = "";
    let mut vantage_point = None;
    let mut cloud = CloudPlace::default();
    let mut series = Vec::new();
    let mut fields = Fields::of(&plain);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => version = value.number(field)?,
            2 => agent = value.text(field, "agent id")?,
            3 => agent_version = value.text(field, "agent version")?,
            4 => vantage_point = Some(decode_vantage_point(value.bytes(field)?)?),
            5 if series.len() == MAX_SERIES => {
                return Err(CodecError::TooMany {
                    what: "series",
                    limit: MAX_SERIES,
                });
            }
            5 => series.push(decode_series(value.bytes(field)?)?),
            55 => value
                .text(field, "cloud provider")?
                .clone_into(&mut cloud.provider),
            56 => value.text(field, "cloud region")?.clone_into(&mut cloud.region),
            57 => value.text(field, "cloud zone")?.clone_into(&mut cloud.zone),
            _ => {}
        }
    }
    if version != VERSION {
        return Err(CodecError::Version(version));
    }
    let manifest = Manifest {
        agent: agent.parse::<AgentId>()?,
        agent_version: agent_version.to_owned(),
        vantage_point: vantage_point.ok_or(CodecError::Value {
            what: "vantage point",
            given: 0,
        })?,
        cloud,
        series,
    };
    manifest.check()?;
    Ok((manifest, ManifestId::of(&plain)))
}

fn decode_vantage_point(message: &[u8]) -> Result<VantagePoint, CodecError> {
    let mut place = VantagePoint {
        name: String::new(),
        country: String::new(),
        city: String::new(),
        network: String::new(),
        asn: 0,
        latitude_deg: 0.0,
        longitude_deg: 0.0,
    };
    let mut fields = Fields::of(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => place.name = value.text(field, "vantage point name")?.to_owned(),
            2 => place.country = value.text(field, "country")?.to_owned(),
            3 => place.city = value.text(field, "city")?.to_owned(),
            4 => place.network = value.text(field, "network")?.to_owned(),
            5 => place.asn = value.number_u32(field, "asn")?,
            6 => place.latitude_deg = f64::from_bits(value.fixed64(field)?),
            7 => place.longitude_deg = f64::from_bits(value.fixed64(field)?),
            _ => {}
        }
    }
    Ok(place)
}

fn decode_series(message: &[u8]) -> Result<SeriesDescriptor, CodecError> {
    let (mut provider, mut region, mut zone, mut target, mut address) = ("", "", "", "", "");
    let (mut granularity, mut method, mut load) = (0, 0, 0);
    let (mut flow, mut period_ms, mut waiting_time_ms, mut dscp) = (0, 0, 0, 0);
    let (mut host, mut phase, mut answer) = ("", 0, 0);
    let mut outgoing = Outgoing::default();
    let mut fields = Fields::of(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => provider = value.text(field, "provider")?,
            2 => region = value.text(field, "region")?,
            3 => zone = value.text(field, "zone")?,
            4 => target = value.text(field, "target name")?,
            5 => address = value.text(field, "address")?,
            6 => granularity = value.number(field)?,
            7 => method = value.number(field)?,
            8 => flow = narrow::<u16>("flow", field, value)?,
            9 => load = value.number(field)?,
            10 => period_ms = value.number_u32(field, "period_ms")?,
            11 => waiting_time_ms = value.number_u32(field, "waiting_time_ms")?,
            12 => dscp = narrow::<u8>("dscp", field, value)?,
            20 => {
                let given = value.text(field, "source address")?;
                let source = given
                    .parse()
                    .map_err(|_| CodecError::Address(given.chars().take(80).collect()))?;
                outgoing.source_address = Some(source);
            }
            21 => outgoing.interface = Some(value.text(field, "interface")?.to_owned()),
            22 => outgoing.payload_bytes = narrow::<u16>("payload_bytes", field, value)?,
            23 => outgoing.dont_fragment = value.number(field)? != 0,
            25 => host = value.text(field, "host name")?,
            26 => phase = value.number(field)?,
            27 => answer = value.number(field)?,
            _ => {}
        }
    }
    let unknown = |what, given| CodecError::Value { what, given };
    Ok(SeriesDescriptor {
        zone: ZoneKey::new(provider, region, zone)?,
        target: target.to_owned(),
        address: address
            .parse()
            .map_err(|_| CodecError::Address(address.chars().take(80).collect()))?,
        granularity: Granularity::from_wire(granularity)
            .ok_or_else(|| unknown("granularity", granularity))?,
        method: Method::from_wire(method).ok_or_else(|| unknown("method", method))?,
        flow,
        load: LoadLabel::from_wire(load).ok_or_else(|| unknown("load label", load))?,
        period_ms,
        waiting_time_ms,
        dscp,
        facet: Facet {
            host: host.to_owned(),
            phase: match phase {
                0 => Phase::Whole,
                given => Phase::from_wire(given).ok_or_else(|| unknown("phase", given))?,
            },
            answer: match answer {
                0 => Answer::Ordinary,
                given => Answer::from_wire(given).ok_or_else(|| unknown("kind of answer", given))?,
            },
        },
        outgoing,
    })
}

fn narrow<T: TryFrom<u64>>(what: &'static str, field: u32, value: Value<'_>) -> Result<T, CodecError> {
    let given = value.number(field)?;
    T::try_from(given).map_err(|_| CodecError::Value { what, given })
}
