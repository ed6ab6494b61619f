"""The counters of flow records against the kernel's own: `ss -ti` of both sockets and `nstat` of both namespaces, which nobody else uses.

Equal, to the last packet and byte, are on a connection that rests while both are read:

    source.packets                 the client's segs_out                     its namespace's TcpOutSegs + TcpRetransSegs
    destination.packets            the server's segs_out + 1: the SYN-ACK    the same of the server's namespace
                                   is sent before there is a socket
    *.bytes                                                                  IpExtOutOctets, which count an aggregate as one packet: the
                                                                             devices make none then; else by the headers, which are known
    *.cvf.payload.bytes            bytes_sent, repetitions included
    *.cvf.tcp.retransmits          retrans                                   TcpRetransSegs
    *.cvf.tcp.rtt, *.rtt_min       rtt, minrtt (ss prints microseconds)
    *.cvf.tcp.mss                  advmss, and 12 bytes for the time stamp
                                   option, which the announcement leaves in
    *.cvf.tcp.window_scale         wscale

A connection that has ended has no socket to ask, so it is held against the namespace alone: the last acknowledgment may be sent by what is
left of the client's socket (TIME_WAIT), which is no socket any more, and the flow lacks it.

What is lost is lost on the way, by a router: what the sender's own device drops never counts as sent, neither for the kernel nor here.
"""
import contextlib
import re
import subprocess
import time
import unittest

import live
from live import Agent, Namespaces

UP, DOWN = 3_000_000, 5_000_000

SERVER = live.ANSWER + """
up, down = int(sys.argv[2]), int(sys.argv[3])
s = listen(sys.argv[1], 9000); print("ready", flush=True)
c, _ = s.accept()
got = 0
while got < up: got += len(c.recv(1 << 16))
c.sendall(bytes(down))
sys.stdin.readline()
while c.recv(1 << 16): pass
c.close(); sys.stdin.readline()
"""

CLIENT = """
import socket, sys
up, down = int(sys.argv[2]), int(sys.argv[3])
s = socket.create_connection((sys.argv[1], 9000))
print(s.getsockname()[1], flush=True)
s.sendall(bytes(up))
got = 0
while got < down: got += len(s.recv(1 << 16))
print("done", flush=True)
sys.stdin.readline()
s.close(); sys.stdin.readline()
"""

# Reads nothing until it is told to.
SLOW_SERVER = live.ANSWER + """
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
s.bind((sys.argv[1], 9002)); s.listen(1); print("ready", flush=True)
c, _ = s.accept()
sys.stdin.readline()
got = 0
while got < 200000: got += len(c.recv(1 << 16))
print("read", flush=True)
sys.stdin.readline()
"""

FAST_CLIENT = """
import socket, sys
s = socket.create_connection((sys.argv[1], 9002))
print("connected", flush=True)
s.sendall(bytes(200000))
print("done", flush=True)
sys.stdin.readline()
"""

# Echoes each datagram but those that ask for silence.
UDP_SERVER = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((sys.argv[1], 9001)); print("ready", flush=True)
while True:
    data, who = s.recvfrom(65536)
    if data[:1] != b"s": s.sendto(data, who)
"""

# Connected and unconnected; one in three is not answered; one is as long as eight fragments.
UDP_CLIENT = """
import socket, sys
where, count = (sys.argv[1], 9001), int(sys.argv[2])
a, b = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
a.connect(where)
for s, send in ((a, a.send), (b, lambda d: b.sendto(d, where))):
    s.settimeout(5)
    for i in range(count):
        data = (b"s" if i % 3 == 0 else b"e") + bytes(i * 7 % 1400)
        send(data)
        if i % 3: assert s.recv(65536) == data
    send(b"e" + bytes(11000)); assert len(s.recv(65536)) == 11001
print(a.getsockname()[1], b.getsockname()[1], flush=True)
sys.stdin.readline()
"""


def ss(spaces, name):
    """What `ss -ti` says of the namespace's one connection: numbers by their names; of `a/b` both; and words that stand alone."""
    said = spaces.run(name, "ss", "-tinoOH", "state", "established", capture_output=True, text=True).stdout
    assert said.count("\n") == 1, said
    out = {"words": set(said.split())}
    for key, value in re.findall(r"(\w+):([0-9.,/]+)(?:ms)?(?=\s|$)", said):
        numbers = [float(v) if "." in v else int(v) for v in re.split("[/,]", value)]
        out[key] = numbers[0] if len(numbers) == 1 else numbers
    return out


