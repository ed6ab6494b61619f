#!/usr/bin/env python3
"""IPFIX as CVF sends it, before two who read it: nfcapd as the collector, and tshark on the messages.

    ipfix_test.py PATH-OF-export_send FILE.jsonl...

Exit 0 all agree, 1 not, 77 neither is installed. Everything is on loopback and ended by its pid.
"""
import datetime
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

SEND, FILES = sys.argv[1], sys.argv[2:]
NFCAPD = shutil.which("nfcapd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1, "ipv6-icmp": 58, "sctp": 132}


def flows():
    for path in FILES:
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                if record["record.type"] == "flow":
                    yield record


def milliseconds(text):
    whole, fraction = text.rstrip("Z").split(".")
    seconds = int(datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.timezone.utc).timestamp())
    return seconds * 1000 + int(fraction) // 1_000_000


FLOWS = list(flows())
assert len(FLOWS) > 5 and all(f["cvf.flow.state"] == "final" and f["cvf.flow.sequence"] == 0 for f in FLOWS), "not the records this test is for"


def expected(record):
    """What both readers must have understood of a flow."""
    return (record["source.address"], record["destination.address"], record.get("source.port", 0), record.get("destination.port", 0),
            record["source.bytes"], record["source.packets"], record["destination.bytes"], record["destination.packets"],
            milliseconds(record["event.start"]), milliseconds(record["event.end"]))


EXPECTED = sorted(expected(f) for f in FLOWS)


def send(kind, port):
    done = subprocess.run([SEND, kind, f"127.0.0.1:{port}", *FILES], stdout=subprocess.PIPE, timeout=60, check=True)
    stats = json.loads(done.stdout)
    assert stats["given"] == stats["delivered"] == len(FLOWS), stats


def letters(flags):
    """SYN|ACK as nfdump shows it: ...A..S."""
    return "".join(name[0] if name in flags.split("|") else "." for name in ["CWR", "ECE", "URG", "ACK", "PSH", "RST", "SYN", "FIN"])


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def same(got, who):
    got = sorted(got)
    for a, b in zip(got, EXPECTED):
        assert a == b, f"{who}: {a}\nwanted {b}"
    assert len(got) == len(EXPECTED), f"{who}: {len(got)} flows, wanted {len(EXPECTED)}"
    print(f"ipfix: {who} has read {len(got)} flows as they were sent")


