"""ECN with this machine's kernel: nftables marks on the way, in both directions, and nothing is dropped.

What the kernel takes for an echo of ours its own counters say. (Those of marks that it receives are counted before
nftables makes them.) It hands large packets over that are cut up later, so that a mark is one of many segments.
"""

import contextlib

import harness
from harness import BOTH_FAMILIES, MIB, pattern_chunks

SIZE = 8 * MIB
MARKED_IN_1000 = 50


@contextlib.contextmanager
def marks():
    """Some of the packets that are ECN-capable are marked: as they come in to the kernel, and as they leave it."""
    rules = "\n".join(f"  {ip} ecn ect0 numgen random mod 1000 < {MARKED_IN_1000} {ip} ecn set ce" for ip in ("ip", "ip6"))
    chains = "".join(f" chain {hook} {{\n  type filter hook {hook} priority -300;\n{rules}\n }}\n" for hook in ("prerouting", "output"))
    table = f"table inet plxmarks {{\n{chains}}}\n"
    made = harness.run("nft", "-f", "-", input=table, stdin=None)
    if made.returncode != 0:
        raise RuntimeError(f"nft: {made.stderr}")
    try:
        yield
    finally:
        harness.run("nft", "delete", "table", "inet", "plxmarks")


class Ecn(harness.TapTest):
    options = ("--set", "tcp.ecn=on")

    def setUp(self):
        harness.write_sysctl("net/ipv4/tcp_ecn", "1")
        self.addCleanup(harness.write_sysctl, "net/ipv4/tcp_ecn", "2")
        super().setUp()


class WeSend(Ecn):
    def test_marks_lower_our_window_and_cost_no_segment(self):
        with marks():
            for address in BOTH_FAMILIES:
                with self.subTest(address=address):
                    self.assert_fetches(address, SIZE)
        tcp = self.end()["tcp"]
        self.assertGreater(tcp["ecn_reductions"], 0, "the kernel echoes a mark until it hears of an answer to it")
        self.assertEqual(tcp["fast_retransmits"], 0)
        # Every echo comes to an end, which is what CWR is for.
        self.assertTrue(self.capture.tshark(f"ip.src == {harness.POLLUX4} && tcp.flags.syn == 0 && tcp.flags.cwr == 1"))
        self.assertFalse(self.capture.tshark("tcp.len == 0 && (ip.dsfield.ecn != 0 || ipv6.tclass.ecn != 0)"))


class WeSendByDctcp(WeSend):
    options = ("--set", "tcp.congestion=dctcp")


class TheKernelSends(Ecn):
    kind = "discard"

    def test_we_echo_marks_until_the_kernel_has_lowered_its_window(self):
        before = harness.kernel_counters()
        with marks():
            for address in BOTH_FAMILIES:
                client = self.connect(address)
                for part in pattern_chunks(SIZE):
                    client.sendall(part)
                client.shutdown(harness.socket.SHUT_WR)
                self.assertEqual(client.recv(1), b"")
        after = harness.kernel_counters()
        self.assertGreater(after["TCPDeliveredCE"], before["TCPDeliveredCE"], "what of its text we have echoed a mark of")
        tcp = self.end()["tcp"]
        self.assertGreater(tcp["ce_marks_received"], 0)


class NotAsked(harness.TapTest):
    """Off, as it is by default, while the kernel asks."""

    def test_the_kernel_goes_on_without(self):
        harness.write_sysctl("net/ipv4/tcp_ecn", "1")
        self.addCleanup(harness.write_sysctl, "net/ipv4/tcp_ecn", "2")
        for address in BOTH_FAMILIES:
            self.assert_fetches(address, MIB)
        self.end()
        self.assertTrue(self.capture.tshark("tcp.flags.syn == 1 && tcp.flags.ack == 0 && tcp.flags.ece == 1"))
        self.assertFalse(self.capture.tshark("tcp.flags.ack == 1 && (tcp.flags.ece == 1 || tcp.flags.cwr == 1)"))


if __name__ == "__main__":
    harness.main()
