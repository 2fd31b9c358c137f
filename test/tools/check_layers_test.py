"""scripts/check_layers finds what is forbidden, and only that: in a tree of planted lines under the real table."""

import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPT = os.path.join(ROOT, "scripts/check_layers")


def load_script():
    loader = importlib.machinery.SourceFileLoader("check_layers", SCRIPT)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_layers", loader))
    loader.exec_module(module)
    return module


sys.dont_write_bytecode = True
check_layers = load_script()


class CheckLayers(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="pollux-layers-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.makedirs(os.path.join(self.folder, "lib"))
        shutil.copy(os.path.join(ROOT, "lib/meson.build"), os.path.join(self.folder, "lib"))

    def plant(self, path, text):
        path = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)

    def faults(self):
        return list(check_layers.faults(self.folder))

    def assert_found(self, path, text, where, what):
        self.plant(path, text)
        found = self.faults()
        self.assertEqual(len(found), 1, found)
        self.assertIn(f"{where}: {what},", found[0])
        os.remove(os.path.join(self.folder, path))

    def assert_allowed(self, path, text):
        self.plant(path, text)
        self.assertEqual(self.faults(), [])

    def test_the_exit_code_says_it_and_the_fault_is_named(self):
        self.assertEqual(subprocess.run([SCRIPT, self.folder]).returncode, 0)
        self.plant("lib/tcp/planted.cc", "std::mutex m;\n")
        result = subprocess.run([SCRIPT, self.folder], capture_output=True, text=True)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stdout, "lib/tcp/planted.cc:1: mutex, nothing shared between cores below lib/runtime\n")

    def test_an_include_of_a_layer_to_the_left(self):
        self.assert_found("lib/tcp/planted.h", '#pragma once\n#include "shard/x.h"\n', "lib/tcp/planted.h:2", '"shard/x.h"')

    def test_an_include_of_a_sibling_that_the_table_does_not_give(self):
        self.assert_found("lib/wire/planted.h", '#  include "time/instant.h"\n', "lib/wire/planted.h:1", '"time/instant.h"')

    def test_an_include_without_a_layer(self):
        self.assert_found("lib/wire/planted.h", '#include "seq_num.h"\n', "lib/wire/planted.h:1", '"seq_num.h"')

    def test_dpdk_outside_its_layer(self):
        self.assert_found("lib/shard/planted.cc", "\nint a = rte_lcore_id();\n", "lib/shard/planted.cc:2", "rte_lcore_id")
        self.assert_found("app/planted.cc", "#include <rte_eal.h>\n", "app/planted.cc:1", "rte_eal")

    def test_dpdk_in_what_programs_include(self):
        self.assert_found("lib/runtime/planted.h", "struct rte_mbuf;\n", "lib/runtime/planted.h:1", "rte_mbuf")

    def test_what_cores_share(self):
        for text, what in (
            ("std::atomic<int> a;\n", "atomic"),
            ("std::mutex m;\n", "mutex"),
            ("thread_local int a;\n", "thread_local"),
            ("tbb::task_arena a;\n", "tbb"),
            ("int a = __atomic_load_n(&b, 0);\n", "__atomic_load_n"),
            ("#include <atomic>\n", "<atomic>"),
            ("#include <tbb/task_arena.h>\n", "<tbb/task_arena.h>"),
        ):
            for layer in ("base", "wire", "time", "tcp", "shard", "device"):
                with self.subTest(text=text, layer=layer):
                    path = f"lib/{layer}/planted.cc"
                    self.assert_found(path, text, f"{path}:1", what)

    def test_clock_and_chance(self):
        for text, what in (
            ("auto a = std::chrono::steady_clock::now();\n", "steady_clock"),
            ("auto a = std::chrono::system_clock::now();\n", "system_clock"),
            ("clock_gettime(CLOCK_MONOTONIC, &t);\n", "clock_gettime"),
            ("auto a = __rdtsc();\n", "__rdtsc"),
            ("getrandom(a, 4, 0);\n", "getrandom"),
            ("std::random_device a;\n", "random_device"),
            ("int a = rand();\n", "rand"),
        ):
            for layer in ("tcp", "device"):
                with self.subTest(text=text, layer=layer):
                    path = f"lib/{layer}/planted.cc"
                    self.assert_found(path, text, f"{path}:1", what)

    def test_a_folder_that_is_no_layer(self):
        self.assert_found("lib/misc/planted.h", "int a;\n", "lib/misc/planted.h:1", "misc")

    def test_the_line_after_a_comment_over_two_lines_is_still_named_rightly(self):
        text = "/* one\n two */\n// three\nstd::mutex m;\n"
        self.assert_found("lib/tcp/planted.cc", text, "lib/tcp/planted.cc:4", "mutex")

    def test_an_apostrophe_in_a_number_hides_nothing(self):
        self.assert_found("lib/tcp/planted.cc", "int a = 1'000; std::mutex m; int b = 1'0;\n", "lib/tcp/planted.cc:1", "mutex")

    def test_comments_and_strings_do_not_count(self):
        text = '// std::mutex, rte_mbuf\n/* steady_clock\n rand() */ const char* a = "std::atomic rand() // rte_x";\n'
        self.assert_allowed("lib/tcp/planted.cc", text + "auto b = R\"(tbb::x)\"; char c = '\\'';\n")

    def test_what_the_layers_are_for(self):
        self.assert_allowed("lib/dpdk/planted.cc", "#include <rte_eal.h>\n#include <atomic>\nauto a = rte_rdtsc();\n")
        self.assert_allowed("lib/runtime/planted.cc", '#include "shard/x.h"\nstd::atomic<int> a; std::random_device b;\n')
        self.assert_allowed("lib/tcp/planted.cc", '#include "tcp/x.h"\nint operand(); int a = operand(); Random random(); auto b = random();\n')


if __name__ == "__main__":
    unittest.main()
