"""A server that is killed and started again under a thousand connections, over af_packet.

The new server knows nothing of the old one's connections. Whoever speaks on one is reset at once, connects again, and
gets nothing that the old server was told. POLLUX_TAP_FULL=1: twenty times.
"""

import os
import selectors
import shutil
import signal
import socket
import tempfile
import time
import unittest

import harness
from harness import FULL, POLLUX4, run, stop

ROUNDS = 20 if FULL else 2
CONNECTIONS = 1000
MESSAGE = 64  # bytes
KERNEL_SIDE, OUR_SIDE = "veth-k", "veth-p"
PATIENCE_S = 60


class Client:
    """One connection, and what is to come back on it."""

    def __init__(self, number):
        self.number = number
        self.generation = 0
        self.got = b""
        self.sock = None

    def message(self):
        return f"connection {self.number} generation {self.generation}".encode().ljust(MESSAGE, b".")

    def connect(self):
        self.generation += 1
        self.got = b""
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.connect_ex((POLLUX4, harness.PORTS["echo"]))


class Crowd:
    """A thousand clients, in one loop."""

    def __init__(self):
        self.clients = [Client(number) for number in range(CONNECTIONS)]

    def close(self):
        for client in self.clients:
            if client.sock:
                client.sock.close()

    def connect(self):
        for client in self.clients:
            client.connect()

    def speak_until_answered(self):
        """Each says what it has to say and hears it again, on a new connection where the old one is reset.

        Returns how many had to connect again. Anything else that is heard is an error.
        """
        selector = selectors.DefaultSelector()
        again = 0
        for client in self.clients:
            selector.register(client.sock, selectors.EVENT_WRITE, client)
        end = time.monotonic() + PATIENCE_S
        left = len(self.clients)
        while left:
            if time.monotonic() > end:
                raise AssertionError(f"{left} connections of {len(self.clients)} were not answered in {PATIENCE_S} s")
            for key, _ in selector.select(1):
                client = key.data
                try:
                    if key.events == selectors.EVENT_WRITE:
                        client.sock.send(client.message())
                        selector.modify(client.sock, selectors.EVENT_READ, client)
                        continue
                    self.hear(client)
                    if len(client.got) == MESSAGE:
                        client.got = b""
                        selector.unregister(client.sock)
                        left -= 1
                except (ConnectionResetError, ConnectionRefusedError, BrokenPipeError):
                    selector.unregister(client.sock)
                    client.sock.close()
                    client.connect()
                    again += 1
                    selector.register(client.sock, selectors.EVENT_WRITE, client)
        selector.close()
        return again

    def hear(self, client):
        part = client.sock.recv(MESSAGE)
        if not part:
            raise AssertionError(f"connection {client.number} was closed in order by a server that knew nothing of it")
        client.got += part
        if not client.message().startswith(client.got):
            raise AssertionError(f"a stale byte: {client.got} instead of {client.message()}")


class KilledServer(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="pollux-restart-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        for command in (
            f"ip link add {KERNEL_SIDE} type veth peer name {OUR_SIDE}",
            f"ip addr add {harness.KERNEL4}/24 dev {KERNEL_SIDE}",
            f"ip link set {KERNEL_SIDE} up",
            f"ip link set {OUR_SIDE} up",
            f"ethtool -K {KERNEL_SIDE} tx off",
            f"ethtool -K {OUR_SIDE} gro off",
        ):
            done = run(*command.split())
            self.assertEqual(done.returncode, 0, f"{command}: {done.stderr}")
        self.addCleanup(run, "ip", "link", "del", KERNEL_SIDE)
        self.crowd = Crowd()
        self.addCleanup(self.crowd.close)

    def start(self):
        server = harness.Server("echo", "--port", f"afpacket:{OUR_SIDE}", "--checksum", "sw", "--max-connections", "4k", "--set", "tcp.mss=1460", folder=self.folder)
        self.addCleanup(stop, server.process, signal.SIGKILL, 5)
        return server

    def test_all_clients_recover_and_none_hears_what_the_old_server_was_told(self):
        server = self.start()
        self.crowd.connect()
        self.assertEqual(self.crowd.speak_until_answered(), 0)
        for count in range(1, ROUNDS + 1):
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait()
            server = self.start()
            began = time.monotonic()
            again = self.crowd.speak_until_answered()
            print(f"  killed {count} times: {again} connected again and were answered within {time.monotonic() - began:.1f} s", file=harness.sys.stderr)
            self.assertEqual(again, CONNECTIONS)
        self.assertIn(server.end(), (0, 130))


if __name__ == "__main__":
    harness.main()
