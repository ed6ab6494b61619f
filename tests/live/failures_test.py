"""What the agent does when things go wrong around it: no privileges, a full disk, a reader that leaves, its own death."""
import os
import signal
import subprocess
import time
import unittest

import live
from live import Agent, AgentRefused, Namespaces, ask, client


def traffic(spaces, requests):
    if not hasattr(spaces, "http"):
        spaces.http = spaces.python(spaces.server, live.ANSWER + """
s = listen(sys.argv[1]); print("ready", flush=True)
while True: threading.Thread(target=answer, args=(s.accept()[0],), daemon=True).start()
""", spaces.server_address)
    c = spaces.python(spaces.client, client(8080, spaces.server_address))
    for i in range(requests):
        ask(c, f"{i}")


def attached():
    """What of the agent's kind is in the kernel."""
    shown = subprocess.run(["bpftool", "prog", "show"], capture_output=True, text=True).stdout + subprocess.run(["bpftool", "map", "show"], capture_output=True, text=True).stdout
    return [l for l in shown.splitlines() if "name cvf_" in l]


class Failures(unittest.TestCase):
    def test_nothing_is_left_in_the_kernel_after_a_kill(self):
        before = attached()
        with Agent() as agent:
            self.assertGreater(len(attached()), len(before))
            agent.process.send_signal(signal.SIGKILL)
            agent.process.wait()
            live.wait_until(lambda: attached() == before, 10)
            self.assertEqual(attached(), before)
        with Agent() as agent:  # and another one starts
            self.assertEqual(agent.stop(), 0)

    def test_a_full_disk_is_said_and_counted_and_the_agent_lives_on(self):
        with Namespaces() as spaces:
            with live.tempfile.TemporaryDirectory(prefix="cvf-live-disk-") as disk:
                subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=True)
                try:
                    with Agent("--output", disk + "/records.jsonl") as agent:
                        traffic(spaces, 400)
                        self.assertTrue(live.wait_until(lambda: agent.metrics().get("cvf_records_lost_total", 0) > 0, 10), agent.errors())
                        self.assertIn("No space left", agent.errors())
                        self.assertLess(len(agent.errors().splitlines()), 20)  # said, not shouted
                        self.assertIsNone(agent.process.poll())
                        made = lambda m: m["cvf_records_made_total"] == m["cvf_records_written_total"] + m["cvf_records_lost_total"]
                        self.assertTrue(live.wait_until(lambda: made(agent.metrics()), 10), agent.metrics())
                        with open(disk + "/records.jsonl", "rb") as f:
                            written = sum(line.endswith(b"}\n") for line in f)
                        self.assertGreaterEqual(written, agent.metrics()["cvf_records_written_total"] - 1)
                        agent.stop()
                finally:
                    subprocess.run(["umount", disk], check=True)

    def test_a_reader_that_goes_away_ends_it_quietly(self):
        reading, writing = os.pipe()
        with Namespaces() as spaces, Agent(stdout=writing) as agent:
            os.close(writing)
            os.close(reading)
            traffic(spaces, 5)
            self.assertEqual(agent.process.wait(10), 0)
            self.assertEqual(len(agent.errors().splitlines()), 1, agent.errors())  # where the API is, and no more

    def test_without_privileges_one_says_so_and_names_what_works(self):
        # Nobody must be able to execute it, wherever it was built.
        with live.tempfile.TemporaryDirectory(prefix="cvf-live-nobody-") as folder:
            os.chmod(folder, 0o755)
            program = live.shutil.copy(live.CVF, folder)
            port = live.free_port()
            done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all", program, "up", "--format", "json", "--listen",
                                   f"127.0.0.1:{port}", "--token-file", folder + "/token"], capture_output=True, text=True, timeout=20, cwd="/")
            self.assertEqual(done.returncode, 1)
            self.assertEqual(done.stdout, "")
            self.assertIn("cvf read", done.stderr)
            self.assertIn("root", done.stderr)
            self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)


if __name__ == "__main__":
    live.main("bpftool", "setpriv")
