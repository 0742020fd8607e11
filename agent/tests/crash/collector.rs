//! The real collector as a process, asked over its unix socket, whose path outlives it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub(crate) struct Collector {
    pub(crate) child: Child,
    socket: PathBuf,
}

impl Collector {
    /// Starts it behind `wrapper`, and does not wait for it.
    pub(crate) fn start(directory: &Path, socket: &Path, listen: &str, wrapper: &[String]) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_azimuth-agent")).with_file_name("azimuth-collector");
        assert!(
            program.exists(),
            "azimuth-collector is not built; run `cargo build --workspace --bins` first (make test does)"
        );
        // A connection without a word is given up while a test still looks.
        let config = directory.with_extension("toml");
        std::fs::write(&config, "[limits]\nidle_timeout = \"20s\"\n").unwrap();
        let mut command = match wrapper.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
            None => Command::new(program),
        };
        let child = command
            .args(["serve", "--listen", listen, "--data-dir"])
            .arg(directory)
            .arg("--config")
            .arg(config)
            .arg("--unix-socket")
            .arg(socket)
            .env("AZIMUTH_LOG", "error")
            // One worker, so that the system calls of two runs are the same.
            .env("TOKIO_WORKER_THREADS", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            child,
            socket: socket.to_owned(),
        }
    }

    pub(crate) fn wait_until_it_answers(&mut self) {
        assert!(self.answers_or_ends(), "the collector ended");
    }

    /// Waits until it answers; `false` when it ended before.
    pub(crate) fn answers_or_ends(&mut self) -> bool {
        while UnixStream::connect(&self.socket).is_err() {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The answer; `None` when the collector knows of no such thing.
    pub(crate) fn get(&self, path: &str) -> Option<serde_json::Value> {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: collector\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let at = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let (head, body) = answer.split_at(at);
        if head.starts_with(b"HTTP/1.1 404") {
            return None;
        }
        assert!(
            head.starts_with(b"HTTP/1.1 200"),
            "{path}: {}",
            String::from_utf8_lossy(&answer)
        );
        Some(serde_json::from_slice(body).unwrap())
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
