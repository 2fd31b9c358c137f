"""What the tests of test/tap/ share: the program behind a net_tap, the Linux kernel in front of it, and judges.

Each test program runs inside a network namespace of its own (scripts/netns). A Server starts `pollux serve`, whose tap
plx0 has the kernel on its other side:

    kernel 198.18.0.1, 2001:2::1  ---- plx0 ----  198.18.0.2, 2001:2::2 pollux

A Capture records plx0; judge() asks tshark about it. Every wait has an end. Processes are ended by their pid.
"""

import contextlib
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

POLLUX = os.environ.get("POLLUX", "pollux")
FULL = os.environ.get("POLLUX_TAP_FULL") == "1"
CANNOT_RUN = 77  # Meson's exit code for a test that cannot run here.

TAP = "plx0"
KERNEL4, KERNEL6 = "198.18.0.1", "2001:2::1"
POLLUX4, POLLUX6 = "198.18.0.2", "2001:2::2"
BOTH_FAMILIES = (POLLUX4, POLLUX6)
PORTS = {"http": 80, "echo": 7, "discard": 9, "chargen": 19}

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
START_LIMIT_S = 20
STOP_LIMIT_S = 20
# Enough for 64 MiB with its ACKs; longer runs are judged by their first packets.
CAPTURE_PACKETS = 300_000

# Counters of the kernel's TCP that grow only when a peer misbehaves.
KERNEL_COMPLAINTS = ("InErrs", "InCsumErrors", "PAWSEstab", "TCPChallengeACK")


# ---- bytes that both ends know ----

_TILE = bytes((i * 31 + 7) % 251 for i in range(251)) * 4096  # One period is 251 bytes.


def pattern_chunks(size):
    """The bytes of GET /bytes/SIZE: byte i is (i * 31 + 7) mod 251."""
    while size > 0:
        part = _TILE[:size] if size < len(_TILE) else _TILE
        yield part
        size -= len(part)


def pattern(size):
    return b"".join(pattern_chunks(size))


def pattern_sha256(size):
    digest = hashlib.sha256()
    for part in pattern_chunks(size):
        digest.update(part)
    return digest.hexdigest()


# ---- processes ----


def stop(process, how=signal.SIGINT, limit=STOP_LIMIT_S):
    """Asks a process to end and waits; one that does not is killed. Returns its exit code, None if it was killed."""
    if process.poll() is None:
        process.send_signal(how)
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def run(*command, limit=60, **options):
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(command, capture_output=True, text=True, timeout=limit, **options)


def wait_until(condition, limit, what):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {limit} s in vain for {what}")
        time.sleep(0.02)


# ---- the kernel's side ----


def prepare_namespace():
    """Refuses to work anywhere but in a namespace of our own, where only loopback is."""
    others = [name for name in os.listdir("/proc/sys/net/ipv4/conf") if name not in ("all", "default", "lo")]
    others = [name for name in others if name != TAP and name not in FALLBACK_DEVICES]
    if others:
        raise RuntimeError(f"run this through scripts/netns: there are other interfaces here: {', '.join(others)}")
    write_sysctl("net/ipv4/ip_local_port_range", "1024 65000")
    write_sysctl("net/ipv4/tcp_max_orphans", "65536", may_fail=True)
    for scope in ("all", "default"):
        # An address is usable at once, and the kernel says nothing that no test asked for.
        write_sysctl(f"net/ipv6/conf/{scope}/accept_dad", "0")
        write_sysctl(f"net/ipv6/conf/{scope}/router_solicitations", "0")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if os.geteuid() == 0:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (65536, max(hard, 65536)))
            return
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


# Devices that some kernels put into every new namespace.
FALLBACK_DEVICES = {"tunl0", "gre0", "gretap0", "erspan0", "sit0", "ip_vti0", "ip6_vti0", "ip6tnl0", "ip6gre0"}


def write_sysctl(name, value, may_fail=False):
    try:
        with open(f"/proc/sys/{name}", "w") as file:
            file.write(value)
    except OSError:
        if not may_fail:
            raise


def kernel_counters():
    """The kernel's TCP counters, as nstat reads them: those of Tcp: and TcpExt:."""
    counters = {}
    for path in ("/proc/net/snmp", "/proc/net/netstat"):
        with open(path) as file:
            lines = file.read().splitlines()
        for names, values in zip(lines[::2], lines[1::2]):
            kind, *names = names.split()
            if kind in ("Tcp:", "TcpExt:"):
                counters.update(zip(names, map(int, values.split()[1:])))
    return counters


def kernel_connections(*states):
    """The kernel's connections over the tap in these states of ss."""
    arguments = [word for state in states for word in ("state", state)]
    lines = run("ss", "-Htan", *arguments).stdout.splitlines()
    return [line for line in lines if "198.18.0." in line or "2001:2::" in line]


