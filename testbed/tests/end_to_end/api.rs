//! As much of an HTTP client as the test needs: one GET over loopback, JSON back. Not for the product.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// The collector's query API.
#[derive(Clone, Copy)]
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
}

impl Api {
    /// `GET path`: status and body.
    pub(crate) fn get_text(&self, path: &str) -> io::Result<(u16, String)> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(2))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let bad = || io::Error::other(format!("no HTTP answer to {path}: {answer:.200}"));
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(bad)?;
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .ok_or_else(bad)?;
        Ok((status, body.to_owned()))
    }

    /// `GET path`, which must answer 200 and JSON.
    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, body) = self
            .get_text(path)
            .unwrap_or_else(|error| panic!("GET {path}: {error}"));
        assert_eq!(status, 200, "GET {path}: {body}");
        serde_json::from_str(&body)
            .unwrap_or_else(|error| panic!("GET {path} is not JSON ({error}): {body:.200}"))
    }

    /// Whether the collector says it can take reports.
    pub(crate) fn ready(&self) -> bool {
        matches!(self.get_text("/readyz"), Ok((200, _)))
    }
}
