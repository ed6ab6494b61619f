"""DNS and TLS with owners; the same records from the wire's capture; `watch`; every one of many short-lived processes."""
import json
import os
import subprocess
import time
import unittest

import live
from live import Agent, Namespaces, ask, client

DNS_SERVER = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((sys.argv[1], 53)); print("ready", flush=True)
while True:
    q, who = s.recvfrom(2048)
    end = 12
    while q[end]: end += q[end] + 1
    name = q[12:end + 5]
    if b"absent" in name:
        s.sendto(q[:2] + bytes([0x85, 0x83, 0, 1, 0, 0, 0, 0, 0, 0]) + name, who)
    else:
        s.sendto(q[:2] + bytes([0x85, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]) + name + bytes([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]), who)
"""

DNS_CLIENT = """
import os, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)
for i, name in enumerate(sys.argv[2:]):
    q = bytes([0x12, i, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]) + b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + bytes([0, 0, 1, 0, 1])
    s.sendto(q, (sys.argv[1], 53)); s.recvfrom(2048)
print(os.getpid(), flush=True)
"""

# Waits for all requests, so that the agent has them when the answers come, then sends these in one go or each after a while.
PIPELINE_SERVER = """
import socket, sys, time
s = socket.socket(); s.bind((sys.argv[1], 8080)); s.listen(8); print("ready", flush=True)
count, pause, size = int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
while True:
    c, _ = s.accept()
    got = b""
    while got.count(b"\\r\\n\\r\\n") < count: got += c.recv(65536)
    time.sleep(0.3)
    answers = [f"HTTP/1.1 {200 + i} Good\\r\\nContent-Length: {size}\\r\\n\\r\\n".encode() + b"x" * size for i in range(count)]
    if pause:
        for a in answers:
            c.sendall(a); time.sleep(pause)
    else:
        c.sendall(b"".join(answers))
    while c.recv(65536): pass
    c.close()
"""

PIPELINE_CLIENT = """
import socket, sys
count, size = int(sys.argv[2]), int(sys.argv[3])
s = socket.create_connection((sys.argv[1], 8080)); print("ready", flush=True)
s.sendall(b"".join(f"GET /{i} HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n".encode() for i in range(count)))
got = 0
while got < count * size:
    data = s.recv(65536)
    if not data: break
    got += len(data)
