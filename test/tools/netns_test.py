"""scripts/netns: the exit code, the loopback, and nothing left behind."""

import os
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NETNS = os.path.join(ROOT, "scripts/netns")


def netns(*command):
    return subprocess.run([NETNS, *command], capture_output=True, text=True, timeout=20)


def runs(pid):
    """Whether there is such a process; one that is dead and not yet fetched by its parent does not run."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Netns(unittest.TestCase):
    def test_the_exit_code_is_the_commands(self):
        self.assertEqual(netns("sh", "-c", "exit 7").returncode, 7)
        self.assertEqual(netns("true").returncode, 0)
        self.assertEqual(netns("/no/such/program").returncode, 127)

    def test_only_loopback_and_it_is_up(self):
        lines = netns("ip", "-o", "-4", "addr").stdout.splitlines()
        self.assertEqual(len(lines), 1)
        self.assertIn("127.0.0.1/8", lines[0])

    def test_what_is_left_behind_is_killed(self):
        with tempfile.NamedTemporaryFile("r") as file:
            netns("sh", "-c", f"(trap '' TERM; echo $(exec sh -c 'echo $PPID') >{file.name}; sleep 60; sleep 60) & sleep 0.3")
            pid = int(file.read())
        self.assertFalse(runs(pid))

    def test_a_signal_is_passed_on(self):
        child = subprocess.Popen([NETNS, "sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done"], stdout=subprocess.PIPE)
        child.stdout.readline()
        child.terminate()
        self.assertEqual(child.wait(10), 9)
        child.stdout.close()


if __name__ == "__main__":
    unittest.main()
