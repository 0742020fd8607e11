"""Real receivers for `azimuth-collector rules notify-test`: aiosmtpd and an https server, on loopback ports of their own,
with certificates made here. Each case says what the program must say, how it must end, and what must have been received.

Usage: notify.py PROGRAM
"""

import asyncio
import email
import email.policy
import hashlib
import hmac
import http.server
import json
import logging
import pathlib
import ssl
import subprocess
import sys
import tempfile
import threading

from aiosmtpd.smtp import SMTP, AuthResult

logging.getLogger("mail.log").setLevel(logging.CRITICAL + 1)
USER, PASSWORD, SECRET = "azimuth", "correct horse", "battery staple"


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def authority(folder, name):
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 2, "-keyout", key,
            "-out", certificate, "-subj", f"/CN=throw-away {name}", "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign")
    return key, certificate


def server_context(folder, ca_key, ca_certificate):
    """For `localhost` by name, and for no address."""
    key, request, certificate = (folder / f"server.{ending}" for ending in ("key", "csr", "pem"))
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request,
            "-subj", "/CN=server")
    extensions = folder / "extensions"
    extensions.write_text("subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n")
    openssl("x509", "-req", "-in", request, "-CA", ca_certificate, "-CAkey", ca_key, "-CAcreateserial", "-days", 2,
            "-extfile", extensions, "-out", certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


class Letters:
    """Keeps letters, and who had logged in to send them."""

    def __init__(self):
        self.kept = []

    async def handle_DATA(self, server, session, envelope):
        self.kept.append((session.auth_data, session.ssl is not None, envelope))
        return "250 kept"


def check_login(server, session, envelope, mechanism, data):
    known = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=known, handled=False, auth_data=data.login.decode())


class Mail:
    """aiosmtpd on a port of the system's choice; `context` is for STARTTLS, `wrapped` for TLS from the first byte."""

    def __init__(self, context=None, wrapped=None, login=True):
        self.letters = Letters()
        how = dict(hostname="localhost", require_starttls=context is not None, tls_context=context)
        if login:
            how |= dict(authenticator=check_login, auth_required=True, auth_require_tls=wrapped is None)
        loop = asyncio.new_event_loop()
        self.server = loop.run_until_complete(
            loop.create_server(lambda: SMTP(self.letters, loop=loop, **how), "127.0.0.1", 0, ssl=wrapped))
        threading.Thread(target=loop.run_forever, daemon=True).start()

    @property
    def address(self):
        return self.server.sockets[0].getsockname()


class Bodies(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.kept.append((self.path, dict(self.headers), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class Web(http.server.ThreadingHTTPServer):
    def __init__(self, context):
        super().__init__(("127.0.0.1", 0), Bodies)
        self.kept = []
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass  # a client that does not believe us hangs up; that is what is tried


def main(program):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="azimuth-notify-"))
    ca_key, ca = authority(folder, "ours")
    _, other = authority(folder, "other")
    context = server_context(folder, ca_key, ca)
    for name, text in (("password", PASSWORD), ("wrong-password", "guess"), ("secret", SECRET)):
        (folder / name).write_text(text + "\n")
    starttls, wrapped, plain = Mail(context), Mail(wrapped=context), Mail(login=False)
    web = Web(context)
    letters, port = starttls.letters.kept, starttls.address[1]

    def try_it(what, table, ends, says, received, expected):
        before = len(received)
        config = folder / "collector.toml"
        config.write_text(f"[notify.it]\nallow = [\"127.0.0.1\", \"::1\"]\n{table}\n")
        done = subprocess.run([program, "rules", "notify-test", "--config", config, "--channel", "it"],
                              capture_output=True, text=True, timeout=120)
        said = done.stdout + done.stderr
        assert done.returncode == ends, f"{what}: ended with {done.returncode}, not {ends}:\n{said}"
        assert says in said, f"{what}: {says!r} is not in:\n{said}"
        assert PASSWORD not in said and SECRET not in said, f"{what}: a secret is shown:\n{said}"
        assert len(received) - before == expected, f"{what}: {len(received) - before} received, not {expected}"
        print(f"ok: {what}")

    def mail(port, login="password", more=f"ca_file = \"{ca}\"", host="localhost"):
        user = f"user = \"{USER}\"\npassword_file = \"{login}\"\n" if login else ""
        return (f"kind = \"mail\"\nserver = \"{host}:{port}\"\n{user}from = \"Azimuth <azimuth@example.org>\"\n"
                f"to = [\"noc@example.org\"]\ntitle = \"{{{{ state }}}} à côté\\r\\nBcc: all@example.org\"\n{more}")

    def hook(more=f"ca_file = \"{ca}\"", host="localhost"):
        return f"kind = \"webhook\"\nurl = \"https://{host}:{web.server_port}/in\"\nsecret_file = \"secret\"\n{more}"

    try_it("mail by STARTTLS with a login", mail(port), 0, "delivered", letters, 2)
    who, encrypted, envelope = letters[0]
    letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert (who, encrypted, envelope.rcpt_tos) == (USER, True, ["noc@example.org"]), (who, encrypted, envelope.rcpt_tos)
    assert letter["bcc"] is None and letter["subject"].startswith("firing à côté"), letter.as_string()
    assert "nothing is wrong" in letter.get_content(), letter.as_string()
    try_it("mail by TLS from the first byte", mail(wrapped.address[1], more=f"tls = \"tls\"\nca_file = \"{ca}\""), 0,
           "delivered", wrapped.letters.kept, 2)
    try_it("a wrong password is a matter for a person, not for the letter", mail(port, login="wrong-password"), 1,
           "not_permitted", letters, 0)
    try_it("a mail server nobody vouches for", mail(port, more=""), 1, "tls", letters, 0)
    try_it("one that another authority vouches for", mail(port, more=f"ca_file = \"{other}\""), 1, "tls", letters, 0)
    try_it("one that is vouched for under another name", mail(port, host="127.0.0.1"), 1, "tls", letters, 0)
    try_it("a mail server without STARTTLS is told nothing", mail(plain.address[1]), 1, "firing", plain.letters.kept, 0)

    try_it("an https hook", hook(), 0, "delivered", web.kept, 2)
    path, headers, body = web.kept[0]
    stamp = dict(part.split("=", 1) for part in headers["azimuth-signature"].split(","))
    signed = hmac.new(SECRET.encode(), f"{stamp['t']}.".encode() + body, hashlib.sha256).hexdigest()
    assert (path, stamp["v1"], json.loads(body)["state"]) == ("/in", signed, "firing"), (path, headers, body)
    try_it("an https hook nobody vouches for", hook(more=""), 1, "tls", web.kept, 0)
    try_it("one that another authority vouches for", hook(more=f"ca_file = \"{other}\""), 1, "tls", web.kept, 0)
    try_it("one that is vouched for under another name", hook(host="127.0.0.1"), 1, "tls", web.kept, 0)
    try_it("a file that is no authority's", hook(more="ca_file = \"secret\""), 2, "holds no certificate", web.kept, 0)
    for left in folder.iterdir():
        left.unlink()
    folder.rmdir()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
