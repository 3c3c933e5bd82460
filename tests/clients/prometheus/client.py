"""Prometheus, unchanged: its Consul service discovery finds the service, scrapes it, and lets it go.

Usage: client.py register|verify|watch|critical|passing|deregister|all
See tests/clients/README.md for what each phase does and prints. `watch` and `register` run apart must agree on
CLIENTS_METRICS_PORT, the port of the scraped endpoint. CLIENTS_PROMETHEUS is the program to run, by default what
`scripts/peers prometheus` fetched: Debian 12 builds its own without Consul discovery.

Two jobs watch: `defaults` as users write it (server and nothing else), `prompt` with `refresh_interval: 1s`. The
interval is the pause Prometheus makes between two blocking queries, 30 s unless told otherwise, and not in the server's
hands; so `prompt` is followed over every change, `defaults` only at the start. Two more pauses of up to 5 s each lie
inside Prometheus, before discovered targets are passed on and before the scraper takes them up; no setting shortens
them. So each change prints two times: until Prometheus had heard of it (the server's part), and until its list of
targets showed it.
"""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = "clients-prometheus"
INSTANCE = "clients-prometheus-1"
CHECK = "service:clients-prometheus-1"
# Far longer than a run: the check must change only when this script says so.
TTL = "600s"
# Well above Prometheus's own pauses (1 s + 5 s + 5 s), well below the 120 s it parks a query that nothing wakes.
DEADLINE_SECONDS = 30
POLL_SECONDS = 0.05
PROMETHEUS = os.path.join(os.path.dirname(__file__), "../../../target/peers/prometheus/usr/bin/prometheus")
METRICS = b"# TYPE clients_answer gauge\nclients_answer 42\n"

CONFIG = """
global: {{ scrape_interval: 1s }}
scrape_configs:
  - job_name: defaults
    consul_sd_configs:
      - server: '{server}'
    relabel_configs: &relabel
      - {{ source_labels: [__meta_consul_service], action: keep, regex: clients-prometheus }}
      - {{ source_labels: [__meta_consul_health], action: keep, regex: passing }}
      - {{ source_labels: [__meta_consul_tags], action: keep, regex: '.*,blue,.*' }}
      - {{ source_labels: [__meta_consul_dc], target_label: dc }}
      - {{ source_labels: [__meta_consul_service_id], target_label: service_id }}
      - {{ source_labels: [__meta_consul_service_metadata_client], target_label: client }}
  - job_name: prompt
    consul_sd_configs:
      - server: '{server}'
        refresh_interval: 1s
    relabel_configs: *relabel
"""


def fail(what, saw):
    print(f"FAILED: {what}: saw {saw!r}", flush=True)
    sys.exit(1)


def expect(what, holds, saw):
    if not holds:
        fail(what, saw)
    print(f"ok: {what}", flush=True)


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def registry(method, path, body=None):
    address = os.environ["CONSUL_HTTP_ADDR"]
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{address}/v1{path}", data=data, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read().decode()
    return json.loads(text) if text else None


def free_port():
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return listener.getsockname()[1]


def metrics_port():
    return int(os.environ["CLIENTS_METRICS_PORT"])


