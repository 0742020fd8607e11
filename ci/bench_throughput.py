"""The figures of ci/bench-throughput: builds the links, runs the tools on each, prints the tables. Not a test: it asserts nothing."""

import argparse
import itertools
import json
import os
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import bench_throughput_cpu

# A queue of so many milliseconds at the rate of its line, so that 8Q/R is the same on all lines.
QUEUE_MS = 50
# Beside a test with cross traffic: this share of the line, by UDP, the way the test goes.
CROSS_SHARE = 0.2
MOST_BUFFER_BYTES = 32 << 20
# Not 8620 and 8621, which the reflector of the testbed has.
STAMP_PORT, TEST_PORT, IPERF_PORT, CROSS_PORT = 8630, 8631, 5201, 5202

SCENARIO = """
name = "bench-throughput"
about = "one zone, a line for each rate and delay"
seed = 1

[network]
ipv4_prefix = "10.79.0.0/16"
ipv6_prefix = "fd79::/16"
path_factor = [1.0, 1.0]
loss_ratio = {loss}
variation_ms = 0.01

[probing]
stamp_period_ms = 1000
tcp_connect_period_ms = 60000
waiting_time_ms = 1000

[[isp]]
name = "bench"
asn = 64500
peering_ms = 0

[[zone]]
key = "aws/eu-west-3/euw3-az1"
country = "FR"
city = "Paris"
latitude = 48.86
longitude = 2.35
round_trip_ms = 0.1
"""

LINE = """
[access.{name}]
round_trip_ms = {delay_ms}
variation_ms = 0.01
sigma = 0.1
down_mbps = {mbit}
up_mbps = {mbit}
queue_bytes = {queue_bytes}

[[vantage_point]]
agent = "{name}"
name = "{name}"
country = "FR"
city = "Paris"
isp = "bench"
access = "{name}"
latitude = 48.86
longitude = 2.35
"""


def queue_bytes(mbit):
    return mbit * 1000 * QUEUE_MS // 8


def run(*words, timeout=120, **more):
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=timeout, **more).stdout


def congestion_controls(wanted):
    """Those of `wanted` that this kernel has; what it has not is said."""
    if "bbr" in wanted and shutil.which("modprobe"):
        subprocess.run(["modprobe", "-q", "tcp_bbr"], capture_output=True)
    with open("/proc/sys/net/ipv4/tcp_available_congestion_control") as file:
        there = file.read().split()
    for name in wanted:
        if name not in there:
            print(f"left out: congestion control {name}, which this kernel does not have ({' '.join(there)})")
    return [name for name in wanted if name in there]


