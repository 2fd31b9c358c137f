"""`pollux stacktest replay` over the golden captures, which record.py made of Linux talking to Linux.

Each is replayed in both roles. What Pollux answers is compared with what Linux answered, loosely; and packet by packet
with NAME.ROLE.pcap below answers/, which were looked through when they were added. A change of an answer shows there;
where it is meant, `POLLUX=... python3 replay_test.py --accept` writes them anew.
"""

import glob
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
POLLUX = os.environ.get("POLLUX", "pollux")
ROLES = ("client", "server")
CAPTURES = sorted(glob.glob(os.path.join(HERE, "*.pcap")))
HEADER, FRAME_HEADER = 24, 16
ETHERNET, IPV4 = 14, 20


def replay(*words):
    return subprocess.run([POLLUX, "stacktest", "replay", *words], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


def name_of(path):
    return os.path.basename(path).removesuffix(".pcap")


def answers(capture, role):
    return os.path.join(HERE, "answers", f"{name_of(capture)}.{role}.pcap")


def alter(path, changed_path, offset, is_it):
    """Adds 1 to the number of two bytes at `offset` of TCP's header in the first frame that `is_it`; its number."""
    with open(path, "rb") as file:
        data = bytearray(file.read())
    at, number = HEADER, 1
    while at < len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        tcp = at + FRAME_HEADER + ETHERNET + IPV4
        if is_it(data[tcp : at + FRAME_HEADER + size], data[tcp - 8 : tcp - 4]):
            value = struct.unpack_from("!H", data, tcp + offset)[0]
            struct.pack_into("!H", data, tcp + offset, value + 1)
            break
        at += FRAME_HEADER + size
        number += 1
    with open(changed_path, "wb") as file:
        file.write(data)
    return number


class Golden(unittest.TestCase):
    def expect_of_all(self, words_of):
        """`words_of`: by capture and role, what makes the replay pass."""
        for capture in CAPTURES:
            for role in ROLES:
                with self.subTest(capture=name_of(capture), role=role):
                    done = replay(capture, "--role", role, *words_of(capture, role))
                    self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)

    def test_there_are_at_least_twelve(self):
        self.assertGreaterEqual(len(CAPTURES), 12)

    def test_what_linux_answered_is_answered(self):
        self.expect_of_all(lambda capture, role: ("--expect", capture, "--loose"))

    def test_the_answers_are_those_that_were_looked_through(self):
        self.expect_of_all(lambda capture, role: ("--expect", answers(capture, role)))

    def test_the_numbers_may_wrap(self):
        self.expect_of_all(lambda capture, role: ("--isn", "near-wrap", "--expect", answers(capture, role)))

    def test_without_waiting_the_same_is_said(self):
        self.expect_of_all(lambda capture, role: ("--asap", "--expect", capture, "--loose"))


class Differences(unittest.TestCase):
    capture = os.path.join(HERE, "client_closes.pcap")

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="pollux-replay-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.changed = os.path.join(self.folder, "changed.pcap")

    def expect_changed(self, offset, what):
        server = bytes([198, 18, 0, 2])
        is_it = lambda tcp, source: source == server and tcp[13] & 0x02 == 0
        frame = alter(answers(self.capture, "server"), self.changed, offset, is_it)
        done = replay(self.capture, "--role", "server", "--expect", self.changed)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"frame {frame}: {what} differs", done.stdout)
        return re.search(r"expected  (.*)\n  actual    (.*)", done.stdout).groups()

    def test_an_altered_window_is_told_with_its_frame_and_both_lines(self):
        expected, actual = (re.search(r"win (\d+)", line).group(1) for line in self.expect_changed(14, "the window"))
        self.assertEqual(int(expected), int(actual) + 1)

    def test_an_altered_acknowledgment_is_told_with_its_frame_and_both_lines(self):
        expected, actual = (re.search(r"ack (\d+)", line).group(1) for line in self.expect_changed(10, "the acknowledgment"))
        self.assertEqual(int(expected), int(actual) + 1)

    def test_text_that_linux_did_not_send_is_told_loosely_too(self):
        other = os.path.join(HERE, "half_close.pcap")
        done = replay(self.capture, "--role", "server", "--expect", other, "--loose")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the text differs", done.stdout)

    def test_what_is_no_capture_is_told(self):
        path = os.path.join(self.folder, "no.pcap")
        with open(path, "wb") as file:
            file.write(b"\n\r\r\n" + bytes(40))
        for words, what in (((path,), "editcap"), ((), "which capture"), ((self.capture, "--connection", "2"), "1 connections"),
                            ((os.path.join(self.folder, "none"),), "cannot read")):
            done = replay(*words)
            self.assertEqual(done.returncode, 2)
            self.assertIn(what, done.stderr)


def accept():
    os.makedirs(os.path.join(HERE, "answers"), exist_ok=True)
    for capture in CAPTURES:
        for role in ROLES:
            done = replay(capture, "--role", role, "--out", answers(capture, role))
            print(done.stdout, done.stderr, end="")


if __name__ == "__main__":
    if sys.argv[1:] == ["--accept"]:
        accept()
    else:
        unittest.main(verbosity=1)
