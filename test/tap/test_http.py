"""curl, wrk and ab against `pollux serve http`, no impairment."""

import re

import harness
from harness import BOTH_FAMILIES, GIB, KIB, MIB, POLLUX4, run


class Curl(harness.TapTest):
    def test_sizes_arrive_whole_over_both_families(self):
        for address in BOTH_FAMILIES:
            for size in (0, 1, KIB, MIB, 64 * MIB):
                with self.subTest(address=address, size=size):
                    self.assert_fetches(address, size)

    def test_one_gibibyte_arrives_whole(self):
        for address in BOTH_FAMILIES:
            with self.subTest(address=address):
                self.assert_fetches(address, GIB, limit=300)

    def test_one_connection_serves_several_requests(self):
        urls = [f"http://{POLLUX4}/bytes/{size}" for size in (1, 1000, 100_000)]
        result = run("curl", "-sS", "--fail", "--max-time", "20", "-v", "-o", "/dev/null", urls[0], "-o", "/dev/null", urls[1], "-o", "/dev/null", urls[2])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stderr.count("Re-using existing connection"), 2, result.stderr)

    def test_head_has_the_length_and_no_body(self):
        result = run("curl", "-sS", "--fail", "--max-time", "20", "-I", f"http://{POLLUX4}/bytes/12345")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout.lower(), r"content-length: 12345\b")

    def test_an_unknown_path_and_a_bad_request_are_4xx(self):
        status = run("curl", "-s", "--max-time", "20", "-o", "/dev/null", "-w", "%{http_code}", f"http://{POLLUX4}/bytes/notanumber").stdout
        self.assertRegex(status, "^4..$")
        client = self.connect()
        client.sendall(b"NONSENSE\r\n\r\n")
        head, _ = harness.receive_http(client)
        self.assertRegex(head, r"^HTTP/1\.[01] 4\d\d ")


class Body(harness.TapTest):
    options = ("--body", "100k")

    def test_the_root_serves_the_body_that_was_asked_for(self):
        result = run("curl", "-sS", "--fail", "--max-time", "20", "-o", "/dev/null", "-w", "%{size_download}", f"http://{POLLUX4}/")
        self.assertEqual((result.returncode, result.stdout), (0, "100000"))


class Load(harness.TapTest):
    options = ("--body", "1k")

    def test_wrk_has_no_socket_errors(self):
        result = run("wrk", "-t1", "-c100", "-d10s", f"http://{POLLUX4}/", limit=60)
        print(result.stdout)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotIn("Socket errors", result.stdout)
        self.assertNotIn("Non-2xx", result.stdout)
        self.assertGreater(int(re.search(r"(\d+) requests in", result.stdout).group(1)), 1000)

    def test_ab_without_keep_alive_has_no_failures(self):
        result = run("ab", "-q", "-n", "50000", "-c", "50", f"http://{POLLUX4}/", limit=180)
        print(result.stdout)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"Complete requests: +50000\b")
        self.assertRegex(result.stdout, r"Failed requests: +0\b")
        self.assertNotIn("Non-2xx", result.stdout)


if __name__ == "__main__":
    harness.main()
