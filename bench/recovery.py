"""Transfers over a bad wire: Linux to Linux (CUBIC) beside Pollux and Linux. Prints one JSON object.

    far namespace          here
    far0 198.18.0.1 ~ wire ~ near0 ( 198.18.0.2: Linux )
                     wire ~ near0 - tc - plx0 - Pollux: 198.18.0.2

The wire (bench/wire) loses, reorders and delays, in both directions, by a seed, the same for either endpoint. Of each pair
of runs one is Linux's, the other Pollux's, one straight after the other. A transfer's time is curl's or the sender's, from
connect to the last byte. In `to_far` the endpoint here sends (a few lines of python, or `pollux serve http`), in `from_far` it receives.
"""

import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading

POLLUX = os.environ["POLLUX"]
WIRE = os.path.join(os.path.dirname(os.path.dirname(POLLUX)), "bench/wire/wire")
SIZE = int(os.environ.get("POLLUX_BENCH_MIB", "32")) << 20
RUNS = int(os.environ.get("POLLUX_BENCH_RUNS", "3"))
DELAY_US = int(os.environ.get("POLLUX_BENCH_RTT_US", "1000")) // 2
CONDITIONS = {"loss 0.1 %": (0.001, 0), "loss 1 %": (0.01, 0), "loss 3 %": (0.03, 0), "loss 5 %": (0.05, 0), "reordering 3 %": (0, 0.03)}
CHOSEN = [name for name in CONDITIONS if os.environ.get("POLLUX_BENCH_CONDITION", "") in name]
DIRECTIONS = ("to_far", "from_far")
CHOSEN_DIRECTIONS = [name for name in DIRECTIONS if os.environ.get("POLLUX_BENCH_DIRECTION", name) == name]
FAR, NEAR = "198.18.0.1", "198.18.0.2"
HTTP, DISCARD = 80, 9
LIMIT_S = 900


