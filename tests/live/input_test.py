"""`cvf read` with input, output and options that are not as they should be: what it says, what it still does, and its exit status."""
import glob
import gzip
import json
import os
import shutil
import struct
import subprocess
import tempfile
import unittest

import live

CAPTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "captures")


def capture(count):
    """A pcap of this many UDP datagrams between two addresses, a second apart: 24 bytes, then 16 + 46 each."""
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    for i in range(count):
        payload = b"datagram number %02d" % i
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), i, 0, 64, 17, 0, bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]))
        packet = ip + struct.pack(">HHHH", 4000 + i, 4001, 8 + len(payload), 0) + payload
        data += struct.pack("<IIII", 1_700_000_000 + i, 0, len(packet), len(packet)) + packet
    return data


class Input(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="cvf-input-")
        self.addCleanup(self.folder.cleanup)

    def file(self, name, content):
        path = os.path.join(self.folder.name, name)
        with open(path, "wb") as f:
            f.write(content)
        return path

    def read(self, *arguments, command="read", **options):
        """Exit status, records but the health record, lines of standard error."""
        options = {"stdout": subprocess.PIPE, **options}
        done = subprocess.run([live.CVF, command, "--format", "json", *arguments], stderr=subprocess.PIPE, timeout=60, cwd=self.folder.name, **options)
        out = self.file("out.jsonl", done.stdout or b"")
        live.keep(out)
        records = [json.loads(line) for line in (done.stdout or b"").splitlines()]
        return done.returncode, [r for r in records if r["record.type"] != "health"], done.stderr.decode().splitlines()

    def assert_fault(self, said, flows, line):
        status, records, errors = said
        self.assertEqual(errors, [line])
        self.assertEqual(status, 1)
        self.assertEqual(len(records), flows, records)

    def test_a_file_that_cannot_be_opened_is_named_with_the_reason(self):
        self.assert_fault(self.read("/nowhere/a.pcap"), 0, "cvf: /nowhere/a.pcap: No such file or directory")
        self.assert_fault(self.read("/"), 0, "cvf: /: Is a directory")

    def test_a_file_without_a_capture_in_it_is_named_with_the_reason(self):
        self.assert_fault(self.read(self.file("empty.pcap", b"")), 0, f"cvf: {self.folder.name}/empty.pcap: byte 0: the file is empty")
        for content in (b"no capture", bytes(range(256)) * 100):
            self.assert_fault(self.read(self.file("other", content)), 0, f"cvf: {self.folder.name}/other: byte 0: not a capture file (pcap or pcapng)")
        self.assert_fault(self.read(self.file("other.gz", gzip.compress(b"no capture"))), 0,
                          f"cvf: {self.folder.name}/other.gz: byte 0 (unpacked): not a capture file (pcap or pcapng)")

    def test_the_records_up_to_the_fault_are_there(self):
        good = capture(10)
        at = 24 + 7 * 62
        cut = self.read(self.file("cut.pcap", good[:at + 40]))
        self.assert_fault(cut, 7, f"cvf: {self.folder.name}/cut.pcap: byte {at}: record is cut short: 40 bytes of 62")
        wrong = self.read(self.file("wrong.pcap", good[:at] + b"\xff" * 16 + good[at + 16:]))
        self.assertEqual((wrong[0], len(wrong[1]), len(wrong[2])), (1, 7, 1), wrong)
        self.assertIn(f"wrong.pcap: byte {at}: ", wrong[2][0])
        packed = gzip.compress(good, mtime=0)
        status, records, errors = self.read(self.file("cut.pcap.gz", packed[:len(packed) // 2]))
        self.assertEqual((status, len(errors)), (1, 1), errors)
        self.assertRegex(errors[0], r"cut\.pcap\.gz: byte \d+ \(unpacked\): gzip data end early")

    def test_a_fault_in_one_file_does_not_keep_the_others_from_being_read(self):
        good, bad = self.file("good.pcap", capture(3)), self.file("bad.pcap", b"no capture")
        self.assert_fault(self.read(bad, good), 3, f"cvf: {bad}: byte 0: not a capture file (pcap or pcapng)")
        self.assert_fault(self.read(good, "/nowhere"), 3, "cvf: /nowhere: No such file or directory")

    def test_every_capture_of_the_golden_tests_may_be_cut_anywhere(self):
        for path in sorted(glob.glob(CAPTURES + "/*.pcap*"))[:12]:
            with open(path, "rb") as f:
                content = f.read()
            for part in (0.1, 0.5, 0.99):
                with self.subTest(capture=os.path.basename(path), part=part):
                    status, _, errors = self.read(self.file("part.pcap", content[:int(len(content) * part)]))
                    # A cut between two packets is no fault anybody can see.
                    self.assertIn((status, len(errors)), ((0, 0), (1, 1)), errors)

    def test_standard_input_is_named_as_such(self):
        said = self.read("-", stdin=subprocess.DEVNULL)
        self.assert_fault(said, 0, "cvf: standard input: byte 0: the file is empty")
        self.assertEqual(self.read("-", input=capture(2))[0], 0)

    def test_a_reader_that_goes_away_is_a_quiet_end(self):
        path = self.file("long.pcap", capture(50))
        reading, writing = os.pipe()
        os.close(reading)
        try:
            status, _, errors = self.read(path, stdout=writing)
        finally:
            os.close(writing)
        self.assertEqual((status, errors), (0, []))

    def test_a_full_disk_is_said_and_counted(self):
        path = self.file("some.pcap", capture(20))
        with open("/dev/full", "wb") as full:
            status, _, errors = self.read(path, stdout=full)
        self.assertEqual(status, 1)
        self.assertEqual(len(errors), 2, errors)
        self.assertIn("standard output: No space left on device", errors[0])
        self.assertRegex(errors[1], r"^cvf: 2[01] records could not be written: ")

    def test_what_is_wrong_in_the_command_is_pointed_at_with_what_was_meant(self):
        path = self.file("good.pcap", capture(1))
        for arguments, wanted in ((["--filter", "source.prt == 1"], ("column 1", "'source.prt'", "source.port")), (["--types", "flo"], ("'flo'", "flow")),
                                  (["--typs", "flow"], ("--typs", "--types")), (["--fields", "source.adress"], ("source.adress", "source.address")),
                                  (["--output", "/nowhere/at/all"], ("/nowhere/at/all", "No such file or directory"))):
            with self.subTest(arguments=arguments):
                status, records, errors = self.read(*arguments, path)
                self.assertEqual((status, records), (2, []), errors)
                for part in wanted:
                    self.assertIn(part, "\n".join(errors))
        config = self.file("cvf.yaml", b"types: flow\nflwo:\n  max: 3\n")
        status, _, errors = self.read("--config", config, path)
        self.assertEqual(status, 2)
        self.assertEqual(errors, [f"cvf: {config}:2: there is no option 'flwo'; did you mean flow.max?"])

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "needs root, to be nobody")
    def test_a_file_one_may_not_read_is_named_with_the_reason(self):
        os.chmod(self.folder.name, 0o755)
        path = self.file("secret.pcap", capture(1))
        os.chmod(path, 0o600)
        program = shutil.copy(live.CVF, self.folder.name)
        done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all", program, "read", "--format", "json", path],
                              capture_output=True, text=True, cwd="/")
        self.assertEqual((done.returncode, done.stderr), (1, f"cvf: {path}: Permission denied\n"))


if __name__ == "__main__":
    live.main(agent=False)
