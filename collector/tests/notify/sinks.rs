//! Receivers for the tests of notifications: an HTTP server and a mail server that keep what they are given, and Debian's
//! Alertmanager. Not more of either protocol than that takes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

type Kept<T> = Arc<Mutex<Vec<T>>>;

fn kept<T: Clone>(all: &Kept<T>) -> Vec<T> {
    all.lock().expect("sound").clone()
}

/// Hands each connection to a thread, for as long as the process lives.
fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

/// Keeps heads and bodies.
pub(crate) struct HttpSink {
    pub(crate) address: SocketAddr,
    requests: Kept<(String, String)>,
    connections: Kept<()>,
    answer: Arc<Mutex<String>>,
}

impl HttpSink {
    /// One that answers 200.
    pub(crate) fn start() -> Self {
        let (requests, connections) = (Kept::default(), Kept::default());
        let answer = Arc::new(Mutex::new("200 OK".to_owned()));
        let (keep, count, say) = (
            Arc::clone(&requests),
            Arc::clone(&connections),
            Arc::clone(&answer),
        );
        let address = listen(move |stream| {
            count.lock().expect("sound").push(());
            let _ = take_request(stream, &keep, &say);
        });
        Self {
            address,
            requests,
            connections,
            answer,
        }
    }

    /// What it answers from now on: a status, and headers if wanted.
    pub(crate) fn answer(&self, line: &str) {
        line.clone_into(&mut self.answer.lock().expect("sound"));
    }

    /// Heads and bodies that came to a path.
    pub(crate) fn requests(&self, path: &str) -> Vec<(String, String)> {
        let mut all = kept(&self.requests);
        all.retain(|(head, _)| head.starts_with(&format!("POST {path} ")));
        all
    }

    pub(crate) fn bodies(&self, path: &str) -> Vec<String> {
        self.requests(path).into_iter().map(|(_, body)| body).collect()
    }

    pub(crate) fn connections(&self) -> usize {
        kept(&self.connections).len()
    }
}

fn take_request(
    stream: TcpStream,
    keep: &Kept<(String, String)>,
    answer: &Mutex<String>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
            head += &line.replace('\r', "");
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body).into_owned();
        let line = {
            // Kept and answered in one step, so that a change of the answer is before or after, never between.
            let line = answer.lock().expect("sound");
            keep.lock().expect("sound").push((head, body));
            line.clone()
        };
        write!(reader.get_mut(), "HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n")?;
    }
}

/// Keeps letters.
pub(crate) struct MailSink {
    pub(crate) address: SocketAddr,
    letters: Kept<String>,
}

impl MailSink {
    pub(crate) fn start() -> Self {
        let letters = Kept::default();
        let keep = Arc::clone(&letters);
        let address = listen(move |stream| {
            let _ = take_letter(stream, &keep);
        });
        Self { address, letters }
    }

    pub(crate) fn letters(&self) -> Vec<String> {
        kept(&self.letters)
    }
}

fn take_letter(stream: TcpStream, keep: &Kept<String>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    write!(reader.get_mut(), "220 sink\r\n")?;
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let verb = line.trim().get(..4).unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => write!(reader.get_mut(), "250-sink\r\n250 8BITMIME\r\n")?,
            "DATA" => {
                write!(reader.get_mut(), "354 go on\r\n")?;
                let mut letter = String::new();
                loop {
                    line.clear();
                    reader.read_line(&mut line)?;
                    if line == ".\r\n" {
                        break;
                    }
                    letter += &line;
                }
                keep.lock().expect("sound").push(letter);
                write!(reader.get_mut(), "250 kept\r\n")?;
            }
            "QUIT" => {
                write!(reader.get_mut(), "221 bye\r\n")?;
                return Ok(());
            }
            _ => write!(reader.get_mut(), "250 ok\r\n")?,
        }
    }
}

/// A running Alertmanager; killed when dropped.
pub(crate) struct Alertmanager {
    child: Child,
    pub(crate) address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Alertmanager {
    /// One that tells everything at once to a webhook.
    pub(crate) fn start(webhook: &str) -> Self {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let config = directory.path().join("alertmanager.yml");
        let text = format!(
            "route: {{receiver: hook, group_by: [alert], group_wait: 0s, group_interval: 1s}}\n\
             receivers: [{{name: hook, webhook_configs: [{{url: \"{webhook}\"}}]}}]\n"
        );
        std::fs::write(&config, text).expect("writable");
        let mut child = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.path={}",
                directory.path().join("data").display()
            ))
            .args([
                "--web.listen-address=127.0.0.1:0",
                "--cluster.listen-address=",
                "--log.format=json",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Alertmanager is installed; ci/prepare test installs it");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut seen = String::new();
        let address = loop {
            let Some(Ok(line)) = lines.next() else {
                panic!("Alertmanager ended before it listened:\n{seen}")
            };
            let said: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if said["msg"] == "Listening on" {
                let address = said["address"].as_str().expect("text");
                break address.parse().expect("an address");
            }
            seen.push_str(&(line + "\n"));
        };
        // The pipe must be emptied, or it would block on its own log.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self {
            child,
            address,
            _directory: directory,
        }
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
