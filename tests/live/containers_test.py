"""Containers of real runtimes (runc, containerd, Podman): what stands on the ends of their conversations, with each other and with the host.

All runtimes work in a mount namespace of the test's own, where /run and /var/lib are empty at first: their default places, and none of the
machine's. What programs the containers have is the machine's, bound in read-only.
"""
import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import live
from live import Agent, Namespaces, ask, client

# Where Python and what it needs is; a link in a container's root stands for what is a link here, as /bin is.
BOUND = sorted({"/usr", os.path.realpath(sys.base_prefix)} | {d for d in ("/lib", "/lib64", "/bin") if os.path.isdir(d) and not os.path.islink(d)})
BOUND = [d for d in BOUND if not any(d.startswith(other + "/") for other in BOUND)]


class Machine:
    """A mount namespace with its own /run and /var/lib, and the containers in it. Made after the network namespaces it is to see."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="cvf-live-containers-")
        self.ids = []
        self._running = []
        self._holder = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", """set -e
            mkdir "$1/netns"; mount --rbind /run/netns "$1/netns"
            mount -t tmpfs -o mode=755 tmpfs /run; mkdir /run/netns; mount --move "$1/netns" /run/netns
            mount -t tmpfs -o mode=755 tmpfs /var/lib
            echo ready; exec cat""", "sh", self.folder.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.inside = ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", "--wd=/", "--"]
        if self._holder.stdout.readline().strip() != "ready":
            self.close()
            raise unittest.SkipTest("no mount namespace of one's own here")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for ident in self.ids:
            for pid in self.pids(ident):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        # The runtimes see their container's end and take its things away; what does not end by itself is ended.
        for p in self._running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                p.wait(5)
            live.end(p)
        mount = self._mount(self._holder.pid)
        for pid in [int(p) for p in os.listdir("/proc") if p.isdigit()]:
            if mount and self._mount(pid) == mount and pid != self._holder.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        live.end(self._holder)
        self.folder.cleanup()

    @staticmethod
    def _mount(pid):
        with contextlib.suppress(OSError):
            return os.stat(f"/proc/{pid}/ns/mnt").st_ino

    @staticmethod
    def pids(ident):
        """Processes in a cgroup named after the container, its monitor's left out."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/cgroup") as f:
                if any(ident in line and "conmon" not in line for line in f):
                    found.append(int(pid))
        return found

    def run(self, *command, **options):
        return subprocess.run([*self.inside, *command], check=True, timeout=60, **options)

    def start(self, *command, **options):
        p = subprocess.Popen([*self.inside, *command], start_new_session=True, **options)
        self._running.append(p)
        return p

    def root(self):
        """A root filesystem of links and empty folders."""
        root = tempfile.mkdtemp(dir=self.folder.name)
        os.chmod(root, 0o755)
        for name in ("proc", "sys", "dev", "tmp", "etc"):
            os.mkdir(os.path.join(root, name))
        for name in ("bin", "lib", "lib64", "sbin"):
            if os.path.islink("/" + name):
                os.symlink(os.readlink("/" + name), os.path.join(root, name))
        for name in BOUND:
            os.makedirs(root + name, exist_ok=True)
        return root

    def contain(self, command, pid_file, ident=None):
        """The runtime's process, whose standard input and output are the container's; `.pid_inside` is its first process."""
        with open(pid_file + ".errors", "wb") as errors:
            p = self.start(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
        if ident:
            self.ids.append(ident)
        p.ready = p.stdout.readline().strip()
        if not p.ready:
            p.wait(10)
            with open(pid_file + ".errors", errors="replace") as f:
                raise AssertionError("the container does not start: " + f.read())
        # Runtimes write it when the container has begun to run, which may be after its first line.
        if not live.wait_until(lambda: os.path.exists(pid_file) and os.path.getsize(pid_file) > 0, 20, 0.05):
            raise AssertionError(f"{command[0]} has written no {pid_file}")
        with open(pid_file) as f:
            p.pid_inside = int(f.read())
        p.container = ident
        return p

    def runc(self, source, *arguments, netns=None):
        """A container of runc alone, in the network namespace of this name; None: the host's."""
        ident = secrets.token_hex(32)
        bundle = tempfile.mkdtemp(dir=self.folder.name)
        self.run("runc", "spec", "--bundle", bundle)
        with open(bundle + "/config.json") as f:
            spec = json.load(f)
        spec["process"].update(terminal=False, args=[live.PYTHON, "-c", source, *arguments])
        spec["process"].pop("rlimits", None)  # a limit above this machine's is refused
        spec["root"]["path"] = self.root()
        spec["mounts"] += [{"destination": d, "source": d, "type": "none", "options": ["rbind", "ro"]} for d in BOUND]
        namespaces = spec["linux"]["namespaces"] = [n for n in spec["linux"]["namespaces"] if n["type"] != "network"]
        if netns:
            namespaces.append({"type": "network", "path": "/run/netns/" + netns})
        else:
            # A sysfs needs a network namespace of one's own.
            spec["mounts"] = [m for m in spec["mounts"] if m["type"] != "sysfs"]
        with open(bundle + "/config.json", "w") as f:
            json.dump(spec, f)
        return self.contain(["runc", "run", "--bundle", bundle, "--pid-file", bundle + "/pid", ident], bundle + "/pid", ident)

    def containerd(self):
        """Starts it, without the part for Kubernetes; then ctr() makes containers."""
        config = os.path.join(self.folder.name, "containerd.toml")
        with open(config, "w") as f:
            f.write('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]\n')
        self.start("containerd", "--config", config, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

        def answers():
            return subprocess.run([*self.inside, "ctr", "--connect-timeout", "1s", "version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

        if not live.wait_until(answers, 20, 0.2):
            raise AssertionError("containerd does not answer")

    def ctr(self, source, *arguments, netns):
        ident = secrets.token_hex(32)
        pid_file = os.path.join(self.folder.name, ident + ".pid")
        mounts = [word for d in BOUND for word in ("--mount", f"type=bind,src={d},dst={d},options=rbind:ro")]
        return self.contain(["ctr", "run", "--rm", "--rootfs", "--with-ns", "network:/run/netns/" + netns, "--pid-file", pid_file, *mounts, self.root(), ident,
                             live.PYTHON, "-c", source, *arguments], pid_file, ident)

    PODMAN = ("podman", "--cgroup-manager", "cgroupfs", "--storage-driver", "vfs", "--events-backend", "none", "--runtime", "runc")

    def podman_image(self, reference):
        archive = os.path.join(self.folder.name, "image.tar")
        subprocess.run(["tar", "-C", self.root(), "-cf", archive, "."], check=True)
        self.run(*self.PODMAN, "import", archive, reference, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def podman(self, name, reference, source, *arguments, netns):
        pid_file = os.path.join(self.folder.name, name + ".pid")
        volumes = [word for d in BOUND for word in ("--volume", f"{d}:{d}:ro")]
        p = self.contain([*self.PODMAN, "run", "--rm", "--interactive", "--name", name, "--network", "ns:/run/netns/" + netns, "--pidfile", pid_file, "--ulimit", "nofile=256",
                          "--ulimit", "nproc=256", "--label", "team=shop", *volumes, reference, live.PYTHON, "-c", source, *arguments], pid_file)
        p.container = self.run(*self.PODMAN, "inspect", "--format", "{{.ID}}", name, capture_output=True, text=True).stdout.strip()
        self.ids.append(p.container)
        return p


def of_end(record, end):
    """What the record says of the container at this end."""
    start = end + ".container."
    return {k[len(start):]: v for k, v in record.items() if k.startswith(start)}


def host_netns():
    """Inode and name of the machine's network namespace. Some sandboxes do not show what process 1 is in: then it has no name."""
    own = os.stat("/proc/self/ns/net").st_ino
    try:
        return own, "host" if os.stat("/proc/1/ns/net").st_ino == own else None
    except PermissionError:
        return own, None


class Containers(unittest.TestCase):
    def need(self, *tools):
        for tool in tools:
            if not shutil.which(tool):
                print(f"\nSKIP: no {tool} here", flush=True)
                self.skipTest(f"no {tool} here")

    def one(self, found):
        self.assertEqual(len(found), 1, found)
        return found[0]

    def assert_end(self, record, end, pid, container, netns_id, netns_name):
        self.assertEqual(record.get(end + ".process.pid"), pid, record)
        self.assertEqual(record.get(end + ".process.executable.path"), live.PYTHON)
        self.assertEqual(record.get(end + ".container.id"), container, record)
        if container:
            self.assertIn(container, record[end + ".process.linux.cgroup"])
        self.assertEqual(record.get(end + ".cvf.netns.id"), netns_id)
        self.assertEqual(record.get(end + ".cvf.netns.name"), netns_name)

    def talk(self, agent, process, *paths):
        """The records of these requests; the last is asked when the runtime has had time to tell the agent what it knows."""
        for path in paths[:-1]:
            ask(process, path)
        time.sleep(1)
        ask(process, paths[-1])
        process.stdin.close()
        process.wait(20)
        flow = self.one(agent.wait("flow", source_port=int(process.ready), cvf_flow_state="final"))
        self.assertEqual(agent.stop(), 0)
        http = [self.one(agent.records("http", url_path="/" + path)) for path in paths]
        self.assertEqual({r["flow.id"] for r in http}, {flow["flow.id"]})
        self.assertEqual(flow["cvf.flow.local_ends"], 2)
        return [*http, flow]

    def test_two_containers_of_runc_are_named_on_both_ends(self):
        self.need("runc")
        with Namespaces() as spaces, Machine() as machine, Agent(inside=machine.inside) as agent:
            server = machine.runc(live.ONE_SERVER, spaces.server_address, netns=spaces.server)
            c = machine.runc(client(8080, spaces.server_address), netns=spaces.client)
            for r in self.talk(agent, c, "first", "second"):
                self.assert_end(r, "source", c.pid_inside, c.container, spaces.inode(spaces.client), spaces.client)
                self.assert_end(r, "destination", server.pid_inside, server.container, spaces.inode(spaces.server), spaces.server)
                # Nobody but runc knows this container, and runc has no name or image for it.
                self.assertEqual(of_end(r, "source"), {"id": c.container})
                self.assertEqual(of_end(r, "destination"), {"id": server.container})

    def test_a_container_older_than_the_agent_is_named_too(self):
        self.need("runc")
        with Namespaces() as spaces, Machine() as machine:
            server = machine.runc(live.ONE_SERVER, spaces.server_address, netns=spaces.server)
            c = machine.runc(client(8080, spaces.server_address), netns=spaces.client)
            ask(c, "before")
            with Agent(inside=machine.inside) as agent:
                for r in self.talk(agent, c, "after"):
                    self.assert_end(r, "source", c.pid_inside, c.container, spaces.inode(spaces.client), spaces.client)
                    self.assert_end(r, "destination", server.pid_inside, server.container, spaces.inode(spaces.server), spaces.server)

    def test_a_container_and_a_process_of_the_host_over_a_veth_pair(self):
        self.need("runc")
        with Namespaces() as spaces, Machine() as machine, Agent(inside=machine.inside) as agent:
            # The host's end of the pair goes with the namespace of the other.
            link = "cvh" + str(os.getpid() % 100000)
            for command in (["ip", "link", "add", link, "type", "veth", "peer", "name", "e1", "netns", spaces.client],
                            ["ip", "addr", "add", "10.231.250.1/30", "dev", link], ["ip", "link", "set", link, "up"],
                            ["ip", "-n", spaces.client, "addr", "add", "10.231.250.2/30", "dev", "e1"], ["ip", "-n", spaces.client, "link", "set", "e1", "up"]):
                subprocess.run(command, check=True)
            server = subprocess.Popen([live.PYTHON, "-c", live.ONE_SERVER, "10.231.250.1"], stdout=subprocess.PIPE, text=True, start_new_session=True)
            try:
                self.assertEqual(server.stdout.readline().strip(), "ready")
                c = machine.runc(client(8080, "10.231.250.1"), netns=spaces.client)
                for r in self.talk(agent, c, "to-the-host", "again"):
                    self.assert_end(r, "source", c.pid_inside, c.container, spaces.inode(spaces.client), spaces.client)
                    self.assert_end(r, "destination", server.pid, None, *host_netns())
                    self.assertEqual(of_end(r, "destination"), {})
            finally:
                live.end(server)

    def test_a_container_in_the_hosts_network_namespace_talks_to_the_host(self):
        self.need("runc")
        with Namespaces(), Machine() as machine, Agent(inside=machine.inside) as agent:
            port = live.free_port()
            server = subprocess.Popen([live.PYTHON, "-c", live.ONE_SERVER.replace("listen(sys.argv[1])", f"listen(sys.argv[1], {port})"), "127.0.0.1"], stdout=subprocess.PIPE,
                                      text=True, start_new_session=True)
            try:
                self.assertEqual(server.stdout.readline().strip(), "ready")
                c = machine.runc(client(port, "127.0.0.1"))
                for r in self.talk(agent, c, "host-network", "again"):
                    self.assert_end(r, "source", c.pid_inside, c.container, *host_netns())
                    self.assert_end(r, "destination", server.pid, None, *host_netns())
            finally:
                live.end(server)

    def test_containers_of_containerd_have_their_runtime(self):
        self.need("containerd", "ctr", "runc")
        with Namespaces() as spaces, Machine() as machine:
            machine.containerd()
            with Agent(inside=machine.inside) as agent:
                server = machine.ctr(live.ONE_SERVER, spaces.server_address, netns=spaces.server)
                c = machine.ctr(client(8080, spaces.server_address), netns=spaces.client)
                records = self.talk(agent, c, "early", "late")
                for r in records:
                    self.assert_end(r, "source", c.pid_inside, c.container, spaces.inode(spaces.client), spaces.client)
                    self.assert_end(r, "destination", server.pid_inside, server.container, spaces.inode(spaces.server), spaces.server)
                # Whose container it is comes from containerd's folder, a moment later. Neither name nor image stands there.
                for r in records[1:]:
                    for end, process in (("source", c), ("destination", server)):
                        self.assertEqual(of_end(r, end), {"id": process.container, "runtime.name": "containerd"})

    def test_containers_of_podman_have_name_and_image(self):
        self.need("podman", "conmon", "runc")
        with Namespaces() as spaces, Machine() as machine:
            machine.podman_image("registry.test:5000/shop/web:1.2")
            with Agent(inside=machine.inside) as agent:
                server = machine.podman("web", "registry.test:5000/shop/web:1.2", live.ONE_SERVER, spaces.server_address, netns=spaces.server)
                c = machine.podman("cart", "registry.test:5000/shop/web:1.2", client(8080, spaces.server_address), netns=spaces.client)
                records = self.talk(agent, c, "early", "late")
                for r in records:
                    self.assert_end(r, "source", c.pid_inside, c.container, spaces.inode(spaces.client), spaces.client)
                    self.assert_end(r, "destination", server.pid_inside, server.container, spaces.inode(spaces.server), spaces.server)
                for r in records[1:]:
                    for end, process, name in (("source", c, "cart"), ("destination", server, "web")):
                        self.assertEqual(of_end(r, end), {"id": process.container, "runtime.name": "podman", "name": name, "image.name": "registry.test:5000/shop/web",
                                                          "image.tags": ["1.2"]})


if __name__ == "__main__":
    live.main("nsenter", "unshare")
