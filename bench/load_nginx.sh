#!/bin/bash
# nginx on the Linux kernel, asked by `pollux load` over net_tap and by wrk over a veth pair from a namespace of its own,
# nginx on one core and whoever asks on the other. Prints one JSON object:
#
#   open    an open loop of short connections: the rate against the one asked for
#   closed  for each number of clients, each with a connection that is kept: the latencies beside wrk's
#   counts  what Pollux says it was answered, and the lines of the access log
#
# wrk cannot ask over the tap, which has the kernel on one side only; a veth pair is the shortest way between two kernels.
#
#   scripts/bench load_nginx         POLLUX_BENCH_SECONDS=5 each, POLLUX_BENCH_RATE=2k/s
set -euo pipefail
seconds=${POLLUX_BENCH_SECONDS:-5}
rate=${POLLUX_BENCH_RATE:-2k/s}
read -ra cores < <(python3 -c 'import os; print(*sorted(os.sched_getaffinity(0)))')
dir=$(mktemp -d)
chmod 755 "$dir"
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait; rm -rf "$dir"' EXIT

head -c 1000 /dev/zero >"$dir/index.html"
cat >"$dir/nginx.conf" <<NGINX
daemon off;
master_process off;
pid $dir/nginx.pid;
error_log $dir/error.log;
events { worker_connections 8192; }
http {
  log_format asked '\$request_uri';
  access_log $dir/access.log asked;
  keepalive_requests 1000000000;
  server {
    listen 80 backlog=4096;
    root $dir;
  }
}
NGINX
taskset -c "${cores[-1]}" nginx -p "$dir" -c "$dir/nginx.conf" 2>/dev/null &
pids+=($!)

# wrk's side: a namespace with the other end of a veth pair.
unshare -n sleep infinity &
pids+=($!)
while [ "$(readlink /proc/self/ns/net)" = "$(readlink "/proc/${pids[1]}/ns/net")" ]; do sleep 0.01; done
ip link add veth0 type veth peer name veth1 netns "${pids[1]}"
ip addr add 198.18.1.1/24 dev veth0
ip link set veth0 up
nsenter -t "${pids[1]}" -n sh -c 'ip addr add 198.18.1.2/24 dev veth1; ip link set veth1 up'

ask() { # NAME OPTION...
  local name=$1
  shift
  "$POLLUX" load "http://198.18.0.1/?$name" --cores "${cores[0]}" --idle spin -q --json "$dir/$name.json" --duration "${seconds}s" "$@" || true
}
ask open --rate "$rate"
for clients in 1 16 64; do
  ask "closed$clients" --closed "$clients" --requests-per-connection 1000000000
  nsenter -t "${pids[1]}" -n taskset -c "${cores[0]}" wrk -t1 -c"$clients" -d"${seconds}s" --latency http://198.18.1.1/?wrk >"$dir/wrk$clients.txt"
done
kill -QUIT "${pids[0]}"
wait "${pids[0]}" || true

python3 - "$dir" <<'PYTHON'
import collections
import json
import re
import sys

folder = sys.argv[1]
UNITS = {"us": 1e3, "ms": 1e6, "s": 1e9}


def result(name):
    with open(f"{folder}/{name}.json") as file:
        return json.load(file)


def wrk(clients):
    with open(f"{folder}/wrk{clients}.txt") as file:
        text = file.read()
    quantile = {percent: round(float(n) * UNITS[unit]) for percent, n, unit in re.findall(r"^ +(\d+)% +([0-9.]+)(us|ms|s)$", text, re.M)}
    return {"requests_per_second": float(re.search(r"Requests/sec: +([0-9.]+)", text).group(1)), "p50_ns": quantile["50"], "p90_ns": quantile["90"], "p99_ns": quantile["99"]}


def pollux(run):
    latency = run["latency"]["service"]
    return {"requests_per_second": run["rates"]["requests_per_second"], "p50_ns": latency["p50"], "p90_ns": latency["p90"], "p99_ns": latency["p99"], "verdict": run["verdict"]}


with open(f"{folder}/access.log") as file:
    lines = collections.Counter(line.strip() for line in file)
names = ["open", "closed1", "closed16", "closed64"]
opened = result("open")
print(json.dumps({
    "open": {"asked_per_second": opened["pace"]["asked_per_second"], "connections_per_second": opened["rates"]["connections_per_second"],
             "achieved_fraction": opened["pace"]["achieved_fraction"], "response_p50_ns": opened["latency"]["response"]["p50"],
             "response_p99_ns": opened["latency"]["response"]["p99"], "verdict": opened["verdict"]},
    "closed": {clients: {"pollux": pollux(result(f"closed{clients}")), "wrk": wrk(clients)} for clients in (1, 16, 64)},
    "counts": {name: {"pollux": result(name)["totals"]["responses"], "access_log": lines[f"/?{name}"]} for name in names},
}))
PYTHON
