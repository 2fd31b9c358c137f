"""scripts/rfc_coverage: what it takes for a mention, and when it fails."""

import os
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class RfcCoverage(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="pollux-rfc-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.makedirs(os.path.join(self.folder, "test/tcp"))
        self.write("test/rfc9293.ids", "MUST-1 one\nMUST-12 twelve\nSHLD-3 three\nMAY-2 two\n")
        self.write("test/rfc9293.exceptions", "")

    def write(self, path, text):
        with open(os.path.join(self.folder, path), "w") as file:
            file.write(text)

    def run_script(self, *arguments):
        environment = {**os.environ, "POLLUX_ROOT": self.folder}
        environment.pop("POLLUX_RFC9293", None)
        script = os.path.join(ROOT, "scripts/rfc_coverage")
        return subprocess.run([script, *arguments], capture_output=True, text=True, env=environment)

    def test_a_must_without_a_test_fails(self):
        self.write("test/tcp/a_test.cc", "TEST(A, Must12IsKept) {}\n")
        result = self.run_script()
        self.assertEqual(result.returncode, 1)
        self.assertIn("MUST-1 has no test: one", result.stdout)
        self.assertNotIn("MUST-12 has", result.stdout)

    def test_each_way_to_mention_counts_and_shoulds_do_not_fail(self):
        for text in ("// MUST-1, MUST-12", "TEST(A, MUST_1) TEST(A, Must12x)", "def test_must_1_and_must_12"):
            with self.subTest(text=text):
                self.write("test/tcp/a_test.cc", text + "\n")
                result = self.run_script()
                self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
                self.assertIn("SHLD-3 has no test: three", result.stdout)

    def test_an_exception_needs_a_reason(self):
        self.write("test/tcp/a_test.cc", "// MUST-12\n")
        self.write("test/rfc9293.exceptions", "MUST-1: because\n")
        self.assertEqual(self.run_script().returncode, 0)
        self.write("test/rfc9293.exceptions", "MUST-1:\n")
        self.assertEqual(self.run_script().returncode, 1)

    def test_at_most_eight_exceptions(self):
        self.write("test/rfc9293.ids", "".join(f"MUST-{n} x\n" for n in range(1, 10)))
        self.write("test/rfc9293.exceptions", "".join(f"MUST-{n}: x\n" for n in range(1, 10)))
        result = self.run_script()
        self.assertEqual(result.returncode, 1)
        self.assertIn("at most 8", result.stderr)

    def test_a_number_that_the_rfc_does_not_have_fails(self):
        self.write("test/tcp/a_test.cc", "// MUST-1 MUST-12 MUST-99\n")
        self.assertEqual(self.run_script().returncode, 1)

    def test_the_copy_names_all_119(self):
        with open(os.path.join(ROOT, "test/rfc9293.ids")) as file:
            self.assertEqual(len(file.readlines()), 119)


if __name__ == "__main__":
    unittest.main()
