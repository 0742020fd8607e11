"""An incident of the world `testbed/scenarios/alerts.toml`, told to real receivers: Debian's Alertmanager, aiosmtpd, and
webhooks, one of which is out for half a minute. The collector is killed with -9 when the first notice has gone out, while the
alert recovers, and after its end. Nothing is fed: the agents measure real packets, so it takes as long as it would take.

Usage: alert_world.py [--long] [--bin-dir DIR]
"""

import argparse
import email
import email.policy
import http.server
import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from notify import Mail

ROOT = pathlib.Path(__file__).resolve().parents[2]
SLOW, WORKS, QUIET = "scaleway/fr-par/fr-par-1", "aws/eu-central-1/euc1-az2", "ovh/de1/de1-a"
OUTAGE_S = 30
# What an evaluation is behind the clock, a minute of waiting for the next, and room for a busy machine.
EVALUATED_S = 75 + 60 + 45


class Short:
    """One pair beyond a limit: the alert of a threshold. The zones that are silenced get as slow."""

    rules = f"""default_regression = true
[[threshold]]
name = "slow"
select = {{ agent = "paris-free" }}
measure = "p50"
above_ms = 30
window = "1m"
keep_firing_for = "1m"
[[maintenance]]
name = "works"
select = {{ zone = "{WORKS}" }}
from = "2020-01-01T00:00:00Z"
until = "2099-01-01T00:00:00Z"
"""
    isps, zones, added_ms, silenced = ["Free"], [SLOW, WORKS, QUIET], 40, 2
    # However the minutes fall, two are slow for all of it.
    from_s, for_s, recover_s = 45, 180, 120
    what = ("alert", "slow", SLOW)


class Long:
    """Everybody reaches one zone over a longer way, and one that is silenced: an incident by the default rules."""

    rules = ""
    isps, zones, added_ms, silenced = ["Free", "Orange", "Init7"], [SLOW, QUIET], 12, 1
    # A reference for pooling wants 30 minutes beside the 15 that are too young; naming takes 6, being over 20 or so.
    from_s, for_s, recover_s = 2_820, 480, 1_800
    what = ("incident", "incident", SLOW)


def say(text):
    print(f"[{time.monotonic() - STARTED:5.0f}s] {text}", flush=True)


def wait_for(what, within_s, ask):
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        answer = ask()
        if answer:
            say(what)
            return answer
        time.sleep(0.1)
    raise SystemExit(f"{what}: not within {within_s} s")


