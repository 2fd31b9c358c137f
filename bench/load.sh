#!/bin/bash
# Short HTTP connections a second between two processes over a memif pair, `pollux load` on one core and `pollux serve` on
# the other, and what dpdk-testpmd moves over the same kind of pair. Prints one JSON object.
#
#   scripts/bench 'load$'         POLLUX_BENCH_SECONDS=5 each
set -euo pipefail
source "$(dirname "$0")/testpmd.bash"
source "$(dirname "$0")/two_processes.bash"
seconds=${POLLUX_BENCH_SECONDS:-5}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

two_processes "$dir" --ip 198.18.0.2/24 -- --ip 198.18.0.1/24 --closed "${POLLUX_BENCH_CLIENTS:-256}" --duration "${seconds}s"
testpmd=$(testpmd_packets "$dir" "$seconds")

python3 - "$dir" "$testpmd" "$(huge_pages && echo yes || echo no)" <<'PYTHON'
import json
import sys

folder, testpmd, huge_pages = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with open(f"{folder}/load.json") as file:
    load = json.load(file)
with open(f"{folder}/server.json") as file:
    server = json.load(file)
received = load["rates"]["rx_packets_per_second"]
print(json.dumps({
    "verdict": load["verdict"],
    "huge_pages": huge_pages == "yes",
    "connections_per_second": load["rates"]["connections_per_second"],
    "busy": {"load": load["cores"][0]["busy_fraction"], "serve": server["cores"][0]["busy_fraction"]},
    "packets_per_second_each_way": int(received),
    "testpmd_packets_per_second_each_way": testpmd,
    "share_of_testpmd": round(received / testpmd, 3),
    "service_p50_ns": load["latency"]["service"]["p50"],
    "service_p99_ns": load["latency"]["service"]["p99"],
    # What one side sent the other received.
    "bytes": {"load_sent": load["totals"]["bytes_sent"], "serve_received": server["totals"]["bytes_received"],
              "serve_sent": server["totals"]["bytes_sent"], "load_received": load["totals"]["bytes_received"]},
}))
PYTHON