@contextlib.contextmanager
def kernel_loses(percent):
    """The kernel's side drops this share of what arrives from us, before its TCP sees it."""
    rule = f"numgen random mod 1000 < {round(percent * 10)} counter drop" if percent < 100 else "counter drop"
    table = f'table netdev plx {{\n chain ingress {{\n type filter hook ingress device "{TAP}" priority 0; policy accept;\n {rule}\n }}\n}}\n'
    made = run("nft", "-f", "-", input=table, stdin=None)
    if made.returncode != 0:
        raise RuntimeError(f"nft: {made.stderr}")
    try:
        yield
    finally:
        listed = run("nft", "list", "table", "netdev", "plx").stdout
        run("nft", "delete", "table", "netdev", "plx")
    dropped = int(re.search(r"counter packets (\d+)", listed).group(1))
    print(f"  the kernel's side dropped {dropped} packets", file=sys.stderr)
    if dropped == 0:
        raise AssertionError("the kernel's side was to drop packets and dropped none")


# ---- captures ----


class Capture:
    """tcpdump on the tap, whole frames, into a file."""

    def __init__(self, folder, packets=CAPTURE_PACKETS):
        self.path = os.path.join(folder, "capture.pcap")
        self.log_path = os.path.join(folder, "tcpdump.log")
        with open(self.log_path, "w") as log:
            # -B: 64 MiB, so that a busy machine loses none. -Z root: it need not change its user to write.
            command = ["tcpdump", "-i", TAP, "-n", "-s", "0", "-B", "65536", "-U", "-Z", "root", "-c", str(packets), "-w", self.path]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: "listening on" in self.log() or self.process.poll() is not None, 10, "tcpdump")

    def log(self):
        with open(self.log_path) as file:
            return file.read()

    def end(self):
        if self.process.poll() is None:
            time.sleep(1.2)  # libpcap gets a block of packets when it is full, or after a second.
        stop(self.process)

    def lost(self):
        found = re.search(r"(\d+) packets? dropped by kernel", self.log())
        return int(found.group(1)) if found else 0

    def tshark(self, display_filter, *fields):
        """The packets of a display filter, each as a tuple of fields (the frame number when none is named)."""
        wanted = fields or ("frame.number",)
        command = ["tshark", "-n", "-r", self.path]
        # TCP alone is judged: what it carries is no business of a dissector.
        for port in PORTS.values():
            command += ["-d", f"tcp.port=={port},data"]
        command += ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-Y", display_filter, "-T", "fields"]
        for field in wanted:
            command += ["-e", field]
        result = run(*command, limit=300)
        if result.returncode != 0:
            raise RuntimeError(f"tshark: {result.stderr[:1000]}")
        return [tuple(line.split("\t")) for line in result.stdout.splitlines()]

    def faults(self):
        """What an independent reader finds wrong, as lines; none is as it should be."""
        not_quoted = "!icmp && !icmpv6"  # what an error quotes is cut short, and was sent before
        judged = {
            "malformed": "_ws.malformed",
            "bad IP checksum": 'ip.checksum.status == "Bad" || icmp.checksum.status == "Bad" || icmpv6.checksum.status == "Bad"',
            # The kernel writes 0xffff where the sum is 0: equal in this arithmetic, but not to tshark.
            "bad TCP checksum": f'tcp.checksum.status == "Bad" && {not_quoted} && !(tcp.checksum == 0xffff && (ip.src == {KERNEL4} || ipv6.src == {KERNEL6}))',
            "ack_lost_segment": f"tcp.analysis.ack_lost_segment && {not_quoted}",
        }
        if self.lost():
            # The capture has holes of its own: an ACK of what is missing says nothing.
            del judged["ack_lost_segment"]
        found = self.tshark(" || ".join(f"({rule})" for rule in judged.values()), "frame.number", "_ws.col.Source", "_ws.col.Info")
        return [" ".join(line) for line in found]


# ---- the program ----


class Server:
    """`pollux serve KIND` with a tap; ready when made, its result file in `result` once it has ended."""

    def __init__(self, kind, *options, folder):
        self.kind = kind
        self.port = PORTS[kind]
        self.result_path = os.path.join(folder, "result.json")
        self.log_path = os.path.join(folder, "pollux.log")
        self.result = None
        port = f"tap:name={TAP},kernel={KERNEL4}/24,kernel={KERNEL6}/64"
        if "--port" in options:
            options = list(options)
            at = options.index("--port")
            port = options[at + 1]
            del options[at : at + 2]
        self.command = [POLLUX, "serve", kind, "--port", port, "--ip", f"{POLLUX4}/24", "--ip", f"{POLLUX6}/64", "--seed", "7", "--json", self.result_path, *options]
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until(self.is_ready, START_LIMIT_S, "the server to listen")
        except AssertionError:
            stop(self.process, signal.SIGTERM, 3)
            raise AssertionError(f"the server does not listen: {' '.join(self.command)}\n{self.log()}") from None

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}: {' '.join(self.command)}\n{self.log()}")
        return "listening" in self.log()

    def end(self):
        """Stops it as a user does, with one interrupt. Returns the exit code."""
        code = stop(self.process)
        if os.path.exists(self.result_path):
            with open(self.result_path) as file:
                self.result = json.load(file)
        return code