def nfdump():
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        collector = subprocess.Popen([NFCAPD, "-b", "127.0.0.1", "-p", str(port), "-w", folder, "-I", "cvf", "-t", "3600"],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            # It answers nothing: it is there when its port is taken.
            for _ in range(100):
                table = open("/proc/net/udp", encoding="ascii").read()
                if f":{port:04X} " in table:
                    break
                time.sleep(0.1)
            send("ipfix-udp", port)
            time.sleep(1)
        finally:
            collector.send_signal(signal.SIGTERM)
            collector.wait(20)
        out = subprocess.run(["nfdump", "-R", folder, "-o", "json", "-q"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True,
                             env={**os.environ, "TZ": "UTC"}).stdout.decode()
    got, flags = [], []
    for one in json.loads("[" + out + "]"):
        def at(name):
            return milliseconds(one[name] + ".000Z" if "." not in one[name] else one[name] + "000000Z")
        got.append((one.get("src4_addr") or one["src6_addr"], one.get("dst4_addr") or one["dst6_addr"], one.get("src_port", 0),
                    one.get("dst_port", 0), one["in_bytes"], one["in_packets"], one.get("out_bytes", 0), one.get("out_packets", 0),
                    at("first"), at("last")))
        assert "src4_addr" in one or "src6_addr" in one
        flags.append(one["tcp_flags"] if one["proto"] == 6 else "")
    same(got, "nfdump")
    wanted = sorted(letters(f.get("source.cvf.tcp.flags", "")) if f["network.transport"] == "tcp" else "" for f in FLOWS)
    assert sorted(flags) == wanted, f"nfdump: {sorted(flags)}\nwanted {wanted}"


def messages(data):
    """The messages of a TCP stream, each checked for its header."""
    out = []
    while data:
        version, length = struct.unpack_from("!HH", data)
        assert version == 10 and 16 <= length <= len(data)
        out.append(data[:length])
        data = data[length:]
    return out


def taken(kind):
    """What export_send has sent, as a list of messages."""
    got = []
    if kind == "ipfix-udp":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            send(kind, server.getsockname()[1])
            server.settimeout(0.5)
            try:
                while True:
                    got.append(server.recv(65536))
            except TimeoutError:
                return got
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        stream = bytearray()

        def read():
            peer, _ = server.accept()
            with peer:
                while part := peer.recv(65536):
                    stream.extend(part)

        reader = threading.Thread(target=read)
        reader.start()
        send(kind, server.getsockname()[1])
        reader.join(20)
        return messages(bytes(stream))


def capture(packets, path):
    """Messages as datagrams in a capture of raw IP (link type 101)."""
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        for payload in packets:
            udp = struct.pack("!HHHH", 40000, 4739, 8 + len(payload), 0) + payload
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes([127, 0, 0, 1]), bytes([127, 0, 0, 1])) + udp
            out.write(struct.pack("<IIII", 0, 0, len(ip), len(ip)) + ip)


def tshark(kind):
    sent = taken(kind)
    sequence = 0
    for message in sent:
        # The sequence counts records before this message, the templates' not being any.
        _, _, _, number, _ = struct.unpack_from("!HHIII", message)
        assert number == sequence, f"sequence {number}, wanted {sequence}"
        set_id, set_length = struct.unpack_from("!HH", message, 16)
        assert set_length == len(message) - 16
        if set_id >= 256:
            sequence += (set_length - 4) // {256: 77, 257: 101}[set_id]
    assert sequence == len(FLOWS)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "ipfix.pcap")
        capture(sent, path)
        names = ["srcaddr", "srcaddrv6", "dstaddr", "dstaddrv6", "srcport", "dstport", "octets", "packets", "abstimestart", "abstimeend", "protocol"]
        out = subprocess.run(["tshark", "-r", path, "-d", "udp.port==4739,cflow", "-T", "json", "--no-duplicate-keys"],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, env={**os.environ, "TZ": "UTC"}).stdout
    found, protocols = [], []

    def one(name, flow):
        value = flow.get("cflow." + name)
        return value if value is None or isinstance(value, list) else [value]

    def walk(node):
        if isinstance(node, list):
            for child in node:
                walk(child)
        elif isinstance(node, dict):
            if one("octets", node):
                source = (one("srcaddr", node) or one("srcaddrv6", node))[0]
                destination = (one("dstaddr", node) or one("dstaddrv6", node))[0]
                octets, packets = one("octets", node), one("packets", node)
                spans = json.dumps(node)
                found.append((source, destination, int(one("srcport", node)[0]), int(one("dstport", node)[0]), int(octets[0]), int(packets[0]),
                              int(octets[1]), int(packets[1])))
                protocols.append(int(one("protocol", node)[0]))
                assert "[Malformed" not in spans
                return
            for child in node.values():
                walk(child)

    text = out.decode()
    assert "_ws.malformed" not in text and "No template found" not in text
    walk(json.loads(text))
    wanted = sorted(e[:8] for e in EXPECTED)
    assert sorted(found) == wanted, f"tshark: {sorted(found)}\nwanted {wanted}"
    assert sorted(protocols) == sorted(NUMBERS.get(f.get("network.transport"), int(f.get("network.iana_number", 0))) for f in FLOWS)
    print(f"ipfix: tshark has read {len(found)} flows of {kind} as they were sent")


judges = 0
if shutil.which("tshark"):
    tshark("ipfix-udp")
    tshark("ipfix-tcp")
    judges += 1
if NFCAPD and shutil.which("nfdump"):
    nfdump()
    judges += 1
if judges == 0:
    print("SKIP: neither tshark nor nfdump is installed")
    sys.exit(77)
