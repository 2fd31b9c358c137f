"""A client of the kernel's that does what curl never does."""

import hashlib
import select
import selectors
import socket
import struct
import time

import harness
from harness import BOTH_FAMILIES, FULL, KIB, MIB, POLLUX4, kernel_connections, kernel_loses, pattern, pattern_sha256, receive_all, receive_http, wait_until

STALL_S = 60 if FULL else 5


def get(path, close=True):
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n{'Connection: close' if close else 'X: y'}\r\n\r\n".encode()


class Closing(harness.TapTest):
    def test_half_close_the_server_keeps_sending(self):
        size = 16 * MIB
        for address in BOTH_FAMILIES:
            with self.subTest(address=address):
                client = self.connect(address)
                client.sendall(get(f"/bytes/{size}"))
                client.shutdown(socket.SHUT_WR)
                head, body = receive_http(client)
                self.assertIn(" 200 ", head.splitlines()[0])
                self.assertEqual(hashlib.sha256(body).hexdigest(), pattern_sha256(size))

    def test_simultaneous_close(self):
        """The server's FIN is kept from the kernel until the kernel has sent its own: both ends pass through CLOSING."""
        client = self.connect()
        with kernel_loses(100):
            client.sendall(get("/bytes/10"))
            # The answer and its FIN are sent, and lost. The kernel's first time-out comes after 200 ms, and behind it
            # a FIN would wait for what is unacknowledged.
            time.sleep(0.1)
            client.shutdown(socket.SHUT_WR)
            time.sleep(0.2)
        head, body = receive_http(client)
        self.assertEqual(body, pattern(10))
        client.close()
        unfinished = ("fin-wait-1", "fin-wait-2", "closing", "last-ack", "close-wait")
        wait_until(lambda: not kernel_connections(*unfinished), 20, "both ends to have closed")
        result = self.end()
        our_fins = self.capture.tshark(f"tcp.flags.fin == 1 && ip.src == {POLLUX4}", "tcp.seq", "tcp.len")
        its_fins = self.capture.tshark(f"tcp.flags.fin == 1 && ip.src == {harness.KERNEL4}", "tcp.ack")
        our_fin = int(our_fins[0][0]) + int(our_fins[0][1])
        # The kernel's FIN acknowledges less than ours: it had not seen it.
        self.assertLessEqual(int(its_fins[0][0]), our_fin)
        self.assertEqual(result["errors"].get("reset", 0), 0)
        self.assertEqual(self.capture.tshark("tcp.flags.reset == 1"), [])

    def test_both_close_at_about_the_same_time_many_times(self):
        for _ in range(500):
            client = self.connect()
            client.sendall(get("/bytes/1"))
            client.recv(1)  # The answer is on its way, and with it the FIN.
            client.shutdown(socket.SHUT_WR)
            receive_all(client)
            client.close()
        self.end()
        self.assertEqual(self.capture.tshark("tcp.flags.reset == 1"), [])
        self.assertGreaterEqual(len(self.capture.tshark("tcp.flags.fin == 1")), 2 * 500)

    def test_reset_in_the_middle_of_a_transfer(self):
        for address in BOTH_FAMILIES:
            client = self.connect(address)
            client.sendall(get(f"/bytes/{64 * MIB}"))
            receive_all(client, MIB)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            self.assert_fetches(address, MIB)  # The others are none the worse.
        tcp = self.end()["tcp"]
        self.assertGreaterEqual(tcp["resets_received"], 2)

    def test_connect_to_a_closed_port_is_refused_at_once(self):
        for address in BOTH_FAMILIES:
            with self.subTest(address=address):
                start = time.monotonic()
                with self.assertRaises(ConnectionRefusedError):
                    self.connect(address, port=4321)
                self.assertLess(time.monotonic() - start, 0.5)


class ManyAtOnce(harness.TapTest):
    kind = "echo"
    count = 10_000
    opening_at_once = 200
    limit_s = 120

    def own_bytes(self, number):
        return hashlib.sha256(str(number).encode()).digest() * 2

    def open_all(self):
        """Opens them all, a few hundred at a time, and leaves them open."""
        clients, opening = {}, selectors.DefaultSelector()
        end = time.monotonic() + self.limit_s
        number = 0
        while len(clients) < self.count:
            self.assertLess(time.monotonic(), end, f"{len(clients)} of {self.count} connected")
            while number < self.count and len(opening.get_map()) < self.opening_at_once:
                client = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
                self.addCleanup(client.close)
                client.connect_ex((POLLUX4, self.server.port))
                opening.register(client, selectors.EVENT_WRITE, number)
                number += 1
            for key, _ in opening.select(1):
                self.assertEqual(key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0)
                opening.unregister(key.fileobj)
                clients[key.data] = key.fileobj
        opening.close()
        return clients

    def echo_on_all(self, clients):
        answers = {number: b"" for number in clients}
        waiting = selectors.DefaultSelector()
        for number, client in clients.items():
            client.sendall(self.own_bytes(number))
            waiting.register(client, selectors.EVENT_READ, number)
        end = time.monotonic() + self.limit_s
        while waiting.get_map():
            self.assertLess(time.monotonic(), end, f"{len(waiting.get_map())} of {self.count} have no answer")
            for key, _ in waiting.select(1):
                part = key.fileobj.recv(4096)
                self.assertNotEqual(part, b"", f"connection {key.data} was closed")
                answers[key.data] += part
                if len(answers[key.data]) >= len(self.own_bytes(key.data)):
                    waiting.unregister(key.fileobj)
        waiting.close()
        wrong = [number for number, answer in answers.items() if answer != self.own_bytes(number)]
        self.assertEqual(wrong, [])

    def test_ten_thousand_connections_each_echo_their_own_bytes(self):
        clients = self.open_all()
        self.echo_on_all(clients)
        self.echo_on_all(clients)  # And again, now that all have been open for a while.
        for client in clients.values():
            client.close()
        wait_until(lambda: not kernel_connections("fin-wait-1", "fin-wait-2", "closing", "last-ack"), 60, "all to be closed")
        totals = self.end()["totals"]
        self.assertEqual(totals["connections_completed"], self.count)
        self.assertEqual(totals["bytes_received"], self.count * 2 * len(self.own_bytes(0)))


