"""scripts/rfc_coverage: what it takes for a mention, and when it fails."""

import os
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Tree(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="pollux-rfc-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.makedirs(os.path.join(self.folder, "test/tcp"))
        self.write("test/rfc9293.ids", "MUST-1 one\nMUST-12 twelve\nSHLD-3 three\nMAY-2 two\n")
        self.write("test/rfc9293.exceptions", "")
        self.write("test/rfc.rules", "RFC 1, 1 | one | not: nobody asked\n")

    def write(self, path, text):
        with open(os.path.join(self.folder, path), "w") as file:
            file.write(text)

    def run_script(self, *arguments):
        environment = {**os.environ, "POLLUX_ROOT": self.folder}
        environment.pop("POLLUX_RFC9293", None)
        script = os.path.join(ROOT, "scripts/rfc_coverage")
        return subprocess.run([script, *arguments], capture_output=True, text=True, env=environment)


class RfcCoverage(Tree):
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


class RulesOfOtherRfcs(Tree):
    """The same tree, and in it all MUSTs have their tests."""

    def check(self, rules, test=""):
        self.write("test/rfc.rules", rules)
        self.write("test/tcp/must_test.cc", "// MUST-1, MUST-12\n")
        self.write("test/tcp/a_test.cc", test)
        return self.run_script("-v")

    def test_a_rule_without_a_test_fails(self):
        result = self.check(
            "RFC 1 | One | implemented\nRFC 1, 2.1 | a\nRFC 1, 2.2, (3) | b\n",
            "TEST(A, B) {  // RFC 1, 2.1; RFC 1, 2.2\n",
        )
        self.assertEqual(result.returncode, 1)
        self.assertIn("RFC 1, 2.2, (3) has no test: b", result.stdout)
        self.assertIn("RFC 1, 2.1: test/tcp/a_test.cc", result.stdout)
        self.assertRegex(result.stdout, r"RFC 1 +2 +2 +1 +0 +1\n")

    def test_a_citation_counts_only_as_a_whole(self):
        rule = "RFC 1, 2.1, held | a | implemented\n"
        for text in ("RFC 1, 2.1", "RFC 1, 2.1, held_back", "RFC 11, 2.1, held", "2.1, held", "RFC 1, 2.1, (held)"):
            with self.subTest(text=text):
                self.assertEqual(self.check(rule, f"// {text}\n").returncode, 1)
        self.assertEqual(self.check("RFC 1, 2 | a | implemented\n", "// RFC 1, 2.1\n").returncode, 1)
        for text in ("// MUST-1; RFC 1, 2.1, held: so", "/* RFC 1,\n   2.1, held. */", "// (RFC 1, 2.1,\n  // held)"):
            with self.subTest(text=text):
                self.assertEqual(self.check(rule, text + "\n").returncode, 0)

    def test_what_is_not_implemented_needs_none_and_the_line_of_the_rfc_holds_for_its_rules(self):
        result = self.check("RFC 1 | One | not: to come\nRFC 1, 2 | a\nRFC 1, 3 | b | implemented\n", "// RFC 1, 3\n")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertRegex(result.stdout, r"RFC 1 +2 +1 +1 +0 +0\n")

    def test_at_most_eight_are_said_to_have_no_test_and_these_must_have_none(self):
        def untested(count):
            return "".join(f"RFC 1, {n} | a | not tested: because\n" for n in range(1, count + 1))

        result = self.check(untested(8))
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn("RFC 1, 8 not tested: because", result.stdout)
        self.assertIn("at most 8", self.check(untested(9)).stderr)
        self.assertEqual(self.check(untested(8), "// RFC 1, 8\n").returncode, 1)

    def test_what_is_wrong_with_a_line_is_said(self):
        for line in (
            "RFC 1, 2 | a",  # no state, and none of the RFC
            "RFC 1, 2 | a | later",
            "RFC 1, 2 | a | not:",
            "RFC 1, two | a | implemented",
            "RFC 1, 2 | | implemented",
            "RFC 1, 2",
        ):
            with self.subTest(line=line):
                result = self.check(f"# a comment\n{line}\n")
                self.assertEqual(result.returncode, 1)
                self.assertIn("test/rfc.rules:2: not `CITATION | RULE | STATE`", result.stderr)
        result = self.check("RFC 1, 2, held | a | implemented\nRFC 1, 2 | b | implemented\n")
        self.assertIn("test/rfc.rules:2: not told apart", result.stderr)

    def test_the_list_of_seeded_bugs_is_no_test(self):
        os.makedirs(os.path.join(self.folder, "test/sim"))
        self.write("test/sim/mutants.h", "// RFC 1, 2\n")
        self.assertEqual(self.check("RFC 1, 2 | a | implemented\n").returncode, 1)

    def test_an_empty_list_fails(self):
        self.assertIn("names no rule", self.check("# nothing\n").stderr)

    def test_the_list_has_all_that_it_should(self):
        with open(os.path.join(ROOT, "test/rfc.rules")) as file:
            rfcs = {line.split(",")[0] for line in file if line.startswith("RFC") and "," in line.split("|")[0]}
        self.assertEqual(
            rfcs, {f"RFC {n}" for n in (1191, 3168, 4821, 5681, 5682, 5927, 5961, 6191, 6298, 6528, 6675, 7323, 7413, 7765, 8201, 8257, 8985, 9406, 9438)}
        )


if __name__ == "__main__":
    unittest.main()
