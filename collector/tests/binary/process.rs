//! Starts the binary on a port of the system's choice, talks HTTP to it over a plain socket, and kills it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A running collector; killed when dropped.
pub(crate) struct Collector {
    child: Child,
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<String>>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A header, by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (given, value) = line.split_once(':')?;
            (given.eq_ignore_ascii_case(name)).then_some(value.trim())
        })
    }
}

/// The command that serves from `data_dir`.
pub(crate) fn command(data_dir: &Path) -> Command {
    command_on("127.0.0.1:0", data_dir)
}

/// The same on another address.
pub(crate) fn command_on(listen: &str, data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_azimuth-collector"));
    command
        .arg("serve")
        .args(["--listen", listen])
        .arg("--data-dir")
        .arg(data_dir);
    command
        .env_remove("AZIMUTH_LOG")
        .stderr(Stdio::piped())
        .stdout(Stdio::null());
    command
}

impl Collector {
    /// Starts it and waits until it says that it listens.
    pub(crate) fn start(data_dir: &Path) -> Self {
        Self::spawn(command(data_dir))
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the binary starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let mut seen = String::new();
        let address = loop {
            let Some(Ok(line)) = lines.next() else {
                panic!("it ended before it listened:\n{seen}")
            };
            seen.push_str(&line);
            seen.push('\n');
            if let Some((_, rest)) = line.split_once("listening on http://") {
                let address = rest.split_whitespace().next().expect("an address");
                break address.parse().expect("an address");
            }
        };
        *log.lock().expect("not poisoned") = seen;
        let rest = Arc::clone(&log);
        // The pipe must be emptied, or the collector would block on its own log.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                rest.lock().expect("not poisoned").push_str(&(line + "\n"));
            }
        });
        Self { child, address, log }
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("not poisoned").clone()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// SIGTERM, and its exit status.
    pub(crate) fn terminate(mut self) -> (ExitStatus, String) {
        let pid = self.child.id().to_string();
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .expect("kill exists");
        let status = self.child.wait().expect("it ends");
        // The log thread may still be reading the last lines.
        std::thread::sleep(Duration::from_millis(50));
        (status, self.log())
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], &[]).expect("an answer")
    }

    /// The value of a counter on `/metrics`; 0 while it is not there.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        let page = String::from_utf8(self.get("/metrics").body).expect("text");
        let value = page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().expect("a number"))
    }

    /// Delivers a body of reports.
    pub(crate) fn deliver(&self, body: &[u8]) -> std::io::Result<Answer> {
        deliver(self.address, body)
    }

    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Answer> {
        exchange(TcpStream::connect(self.address)?, method, path, headers, body)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Delivers a body of reports to whoever listens on `address`.
pub(crate) fn deliver(address: SocketAddr, body: &[u8]) -> std::io::Result<Answer> {
    let headers = [("content-type", "application/x-protobuf")];
    exchange(
        TcpStream::connect(address)?,
        "POST",
        "/api/v1/reports",
        &headers,
        body,
    )
}

/// One request, one answer, over any stream.
pub(crate) fn exchange<S: Read + Write>(
    mut stream: S,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Answer> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    if method == "POST" {
        request += &format!("content-length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += "\r\n";
    stream.write_all(request.as_bytes())?;
    // A server that refuses early stops reading; its answer is there all the same.
    let _ = stream.write_all(body);
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    let whole = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let Some(end) = whole else {
        read?;
        return Err(std::io::Error::other("no answer"));
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    let answer = Answer {
        status,
        body: bytes[end + 4..].to_vec(),
        head,
    };
    // A kill in the middle of an answer is no answer.
    match answer
        .header("content-length")
        .and_then(|length| length.parse::<usize>().ok())
    {
        Some(length) if length != answer.body.len() => Err(std::io::Error::other("half an answer")),
        _ => Ok(answer),
    }
}
