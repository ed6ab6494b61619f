"""IPv6: HTTP and DNS between namespaces with both owners, a socket that speaks IPv4 through a mapped address, and plain datagrams."""
import os
import unittest

import live
from live import Agent, Namespaces, ask

# The live tests' servers and clients, for the other family.
SERVER = live.ONE_SERVER.replace("s = socket.socket();", "s = socket.socket(socket.AF_INET6);")
# Listens on ::, for both families.
DUAL_SERVER = SERVER.replace("s.bind((address, port))", "s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0); s.bind(('::', port))")

DNS_SERVER = """
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind((sys.argv[1], 53)); print("ready", flush=True)
while True:
    q, who = s.recvfrom(2048)
    end = 12
    while q[end]: end += q[end] + 1
    name = q[12:end + 5]
    s.sendto(q[:2] + bytes([0x85, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]) + name + bytes([0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 60, 0, 16]) + socket.inet_pton(socket.AF_INET6, "2001:db8::7"), who)
"""

DNS_CLIENT = """
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.settimeout(5)
q = bytes([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]) + b"".join(bytes([len(l)]) + l.encode() for l in sys.argv[2].split(".")) + bytes([0, 0, 28, 0, 1])
s.sendto(q, (sys.argv[1], 53)); s.recvfrom(2048)
print("done", flush=True)
sys.stdin.read()
"""

ECHO = """
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind((sys.argv[1], 7777)); print("ready", flush=True)
while True:
    data, who = s.recvfrom(2048)
    s.sendto(data, who)
"""

# A connected socket: three datagrams there and back.
ECHO_CLIENT = """
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.settimeout(5); s.connect((sys.argv[1], 7777))
for size in (1, 100, 1000):
    s.send(b"u" * size); s.recv(2048)
print(s.getsockname()[1], flush=True)
s.close()
sys.stdin.read()
"""

# socket.create_connection would take an IPv4 socket for an IPv4 address.
MAPPED_CLIENT = """
import socket, sys
s = socket.socket(socket.AF_INET6); s.connect(("::ffff:" + sys.argv[1], 8080))
print(s.getsockname()[1], flush=True)
for line in sys.stdin:
    s.sendall(b"GET /" + line.strip().encode() + b" HTTP/1.1\\r\\nHost: test\\r\\n\\r\\n")
    print(len(s.recv(65536)), flush=True)
s.close()
"""


