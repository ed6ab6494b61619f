"""Whoever may write to the bus writes rubbish: to every subject and every bucket that CVF reads, beside agents under load.

May be lost: nothing. Agents and controller go on, what is wrong with a directive is told where its state is asked for, records of agents are all
heard, kept and counted, and nobody's memory grows with what is no record.
"""
import json
import random
import socket

import faults
from faults import FaultTest, Listener, Sequences, wait_until

GOOD = "apiVersion: cvf/v1\nkind: Flow\nmetadata: {name: good}\nspec: {}\n"


class Vandal:
    """Publishes on NATS what it likes."""

    def __init__(self, broker):
        self.socket = socket.create_connection((broker.address, broker.port))
        self.socket.sendall(b'CONNECT {"verbose":false,"headers":true}\r\n')

    def publish(self, subject, payload, **headers):
        head = b""
        if headers:
            head = b"NATS/1.0\r\n" + b"".join(b"%s: %s\r\n" % (k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()) + b"\r\n"
            self.socket.sendall(b"HPUB %s %d %d\r\n%s%s\r\n" % (subject.encode(), len(head), len(head) + len(payload), head, payload))
        else:
            self.socket.sendall(b"PUB %s %d\r\n%s\r\n" % (subject.encode(), len(payload), payload))

    def flush(self):
        self.socket.sendall(b"PING\r\n")
        self.socket.settimeout(20)
        got = b""
        while b"PONG" not in got:
            got += self.socket.recv(65536)
        return got

    def close(self):
        self.socket.close()


def rubbish(random):
    deep = b"[" * 100_000
    return [b"", b"\0", b"{", b"null", b"[]", b'""', b"{}", deep, b'{"a":' * 5000, random.randbytes(4096), b"\xff\xfe" * 100, b"x" * 900_000,
            b'{"apiVersion":"cvf/v1"}', b'{"apiVersion":"cvf/v2","kind":"Flow","metadata":{"name":"x"}}', json.dumps({str(i): i for i in range(20_000)}).encode(),
            b"&a [*a]", b"apiVersion: cvf/v1\nkind: Flow\nmetadata: {name: ../../etc}\nspec: {}\n",
            b"apiVersion: cvf/v1\nkind: Capture\nmetadata: {name: endless}\nspec: {}\n"]


class Rubbish(FaultTest):
    def test_it_wedges_nobody(self):
        broker = self.broker()
        controller = self.controller(broker.url, "--history-directory", self.path("history"), CVF_HISTORY_SIZE="64MiB")
        listener = Listener(broker, keep_lines=False)
        fleet = self.fleet("fleet", broker.url, "--agents", 2, "--rate", 500, "--seconds", 600)
        self.cvf("apply", "-f", "-", "--wait", text=GOOD)
        vandal = Vandal(broker)
        self.addCleanup(vandal.close)
        chance = random.Random(1)
        before = memory_of(controller)
        for payload in rubbish(chance):
            for subject in ("cvf.v1.directives", "$KV.cvf-directives.Flow/good2", "$KV.cvf-directives.nonsense", "$KV.cvf-directives.Flow/x", "$KV.cvf-nodes.who",
                            "$KV.cvf-nodes.fleet-0000", "$KV.cvf-audit.00000000000000000001-0001", "cvf.v1.status.who", "cvf.v1.records.flow.who",
                            "cvf.v1.records.nonsense.who", "cvf.v1.records.x.y.z"):
                vandal.publish(subject, payload)
        far = str(2**64 - 1)
        for first, last, count in (("1", far, "1"), (far, "1", "0"), ("-1", "x", "9" * 40), ("0", "0", "0"), (far, far, "1"), ("1", "2", far)):
            for i in range(50):
                vandal.publish("cvf.v1.records.flow.who", b'{"record.type":"flow"}\n' * chance.randrange(3), Cvf_Agent=f"who/{i}/0", Cvf_First=first, Cvf_Last=last,
                               Cvf_Count=count, Cvf_Schema="99")
        # Lives without end: nobody can be made to remember them all.
        for i in range(20_000):
            vandal.publish("cvf.v1.records.flow.who", b"{}\n", Cvf_Agent=f"who/{i:x}/0", Cvf_First="1", Cvf_Last="1", Cvf_Count="1")
        vandal.flush()
        listener.read(1)

        # Everyone does his work: a directive comes into force, states and the trail are told, records are found.
        self.assertIn("2 active of 2 agents", self.cvf("apply", "-f", "-", "--wait", text=GOOD.replace("good", "later")))
        self.assertTrue(wait_until(lambda: [self.states().get(f"fleet-000{i}") for i in range(2)] == ["ready", "ready"], 20, 0.2), self.states())
        self.assertEqual(set(self.cvf("get", "flow", "-o", "name").split()), {"Flow/good", "Flow/later"})
        refused = [entry for entry in json.loads(self.cvf("get", "audit", "-o", "json"))["items"] if entry["outcome"] == "refused"]
        self.assertTrue(any("spec.limits" in entry["reason"] for entry in refused if entry["object"] == ""), refused[:5])
        listener.read(1)
        self.assertIsNone(controller.poll())
        self.end(fleet)
        sums = self.sums("fleet")
        self.assertEqual(sums["lost"], 0, sums)
        listener.read(1)
        listener.close()
        listener.batches = [b for b in listener.batches if b[0].startswith("cvf.v1.records.flow.fleet")]
        heard = Sequences(listener)
        self.assertEqual(heard.holes("flow"), {})
        self.assertEqual(heard.count("flow"), sums["made"])
        kept = lambda: int(json.loads(self.cvf("query", "record.type == \"flow\" && host.name.startsWith(\"fleet\")", "--count", "--format", "json") or '{"count": 0}')["count"])
        self.assertTrue(wait_until(lambda: kept() == sums["made"], 15, 0.3), (kept(), sums))
        self.assertLess(memory_of(controller) - before, 200 << 20)


def memory_of(process):
    with open(f"/proc/{process.pid}/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmRSS"))


if __name__ == "__main__":
    faults.main("nats-server")
