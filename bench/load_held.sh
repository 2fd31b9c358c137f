#!/bin/bash
# A million connections held open between two processes over a memif pair while 50,000 a second open and close beside
# them: the rate, its latencies, and what a held connection takes in memory. Prints one JSON object.
#
#   scripts/bench load_held         POLLUX_BENCH_HELD=1M POLLUX_BENCH_RATE=50k/s POLLUX_BENCH_SECONDS=10
set -euo pipefail
source "$(dirname "$0")/two_processes.bash"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

two_processes "$dir" --ip 198.18.0.2/16 --max-connections 1200k --idle-timeout 1h --header-timeout 1h -- \
  --ip 198.18.0.1/16 --source 198.18.1.0/16+20 --connections "${POLLUX_BENCH_HELD:-1M}" --rate "${POLLUX_BENCH_RATE:-50k/s}" \
  --duration "${POLLUX_BENCH_SECONDS:-10}s"

python3 - "$dir" <<'PYTHON'
import json
import sys

folder = sys.argv[1]
with open(f"{folder}/load.json") as file:
    load = json.load(file)
with open(f"{folder}/server.json") as file:
    server = json.load(file)
print(json.dumps({
    "verdict": load["verdict"],
    "held": load["totals"]["connections_open"],
    "connections_per_second": load["rates"]["connections_per_second"],
    "asked_per_second": load["pace"]["asked_per_second"],
    "response_p50_ns": load["latency"]["response"]["p50"],
    "response_p99_ns": load["latency"]["response"]["p99"],
    "busy": {"load": load["cores"][0]["busy_fraction"], "serve": server["cores"][0]["busy_fraction"]},
    "bytes_per_held_connection": {"load": load["memory"]["bytes_per_idle_connection"], "serve": server["memory"]["bytes_per_idle_connection"]},
    "resident_bytes": {"load": load["memory"]["rss_bytes"], "serve": server["memory"]["rss_bytes"]},
}))
PYTHON
