"""The processor time of the sender of throughput tests beside nginx, per GB, for ci/bench-throughput. Not a test: it asserts nothing.

Over the loopback of a namespace, in turns. Plain: nginx with and without `sendfile`, each fetched by curl, and ours by its own agent.
By TLS: nginx and ours, both read by the same Python client, because our agent tests plain only; the cipher is printed."""

import hashlib
import hmac
import json
import os
import secrets
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

# Octets of one download.
CPU_BYTES = 2_000_000_000
TLS_BYTES = 1_000_000_000
# Not 8620 and 8621, which the reflector of the testbed has.
STAMP_PORT, TEST_PORT, TLS_STAMP_PORT, TLS_TEST_PORT = 8630, 8631, 8632, 8633
SENDFILE_PORT, COPY_PORT, NGINX_TLS_PORT = 8088, 8089, 8090

NGINX = """
daemon off;
worker_processes 1;
pid {room}/nginx.pid;
error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path {room}/body; proxy_temp_path {room}/proxy; fastcgi_temp_path {room}/fastcgi;
  uwsgi_temp_path {room}/uwsgi; scgi_temp_path {room}/scgi;
  output_buffers 2 128k;
  root {files};
  server {{ listen 127.0.0.1:{on}; sendfile on; }}
  server {{ listen 127.0.0.1:{off}; sendfile off; }}
  server {{ listen 127.0.0.1:{tls} ssl; sendfile off; ssl_protocols TLSv1.3; ssl_buffer_size 16k;
            ssl_certificate {room}/certificate.pem; ssl_certificate_key {room}/certificate.key; }}
}}
"""


def cpu_seconds(pids):
    """User and system time of processes so far (proc_pid_stat(5), fields 14 and 15)."""
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def ticket(key, max_bytes):
    """A ticket of a shared key (docs/configuration.md)."""
    text = f"1:bench:reflector:download:{max_bytes}:30000:0:{int(time.time() * 1000) + 60000}:{secrets.token_hex(16)}"
    tag = hmac.new(bytes.fromhex(key), b"azimuth throughput ticket\n" + text.encode(), hashlib.sha256)
    return f"{text}:{tag.hexdigest()[:32]}"


