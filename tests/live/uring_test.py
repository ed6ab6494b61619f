"""Sockets that only io_uring ever touches have their owners, whoever of the kernel's threads does the work."""
import os
import shutil
import subprocess
import unittest

import live
from live import Agent, Namespaces

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "uring.c")
REQUESTS = 5


def disabled():
    """Whether the administrator has switched it off. A kernel without the file cannot be told so, and has it or not."""
    try:
        with open("/proc/sys/kernel/io_uring_disabled") as f:
            return f.read().strip() != "0"
    except FileNotFoundError:
        return False


class Uring(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if disabled():
            raise unittest.SkipTest("kernel.io_uring_disabled is set")
        cls.folder = live.tempfile.TemporaryDirectory(prefix="cvf-uring-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.program = os.path.join(cls.folder.name, "uring")
        compiler = next(filter(None, map(shutil.which, ("clang-19", "gcc-12", "cc"))))
        subprocess.run([compiler, "-O1", "-Wall", "-Wextra", "-Werror", "-o", cls.program, SOURCE], check=True)

    def start(self, spaces, name, role, mode):
        p = spaces.start(name, self.program, role, spaces.server_address, "8080", mode, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.assertEqual(p.stdout.readline(), "ready\n")
        return p

    def exchange(self, mode):
        with Namespaces() as spaces, Agent() as agent:
            server = self.start(spaces, spaces.server, "server", mode)
            client = self.start(spaces, spaces.client, "client", mode)
            ports = [live.ask(client, f"{mode}-{i}") for i in range(REQUESTS)]
            for port in ports:
                agent.wait("flow", source_port=port, destination_port=8080)
            self.assertEqual(agent.stop(), 0)
            for i, port in enumerate(ports):
                found = agent.records("http", source_port=port) + agent.records("flow", source_port=port, destination_port=8080)
                self.assertEqual([r["record.type"] for r in found], ["http", "flow"], found)
                self.assertEqual((found[0]["url.path"], found[0]["http.response.status_code"]), (f"/{mode}-{i}", 200))
                for r in found:
                    for end, process, name in (("source", client, spaces.client), ("destination", server, spaces.server)):
                        self.assertEqual(r.get(end + ".process.pid"), process.pid, r)
                        self.assertEqual(r.get(end + ".process.executable.path"), self.program)
                        self.assertEqual(r.get(end + ".cvf.netns.id"), spaces.inode(name))

    def test_work_done_in_the_callers_name_has_both_owners(self):
        self.exchange("inline")

    def test_work_done_by_worker_threads_has_both_owners(self):
        self.exchange("async")

    def test_work_done_by_the_thread_that_polls_the_ring_has_both_owners(self):
        self.exchange("poll")


if __name__ == "__main__":
    live.main()