class IPv6(unittest.TestCase):
    def one(self, found):
        self.assertEqual(len(found), 1, found)
        return found[0]

    def assert_ends(self, record, spaces, client_pid, server_pid, addresses, kind="ipv6"):
        self.assertEqual(record["network.type"], kind, record)
        for end, pid, name, address in (("source", client_pid, spaces.client, addresses[0]), ("destination", server_pid, spaces.server, addresses[1])):
            self.assertEqual(record[end + ".address"], address, record)
            self.assertEqual(record.get(end + ".process.pid"), pid, record)
            self.assertEqual(record.get(end + ".process.executable.path"), live.PYTHON)
            self.assertEqual(record.get(end + ".cvf.netns.id"), spaces.inode(name))

    def test_http_has_both_owners_and_exact_counters(self):
        with Namespaces(ipv6=True) as spaces, Agent() as agent:
            server = spaces.python(spaces.server, SERVER, spaces.server_address6)
            c = spaces.python(spaces.client, live.client(8080, spaces.server_address6))
            for path in ("six/0", "six/1"):
                ask(c, path)
            c.stdin.close()
            c.wait(10)
            flow = self.one(agent.wait("flow", source_port=int(c.ready), cvf_flow_state="final"))
            self.assertEqual(agent.stop(), 0)
            requests = agent.records("http", source_port=int(c.ready))
            self.assertEqual([r["url.path"] for r in requests], ["/six/0", "/six/1"])
            for r in [*requests, flow]:
                self.assert_ends(r, spaces, c.pid, server.pid, (spaces.client_address6, spaces.server_address6))
                self.assertEqual(r["network.community_id"], flow["network.community_id"])
            self.assertEqual(flow["cvf.flow.local_ends"], 2)
            # The header of IPv6 is 20 bytes longer than IPv4's: 80 of a SYN, 72 of all else, with TCP's timestamps.
            request, answer = len("GET /six/0 HTTP/1.1\r\nHost: test\r\n\r\n"), len("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            self.assertEqual(flow["source.bytes"], 80 + 2 * request + 72 * (flow["source.packets"] - 1))
            self.assertEqual(flow["destination.bytes"], 80 + 2 * answer + 72 * (flow["destination.packets"] - 1))

    def test_dns_has_both_owners(self):
        with Namespaces(ipv6=True) as spaces, Agent() as agent:
            server = spaces.python(spaces.server, DNS_SERVER, spaces.server_address6)
            c = spaces.python(spaces.client, DNS_CLIENT, spaces.server_address6, "six.shop.test")
            r = self.one(agent.wait("dns", dns_question_name="six.shop.test"))
            c.stdin.close()
            c.wait(10)
            self.assertEqual(agent.stop(), 0)
            self.assert_ends(r, spaces, c.pid, server.pid, (spaces.client_address6, spaces.server_address6))
            self.assertEqual((r["dns.question.name"], r["dns.question.type"]), ("six.shop.test", "AAAA"))
            self.assertIn("2001:db8::7", r["dns.resolved_ip"])
            flow = self.one(agent.records("flow", flow_id=r["flow.id"]))
            self.assertEqual((flow["source.packets"], flow["destination.packets"]), (1, 1))

    def test_datagrams_of_a_connected_socket_are_counted_with_both_owners(self):
        with Namespaces(ipv6=True) as spaces, Agent() as agent:
            server = spaces.python(spaces.server, ECHO, spaces.server_address6)
            c = spaces.python(spaces.client, ECHO_CLIENT, spaces.server_address6)
            self.assertEqual(agent.stop(), 0)  # the server's socket is still there: the conversation ends with the agent
            flow = self.one(agent.records("flow", source_port=int(c.ready), destination_port=7777))
            self.assert_ends(flow, spaces, c.pid, server.pid, (spaces.client_address6, spaces.server_address6))
            for end in ("source", "destination"):
                self.assertEqual((flow[end + ".packets"], flow[end + ".bytes"]), (3, 1101 + 3 * 48))

    def test_ipv4_through_a_mapped_address_is_ipv4(self):
        for what, source in (("both ends", MAPPED_CLIENT), ("the server alone", None)):
            with self.subTest(mapped=what), Namespaces(ipv6=True) as spaces, Agent() as agent:
                server = spaces.python(spaces.server, DUAL_SERVER, "::")
                c = spaces.python(spaces.client, source or live.client(8080, spaces.server_address), spaces.server_address)
                ask(c, "mapped")
                c.stdin.close()
                c.wait(10)
                flow = self.one(agent.wait("flow", source_port=int(c.ready), cvf_flow_state="final"))
                self.assertEqual(agent.stop(), 0)
                http = self.one(agent.records("http", url_path="/mapped"))
                for r in (http, flow):
                    self.assert_ends(r, spaces, c.pid, server.pid, (spaces.client_address, spaces.server_address), "ipv4")
                self.assertEqual(flow["cvf.flow.local_ends"], 2)
                self.assertEqual(self.one([f for f in agent.records("flow") if {f.get("source.port"), f.get("destination.port")} == {int(c.ready), 8080}]), flow)

    def test_loopback_is_one_conversation_with_both_owners(self):
        with Namespaces(ipv6=True) as spaces, Agent() as agent:
            server = spaces.python(spaces.server, SERVER, "::1")
            c = spaces.python(spaces.server, live.client(8080, "::1"))
            ask(c, "loop")
            c.stdin.close()
            c.wait(10)
            flow = self.one(agent.wait("flow", source_port=int(c.ready), cvf_flow_state="final"))
            self.assertEqual(agent.stop(), 0)
            self.assertEqual((flow["source.process.pid"], flow["destination.process.pid"]), (c.pid, server.pid))
            self.assertEqual((flow["source.address"], flow["destination.address"]), ("::1", "::1"))
            self.one(agent.records("http", url_path="/loop"))


if __name__ == "__main__":
    if not os.path.exists("/proc/net/if_inet6"):
        live.skip_all("no IPv6 here")
    live.main()
