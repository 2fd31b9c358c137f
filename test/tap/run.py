#!/usr/bin/env python3
"""The interop suite for people: test/tap/run.py [WORD...], what `pollux stacktest tap` runs.

Each file of tests runs in a private network namespace of its own. One line for each test, what failed with its output,
and a summary; the exit code is 1 if a test failed, 77 if none could run here. WORD: only tests whose name has it in it.
"""

import glob
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
NETNS = os.path.join(HERE, "..", "..", "scripts", "netns")
CANNOT_RUN = 77
VERDICT = re.compile(r"(?:^|\.\.\. )(ok|FAIL|ERROR|skipped .*|expected failure)$", re.MULTILINE)
NAME = re.compile(r"^(test_\w+) \((?:__main__\.)?(\w+)(?:\.\w+)?\)", re.MULTILINE)


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0


def shown(name):
    return name.removeprefix("test_").replace("_", " ")


def run_file(path, words, tally):
    """Runs one file's tests and prints a line for each as it ends. Returns its exit code."""
    command = [NETNS, sys.executable, path] + [part for word in words for part in ("-k", word)]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output, current, began, named = [], None, time.monotonic(), False
    for line in child.stdout:
        output.append(line)
        if found := NAME.match(line):
            current, began = found, time.monotonic()
        verdict = VERDICT.search(line.rstrip())
        if current is None or verdict is None:
            continue
        what = verdict.group(1)
        if not named:
            print(os.path.basename(path).removeprefix("test_").removesuffix(".py"))
            named = True
        print(f"  {current.group(2)}: {shown(current.group(1))} ... {what}  {time.monotonic() - began:.1f} s", flush=True)
        tally.passed += what == "ok"
        tally.skipped += what.startswith("skipped")
        tally.failed += what in ("FAIL", "ERROR")
        current = None
    code = child.wait()
    if code not in (0, CANNOT_RUN):
        tally.failed += tally.failed == 0  # It ended before any test did.
        print("".join(f"    | {line}" for line in output), end="", flush=True)
    return code


def main(words):
    tally = Tally()
    began = time.monotonic()
    codes = []
    for path in sorted(glob.glob(os.path.join(HERE, "test_*.py"))):
        codes.append(run_file(path, words, tally))
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped in {time.monotonic() - began:.0f} s")
    if tally.failed:
        return 1
    if CANNOT_RUN in codes:
        print("the tests cannot run here: there is no /dev/net/tun (modprobe tun)")
        return CANNOT_RUN
    if tally.passed == 0:
        print(f"no test's name has {' or '.join(words)} in it")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
