"""Our probe against stamp-suite's reflector, and its sender against ours, over loopback; for `ci/interop-stamp`.

    stamp.py AZIMUTH_AGENT STAMP_SUITE [--show]

What the two say to each other is read by a relay between them, so that the extensions of RFC 8972 are seen as octets, not as
what either program makes of them. `--show` prints those octets. No figure of delay is looked at.
"""

import contextlib
import hashlib
import hmac
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

AGENT, SUITE = sys.argv[1], sys.argv[2]
SHOW = "--show" in sys.argv
HERE = "127.0.0.1"
KEY = bytes([0x0B]) * 32
PATIENCE_S = 20
PROBES = 5


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind((HERE, 0))
        return opened.getsockname()[1]


def is_bound(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        try:
            opened.bind((HERE, port))
        except OSError:
            return True
    return False


@contextlib.contextmanager
def running(command, port):
    """`command`, once it listens at `port`; ended on the way out. Its output is in `log` afterwards."""
    with tempfile.TemporaryFile("w+") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log)
        said = []
        try:
            until = time.monotonic() + PATIENCE_S
            while not is_bound(port):
                if child.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    sys.exit(f"{command} does not listen at port {port}:\n{log.read()}")
                time.sleep(0.05)
            yield said
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
            child.wait(PATIENCE_S)
            log.seek(0)
            said.append(log.read())


class Relay:
    """Passes datagrams on, traffic class octet included, and remembers them: (request, its class, reply, its class)."""

    def __init__(self, reflector_port):
        self.pairs = []
        self.reflector = (HERE, reflector_port)
        self.asked, self.asking = self.marking(), self.marking()
        self.port = self.asked.getsockname()[1]
        self.asking.settimeout(2)
        self.asked.settimeout(0.2)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.turn, daemon=True)

    @staticmethod
    def marking():
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        opened.bind((HERE, 0))
        return opened

    @staticmethod
    def received(opened):
        octets, ancillary, _, sender = opened.recvmsg(2048, 128)
        classes = [value[0] for level, kind, value in ancillary if (level, kind) == (socket.IPPROTO_IP, socket.IP_TOS)]
        return octets, classes[0] if classes else 0, sender

    def turn(self):
        while not self.ended.is_set():
            try:
                request, request_class, sender = self.received(self.asked)
            except TimeoutError:
                continue
            marked = (socket.IPPROTO_IP, socket.IP_TOS, struct.pack("i", request_class))
            self.asking.sendmsg([request], [marked], 0, self.reflector)
            try:
                reply, reply_class, _ = self.received(self.asking)
            except TimeoutError:
                self.pairs.append((request, request_class, None, 0))
                continue
            self.pairs.append((request, request_class, reply, reply_class))
            self.asked.sendto(reply, sender)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        self.asked.close()
        self.asking.close()


