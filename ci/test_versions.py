"""The pairs of ci/test-versions: each a collector, a reflector and an agent on loopback, until a report is stored and a map is read.

With --record it puts a listener between agent and collector and writes down what the agent asks, for collector/tests/versions. Secrets
and what hangs on them (challenges, signatures, bearers) are not kept: the replay makes its own."""

import argparse
import base64
import http.client
import http.server
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE_S = 90
# What a replay has to fill in, in bodies of JSON.
MADE_ANEW = ("secret", "public_key", "challenge", "signature", "new_signature")
AGENT = "version-matrix"
TODAY = "today"


class Trouble(Exception):
    """Why a pair failed."""


def lines():
    """The names and commits of ci/versions, oldest first, and what is there today."""
    rows = [line.split(None, 2) for line in pathlib.Path("ci/versions").read_text().splitlines()]
    return [(row[0], row[1]) for row in rows if row and not row[0].startswith("#")] + [(TODAY, TODAY)]


def program(programs, commit, name):
    folder = pathlib.Path("target/debug") if commit == TODAY else pathlib.Path(programs) / commit
    return str((folder / f"azimuth-{name}").resolve())


def can(agent, verb):
    """Whether a program knows a command."""
    return subprocess.run([agent, verb, "--help"], capture_output=True).returncode == 0


class Running:
    """Processes that end with the pair, and what they said."""

    def __init__(self, work):
        self.work, self.started = work, []

    def start(self, name, *command):
        log = open(self.work / f"{name}.log", "w")
        self.started.append(subprocess.Popen(command, stdout=log, stderr=log))
        return self.work / f"{name}.log"

    def end(self):
        # The collector last: an agent delivers what it has.
        for process in reversed(self.started):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    def logs(self):
        return "\n".join(f"-- {log.name}\n" + "\n".join(log.read_text().splitlines()[-8:]) for log in sorted(self.work.glob("*.log")))


def until(what, answer, patience_s=PATIENCE_S):
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        found = answer()
        if found:
            return found
        time.sleep(0.2)
    raise Trouble(f"not within {patience_s} s: {what}")


def get(address, path):
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return json.loads(answer.read()) if answer.status == 200 else None
    except OSError:
        return None
    finally:
        connection.close()