def nstat(spaces, name):
    """The namespace's counters since it was made."""
    said = spaces.run(name, "nstat", "-asz", capture_output=True, text=True).stdout
    return {words[0]: int(words[1]) for words in map(str.split, said.splitlines()) if len(words) == 3 and words[1].isdigit()}


def at_rest(look):
    """look() as soon as it has been the same for a while: longer than a delayed acknowledgment waits."""
    last, since, end = look(), time.monotonic(), time.monotonic() + 20
    while time.monotonic() < end:
        time.sleep(0.05)
        now = look()
        if now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > 0.5:
            return now
    raise AssertionError("the connection does not come to rest")


@contextlib.contextmanager
def router(spaces):
    """Another way from client (10.232.0.2) to server (10.233.0.2), through a namespace that loses some of what it passes on. Gives how many it
    has lost on the way to the client and to the server, as a function."""
    name = spaces.client[:-1] + "r"
    ends = ((spaces.client, 232, 233, "c"), (spaces.server, 233, 232, "s"))
    ip = lambda *words: subprocess.run(["ip", *words], check=True)
    try:
        ip("netns", "add", name)
        spaces.run(name, "sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6; echo 1 > /proc/sys/net/ipv4/ip_forward")
        for end, net, far, device in ends:
            ip("-n", end, "link", "add", "e1", "type", "veth", "peer", "name", device, "netns", name)
            ip("-n", end, "link", "set", "e1", "gso_max_segs", "1")
            for where, which, number in ((end, "e1", 2), (name, device, 1)):
                ip("-n", where, "addr", "add", f"10.{net}.0.{number}/24", "dev", which)
                ip("-n", where, "link", "set", which, "up")
            ip("-n", end, "route", "add", f"10.{far}.0.0/24", "via", f"10.{net}.0.1")
            for words in (("netem", "limit", "10000", "delay", "2ms", "loss", "2%"), ("tbf", "rate", "200mbit", "burst", "16kb", "limit", "40kb")):
                if subprocess.run(["tc", "-n", name, "qdisc", "replace", "dev", device, "root", *words], stderr=subprocess.DEVNULL).returncode == 0:
                    break
            else:
                print("this kernel has neither netem nor tbf: nothing will be lost")

        def lost():
            said = [subprocess.run(["tc", "-n", name, "-s", "qdisc", "show", "dev", device], capture_output=True, text=True, check=True).stdout for *_, device in ends]
            return [int(re.search(r"dropped (\d+)", text)[1]) for text in said]

        yield lost
    finally:
        subprocess.run(["ip", "netns", "del", name])


