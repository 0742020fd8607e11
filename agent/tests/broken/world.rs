//! Two network namespaces with a virtual wire between them, and a prober that runs in one of them. Not for the product.

use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::{Duration, Instant};

use azimuth_agent::probe::SeriesPlan;
use azimuth_agent::probe::contract::Strays;
use azimuth_agent::probe::lane::Lane;
use azimuth_agent::prober::{Delivery, Prober};
use azimuth_agent::schedule::Pace;
use azimuth_measurement::{Method, ProbeCounts};
use nix::sched::{CloneFlags, setns, unshare};

/// The prober's end, and the far one.
pub(crate) const NEAR: &str = "near0";
pub(crate) const FAR: &str = "far0";
pub(crate) const FAR_MAC: &str = "02:a2:00:00:00:02";
/// So that what happened before, during and after a disturbance falls into intervals of its own.
const INTERVAL_MS: u32 = 1_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether namespaces may be made here; says so if not.
pub(crate) fn may_run() -> bool {
    let may = nix::unistd::geteuid().is_root();
    if !may {
        println!("SKIPPED: needs root for namespaces; run `sudo make test`");
    }
    may
}

/// A namespace, held by its descriptor.
pub(crate) struct Namespace(File);

impl Namespace {
    fn new() -> Self {
        let made = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("root may make a namespace");
            File::open("/proc/thread-self/ns/net").expect("a namespace has a file")
        });
        Self(made.join().expect("made"))
    }

    /// Runs `work` on a thread inside.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).expect("entered");
                work()
            });
            inside.join().expect("no panic inside")
        })
    }

    /// `ip` inside, its arguments as one line.
    pub(crate) fn ip(&self, arguments: &str) {
        let output = self.run(|| Command::new("ip").args(arguments.split(' ')).output());
        let output = output.expect("iproute2 is installed");
        assert!(
            output.status.success(),
            "ip {arguments}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// 10.9.0.1 and 10.9.0.2, one wire apart.
pub(crate) struct World {
    pub(crate) near: Namespace,
    pub(crate) far: Namespace,
}

impl World {
    pub(crate) fn new() -> Self {
        let (near, far) = (Namespace::new(), Namespace::new());
        let at = format!("/proc/{}/fd/{}", std::process::id(), far.0.as_raw_fd());
        near.ip(&format!(
            "link add {NEAR} type veth peer name {FAR} address {FAR_MAC} netns {at}"
        ));
        for (namespace, device, address) in [(&near, NEAR, "10.9.0.1"), (&far, FAR, "10.9.0.2")] {
            namespace.ip("link set lo up");
            namespace.ip(&format!("addr add {address}/24 dev {device}"));
            namespace.ip(&format!("link set {device} up"));
        }
        near.run(|| std::fs::write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647"))
            .expect("a namespace's own setting");
        Self { near, far }
    }

    /// Starts a prober of `plans` in the near namespace.
    pub(crate) fn probe(&self, plans: &[SeriesPlan]) -> Probing {
        let (out, intervals) = tokio::sync::mpsc::channel(4_096);
        let prober = self
            .near
            .run(|| Prober::start(plans, INTERVAL_MS, out))
            .expect("a prober");
        Probing { prober, intervals }
    }
}

/// A running prober and its intervals, in order.
pub(crate) struct Probing {
    prober: Prober,
    intervals: tokio::sync::mpsc::Receiver<Delivery>,
}

impl Probing {
    /// Waits for an interval whose first series is as wanted, and gives it; what came before it is dropped.
    pub(crate) fn until(&mut self, what: &str, wanted: impl Fn(&ProbeCounts) -> bool) -> ProbeCounts {
        let deadline = Instant::now() + PATIENCE;
        let mut last = None;
        while Instant::now() < deadline {
            let Ok(delivery) = self.intervals.try_recv() else {
                std::thread::sleep(Duration::from_millis(10));
                continue;
            };
            let series = &delivery.closed.series[0];
            series
                .counts
                .check(series.delays_us.len() as u64)
                .expect("counts that agree");
            if wanted(&series.counts) {
                return series.counts;
            }
            last = Some(series.counts);
        }
        unreachable!("{what}; last seen: {last:?}")
    }

    /// Waits for the end: the counts and the number of delays of each series, and what belonged to none.
    pub(crate) fn end(mut self, series: usize) -> (Vec<(ProbeCounts, u64)>, Strays) {
        let strays = self.prober.join().expect("no panic");
        let mut sums = vec![(ProbeCounts::default(), 0); series];
        while let Ok(delivery) = self.intervals.try_recv() {
            for (sum, series) in sums.iter_mut().zip(&delivery.closed.series) {
                let delays = series.delays_us.len() as u64;
                series.counts.check(delays).expect("counts that agree");
                *sum = (sum.0.plus(&series.counts).expect("small numbers"), sum.1 + delays);
            }
        }
        (sums, strays)
    }

    /// Ends it.
    pub(crate) fn stop(self) {
        self.prober.stopper().stop();
        assert!(self.prober.join().is_some(), "no panic");
    }
}

/// A series without an end unless `limit` says so.
pub(crate) fn plan(method: Method, address: &str, limit: Option<u64>) -> SeriesPlan {
    let address: SocketAddr = address.parse().expect("an address");
    SeriesPlan {
        address,
        method,
        period_ms: 20,
        pace: Pace::Periodic,
        phase_ns: 0,
        waiting_time_ms: 300,
        limit,
        follow_up: false,
        direct_measurement: false,
        key: None,
        lane: Lane::default(),
        request: None,
        backs_off: None,
    }
}
