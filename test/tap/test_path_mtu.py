"""A router between us and a host far away, whose next link bears less than ours.

    pollux 198.18.0.2  ---- plx0 ----  the kernel, which forwards  ---- plxr | plxh ----  a kernel of its own

The kernel's router says what it cannot pass on, as kernels do; or a rule of nftables drops it without a word.
"""

import contextlib
import ipaddress
import random
import socket
import struct
import subprocess

import harness
from harness import BOTH_FAMILIES, KERNEL4, KERNEL6, MIB, POLLUX4, POLLUX6, run, stop, write_sysctl

ROUTER4, HOST4 = "198.19.0.1", "198.19.0.2"
ROUTER6, HOST6 = "2001:2:0:1::1", "2001:2:0:1::2"
SIZE = 4 * MIB
LIMIT_S = 60


def must(*command, **options):
    done = run(*command, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")


@contextlib.contextmanager
def swallowed(size):
    """What is forwarded and larger than this is dropped, and nobody told."""
    rule = f"table inet plx {{\n chain forward {{\n  type filter hook forward priority 0;\n  meta length > {size} drop\n }}\n}}\n"
    must("nft", "-f", "-", input=rule, stdin=None)
    try:
        yield
    finally:
        must("nft", "delete", "table", "inet", "plx")


class FarHost(harness.TapTest):
    options = ("--gateway", KERNEL4, "--gateway", KERNEL6)
    link_mtu = 1500

    def setUp(self):
        super().setUp()
        # A process that only holds the far host's namespace open, until its input ends.
        holder = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo ready; cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(self.release, holder)
        holder.stdout.readline()
        self.where = ("nsenter", "-t", str(holder.pid), "-n")
        must("ip", "link", "add", "plxr", "type", "veth", "peer", "name", "plxh", "netns", str(holder.pid))
        for where, link, ends, gateways in (((), "plxr", (ROUTER4, ROUTER6), ()), (self.where, "plxh", (HOST4, HOST6), (ROUTER4, ROUTER6))):
            must(*where, "ip", "link", "set", link, "up")
            for end in ends:
                must(*where, "ip", "address", "add", end + ("/64" if ":" in end else "/24"), "dev", link, *(["nodad"] if ":" in end else []))
            for gateway in gateways:
                must(*where, "ip", "-6" if ":" in gateway else "-4", "route", "add", "default", "via", gateway)
        # The host's own stays as it is: its MSS says nothing of the link.
        must("ip", "link", "set", "plxr", "mtu", str(self.link_mtu))
        write_sysctl("net/ipv4/ip_forward", "1")
        write_sysctl("net/ipv6/conf/all/forwarding", "1")

    @staticmethod
    def release(holder):
        run("ip", "link", "delete", "plxr")
        holder.stdin.close()
        stop(holder)
        holder.stdout.close()

    def too_large(self, mtu):
        """How many frames of ours are larger."""
        sizes = f"(ip.src == {POLLUX4} && ip.len > {mtu}) || (ipv6.src == {POLLUX6} && ipv6.plen > {mtu - 40})"
        return len(self.capture.tshark(f"tcp && !icmp && !icmpv6 && ({sizes})"))


class ARouterThatTells(FarHost):
    link_mtu = 1300

    def test_it_is_heard(self):  # RFC 1191, RFC 8201
        for address in BOTH_FAMILIES:
            self.assert_fetches(address, SIZE, LIMIT_S)
        tcp = self.end()["tcp"]
        self.assertEqual(tcp["path_mtu_lowered"], 2)
        self.assertEqual(tcp["black_holes"], 0)
        self.assertEqual(tcp["rto_fired"], 0)
        # What was under way before the router's answer came: for each family a window of ten at most.
        self.assertIn(self.too_large(1300), range(2, 21))


class ABlackHole(FarHost):
    def test_it_is_passed(self):  # RFC 4821, 7.7
        with swallowed(1200):
            for address in BOTH_FAMILIES:
                self.assert_fetches(address, SIZE, LIMIT_S)
        tcp = self.end()["tcp"]
        self.assertEqual(tcp["path_mtu_lowered"], 0)
        self.assertEqual(tcp["black_holes"], 2)
        self.assertGreaterEqual(tcp["mtu_probes"], 2)


def with_sum(part, place):
    """With its checksum (RFC 1071) put in."""
    total = sum(struct.unpack(f"!{len(part) // 2}H", part))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return part[:place] + struct.pack("!H", total ^ 0xFFFF) + part[place + 2 :]


def too_big(client, seq):
    """What a router would say that can pass on 1280 bytes: of a segment of Pollux's to `client`, beginning at `seq`."""
    (ours, our_port, *_), (theirs, their_port, *_) = client.getpeername(), client.getsockname()
    ends = ipaddress.ip_address(ours).packed + ipaddress.ip_address(theirs).packed
    tcp = struct.pack("!HHIIBBHHH", our_port, their_port, seq, 0, 0x50, 0x10, 65535, 0, 0)
    if ":" in ours:
        return struct.pack("!BBHI", 2, 0, 0, 1280) + struct.pack("!IHBB", 6 << 28, 1460, 6, 64) + ends + tcp
    ip = with_sum(struct.pack("!BBHHHBBH", 0x45, 0, 1500, 0, 0x4000, 64, 6, 0) + ends, 10)
    return with_sum(struct.pack("!BBHHH", 3, 4, 0, 0, 1280) + ip + tcp, 2)


class ALiar(harness.TapTest):
    def test_it_is_not_believed(self):  # RFC 5927, 4.1: a guess of the number, while text is outstanding
        guess = random.Random(1)
        for address in BOTH_FAMILIES:
            family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if ":" in address else (socket.AF_INET, socket.IPPROTO_ICMP)
            with socket.socket(family, socket.SOCK_RAW, protocol) as liar:
                client = self.connect(address, receive_buffer=64 * 1024)
                client.sendall(f"GET /bytes/{SIZE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                received = len(client.recv(1))
                for _ in range(100):
                    liar.sendto(too_big(client, guess.getrandbits(32)), (address, 0))
                while part := client.recv(MIB):
                    received += len(part)
                self.assertGreater(received, SIZE)
        self.assertEqual(self.end()["tcp"]["path_mtu_lowered"], 0)
        lies = self.capture.tshark("(icmp.type == 3 && icmp.code == 4) || icmpv6.type == 2")
        self.assertEqual(len(lies), 200)


if __name__ == "__main__":
    harness.main()
