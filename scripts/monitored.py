"""A server and the Prometheus that scrapes it, for the checks of monitoring/."""

import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[1]
MONITORING = ROOT / "monitoring"
BINARY = pathlib.Path(os.environ.get("AGENTGUARD_BIN", ROOT / "target/debug/agentguard")).resolve()
ADMIN_KEY = "hT4-wq9ZrLx2_VbNcY7sKdG5mPjE8uAf"
PATIENCE = 60


def run(*command, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, **more)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, look):
    end = time.monotonic() + PATIENCE
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        assert time.monotonic() < end, f"not within {PATIENCE} s: {what}"
        time.sleep(0.2)


def succeeds(*command, **more):
    ran = run(*command, **more)
    assert ran.returncode == 0, f"{' '.join(map(str, command))}:\n{ran.stdout}"
    return ran.stdout


class Server:
    """A server, on a SQLite file unless `settings` say otherwise, and Prometheus, which scrapes it every second.

    `rules` makes the alerts' file what Prometheus is to watch.
    """

    def __init__(self, work, settings=None, rules=lambda text: text.replace("interval: 30s", "interval: 1s")):
        self.port, self.prometheus_port, self.processes = free_port(), free_port(), []
        self.environment = environment = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": f"sqlite://{work}/agentguard.db",
            "ADMIN_API_KEY": ADMIN_KEY,
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "SHUTDOWN_DRAIN_DELAY": "0",
            "RATE_LIMIT_DEFAULT": "1000000/minute",
            **(settings or {}),
        }
        succeeds(BINARY, "migrate", "up", env=environment)
        self.start([BINARY, "serve"], work / "server.log", env=environment)
        until("the server serves", lambda: self.get("/health/ready")[0] == 200)
        config = (MONITORING / "prometheus.yml").read_text()
        config = config.replace("scrape_interval: 15s", "scrape_interval: 1s")
        config = config.replace("evaluation_interval: 30s", "evaluation_interval: 1s")
        config = config.replace("agentguard:8000", f"127.0.0.1:{self.port}")
        (work / "alerts.yml").write_text(rules((MONITORING / "alerts.yml").read_text()))
        # Nobody is there to be told.
        config = re.sub(r"alerting:\n(?:[ ].*\n)+", "", config)
        (work / "prometheus.yml").write_text(config)
        self.start(
            [
                "prometheus",
                f"--config.file={work}/prometheus.yml",
                f"--storage.tsdb.path={work}/prometheus",
                f"--web.listen-address=127.0.0.1:{self.prometheus_port}",
            ],
            work / "prometheus.log",
        )
        until("Prometheus is ready", lambda: self.prometheus("/-/ready")[0] == 200)

    def start(self, command, log, **more):
        with open(log, "w") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, **more)
        self.processes.append(process)

    def stop(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()

    @staticmethod
    def http(port, method, path, headers=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def get(self, path):
        return self.http(self.port, "GET", path)

    def prometheus(self, path):
        return self.http(self.prometheus_port, "GET", path)

    def query(self, expression):
        status, body = self.prometheus("/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        assert status == 200, f"{expression}: {body}"
        return json.loads(body)["data"]["result"]

    def value(self, expression):
        return sum(float(series["value"][1]) for series in self.query(expression))

    def cli(self, *arguments):
        environment = {
            "PATH": os.environ["PATH"],
            "AGENTGUARD_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "AGENTGUARD_ADMIN_KEY": ADMIN_KEY,
        }
        ran = subprocess.run(
            [BINARY, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        return json.loads(ran.stdout) if ran.stdout.strip() else None


class Load:
    """Callers that ask over and over for some seconds, and how often each answer came."""

    def __init__(self, server, work):
        self.server, self.answers, self.lock = server, {}, threading.Lock()
        (work / "policy.yaml").write_text(
            "scope: {everyone: {}}\nallow: [{action: 'read:**'}]\ndeny: [{action: 'delete:**'}]\n"
        )
        apply = ["policy", "apply", "-f", str(work / "policy.yaml"), "--yes", "--json"]
        server.cli(*apply)
        self.keys = {}
        for name in ("reader", "limited"):
            made = server.cli("agent", "create", name, "--team", "data", "--environment", "production", "--json")
            self.keys[name] = made["api_key"]
            if name == "limited":
                server.cli("agent", "limit", made["agent"]["agent_id"], "--set", "5/minute", "--json")

    EVERYBODY = [("reader", "read:file"), ("reader", "delete:file"), ("limited", "read:file"), (None, "read:file")]

    def run(self, seconds, kinds=tuple(EVERYBODY)):
        end = time.monotonic() + seconds
        threads = [threading.Thread(target=self.ask, args=(*kind, end)) for kind in kinds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def ask(self, agent, action, end):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        headers = {"content-type": "application/json", "x-agent-key": self.keys.get(agent, "agk_wrong")}
        while time.monotonic() < end:
            connection.request("POST", "/enforce", json.dumps({"action": action}), headers)
            answer = connection.getresponse()
            answer.read()
            # What is refused before it is read ends its connection.
            if answer.status != 200:
                connection.close()
            with self.lock:
                self.answers[answer.status] = self.answers.get(answer.status, 0) + 1
            time.sleep(0.002)
        connection.close()
