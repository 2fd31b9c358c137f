"""Bulk transfers towards the server: discard counts to the byte, echo gives back what it got."""

import hashlib
import threading

import harness
from harness import BOTH_FAMILIES, GIB, MIB, pattern_chunks, pattern_sha256


def send_pattern(client, size):
    for part in pattern_chunks(size):
        client.sendall(part)


class Discard(harness.TapTest):
    kind = "discard"

    def test_one_gibibyte_is_counted_to_the_byte(self):
        client = self.connect(limit=120)
        send_pattern(client, GIB)
        client.shutdown(harness.socket.SHUT_WR)
        self.assertEqual(client.recv(1), b"")  # The server closes once it has read all.
        self.assertEqual(self.end()["totals"]["bytes_received"], GIB)

    def test_an_odd_size_over_each_family_is_counted_to_the_byte(self):
        size = 10 * MIB + 1
        for address in BOTH_FAMILIES:
            client = self.connect(address)
            send_pattern(client, size)
            client.shutdown(harness.socket.SHUT_WR)
            self.assertEqual(client.recv(1), b"")
        totals = self.end()["totals"]
        self.assertEqual(totals["bytes_received"], 2 * size)
        self.assertEqual(totals["connections_completed"], 2)


class Echo(harness.TapTest):
    kind = "echo"

    def echo(self, address, size):
        client = self.connect(address, limit=120)
        failure = []

        def send():
            try:
                send_pattern(client, size)
                client.shutdown(harness.socket.SHUT_WR)
            except OSError as error:
                failure.append(error)

        sender = threading.Thread(target=send)
        sender.start()
        digest, count = hashlib.sha256(), 0
        try:
            while part := client.recv(MIB):
                digest.update(part)
                count += len(part)
        finally:
            if count < size:
                client.close()  # So that the sender ends too.
            sender.join(150)
        self.assertEqual(failure, [])
        self.assertEqual(count, size)
        self.assertEqual(digest.hexdigest(), pattern_sha256(size))

    def test_256_mebibytes_come_back_equal(self):
        self.echo(harness.POLLUX4, 256 * MIB)

    def test_64_mebibytes_come_back_equal_over_ipv6(self):
        self.echo(harness.POLLUX6, 64 * MIB)


if __name__ == "__main__":
    harness.main()
