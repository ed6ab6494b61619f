"""What the live tests share: an agent, namespaces, programs in them, and the records that came of it.

A test file is run as `FILE_test.py PATH-OF-cvf [unittest options]`; the path may come from the environment variable CVF instead.
Exit 77 where this machine can't run it (CVF_NO_SKIP=1: 1), with a line `SKIP: reason`. Everything made here is taken away again.

What the agents have written goes through the schema's judge at the end (tests/schema/validate.mjs): a record that is not valid fails the
file. With CVF_RECORDS_OUT=FOLDER the records stay there.
"""
import atexit
import contextlib
import ctypes
import errno
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

CVF = os.environ.get("CVF", "")
os.environ.setdefault("CVF_STATE_DIRECTORY", "")
os.environ.setdefault("CVF_HISTORY_SIZE", "0")  # no test leaves records on the machine; those that ask for history say where
PYTHON = os.path.realpath(sys.executable)
JUDGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "schema", "validate.mjs")
_made = 0
_kept = None  # folder of what all agents have written
_kept_count = 0


def skip_all(reason):
    print("SKIP: " + reason)
    sys.exit(1 if os.environ.get("CVF_NO_SKIP") == "1" else 77)


def why_no_kernel():
    """Why no tap can be had on this machine, asked of bpf() itself; None where one must open."""
    if os.geteuid() != 0:
        return "live tests need root"
    attributes = struct.pack("IIIII", 2, 4, 4, 1, 0).ljust(64, b"\0")  # BPF_MAP_TYPE_ARRAY, one value
    number = 321 if os.uname().machine == "x86_64" else 280
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(number, 0, attributes, len(attributes))  # BPF_MAP_CREATE
    if fd >= 0:
        os.close(fd)
    elif ctypes.get_errno() in (errno.EPERM, errno.ENOSYS):
        return "no bpf() here: " + os.strerror(ctypes.get_errno())
    return None if os.access("/sys/kernel/btf/vmlinux", os.R_OK) else "this kernel has no BTF"


def need(*tools):
    """Skips the file when a program is missing."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    for tool in tools:
        if not shutil.which(tool):
            skip_all(f"no {tool} here")


def main(*tools, agent=True):
    """Runs the file's tests; `agent`: they need one, and what it needs."""
    global CVF
    if len(sys.argv) > 1 and os.access(sys.argv[1], os.X_OK):
        CVF = sys.argv.pop(1)
    CVF = os.path.abspath(CVF)
    if not os.access(CVF, os.X_OK):
        sys.exit("usage: " + sys.argv[0] + " PATH-OF-cvf")
    # So that what was made is taken away when the test is ended from outside, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    if reason := why_no_kernel():
        skip_all(reason)
    need("ip", *tools)
    try:
        with Agent() as agent:
            agent.stop()
    except AgentRefused as e:
        sys.exit("the agent does not start: " + str(e))
    ran = unittest.main(verbosity=2, exit=False).result
    sys.exit(0 if judge() and ran.wasSuccessful() else 1)


def keep(path):
    """Copies the whole lines of a file of records for the judge; of an agent that was killed the last may be torn."""
    global _kept, _kept_count
    with open(path, "rb") as f:
        lines = f.read().rpartition(b"\n")
    if not lines[1]:
        return
    if _kept is None:
        _kept = os.environ.get("CVF_RECORDS_OUT")
        if _kept:
            os.makedirs(_kept, exist_ok=True)
        else:
            _kept = tempfile.mkdtemp(prefix="cvf-live-records-")
            atexit.register(shutil.rmtree, _kept, ignore_errors=True)
    _kept_count += 1
    name = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    with open(os.path.join(_kept, f"live_{name}_{_kept_count:02}.jsonl"), "wb") as f:
        f.write(lines[0] + b"\n")


def judge():
    """Whether every record kept is valid; True, and said so, where there is no judge."""
    if _kept is None:
        return True
    if not shutil.which("node"):
        print("records were not validated: no node here")
        return True
    name = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    files = sorted(os.path.join(_kept, f) for f in os.listdir(_kept) if f.startswith(f"live_{name}_"))
    sys.stdout.flush()
    done = subprocess.run(["node", JUDGE, *files])
    if done.returncode == 77:
        print("records were not validated: the judge is not installed")
    return done.returncode in (0, 77)


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

    def __init__(self, *options, stdout=None, inside=()):
        """`inside`: words before the command that become it, such as nsenter's."""
        self.folder = tempfile.TemporaryDirectory(prefix="cvf-live-")
        self.token_file = os.path.join(self.folder.name, "token")
        self.port = free_port()
        self._out_path = os.path.join(self.folder.name, "records")
        self._err_path = os.path.join(self.folder.name, "errors")
        self._err = open(self._err_path, "wb")
        self._out = open(self._out_path, "wb") if stdout is None else stdout
        self.command = [*inside, CVF, "up", "--format", "json", "--listen", f"127.0.0.1:{self.port}", "--token-file", self.token_file, *options]
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
        if os.path.exists(self._out_path):
            keep(self._out_path)
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

    def stop(self, sig=signal.SIGTERM):  # SIGINT is ignored where the tests run in the background of a shell
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
    """Two network namespaces, `server` (10.231.N.1) and `client` (10.231.N.2), joined by a veth pair; with `ipv6` fd00:231:N::1 and ::2 too."""

    def __init__(self, ipv6=False):
        global _made
        _made += 1
        base = f"cvf{os.getpid() % 100000}{chr(96 + _made)}"
        self.server, self.client = base + "s", base + "c"
        self.server_address, self.client_address = f"10.231.{_made}.1", f"10.231.{_made}.2"
        self.server_address6, self.client_address6 = f"fd00:231:{_made}::1", f"fd00:231:{_made}::2"
        self._running = []
        try:
            for name in (self.server, self.client):
                subprocess.run(["ip", "netns", "add", name], check=True)
                if not ipv6:  # neighbour discovery would add conversations nobody asked about
                    self.run(name, "sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6")
                self.run(name, "ip", "link", "set", "lo", "up")
            subprocess.run(["ip", "-n", self.server, "link", "add", "e0", "type", "veth", "peer", "name", "e0", "netns", self.client], check=True)
            for name, address, address6 in ((self.server, self.server_address, self.server_address6), (self.client, self.client_address, self.client_address6)):
                subprocess.run(["ip", "-n", name, "addr", "add", address + "/24", "dev", "e0"], check=True)
                if ipv6:
                    subprocess.run(["ip", "-n", name, "addr", "add", address6 + "/64", "dev", "e0", "nodad"], check=True)
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
