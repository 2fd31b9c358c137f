"""scripts/coverage: what it takes for a mention, and when it fails."""

import os
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Coverage(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="pollux-coverage-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.makedirs(os.path.join(self.folder, "test/scripts/a"))
        self.write("test/behaviours.ids", "HS-01 one\nCL-12 twelve\nRB-01 not on the wire\n")
        self.write("test/behaviours.exceptions", "# none\n")

    def write(self, path, text):
        with open(os.path.join(self.folder, path), "w") as file:
            file.write(text)

    def run_script(self, *arguments):
        environment = {**os.environ, "POLLUX_ROOT": self.folder}
        environment.pop("POLLUX_BEHAVIOURS", None)
        script = os.path.join(ROOT, "scripts/coverage")
        return subprocess.run([script, *arguments], capture_output=True, text=True, env=environment)

    def test_a_behaviour_counts_when_a_comment_of_a_script_names_it(self):
        self.write("test/scripts/a/b.pkt", "// HS-01: a SYN\n0 socket(...) = 3 // CL-12\n")
        result = self.run_script()
        self.assertEqual(result.returncode, 0)
        self.assertEqual(result.stdout, "coverage: of 2 behaviours 2 have a script, 0 a test elsewhere (100.0 %)\n")

    def test_what_has_none_is_printed_and_code_is_no_mention(self):
        self.write("test/scripts/a/b.pkt", "// HS-01: a SYN\n0 CL-12(...) = 3\n")
        result = self.run_script()
        self.assertEqual(result.returncode, 0)
        self.assertIn("CL-12 has no script: twelve", result.stdout)
        self.assertIn("1 have a script, 0 a test elsewhere (50.0 %)", result.stdout)

    def test_fewer_than_are_asked_for_fail(self):
        self.write("test/scripts/a/b.pkt", "// HS-01: a SYN\n")
        self.assertEqual(self.run_script("--at-least", "50").returncode, 0)
        result = self.run_script("--at-least", "51")
        self.assertEqual(result.returncode, 1)
        self.assertIn("50.0 % is less than the 51 %", result.stdout)

    def except_twelve(self, what):
        self.write("test/scripts/a/b.pkt", "// HS-01: a SYN\n")
        self.write("test/behaviours.exceptions", f"CL-12: {what}\n")
        return self.run_script()

    def test_a_test_elsewhere_counts_if_it_is_there(self):
        self.write("test/x_test.cc", "TEST_P(Close, Twelve) {\n")
        result = self.except_twelve("test/x_test.cc Close.Twelve: a reason")
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertIn("1 have a script, 1 a test elsewhere (100.0 %)", result.stdout)
        for name in ("Close.Twelv", "Clos.Twelve", "Close.Twelve, Close.Other"):
            result = self.except_twelve(f"test/x_test.cc {name}: a reason")
            self.assertEqual(result.returncode, 1, name)
            self.assertIn("test/x_test.cc has no test " + name.split(", ")[-1], result.stdout)
        self.assertEqual(self.except_twelve("test/y_test.cc Close.Twelve: a reason").returncode, 1)
        self.write("test/x_test.cc", "// TEST(Close, Twelve) {\n")
        self.assertEqual(self.except_twelve("test/x_test.cc Close.Twelve: a reason").returncode, 1)

    def test_so_does_one_of_a_unittest(self):
        self.write("test/x_test.py", "class Close:\n    def test_it(self):\n        pass\n\n\nclass Open:\n    def test_other(self):\n")
        self.assertEqual(self.except_twelve("test/x_test.py Close.test_it: a reason").returncode, 0)
        self.assertEqual(self.except_twelve("test/x_test.py Close.test_other: a reason").returncode, 1)

    def test_what_nothing_shows_is_missing_though_it_has_a_reason(self):
        result = self.except_twelve("not: nobody asked")
        self.assertEqual(result.returncode, 0)
        self.assertIn("CL-12 has no script: nobody asked", result.stdout)
        self.assertIn("(50.0 %)", result.stdout)

    def test_an_exception_has_a_reason_and_no_script(self):
        for what in ("", "a reason", "not:", "test/x_test.cc Close.Twelve"):
            self.assertEqual(self.except_twelve(what).returncode, 1, what)
        self.write("test/scripts/a/c.pkt", "// CL-12: here it is\n")
        result = self.except_twelve("not: nobody asked")
        self.assertEqual(result.returncode, 1)
        self.assertIn("CL-12 is excepted, and has a script: test/scripts/a/c.pkt", result.stdout)

    def test_a_behaviour_that_is_not_in_the_list_fails(self):
        self.write("test/scripts/a/b.pkt", "// HS-99: what?\n")
        result = self.run_script()
        self.assertEqual(result.returncode, 1)
        self.assertIn("HS-99 is no behaviour: test/scripts/a/b.pkt", result.stdout)


if __name__ == "__main__":
    unittest.main()