def read_by_tls(port, request, most):
    """The client of the rows by TLS, in a process of its own: prints how many octets came."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port)) as plain, trusting.wrap_socket(plain) as stream:
        stream.sendall(request.encode())
        octets, into = 0, memoryview(bytearray(1 << 18))
        while octets < most:
            more = stream.recv_into(into)
            if more == 0:
                break
            octets += more
        print(octets, stream.cipher()[0])


def measure(args, directory):
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    if not os.path.exists(nginx) or not shutil.which("curl"):
        print("left out: processor time beside nginx; apt-get install -y --no-install-recommends nginx-light curl")
        return
    namespace = f"azbt{os.getpid()}"
    # In memory, where there is room.
    shm = "/dev/shm" if os.path.isdir("/dev/shm") and shutil.disk_usage("/dev/shm").free > 2 * args.file_bytes else directory
    files = tempfile.mkdtemp(prefix="bench-throughput-", dir=shm)
    started = []
    try:
        subprocess.run(["ip", "netns", "add", namespace], check=True)
        subprocess.run(["ip", "-n", namespace, "link", "set", "lo", "up"], check=True)
        within = ["ip", "netns", "exec", namespace]
        # nginx takes the system's. Some kernels let no namespace but the first have CUBIC as its default; Reno paces as little.
        for cc in ("cubic", "reno"):
            setting = ["sysctl", "-qw", f"net.ipv4.tcp_congestion_control={cc}"]
            if subprocess.run([*within, *setting], capture_output=True).returncode == 0:
                break
        else:
            print("left out: processor time beside nginx, because the namespace's congestion control cannot be set")
            return
        with open(os.path.join(files, "file"), "wb") as file:
            for _ in range(args.file_bytes // (1 << 20)):
                file.write(os.urandom(1 << 20))
        os.chmod(files, 0o755)
        certificate = [os.path.join(directory, f"certificate.{end}") for end in ("pem", "key")]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost",
                        "-days", "2", "-out", certificate[0], "-keyout", certificate[1]], check=True, capture_output=True)
        key, key_file = secrets.token_hex(32), os.path.join(directory, "cpu.key")
        with open(key_file, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(key)
        config = os.path.join(directory, "nginx.conf")
        with open(config, "w") as file:
            file.write(NGINX.format(room=directory, files=files, on=SENDFILE_PORT, off=COPY_PORT, tls=NGINX_TLS_PORT))
        server = subprocess.Popen([*within, nginx, "-c", config, "-g", "user root;"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        started.append(server)

        def reflector(stamp_port, port, *more):
            started.append(subprocess.Popen(
                [*within, args.agent, "reflect", "--allow", "127.0.0.0/8", "--listen", f"127.0.0.1:{stamp_port}", "--throughput-listen",
                 f"127.0.0.1:{port}", "--throughput-key-file", key_file, "--throughput-congestion-control", cc, "--throughput-max-ms", "30000",
                 "--throughput-max-bytes", str(10 * CPU_BYTES), "--throughput-month-bytes", str(1000 * CPU_BYTES), *more],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            return started[-1].pid

        plain = reflector(STAMP_PORT, TEST_PORT)
        secured = reflector(TLS_STAMP_PORT, TLS_TEST_PORT, "--throughput-certificate", certificate[0], "--throughput-certificate-key", certificate[1])
        time.sleep(2)
        if server.poll() is not None:
            print(f"left out: processor time beside nginx, which did not start: {server.stderr.read().decode()[-300:]}")
            return
        workers = [server.pid, *children_of(server.pid)]

        def fetched(port):
            moved = 0
            while moved < CPU_BYTES:
                moved += int(subprocess.run([*within, "curl", "-s", "-o", "/dev/null", "-w", "%{size_download}", f"http://127.0.0.1:{port}/file"],
                                            check=True, capture_output=True, text=True).stdout)
            return moved

        def tested():
            told = subprocess.run([*within, args.agent, "throughput", f"127.0.0.1:{TEST_PORT}", "--key-file", key_file, "--down", "--deep", "--no-probes",
                                   "--max-bytes", str(CPU_BYTES), "--json"], capture_output=True, text=True, timeout=60).stdout
            return json.loads(told)["bytes"]

        ciphers = set()

        def by_tls(port, request, most):
            told = subprocess.run([*within, sys.executable, os.path.abspath(__file__), str(port), request, str(most)],
                                  check=True, capture_output=True, text=True, timeout=120).stdout.split()
            ciphers.add(told[1])
            return int(told[0])

        def nginx_by_tls():
            moved = 0
            while moved < TLS_BYTES:
                moved += by_tls(NGINX_TLS_PORT, "GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", TLS_BYTES)
            return moved

        def tested_by_tls():
            request = (f"GET /ndt/v7/download?access_token={ticket(key, TLS_BYTES)} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                       "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                       "Sec-WebSocket-Protocol: net.measurementlab.ndt.v7\r\n\r\n")
            # Its end is not waited for: the last octets are a farewell that this client does not answer.
            return by_tls(TLS_TEST_PORT, request, TLS_BYTES)

        rows = [("nginx, sendfile", workers, lambda: fetched(SENDFILE_PORT)), ("nginx, copying", workers, lambda: fetched(COPY_PORT)),
                ("azimuth-agent", [plain], tested), ("nginx, TLS", workers, nginx_by_tls), ("azimuth-agent, TLS", [secured], tested_by_tls)]
        figures = {name: [] for name, _, _ in rows}
        for _ in range(args.cpu_runs):
            for name, pids, moves in rows:
                before = cpu_seconds(pids)
                moved = moves()
                if moved > 0:
                    figures[name].append((cpu_seconds(pids) - before) / (moved / 1e9))
        print(f"\nprocessor time of the sender per GB, {cc}, loopback of a namespace, in turns, n = {args.cpu_runs}; TLS by {' and '.join(sorted(ciphers))}")
        medians = {name: statistics.median(found) for name, found in figures.items() if found}
        for name, median in medians.items():
            print(f"{name:>20}: median {median:.3f} s/GB ({min(figures[name]):.3f} to {max(figures[name]):.3f})")
        for ours, theirs in (("azimuth-agent", "nginx, sendfile"), ("azimuth-agent", "nginx, copying"), ("azimuth-agent, TLS", "nginx, TLS")):
            if medians.get(theirs, 0) > 0 and ours in medians:
                print(f"{ours} is {medians[ours] / medians[theirs]:.2f} times {theirs}")
    finally:
        for child in started:
            child.terminate()
            child.wait()
        subprocess.run(["ip", "netns", "del", namespace], capture_output=True)
        shutil.rmtree(files, ignore_errors=True)


if __name__ == "__main__":
    read_by_tls(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
