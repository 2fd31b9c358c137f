#!/bin/bash
# Short HTTP connections a second of `pollux demo` over a memif pair, and what dpdk-testpmd moves over the same kind of
# pair, one after the other in one run: how much of the wire's packets TCP leaves. Prints one JSON object.
#
#   scripts/bench short_connections         POLLUX_BENCH_SECONDS=5 each
set -euo pipefail
source "$(dirname "$0")/testpmd.bash"
seconds=${POLLUX_BENCH_SECONDS:-5}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

"$POLLUX" demo --duration "${seconds}s" --clients "${POLLUX_BENCH_CLIENTS:-256}" --idle spin -q --json "$dir/demo.json"
testpmd=$(testpmd_packets "$dir" "$seconds")

python3 - "$dir/demo.json" "$testpmd" <<'PYTHON'
import json
import sys

with open(sys.argv[1]) as file:
    demo = json.load(file)
testpmd = int(sys.argv[2])
received = sum(core["rx_packets"] for core in demo["cores"]) / (demo["meta"]["duration_ns"] / 1e9) / len(demo["cores"])
print(json.dumps({
    "verdict": demo["verdict"],
    "connections_per_second": demo["rates"]["connections_per_second"],
    "packets_per_second_each_way": int(received),
    "testpmd_packets_per_second_each_way": testpmd,
    "share_of_testpmd": round(received / testpmd, 3),
    "lifetime_p50_ns": demo["latency"]["lifetime"]["p50"],
    "lifetime_p99_ns": demo["latency"]["lifetime"]["p99"],
}))
PYTHON
