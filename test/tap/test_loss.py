"""Transfers that meet loss and reordering, at either receiver's ingress.

The kernel's side drops by an nftables rule what we sent to it. Our side drops, with a seed, what the kernel sent to us
(`--impair`); the result file tells how much, and that is some. How long a lossy transfer takes is congestion control's to say; the limits here only say that it ends.
"""

import harness
from harness import BOTH_FAMILIES, FULL, MIB, kernel_loses, pattern_chunks

SIZE = 64 * MIB
# A twentieth lost costs many timeouts; the short run shows the same recovery on less.
SIZE_AT_5_PERCENT = SIZE if FULL else 16 * MIB
LIMIT_S = 600 if FULL else 240


class TowardsTheKernel(harness.TapTest):
    impaired = True

    def test_one_percent_lost(self):
        for address in BOTH_FAMILIES:
            with self.subTest(address=address), kernel_loses(1):
                self.assert_fetches(address, SIZE, LIMIT_S)

    def test_five_percent_lost(self):
        for address in BOTH_FAMILIES:
            with self.subTest(address=address), kernel_loses(5):
                self.assert_fetches(address, SIZE_AT_5_PERCENT, LIMIT_S)


class OursImpaired(harness.TapTest):
    """What our side did to the frames that came is `what`, in this share of them, give or take half."""

    impaired = True
    what, share = "dropped", 0.01

    def end(self):
        result = super().end()
        frames = result["impairment"]["received"]["frames"]
        self.assertGreater(frames, 1000)
        self.assertAlmostEqual(result["impairment"]["received"][self.what] / frames, self.share, delta=self.share / 2)
        return result


class FetchWithAcksLost1(OursImpaired):
    options = ("--impair", "loss=0.01,seed=7")

    def test_fetches(self):
        for address in BOTH_FAMILIES:
            with self.subTest(address=address):
                self.assert_fetches(address, SIZE, LIMIT_S)


class FetchWithAcksLost5(FetchWithAcksLost1):
    options = ("--impair", "loss=0.05,seed=7")
    share = 0.05


class FetchReordered(FetchWithAcksLost1):
    options = ("--impair", "reorder=0.1,seed=7")
    what, share = "reordered", 0.1


class UploadLost1(OursImpaired):
    kind = "discard"
    options = ("--impair", "loss=0.01,seed=7")
    size = SIZE

    def test_every_byte_is_counted(self):
        for address in BOTH_FAMILIES:
            client = self.connect(address, limit=LIMIT_S)
            for part in pattern_chunks(self.size):
                client.sendall(part)
            client.shutdown(harness.socket.SHUT_WR)
            self.assertEqual(client.recv(1), b"")
        self.assertEqual(self.end()["totals"]["bytes_received"], 2 * self.size)


class UploadLost5(UploadLost1):
    options = ("--impair", "loss=0.05,seed=7")
    share = 0.05
    size = SIZE_AT_5_PERCENT


class UploadReordered(UploadLost1):
    options = ("--impair", "reorder=0.1,seed=7")
    what, share = "reordered", 0.1


if __name__ == "__main__":
    harness.main()
