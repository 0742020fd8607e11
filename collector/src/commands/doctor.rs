//! `azimuth-collector doctor`: tries on this host what `serve` will need, with the configuration it will use, and says what to
//! do about the rest, who may do what, and by which plan agents measure. Opens no store, and listens no longer than it takes to see that it could.

mod standing;

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::clock;
use crate::config::{self, Config, Flags};
use crate::site;
use crate::status::disk;

/// Below this a busy collector would wait for its disk.
const SLOW_SYNC: Duration = Duration::from_millis(100);
/// Syncs tried; the median counts.
const SYNCS: usize = 5;
/// What one sync writes.
const SYNC_BYTES: usize = 4_096;
/// Free space below which a store does not live for long.
const LITTLE_SPACE_BYTES: u64 = 1 << 30;
/// Open files beside one a connection: the store, its parts, the log.
const FILES_BESIDE_CONNECTIONS: u64 = 256;
/// 2026-01-01: a clock before it stands wrong.
const EARLIEST_NOW_UNIX_MS: u64 = 1_767_225_600_000;
/// How long a stranger on the port may take to be reached.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Try on this host what `serve` will need, and say what to do about the rest
#[derive(Debug, Args)]
#[command(after_help = "\
Run it as the user the collector runs as. It may be running meanwhile.
Exit codes: 0 all is well, 1 something is not, 2 the configuration cannot be used.

Example:
  azimuth-collector doctor --config /etc/azimuth/collector.toml")]
pub struct DoctorArgs {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of the store, if the file does not say
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub subject: &'static str,
    /// What was found.
    pub found: String,
    /// What to do about it; nothing if all is well.
    pub remedy: Option<String>,
}

impl Finding {
    fn well(subject: &'static str, found: String) -> Self {
        Self {
            subject,
            found,
            remedy: None,
        }
    }

    fn ill(subject: &'static str, found: String, remedy: impl Into<String>) -> Self {
        Self {
            subject,
            found,
            remedy: Some(remedy.into()),
        }
    }
}