"""

# What is the same whichever tap saw it: neither when, nor whose, nor which number the record got.
NOT_COMPARED = ("@timestamp", "record.", "flow.id", "event.", "host.name", "source.process.", "destination.process.", "source.cvf.cgroup.", "destination.cvf.cgroup.",
                "source.cvf.netns.", "destination.cvf.netns.", "cvf.http.time_to_first_byte", "cvf.http.response.duration")


def protocol_fields(records):
    kept = [{k: v for k, v in r.items() if not k.startswith(NOT_COMPARED) and not k.endswith("duration")} for r in records if r["record.type"] in ("http", "dns", "tls")]
    return sorted(json.dumps(r, sort_keys=True) for r in kept)


def certificate(folder):
    key, cert = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=shop.test", "-keyout", key,
                    "-out", cert], check=True, stderr=subprocess.DEVNULL)
    return key, cert


def start_tls(spaces, folder):
    key, cert = certificate(folder)
    server = spaces.start(spaces.server, "openssl", "s_server", "-accept", spaces.server_address + ":4433", "-key", key, "-cert", cert, "-quiet", "-www",
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    live.wait_until(lambda: b":4433" in spaces.run(spaces.server, "ss", "-Hltn", capture_output=True).stdout)
    return server


def talk_tls(spaces, name, version):
    spaces.run(spaces.client, "openssl", "s_client", "-connect", spaces.server_address + ":4433", "-servername", name, version, input=b"GET / HTTP/1.0\r\n\r\n",
               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Protocols(unittest.TestCase):
    def one(self, found):
        self.assertEqual(len(found), 1, found)
        return found[0]

    def test_dns_over_unconnected_sockets_has_both_owners(self):
        with Namespaces() as spaces, Agent() as agent:
            server = spaces.python(spaces.server, DNS_SERVER, spaces.server_address)
            c = spaces.python(spaces.client, DNS_CLIENT, spaces.server_address, "www.shop.test", "absent.shop.test")
            c.wait(10)
            agent.wait("dns", 2)
            self.assertEqual(agent.stop(), 0)
            found = self.one(agent.records("dns", dns_question_name="www.shop.test"))
            self.assertEqual(found["dns.answers"], ["192.0.2.7"])
            absent = self.one(agent.records("dns", dns_question_name="absent.shop.test"))
            self.assertEqual(absent["dns.response_code"], "NXDOMAIN")
            for r in (found, absent):
                self.assertEqual((r["source.process.pid"], r["destination.process.pid"]), (c.pid, server.pid), r)
                self.assertEqual((r["source.cvf.netns.id"], r["destination.cvf.netns.id"]), (spaces.inode(spaces.client), spaces.inode(spaces.server)))
            flows = agent.records("flow", destination_port=53)
            self.assertEqual(len(flows), 1, flows)
            self.assertEqual((flows[0]["source.packets"], flows[0]["destination.packets"]), (2, 2))

    def test_answers_to_pipelined_requests_are_told_with_the_default_budget(self):
        for count, pause, size in ((2, 0.05, 10_000), (4, 0, 10_000), (3, 0.05, 300_000)):
            with self.subTest(count=count, pause=pause, size=size), Namespaces() as spaces, Agent() as agent:
                spaces.python(spaces.server, PIPELINE_SERVER, spaces.server_address, str(count), str(pause), str(size))
                spaces.python(spaces.client, PIPELINE_CLIENT, spaces.server_address, str(count), str(size)).wait(20)
                agent.wait("http", count, destination_address=spaces.server_address)
                handed_over = agent.metrics()["cvf_packet_bytes_total"]
                self.assertEqual(agent.stop(), 0)
                told = {r["url.path"]: (r.get("http.response.status_code"), r.get("http.response.body.size"), r.get("cvf.truncated")) for r in agent.records("http", destination_address=spaces.server_address)}
                self.assertEqual(told, {f"/{i}": (200 + i, size, None) for i in range(count)})
                alone = all(r["destination.address"] == spaces.server_address for r in agent.records("flow") if r["source.bytes"] + r["destination.bytes"] > 10_000)
                if size > 100_000 and alone:
                    self.assertLess(handed_over, count * size / 2, "the bodies stay in the kernel")

    def test_tls_tells_the_name_asked_for_and_the_owners(self):
        with Namespaces() as spaces, Agent() as agent:
            server = start_tls(spaces, agent.folder.name)
            talk_tls(spaces, "shop.test", "-tls1_3")
            talk_tls(spaces, "old.shop.test", "-tls1_2")
            agent.wait("tls", 2)
            self.assertEqual(agent.stop(), 0)
            for name, version in (("shop.test", "1.3"), ("old.shop.test", "1.2")):
                r = self.one(agent.records("tls", tls_client_server__name=name))
                self.assertEqual(r["tls.protocol.version"], version)
                self.assertEqual(r["destination.process.pid"], server.pid)
                self.assertTrue(r["source.process.executable.path"].endswith("openssl"))

    def test_live_records_are_those_of_a_capture_of_the_same_traffic(self):
        with Namespaces() as spaces, Agent("--payload", "full") as agent:
            capture = os.path.join(agent.folder.name, "capture.pcap")
            dump = spaces.start(spaces.client, "tcpdump", "-i", "e0", "-s", "0", "-U", "--immediate-mode", "-w", capture, "-B", "8192", "-Z", "root", "ip", stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
            self.assertIn(b"listening", dump.stderr.readline())
            start_tls(spaces, agent.folder.name)
            spaces.python(spaces.server, DNS_SERVER, spaces.server_address)
            spaces.python(spaces.server, live.ONE_SERVER, spaces.server_address)
            c = spaces.python(spaces.client, client(8080, spaces.server_address))
            for i in range(20):
                ask(c, f"parity/{i}?q=" + "x" * (i * 97))
            c.stdin.close()
            c.wait(10)
            spaces.python(spaces.client, DNS_CLIENT, spaces.server_address, *[f"n{i}.shop.test" for i in range(10)], "absent.test").wait(10)
            talk_tls(spaces, "shop.test", "-tls1_3")
            talk_tls(spaces, "old.shop.test", "-tls1_2")
            time.sleep(0.3)
            dump.terminate()
            dump.wait()
            dump.stderr.close()
            self.assertEqual(agent.stop(), 0)
            self.assertGreater(os.path.getsize(capture), 10000)
            offline = subprocess.run([live.CVF, "read", "--format", "json", capture], capture_output=True, check=True).stdout
            of_capture = protocol_fields([json.loads(l) for l in offline.splitlines()])
            of_agent = protocol_fields(agent.records())
            self.assertEqual(len(of_capture), 20 + 11 + 2)
            self.maxDiff = 6000
            self.assertEqual(of_agent, of_capture)

    def test_watch_gives_the_records_its_expression_asks_for(self):
        with Namespaces() as spaces, Agent("--types", "flow") as agent:
            watch = subprocess.Popen([live.CVF, "watch", "--server", f"http://127.0.0.1:{agent.port}", "--token-file", agent.token_file, "--format", "json", "--verbose",
                                      'record.type == "http" && url.path == "/wanted"'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.assertIn("watching", watch.stderr.readline())
            spaces.python(spaces.server, live.ONE_SERVER, spaces.server_address)
            c = spaces.python(spaces.client, client(8080, spaces.server_address))
            for path in ("other", "wanted", "another"):
                ask(c, path)
            first = json.loads(watch.stdout.readline())
            time.sleep(0.3)
            watch.terminate()
            rest, _ = watch.communicate(timeout=10)
            self.assertEqual((first["url.path"], first["source.process.pid"]), ("/wanted", c.pid))
            self.assertEqual(rest, "")
            self.assertEqual(agent.stop(), 0)
            self.assertEqual(agent.records("http"), [])

    def test_every_connection_of_two_thousand_short_lived_processes_is_told_with_its_owner(self):
        count = 2000
        with Namespaces() as spaces, Agent("--types", "flow,health") as agent:
            tool = live.shutil.copy("/bin/bash", agent.folder.name + "/short-lived")
            spaces.python(spaces.server, live.ANSWER + """
