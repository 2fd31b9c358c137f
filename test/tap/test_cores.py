"""More than one shard: run to completion on a tap of two queues, and one RX/TX core that feeds two shards."""

import re
import signal

import harness
from harness import BOTH_FAMILIES, KIB, MIB, POLLUX4, run


class TwoWorkers(harness.TapTest):
    """Each worker has a queue; the kernel's choice of queue is not ours, so packets are handed on by their hash."""

    options = ("--cores", "0,1", "--body", "1k")

    def test_curl_and_wrk_pass_and_each_connection_stays_on_its_core(self):
        for address in BOTH_FAMILIES:
            for size in (0, 1, KIB, MIB, 64 * MIB):
                with self.subTest(address=address, size=size):
                    self.assert_fetches(address, size)
        result = run("wrk", "-t1", "-c100", "-d10s", f"http://{POLLUX4}/", limit=60)
        print(result.stdout)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotIn("Socket errors", result.stdout)
        self.assertNotIn("Non-2xx", result.stdout)
        self.assertGreater(int(re.search(r"(\d+) requests in", result.stdout).group(1)), 1000)
        self.assert_steered(self.end())

    def stack_cores(self, result):
        return [core for core in result["cores"] if "rx" not in core["role"]]

    def assert_steered(self, result):
        cores = self.stack_cores(result)
        self.assertEqual(len(cores), 2, result["cores"])
        for core in cores:
            self.assertGreater(core["rx_packets"], 0, result["cores"])
            # A packet that a shard took though its hash names another; there is no such thing.
            self.assertEqual(core["processed_elsewhere"], 0)
        self.assert_handed_on(cores)

    def assert_handed_on(self, cores):
        """The kernel chooses a queue by a hash of its own, so about half of what a worker receives is the other's."""
        self.assertGreater(sum(core["resteered"] for core in cores), 0, cores)


class Pipeline(TwoWorkers):
    # Three threads, on two processors where there are no more.
    options = ("--pipeline", "--cores", "0,1,1", "--body", "1k")

    def stack_cores(self, result):
        self.assertEqual(sum("rx" in core["role"] for core in result["cores"]), 1, result["cores"])
        return super().stack_cores(result)

    def assert_handed_on(self, cores):
        """A stack core has no queue of its own: all that it receives was brought by the RX/TX core."""
        self.assertEqual(sum(core["resteered"] for core in cores), 0, cores)


class Signals(harness.TapTest):
    """The driver would have the kernel signal each packet, which costs the sender more than the packet does."""

    REAL_TIME = range(signal.SIGRTMIN, signal.SIGRTMAX + 1)

    def test_no_packet_is_told_by_a_signal(self):
        with open(f"/proc/{self.server.process.pid}/status") as status:
            caught = int(re.search(r"^SigCgt:\s*([0-9a-f]+)$", status.read(), re.M).group(1), 16)
        self.assertEqual([n for n in self.REAL_TIME if caught >> (n - 1) & 1], [])
        self.assert_fetches(POLLUX4, MIB)


class PortMistakes(harness.TapTest):
    """What would break the port, or another program's, is refused before it starts."""

    def refused(self, *options):
        result = run(harness.POLLUX, "serve", "http", "--port", *options, "--duration", "1s", limit=30)
        self.assertIn(result.returncode, (1, 2), result.stderr)
        return result.stderr

    def test_the_tap_of_another_program(self):
        self.assertIn(f"there is an interface '{harness.TAP}' already", self.refused(f"tap:name={harness.TAP}", "--ip", "198.18.1.2/24"))
        self.assert_fetches(POLLUX4, KIB)  # The other is none the worse.

    def test_more_queues_than_the_driver_bears(self):
        self.assertIn("has 4 queues, for 5 workers", self.refused("tap:name=plx9", "--ip", "198.18.1.2/24", "--workers", "5"))


if __name__ == "__main__":
    harness.main()
