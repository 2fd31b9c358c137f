#!/bin/bash
# How long a transfer takes over a bad wire from Linux to Linux and between Pollux and Linux, both directions.
#
#   scripts/bench recovery         POLLUX_BENCH_MIB=32 POLLUX_BENCH_RUNS=3 POLLUX_BENCH_RTT_US=1000
#                                  POLLUX_BENCH_CONDITION='1 %': only those whose name has it
#                                  POLLUX_BENCH_DIRECTION=to_far: only what Pollux sends; from_far: what it receives
set -euo pipefail
exec python3 "$(dirname "$0")/recovery.py"