class Requests(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        status = self.server.answers.get(self.path, 204)
        self.server.kept.append((self.path, status, self.headers["azimuth-delivery"], body))
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Web(http.server.ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Requests)
        self.kept, self.answers = [], {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def taken(self, path):
        return [(name, body) for at, status, name, body in list(self.kept) if at == path and status < 300]

    def told(self, path):
        """What was taken, each delivery once: a message whose answer was lost may come twice, under its own name."""
        once = {name: body for name, body in self.taken(path)}
        return [(page["rule"], page["labels"].get("zone"), page["state"]) for body in once.values() for page in body["pages"]]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Collector:
    def __init__(self, program, folder):
        self.url = f"http://127.0.0.1:{free_port()}"
        self.command = [program, "serve", "--config", folder / "collector.toml", "--listen", self.url.removeprefix("http://"),
                        "--unix-socket", folder / "world/collector.sock", "--data-dir", folder / "data"]
        self.log = open(folder / "collector.log", "ab")
        self.start()

    def start(self):
        self.process = subprocess.Popen(list(map(str, self.command)), stdout=self.log, stderr=self.log)
        wait_for("the collector answers", 60, lambda: self.ask("/healthz") is not None)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        say("the collector is killed")

    def ask(self, path, body=None):
        request = urllib.request.Request(self.url + path, headers={"content-type": "application/json"},
                                         data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                text = answer.read()
        except OSError as error:
            if body is None and not hasattr(error, "code"):
                return None  # not there yet, or busy
            raise
        return json.loads(text) if text[:1] in (b"{", b"[") else text


def scenario(form, folder):
    text = (ROOT / "testbed/scenarios/alerts.toml").read_text()
    for isp in form.isps:
        for zone in form.zones:
            text += (f"\n[[incident]]\nname = \"{isp}-{zone.split('/')[0]}\"\nfrom_s = {form.from_s}\nfor_s = {form.for_s}\n"
                     f"what = {{ route_change = {{ isp = \"{isp}\", zone = \"{zone}\", added_ms = {form.added_ms} }} }}\n")
    path = folder / "alerts.toml"
    path.write_text(text)
    return path


def alertmanager(folder, web):
    port = free_port()
    (folder / "alertmanager.yml").write_text(
        "route: {receiver: hook, group_by: [alert], group_wait: 0s, group_interval: 1s}\n"
        f"receivers: [{{name: hook, webhook_configs: [{{url: \"http://127.0.0.1:{web.server_port}/from-alertmanager\"}}]}}]\n")
    log = open(folder / "alertmanager.log", "wb")
    command = ["prometheus-alertmanager", f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'am'}",
               f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    return subprocess.Popen(command, stdout=log, stderr=log), port


def configure(folder, form, web, mail_port, alertmanager_port):
    rest = "allow = [\"127.0.0.1\"]\ngroup_wait = \"1s\"\n"
    hook = f"http://127.0.0.1:{web.server_port}"
    (folder / "rules.toml").write_text(form.rules)
    (folder / "collector.toml").write_text(
        "[alerting]\nrules = [\"rules.toml\"]\n"
        f"[notify.am]\nkind = \"alertmanager\"\nurl = \"http://127.0.0.1:{alertmanager_port}\"\n{rest}"
        f"[notify.hook]\nkind = \"webhook\"\nurl = \"{hook}/hook\"\n{rest}"
        f"[notify.ill]\nkind = \"webhook\"\nurl = \"{hook}/ill\"\n{rest}"
        f"[notify.noc]\nkind = \"mail\"\nserver = \"127.0.0.1:{mail_port}\"\ntls = \"none\"\n"
        f"from = \"azimuth@example.org\"\nto = [\"noc@example.org\"]\n{rest}")


def letters(mail):
    """Subjects, each letter once: one that was sent again bears the same name."""
    once = {}
    for _, _, envelope in mail.letters.kept:
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        once[letter["message-id"]] = (letter["subject"], letter.get_content())
    return list(once.values())


def story(form, folder, collector, web, mail):
    _, rule, zone = form.what
    open_path = "/api/v1/incidents?state=firing" if rule == "incident" else "/api/v1/alerts?state=firing"
    # A round that looks at two minutes at once finds it fired and recovering.
    told_path = open_path + "&state=recovering"
    collector.ask("/api/v1/silences", {"select": {"zone": [QUIET]}, "by": "ci", "comment": "tried",
                                       "until": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86_400))})
    web.answers["/ill"] = 503
    wait_for("the beginning is told", form.from_s + 420 + EVALUATED_S, lambda: web.taken("/hook"))
    # At once, maybe before it noted that the message has arrived.
    collector.kill()
    collector.start()
    first = wait_for("the channel that is out was tried", 60, lambda: any(at == "/ill" for at, *_ in web.kept) and time.monotonic())
    wait_for("the beginning everywhere else", 60, lambda: letters(mail) and web.taken("/from-alertmanager"))
    firing = collector.ask(told_path)
    assert firing["total"] == 1 + form.silenced, firing
    if rule == "incident":
        named = sorted(one["culprit"]["value"] for one in firing["incidents"])
        assert named == sorted(form.zones), named
    time.sleep(max(0, first + OUTAGE_S - time.monotonic()))
    assert not web.taken("/ill")
    web.answers["/ill"] = 204
    wait_for("what waited is told after the outage", 90, lambda: web.taken("/ill"))
    wait_for("it recovers", form.for_s + EVALUATED_S + 300,
             lambda: not (now := collector.ask(open_path)) or now["total"] == 0)
    collector.kill()
    collector.start()
    wait_for("the end is told", form.recover_s + EVALUATED_S,
             lambda: len(web.told("/hook")) >= 2 and len(web.told("/ill")) >= 2 and len(letters(mail)) >= 2
             and len(web.taken("/from-alertmanager")) >= 2)
    collector.kill()
    collector.start()
    evaluated = lambda: (collector.ask("/api/v1/alerts") or {}).get("evaluated_to")
    before = wait_for("it knows how far it came", 60, evaluated)
    wait_for("it goes on", EVALUATED_S, lambda: (now := evaluated()) and now > before)
    time.sleep(5)

    expected = [(rule, zone, "firing"), (rule, zone, "resolved")]
    for path in ("/hook", "/ill"):
        assert web.told(path) == expected, (path, web.told(path))
    statuses = [(body["status"], body["commonLabels"]["zone"]) for _, body in web.taken("/from-alertmanager")]
    assert statuses == [("firing", zone), ("resolved", zone)], statuses
    got = letters(mail)
    assert len(got) == 2 and re.match("FIRING", got[0][0]) and re.match("RESOLVED", got[1][0]), got
    assert all(zone in text and WORKS not in text and QUIET not in text for _, text in got), got
    refused = sum(at == "/ill" and status == 503 for at, status, *_ in web.kept)
    say(f"one notice and one end on each of four channels; {refused} attempts during the outage, 3 kills")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--long", action="store_true")
    arguments.add_argument("--bin-dir", type=pathlib.Path, default=ROOT / "target/debug")
    chosen = arguments.parse_args()
    form = Long if chosen.long else Short
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="azimuth-alert-world-"))
    (folder / "world").mkdir(mode=0o700)
    web, mail = Web(), Mail(login=False)
    manager, manager_port = alertmanager(folder, web)
    configure(folder, form, web, mail.address[1], manager_port)
    running = [manager]
    try:
        collector = Collector(chosen.bin_dir / "azimuth-collector", folder)
        command = [chosen.bin_dir / "azimuth-testbed", "run", scenario(form, folder), "--dir", folder / "world", "--no-collector"]
        with open(folder / "world.log", "wb") as log:
            world = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log)
        running.append(world)
        try:
            story(form, folder, collector, web, mail)
        finally:
            running.append(collector.process)
    except BaseException:
        for name in ("world.log", "collector.log"):
            if (folder / name).exists():
                print(f"-- the end of {name}:\n" + "\n".join((folder / name).read_text(errors="replace").splitlines()[-20:]))
        print("-- what the webhooks were sent:", *((at, status, body.get("title")) for at, status, _, body in web.kept), sep="\n")
        raise
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(folder)


STARTED = time.monotonic()
if __name__ == "__main__":
    main()
