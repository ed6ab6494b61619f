"""What the live tests share: an agent, namespaces, programs in them, and the records that came of it.

A test file is run as `FILE_test.py PATH-OF-cvf [unittest options]`; the path may come from the environment variable CVF instead.
Exit 77 where this machine can't run it (CVF_NO_SKIP=1: 1), with a line `SKIP: reason`. Everything made here is taken away again.
"""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

CVF = os.environ.get("CVF", "")
PYTHON = os.path.realpath(sys.executable)
_made = 0


def skip_all(reason):
    print("SKIP: " + reason)
    sys.exit(1 if os.environ.get("CVF_NO_SKIP") == "1" else 77)


def need(*tools):
    """Skips the file when a program is missing."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    for tool in tools:
        if not shutil.which(tool):
            skip_all(f"no {tool} here")


def main(*tools):
    global CVF
    if len(sys.argv) > 1 and os.access(sys.argv[1], os.X_OK):
        CVF = sys.argv.pop(1)
    CVF = os.path.abspath(CVF)
    if not os.access(CVF, os.X_OK):
        sys.exit("usage: " + sys.argv[0] + " PATH-OF-cvf")
    # So that what was made is taken away when the test is ended from outside, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    if os.geteuid() != 0:
        skip_all("live tests need root")
    need("ip", *tools)
    try:
        with Agent() as agent:
            agent.stop()
    except AgentRefused as e:
        skip_all("the agent can't start here: " + str(e).splitlines()[0])
    unittest.main(verbosity=2)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(what, seconds=10.0, step=0.02):
    """The first true value of what(), or its last."""
    end = time.monotonic() + seconds
    while not (value := what()) and time.monotonic() < end:
        time.sleep(step)
    return value


class AgentRefused(Exception):
    pass


class Agent:
    """`cvf up` with JSON records on standard output, from ready to its end."""

    def __init__(self, *options, stdout=None):
        self.folder = tempfile.TemporaryDirectory(prefix="cvf-live-")
        self.token_file = os.path.join(self.folder.name, "token")
        self.port = free_port()
        self._out_path = os.path.join(self.folder.name, "records")
        self._err_path = os.path.join(self.folder.name, "errors")
        self._err = open(self._err_path, "wb")
        self._out = open(self._out_path, "wb") if stdout is None else stdout
        self.command = [CVF, "up", "--format", "json", "--listen", f"127.0.0.1:{self.port}", "--token-file", self.token_file, *options]
        self.process = subprocess.Popen(self.command, stdout=self._out, stderr=self._err, stdin=subprocess.DEVNULL)
        if not wait_until(lambda: "API at" in self.errors() or self.process.poll() is not None, 20) or self.process.poll() is not None:
            errors = self.errors() or "nothing said"
            self.close()
            raise AgentRefused(errors)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._err.close()
        if hasattr(self._out, "close"):
            self._out.close()
        self.folder.cleanup()

    def errors(self):
        with open(self._err_path, errors="replace") as f:
            return f.read()

    def records(self, kind=None, **equal):
        """Whole lines so far; `source_port=80` stands for the key source.port."""
        with open(self._out_path, "rb") as f:
            lines = f.read().split(b"\n")[:-1]
        found = [json.loads(line) for line in lines]
        want = {k.replace("__", "\0").replace("_", ".").replace("\0", "_"): v for k, v in equal.items()}
        return [r for r in found if (kind is None or r["record.type"] == kind) and all(r.get(k) == v for k, v in want.items())]

    def wait(self, kind, count=1, seconds=10.0, **equal):
        wait_until(lambda: len(self.records(kind, **equal)) >= count, seconds)
        return self.records(kind, **equal)

    def stop(self, sig=signal.SIGINT):
        """Ends it in good order and returns the exit status; records() has all of it then."""
        time.sleep(0.1)  # what has just happened is still on its way from the kernel
        self.process.send_signal(sig)
        return self.process.wait(20)

    def metrics(self):
        with open(self.token_file) as f:
            token = f.read().strip()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/metrics", headers={"Authorization": "Bearer " + token})
        with urllib.request.urlopen(request, timeout=5) as answer:
            text = answer.read().decode()
        return {name: float(value) for name, _, value in (l.rpartition(" ") for l in text.splitlines() if l and l[0] != "#")}


class Namespaces:
    """Two network namespaces, `server` (10.231.N.1) and `client` (10.231.N.2), joined by a veth pair."""

    def __init__(self):
        global _made
        _made += 1
        base = f"cvf{os.getpid() % 100000}{chr(96 + _made)}"
        self.server, self.client = base + "s", base + "c"
        self.server_address, self.client_address = f"10.231.{_made}.1", f"10.231.{_made}.2"
        self._running = []
        try:
            for name in (self.server, self.client):
                subprocess.run(["ip", "netns", "add", name], check=True)
                # Neighbour discovery would add conversations nobody asked about.
                self.run(name, "sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6; ip link set lo up")
            subprocess.run(["ip", "-n", self.server, "link", "add", "e0", "type", "veth", "peer", "name", "e0", "netns", self.client], check=True)
            for name, address in ((self.server, self.server_address), (self.client, self.client_address)):
                subprocess.run(["ip", "-n", name, "addr", "add", address + "/24", "dev", "e0"], check=True)
                subprocess.run(["ip", "-n", name, "link", "set", "e0", "up"], check=True)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for p in self._running:
            end(p)
        for name in (self.server, self.client):
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)

    def run(self, name, *command, **options):
        """To its end; the finished process."""
        return subprocess.run(["ip", "netns", "exec", name, *command], check=True, timeout=60, **options)

    def start(self, name, *command, **options):
        """`ip netns exec` becomes the program: the pid is the program's."""
        p = subprocess.Popen(["ip", "netns", "exec", name, *command], start_new_session=True, **options)
        self._running.append(p)
        return p

    def python(self, name, source, *arguments):
        """A Python program with standard input and output as pipes; its first line says that it is ready."""
        p = self.start(name, PYTHON, "-c", source, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        p.ready = p.stdout.readline().strip()
        return p

    def inode(self, name):
        return os.stat("/run/netns/" + name).st_ino


def end(process):
    """A started program and what it has forked."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()


def client(port, address, size=0):
    """Source of a client: one HTTP request a line of standard input, the answer's length back."""
    return f"""
import socket, sys
s = socket.create_connection(("{address}", {port}))
print(s.getsockname()[1], flush=True)
for line in sys.stdin:
    s.sendall(b"GET /" + line.strip().encode() + b" HTTP/1.1\\r\\nHost: test\\r\\n\\r\\n")
    got = b""
    while b"\\r\\n\\r\\n" not in got: got += s.recv(65536)
    print(len(got), flush=True)
s.close()
"""


# A process or thread that answers each request on a connection, until its end.
ANSWER = """
import os, socket, sys, threading
def answer(c):
    got = b""
    while True:
        data = c.recv(65536)
        if not data: break
        got += data
        while b"\\r\\n\\r\\n" in got:
            got = got.split(b"\\r\\n\\r\\n", 1)[1]
            c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
    c.close()
def listen(address, port=8080):
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port)); s.listen(512); return s
"""

ONE_SERVER = ANSWER + """
s = listen(sys.argv[1]); print("ready", flush=True)
while True:
    c, _ = s.accept()
    answer(c)
"""


def ask(process, path):
    process.stdin.write(path + "\n")
    process.stdin.flush()
    return int(process.stdout.readline())
