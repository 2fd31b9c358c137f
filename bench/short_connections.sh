#!/bin/bash
# Short HTTP connections a second of `pollux demo` over a memif pair, and what dpdk-testpmd moves over the same kind of
# pair, one after the other in one run: how much of the wire's packets TCP leaves. Prints one JSON object.
#
#   scripts/bench short_connections         POLLUX_BENCH_SECONDS=5 each
set -euo pipefail
seconds=${POLLUX_BENCH_SECONDS:-5}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

"$POLLUX" demo --duration "${seconds}s" --clients "${POLLUX_BENCH_CLIENTS:-256}" --idle spin -q --json "$dir/demo.json"

pages=$([ "$(awk '/HugePages_Free/ { print $2 }' /proc/meminfo)" -ge 256 ] && echo --in-memory || echo "--no-huge -m 1024")
memif() { echo "--vdev=net_memif$1,role=$2,id=0,socket=$dir/pair.sock,socket-abstract=no,rsize=12"; }
# One core for each port, as the demo has. `sleep` keeps its standard input open: at the end of it testpmd would stop.
sleep $((seconds + 3)) | timeout -s INT $((seconds + 2)) dpdk-testpmd --lcores '0@0,1@0,2@1' $pages --no-pci --no-telemetry \
  --log-level=lib.eal:warning "$(memif 0 server)" "$(memif 1 client)" -- --nb-cores=2 --total-num-mbufs=65536 --forward-mode=io --tx-first \
  --no-lsc-interrupt --stats-period 1 >"$dir/testpmd.log" 2>&1 || true

python3 - "$dir" <<'PYTHON'
import json
import re
import statistics
import sys

folder = sys.argv[1]
with open(f"{folder}/demo.json") as file:
    demo = json.load(file)
with open(f"{folder}/testpmd.log", errors="replace") as file:
    rates = [int(rate) for rate in re.findall(r"Rx-pps:\s+(\d+)", file.read())]
moving = [rate for rate in rates if rate > 0]
if not moving:
    sys.exit("dpdk-testpmd moved nothing; its log: " + open(f"{folder}/testpmd.log").read()[-2000:])
testpmd = int(statistics.median(moving))
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