class Urgent(harness.TapTest):
    kind = "echo"

    def receive_urgent(self, client):
        """The urgent byte, which may come after its announcement: the kernel never waits for it."""
        client.setblocking(False)
        end = time.monotonic() + 5
        byte = None
        while byte is None:
            try:
                byte = client.recv(1, socket.MSG_OOB)
            except BlockingIOError:
                self.assertLess(time.monotonic(), end, "the urgent byte did not come")
                time.sleep(0.01)
        client.settimeout(30)
        return byte

    def test_an_urgent_byte_there_and_back(self):
        """The echo server sends as urgent what came as urgent."""
        for address in BOTH_FAMILIES:
            with self.subTest(address=address):
                client = self.connect(address)
                client.sendall(b"before")
                self.assertEqual(receive_all(client, 6), b"before")
                client.send(b"!", socket.MSG_OOB)
                poll = select.poll()
                poll.register(client, select.POLLPRI)
                self.assertTrue(poll.poll(5000), "no urgent data came back")
                self.assertEqual(self.receive_urgent(client), b"!")
                client.sendall(b"after")
                self.assertEqual(receive_all(client, 5), b"after")
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(client.recv(1), b"")
        self.end()
        ours = self.capture.tshark("tcp.flags.urg == 1 && tcp.srcport == 7", "tcp.urgent_pointer")
        self.assertTrue(ours)


class KeepAlive(harness.TapTest):
    kind = "echo"
    options = ("--set", "tcp.keepalive=1s")

    def test_probes_are_sent_and_the_connection_lives_on(self):
        client = self.connect()
        client.sendall(b"x")
        self.assertEqual(client.recv(1), b"x")
        time.sleep(4.5)
        client.sendall(b"y")
        self.assertEqual(client.recv(1), b"y")
        client.close()
        self.end()
        probes = self.capture.tshark(f"tcp.analysis.keep_alive && ip.src == {POLLUX4}", "frame.time_relative")
        self.assertGreaterEqual(len(probes), 3)
        self.assertLessEqual(len(probes), 5)


class KeepAliveOff(harness.TapTest):
    kind = "echo"

    def test_without_the_option_an_idle_connection_is_silent(self):
        client = self.connect()
        client.sendall(b"x")
        self.assertEqual(client.recv(1), b"x")
        time.sleep(3)
        client.close()
        self.end()
        self.assertEqual(self.capture.tshark("tcp.analysis.keep_alive"), [])


class ZeroWindow(harness.TapTest):
    def test_a_reader_that_stalls_gets_everything_when_it_reads_again(self):
        size = 64 * MIB
        for address in BOTH_FAMILIES:
            with self.subTest(address=address):
                client = self.connect(address, receive_buffer=64 * KIB)
                client.sendall(get(f"/bytes/{size}"))
                time.sleep(STALL_S)
                head, body = receive_http(client)
                self.assertEqual(hashlib.sha256(body).hexdigest(), pattern_sha256(size))
        self.end()
        for ip, address in (("ip", POLLUX4), ("ipv6", harness.POLLUX6)):
            # With a byte it is a probe to tshark, without one a keep-alive.
            probe = "(tcp.analysis.zero_window_probe || tcp.analysis.keep_alive)"
            probes = self.capture.tshark(f"{probe} && {ip}.src == {address}", "frame.time_relative")
            self.assertGreaterEqual(len(probes), 2)


class ZeroWindowOfOurs(harness.TapTest):
    kind = "echo"

    def test_our_window_closes_while_nobody_takes_the_echo_and_opens_again(self):
        text = pattern(32 * MIB)
        client = self.connect(receive_buffer=64 * KIB)
        client.setblocking(False)
        sent, stalled_since, end = 0, None, time.monotonic() + 120
        while stalled_since is None or time.monotonic() - stalled_since < 3:  # Send until nothing moves.
            self.assertLess(time.monotonic(), end)
            try:
                sent += client.send(text[sent : sent + MIB])
                self.assertLess(sent, len(text), "the server took all without giving any back")
                stalled_since = None
            except BlockingIOError:
                stalled_since = stalled_since or time.monotonic()
                time.sleep(0.01)
        echoed = hashlib.sha256()
        received = 0
        both = selectors.DefaultSelector()
        both.register(client, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while received < len(text):
            self.assertLess(time.monotonic(), end, f"{received} of {len(text)} bytes came back")
            for _, events in both.select(1):
                if events & selectors.EVENT_READ:
                    part = client.recv(MIB)
                    self.assertNotEqual(part, b"")
                    echoed.update(part)
                    received += len(part)
                if events & selectors.EVENT_WRITE:
                    if sent < len(text):
                        sent += client.send(text[sent : sent + MIB])
                    else:
                        both.modify(client, selectors.EVENT_READ)
        both.close()
        self.assertEqual(echoed.hexdigest(), hashlib.sha256(text).hexdigest())
        self.end()
        closed = self.capture.tshark(f"tcp.window_size == 0 && tcp.flags.reset == 0 && ip.src == {POLLUX4}")
        self.assertTrue(closed)


if __name__ == "__main__":
    harness.main()
