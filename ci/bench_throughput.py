"""The grid of ci/bench-throughput: builds the links, runs both tools on each, prints the table. Not a test: it asserts nothing."""

import argparse
import json
import os
import secrets
import statistics
import subprocess
import tempfile
import time

QUEUE_BYTES = 1_250_000
# What TCP and IPv4 with timestamps leave of an Ethernet frame of 1514 octets, by which the token bucket counts.
GOODPUT_SHARE = 1448 / 1514


def run(*words, **more):
    return subprocess.run(words, check=True, capture_output=True, text=True, **more).stdout


class World:
    """Near end, router, far end: three namespaces, removed at the end."""

    def __init__(self):
        tag = f"azbt{os.getpid()}"
        self.near, self.router, self.far = f"{tag}n", f"{tag}r", f"{tag}f"
        for name in (self.near, self.router, self.far):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        for end, name, net in ((self.near, "near", 1), (self.far, "far", 2)):
            run("ip", "-n", end, "link", "add", "up0", "type", "veth", "peer", "name", name, "netns", self.router)
            for where, link, host in ((end, "up0", 1), (self.router, name, 2)):
                run("ip", "-n", where, "addr", "add", f"10.203.{net}.{host}/24", "dev", link)
                run("ip", "-n", where, "link", "set", link, "up")
                # Bundles of segments would be larger than the bucket.
                subprocess.run(["ip", "netns", "exec", where, "ethtool", "-K", link, "tso", "off", "gso", "off", "gro", "off"], capture_output=True)
                run("ip", "-n", where, "link", "set", link, "gso_max_segs", "1")
            run("ip", "-n", end, "route", "add", "default", "via", f"10.203.{net}.2")
        run("ip", "netns", "exec", self.router, "sysctl", "-qw", "net.ipv4.ip_forward=1")

    def rate(self, mbit):
        for link in ("near", "far"):
            run("tc", "-n", self.router, "qdisc", "replace", "dev", link, "root", "tbf", "rate", f"{mbit}mbit",
                "burst", "32kb", "limit", str(QUEUE_BYTES))

    def remove(self):
        for name in (self.near, self.router, self.far):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def started(namespace, *words, **more):
    return subprocess.Popen(["ip", "netns", "exec", namespace, *words], **more)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rates", default="50,100,200,400")
    parser.add_argument("--cc", default="cubic")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--bin-dir", default="target/release")
    args = parser.parse_args()
    agent = os.path.join(args.bin_dir, "azimuth-agent")
    world = World()
    children = []
    errors, shares = [], []
    try:
        with tempfile.TemporaryDirectory() as directory:
            key = os.path.join(directory, "key")
            with open(key, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                file.write(secrets.token_hex(32))
            children.append(started(world.far, agent, "reflect", "--allow", "10.203.0.0/16", "--listen", "10.203.2.1:8620",
                                    "--throughput-listen", "10.203.2.1:8621", "--throughput-key-file", key,
                                    "--throughput-congestion-control", args.cc, stderr=subprocess.DEVNULL))
            children.append(started(world.far, "iperf3", "-s", stdout=subprocess.DEVNULL))
            time.sleep(2)
            print(f"congestion control {args.cc}, queue {QUEUE_BYTES} octets, ratios to a 10 s iperf3 on the same link")
            print(f"{'link':>9} {'way':>9} {'iperf3':>9} {'ours':>9} {'error':>7} {'octets':>8} {'reading':>12} {'stop':>9} {'added':>9} {'8Q/R':>9}")
            for mbit in map(int, args.rates.split(",")):
                world.rate(mbit)
                for way in ("down", "up"):
                    reverse = ["-R"] if way == "down" else []
                    long = json.loads(run("ip", "netns", "exec", world.near, "iperf3", "-c", "10.203.2.1", "-t", "10", "-J", "-O", "1", "-C", args.cc, *reverse))
                    reference = long["end"]["sum_received"]["bits_per_second"]
                    reference_bytes = long["end"]["sum_received"]["bytes"] * 11 / 10
                    for _ in range(args.runs):
                        text = run("ip", "netns", "exec", world.near, agent, "throughput", "10.203.2.1", "--key-file", key, f"--{way}",
                                   "--congestion-control", args.cc, "--max-bytes", str(max(10_000_000, mbit * 62_500)), "--json")
                        ours = json.loads(text)
                        bps = ours["bps"] or 0
                        error, share = 100 * (bps / reference - 1), ours["bytes"] / reference_bytes
                        if ours["reading"] == "estimate":
                            errors.append(abs(error))
                        shares.append(share)
                        added = f"{ours['added_delay_us'] / 1000:.1f} ms" if ours["added_delay_us"] is not None else "-"
                        print(f"{mbit:>6} Mb/s {way:>7} {reference / 1e6:>9.1f} {bps / 1e6:>9.1f} {error:>+6.1f}% {100 * share:>7.1f}% "
                              f"{ours['reading']:>12} {ours['stop']:>9} {added:>9} {8 * QUEUE_BYTES / (mbit * 1e3):>6.1f} ms", flush=True)
            if errors:
                errors.sort()
                print(f"\nestimates: n = {len(errors)}, median error {statistics.median(errors):.1f} %, p95 {errors[int(0.95 * (len(errors) - 1))]:.1f} %; "
                      f"octets: median {100 * statistics.median(shares):.1f} % of iperf3's, most {100 * max(shares):.1f} %")
    finally:
        for child in children:
            child.terminate()
        world.remove()


main()
