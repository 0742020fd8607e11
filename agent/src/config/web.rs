//! The keys of probes that are exchanges of several steps, and what is a host name.

use std::net::IpAddr;
use std::sync::Arc;

use azimuth_measurement::Method;
use toml::de::DeValue;

use super::document::{Section, Wrong, shown, text};
use crate::probe::exchange::{DnsKind, Request};

/// Where HTTPS is served (RFC 9110).
pub(crate) const HTTPS_PORT: u16 = 443;
/// Where DNS is served (RFC 1035).
pub(crate) const DNS_PORT: u16 = 53;
/// A name that is longer cannot be shown beside a series.
const MAX_NAME_BYTES: usize = 128;
const MAX_LABEL_BYTES: usize = 63;
const MAX_PATH_BYTES: usize = 1_024;

/// Whether `text` is a host name (RFC 1123 section 2.1), and no address that was mistyped.
#[must_use]
pub(crate) fn is_host_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let fits = |label: &str| {
        (1..=MAX_LABEL_BYTES).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= MAX_NAME_BYTES
        && name.split('.').all(fits)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether `text` can be asked for.
#[must_use]
pub(crate) fn is_path(text: &str) -> bool {
    text.starts_with('/')
        && text.len() <= MAX_PATH_BYTES
        && text
            .bytes()
            .all(|byte| (0x21..0x7f).contains(&byte) && byte != b'#')
}

/// Reads what a probe of several steps asks; `None` for another method, or if a key is missing or wrong, which is then said.
pub(super) fn read_request(
    section: &mut Section<'_>,
    method: Option<Method>,
    endpoint: Option<(Option<&str>, IpAddr)>,
) -> Option<Request> {
    match method? {
        Method::TlsHandshake => Some(Request::Tls {
            server_name: server_name(section, endpoint)?,
        }),
        Method::HttpsFirstByte => {
            let server_name = server_name(section, endpoint);
            let path = section.optional("path", |value| {
                let path = text(value)?;
                if is_path(&path) {
                    Ok(path)
                } else {
                    let remedy =
                        "Use at most 1024 visible ASCII characters that begin with /, for example /healthz";
                    Err(Wrong(format!("{} is no path", shown(&path)), remedy.into()))
                }
            });
            Some(Request::Https {
                server_name: server_name?,
                path: path.map_or_else(|| Arc::from("/"), Arc::from),
            })
        }
        Method::DnsQuery => {
            let question = section.required("question", host_name);
            let kind = section.optional("record", |value| match text(value)?.as_str() {
                "A" => Ok(DnsKind::A),
                "AAAA" => Ok(DnsKind::Aaaa),
                other => Err(Wrong(
                    format!("{} is not a type of record that is asked for", shown(other)),
                    "Use A or AAAA".into(),
                )),
            });
            Some(Request::Dns {
                question: Arc::from(question?),
                kind: kind.unwrap_or(DnsKind::A),
            })
        }
        Method::Stamp | Method::IcmpEcho | Method::TcpConnect => None,
    }
}

/// The name in the certificate: as given, or the target's own.
fn server_name(section: &mut Section<'_>, endpoint: Option<(Option<&str>, IpAddr)>) -> Option<Arc<str>> {
    let given = section.optional("server_name", host_name);
    given.map(Arc::from).or_else(|| {
        endpoint.map(|(host, address)| host.map_or_else(|| Arc::from(address.to_string()), Arc::from))
    })
}

fn host_name(value: &DeValue<'_>) -> Result<String, Wrong> {
    let name = text(value)?;
    if is_host_name(&name) {
        Ok(name)
    } else {
        Err(Wrong(
            format!("{} is not a host name", shown(&name)),
            "Use letters, digits and hyphens in labels of at most 63, for example zone-a.example.net".into(),
        ))
    }
}