class World:
    """Lines of the testbed's relay: real packets through namespaces that end with the process."""

    def __init__(self, bin_dir, directory, lines, loss):
        self.directory = directory
        scenario = os.path.join(directory, "bench.toml")
        with open(scenario, "w") as file:
            file.write(SCENARIO.format(loss=loss))
            for name, mbit, delay_ms in lines:
                file.write(LINE.format(name=name, mbit=mbit, delay_ms=delay_ms, queue_bytes=queue_bytes(mbit)))
        self.log = open(os.path.join(directory, "testbed.log"), "w")
        self.room = os.path.join(directory, "run")
        self.testbed = subprocess.Popen(
            [os.path.join(bin_dir, "azimuth-testbed"), "run", scenario, "--dir", self.room, "--no-collector", "--bin-dir", bin_dir],
            stdout=self.log, stderr=self.log, start_new_session=True)
        self.children = {}
        self.started = []
        until = time.monotonic() + 60
        while len(self.children) < len(lines) + 1:
            if self.testbed.poll() is not None or time.monotonic() > until:
                self.remove()
                raise SystemExit(f"the testbed did not start:\n{open(self.log.name).read()[-2000:]}")
            time.sleep(0.2)
            try:
                with open(os.path.join(self.room, "run.json")) as file:
                    self.children = {child["name"]: child["pid"] for child in json.load(file)["children"]}
            except (OSError, ValueError):
                pass
        lines_by_name = {name for name, _, _ in lines}
        agents = {name: pid for name, pid in self.children.items() if any(name.endswith(line) for line in lines_by_name)}
        others = [pid for name, pid in self.children.items() if name not in agents]
        if len(others) != 1:
            self.remove()
            raise SystemExit(f"not one reflector among {sorted(self.children)}")
        self.far = others[0]
        self.near = {line: next(pid for name, pid in agents.items() if name.endswith(line)) for line in lines_by_name}
        self.address = address_of(self.far)
        # By the kernel's own 4 MB a sender with BBR runs out of buffer at 400 Mbit/s (`app_limited` in ss), and no line is measured.
        for pid in (self.far, *self.near.values()):
            inside(pid, "sysctl", "-qw", f"net.ipv4.tcp_wmem=4096 65536 {MOST_BUFFER_BYTES}", f"net.ipv4.tcp_rmem=4096 131072 {MOST_BUFFER_BYTES}")

    def start(self, pid, *words):
        self.started.append(subprocess.Popen(["nsenter", "-t", str(pid), "-n", *words], stdout=subprocess.DEVNULL, stderr=self.log))
        return self.started[-1]

    def remove(self):
        for child in self.started:
            child.kill()
            child.wait()
        if self.testbed.poll() is None:
            self.testbed.send_signal(signal.SIGTERM)
            try:
                self.testbed.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.testbed.kill()
        self.log.close()


def address_of(pid):
    """The IPv4 address of a namespace that has one device beside lo."""
    for link in json.loads(run("nsenter", "-t", str(pid), "-n", "ip", "-j", "-4", "addr")):
        if link["ifname"] != "lo":
            return link["addr_info"][0]["local"]
    raise SystemExit("a namespace without an address")


def inside(pid, *words, timeout=120):
    return run("nsenter", "-t", str(pid), "-n", *words, timeout=timeout)


def iperf3(world, near, cc, reverse, args):
    """Bits per second that arrived, and octets of the whole, the second of warming up too."""
    long = json.loads(inside(near, "iperf3", "-c", world.address, "-p", str(IPERF_PORT), "-t", str(args.seconds), "-O", "1", "-J", "-C", cc,
                             *reverse, timeout=args.seconds + 60))
    received = long["end"]["sum_received"]
    return received["bits_per_second"], received["bytes"] * (args.seconds + 1) / args.seconds


def one_cell(world, near, way, cc, mbit, cross, args, key):
    """iperf3 and ours, one after the other on the same line; `None` where one of them failed, which is said."""
    reverse = ["-R"] if way == "down" else []
    beside = None
    try:
        if cross:
            beside = world.start(near, "iperf3", "-c", world.address, "-p", str(CROSS_PORT), "-u", "-b", f"{mbit * CROSS_SHARE:.0f}M",
                                 "-l", "1200", "-t", str((1 + args.again) * args.seconds + 20 + 8 * args.runs), *reverse)
            time.sleep(1)
        reference_bps, reference_bytes = iperf3(world, near, cc, reverse, args)
        again_bps = iperf3(world, near, cc, reverse, args)[0] if args.again else None
        tests = []
        for _ in range(args.runs):
            # As an agent gives a path whose rate it has seen: a second of it, between a usual test and a day's octets.
            most = min(max(10_000_000, mbit * 125_000), 40_000_000)
            done = subprocess.run(["nsenter", "-t", str(near), "-n", args.agent, "throughput", f"{world.address}:{TEST_PORT}", "--key-file", key,
                                   f"--{way}", "--congestion-control", cc, "--stamp-port", str(STAMP_PORT), "--max-bytes", str(most), "--json"],
                                  capture_output=True, text=True, timeout=60)
            try:
                tests.append(json.loads(done.stdout))
            except ValueError:
                print(f"   a test printed no result: {done.stderr.strip()[-300:]}")
        return reference_bps, reference_bytes, again_bps, tests
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired, ValueError, KeyError) as error:
        said = getattr(error, "stdout", "") or getattr(error, "stderr", "") or ""
        print(f"   no figure: {type(error).__name__} {str(said)[-300:]}")
        return None
    finally:
        if beside is not None:
            beside.kill()
            beside.wait()