def expect(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: {found!r}, expected {expected!r}")


def extensions(packet, after):
    """The extensions by type: (flags, value)."""
    found, at = {}, after
    while at < len(packet):
        flags, kind, length = struct.unpack_from("!BBH", packet, at)
        found[kind] = (flags, packet[at + 4 : at + 4 + length])
        at += 4 + length
    return found


def our_probe_against_its_reflector(name, suite, ours, missing_follow_up):
    port = free_port()
    with running([SUITE, "-i", "--local-addr", HERE, "--local-port", str(port), *suite], port):
        asked = [f"{HERE}:{port}", "--count", str(PROBES), "--period-ms", "20", "--json", *ours]
        found = json.loads(subprocess.run([AGENT, "probe", *asked], stdout=subprocess.PIPE, check=True).stdout)
    whole = {"returned": found["sent"], "lost": 0, "discarded": 0, "duplicate": 0, "clock": "kernel"}
    expect(name, {key: found[key] for key in whole}, whole)
    expect(f"{name}: missing_follow_up", found["missing_follow_up"], missing_follow_up(found["sent"]))
    print(f"   our probe, its reflector {name}: {found['returned']} of {found['sent']}")


def its_sender_against_our_reflector(name, suite, ours, packet_bytes):
    port = free_port()
    reflect = [AGENT, "reflect", "--listen", f"{HERE}:{port}", "--allow", HERE, *ours]
    with running(reflect, port) as said, Relay(port) as relay:
        sender = [SUITE, "--remote-addr", HERE, "--remote-port", str(relay.port), "--local-addr", HERE]
        sender += ["--count", str(PROBES), "--send-delay", "20", "-L", "2", "--output-format", "json", *suite]
        lines = subprocess.run(sender, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout.splitlines()
    summary = next(line for line in map(json.loads, lines) if line["type"] == "summary")
    expect(name, (summary["packets_sent"], summary["packets_received"]), (PROBES, PROBES))
    checks = summary["measurements"]["tlv_validation"]
    wrong = {key: checks["flags"][key] for key in ("unrecognized", "malformed", "integrity_failed")}
    expect(f"{name}: flags", wrong, {"unrecognized": 0, "malformed": 0, "integrity_failed": 0})
    expect(f"{name}: refused", (checks["rejected_replies"], checks["hmac"]["failed"]), (0, 0))
    expect(f"{name}: our counters", f"answered={PROBES} " in said[0] and "missing_rx_stamp=0" in said[0], True)
    for request, _, reply, _ in relay.pairs:
        expect(f"{name}: length", len(reply), len(request))
        found = extensions(reply, packet_bytes)
        if 8 in found and packet_bytes == 112:
            signed = reply[:4] + reply[112 : reply.index(found[8][1], 112) - 4]
            expect(f"{name}: signature", found[8][1], hmac.new(KEY, signed, hashlib.sha256).digest()[:16])
    if SHOW:
        for request, request_class, reply, reply_class in relay.pairs:
            print(f"      {request.hex()} class {request_class}\n      {reply.hex()} class {reply_class}")
    print(f"   its sender {name}, our reflector: {len(relay.pairs)} of {PROBES}")
    return summary["measurements"], relay.pairs


def main():
    with tempfile.TemporaryDirectory() as directory:
        key = os.path.join(directory, "key")
        with open(os.open(key, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            file.write(KEY.hex())
        its_key, our_key = ["-A", "A", "--hmac-key-file", key], ["--key-file", key]

        def never(sent):
            return sent

        def but_the_last(_):
            return 1

        for name, suite, ours, missing in [
            # A stateless reflector speaks follow-up, but keeps nothing it could tell.
            ("stateless", [], [], never),
            ("stateful, follow-up", ["--stateful-reflector"], [], but_the_last),
            ("with a key", its_key, our_key, never),
            ("stateful with a key", ["--stateful-reflector", "--verify-tlv-hmac", *its_key], our_key, but_the_last),
        ]:
            our_probe_against_its_reflector(name, suite, ours, missing)

        its_sender_against_our_reflector("plain", [], [], 44)
        its_sender_against_our_reflector("with a key", its_key, our_key, 112)
        for name, suite, ours, packet_bytes in [
            ("asking for a class", [], [], 44),
            ("asking for a class with a key", its_key, our_key, 112),
        ]:
            asked = ["--cos", "--dscp", "46", "--ecn", "1", *suite]
            _, pairs = its_sender_against_our_reflector(name, asked, ours, packet_bytes)
            for _, request_class, reply, reply_class in pairs:
                flags, value = extensions(reply, packet_bytes)[4]
                filled = (flags, value[0] >> 2, (value[0] & 3) << 4 | value[1] >> 4, value[1] >> 2 & 3)
                expect(f"{name}: flags, DSCP1, DSCP2, ECN", filled, (0, 46, request_class >> 2, request_class & 3))
                expect(f"{name}: the reply's DSCP", reply_class >> 2, 46)
        asked = ["--follow-up-telemetry"]
        for name, suite, ours, packet_bytes in [
            ("asking for follow-ups", [], [], 44),
            ("asking for follow-ups with a key", its_key, our_key, 112),
        ]:
            measured, _ = its_sender_against_our_reflector(name, [*asked, *suite], ours, packet_bytes)
            expect(f"{name}: matched", measured["follow_up"]["matched"], PROBES - 1)
        for name, suite, ours, packet_bytes in [
            ("asking for counters", [], [], 44),
            ("asking for counters with a key", its_key, our_key, 112),
        ]:
            asked = ["--direct-measurement", *suite]
            measured, _ = its_sender_against_our_reflector(name, asked, ours, packet_bytes)
            told = measured["direct_measurement"]
            ways = (told["observations"], told["unavailable"], told["forward_missing"], told["reverse_missing"])
            expect(f"{name}: observations, unavailable, missing forward, missing reverse", ways, (PROBES, 0, 0, 0))


main()