def sh(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def process(*command, ready=None, **options):
    """Runs until the block ends; it has begun when a line of its output has `ready`. Gives its later output in a list."""
    # Whoever reads its input ends with us, whatever ends us.
    running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    lines = []
    for line in running.stdout if ready else ():
        lines.append(line)
        if ready in line:
            break
    else:
        if ready:
            raise RuntimeError(f"{' '.join(command)}:\n{''.join(lines)}")
    reader = threading.Thread(target=lambda: lines.extend(running.stdout), daemon=True)
    reader.start()
    try:
        yield running, lines
    finally:
        running.terminate()
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        reader.join()


class Wire:
    """Both taps with the wire between them; the far one in a namespace of its own, which is `far`, the id of a process."""

    def __init__(self, far):
        self.far = far
        self.did = None  # to the frames of the last transfer

    def in_far(self, *command):
        return ["nsenter", "-t", str(self.far), "-n", *command]

    @contextlib.contextmanager
    def up(self, seed, loss, reorder):
        with process(WIRE, "far0", "near0", str(seed), str(loss), str(reorder), str(DELAY_US), ready="ready") as (_, said):
            sh("ip", "link", "set", "far0", "netns", str(self.far))
            sh(*self.in_far("ip", "addr", "add", f"{FAR}/24", "dev", "far0"))
            sh(*self.in_far("ip", "link", "set", "far0", "up"))
            sh("ip", "link", "set", "near0", "up")
            yield
        self.did = json.loads(said[-1])


@contextlib.contextmanager
def linux(_):
    """Linux here: its address on the wire's end."""
    sh("ip", "addr", "add", f"{NEAR}/24", "dev", "near0")
    yield


@contextlib.contextmanager
def pollux(kind):
    """Pollux here: a tap of its own. What arrives on it goes to the wire's end, and what arrives there to it, with no bridge
    between. Its buffers are as large as Linux's may grow (tcp_rmem and tcp_wmem)."""
    buffers = ["--set", "tcp.rcvbuf_max=6MiB", "--set", "tcp.sndbuf=4MiB"]
    command = [POLLUX, "serve", kind, *buffers, "--port", "tap:name=plx0", "--ip", f"{NEAR}/24"]
    with process(*command, ready="listening"):
        for name, other in (("near0", "plx0"), ("plx0", "near0")):
            sh("ip", "link", "set", name, "up")
            sh("tc", "qdisc", "add", "dev", name, "ingress")
            sh("tc", "filter", "add", "dev", name, "ingress", "u32", "match", "u32", "0", "0",
               "action", "mirred", "egress", "redirect", "dev", other)
        yield


@contextlib.contextmanager
def linux_server(kind):
    with socket.create_server((NEAR, HTTP if kind == "http" else DISCARD)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")  # whatever this machine's own choice is
        thread = threading.Thread(target=serve_file if kind == "http" else discard, args=(listener,), daemon=True)
        thread.start()
        yield
        thread.join()


def serve_file(listener):
    client, _ = listener.accept()
    with client, tempfile.TemporaryFile() as file:
        client.recv(4096)
        client.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\nConnection: close\r\n\r\n".encode())
        file.truncate(SIZE)
        client.sendfile(file)


def discard(listener):
    client, _ = listener.accept()
    room = bytearray(1 << 20)
    with client:
        while client.recv_into(room):
            pass


def fetch(wire):
    """To the far side; seconds."""
    command = wire.in_far("curl", "-sS", "-m", str(LIMIT_S), "-o", "/dev/null", "-w",
                          "%{http_code} %{size_download} %{time_total}", f"http://{NEAR}:{HTTP}/bytes/{SIZE}")
    code, size, seconds = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    if (code, int(size)) != ("200", SIZE):
        raise RuntimeError(f"fetched {size} bytes of {SIZE}, status {code}")
    return float(seconds)


# From connect to the other side's end of file, which comes once it has read everything.
SENDER = """
import socket, sys, time
part, left = bytes(1 << 20), int(sys.argv[3])
begin = time.monotonic()
client = socket.socket()
client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
client.settimeout(float(sys.argv[4]))
client.connect((sys.argv[1], int(sys.argv[2])))
while left:
    left -= client.send(part[:left])
client.shutdown(socket.SHUT_WR)
assert client.recv(1) == b""
print(time.monotonic() - begin)
"""


def send(wire):
    """From the far side; seconds."""
    command = wire.in_far("python3", "-c", SENDER, NEAR, str(DISCARD), str(SIZE), str(LIMIT_S))
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def transfer(wire, whose, direction, seed, condition):
    kind = "http" if direction == "to_far" else "discard"
    with wire.up(seed, *CONDITIONS[condition]), contextlib.ExitStack() as here:
        if whose == "linux":
            here.enter_context(linux(kind))
            here.enter_context(linux_server(kind))
        else:
            here.enter_context(pollux(kind))
        return fetch(wire) if direction == "to_far" else send(wire)


def main():
    for name, chosen, all_there_are in (("CONDITION", CHOSEN, CONDITIONS), ("DIRECTION", CHOSEN_DIRECTIONS, DIRECTIONS)):
        if not chosen:
            sys.exit(f"recovery: POLLUX_BENCH_{name} is none of: {', '.join(all_there_are)}")
    result = {"mebibytes": SIZE >> 20, "rtt_us": 2 * DELAY_US, "runs": RUNS, "seconds": {}, "ratio": {}, "wire": {}}
    with process("unshare", "-n", "sh", "-c", "echo ready; exec cat", ready="ready") as (far, _):
        wire = Wire(far.pid)
        for where in ([], wire.in_far()):
            # What draws fates is to be TCP's, and no run is to know of the one before.
            for key in ("net.ipv6.conf.all.disable_ipv6", "net.ipv6.conf.default.disable_ipv6", "net.ipv4.tcp_no_metrics_save"):
                sh(*where, "sysctl", "-w", f"{key}=1")
        for condition in CHOSEN:
            for direction in CHOSEN_DIRECTIONS:
                seconds, wires = {"linux": [], "pollux": []}, {"linux": [], "pollux": []}
                for seed in range(1, RUNS + 1):
                    for whose, all_of_it in seconds.items():
                        all_of_it.append(round(transfer(wire, whose, direction, seed, condition), 3))
                        wires[whose].append(wire.did)
                median = {whose: statistics.median(all_of_it) for whose, all_of_it in seconds.items()}
                ratio = round(median["pollux"] / median["linux"], 2)
                print(f"{condition:15} {direction:9} linux {median['linux']:7.2f} s  pollux {median['pollux']:7.2f} s  {ratio}", file=sys.stderr, flush=True)
                result["seconds"].setdefault(condition, {})[direction] = seconds
                result["wire"].setdefault(condition, {})[direction] = wires
                result["ratio"].setdefault(condition, {})[direction] = ratio
    print(json.dumps(result))


main()