s = listen(sys.argv[1], 9090); print("ready", flush=True)
while True: s.accept()[0].close()
""", spaces.server_address)
            # A fresh program each, executed, gone at once: by the time its record is made there is nothing of it in /proc.
            spaces.run(spaces.client, "bash", "-c", f"for i in $(seq {count}); do {tool} -c 'exec 3<>/dev/tcp/{spaces.server_address}/9090; read -u 3'; done; true")
            agent.wait("flow", count, 20, destination_port=9090)
            self.assertEqual(agent.stop(), 0)
            # On a slow machine a conversation may have an interim record besides.
            flows = [f for f in agent.records("flow", destination_port=9090) if f["cvf.flow.state"] == "final"]
            self.assertEqual(len({f["flow.id"] for f in flows}), count)
            self.assertEqual(len(flows), count)
            self.assertEqual(sum(f.get("source.process.executable.path") != tool for f in flows), 0, [f for f in flows if f.get("source.process.executable.path") != tool][:1])
            self.assertEqual(len({f["source.process.pid"] for f in flows}), count)
            health = agent.records("health")[-1]
            self.assertEqual(health["cvf.records.made"], health["cvf.records.written"] + health["cvf.records.lost"] + health.get("cvf.records.waiting", 0))
            self.assertEqual((health["cvf.records.lost"], health["cvf.events.lost"]), (0, 0))


if __name__ == "__main__":
    live.main("openssl", "tcpdump", "ss")
