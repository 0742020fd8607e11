//! What the system says of this process, under the names that every Prometheus client library uses. Read from procfs;
//! what cannot be read there is left out, not guessed.
//!
//! Standard: "Process metrics" of Prometheus's "Writing client libraries"; proc(5).

use crate::exposition::family::{Family, Kind, Value, labels};

/// Ticks of `/proc/PID/stat` a second: fixed by the kernel's interface to programs, whatever its own clock does.
const TICKS_PER_SECOND: f64 = 100.0;

/// What was read. Handed to [`families`], which decides.
#[derive(Debug, Default)]
struct Proc {
    /// `/proc/self/stat`.
    own_stat: String,
    /// `/proc/self/status`.
    own_status: String,
    /// `/proc/self/limits`.
    own_limits: String,
    /// `/proc/stat`.
    stat: String,
    /// Entries of `/proc/self/fd`.
    open_fds: Option<u64>,
}

/// This process, now.
pub(super) fn read() -> Vec<Family> {
    let text = |path| std::fs::read_to_string(path).unwrap_or_default();
    families(&Proc {
        own_stat: text("/proc/self/stat"),
        own_status: text("/proc/self/status"),
        own_limits: text("/proc/self/limits"),
        stat: text("/proc/stat"),
        // One of them is the directory being read.
        open_fds: std::fs::read_dir("/proc/self/fd")
            .ok()
            .map(|entries| entries.count().saturating_sub(1) as u64),
    })
}

/// Which version runs; always 1.
pub(super) fn build_info() -> Family {
    let mut family = Family::new(
        "azimuth_build_info",
        Kind::Gauge,
        "Version of the collector; always 1.",
    );
    family.push(labels([("version", env!("CARGO_PKG_VERSION"))]), Value::Whole(1));
    family
}

fn families(proc: &Proc) -> Vec<Family> {
    let kib = |key| Some(field(&proc.own_status, key)?.checked_mul(1_024)? as f64);
    let cpu_s = ticks(&proc.own_stat, 14)
        .zip(ticks(&proc.own_stat, 15))
        .map(|(user, system)| (user + system) / TICKS_PER_SECOND);
    let start_s = field(&proc.stat, "btime")
        .zip(ticks(&proc.own_stat, 22))
        .map(|(boot_s, since)| boot_s as f64 + since / TICKS_PER_SECOND);
    let max_fds = field(&proc.own_limits, "Max open files").map(|limit| limit as f64);
    let read = [
        (
            "process_cpu_seconds_total",
            Kind::Counter,
            "Processor time taken, user and system.",
            cpu_s,
        ),
        (
            "process_resident_memory_bytes",
            Kind::Gauge,
            "Resident memory.",
            kib("VmRSS:"),
        ),
        (
            "process_virtual_memory_bytes",
            Kind::Gauge,
            "Virtual memory.",
            kib("VmSize:"),
        ),
        (
            "process_open_fds",
            Kind::Gauge,
            "Open file descriptors.",
            proc.open_fds.map(|open| open as f64),
        ),
        (
            "process_max_fds",
            Kind::Gauge,
            "Most file descriptors that may be open.",
            max_fds,
        ),
        (
            "process_start_time_seconds",
            Kind::Gauge,
            "When the process started, Unix time.",
            start_s,
        ),
    ];
    read.into_iter()
        .filter_map(|(name, kind, help, value)| Some(Family::single(name, kind, help, Value::Real(value?))))
        .collect()
}

/// The number behind `key` at the beginning of a line.
fn field(text: &str, key: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse().ok())
}

/// Field `number` of a stat line, counted from 1 as proc(5) does. The second is the program's name in parentheses and may
/// hold anything, so counting begins behind it.
fn ticks(stat: &str, number: usize) -> Option<f64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_whitespace().nth(number - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::text;

    #[test]
    fn what_proc_says_is_told_in_base_units() {
        let proc = Proc {
            own_stat: "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 5 0 1234 9 9".to_owned(),
            own_status: "Name:\tx\nVmSize:\t    2000 kB\nVmRSS:\t    1000 kB\n".to_owned(),
            own_limits:
                "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024     4096   files\n"
                    .to_owned(),
            stat: "cpu 1 2 3\nbtime 1700000000\n".to_owned(),
            open_fds: Some(9),
        };
        let page = text::render(&families(&proc));
        for line in [
            "process_cpu_seconds_total 2",
            "process_resident_memory_bytes 1024000",
            "process_virtual_memory_bytes 2048000",
            "process_open_fds 9",
            "process_max_fds 1024",
            "process_start_time_seconds 1700000012.34",
        ] {
            assert!(
                page.lines().any(|found| found == line),
                "{line} is missing from\n{page}"
            );
        }
        assert_eq!(families(&Proc::default()).len(), 0, "nothing is guessed");
        assert_eq!(read().len(), 6);
    }
}
