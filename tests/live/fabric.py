"""What tests of the fabric share: a broker that can die, and a foreign consumer that counts what it hears."""
import os
import socket
import subprocess
import time

from live import free_port, wait_until


def text_of(path):
    with open(path, errors="replace") as f:
        return f.read()


class Broker:
    """nats-server with JetStream, which can be killed and started again over the same store. `inside`: words before its command, such as
    nsenter's; `address`: where it listens."""

    def __init__(self, folder, *options, address="127.0.0.1", port=None, inside=(), answers=None):
        """`answers`: tells whether it does, where its address can't be reached from here."""
        self.address, self.port, self.store, self.process = address, port or free_port(), os.path.join(folder, "js"), None
        self.inside, self.options, self.answers = inside, options, answers or self.connects
        self.start()

    def start(self):
        self.process = subprocess.Popen([*self.inside, "nats-server", "-a", self.address, "-p", str(self.port), "-js", "-sd", self.store, *self.options],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert wait_until(self.answers), "nats-server does not answer"

    def connects(self):
        try:
            socket.create_connection((self.address, self.port), 1).close()
            return True
        except OSError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    @property
    def url(self):
        return f"nats://{self.address}:{self.port}"


class Listener:
    """A foreign consumer of records: the plain NATS protocol over a socket, nothing of ours."""

    def __init__(self, broker, keep_lines=True):
        self.socket = socket.create_connection((broker.address, broker.port))
        self.socket.sendall(b'CONNECT {"verbose":false,"headers":true}\r\nSUB cvf.v1.records.> 1\r\nPING\r\n')
        self.socket.settimeout(0.2)
        self.keep_lines = keep_lines
        self.buffer = bytearray()
        self.batches = []  # subject, headers, lines (their number where they are not kept)

    def close(self):
        self.socket.close()

    def read(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                got = self.socket.recv(1 << 20)
            except socket.timeout:
                continue
            except OSError:  # the broker was killed
                break
            if not got:
                break
            self.buffer += got
            self.parse()

    def parse(self):
        at = 0
        while (end := self.buffer.find(b"\r\n", at)) >= 0:
            line = bytes(self.buffer[at:end])
            if line == b"PING":
                self.socket.sendall(b"PONG\r\n")
            if not line.startswith(b"HMSG"):
                at = end + 2
                continue
            words = line.decode().split()
            head, total = int(words[-2]), int(words[-1])
            begin = end + 2
            if len(self.buffer) < begin + total + 2:
                break
            headers = dict(h.split(": ", 1) for h in self.buffer[begin:begin + head].decode().split("\r\n")[1:] if ": " in h)
            body = bytes(self.buffer[begin + head:begin + total])
            self.batches.append((words[1], headers, body.decode().splitlines() if self.keep_lines else body.count(b"\n")))
            at = begin + total + 2
        del self.buffer[:at]


class Sequences:
    """The numbers of records that listeners have heard: by agent's life, lane and subject (docs/bus.md)."""

    def __init__(self, *listeners):
        self.heard, self.batches = {}, 0
        for listener in listeners:
            for subject, headers, lines in listener.batches:
                first, last, count = (int(headers["Cvf-" + h]) for h in ("First", "Last", "Count"))
                lines = lines if isinstance(lines, int) else len(lines)
                assert last - first + 1 == count == lines, (headers, lines)
                self.heard.setdefault((headers["Cvf-Agent"], subject), set()).update(range(first, last + 1))
                self.batches += 1

    def of(self, kind):
        """The numbers of records of this type, by stream."""
        return {stream: numbers for stream, numbers in self.heard.items() if stream[1].startswith(f"cvf.v1.records.{kind}.")}

    def count(self, kind):
        return sum(len(numbers) for numbers in self.of(kind).values())

    def holes(self, kind):
        """Numbers that did not come though a later one of their stream did."""
        return {stream: missing for stream, numbers in self.of(kind).items() if (missing := max(numbers) - len(numbers))}
