"""What tests of the program share."""

import re
import signal
import subprocess
import time


def interrupt_when_said(command, pattern):
    """Runs `command` until its standard error matches `pattern`, then sends it a ^C. Returns its exit code."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        said = ""
        while not re.search(pattern, said, re.M):
            line = process.stderr.readline()
            if not line:
                raise AssertionError(f"it ended without saying {pattern}: {said}")
            said += line
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    return process.returncode


def wait_for(condition, limit=20):
    """Looks until it is so, or `limit` seconds have passed."""
    end = time.monotonic() + limit
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
