//! The real binary delivering to a collector that misbehaves on purpose or is not there: over TCP and over a unix socket,
//! loopback only.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use azimuth_measurement::codec::{BatchItem, decode_batch, decode_manifest, decode_report};
use azimuth_measurement::{LossCause, Report, Tombstone};

const BINARY: &str = env!("CARGO_BIN_EXE_azimuth-agent");
/// For something that takes two seconds on an idle host.
const PATIENCE: Duration = Duration::from_secs(40);
const POSTS: usize = 1_024;

/// What one post held.
struct Post {
    manifests: usize,
    reports: Vec<Report>,
    tombstones: Vec<Tombstone>,
}

/// Answers posts with what `answer` says: status, further header lines, and whether to give verdicts of this kind.
type Answer = fn(post_number: usize) -> (u16, &'static str, &'static str);

/// Names in lower case; the request line has no name.
type Headers = Vec<(String, String)>;

fn read_post(stream: &mut impl Read) -> Option<(Headers, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut headers = Vec::new();
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.to_owned())),
            None if line.trim_end().is_empty() => break,
            None => headers.push((String::new(), line.trim_end().to_owned())),
        }
    }
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")?
        .1
        .parse()
        .ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((headers, body))
}

/// Serves connections one after the other, one request each.
fn serve(mut accept: impl FnMut() -> Box<dyn ReadWrite> + Send + 'static, answer: Answer) -> Receiver<Post> {
    let (posts, received) = sync_channel(POSTS);
    thread::spawn(move || {
        for number in 0.. {
            let mut stream = accept();
            if answer_one(&mut *stream, answer(number), &posts).is_none() {
                return;
            }
        }
    });
    received
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

fn answer_one(
    mut stream: &mut dyn ReadWrite,
    (status, header, verdict): (u16, &str, &str),
    posts: &SyncSender<Post>,
) -> Option<()> {
    let Some((headers, body)) = read_post(&mut stream) else {
        return Some(());
    };
    assert_eq!(headers[0].1, "POST /api/v1/reports HTTP/1.1");
    assert!(
        headers.contains(&("content-type".into(), "application/x-protobuf".into())),
        "{headers:?}"
    );
    let batch = decode_batch(&body).expect("a batch");
    for frame in &batch.manifests {
        decode_manifest(frame).expect("a manifest");
    }
    let (mut reports, mut tombstones, mut verdicts) = (Vec::new(), Vec::new(), Vec::new());
    for item in batch.items {
        let (sequence, epoch) = match item {
            BatchItem::Report { frame, age_ms, .. } => {
                let report = decode_report(&frame).expect("a report");
                report.check().expect("a report that agrees with itself");
                assert!(age_ms < 600_000, "{age_ms}");
                let key = (report.sequence, report.epoch);
                reports.push(report);
                key
            }
            BatchItem::Tombstone(tombstone) => {
                tombstone.check().expect("a tombstone that agrees with itself");
                let key = (tombstone.first_sequence, tombstone.epoch);
                tombstones.push(tombstone);
                key
            }
        };
        verdicts.push(format!(
            r#"{{"sequence":{sequence},"epoch":{epoch},"verdict":"{verdict}","problem":{{"reason":"test"}}}}"#
        ));
    }
    let answer = format!(r#"{{"verdicts":[{}]}}"#, verdicts.join(","));
    let head = format!(
        "HTTP/1.1 {status} Test\r\ncontent-length: {}\r\nconnection: close\r\n{header}\r\n",
        answer.len()
    );
    stream.write_all((head + &answer).as_bytes()).ok()?;
    posts
        .send(Post {
            manifests: batch.manifests.len(),
            reports,
            tombstones,
        })
        .ok()
}

fn serve_tcp(answer: Answer) -> (SocketAddr, Receiver<Post>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let at = listener.local_addr().expect("bound");
    (
        at,
        serve(move || Box::new(listener.accept().expect("accepted").0), answer),
    )
}

/// An agent with one silent target: its probes are lost, which is something to report.
struct Agent {
    child: Child,
    directory: tempfile::TempDir,
    _target: UdpSocket,
}

impl Agent {
    /// Keeps its reports in memory.
    fn start(collector: &str) -> Self {
        Self::start_with(collector, "")
    }

    /// Keeps its reports in [`spool`](Self::spool).
    fn start_with_spool(collector: &str) -> Self {
        Self::start_with(collector, "directory = \"{spool}\"")
    }

    fn start_with(collector: &str, spool: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let spool = spool.replace("{spool}", &display(&directory.path().join("spool")));
        let target = UdpSocket::bind("127.0.0.1:0").expect("bound");
        let port = target.local_addr().expect("bound").port();
        let text = format!(
            r#"
agent = "test-1"
interval_ms = 1000
[collector]
url = "{collector}"
[vantage_point]
name = "Test"
country = "FR"
city = "Paris"
network = "Loopback"
asn = 0
latitude = 48.86
longitude = 2.35
[spool]
max_bytes = 1048576
{spool}
[[target]]
name = "silent"
provider = "aws"
region = "eu-west-3"
zone = "euw3-az1"
address = "127.0.0.1"
[[target.probe]]
method = "stamp"
port = {port}
period_ms = 50
waiting_time_ms = 100
"#
        );
        let file = directory.path().join("agent.toml");
        std::fs::write(&file, text).expect("written");
        Self {
            child: Self::spawn(&file),
            directory,
            _target: target,
        }
    }

    fn spawn(file: &Path) -> Child {
        let child = Command::new(BINARY)
            .args(["run", "--config"])
            .arg(file)
            .stderr(Stdio::null())
            .spawn();
        child.expect("the binary starts")
    }

    /// Where it keeps its reports.
    fn spool(&self) -> PathBuf {
        self.directory.path().join("spool")
    }

    /// SIGKILL, as a power cut would have it.
    fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// Starts again, with the same configuration and directory.
    fn restart(&mut self) {
        self.child = Self::spawn(&self.directory.path().join("agent.toml"));
    }

    /// Reports that `spool check` finds undelivered.
    fn waiting(&self) -> u64 {
        let check = self.check_spool();
        let epochs = check["epochs"].as_array().map(Vec::as_slice).unwrap_or_default();
        epochs
            .iter()
            .filter_map(|epoch| epoch["pending_reports"].as_u64())
            .sum()
    }

    /// What `spool check` says.
    fn check_spool(&self) -> serde_json::Value {
        let output = Command::new(BINARY)
            .args(["spool", "check", "--json"])
            .arg(self.spool())
            .output();
        serde_json::from_slice(&output.expect("it runs").stdout).unwrap_or_default()
    }

    /// Changes the file by these replacements, and has it read again.
    fn reload(&self, changes: &[(&str, &str)]) {
        let file = self.directory.path().join("agent.toml");
        let mut text = std::fs::read_to_string(&file).expect("readable");
        for (from, to) in changes {
            assert!(text.contains(from), "{from} is not in\n{text}");
            text = text.replace(from, to);
        }
        std::fs::write(&file, text).expect("written");
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().expect("a pid"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).expect("signalled");
    }

    fn terminate(&mut self) -> Option<i32> {
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().expect("a pid"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("signalled");
        self.child.wait().expect("ended").code()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Collects posts until reports up to `sequence` were in one of the `stored` ones.
fn until(posts: &Receiver<Post>, sequence: u64) -> Vec<Post> {
    let mut all = Vec::new();
    loop {
        let post = posts.recv_timeout(PATIENCE).expect("a post in time");
        let done = post.reports.iter().any(|report| report.sequence >= sequence);
        all.push(post);
        if done {
            return all;
        }
    }
}

#[test]
fn reports_arrive_in_order_with_the_manifest_first_and_the_last_one_at_the_end() {
    let (at, posts) = serve_tcp(|_| (200, "", "stored"));
    let mut agent = Agent::start(&format!("http://{at}"));
    let received = until(&posts, 3);
    assert_eq!(agent.terminate(), Some(0));
    let rest: Vec<Post> = posts.try_iter().collect();
    assert!(
        !rest.is_empty(),
        "the interval that was open at the end is delivered too"
    );
    let manifests: Vec<usize> = received.iter().chain(&rest).map(|post| post.manifests).collect();
    assert_eq!(
        (manifests[0], manifests[1..].iter().sum::<usize>()),
        (1, 0),
        "the manifest is sent once"
    );
    let reports: Vec<&Report> = received
        .iter()
        .chain(&rest)
        .flat_map(|post| &post.reports)
        .collect();
    let sequences: Vec<u64> = reports.iter().map(|report| report.sequence).collect();
    assert_eq!(
        sequences,
        (1..=sequences.len() as u64).collect::<Vec<_>>(),
        "each once, in order, from 1"
    );
    for pair in reports.windows(2) {
        // Equal but on a host that stood still across a whole interval.
        assert!(pair[0].interval.end_unix_ms() <= pair[1].interval.start_unix_ms());
        assert_eq!(pair[0].epoch, pair[1].epoch);
    }
    // Twenty slots a second; a slot skipped by a busy host may count in the neighbouring interval.
    let whole = &reports[1].records[0].counts;
    assert!((18..=22).contains(&(whole.sent + whole.skipped)), "{whole:?}");
    assert_eq!((whole.returned, whole.lost()), (0, whole.sent));
    assert_eq!(reports[1].health.send_lateness.count(), whole.sent);
}

#[test]
fn a_reload_is_taken_up_between_two_reports_and_a_mistake_changes_nothing() {
    let (at, posts) = serve_tcp(|_| (200, "", "stored"));
    let mut agent = Agent::start(&format!("http://{at}"));
    let mut received = until(&posts, 1);
    agent.reload(&[("period_ms = 50", "period_ms = \"often\"")]);
    received.extend(until(&posts, 3));
    // Whose reports wait is not changed under way.
    agent.reload(&[("period_ms = \"often\"", "period_ms = 50"), ("test-1", "test-2")]);
    received.extend(until(&posts, 5));
    agent.reload(&[("test-2", "test-1"), ("period_ms = 50", "period_ms = 20")]);
    received.extend(until(&posts, 9));
    assert_eq!(agent.terminate(), Some(0));
    received.extend(posts.try_iter());
    let manifests: usize = received.iter().map(|post| post.manifests).sum();
    assert_eq!(manifests, 2, "one before the reload that was taken up, one after");
    assert!(
        received.iter().all(|post| post.tombstones.is_empty()),
        "nothing is lost"
    );
    let reports: Vec<&Report> = received.iter().flat_map(|post| &post.reports).collect();
    let sequences: Vec<u64> = reports.iter().map(|report| report.sequence).collect();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>());
    assert!(
        reports.iter().all(|report| report.epoch == reports[0].epoch),
        "it is one run"
    );
    for pair in reports.windows(2) {
        // The interval in which it was taken up is told in two parts, as at a restart.
        let follows = pair[0].interval.end_unix_ms() <= pair[1].interval.start_unix_ms();
        assert!(follows || pair[0].interval == pair[1].interval);
    }
    // A part of an interval may be too short for any probe.
    let slots = |report: &Report| {
        let first = report.records.first();
        first.map_or(0, |record| record.counts.sent + record.counts.skipped)
    };
    // Twenty a second before, fifty after.
    assert!(reports.iter().any(|report| (18..=22).contains(&slots(report))));
    assert!(reports.iter().any(|report| slots(report) >= 45), "{sequences:?}");
}

#[test]
fn a_unix_socket_serves_as_well() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("collector.sock");
    let listener = UnixListener::bind(&path).expect("bound");
    let posts = serve(
        move || Box::new(listener.accept().expect("accepted").0),
        |_| (200, "", "stored"),
    );
    let _agent = Agent::start(&format!("unix:{}", display(&path)));
    assert_eq!(until(&posts, 1)[0].manifests, 1);
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_collector_that_fails_gets_everything_again_and_nothing_is_lost() {
    // Refused by overload, then an answer of no use, then verdicts that say later, then at last stored.
    let (at, posts) = serve_tcp(|number| match number {
        0 => (503, "retry-after: 1\r\n", "stored"),
        1 => (500, "", "stored"),
        2 => (200, "", "retry"),
        _ => (200, "", "stored"),
    });
    let _agent = Agent::start(&format!("http://{at}"));
    for _ in 0..3 {
        posts
            .recv_timeout(PATIENCE)
            .expect("a post that comes to nothing");
    }
    let received = until(&posts, 4);
    let mut stored: BTreeMap<u64, usize> = BTreeMap::new();
    for report in received.iter().flat_map(|post| &post.reports) {
        *stored.entry(report.sequence).or_default() += 1;
    }
    assert!(
        (1..=4).all(|sequence| stored.get(&sequence) == Some(&1)),
        "{stored:?}"
    );
    let last = received
        .last()
        .and_then(|post| post.reports.last())
        .expect("a report");
    assert!(
        last.health.deliveries_failed <= 2,
        "a verdict to come back later is no failure"
    );
}

#[test]
fn a_collector_without_the_manifest_gets_it_at_once() {
    let (at, posts) = serve_tcp(|number| (200, "", if number == 1 { "manifest_wanted" } else { "stored" }));
    let _agent = Agent::start(&format!("http://{at}"));
    let manifests: Vec<usize> = (0..3)
        .map(|_| posts.recv_timeout(PATIENCE).expect("a post").manifests)
        .collect();
    assert_eq!(manifests, [1, 0, 1]);
}

#[test]
fn an_item_the_collector_cannot_take_becomes_a_tombstone() {
    let (at, posts) = serve_tcp(|number| {
        if number == 0 {
            (400, "", "stored")
        } else {
            (200, "", "stored")
        }
    });
    let _agent = Agent::start(&format!("http://{at}"));
    let mut tombstones = Vec::new();
    while tombstones.is_empty() {
        tombstones.extend(posts.recv_timeout(PATIENCE).expect("a post in time").tombstones);
    }
    let tombstone = &tombstones[0];
    assert_eq!(
        (tombstone.first_sequence, tombstone.last_sequence, tombstone.cause),
        (1, 1, LossCause::Refused)
    );
}

#[test]
fn a_batch_refused_as_a_whole_comes_again_in_smaller_parts() {
    // Reports pile up, one goes as a probe, all the others together are too large.
    let (at, posts) = serve_tcp(|number| match number {
        0 => (503, "retry-after: 5\r\n", "stored"),
        2 => (413, "", "stored"),
        _ => (200, "", "stored"),
    });
    let _agent = Agent::start(&format!("http://{at}"));
    let received = until(&posts, 8);
    let refused = received[2].reports.len();
    assert!(refused > 2, "{refused}");
    assert_eq!(received[3].reports.len(), 1, "a probe first");
    assert!(received[4].reports.len() <= refused / 2);
    let taken = received
        .iter()
        .enumerate()
        .filter(|(number, _)| ![0, 2].contains(number));
    let mut stored: BTreeMap<u64, usize> = BTreeMap::new();
    for (_, post) in taken {
        assert!(post.tombstones.is_empty(), "nothing was given up");
        for report in &post.reports {
            *stored.entry(report.sequence).or_default() += 1;
        }
    }
    assert!(
        (1..=8).all(|sequence| stored.get(&sequence) == Some(&1)),
        "{stored:?}"
    );
}

/// An address at which nobody listens, until somebody binds it again.
fn nobodys_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    listener.local_addr().expect("bound")
}

#[test]
fn what_waited_on_disk_outlives_a_killed_agent_and_arrives_once() {
    const WAITING: u64 = 4;
    const LOOK_AGAIN: Duration = Duration::from_millis(200);
    let at = nobodys_address();
    let mut agent = Agent::start_with_spool(&format!("http://{at}"));
    let mut looks = 0..PATIENCE.as_millis() / LOOK_AGAIN.as_millis();
    while agent.waiting() < WAITING {
        assert!(looks.next().is_some(), "{}", agent.check_spool());
        thread::sleep(LOOK_AGAIN);
    }
    agent.kill();
    let kept = agent.waiting();
    assert!(kept >= WAITING);

    let listener = TcpListener::bind(at).expect("bound again");
    let posts = serve(
        move || Box::new(listener.accept().expect("accepted").0),
        |_| (200, "", "stored"),
    );
    agent.restart();
    let mut stored: BTreeMap<(u64, u64), usize> = BTreeMap::new();
    let mut later = 0;
    // Some new reports after the last old one: a second copy would have come by then.
    while later < 3 {
        let post = posts.recv_timeout(PATIENCE).expect("a post in time");
        assert!(
            post.tombstones.is_empty(),
            "nothing was lost: {:?}",
            post.tombstones
        );
        for report in post.reports {
            *stored.entry((report.epoch, report.sequence)).or_default() += 1;
        }
        let epochs: Vec<u64> = stored.keys().map(|(epoch, _)| *epoch).collect();
        let old = epochs.iter().filter(|epoch| **epoch == epochs[0]).count() as u64;
        if epochs[0] != epochs[epochs.len() - 1] && old >= kept {
            later += 1;
        }
    }
    assert_eq!(agent.terminate(), Some(0));
    for post in posts.try_iter() {
        for report in post.reports {
            *stored.entry((report.epoch, report.sequence)).or_default() += 1;
        }
    }
    assert!(stored.values().all(|times| *times == 1), "{stored:?}");
    let old_epoch = stored.keys().next().expect("reports").0;
    let old: Vec<u64> = stored
        .keys()
        .filter(|(epoch, _)| *epoch == old_epoch)
        .map(|(_, sequence)| *sequence)
        .collect();
    assert_eq!(
        old,
        (1..=kept).collect::<Vec<_>>(),
        "every report of the killed agent"
    );
    assert_eq!(agent.waiting(), 0, "and the spool is empty");
}

#[test]
fn an_orderly_stop_without_a_collector_keeps_the_numbering() {
    let at = nobodys_address();
    let mut agent = Agent::start_with_spool(&format!("http://{at}"));
    thread::sleep(Duration::from_millis(2_500));
    assert_eq!(agent.terminate(), Some(0));
    let kept = agent.waiting();
    assert!(kept >= 2, "{}", agent.check_spool());

    let listener = TcpListener::bind(at).expect("bound again");
    let posts = serve(
        move || Box::new(listener.accept().expect("accepted").0),
        |_| (200, "", "stored"),
    );
    agent.restart();
    let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
    let mut epochs = BTreeSet::new();
    while !(1..=kept + 2).all(|sequence| seen.contains_key(&sequence)) {
        for report in posts.recv_timeout(PATIENCE).expect("a post in time").reports {
            *seen.entry(report.sequence).or_default() += 1;
            epochs.insert(report.epoch);
        }
    }
    assert_eq!(epochs.len(), 1, "the sequence goes on");
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
}

#[test]
fn a_spool_directory_that_cannot_be_made_stops_nothing() {
    let (at, posts) = serve_tcp(|_| (200, "", "stored"));
    let mut agent = Agent::start_with(&format!("http://{at}"), "directory = \"/proc/azimuth/spool\"");
    until(&posts, 2);
    assert_eq!(agent.terminate(), Some(0));
}