def grid(args, directory, ccs):
    lines = [(f"line-{mbit}-{delay}", mbit, delay) for mbit in args.rates for delay in args.delays]
    shares, added_errors, readings = [], [], []
    # Of estimates, and of a second iperf3 against the first, by congestion control and loss.
    errors, own_errors = {}, {}
    key = os.path.join(directory, "key")
    with open(key, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(secrets.token_hex(32))
    print(f"queue {QUEUE_MS} ms (8Q/R) on every line; each row: a {args.seconds} s iperf3{' twice' if args.again else ''}, then {args.runs} tests of ours on the same line")
    print(f"{'line':>16} {'cc':>5} {'loss':>5} {'cross':>5} {'way':>4} {'iperf3':>8} {'again':>7} {'ours':>8} {'error':>7} {'octets':>7} {'reading':>12} "
          f"{'stop':>9} {'added':>8} {'top/8Q/R':>8}")
    for loss in args.losses:
        room = os.path.join(directory, f"loss-{loss}")
        os.mkdir(room)
        world = World(args.bin_dir, room, lines, loss)
        try:
            world.start(world.far, "iperf3", "-s", "-p", str(IPERF_PORT))
            world.start(world.far, "iperf3", "-s", "-p", str(CROSS_PORT))
            for cc in ccs:
                reflector = world.start(world.far, args.agent, "reflect", "--allow", "10.79.0.0/16", "--listen", f"{world.address}:{STAMP_PORT}",
                                        "--throughput-listen", f"{world.address}:{TEST_PORT}", "--throughput-key-file", key,
                                        "--throughput-congestion-control", cc)
                time.sleep(1)
                for (name, mbit, delay), cross, way in itertools.product(lines, args.cross, args.ways):
                    found = one_cell(world, world.near[name], way, cc, mbit, cross, args, key)
                    if found is None:
                        continue
                    reference, reference_bytes, again_bps, tests = found
                    again = 100 * (again_bps / reference - 1) if again_bps is not None else None
                    if again is not None:
                        own_errors.setdefault((cc, loss), []).append(abs(again))
                    for ours in tests:
                        bps, reading = ours["bps"] or 0, ours["reading"]
                        readings.append((reading, ours["stop"]))
                        if reading == "failed":
                            print(f"   a test failed: {ours['trouble']}")
                        error, share = 100 * (bps / reference - 1), ours["bytes"] / reference_bytes
                        if reading == "estimate":
                            errors.setdefault((cc, loss), []).append(abs(error))
                        shares.append(share)
                        added_us, of_queue = ours["added_delay_us"], None
                        top_us, idle_us = ours["loaded"]["p99_us"], ours["idle"]["p50_us"]
                        if top_us is not None and idle_us is not None:
                            of_queue = (top_us - idle_us) / 1000 / QUEUE_MS
                            # Only what fills the queue can be held against it.
                            if cc == "cubic" and loss == 0 and not cross and reading == "estimate":
                                added_errors.append(abs(of_queue - 1) * 100)
                        added = f"{added_us / 1000:.1f} ms" if added_us is not None else "-"
                        print(f"{mbit:>6} Mb/s {delay:>2} ms {cc:>5} {100 * loss:>4.1f}% {'yes' if cross else 'no':>5} {way:>4} {reference / 1e6:>8.1f} "
                              f"{f'{again:+.1f}%' if again is not None else '-':>7} {bps / 1e6:>8.1f} {error:>+6.1f}% {100 * share:>6.1f}% {reading:>12} {ours['stop']:>9} {added:>8} "
                              f"{100 * of_queue if of_queue is not None else float('nan'):>7.0f}%", flush=True)
                reflector.terminate()
                reflector.wait()
        finally:
            world.remove()
    p95 = lambda found: sorted(found)[min(len(found) - 1, int(0.95 * len(found)))]
    print()
    for what, found in [("estimates", errors), ("a second iperf3 against the first", own_errors)]:
        for (cc, loss), some in sorted(found.items()):
            print(f"{what}, {cc}, {100 * loss:.1f} % loss: n = {len(some)}, median error {statistics.median(some):.1f} %, p95 {p95(some):.1f} %")
        every = [each for some in found.values() for each in some]
        if len(found) > 1:
            print(f"{what}: n = {len(every)}, median error {statistics.median(every):.1f} %, p95 {p95(every):.1f} %")
    if shares:
        print(f"octets: median {100 * statistics.median(shares):.1f} % of iperf3's, most {100 * max(shares):.1f} %")
    for reading in sorted({reading for reading, _ in readings}):
        print(f"{reading}: {sum(1 for each, _ in readings if each == reading)} of {len(readings)} tests")
    cut = sum(1 for reading, stop in readings if reading == "estimate" and stop != "stable")
    print(f"estimates that were cut before they were stable: {cut}")
    if added_errors:
        print(f"top of the queue against 8Q/R (cubic, no loss, no cross traffic): n = {len(added_errors)}, median off by {statistics.median(added_errors):.1f} %, "
              f"p95 {p95(added_errors):.1f} %")


def main():
    parser = argparse.ArgumentParser()
    numbers = lambda kind: lambda text: [kind(each) for each in text.split(",")]
    parser.add_argument("--rates", type=numbers(int), default=[50, 100, 200, 400], help="Mbit/s")
    parser.add_argument("--delays", type=numbers(int), default=[10, 30], help="ms, round trip")
    parser.add_argument("--cc", type=numbers(str), default=["cubic", "bbr"])
    parser.add_argument("--losses", type=numbers(float), default=[0, 0.001])
    parser.add_argument("--cross", type=numbers(lambda text: text == "yes"), default=[False, True], help="no,yes")
    parser.add_argument("--ways", type=numbers(str), default=["down", "up"])
    parser.add_argument("--runs", type=int, default=2, help="tests of ours a row")
    parser.add_argument("--again", action="store_true", help="iperf3 twice a row: what it says of its own figure")
    parser.add_argument("--seconds", type=int, default=10, help="of iperf3")
    parser.add_argument("--cpu-runs", type=int, default=5)
    parser.add_argument("--file-bytes", type=int, default=500_000_000)
    parser.add_argument("--quick", action="store_true", help="two lines, CUBIC, clean, a few minutes")
    parser.add_argument("--only", choices=["grid", "cpu"])
    parser.add_argument("--bin-dir", default="target/release")
    args = parser.parse_args()
    if args.quick:
        args.rates, args.delays, args.cc, args.losses, args.cross = [50, 200], [10], ["cubic"], [0], [False]
        args.runs, args.cpu_runs = 2, 2
    args.bin_dir = os.path.abspath(args.bin_dir)
    args.agent = os.path.join(args.bin_dir, "azimuth-agent")
    with tempfile.TemporaryDirectory() as directory:
        # nginx's workers look into it.
        os.chmod(directory, 0o755)
        ccs = congestion_controls(args.cc)
        if args.only != "cpu" and ccs:
            cells = len(args.rates) * len(args.delays) * len(ccs) * len(args.losses) * len(args.cross) * len(args.ways)
            print(f"{cells} rows, about {cells * ((1 + args.again) * args.seconds + 3 + 7 * args.runs) // 60 + 1} minutes")
            sys.stdout.flush()
            grid(args, directory, ccs)
        if args.only != "grid":
            bench_throughput_cpu.measure(args, directory)


main()
