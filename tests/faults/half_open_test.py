"""The way between agent and broker swallows everything, without a reset to anyone: a cable, a firewall, a dead router. Then it is whole again.

May be lost: nothing. The agent must notice within seconds that its connection is half open, keep what it makes, and go on by itself.
"""
import json
import os
import subprocess
import sys
import time

import faults
import live
from faults import AWAY, FaultTest, Listener, Sequences, free_port


class There:
    """A broker as seen from inside its namespace."""
    def __init__(self, port):
        self.address, self.port = "127.0.0.1", port


def listen(port, result):
    """Inside the broker's namespace: counts until standard input ends; then says what it has heard."""
    listener = Listener(There(port), keep_lines=False)
    os.set_blocking(0, False)
    while sys.stdin.buffer.raw.read(1) is None:
        listener.read(0.2)
    listener.read(0.5)
    heard = Sequences(listener)
    with open(result, "w") as f:
        json.dump({"count": heard.count("flow"), "holes": sum(heard.holes("flow").values()), "batches": heard.batches}, f)


class HalfOpen(FaultTest):
    def test_a_path_that_swallows_everything_is_noticed_and_costs_nothing(self):
        spaces = live.Namespaces()
        self.addCleanup(spaces.close)
        there = ("ip", "netns", "exec", spaces.server)
        port = free_port()
        probe = [*there, live.PYTHON, "-c", f"import socket; socket.create_connection(('127.0.0.1', {port}), 1)"]
        self.broker(address="0.0.0.0", port=port, inside=there, answers=lambda: subprocess.run(probe, stderr=subprocess.DEVNULL).returncode == 0)
        listener = subprocess.Popen([*there, live.PYTHON, "-B", __file__, "--listen", str(port), self.path("heard")], stdin=subprocess.PIPE)
        self.addCleanup(lambda: (listener.kill(), listener.wait(), listener.stdin.close()))
        time.sleep(1)
        fleet = self.fleet("fleet", f"nats://{spaces.server_address}:{port}", "--node", "far", "--rate", 2000, "--seconds", 600, "--spool", self.path("spool"),
                           "--memory", "2MiB", inside=("ip", "netns", "exec", spaces.client))
        time.sleep(2)
        # Each sends to a station that is not there: no filter is needed, and nobody is told.
        ends = ((spaces.client, spaces.server_address), (spaces.server, spaces.client_address))
        for name, far in ends:
            spaces.run(name, "ip", "neigh", "replace", far, "lladdr", "02:00:00:00:00:99", "nud", "permanent", "dev", "e0")
        time.sleep(AWAY + 8)  # longer than it takes to notice
        for name, far in ends:
            spaces.run(name, "ip", "neigh", "del", far, "dev", "e0")
        time.sleep(8)
        self.end(fleet)
        time.sleep(0.5)
        listener.stdin.close()
        listener.wait(10)
        heard, sums = json.loads(faults.text_of(self.path("heard"))), self.sums("fleet")
        self.assertEqual(sums["lost"], 0, sums)
        self.assertEqual(sums["given"], sums["delivered"], sums)
        self.assertEqual(heard["holes"], 0, heard)
        self.assertEqual(heard["count"], sums["made"], heard)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--listen"]:
        listen(int(sys.argv[2]), sys.argv[3])
    else:
        faults.main("nats-server", "ip", root=True)
