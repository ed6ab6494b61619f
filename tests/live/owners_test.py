"""Who talked to whom: both owners of a conversation, however the server came by its sockets, and before or after the agent."""
import os
import subprocess
import time
import unittest

import live
from live import Agent, AgentRefused, Namespaces, ask, client

FORKED = live.ANSWER + """
s = listen(sys.argv[1])
for _ in range(4):
    if os.fork() == 0:
        while True:
            c, _ = s.accept()
            got = c.recv(65536)
            body = str(os.getpid()).encode()
            c.sendall(b"HTTP/1.1 200 OK\\r\\nX-Pid: " + body + b"\\r\\nContent-Length: 0\\r\\n\\r\\n")
            c.close()
print("ready", flush=True)
os.wait()
"""

THREADED = live.ANSWER + """
s = listen(sys.argv[1]); print("ready", flush=True)
while True:
    c, _ = s.accept()
    threading.Thread(target=answer, args=(c,), daemon=True).start()
"""

# Accepts here, answers in a process that is neither its child at the time nor its parent: the descriptor is sent over.
PASSED = live.ANSWER + """
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
worker = os.fork()
if worker == 0:
    a.close()
    while True:
        _, fds, _, _ = socket.recv_fds(b, 1, 1)
        answer(socket.socket(fileno=fds[0]))
b.close()
s = listen(sys.argv[1]); print(worker, flush=True)
while True:
    c, _ = s.accept()
    socket.send_fds(a, [b"x"], [c.fileno()])
    c.close()
"""


def cgroup_tree():
    """Where a whole cgroup v2 tree is mounted in which one may make groups; or None."""
    with open("/proc/self/mounts") as f:
        for line in f:
            _, point, kind, options = line.split()[:4]
            if kind == "cgroup2" and "rw" in options.split(",") and os.access(point, os.W_OK):
                return point
    return None


