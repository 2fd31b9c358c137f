"""Fast Open (RFC 7413) with this machine's kernel, both ways; its counters say what it took, and what it was granted."""

import os
import re
import socket
import struct
import tempfile
import unittest

import harness
from harness import BOTH_FAMILIES, KERNEL4, KERNEL6, run
from test_load import LoadTest, answer

KEY = "00010203-04050607-08090a0b-0c0d0e0f"
CLIENT_AND_SERVER = 3  # net.ipv4.tcp_fastopen


def allow_fast_open(test):
    harness.write_sysctl("net/ipv4/tcp_fastopen", str(CLIENT_AND_SERVER))
    test.addCleanup(harness.write_sysctl, "net/ipv4/tcp_fastopen", "1")
    # Cookies of an earlier test.
    run("ip", "tcp_metrics", "flush")
    test.kernel_before = harness.kernel_counters()


def counted(test, name):
    return harness.kernel_counters()[name] - test.kernel_before[name]


def open_with(test, address, port, text, source=None):
    """sendto() with MSG_FASTOPEN: a socket that has connected, or is about to, and its first text."""
    client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    test.addCleanup(client.close)
    if source:
        client.bind((source, 0))
    # A timeout of Python's would make of it a socket that does not wait.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 10, 0))
    test.assertEqual(client.sendto(text, socket.MSG_FASTOPEN, (address, port)), len(text))
    client.settimeout(10)
    return client


class TheKernelConnects(harness.TapTest):
    kind = "echo"
    options = ("--set", "tcp.fastopen=on")
    times = 5

    def setUp(self):
        allow_fast_open(self)
        super().setUp()

    def exchange(self, address):
        client = open_with(self, address, self.server.port, b"question")
        self.assertEqual(harness.receive_all(client, 8), b"question")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(client.recv(1), b"")

    def test_all_but_the_first_question_go_in_its_syn(self):
        for address in BOTH_FAMILIES:
            for _ in range(1 + self.times):
                self.exchange(address)
        self.assertEqual(counted(self, "TCPFastOpenActive"), 2 * self.times)
        self.assertEqual(counted(self, "TCPFastOpenActiveFail"), 0)
        tcp = self.end()["tcp"]
        self.assertEqual((tcp["fast_open_cookie_reqd"], tcp["fast_open_passive"], tcp["fast_open_passive_fail"]), (2, 2 * self.times, 0))
        with_text = self.capture.tshark("tcp.flags.syn == 1 && tcp.flags.ack == 0 && tcp.len == 8")
        self.assertEqual(len(with_text), 2 * self.times)


class WhereItIsOff(TheKernelConnects):
    options = ()

    def test_all_but_the_first_question_go_in_its_syn(self):
        """They go behind the handshake: there is no cookie."""
        for address in BOTH_FAMILIES:
            self.exchange(address)
            self.exchange(address)
        self.assertEqual(counted(self, "TCPFastOpenActive"), 0)
        self.assertEqual(self.end()["tcp"]["fast_open_passive"], 0)


class WeConnect(LoadTest):
    def serve_with_fast_open(self, port, pending):
        server = self.serve(port, lambda connection: answer(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
        server.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, pending)

    def run_against(self, pending):
        allow_fast_open(self)
        self.serve_with_fast_open(8080, pending)
        result = self.load(f"http://{KERNEL4}:8080/", "--rate", "100/s", "--arrivals", "constant", "--duration", "1s", "--set", "tcp.fastopen=on")
        self.assertEqual(self.failures(result), {})
        self.assertEqual(result["totals"]["responses"], 100)
        return result["tcp"]

    def test_the_kernel_takes_our_requests_out_of_our_syns(self):
        tcp = self.run_against(pending=64)
        self.assertGreaterEqual(tcp["fast_open_active"], 90, "but for those that begin before the first cookie has come")
        self.assertEqual(tcp["fast_open_active"], counted(self, "TCPFastOpenPassive"))
        self.assertEqual((tcp["fast_open_active_fail"], counted(self, "TCPFastOpenPassiveFail")), (0, 0))
        self.assertGreaterEqual(counted(self, "TCPFastOpenCookieReqd"), 1)

    def test_where_its_listener_does_not_allow_it_we_go_on_without(self):
        tcp = self.run_against(pending=0)
        self.assertEqual((tcp["fast_open_active"], counted(self, "TCPFastOpenPassive")), (0, 0))


def usable(source, destination):
    tentative = source in run("ip", "address", "show", "tentative").stdout
    return not tentative and run("ip", "route", "get", destination, "from", source).returncode == 0


class Cookies(unittest.TestCase):
    """Under one key the kernel and Pollux grant the same."""

    SCRIPT = """--ip_version={version}
--local_ip={server}
--remote_ip={client}
`sysctl -q net.ipv4.tcp_fastopen=2 net.ipv4.tcp_fastopen_key={key}`
    0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 setsockopt(3, IPPROTO_TCP, TCP_FASTOPEN, [5], 4) = 0
   +0 listen(3, 5) = 0
   +0 < S 0:0(0) win 65535 <mss 1000,FO,nop,nop>
   +0 > S. 0:0(0) ack 1 <mss 1460,FO {cookie},nop,nop>
"""

    def kernels_cookie(self, client, server):
        """What its server has given to its client, over loopback; iproute2 tells."""
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        with socket.create_server((server, 0), family=family) as listener:
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 5)
            open_with(self, server, listener.getsockname()[1], b"x", client).close()
        found = re.search(r"fo_cookie (\w+)", run("ip", "tcp_metrics", "show", server).stdout)
        self.assertIsNotNone(found, "the kernel has no cookie of its own server")
        return found[1]

    def test_are_equal(self):
        run("ip", "link", "set", "lo", "up")
        allow_fast_open(self)
        harness.write_sysctl("net/ipv4/tcp_fastopen_key", KEY)
        for version, client, server in (("ipv4", harness.POLLUX4, KERNEL4), ("ipv6", harness.POLLUX6, KERNEL6)):
            with self.subTest(version=version), tempfile.TemporaryDirectory() as folder:
                for address in (client, server):
                    run("ip", "address", "add", address, "dev", "lo")
                    self.addCleanup(run, "ip", "address", "del", address, "dev", "lo")
                for here, there in ((client, server), (server, client)):
                    # An IPv6 address is there before it can be used.
                    harness.wait_until(lambda: usable(here, there), 10, f"a way from {here} to {there}")
                cookie = self.kernels_cookie(client, server)
                path = os.path.join(folder, "cookie.pkt")
                with open(path, "w") as file:
                    file.write(self.SCRIPT.format(version=version, client=client, server=server, key=KEY, cookie=cookie))
                done = run(harness.POLLUX, "stacktest", "script", path)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    harness.main()
