"""/metrics before a real Prometheus: it takes what `cvf up`, an agent and a controller say of themselves, over HTTP and over TLS with a
certificate of its own, and answers questions about it.

    prometheus_test.py PATH-OF-cvf

Skipped without root, a kernel that takes BPF programs, or one of the programs. All of it is on loopback.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "live"))
import live  # noqa: E402
from fabric import Broker, text_of  # noqa: E402
from live import free_port, wait_until  # noqa: E402

SAMPLE = re.compile(r"^([a-z_]+)(\{.*\})? (\S+)$")


class Prometheus:
    def __init__(self, folder, jobs):
        self.folder, self.port = folder, free_port()
        config = os.path.join(folder, "prometheus.json")  # YAML of a kind
        with open(config, "w") as f:
            json.dump({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}, f)
        subprocess.run(["promtool", "check", "config", config], check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(folder, "prometheus.log"), "wb") as log:
            self.process = subprocess.Popen(["prometheus", "--config.file=" + config, "--storage.tsdb.path=" + os.path.join(folder, "tsdb"),
                                             f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=info"],
                                            stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder)

    def log(self):
        return text_of(os.path.join(self.folder, "prometheus.log"))

    def end(self):
        self.process.kill()
        self.process.wait()

    def ask(self, path, **parameters):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
                return json.load(answer)["data"]
        except (urllib.error.URLError, ConnectionError):
            return None  # it has only begun

    def targets(self):
        return {t["labels"]["job"]: t for t in (self.ask("targets") or {"activeTargets": []})["activeTargets"]}

    def query(self, question):
        """The values now, by the labels asked for: {(("job", "up"), …): number}."""
        answer = self.ask("query", query=question)
        return {tuple(sorted(r["metric"].items())): float(r["value"][1]) for r in answer["result"]} if answer else {}

    def number(self, question):
        found = list(self.query(question).values())
        return found[0] if len(found) == 1 else None


def samples(text):
    """What an exposition says: {name with labels: number}."""
    out = {}
    for line in text.splitlines():
        if line and line[0] != "#":
            name, labels, value = SAMPLE.match(line).groups()
            out[name + (labels or "")] = float(value)
    return out


class Scraped(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="cvf-prometheus-")
        self.addCleanup(shutil.rmtree, self.folder, True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def prometheus(self, jobs):
        prometheus = Prometheus(self.folder, jobs)
        self.addCleanup(prometheus.end)
        up = lambda: (t := prometheus.targets()) and len(t) == len(jobs) and all(x["health"] == "up" for x in t.values())
        self.assertTrue(wait_until(up, 60, 0.2), str(prometheus.targets()) + prometheus.log())
        for target in prometheus.targets().values():
            self.assertEqual(target["lastError"], "")
        return prometheus

    def nothing_was_wrong(self, prometheus):
        """With what was taken in: no sample twice, out of order, out of bounds, and nothing to complain about."""
        for what in ("duplicate_timestamp", "out_of_order", "out_of_bounds"):
            name = f"prometheus_target_scrapes_sample_{what}_total"
            with urllib.request.urlopen(f"http://127.0.0.1:{prometheus.port}/metrics", timeout=10) as answer:
                self.assertEqual(samples_of_foreign(answer.read().decode(), name), 0, name)
        worse = [line for line in prometheus.log().splitlines() if "level=warn" in line or "level=error" in line]
        self.assertEqual(worse, [])

    def certificates(self):
        """An authority, the server's certificate for 127.0.0.1, and Prometheus's own."""
        script = """set -e
            new="openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
            $new -x509 -days 2 -subj /CN=ca -keyout ca.key -out ca.pem
            echo subjectAltName=IP:127.0.0.1 >server.ext; echo extendedKeyUsage=clientAuth >client.ext
            for who in server client; do
                $new -subj /CN=$who -keyout $who.key -out $who.csr
                openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile $who.ext -out $who.pem
            done"""
        subprocess.run(["sh", "-c", script], cwd=self.folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self, name, *command):
        with open(self.path(name + ".err"), "ab") as errors:
            process = subprocess.Popen([live.CVF, *command], stdout=subprocess.DEVNULL, stderr=errors, stdin=subprocess.DEVNULL)
        self.addCleanup(lambda: (process.poll() is None and process.kill(), process.wait()))
        said = lambda: text_of(self.path(name + ".err"))
        self.assertTrue(wait_until(lambda: "API at" in said() or process.poll() is not None, 20) and process.poll() is None, said())

    def test_cvf_up_is_scraped_and_its_numbers_are_those_that_it_says(self):
        with live.Agent() as agent, Served() as served:
            prometheus = self.prometheus([{"job_name": "up", "static_configs": [{"targets": [f"127.0.0.1:{agent.port}"]}]}])
            for _ in range(20):
                served.ask()
            wrong = urllib.request.Request(f"http://127.0.0.1:{agent.port}/api/v1/nodes", headers={"Authorization": "Bearer wrong"})
            with self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(wrong, timeout=5)
            refused.exception.close()

            # Everything that is said has arrived, under its name and labels.
            said = exposition(agent.port)
            judged = subprocess.run(["promtool", "check", "metrics"], input=said, capture_output=True, text=True)
            self.assertEqual((judged.returncode, judged.stdout + judged.stderr), (0, ""))
            series = lambda: {named(labels) for labels in prometheus.query('{__name__=~"cvf_.+"}')}
            self.assertTrue(wait_until(lambda: series() >= set(samples(said)), 30, 0.2), set(samples(said)) - series())
            self.assertEqual(prometheus.number('scrape_samples_scraped{job="up"}'), len(samples(exposition(agent.port))))
            self.assertEqual(prometheus.number('cvf_api_refused_total{status="401"}'), 1)

            # What grows is a counter and is so called, and no number goes astray on its way.
            kinds = {m["metric"]: m["type"] for m in prometheus.ask("targets/metadata") if m["metric"].startswith("cvf_")}
            self.assertGreater(len(kinds), 40)
            for name, kind in kinds.items():
                self.assertEqual(kind, "counter" if name.endswith("_total") else "gauge", name)
            before = samples(exposition(agent.port))["cvf_flows_total"]
            for _ in range(20):
                served.ask()
            least = before + 20
            self.assertTrue(wait_until(lambda: prometheus.number("cvf_flows_total") >= least, 30, 0.2), prometheus.query("cvf_flows_total"))
            self.assertLessEqual(prometheus.number("cvf_flows_total"), samples(exposition(agent.port))["cvf_flows_total"])
            self.assertTrue(wait_until(lambda: prometheus.number("increase(cvf_flows_total[1m])"), 30, 0.2))
            self.assertTrue(wait_until(lambda: (prometheus.number("rate(cvf_packet_bytes_total[1m]) / rate(cvf_packets_total[1m])") or 0) > 40, 30, 0.2))
            self.assertEqual(prometheus.number("cvf_records_made_total - cvf_records_written_total - cvf_records_lost_total - cvf_records_waiting"), 0)
            self.nothing_was_wrong(prometheus)

            # One that ends is seen.
            self.assertEqual(agent.stop(), 0)
            self.assertTrue(wait_until(lambda: prometheus.number('up{job="up"}') == 0, 30, 0.2))

    def test_agent_and_controller_are_scraped_over_tls_by_one_who_shows_a_certificate(self):
        self.certificates()
        broker = Broker(self.folder)
        self.addCleanup(broker.kill)
        ports = {"agent": free_port(), "controller": free_port()}
        for name, port in ports.items():
            more = ("--node", "n1", "--spool-directory", self.path("spool")) if name == "agent" else ("--history-directory", self.path("history"), "--history-size", "64MiB")
            self.start(name, name, "--bus", broker.url, "--listen", f"127.0.0.1:{port}", "--token-file", self.path("token-" + name),
                       "--tls-cert", self.path("server.pem"), "--tls-key", self.path("server.key"), "--tls-client-ca", self.path("ca.pem"), *more)
        tls = {"ca_file": self.path("ca.pem"), "cert_file": self.path("client.pem"), "key_file": self.path("client.key")}
        prometheus = self.prometheus([{"job_name": name, "scheme": "https", "tls_config": tls, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
                                      for name, port in ports.items()])
        self.assertTrue(wait_until(lambda: prometheus.number("cvf_bus_connected") == 1, 30, 0.2))
        self.assertTrue(wait_until(lambda: prometheus.number("cvf_controller_nodes") == 1, 30, 0.2))
        # The two of them say the same of what went between them.
        self.assertTrue(wait_until(lambda: (prometheus.number("cvf_controller_records_total") or 0) > 0, 60, 0.2))
        self.assertTrue(wait_until(lambda: (prometheus.number("cvf_history_records_written_total") or 0) > 0, 30, 0.2))
        self.assertEqual(prometheus.number("cvf_controller_records_missing"), 0)
        self.assertEqual(prometheus.number("cvf_bus_records_lost_total"), 0)
        self.assertGreaterEqual(prometheus.number("cvf_bus_records_total - cvf_bus_records_delivered_total"), 0)
        self.nothing_was_wrong(prometheus)

        # The command line shows one too.
        asked = subprocess.run([live.CVF, "get", "nodes", "-o", "name", "--server", f"https://127.0.0.1:{ports['controller']}", "--token-file",
                                self.path("token-controller"), "--ca", tls["ca_file"], "--tls-cert", tls["cert_file"], "--tls-key", tls["key_file"]],
                               capture_output=True, text=True, timeout=60)
        self.assertEqual((asked.returncode, asked.stdout), (0, "n1\n"), asked.stderr)

        # Without a certificate nobody gets in, Prometheus no more than others.
        folder = os.path.join(self.folder, "stranger")
        os.mkdir(folder)
        stranger = Prometheus(folder, [{"job_name": "controller", "scheme": "https", "tls_config": {"ca_file": tls["ca_file"]},
                                        "static_configs": [{"targets": [f"127.0.0.1:{ports['controller']}"]}]}])
        self.addCleanup(stranger.end)
        self.assertTrue(wait_until(lambda: stranger.targets().get("controller", {}).get("health") == "down", 60, 0.2), stranger.targets())
        self.assertIn("certificate", stranger.targets()["controller"]["lastError"])


def exposition(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return answer.read().decode()


def samples_of_foreign(text, name):
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))


def named(labels):
    """A series as its exposition wrote it; what Prometheus put to it taken away."""
    mine = dict(labels)
    name = mine.pop("__name__")
    mine = {k: v for k, v in mine.items() if k not in ("job", "instance")}
    return name + ("{" + ",".join(f'{k}="{v}"' for k, v in sorted(mine.items(), key=lambda kv: ORDER.index(kv[0]))) + "}" if mine else "")


ORDER = ["status", "reason"]  # of labels, as they are written


class Served:
    """A web server, and someone who asks it, a connection for each question."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_):
            pass

    def __enter__(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def ask(self):
        urllib.request.urlopen(f"http://127.0.0.1:{self.server.server_port}/", timeout=10).read()

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


if __name__ == "__main__":
    live.main("prometheus", "promtool", "openssl", "nats-server")
