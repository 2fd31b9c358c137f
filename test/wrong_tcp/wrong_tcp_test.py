"""Three small wrong TCPs, each seen by scripts, by the matrix and by the simulator, which say what is wrong with it."""

import os
import re
import subprocess
import unittest

SCRIPTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scripts")
POLLUX = os.environ.get("WRONG_POLLUX", "wrong_pollux")
MATRIX = os.environ.get("MATRIX_TEST", "matrix_test")


def run_wrong(mutant, *command):
    environment = {**os.environ, "POLLUX_MUTANT": str(mutant)}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, stdin=subprocess.DEVNULL)


class WrongTcp:
    """`mutant` is its number in test/sim/mutants.h; each of the others is a pattern that must be in what is said."""

    mutant = 0
    script = matrix = simulator = ""
    scripts = ""  # the folder of those that are run
    seeds = 0  # the first of the simulator's that is needed to see it

    def test_a_script_says_what_came_instead_of_what(self):
        done = run_wrong(self.mutant, POLLUX, "stacktest", "script", os.path.join(SCRIPTS, self.scripts))
        self.assertEqual(done.returncode, 1, done.stdout[-2000:])
        self.assertRegex(done.stdout, self.script)

    def test_the_matrix_says_which_cell_and_what_the_rfc_wants_there(self):
        done = run_wrong(self.mutant, MATRIX, "--gtest_filter=Matrix/MatrixOf.*_V4")
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stdout, self.matrix)
        self.assertRegex(done.stdout, r"RFC (9293|5961)")

    def test_the_simulator_says_what_and_how_to_see_it_again(self):
        done = run_wrong(self.mutant, POLLUX, "stacktest", "sim", "--seeds", str(self.seeds))
        self.assertEqual(done.returncode, 1, done.stdout[-2000:])
        self.assertRegex(done.stdout, self.simulator)
        again = re.search(r"again     pollux (stacktest sim --seed .*)", done.stdout).group(1).split()
        self.assertEqual(run_wrong(self.mutant, POLLUX, *again).returncode, 1, again)
        self.assertEqual(run_wrong(0, POLLUX, *again).returncode, 0, again)


class BelievesAnyReset(WrongTcp, unittest.TestCase):
    """A RST anywhere in the window is believed (RFC 5961, 3.2)."""

    mutant = 6
    seeds = 4
    scripts = "reset"
    script = r"rst-inside\.pkt:\d+:\d+: ipv4: a packet was expected, and none was sent.*\n  expected  .* > \. 1:1\(0\) ack 2"
    matrix = r"a RST outside the window\]\n  got       LISTEN.*\n  differs   the state"
    simulator = r"reset, which nobody asked for"


class CountsAFinBehindAHole(WrongTcp, unittest.TestCase):
    """A FIN counts although text before it is missing (RFC 9293, 3.10.7.4, eighth)."""

    mutant = 7
    seeds = 4
    scripts = "receive"
    script = r"the acknowledgment is 4002, expected 4001\n  expected  .* ack 4001 .*\n  actual    .* ack 4002"
    matrix = r"holds the FIN\n.*\n  got       CLOSE-WAIT.*\n  differs   the state"
    simulator = r"an acknowledgment of what never came"


class ForgetsTheDelayedAck(WrongTcp, unittest.TestCase):
    """The delayed ACK is owed and never sent (RFC 9293, MUST-40)."""

    mutant = 25
    seeds = 26
    scripts = "delayed-ack"
    script = r"a packet was expected, and none was sent.*\n  expected  .* > \. "
    matrix = r"differs   it does not answer within 0\.5 s"
    simulator = r"an acknowledgment more than 500 ms late|stands still"


if __name__ == "__main__":
    unittest.main(verbosity=1)
