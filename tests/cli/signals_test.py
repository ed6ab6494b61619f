"""How `cvf read` and `cvf watch` end by a signal, and what they leave behind. Run as `signals_test.py PATH-OF-cvf [unittest options]`."""
import http.server
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

CVF = os.path.abspath(sys.argv.pop(1))
CAPTURE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "captures", "http.pcap")
ZSTD_FRAME = b"\x28\xb5\x2f\xfd"


def eventually(what, seconds=10):
    end = time.monotonic() + seconds
    while not (value := what()) and time.monotonic() < end:
        time.sleep(0.02)
    return value


def content(path):
    """What is in a file; nothing where there is none yet."""
    if not os.path.exists(path):
        return b""
    with open(path, "rb") as f:
        return f.read()


class Read(unittest.TestCase):
    def ended_by(self, number, *options):
        """`cvf read -` given a whole capture on a pipe that stays open; its exit status and what it wrote."""
        process = subprocess.Popen([CVF, "read", "-", *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with open(CAPTURE, "rb") as f:
            process.stdin.write(f.read())
        process.stdin.flush()
        time.sleep(0.5)  # it has read all and waits for more
        process.send_signal(number)
        status = process.wait(10)
        process.stdin.close()
        out, err = process.stdout.read(), process.stderr.read()
        process.stdout.close()
        process.stderr.close()
        return status, out, err

    def whole(self):
        return subprocess.run([CVF, "read", CAPTURE], stdout=subprocess.PIPE, check=True).stdout

    def test_a_signal_ends_it_in_good_order(self):
        whole = [line for line in self.whole().splitlines() if b'"record.type":"health"' not in line]
        for number, wanted in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            with self.subTest(number=number):
                status, out, err = self.ended_by(number)
                self.assertEqual(status, wanted, err)
                self.assertEqual(err, b"")
                lines = out.splitlines()
                self.assertEqual(lines[:-1], whole, "conversations still open are told too")
                self.assertEqual(json.loads(lines[-1])["record.type"], "health")

    def test_a_signal_that_is_ignored_from_the_start_stays_ignored(self):
        process = subprocess.Popen(["nohup", CVF, "read", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        with open(CAPTURE, "rb") as f:
            process.stdin.write(f.read())
        process.stdin.flush()
        time.sleep(0.5)
        process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        self.assertIsNone(process.poll())
        out, _ = process.communicate(timeout=10)
        self.assertEqual(process.returncode, 0)
        self.assertEqual(json.loads(out.splitlines()[-1])["record.type"], "health")

    def test_a_compressed_output_is_whole_after_a_signal(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "records.jsonl.zst")
            status, _, err = self.ended_by(signal.SIGTERM, "--output", path)
            self.assertEqual((status, err), (143, b""))
            unpacked = subprocess.run(["zstd", "-dc", path], stdout=subprocess.PIPE, check=True).stdout
            self.assertEqual(json.loads(unpacked.splitlines()[-1])["record.type"], "health")

    def test_a_second_signal_ends_it_while_nobody_reads(self):
        process = subprocess.Popen([CVF, "read", *[CAPTURE] * 500], stdout=subprocess.PIPE)  # more than a pipe holds
        time.sleep(0.5)
        for _ in range(2):
            self.assertIsNone(process.poll())
            process.terminate()
            time.sleep(0.2)
        self.assertIn(process.wait(10), (1, 143))
        process.stdout.close()

    def test_without_a_packet_the_health_record_has_the_clocks_time(self):
        empty = b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00" + bytes(8) + b"\xff\xff\x00\x00\x01\x00\x00\x00"
        out = subprocess.run([CVF, "read", "-"], input=empty, stdout=subprocess.PIPE, check=True).stdout
        health = json.loads(out)
        self.assertEqual(health["record.type"], "health")
        self.assertLess(abs(time.time() - time.mktime(time.strptime(health["@timestamp"][:19], "%Y-%m-%dT%H:%M:%S")) + time.timezone), 60)


class Agent(http.server.ThreadingHTTPServer):
    """Gives each follower `count` records, as fast as they are taken, and then signs of life."""
    daemon_threads = True

    def __init__(self, count):
        self.count, self.over = count, threading.Event()
        super().__init__(("127.0.0.1", 0), Stream)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over.set()
        self.shutdown()
        self.server_close()

    def watch(self, folder, *options, **more):
        token = os.path.join(folder, "token")
        with open(token, "w") as f:
            f.write("token\n")
        return subprocess.Popen([CVF, "watch", "--server", f"127.0.0.1:{self.server_address[1]}", "--token-file", token, "--format", "json", *options], **more)


class Stream(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        try:
            for n in range(self.server.count):
                self.wfile.write(b'data: {"@timestamp":"2026-01-01T00:00:00.000000000Z","record.type":"dns","dns.id":"%d"}\n\n' % n)
            while not self.server.over.wait(0.5):
                self.wfile.write(b":\n\n")
        except OSError:
            pass

    def log_message(self, *_):
        pass


class Watch(unittest.TestCase):
    def test_a_signal_ends_it_while_nobody_reads(self):
        with tempfile.TemporaryDirectory() as folder, Agent(10**9) as agent:
            process = agent.watch(folder, stdout=subprocess.PIPE)
            time.sleep(1)  # the pipe is full
            self.assertIsNone(process.poll())
            process.terminate()
            self.assertEqual(process.wait(5), 0)
            process.stdout.close()

    def test_a_hangup_ends_it_in_good_order(self):
        with tempfile.TemporaryDirectory() as folder, Agent(5) as agent:
            path = os.path.join(folder, "records.jsonl.zst")
            process = agent.watch(folder, "--output", path)
            self.assertTrue(eventually(lambda: content(path)))
            process.send_signal(signal.SIGHUP)
            self.assertEqual(process.wait(5), 0)
            self.assertEqual(subprocess.run(["zstd", "-dc", path], stdout=subprocess.PIPE, check=True).stdout.count(b"\n"), 5)

    def test_an_expression_has_the_last_word_over_the_configuration(self):
        with tempfile.TemporaryDirectory() as folder, Agent(5) as agent:
            process = agent.watch(folder, 'dns.id == "3"', env={**os.environ, "CVF_FILTER": 'dns.id == "4"'}, stdout=subprocess.PIPE)
            self.assertTrue(process.stdout.readline(), "a stream, and no complaint")
            process.terminate()
            process.wait(5)
            process.stdout.close()

    def test_an_output_is_gone_on_with(self):
        with tempfile.TemporaryDirectory() as folder, Agent(5) as agent:
            path = os.path.join(folder, "records.jsonl")
            for round in (1, 2):
                process = agent.watch(folder, "--output", path)
                self.assertTrue(eventually(lambda: content(path).count(b"\n") == 5 * round))
                process.terminate()
                self.assertEqual(process.wait(5), 0)

    def test_a_frame_is_not_ended_for_each_record_but_each_second(self):
        with tempfile.TemporaryDirectory() as folder, Agent(2000) as agent:
            path = os.path.join(folder, "records.jsonl.zst")
            process = agent.watch(folder, "--output", path)

            def readable():
                done = subprocess.run(["zstd", "-dc", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
                return done.stdout.count(b"\n") == 2000
            self.assertTrue(eventually(readable), "silence ends a frame too")
            self.assertLess(content(path).count(ZSTD_FRAME), 20)
            process.terminate()
            self.assertEqual(process.wait(5), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