class Counters(unittest.TestCase):
    def one(self, found):
        self.assertEqual(len(found), 1, found)
        return found[0]

    def transfer(self, spaces, address=None):
        """A connection that has carried UP and DOWN bytes and rests; both programs wait for a word to close."""
        address = address or spaces.server_address
        self.server = spaces.python(spaces.server, SERVER, address, str(UP), str(DOWN))
        self.client = spaces.python(spaces.client, CLIENT, address, str(UP), str(DOWN))
        self.assertEqual(self.client.stdout.readline(), "done\n")
        names = (spaces.client, spaces.server)
        look = lambda: ([{k: v for k, v in ss(spaces, n).items() if k in ("segs_out", "segs_in", "bytes_acked")} for n in names], [nstat(spaces, n) for n in names])
        at_rest(look)
        return [(ss(spaces, n), nstat(spaces, n)) for n in names]

    def assert_as_the_sockets_say(self, flow, sockets):
        for end, socket, before_there_was_one, size in (("source", sockets[0][0], 0, UP), ("destination", sockets[1][0], 1, DOWN)):
            said = {k.removeprefix(end + "."): v for k, v in flow.items() if k.startswith(end + ".")}
            with self.subTest(end=end):
                self.assertEqual(said["packets"], socket["segs_out"] + before_there_was_one)
                self.assertEqual(said["cvf.payload.bytes"], socket["bytes_sent"])
                self.assertEqual(said["cvf.payload.bytes"], size + socket.get("bytes_retrans", 0))
                self.assertEqual(said.get("cvf.tcp.retransmits", 0), socket.get("retrans", [0, 0])[1])
                self.assertEqual(said["cvf.tcp.rtt"], round(socket["rtt"][0] * 1000) * 1000)
                self.assertEqual(said["cvf.tcp.rtt_min"], round(socket["minrtt"] * 1000) * 1000)
                self.assertEqual(said["cvf.tcp.mss"], socket["advmss"] + (12 if "ts" in socket["words"] else 0))
        self.assertEqual(flow["destination.cvf.tcp.window_scale"], sockets[0][0]["wscale"][0])  # ss: that of the other end, and one's own
        self.assertEqual(flow["source.cvf.tcp.window_scale"], sockets[0][0]["wscale"][1])

    def test_an_open_connection_has_exactly_the_numbers_of_its_sockets(self):
        with Namespaces() as spaces, Agent("--types", "flow") as agent:
            sockets = self.transfer(spaces)
            self.assertEqual(agent.stop(), 0)
            flow = self.one(agent.records("flow", destination_port=9000, cvf_flow_state="final"))
            self.assert_as_the_sockets_say(flow, sockets)
            for mine, end in enumerate(("source", "destination")):
                with self.subTest(end=end):
                    counts = sockets[mine][1]
                    self.assertEqual(flow[end + ".packets"], counts["TcpOutSegs"] + counts["TcpRetransSegs"])
                    # Aggregates went out, each of their packets with headers of its own: 52 bytes, and 8 more of the SYN's options. Only where
                    # something was sent again are there selective acknowledgments.
                    more = flow[end + ".bytes"] - (flow[end + ".cvf.payload.bytes"] + 52 * flow[end + ".packets"] + 8)
                    if sockets[0][1]["TcpRetransSegs"] + sockets[1][1]["TcpRetransSegs"] == 0:
                        self.assertEqual(more, 0)
                    self.assertTrue(0 <= more <= 36 * flow[end + ".packets"], more)

    def test_a_connection_with_losses_has_exactly_the_numbers_of_sockets_and_namespaces(self):
        with Namespaces() as spaces, Agent("--types", "flow,event") as agent, router(spaces) as lost:
            sockets = self.transfer(spaces, "10.233.0.2")
            lost = lost()
            self.assertEqual(agent.stop(), 0)
            flow = self.one(agent.records("flow", destination_port=9000, cvf_flow_state="final"))
            self.assert_as_the_sockets_say(flow, sockets)
            for mine, end in enumerate(("source", "destination")):
                with self.subTest(end=end):
                    counts, other = sockets[mine][1], sockets[1 - mine][1]
                    self.assertEqual(flow[end + ".packets"], counts["TcpOutSegs"] + counts["TcpRetransSegs"])
                    self.assertEqual(flow[end + ".packets"] - lost[1 - mine], other["TcpInSegs"])
                    self.assertEqual(flow[end + ".bytes"], counts["IpExtOutOctets"])
                    self.assertEqual(flow.get(end + ".cvf.tcp.retransmits", 0), counts["TcpRetransSegs"])
            again = flow.get("source.cvf.tcp.retransmits", 0) + flow.get("destination.cvf.tcp.retransmits", 0)
            print(f"{flow['network.packets']} packets, {lost} dropped, {again} sent again")
            self.assertEqual(bool(sum(lost)), bool(again))
            self.assertEqual(len(agent.records("event", event_action="retransmit", flow_id=flow["flow.id"])), again)

    def test_a_connection_that_has_ended_lacks_at_most_its_last_acknowledgment(self):
        with Namespaces() as spaces, Agent("--types", "flow,http") as agent:
            self.transfer(spaces)
            for p in (self.server, self.client):  # both wait: the server for the client's end
                p.stdin.write("close\n")
                p.stdin.flush()
            flow = self.one(agent.wait("flow", destination_port=9000, cvf_flow_state="final"))
            counts = [at_rest(lambda n=n: nstat(spaces, n)) for n in (spaces.client, spaces.server)]
            self.assertEqual(agent.stop(), 0)
            sent = [c["TcpOutSegs"] + c["TcpRetransSegs"] for c in counts]
            self.assertIn(sent[0] - flow["source.packets"], (0, 1))
            self.assertEqual(flow["destination.packets"], sent[1])
            for end, size, count in (("source", UP, counts[0]), ("destination", DOWN, counts[1])):
                self.assertGreaterEqual(flow[end + ".cvf.payload.bytes"], size)
                if count["TcpRetransSegs"] == 0:
                    self.assertEqual(flow[end + ".cvf.payload.bytes"], size)
            self.assertEqual((flow["cvf.tcp.state"], flow["cvf.flow.reason"]), ("closed", "fin"))
            # The acknowledgment is no conversation of its own.
            ours = {spaces.inode(spaces.client), spaces.inode(spaces.server)}
            found = agent.records("flow", cvf_flow_state="final")
            self.assertEqual([f for f in found if ours & {f.get("source.cvf.netns.id"), f.get("destination.cvf.netns.id")}], [flow])

    def test_a_closed_window_is_told_of_the_end_that_closed_it_as_often_as_the_kernel_did(self):
        with Namespaces() as spaces, Agent("--types", "flow,http") as agent:
            s = spaces.python(spaces.server, SLOW_SERVER, spaces.server_address)
            c = spaces.python(spaces.client, FAST_CLIENT, spaces.server_address)
            closed = lambda: nstat(spaces, spaces.server).get("TcpExtTCPToZeroWindowAdv", 0)
            self.assertTrue(live.wait_until(lambda: closed() > 0, 20), "the window does not close: the test says nothing")
            # Probed a few times, it is still closed: each answer repeats it, and is no other time.
            live.wait_until(lambda: nstat(spaces, spaces.client).get("TcpExtTCPWinProbe", 0) > 2, 20)
            s.stdin.write("read\n")
            s.stdin.flush()
            self.assertEqual(c.stdout.readline(), "done\n")
            self.assertEqual(s.stdout.readline(), "read\n")
            count = at_rest(closed)
            self.assertEqual(agent.stop(), 0)
            flow = self.one(agent.records("flow", destination_port=9002, cvf_flow_state="final"))
            self.assertEqual((flow.get("source.cvf.tcp.zero_windows"), flow.get("destination.cvf.tcp.zero_windows")), (None, count), flow)

    def test_datagrams_are_as_many_as_the_namespaces_count(self):
        count = 500
        with Namespaces() as spaces, Agent("--types", "flow") as agent:
            spaces.python(spaces.server, UDP_SERVER, spaces.server_address)
            c = spaces.python(spaces.client, UDP_CLIENT, spaces.server_address, str(count))
            ports = list(map(int, c.ready.split()))
            counts = [nstat(spaces, n) for n in (spaces.client, spaces.server)]
            self.assertEqual(agent.stop(), 0)
            flows = [self.one(agent.records("flow", source_port=p, cvf_flow_state="final")) for p in ports]
            sizes = [28 + 1 + i * 7 % 1400 for i in range(count)]
            sent, answered = sum(sizes), sum(s for i, s in enumerate(sizes) if i % 3)
            answers = sum(i % 3 != 0 for i in range(count))
            for flow in flows:
                self.assertEqual((flow["source.packets"], flow["destination.packets"]), (count + 1, answers + 1))
                self.assertEqual((flow["source.bytes"], flow["destination.bytes"]), (sent + 28 + 11001, answered + 28 + 11001))
                for end in ("source", "destination"):
                    self.assertEqual(flow[end + ".cvf.payload.bytes"], flow[end + ".bytes"] - 28 * flow[end + ".packets"])
            for mine, end in enumerate(("source", "destination")):
                total = sum(f[end + ".packets"] for f in flows)
                self.assertEqual(total, counts[mine]["UdpOutDatagrams"])
                self.assertEqual(total, counts[1 - mine]["UdpInDatagrams"])

    def test_at_any_moment_every_record_made_is_written_lost_or_on_its_way_those_on_the_bus_too(self):
        with Namespaces() as spaces, Agent("--types", "http,flow") as agent:
            spaces.python(spaces.server, live.ONE_SERVER, spaces.server_address)
            c = spaces.python(spaces.client, live.client(8080, spaces.server_address))
            end, looks = time.monotonic() + 12.5, 0  # the bus has its first health record after ten seconds
            while time.monotonic() < end:
                for _ in range(50):
                    live.ask(c, "x")
                m = agent.metrics()
                looks += m["cvf_records_made_total"] > 0
                self.assertEqual(m["cvf_records_made_total"], m["cvf_records_written_total"] + m["cvf_records_lost_total"] + m["cvf_records_waiting"])
            self.assertGreater(looks, 20)
            self.assertTrue(live.wait_until(lambda: agent.metrics()["cvf_records_waiting"] == 0, 5), agent.metrics())
            m = agent.metrics()
            self.assertGreater(m["cvf_bus_records_total"], 0)
            self.assertEqual(m["cvf_records_lost_total"], 0)
            # The figures are up to a second old; others of this machine may talk meanwhile.
            same = lambda: (m := agent.metrics())["cvf_records_made_total"] - m["cvf_bus_records_total"] == len(agent.records())
            self.assertTrue(live.wait_until(same, 10), (agent.metrics(), len(agent.records())))
            self.assertEqual(agent.stop(), 0)


if __name__ == "__main__":
    live.main("ss", "nstat", "tc")
