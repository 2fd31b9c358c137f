#!/bin/bash
# How long 256 MiB take over a bad wire from Linux to Linux and between Pollux and Linux, both directions.
#
#   scripts/bench recovery         POLLUX_BENCH_MIB=256 POLLUX_BENCH_RUNS=5 POLLUX_BENCH_RTT_US=1000
set -euo pipefail
exec python3 "$(dirname "$0")/recovery.py"