class Owners(unittest.TestCase):
    def one(self, found):
        self.assertEqual(len(found), 1, found)
        return found[0]

    def assert_owners(self, record, spaces, client_pid, server_pid):
        for end, pid, name in (("source", client_pid, spaces.client), ("destination", server_pid, spaces.server)):
            self.assertEqual(record.get(end + ".process.pid"), pid, record)
            self.assertEqual(record.get(end + ".process.executable.path"), live.PYTHON)
            self.assertEqual(record.get(end + ".cvf.netns.id"), spaces.inode(name))
            self.assertEqual(record.get(end + ".cvf.netns.name"), name)

    def test_a_request_between_namespaces_is_one_record_with_both_owners_and_exact_counters(self):
        with Namespaces() as spaces, Agent() as agent:
            server = spaces.python(spaces.server, live.ONE_SERVER, spaces.server_address)
            c = spaces.python(spaces.client, client(8080, spaces.server_address))
            port = int(c.ready)
            for i in range(3):
                ask(c, f"r{i}")
            interface = {n: spaces.run(n, "cat", "/sys/class/net/e0/statistics/rx_packets", "/sys/class/net/e0/statistics/rx_bytes", capture_output=True,
                                       text=True).stdout.split() for n in (spaces.server, spaces.client)}
            c.stdin.close()
            c.wait(10)
            flow = self.one(agent.wait("flow", source_port=port, destination_port=8080))
            self.assertEqual(agent.stop(), 0)
            requests = agent.records("http", source_port=port)
            self.assertEqual([r["url.path"] for r in requests], ["/r0", "/r1", "/r2"])
            for r in requests + [flow]:
                self.assert_owners(r, spaces, c.pid, server.pid)
                self.assertEqual(r["flow.id"], flow["flow.id"])
                self.assertTrue(r["network.community_id"].startswith("1:"))
                self.assertEqual(r["network.community_id"], flow["network.community_id"])
            self.assertEqual(flow["cvf.flow.local_ends"], 2)
            # SYN, its ACK, three requests, ACKs of three answers, FIN, ACK of FIN: the network device counted the same, and ARP.
            request, answer = len("GET /r0 HTTP/1.1\r\nHost: test\r\n\r\n"), len("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            self.assertEqual(flow["source.bytes"], 60 + 3 * request + 52 * (flow["source.packets"] - 1))
            self.assertEqual(flow["destination.bytes"], 60 + 3 * answer + 52 * (flow["destination.packets"] - 1))
            self.assertEqual((flow["source.cvf.payload.bytes"], flow["destination.cvf.payload.bytes"]), (3 * request, 3 * answer))
            for end, name in (("source", spaces.server), ("destination", spaces.client)):
                # FIN, and perhaps the ACK of the other's, came after the device was read; ARP came before.
                self.assertIn(flow[end + ".packets"] - int(interface[name][0]), (-1, 0, 1, 2), (end, interface, flow))

    def test_sockets_and_listeners_older_than_the_agent_have_their_owners(self):
        with Namespaces() as spaces:
            server = spaces.python(spaces.server, live.ONE_SERVER, spaces.server_address)
            old = spaces.python(spaces.client, client(8080, spaces.server_address))
            ask(old, "before")
            with Agent() as agent:
                ask(old, "after")
                old.stdin.close()
                old.wait(10)
                new = spaces.python(spaces.client, client(8080, spaces.server_address))
                ask(new, "new")
                new.stdin.close()
                new.wait(10)
                agent.wait("flow", 1, source_port=int(new.ready))
                self.assertEqual(agent.stop(), 0)
                for p, path in ((old, "/after"), (new, "/new")):
                    r = self.one(agent.records("http", url_path=path))
                    self.assert_owners(r, spaces, p.pid, server.pid)
                    self.assert_owners(self.one(agent.records("flow", source_port=int(p.ready))), spaces, p.pid, server.pid)
                self.assertEqual(agent.records("http", url_path="/before"), [])

    def test_a_conversation_still_open_at_the_agents_end_is_told_with_its_numbers(self):
        with Namespaces() as spaces, Agent() as agent:
            server = spaces.python(spaces.server, live.ONE_SERVER, spaces.server_address)
            c = spaces.python(spaces.client, client(8080, spaces.server_address))
            ask(c, "open")
            self.assertEqual(agent.stop(), 0)
            flow = self.one(agent.records("flow", source_port=int(c.ready)))
            self.assert_owners(flow, spaces, c.pid, server.pid)
            request = len("GET /open HTTP/1.1\r\nHost: test\r\n\r\n")
            self.assertEqual((flow["source.packets"], flow["source.bytes"]), (4, 60 + request + 3 * 52), flow)  # SYN, ACK, request, ACK
            self.assertEqual(flow["destination.packets"], 3)  # SYN-ACK, ACK, answer

    def test_the_owner_is_the_process_that_accepted_of_several_forked_from_one_listener(self):
        with Namespaces() as spaces, Agent() as agent:
            parent = spaces.python(spaces.server, FORKED, spaces.server_address)
            count = 40
            accepted_by = {}  # source port: pid, as the server itself says
            for i in range(count):
                said = spaces.run(spaces.client, live.PYTHON, "-c", f"""
import socket
s = socket.create_connection(("{spaces.server_address}", 8080))
s.sendall(b"GET /{i} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
got = b""
while data := s.recv(4096): got += data
print(s.getsockname()[1], got.split(b"X-Pid: ")[1].split()[0].decode())""", capture_output=True, text=True).stdout.split()
                accepted_by[int(said[0])] = int(said[1])
            ours = {"destination_cvf_netns_id": spaces.inode(spaces.server), "destination_port": 8080}  # others of this machine may talk, too
            agent.wait("http", count, **ours)
            agent.wait("flow", count, **ours)
            self.assertEqual(agent.stop(), 0)
            found = agent.records("http", **ours) + agent.records("flow", **ours)
            self.assertEqual(len(found), 2 * count)
            for r in found:
                self.assertEqual(r["destination.process.pid"], accepted_by[r["source.port"]], r)
                self.assertEqual(r["destination.process.parent_pid"], parent.pid)

    def test_a_threaded_server_is_named_by_its_process(self):
        with Namespaces() as spaces, Agent() as agent:
            server = spaces.python(spaces.server, THREADED, spaces.server_address)
            clients = [spaces.python(spaces.client, client(8080, spaces.server_address)) for _ in range(5)]
            for i, c in enumerate(clients):
                ask(c, f"t{i}")
            self.assertEqual(agent.stop(), 0)
            for i, c in enumerate(clients):
                self.assert_owners(self.one(agent.records("http", url_path=f"/t{i}")), spaces, c.pid, server.pid)

    def test_a_descriptor_passed_to_another_process_takes_the_owner_along(self):
        with Namespaces() as spaces, Agent() as agent:
            server = spaces.python(spaces.server, PASSED, spaces.server_address)
            worker = int(server.ready)
            c = spaces.python(spaces.client, client(8080, spaces.server_address))
            ask(c, "passed")
            c.stdin.close()
            c.wait(10)
            agent.wait("flow", source_port=int(c.ready))
            self.assertEqual(agent.stop(), 0)
            self.assert_owners(self.one(agent.records("http", url_path="/passed")), spaces, c.pid, worker)
            self.assert_owners(self.one(agent.records("flow", source_port=int(c.ready))), spaces, c.pid, worker)
            os.kill(worker, 9)

    def test_below_a_cgroup_only_its_processes_and_conversations_are_told(self):
        tree, made = cgroup_tree(), None
        if not tree:
            self.skipTest("no cgroup v2 tree is mounted here, or it can't be written to")
        try:
            made = os.path.join(tree, f"cvf-test-{os.getpid()}")
            os.makedirs(os.path.join(made, "below"))
            with Agent("--cgroup", made) as agent:
                inside = [os.path.join(made, "below"), made]
                pids = []
                for group in inside + [None]:
                    p = subprocess.Popen(["sh", "-c", "echo ready; read line; exec true"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                    self.assertEqual(p.stdout.readline(), b"ready\n")
                    if group:
                        with open(os.path.join(group, "cgroup.procs"), "w") as f:
                            f.write(str(p.pid))
                    p.communicate(b"go\n")
                    pids.append(p.pid)
                agent.wait("process", 4)
                time.sleep(0.3)
                self.assertEqual(agent.stop(), 0)
                told = [(r["process.pid"], r["event.action"]) for r in agent.records("process")]
                self.assertEqual(told, [(p, what) for p in pids[:2] for what in ("exec", "exit")])
        finally:
            if made:
                for folder in (os.path.join(made, "below"), made):
                    os.rmdir(folder)

    def test_a_packet_dropped_on_its_way_out_is_its_senders(self):
        with Namespaces() as spaces, Agent("--types", "event") as agent:
            shaped = subprocess.run(["tc", "-n", spaces.client, "qdisc", "replace", "dev", "e0", "root", "tbf", "rate", "8kbit", "burst", "2000", "limit", "2000"],
                                    stderr=subprocess.DEVNULL)
            if shaped.returncode != 0:
                self.skipTest("this kernel has no tbf")
            c = spaces.python(spaces.client, f"""
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(30): s.sendto(bytes(500), ("{spaces.server_address}", 9999))
print("sent", flush=True)
sys.stdin.readline()
""")
            # What gets through is dropped, too, where nobody listens.
            queue = lambda: [r for r in agent.records("event", event_action="drop", destination_port=9999) if r["event.reason"] != "NO_SOCKET"]
            live.wait_until(queue)
            self.assertEqual(agent.stop(), 0)
            dropped = queue()
            self.assertGreater(len(dropped), 0, agent.records("event"))
            for r in dropped:
                self.assertEqual((r["source.address"], r["destination.address"]), (spaces.client_address, spaces.server_address))
                self.assertEqual(r.get("source.process.pid"), c.pid, r)
                self.assertNotIn("destination.process.pid", r)

    def test_an_agent_in_a_pid_namespace_takes_nobody_for_the_process_that_has_the_same_number_there(self):
        with Namespaces() as spaces:
            server = spaces.python(spaces.server, live.ONE_SERVER, spaces.server_address)  # older: no event tells of it
            # In there `sleep` has the server's number.
            decoy = f'echo {server.pid - 1} > /proc/sys/kernel/ns_last_pid; sleep 60 & sleep 0.3; grep -q sleep /proc/{server.pid}/comm && exec "$@"'
            inside = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", decoy, "sh")
            try:
                agent = Agent("--types", "http", inside=inside)
            except AgentRefused as e:
                self.skipTest(f"no process can be given a number here: {e}")
            with agent:
                c = spaces.python(spaces.client, client(8080, spaces.server_address))
                ask(c, "inside")
                r = self.one(agent.wait("http", url_path="/inside"))
                self.assertEqual((r["source.process.pid"], r["destination.process.pid"]), (c.pid, server.pid))
                self.assertEqual(r.get("destination.process.executable.path", live.PYTHON), live.PYTHON, r)
                self.assertNotIn("sleep", r["destination.process.executable.name"])

    def test_a_namespace_made_after_the_start_is_seen(self):
        with Agent() as agent, Namespaces() as spaces:
            server = spaces.python(spaces.server, live.ONE_SERVER, spaces.server_address)
            c = spaces.python(spaces.client, client(8080, spaces.server_address))
            # Its number is known at once; its name is looked up beside the traffic, at most ten times a second.
            ask(c, "early")
            time.sleep(0.5)
            ask(c, "late")
            self.assertEqual(agent.stop(), 0)
            early = self.one(agent.records("http", url_path="/early"))
            self.assertEqual(early["destination.cvf.netns.id"], spaces.inode(spaces.server))
            self.assert_owners(self.one(agent.records("http", url_path="/late")), spaces, c.pid, server.pid)


if __name__ == "__main__":
    live.main()