class TapTest(unittest.TestCase):
    """A test with a server, a capture and the kernel's counters around it.

    `kind` and `options` say which server, `where` what a command is put behind to run elsewhere. After each test the
    server is stopped in order, the capture is judged, and, unless `impaired`, the kernel must have had nothing to
    complain about.
    """

    kind = "http"
    options = ()
    where = ()
    impaired = False
    capture_packets = CAPTURE_PACKETS
    complaints = KERNEL_COMPLAINTS

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="pollux-tap-")
        self.addCleanup(self.remove_folder)
        self.server = self.start(self.kind, *self.options)
        self.before = kernel_counters()
        self.capture = Capture(self.folder, self.capture_packets)
        self.addCleanup(self.capture.end)
        self.ended = False

    def remove_folder(self):
        if os.environ.get("POLLUX_TAP_KEEP"):
            print(f"  kept {self.folder}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, kind, *options):
        server = Server(kind, *options, folder=self.folder)
        self.addCleanup(lambda: stop(server.process, signal.SIGTERM, 5))
        return server

    def tearDown(self):
        if not self._outcome.success:
            print(f"{self.id()} failed; the server's last words:\n{self.server.log()[-4000:]}", file=sys.stderr)
        elif not self.ended:
            self.end()

    def end(self):
        """Stops the server and judges what was seen. Returns the result file."""
        self.ended = True
        after = kernel_counters()
        self.capture.end()
        code = self.server.end()
        self.assertIn(code, (0, 130), f"the server did not stop in order\n{self.server.log()[-4000:]}")
        self.assertEqual(self.capture.faults()[:20], [], "tshark's verdict")
        if not self.impaired:
            complained = {name: after[name] - self.before[name] for name in self.complaints if after[name] != self.before[name]}
            self.assertEqual(complained, {}, "the kernel's counters")
        self.assertIsNotNone(self.server.result, "there is no result file")
        self.assertEqual(self.server.result["schema"], "pollux.result/1")
        return self.server.result

    # ---- what tests do with it ----

    def connect(self, address=POLLUX4, port=None, limit=30, receive_buffer=None):
        """A blocking socket of the kernel's; every call on it ends within `limit` seconds."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        client = socket.socket(family, socket.SOCK_STREAM)
        self.addCleanup(client.close)
        client.settimeout(limit)
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.connect((address, port or self.server.port))
        return client

    def curl_sha256(self, address, size, limit, *options):
        """Fetches /bytes/SIZE with curl. Returns (sha256, bytes, seconds)."""
        host = f"[{address}]" if ":" in address else address
        url = f"http://{host}:{self.server.port}/bytes/{size}"
        start = time.monotonic()
        digest, count = hashlib.sha256(), 0
        command = [*self.where, "curl", "-sS", "--fail", "--max-time", str(limit), *options, url]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            while part := process.stdout.read(MIB):
                digest.update(part)
                count += len(part)
            code = process.wait(10)
            self.assertEqual(code, 0, f"{' '.join(command)} after {count} bytes: {process.stderr.read().decode()}")
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()
        return digest.hexdigest(), count, time.monotonic() - start

    def assert_fetches(self, address, size, limit=120):
        digest, count, seconds = self.curl_sha256(address, size, limit)
        self.assertEqual(count, size)
        self.assertEqual(digest, pattern_sha256(size))
        if size >= MIB:
            print(f"  {address}: {size / MIB:.0f} MiB in {seconds:.2f} s, {size * 8 / 1e6 / seconds:.0f} Mb/s", file=sys.stderr)


def receive_all(client, size=None):
    """Everything up to the end of file, or `size` bytes."""
    parts, count = [], 0
    while size is None or count < size:
        part = client.recv(MIB if size is None else min(MIB, size - count))
        if not part:
            break
        parts.append(part)
        count += len(part)
    return b"".join(parts)


def receive_http(client):
    """One response that ends with the connection: (status line and headers, body)."""
    head, _, body = receive_all(client).partition(b"\r\n\r\n")
    return head.decode(), body


def main():
    if shutil.which(POLLUX) is None:
        sys.exit(f"{sys.argv[0]}: no program {POLLUX}; set POLLUX")
    if not os.path.exists("/dev/net/tun"):
        print("there is no /dev/net/tun", file=sys.stderr)
        sys.exit(CANNOT_RUN)
    prepare_namespace()
    unittest.main(verbosity=2)
