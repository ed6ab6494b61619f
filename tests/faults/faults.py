"""What the fault tests share. Each is run as `FILE_test.py PATH-OF-cvf PATH-OF-cvf_bench_fleet`, says at its head what may be lost, and
counts records end to end by the numbers that agents give them (docs/bus.md).

The load is the simulated fleet's (bench/fleet.cpp): the agent's own code from the record on, whose taps make as many records as a test
wants. Brokers, namespaces and file systems are the tests' own and are taken away at the end. Bounded: CVF_FAULT_SECONDS (5) is how long a
broker is away; the published figure is 60.
"""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "live"))
import live  # noqa: E402
from fabric import Broker, Listener, Sequences, text_of  # noqa: E402,F401
from live import free_port, wait_until  # noqa: E402,F401

FLEET = ""
AWAY = float(os.environ.get("CVF_FAULT_SECONDS", "5"))


def main(*tools, root=False):
    global FLEET
    if len(sys.argv) < 3 or not all(os.access(p, os.X_OK) for p in sys.argv[1:3]):
        sys.exit("usage: " + sys.argv[0] + " PATH-OF-cvf PATH-OF-cvf_bench_fleet")
    live.CVF, FLEET = os.path.abspath(sys.argv.pop(1)), os.path.abspath(sys.argv.pop(1))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    live.need(*tools)
    if root and os.geteuid() != 0:
        live.skip_all("needs root")
    unittest.main(verbosity=2)


class FaultTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="cvf-faults-")
        self.addCleanup(shutil.rmtree, self.folder, True)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def broker(self, *options, **more):
        broker = Broker(self.folder, *options, **more)
        self.addCleanup(broker.kill)
        return broker

    def start(self, name, *command, inside=(), environment=None):
        """A program whose output goes to NAME.out and NAME.err; killed at the end if it still runs."""
        with open(self.path(name + ".out"), "ab") as out, open(self.path(name + ".err"), "ab") as err:
            process = subprocess.Popen([*inside, *command], stdout=out, stderr=err, stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
        self.addCleanup(lambda: (process.poll() is None and process.kill(), process.wait()))
        return process

    def fleet(self, name, url, *options, **more):
        """Agents under load, from when all have begun."""
        ready = self.path(name + ".ready")
        with contextlib.suppress(FileNotFoundError):
            os.remove(ready)
        process = self.start(name, FLEET, "--bus", url, "--ready", ready, *map(str, options), **more)
        self.assertTrue(wait_until(lambda: os.path.exists(ready) or process.poll() is not None, 30) and process.poll() is None, self.said(name))
        return process

    def said(self, name):
        return text_of(self.path(name + ".out")) + text_of(self.path(name + ".err"))

    @contextlib.contextmanager
    def frozen(self, fleet):
        """Its agents do nothing meanwhile: who listens at a broker that is back is there before they are."""
        everyone, found = [], [fleet.pid]
        while found:
            everyone += found
            found = [int(child) for parent in found for child in text_of(f"/proc/{parent}/task/{parent}/children").split()]
        for process in everyone:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in reversed(everyone):
                os.kill(process, signal.SIGCONT)

    def sums(self, name):
        """What a fleet that has ended says of its records."""
        line = text_of(self.path(name + ".out")).strip().splitlines()[-1]
        return json.loads(line)

    def end(self, process, seconds=30):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(seconds), 0)

    def controller(self, url, *options, name="controller", **environment):
        """From now on the one that is asked."""
        self.api, self.token = free_port(), self.path("token-" + name)
        process = self.start(name, live.CVF, "controller", "--bus", url, "--listen", f"127.0.0.1:{self.api}", "--token-file", self.token,
                             *options, environment={"CVF_HISTORY_SIZE": "0", **environment})
        self.assertTrue(wait_until(lambda: "API at" in self.said(name) or process.poll() is not None, 20) and process.poll() is None, self.said(name))
        return process

    def cvf(self, *words, text=None):
        done = subprocess.run([live.CVF, *words, "--server", f"127.0.0.1:{self.api}", "--token-file", self.token], input=text,
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def nodes(self):
        return {n["name"]: n for n in map(json.loads, self.cvf("get", "nodes", "-o", "json").splitlines())}

    def states(self):
        return {line.split()[0]: line.split()[1] for line in self.cvf("get", "nodes").splitlines()[1:]}

    def metrics(self):
        request = urllib.request.Request(f"http://127.0.0.1:{self.api}/metrics", headers={"Authorization": "Bearer " + text_of(self.token).strip()})
        with urllib.request.urlopen(request, timeout=5) as answer:
            text = answer.read().decode()
        return {name: float(value) for name, _, value in (l.rpartition(" ") for l in text.splitlines() if l and l[0] != "#")}


@contextlib.contextmanager
def small_disk(path, size):
    """A file system of its own that is soon full."""
    os.makedirs(path)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "cvf-faults", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)  # a controller may have files there until the test has ended
