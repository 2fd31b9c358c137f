"""Scripts that have Linux's answers in a capture beside them (on_linux.py): Pollux sends the same, packet by packet.

Where it does not, linux.differences says why. Times, timestamps, and how large windows are, are not compared.
"""

import glob
import os
import re
import shutil
import struct
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
POLLUX = os.environ.get("POLLUX", "pollux")
CAPTURES = sorted(glob.glob(os.path.join(HERE, "*/*.linux.pcap")))
FAILURE = re.compile(r"^(\S+\.pkt):\d+:\d+: ipv[46]: (?:frame \d+: )?(.*)$", re.M)
HEADER, FRAME_HEADER, ETHERNET = 24, 16, 14


def beside_linux(path):
    """The exit code, what was printed, and the failures: script -> the first difference."""
    command = [POLLUX, "stacktest", "script", "--beside-linux", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout + done.stderr, dict(FAILURE.findall(done.stdout))


def differences():
    with open(os.path.join(HERE, "linux.differences"), encoding="utf-8") as file:
        rows = [[field.strip() for field in line.split("|")] for line in file if line.strip() and line[0] != "#"]
    for row in rows:
        if len(row) != 3 or not all(row):
            raise ValueError(f"not `SCRIPT | the first difference | why`: {' | '.join(row)}")
    return {os.path.join(HERE, script): what for script, what, _ in rows}


class BesideLinux(unittest.TestCase):
    maxDiff = None

    def test_there_are_at_least_thirty_of_both_families(self):
        families = []
        for path in CAPTURES:
            with open(path, "rb") as file:
                families.append(file.read(HEADER + FRAME_HEADER + ETHERNET)[-2:])
        self.assertGreaterEqual(families.count(b"\x08\x00"), 30)
        self.assertGreaterEqual(families.count(b"\x86\xdd"), 30)

    def test_pollux_answers_as_linux_did_or_there_is_a_reason(self):
        code, output, failed = beside_linux(HERE)
        self.assertEqual(failed, differences())
        self.assertEqual(code, 1 if failed else 0)
        self.assertIn(f"{len(CAPTURES)} scripts: {len(CAPTURES) - len(failed)} runs passed, {len(failed)} failed", output)


class Altered(unittest.TestCase):
    """A capture in which Linux has said something else."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="pollux-linux-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.script = shutil.copy(os.path.join(HERE, "close/active.pkt"), self.folder)
        self.capture = self.script.removesuffix(".pkt") + ".linux.pcap"
        shutil.copy(os.path.join(HERE, "close/active.linux.pcap"), self.capture)

    def alter(self, offset, size):
        """Adds 1 to the number at `offset` of TCP's header in the last frame, which Linux sent."""
        with open(self.capture, "rb") as file:
            data = bytearray(file.read())
        at = HEADER
        while at < len(data):
            last, at = at, at + FRAME_HEADER + struct.unpack_from("<I", data, at + 8)[0]
        ip = last + FRAME_HEADER + ETHERNET
        tcp = ip + (40 if data[ip] >> 4 == 6 else 20)
        number = int.from_bytes(data[tcp + offset : tcp + offset + size], "big") + 1
        data[tcp + offset : tcp + offset + size] = number.to_bytes(size, "big")
        with open(self.capture, "wb") as file:
            file.write(data)

    def test_it_passes_as_it_is(self):
        self.assertEqual(beside_linux(self.folder)[0], 0)

    def test_another_acknowledgment_is_told(self):
        self.alter(8, 4)
        code, _, failed = beside_linux(self.folder)
        self.assertEqual((code, failed), (1, {self.script: "the acknowledgment differs"}))

    def test_so_is_another_flag(self):
        self.alter(13, 1)
        self.assertEqual(beside_linux(self.folder)[2], {self.script: "flags differs"})

    def test_a_window_may_be_another(self):
        self.alter(14, 2)
        self.assertEqual(beside_linux(self.folder)[0], 0)

    def test_scripts_without_captures_are_no_success(self):
        os.remove(self.capture)
        code, output, _ = beside_linux(self.folder)
        self.assertEqual(code, 2)
        self.assertIn("on_linux.py", output)

    def test_what_is_no_capture_is_told(self):
        with open(self.capture, "wb") as file:
            file.write(b"nothing")
        code, output, _ = beside_linux(self.folder)
        self.assertEqual(code, 1)
        self.assertIn("active.linux.pcap", output)


if __name__ == "__main__":
    unittest.main(verbosity=1)