class Endpoint(BaseHTTPRequestHandler):
    """The service: one metric, for Prometheus to scrape."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(METRICS)))
        self.end_headers()
        self.wfile.write(METRICS)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def endpoint():
    server = ThreadingHTTPServer(("127.0.0.1", metrics_port()), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield
    server.shutdown()


class Prometheus:
    """A running Prometheus, asked only through its own HTTP API."""

    def __init__(self, directory):
        self.log = os.path.join(directory, "prometheus.log")
        self.url = f"http://127.0.0.1:{free_port()}"
        config = os.path.join(directory, "prometheus.yml")
        with open(config, "w") as file:
            file.write(CONFIG.format(server=os.environ["CONSUL_HTTP_ADDR"].removeprefix("http://")))
        command = [
            # Goes with this script, however this script ends.
            *("setpriv", "--pdeathsig", "KILL"),
            os.environ.get("CLIENTS_PROMETHEUS", PROMETHEUS),
            f"--config.file={config}",
            f"--storage.tsdb.path={directory}/data",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait_for(self, what, holds):
        """Polls until `holds()`; returns the seconds it took, or fails with the end of Prometheus's log."""
        started = time.monotonic()
        saw = None
        while time.monotonic() - started < DEADLINE_SECONDS and self.process.poll() is None:
            try:
                if holds():
                    return time.monotonic() - started
                saw = self.targets()
            except OSError as error:
                saw = error
            time.sleep(POLL_SECONDS)
        with open(self.log) as log:
            print("".join(log.readlines()[-30:]), file=sys.stderr)
        fail(f"{what} within {DEADLINE_SECONDS} s", saw)

    def targets(self):
        """Each job's targets as (service id, datacenter, client, health)."""
        found = {"defaults": [], "prompt": []}
        for target in json.loads(get(f"{self.url}/api/v1/targets?state=active"))["data"]["activeTargets"]:
            labels = target["labels"]
            seen = (labels["service_id"], labels["dc"], labels["client"], target["health"])
            found[labels["job"]].append(seen)
        return found

    def state(self, job="prompt"):
        """Absent, up, or down; None while the target was not scraped yet."""
        found = self.targets()[job]
        if not found:
            return "absent"
        return {"up": "up", "down": "down"}.get(found[0][3])

    def updates(self):
        """How many times discovery was told of something new."""
        counts = re.findall(r'^prometheus_sd_received_updates_total\{.*name="scrape".*\} (\S+)$', self.metrics(), re.M)
        return sum(float(count) for count in counts)

    def metrics(self):
        return get(f"{self.url}/metrics")

    def query(self, expression):
        answer = json.loads(get(f"{self.url}/api/v1/query?query={expression}"))
        return [result["value"][1] for result in answer["data"]["result"]]

    def sees(self, change, wanted):
        before = self.updates()
        changed_at = time.monotonic()
        change()
        self.wait_for("Prometheus hears of the change", lambda: self.updates() > before)
        heard = time.monotonic() - changed_at
        self.wait_for(f"the target is {wanted}", lambda: self.state() == wanted)
        shown = time.monotonic() - changed_at
        print(f"ok: the target is {wanted}", flush=True)
        print(f"took: {heard * 1000:.0f} ms until heard of, {shown:.1f} s until shown", flush=True)


@contextlib.contextmanager
def prometheus():
    with tempfile.TemporaryDirectory(prefix="clients-prometheus-") as directory:
        running = Prometheus(directory)
        try:
            running.wait_for("Prometheus is ready", lambda: get(f"{running.url}/-/ready"))
            yield running
        finally:
            running.process.terminate()
            running.process.wait()


def register():
    service = {
        "Name": NAME,
        "ID": INSTANCE,
        "Address": "127.0.0.1",
        "Port": metrics_port(),
        "Tags": ["blue", "v1"],
        "Meta": {"client": "prometheus"},
        "Check": {"TTL": TTL},
    }
    registry("PUT", "/agent/service/register", service)
    passing()
    verify()


def verify():
    checks = registry("GET", f"/health/checks/{NAME}")
    expect("its check is passing", [check["Status"] for check in checks] == ["passing"], checks)


def critical():
    registry("PUT", f"/agent/check/fail/{CHECK}")


def passing():
    registry("PUT", f"/agent/check/pass/{CHECK}")


def deregister():
    registry("PUT", f"/agent/service/deregister/{INSTANCE}")
    checks = registry("GET", f"/health/checks/{NAME}")
    expect("the service is gone", checks == [], checks)


def everything():
    os.environ["CLIENTS_METRICS_PORT"] = str(free_port())
    register()
    with endpoint(), prometheus() as running:
        for job in ("defaults", "prompt"):
            took = running.wait_for(f"job {job} has its target up", lambda: running.state(job) == "up")
            print(f"ok: job {job} has its target up after {took:.1f} s", flush=True)
        wanted = [(INSTANCE, "dc1", "prometheus", "up")]
        targets = running.targets()
        expect("its labels are the registered ones", targets == {"defaults": wanted, "prompt": wanted}, targets)
        running.wait_for("the metric is scraped", lambda: "42" in running.query("clients_answer"))
        print("ok: the metric is scraped", flush=True)
        running.sees(critical, "absent")
        running.sees(passing, "up")
        running.sees(deregister, "absent")
        running.sees(register, "up")
        running.sees(deregister, "absent")


def watch():
    """Follows the `prompt` job's target over any outage, one line a change, until standard input closes."""
    with endpoint(), prometheus() as running:
        threading.Thread(target=follow, args=(running,), daemon=True).start()
        sys.stdin.read()


def follow(running):
    seen = None
    while running.process.poll() is None:
        with contextlib.suppress(OSError):
            state = running.state()
            if state is not None and state != seen:
                seen = state
                print(f"saw {seen}", flush=True)
        time.sleep(POLL_SECONDS)


PHASES = {
    "register": register,
    "verify": verify,
    "watch": watch,
    "critical": critical,
    "passing": passing,
    "deregister": deregister,
    "all": everything,
}

if __name__ == "__main__":
    PHASES[sys.argv[1]]()
