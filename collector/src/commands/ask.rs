//! One request to a running collector, over TCP or a unix socket: HTTP/1.0, so that the answer is neither chunked nor kept
//! alive and ends where the stream ends. Not for large answers, and not for other servers: a collector behind TLS is
//! asked through its proxy's own tools.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::credential::Credential;
use crate::access::gate::is_this_machine;

/// Longest answer taken.
const ANSWER_BYTES: u64 = 64 * 1024 * 1024;
/// How long connecting, or any one read, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a collector listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Host and port.
    Tcp(String),
    /// A unix socket.
    Unix(PathBuf),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(authority) => write!(f, "http://{authority}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Address {
    /// Whether what is said there stays on this machine.
    pub fn is_this_machine(&self) -> bool {
        match self {
            Self::Tcp(authority) => is_this_machine(authority),
            Self::Unix(_) => true,
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(path.into()));
        }
        let authority = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        let port = authority.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) || authority.contains(['/', ' ', '\r', '\n', '@', '?']) {
            return Err(format!(
                "{text:?} is no address of a collector; write http://127.0.0.1:8360 or unix:/run/azimuth/collector.sock"
            ));
        }
        Ok(Self::Tcp(authority.to_owned()))
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its HTTP status.
    pub status: u16,
    /// What it says.
    pub body: Vec<u8>,
}

/// Asks for `path`.
///
/// # Errors
/// A sentence: nobody answers there, or what answers is no HTTP.
pub fn get(address: &Address, path: &str, credential: &Credential) -> Result<Answer, String> {
    request_as(address, "GET", path, &[], credential)
}

/// Asks with another method, and with JSON to go with it.
///
/// # Errors
/// A sentence: nobody answers there, or what answers is no HTTP.
pub fn request(address: &Address, method: &str, path: &str, json: &[u8]) -> Result<Answer, String> {
    request_as(address, method, path, json, &Credential::default())
}

fn request_as(
    address: &Address,
    method: &str,
    path: &str,
    json: &[u8],
    credential: &Credential,
) -> Result<Answer, String> {
    let head = credential
        .header()
        .map_or_else(String::new, |value| format!("Authorization: {value}\r\n"));
    let named = |error: std::io::Error| format!("{address}: {error}; is the collector running there?");
    let bytes = match address {
        Address::Tcp(authority) => {
            let stream = connect(authority).map_err(named)?;
            stream.set_read_timeout(Some(PATIENCE)).map_err(named)?;
            exchange(stream, authority, (method, path), &head, json)
        }
        Address::Unix(socket) => {
            let stream = UnixStream::connect(socket).map_err(named)?;
            stream.set_read_timeout(Some(PATIENCE)).map_err(named)?;
            exchange(stream, "localhost", (method, path), &head, json)
        }
    };
    parse(&bytes.map_err(named)?).ok_or_else(|| format!("{address}: what answers there is no collector"))
}

fn connect(authority: &str) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::other("the name has no address");
    for address in authority.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn exchange(
    mut stream: impl Read + Write,
    host: &str,
    (method, path): (&str, &str),
    head: &str,
    json: &[u8],
) -> std::io::Result<Vec<u8>> {
    let mut asked = format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\n{head}");
    if !json.is_empty() {
        let length = json.len();
        asked += &format!("Content-Type: application/json\r\nContent-Length: {length}\r\n");
    }
    stream.write_all(&[asked.as_bytes(), b"\r\n", json].concat())?;
    let mut bytes = Vec::new();
    stream.take(ANSWER_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let (version, rest) = head.lines().next()?.split_once(' ')?;
    let status = rest.split(' ').next()?.parse().ok()?;
    version.starts_with("HTTP/1.").then(|| Answer {
        status,
        body: bytes[end + 4..].to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_what_is_none_is_told_what_is() {
        for (text, shown) in [
            ("http://127.0.0.1:8360", "http://127.0.0.1:8360"),
            ("http://[::1]:8360/", "http://[::1]:8360"),
            ("collector.example:80", "http://collector.example:80"),
            ("unix:/run/azimuth/c.sock", "unix:/run/azimuth/c.sock"),
        ] {
            assert_eq!(
                text.parse::<Address>()
                    .map(|address| address.to_string())
                    .as_deref(),
                Ok(shown)
            );
        }
        for text in [
            "",
            "https://a.example",
            "http://a.example",
            "a:b",
            "a:1/x",
            "a b:1",
            "u@a:1",
        ] {
            let error = text.parse::<Address>().expect_err(text);
            assert!(error.contains("write http://127.0.0.1:8360"), "{error}");
        }
    }

    #[test]
    fn an_answer_has_a_status_and_a_body_and_what_is_no_http_is_none() {
        let answer = parse(b"HTTP/1.0 503 Service Unavailable\r\nx: y\r\n\r\n{}").expect("an answer");
        assert_eq!((answer.status, answer.body), (503, b"{}".to_vec()));
        for bytes in [
            &b""[..],
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"220 mail ready\r\n\r\n",
            b"HTTP/1.0 ?\r\n\r\n",
        ] {
            assert!(parse(bytes).is_none());
        }
    }
}
