"""Who fills in checksums, cuts up and joins segments: each on and off, on our side and on the kernel's."""

import hashlib
import re

import harness
from harness import BOTH_FAMILIES, MIB, TAP, pattern_chunks, receive_all, run

SIZE = 4 * MIB
FEATURES = ("tx", "sg", "tso", "gso", "gro")


def kernel_offloads(on):
    """Turns the tap's offloads on or off on the kernel's side. Returns what is on, by its short name.

    What the device cannot have stays off; the answer says so, and nothing is assumed.
    """
    for feature in FEATURES:
        run("ethtool", "-K", TAP, feature, "on" if on else "off")
    listed = run("ethtool", "-k", TAP).stdout
    names = {"tx": "tx-checksumming", "sg": "scatter-gather", "tso": "tcp-segmentation-offload",
             "gso": "generic-segmentation-offload", "gro": "generic-receive-offload"}
    return {short for short, name in names.items() if re.search(rf"^{name}: on", listed, re.MULTILINE)}


class Offload:
    kind = "echo"

    def echo_both_families(self):
        for address in BOTH_FAMILIES:
            with self.subTest(address=address):
                client = self.connect(address, limit=60)
                for part in pattern_chunks(SIZE):
                    client.sendall(part)
                    back = receive_all(client, len(part))
                    self.assertEqual(hashlib.sha256(back).digest(), hashlib.sha256(part).digest())
                client.shutdown(harness.socket.SHUT_WR)
                self.assertEqual(client.recv(1), b"")

    def test_text_comes_back_whether_the_kernel_has_all_that_the_tap_can_or_nothing(self):
        on = kernel_offloads(True)
        print(f"  on at the kernel's side: {', '.join(sorted(on))}", file=harness.sys.stderr)
        self.assertLessEqual({"gro", "gso"}, on)
        self.echo_both_families()
        self.assertEqual(kernel_offloads(False), set())
        self.echo_both_families()


class SoftwareChecksums(Offload, harness.TapTest):
    options = ("--checksum", "sw")


class HardwareChecksums(Offload, harness.TapTest):
    options = ("--checksum", "hw")


if __name__ == "__main__":
    harness.main()
