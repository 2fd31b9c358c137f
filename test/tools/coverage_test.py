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
        self.assertEqual((result.returncode, result.stdout), (0, "coverage: 2 of 2 behaviours have a script (100 %)\n"))

    def test_what_has_none_is_printed_and_code_is_no_mention(self):
        self.write("test/scripts/a/b.pkt", "// HS-01: a SYN\n0 CL-12(...) = 3\n")
        result = self.run_script()
        self.assertEqual(result.returncode, 0)
        self.assertIn("CL-12 has no script: twelve", result.stdout)

    def test_an_exception_is_counted_out_and_must_not_have_a_script(self):
        self.write("test/scripts/a/b.pkt", "// HS-01: a SYN\n")
        self.write("test/behaviours.exceptions", "CL-12: a reason\n")
        result = self.run_script()
        self.assertEqual(result.returncode, 0)
        self.assertIn("coverage: 1 of 1 behaviours have a script (100 %)", result.stdout)
        self.write("test/scripts/a/c.pkt", "// CL-12: here it is\n")
        self.assertEqual(self.run_script().returncode, 1)
        self.write("test/behaviours.exceptions", "CL-12:\n")
        self.assertEqual(self.run_script().returncode, 1)

    def test_a_behaviour_that_is_not_in_the_list_fails(self):
        self.write("test/scripts/a/b.pkt", "// HS-99: what?\n")
        result = self.run_script()
        self.assertEqual(result.returncode, 1)
        self.assertIn("HS-99 is no behaviour: test/scripts/a/b.pkt", result.stdout)


if __name__ == "__main__":
    unittest.main()
