"""Standard output and standard error that are full, closed or not read. Run as `streams_test.py PATH-OF-cvf [unittest options]`."""
import os
import subprocess
import sys
import tempfile
import unittest

CVF = os.path.abspath(sys.argv.pop(1))
CAPTURE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "captures", "http.pcap")


def unread():
    """The writing end of a pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


class Streams(unittest.TestCase):
    def test_what_cannot_be_said_does_not_end_it(self):
        whole = subprocess.run([CVF, "read", CAPTURE], stdout=subprocess.PIPE, check=True).stdout
        for name, stderr in (("full", os.open("/dev/full", os.O_WRONLY)), ("not read", unread())):
            with self.subTest(stderr=name):
                done = subprocess.run([CVF, "read", "/nowhere/a.pcap", CAPTURE], stdout=subprocess.PIPE, stderr=stderr)
                self.assertEqual((done.returncode, done.stdout), (1, whole))
            os.close(stderr)

    def test_a_closed_standard_error_does_not_become_the_output(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "records.jsonl")
            subprocess.run(["sh", "-c", f"exec '{CVF}' read /nowhere/a.pcap '{CAPTURE}' --output '{path}' 2>&-"])
            with open(path) as f:
                self.assertTrue(all(line.startswith("{") for line in f))

    def test_a_full_standard_output_is_said(self):
        for words in (["version"], ["completion", "bash"], ["schema", "json"], ["--help"], ["read", "--help"]):
            with self.subTest(words=words), open("/dev/full", "wb") as full:
                done = subprocess.run([CVF, *words], stdout=full, stderr=subprocess.PIPE, text=True)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertRegex(done.stderr, "^cvf: .*: No space left on device\n$")


class Output(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "records.jsonl")
        self.config = os.path.join(folder.name, "cvf.yaml")
        with open(self.config, "w") as f:
            f.write(f"output: {self.path}\n")
        with open(self.path, "w") as f:
            f.write("of the agent that is running\n")

    def content(self):
        with open(self.path) as f:
            return f.read()

    def test_read_does_not_empty_the_file_that_the_configuration_names_for_the_agent(self):
        subprocess.run([CVF, "read", "--config", self.config, CAPTURE], check=True)
        self.assertTrue(self.content().startswith("of the agent that is running\n"))
        self.assertIn('"record.type":"health"', self.content())

    def test_read_begins_anew_the_file_that_the_command_line_names(self):
        subprocess.run([CVF, "read", "--config", self.config, "--output", self.path, CAPTURE], check=True)
        self.assertTrue(self.content().startswith("{"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
