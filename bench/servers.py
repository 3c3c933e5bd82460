"""Servers that the measurements start, each in a directory of its own and on loopback."""

import http.client
import json
import os
import signal
import subprocess
import time

PATIENCE_S = 300


def free_port(taken=[21000 + os.getpid() % 5000]):
    taken[0] += 1
    return taken[0]


class Server:
    """One server in a directory of its own."""

    def __init__(self, name, command, directory, port):
        self.name, self.command, self.directory, self.port = name, command, directory, port
        self.process = None

    def start(self):
        log = open(os.path.join(self.directory, "log"), "ab")
        self.process = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=self.directory)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def start_serving(self):
        """Starts it, and returns when its catalog has its own node."""
        def has_its_node():
            status, body = self.get("/v1/catalog/nodes")
            return status == 200 and b"bench" in body

        self.start()
        self.wait_until(has_its_node)

    def pause(self, is_paused=True):
        """Stands still or goes on: what it does in the background is not to be done while another is measured."""
        self.process.send_signal(signal.SIGSTOP if is_paused else signal.SIGCONT)

    def rss_mb(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            line = next(line for line in status if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def peak_mb(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            line = next(line for line in status if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)

    def get(self, path):
        connection = self.connect()
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    def wait_until(self, is_there):
        """Seconds until `is_there`, asked every few milliseconds."""
        started = time.monotonic()
        while time.monotonic() - started < PATIENCE_S:
            try:
                if is_there():
                    return time.monotonic() - started
            except (OSError, ValueError, http.client.HTTPException):
                pass
            time.sleep(0.005)
        raise SystemExit(f"{self.name} was not there within {PATIENCE_S} s; see {self.directory}/log")


def muster(binary, directory, *arguments):
    port = free_port()
    command = [os.path.abspath(binary), "agent", "-node", "bench", "-http-addr", f"127.0.0.1:{port}", "-data-dir", f"{directory}/data", *arguments]
    return Server("muster", command, directory, port)


def consul(binary, directory):
    port = free_port()
    config = {
        "server": True, "bootstrap_expect": 1, "bind_addr": "127.0.0.1", "client_addr": "127.0.0.1",
        "disable_update_check": True, "log_level": "warn", "node_name": "bench", "data_dir": f"{directory}/data",
        "performance": {"raft_multiplier": 1}, "limits": {"http_max_conns_per_client": 1000},
        "ports": {"http": port, "dns": -1, "grpc": -1, "server": free_port(), "serf_lan": free_port(),
                  "serf_wan": free_port()},
    }
    with open(f"{directory}/consul.json", "w") as file:
        json.dump(config, file)
    return Server("Consul", [os.path.abspath(binary), "agent", "-config-file", f"{directory}/consul.json"], directory, port)