/// Looks and prints.
pub fn doctor(args: &DoctorArgs) -> ExitCode {
    let flags = Flags {
        config: args.config.clone(),
        data_dir: args.data_dir.clone(),
        // Whether it is safe to listen there is a question for whoever serves.
        insecure_listen_anyway: true,
        ..Flags::default()
    };
    let config = match config::load(&flags) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let findings = examine(&config);
    let mut out = std::io::stdout().lock();
    // A reader that left has read enough; the exit code still says how it is.
    let _ = if args.json {
        let text = serde_json::to_string(&findings).unwrap_or_default();
        writeln!(out, "{text}")
    } else {
        out.write_all(table(&findings).as_bytes())
    };
    if findings.iter().all(|finding| finding.remedy.is_none()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = vec![user(), clock_stands(clock::unix_ms())];
    findings.extend(directory(&config.data_dir));
    findings.push(address(config));
    findings.extend(standing::examine(config));
    findings.push(open_files(
        std::fs::read_to_string("/proc/self/limits").ok().as_deref(),
        config.limits.connections.connections as u64,
    ));
    findings.push(if site::is_built_in() {
        Finding::well("dashboards", "built in".to_owned())
    } else {
        Finding::ill(
            "dashboards",
            "not built in".to_owned(),
            "install a package, or build with `make build`",
        )
    });
    let rules = config.alerting.rules.rules.len();
    findings.push(if config.notify.is_empty() {
        Finding::well(
            "alerts",
            format!("{rules} rules; nobody is told: no [notify.NAME]"),
        )
    } else {
        let told = config.notify.iter().map(|channel| channel.name.as_str());
        let told = told.collect::<Vec<_>>().join(", ");
        Finding::well(
            "alerts",
            format!("{rules} rules, told to {told}; try with `rules notify-test`"),
        )
    });
    findings
}

fn user() -> Finding {
    match std::fs::metadata("/proc/self").map(|found| found.uid()) {
        Ok(0) => Finding::ill(
            "user",
            "root".to_owned(),
            "run it as a user of its own; the packaged unit does. It needs no privilege",
        ),
        Ok(uid) => Finding::well("user", format!("uid {uid}")),
        Err(error) => Finding::ill("user", error.to_string(), "mount /proc"),
    }
}

fn clock_stands(now_unix_ms: u64) -> Finding {
    if now_unix_ms < EARLIEST_NOW_UNIX_MS {
        return Finding::ill(
            "clock",
            "stands before 2026".to_owned(),
            "set it, and keep it set (chrony, systemd-timesyncd): intervals are placed by it",
        );
    }
    Finding::well("clock", "plausible".to_owned())
}

fn directory(data_dir: &Path) -> Vec<Finding> {
    let subject = "data directory";
    let shown = data_dir.display();
    // Before the first start it is its parent that must let it be made.
    let (existing, is_new) = if data_dir.is_dir() {
        (data_dir, false)
    } else {
        let parent = data_dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        (parent.unwrap_or(Path::new(".")), true)
    };
    let took = match sync_time(existing) {
        Ok(took) => took,
        Err(error) => {
            let remedy = format!(
                "make {} a directory that this user may write to, on a file system with room",
                existing.display()
            );
            return vec![Finding::ill(subject, format!("{shown}: {error}"), remedy)];
        }
    };
    let will = if is_new { " (will be made)" } else { "" };
    let mut findings = vec![Finding::well(subject, format!("{shown}: writable{will}"))];
    let found = format!("{:.1} ms a sync, median of {SYNCS}", took.as_secs_f64() * 1e3);
    findings.push(if took > SLOW_SYNC {
        let remedy = "use a faster disk: nothing is acknowledged before it is synced, so agents wait for it";
        Finding::ill("disk", found, remedy)
    } else {
        Finding::well("disk", found)
    });
    findings.push(match disk::space(existing) {
        Ok(space) => {
            let found = format!("{:.1} GB free", space.free_bytes as f64 / 1e9);
            if space.free_bytes < LITTLE_SPACE_BYTES {
                let remedy = "make room, or shorten [retention]; docs/operations.md says how much is needed";
                Finding::ill("space", found, remedy)
            } else {
                Finding::well("space", found)
            }
        }
        Err(error) => Finding::ill("space", error.to_string(), "is the file system mounted?"),
    });
    if !is_new && let Ok(found) = std::fs::metadata(data_dir) {
        let mode = found.mode() & 0o777;
        findings.push(if mode & 0o007 == 0 {
            Finding::well("permissions", format!("{mode:o}"))
        } else {
            let remedy = format!("chmod o= {shown}: who reads it knows where every agent stands");
            Finding::ill("permissions", format!("{mode:o}: others may look in"), remedy)
        });
    }
    findings
}

/// How long the disk takes to keep a page. The file is gone afterwards.
fn sync_time(directory: &Path) -> std::io::Result<Duration> {
    let path = directory.join(format!(".doctor-{}", std::process::id()));
    let timed = || -> std::io::Result<Duration> {
        let mut file = std::fs::File::create_new(&path)?;
        let mut took = Vec::with_capacity(SYNCS);
        for _ in 0..SYNCS {
            let began = clock::monotonic();
            file.write_all(&[0; SYNC_BYTES])?;
            file.sync_data()?;
            took.push(clock::monotonic().duration_since(began));
        }
        took.sort_unstable();
        Ok(took.get(SYNCS / 2).copied().unwrap_or_default())
    };
    let timed = timed();
    let _ = std::fs::remove_file(&path);
    timed
}

fn address(config: &Config) -> Finding {
    let (subject, at) = ("address", config.listen);
    match TcpListener::bind(at) {
        Ok(_) if at.ip().is_loopback() => Finding::well(
            subject,
            format!("{at}: free; this machine only, so put a proxy in front"),
        ),
        Ok(_) => Finding::well(subject, format!("{at}: free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            match TcpStream::connect_timeout(&at, CONNECT_TIMEOUT) {
                Ok(_) => Finding::well(
                    subject,
                    format!(
                        "{at}: somebody answers; `azimuth-collector status` says whether it is a collector"
                    ),
                ),
                Err(error) => Finding::ill(
                    subject,
                    format!("{at}: taken, and nobody answers ({error})"),
                    format!("see who has it (`ss -ltnp`), or choose another port for {at}"),
                ),
            }
        }
        Err(error) => Finding::ill(
            subject,
            format!("{at}: {error}"),
            "listen on an address of this host",
        ),
    }
}

fn open_files(limits: Option<&str>, connections: u64) -> Finding {
    let subject = "open files";
    let needed = connections.saturating_add(FILES_BESIDE_CONNECTIONS);
    let line = limits.and_then(|limits| limits.lines().find(|line| line.starts_with("Max open files")));
    let soft = line.and_then(|line| line.split_whitespace().nth(3));
    match soft {
        None => Finding::ill(subject, "not known".to_owned(), "mount /proc"),
        Some("unlimited") => Finding::well(subject, "unlimited".to_owned()),
        Some(soft) => match soft.parse::<u64>() {
            Ok(most) if most >= needed => Finding::well(subject, format!("{most}")),
            _ => Finding::ill(
                subject,
                format!("{soft}, fewer than limits.connections asks for"),
                format!(
                    "raise it to {needed} (`ulimit -n`, LimitNOFILE= in the unit), or lower limits.connections"
                ),
            ),
        },
    }
}

fn table(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let mark = if finding.remedy.is_none() { "ok" } else { "!!" };
        text.push_str(&format!("  {mark}  {:<15} {}\n", finding.subject, finding.found));
    }
    let mut remedies = findings
        .iter()
        .filter_map(|finding| Some((finding.subject, finding.remedy.as_ref()?)));
    match remedies.next() {
        None => text.push_str("\n  All is well.\n"),
        Some(first) => {
            text.push('\n');
            for (subject, remedy) in std::iter::once(first).chain(remedies) {
                text.push_str(&format!("  {subject}: {remedy}\n"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_ill(findings: &[Finding], subject: &str) -> bool {
        findings
            .iter()
            .any(|finding| finding.subject == subject && finding.remedy.is_some())
    }

    #[test]
    fn a_directory_that_cannot_be_written_or_that_all_may_read_is_named() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().expect("a scratch directory");
        let kept = directory.path().join("data");
        assert!(
            !is_ill(&super::directory(&kept), "data directory"),
            "it can be made"
        );
        std::fs::create_dir(&kept).expect("writable");
        for (mode, ill) in [(0o750, false), (0o755, true)] {
            std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(mode)).expect("ours");
            assert_eq!(is_ill(&super::directory(&kept), "permissions"), ill, "{mode:o}");
        }
        assert_eq!(
            std::fs::read_dir(&kept).expect("readable").count(),
            0,
            "nothing is left"
        );
        let file = directory.path().join("file");
        std::fs::write(&file, "").expect("writable");
        assert!(is_ill(&super::directory(&file.join("data")), "data directory"));
    }

    #[test]
    fn limits_and_clocks_have_their_remedies() {
        let limits =
            |soft: &str| format!("Limit  Soft Limit\nMax open files            {soft}  4096  files\n");
        assert_eq!(open_files(Some(&limits("8192")), 4_096).remedy, None);
        assert_eq!(open_files(Some(&limits("unlimited")), 4_096).remedy, None);
        let few = open_files(Some(&limits("1024")), 4_096)
            .remedy
            .unwrap_or_default();
        assert!(few.contains("4352"), "{few}");
        assert!(open_files(None, 1).remedy.is_some());
        assert!(clock_stands(0).remedy.is_some());
        let said = table(&[clock_stands(0)]);
        assert!(
            said.contains("!!") && said.contains("chrony") && !said.contains("All is well"),
            "{said}"
        );
    }

    #[test]
    fn a_taken_port_that_answers_is_no_illness() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let listen = Some(taken.local_addr().expect("bound"));
        let config = config::load(&Flags {
            listen,
            ..Flags::default()
        })
        .expect("valid");
        let found = address(&config);
        assert_eq!(found.remedy, None);
        assert!(found.found.contains("somebody answers"), "{}", found.found);
    }
}
