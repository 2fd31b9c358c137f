# To be sourced: what dpdk-testpmd moves over a memif pair between two cores, one for each port.

# huge_pages: whether there are enough of them for two programs.
huge_pages() { [ "$(awk '/HugePages_Free/ { print $2 }' /proc/meminfo)" -ge 256 ]; }

# testpmd_packets DIR SECONDS: packets a second each way, the median of the seconds. Socket and log go into DIR.
testpmd_packets() {
  local dir=$1 seconds=$2 pages
  pages=$(huge_pages && echo --in-memory || echo "--no-huge -m 1024")
  memif() { echo "--vdev=net_memif$1,role=$2,id=0,socket=$dir/testpmd.sock,socket-abstract=no,rsize=12"; }
  # `sleep` keeps its standard input open: at the end of it testpmd would stop.
  sleep $((seconds + 3)) | timeout -s INT $((seconds + 2)) dpdk-testpmd --lcores '0@0,1@0,2@1' $pages --no-pci --no-telemetry \
    --log-level=lib.eal:warning "$(memif 0 server)" "$(memif 1 client)" -- --nb-cores=2 --total-num-mbufs=65536 --forward-mode=io --tx-first \
    --no-lsc-interrupt --stats-period 1 >"$dir/testpmd.log" 2>&1 || true
  python3 - "$dir/testpmd.log" <<'PYTHON'
import re
import statistics
import sys

with open(sys.argv[1], errors="replace") as file:
    log = file.read()
moving = [int(rate) for rate in re.findall(r"Rx-pps:\s+(\d+)", log) if rate != "0"]
if not moving:
    sys.exit("dpdk-testpmd moved nothing; its log: " + log[-2000:])
print(int(statistics.median(moving)))
PYTHON
}