class Listener:
    """Between an agent and its collector: hands everything on and writes it down."""

    def __init__(self, collector):
        self.heard, lock = [], threading.Lock()
        heard = self.heard

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def carry(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                connection = http.client.HTTPConnection(collector, timeout=30)
                connection.request(self.command, self.path, body, dict(self.headers))
                answer = connection.getresponse()
                told = answer.read()
                with lock:
                    heard.append((self.command, self.path, list(self.headers.items()), body, answer.status))
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                        self.send_header(name, value)
                self.send_header("content-length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)
                connection.close()

            do_GET = do_POST = carry

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = "127.0.0.1:%d" % self.server.server_address[1]


def configuration(work, agent, address, reflector, joined):
    """What the agent of a version is given: everything it can measure against a reflector on loopback."""
    head = f'identity = "{work}/identity.json"\n' if joined else f'agent = "{AGENT}"\n'
    head += "interval_ms = 1000\n"
    tail = "" if joined else f'[collector]\nurl = "http://{address}"\n'
    tail += '[vantage_point]\nname = "Here"\ncountry = "FR"\ncity = "Paris"\nnetwork = "Loopback"\nasn = 64500\nlatitude = 48.86\n'
    tail += f'longitude = 2.35\n[spool]\ndirectory = "{work}/spool"\n'
    probes = [("stamp", reflector, ""), ("tcp_connect", reflector + 1, "")]
    text = head + tail
    if can(agent, "path"):
        text += "[path]\nperiod_s = 10\n"
        probes += [("icmp_echo", None, ""), ("tls_handshake", reflector + 1, ""), ("https_first_byte", reflector + 1, "")]
        probes += [("dns_query", reflector + 1, 'question = "zone-a.example.net"\n')]
    if can(agent, "throughput"):
        (work / "key").write_text("5a" * 32 + "\n")
        (work / "key").chmod(0o600)
        text += f'[throughput]\nkey_file = "{work}/key"\ndirectory = "{work}"\ntests_per_day = 1000\ntest_bytes = 100000\n'
        text += f"day_bytes = 1000000000\nport = {reflector + 2}\n"
    text += '[[target]]\nname = "own"\nprovider = "aws"\nregion = "eu-west-3"\nzone = "euw3-az1"\naddress = "127.0.0.1"\n'
    for method, port, more in probes:
        text += f'[[target.probe]]\nmethod = "{method}"\nperiod_ms = 500\nwaiting_time_ms = 400\n{more}'
        text += f"port = {port}\n" if port else ""
    # Said by the host's owner, so that no metadata service is asked; earlier agents do not know the key.
    said = '[cloud]\nprovider = "aws"\nregion = "eu-west-3"\nzone = "euw3-az1"\n'
    file = work / "agent.toml"
    for more in (said, ""):
        file.write_text(text.replace("[[target]]", f"{more}[[target]]", 1))
        if subprocess.run([agent, "config", "check", str(file)], capture_output=True).returncode == 0:
            break


def pair(programs, agent_of, collector_of, work, record, reflector):
    """One pair; a sentence about it, and what was heard."""
    running = Running(work)
    agent, collector = program(programs, agent_of, "agent"), program(programs, collector_of, "collector")
    data = work / "data"
    try:
        log = running.start("collector", collector, "serve", "--listen", "127.0.0.1:0", "--data-dir", str(data))
        found = until("a collector that listens", lambda: re.search(r"listening on http://(\S+)", log.read_text()))
        collector_at = found[1].rstrip(",;")
        listener = Listener(collector_at) if record else None
        address = listener.address if listener else collector_at
        reflect = [agent, "reflect", "--listen", f"127.0.0.1:{reflector}", "--tcp-listen", f"127.0.0.1:{reflector + 1}", "--allow", "127.0.0.0/8"]
        joined = can(agent, "join") and can(collector, "token")
        if joined:
            made = [collector, "token", "create", "--data-dir", str(data), "--site", "versions", "--uses", "2", "--address", f"http://{address}"]
            token = subprocess.run(made, capture_output=True, text=True, check=True).stdout.strip()
            for name, wish in [("identity", AGENT), ("reflector", "reflector-a")]:
                join = [agent, "join", "-", "--identity", f"{work}/{name}.json", "--agent", wish]
                subprocess.run(join, input=token, text=True, check=True, capture_output=True)
        configuration(work, agent, address, reflector, joined)
        if (work / "key").exists():
            reflect += ["--throughput-listen", f"127.0.0.1:{reflector + 2}", "--throughput-key-file", f"{work}/key"]
        running.start("reflector", *reflect)
        running.start("agent", agent, "run", "--config", str(work / "agent.toml"))

        def measured():
            told = get(collector_at, "/api/v1/map?method=stamp&from=now-5m")
            cells = told and told.get("cells") or []
            return any(cell.get("n") or cell.get("returned") or cell.get("sent") for cell in cells) and cells

        cells = until("a map with a measured pair", measured)
        agents = get(collector_at, "/api/v1/agents")["agents"]
        if not any(row["agent"] == AGENT for row in agents if "agent" in row) and AGENT not in json.dumps(agents):
            raise Trouble(f"the collector does not know {AGENT}: {agents}")
        if record:
            also(agent, collector, work, running, joined, reflector)
            time.sleep(record)
        said = "joined, reported in a session" if joined else "reported without an identity"
        return f"{said}; {len(cells)} pair on the map", listener.heard if listener else []
    except (Trouble, subprocess.CalledProcessError) as why:
        more = getattr(why, "stderr", "") or ""
        raise Trouble(f"{why} {more}\n{running.logs()}") from why
    finally:
        running.end()


def also(agent, collector, work, running, joined, reflector):
    """What a running agent asks rarely, or a person's command: whether the plan is another, another key, a ticket."""
    if not joined:
        return
    ports = f"127.0.0.1:{reflector + 3}"
    identity = f"{work}/identity.json"
    if "throughput-identity" in subprocess.run([agent, "reflect", "--help"], capture_output=True, text=True).stdout:
        running.start("tickets", agent, "reflect", "--listen", f"127.0.0.1:{reflector + 4}", "--allow", "127.0.0.0/8", "--throughput-listen", ports,
                      "--throughput-identity", f"{work}/reflector.json")
        test = [agent, "throughput", ports, "--identity", identity]
        until("a test with a ticket of the collector", lambda: subprocess.run(test, capture_output=True).returncode == 0, 30)
    # Another version of the plan, so that the agent asks for it, naming the one that it has.
    time.sleep(15)
    subprocess.run([collector, "plan", "resume", "--data-dir", str(work / "data")], check=True, capture_output=True)
    time.sleep(3)
    subprocess.run([agent, "rotate-key", "--identity", identity], check=True, capture_output=True)


def written(one):
    """What was heard, as the fixture has it."""
    method, path, headers, body, _ = one
    row = {"method": method, "path": path, "headers": []}
    for name, value in headers:
        name = name.lower()
        if name in ("host", "content-length"):
            continue
        value = {"authorization": "Bearer <bearer>", "if-none-match": "<etag>"}.get(name, value)
        row["headers"].append([name, value])
    if "json" in dict(row["headers"]).get("content-type", ""):
        row["json"] = {key: f"<{key}>" if key in MADE_ANEW else value for key, value in json.loads(body).items()}
    elif body:
        row["body"] = base64.urlsafe_b64encode(body).rstrip(b"=").decode()
    return row


def fields(message):
    """Number and bytes of each field of a protobuf message, numbers passed over."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte, at = message[at], at + 1
            value, shift = value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    while at < len(message):
        tag = varint()
        if tag & 7 == 0:
            varint()
        elif tag & 7 == 2:
            length = varint()
            yield tag >> 3, message[at : at + length]
            at += length
        else:
            at += 8 if tag & 7 == 1 else 4


def told(batch, field):
    """Whether a report of a batch has a field."""
    for _, item in (one for one in fields(batch) if one[0] == 2):
        for _, frame in (one for one in fields(item) if one[0] == 2):
            report = subprocess.run(["zstd", "-dc"], input=frame, capture_output=True, check=True).stdout
            if any(number == field for number, _ in fields(report)):
                return True
    return False


def kept(heard):
    """Of what was heard, each kind once, after the challenge that it answers; of the reports the first two, the largest, and the first with
    a path and with a throughput result."""
    all_reports = [one for one in heard if one[1] == "/api/v1/reports" and one[4] == 200]
    reports = all_reports[:2] + [max(all_reports, key=lambda one: len(one[3]))]
    for field in (20, 30):
        reports += [one for one in all_reports if told(one[3], field)][:1]
    exchanges, seen, challenge = [], set(), None
    for one in heard:
        row = written(one)
        kind = (row["method"], row["path"], "<etag>" in json.dumps(row["headers"]))
        if row["path"].endswith("/challenge"):
            challenge = row
        elif any(one is report for report in reports) or (kind not in seen and one[4] in (200, 304) and kind[1] != "/api/v1/reports"):
            seen.add(kind)
            exchanges += [challenge, row] if "<challenge>" in row.get("json", {}).values() else [row]
    return exchanges


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--programs", required=True)
    arguments.add_argument("--all", action="store_true")
    arguments.add_argument("--record")
    arguments.add_argument("--seconds", type=float, default=20, help="how long a recorded agent goes on after its first report")
    given = arguments.parse_args()
    versions = lines()
    commits = dict(versions)
    if given.record:
        if given.record not in commits:
            sys.exit(f"ci/test-versions: {given.record} is not in ci/versions; its lines are {', '.join(commits)}")
        with tempfile.TemporaryDirectory() as work:
            _, heard = pair(given.programs, commits[given.record], TODAY, pathlib.Path(work), given.seconds, 18620)
        version = {"version": given.record, "commit": commits[given.record], "agent": AGENT, "exchanges": kept(heard)}
        out = pathlib.Path(f"collector/tests/versions/{given.record}.json")
        out.parent.mkdir(exist_ok=True)
        out.write_text(json.dumps(version, indent=1) + "\n")
        print(f"{out}: {len(version['exchanges'])} exchanges of {len(heard)} heard, {out.stat().st_size} octets")
        return
    earlier = versions[:-1]
    newest = earlier[-2:]
    pairs = [(agent, (TODAY, TODAY)) for agent in (earlier if given.all else newest)]
    pairs += [((TODAY, TODAY), collector) for collector in newest]
    failed = False
    print("| agent | collector | outcome | seconds |\n|---|---|---|---|")
    for number, (agent, collector) in enumerate(pairs):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as work:
            try:
                said, _ = pair(given.programs, agent[1], collector[1], pathlib.Path(work), 0, 18620 + 10 * number)
            except Trouble as why:
                said, failed = "FAILED", True
                print(why, file=sys.stderr)
        print(f"| {agent[0]} | {collector[0]} | {said} | {time.monotonic() - began:.0f} |", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
