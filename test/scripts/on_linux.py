#!/usr/bin/env python3
"""What this machine's kernel does with scripts: scripts/netns python3 test/scripts/on_linux.py [SCRIPT...]

Makes the calls of a script on the kernel's sockets and sends its packets through a TUN device, at the script's times.
What was on that wire is written to NAME.linux.pcap beside the script; without SCRIPT, for all that have such a capture.
Half of them go over IPv6, chosen by their names, where the script does not say. Prints where a packet that the script
expects did not come in time, or a call gave something else: what Pollux does otherwise than Linux is judged by
`pollux stacktest script --beside-linux` from the captures, and listed with its reason in linux.differences.

Of packetdrill's dialect it knows TCP packets of one connection, calls that do not block, and sysctls.
"""

import ctypes
import errno
import fcntl
import glob
import os
import re
import select
import socket
import struct
import subprocess
import sys
import time
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
LOCAL = ("198.18.0.1", "2001:2::1")
REMOTE = ("198.18.0.2", "2001:2::2")
MTU = (1500, 1520)  # as `pollux stacktest script` has it: the MSS is the same
SERVER_PORT, PEER_PORT = 8080, 40000
SLACK = 0.3  # seconds that a packet may come later than the script says
GRACE = 0.02  # what Linux sends at the end of a script has come by then

FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, ".": 16, "U": 32, "E": 64, "W": 128, "-": 0}
SYN, ACK = 2, 16
OPTION_NOP, OPTION_TIMESTAMPS = 1, 8

TIME = re.compile(r"(\*|\+?[\d.]+(?:~\+?[\d.]+)?)\s+(.*)")
PACKET = re.compile(
    r"([<>]) ([FSRPUEW]*\.?|-) (\d+):(\d+)\((\d+)\)(?: ack (\d+))?(?: win (\d+))?(?: urg (\d+))?(?: <([^>]*)>)?$"
)
CALL = re.compile(r"(\w+)\((.*)\) = (-?\d+)(?: (E\w+).*)?$")


class NotHere(Exception):
    """The script asks for something that this program does not know."""


# ---- scripts ----


class Script:
    """options, sysctls, and events: (how long after the one before, or None; what)."""

    def __init__(self, path):
        self.options, self.sysctls, self.events = {}, [], []
        with open(path, encoding="utf-8") as file:
            lines = [line.split("//", 1)[0].strip() for line in file]
        for line in filter(None, lines):
            if line.startswith("--"):
                name, _, value = line[2:].partition("=")
                self.options[name] = value
            elif line.startswith("`"):
                self.sysctls += re.findall(r'(net\.[\w.]+="[^"]*"|net\.[\w.]+=\S+)', line.strip("`"))
            else:
                self.add_event(line)

    def add_event(self, line):
        match = TIME.match(line)
        if not match or ".." in match.group(1):  # a call that blocks has a time of its end, too
            raise NotHere(line)
        at, what = match.groups()
        if not what.startswith("%{"):
            self.events.append((None if at == "*" else float(at.split("~")[0].lstrip("+")), what))

    def family(self, path):
        version = self.options.get("ip_version")
        if version:
            return int(version == "ipv6")
        return zlib.crc32(os.path.relpath(path, HERE).encode()) % 2


def text(first, size):
    """The bytes that `pollux stacktest script` writes, from the number `first` of a stream on."""
    return bytes((i * 7 + (i >> 8) * 13 + 1) & 0xFF for i in range(first, first + size))


# ---- packets ----


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Flow:
    """What the numbers of a script are on the wire. The peer's own are as in the script."""

    def __init__(self, v6):
        self.v6 = v6
        self.ports = [SERVER_PORT, PEER_PORT]  # the kernel's, the peer's
        self.isn = 0  # the kernel's
        self.peer_isn = 0
        self.timestamp = None  # the kernel's first: on the wire, less that in the script

    def option(self, words):
        name, *rest = words
        numbers = [int(word) for word in rest if word.isdigit()]
        if name in ("nop", "eol"):
            return bytes([name == "nop"])
        if name == "mss":
            return struct.pack("!BBH", 2, 4, *numbers)
        if name == "wscale":
            return struct.pack("!BBB", 3, 3, *numbers)
        if name == "sackOK":
            return struct.pack("!BB", 4, 2)
        if name == "TS":
            val, ecr = numbers
            return struct.pack("!BBII", 8, 10, val, (ecr + (self.timestamp or 0)) % 2**32 if ecr else 0)
        if name == "sack":
            edges = [(int(edge) + self.isn) % 2**32 for block in rest for edge in block.split(":")]
            return struct.pack(f"!BB{len(edges)}I", 5, 2 + 4 * len(edges), *edges)
        raise NotHere(name)

    def packet(self, match):
        """An IP packet of the peer."""
        _, letters, seq, _, size, ack, window, urgent, options = match.groups()
        flags = sum(FLAGS[letter] for letter in letters)
        if flags & SYN:
            self.peer_isn = int(seq)
        data = text((int(seq) + bool(flags & SYN) - self.peer_isn - 1) % 2**32, int(size))
        packed = b"".join(self.option(one.split()) for one in (options or "").split(",") if one)
        packed += b"\0" * (-len(packed) % 4)
        acked = (int(ack) + self.isn) % 2**32 if ack else 0
        header = struct.pack("!HHIIBBHHH", self.ports[1], self.ports[0], int(seq), acked, (20 + len(packed)) // 4 << 4, flags,
                             int(window or 0), 0, int(urgent or 0))
        return self.on_ip(header + packed + data)

    def on_ip(self, segment):
        family = socket.AF_INET6 if self.v6 else socket.AF_INET
        ends = socket.inet_pton(family, REMOTE[self.v6]) + socket.inet_pton(family, LOCAL[self.v6])
        if self.v6:
            header = struct.pack("!IHBB", 6 << 28, len(segment), 6, 64) + ends
        else:
            header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 1, 0x4000, 64, 6, 0) + ends
            header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
        pseudo = ends + struct.pack("!II", len(segment), 6)
        return header + segment[:16] + struct.pack("!H", checksum(pseudo + segment)) + segment[18:]

    def learn(self, segment, expected):
        """Of the kernel's first SYN, what its numbers are; `expected`: the line of the script for it."""
        self.ports[0], self.ports[1], seq = struct.unpack_from("!HHI", segment)
        self.isn = (seq - int(expected.group(3))) % 2**32
        stamp = re.search(r"TS val (\d+)", expected.group(9) or "")
        options = segment[20 : (segment[12] >> 4) * 4]
        at = 0
        while stamp and at < len(options):
            if options[at] == OPTION_TIMESTAMPS:
                self.timestamp = (struct.unpack_from("!I", options, at + 2)[0] - int(stamp.group(1))) % 2**32
            at += 1 if options[at] <= OPTION_NOP else options[at + 1]


def tcp_of(packet, v6):
    """The TCP segment of an IP packet of the kernel; None: it has none."""
    if packet[0] >> 4 != (6 if v6 else 4) or packet[6 if v6 else 9] != 6:
        return None
    return packet[40:] if v6 else packet[(packet[0] & 15) * 4 :]


# ---- the kernel ----


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def open_tun(v6, script):
    """A network namespace of this process' own, with nothing in it but the device."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"tun0", IFF_TUN | IFF_NO_PI))
    run("ip", "link", "set", "tun0", "mtu", script.options.get("mtu", str(MTU[v6])), "up")
    run("ip", "addr", "add", LOCAL[v6] + ("/64" if v6 else "/24"), "dev", "tun0", *(["nodad"] if v6 else []))
    while b" qdisc noop " in subprocess.run(["ip", "-o", "link", "show", "tun0"], check=True, capture_output=True).stdout:
        time.sleep(0.001)  # what the kernel sends meanwhile is lost
    for setting in script.sysctls:
        run("sysctl", "-qw", setting.replace('"', ""))
    return tun


class Calls:
    """The system calls of a script: what each gives, a number or the name of an error."""

    def __init__(self, v6):
        self.v6 = v6
        self.sockets = {}
        self.written = {}

    def __call__(self, name, arguments, result):
        handler = getattr(self, "do_" + name, None)
        if handler is None:
            raise NotHere(name)
        try:
            return handler(re.split(r",\s*(?![^{\[]*[}\]])", arguments), int(result))
        except OSError as error:
            return errno.errorcode[error.errno]

    def do_socket(self, arguments, result):
        if arguments[0] != "...":
            raise NotHere(arguments[0])
        self.sockets[result] = socket.socket(socket.AF_INET6 if self.v6 else socket.AF_INET)
        self.sockets[result].setblocking(False)
        return result

    def of(self, arguments):
        return self.sockets[int(arguments[0])]

    def do_bind(self, arguments, _):
        if arguments[1] != "...":
            raise NotHere(arguments[1])
        self.of(arguments).bind((LOCAL[self.v6], SERVER_PORT))
        return 0

    def do_listen(self, arguments, _):
        self.of(arguments).listen(int(arguments[1]))
        return 0

    def do_accept(self, arguments, result):
        self.sockets[result] = self.of(arguments).accept()[0]
        self.sockets[result].setblocking(False)
        return result

    def do_connect(self, arguments, _):
        if arguments[1] != "...":
            raise NotHere(arguments[1])
        self.of(arguments).connect((REMOTE[self.v6], SERVER_PORT))
        return 0

    def do_read(self, arguments, _):
        return len(self.of(arguments).recv(int(arguments[2])))

    do_recv = do_read

    def do_write(self, arguments, _):
        fd, size = int(arguments[0]), int(arguments[2])
        sent = self.of(arguments).send(text(self.written.get(fd, 0), size), self.flags(arguments[3:]))
        self.written[fd] = self.written.get(fd, 0) + sent
        return sent

    do_send = do_write

    def flags(self, words):
        return sum(getattr(socket, word) for word in words if word != "0")

    def do_shutdown(self, arguments, _):
        self.of(arguments).shutdown(getattr(socket, arguments[1]))
        return 0

    def do_close(self, arguments, _):
        self.sockets.pop(int(arguments[0])).close()
        return 0

    def option(self, arguments):
        return [getattr(socket, word.replace("SOL_TCP", "IPPROTO_TCP")) for word in arguments[1:3]]

    def do_setsockopt(self, arguments, _):
        value = arguments[3]
        linger = re.match(r"{onoff=(\d+),\s*linger=(\d+)}", value)
        packed = struct.pack("ii", *map(int, linger.groups())) if linger else int(value.strip("[]"))
        self.of(arguments).setsockopt(*self.option(arguments), packed)
        return 0

    def do_getsockopt(self, arguments, _):
        value = self.of(arguments).getsockopt(*self.option(arguments))
        wanted = arguments[3].strip("[]")
        wanted = getattr(errno, wanted, None) if wanted.startswith("E") else int(wanted)
        return 0 if value == wanted else f"a value of {value}"

    def do_fcntl(self, _, __):
        return 0


class Run:
    """One script, on the kernel. `kept`: (time, from the kernel, packet) of all that was on the wire."""

    def __init__(self, script, v6):
        self.script, self.v6 = script, v6
        self.tun = open_tun(v6, script)
        self.flow = Flow(v6)
        self.calls = Calls(v6)
        self.kept, self.unclaimed, self.complaints = [], [], []
        self.learnt = False

    def take_until(self, end, enough=lambda: False):
        """Takes what the kernel sends, until then or until it is enough."""
        while not enough():
            left = end - time.monotonic()
            if not select.select([self.tun], [], [], max(left, 0))[0]:
                if left <= 0:
                    return
                continue
            packet = os.read(self.tun, 65536)
            segment = tcp_of(packet, self.v6)
            if segment is not None:
                self.kept.append((time.time(), True, packet))
                self.unclaimed.append(segment)

    def expect(self, match, line, due):
        size = int(match.group(5))
        got = lambda: sum(len(s) - (s[12] >> 4) * 4 for s in self.unclaimed)
        self.take_until(due + SLACK, lambda: self.unclaimed and got() >= size)
        if not self.unclaimed:
            self.complaints.append(f"nothing was sent for: {line}")
            return
        first = self.unclaimed[0]
        if not self.learnt and first[13] & SYN:
            self.learnt = True
            self.flow.learn(first, match)
        claimed = 0
        while self.unclaimed and (claimed == 0 or claimed < size):
            segment = self.unclaimed.pop(0)
            claimed += len(segment) - (segment[12] >> 4) * 4
            if size == 0:
                break

    def call(self, match, line):
        name, arguments, result, error = match.groups()
        wanted = error or int(result)
        end = time.monotonic() + SLACK
        given = self.calls(name, arguments, result)
        while given == "EAGAIN" != wanted and time.monotonic() < end:  # the packet before it is still on its way
            self.take_until(time.monotonic() + 0.002)
            given = self.calls(name, arguments, result)
        if given != wanted:
            self.complaints.append(f"{line}: Linux gives {given}")

    def step(self, after, what):
        due = time.monotonic() + (after or 0)
        packet = PACKET.match(what)
        if packet and packet.group(1) == ">":
            self.expect(packet, what, due if after is not None else due + 2)
            return
        self.take_until(due)
        call = CALL.match(what)
        if packet:
            data = self.flow.packet(packet)
            self.kept.append((time.time(), False, data))
            os.write(self.tun, data)
        elif call:
            self.call(call, what)
        else:
            raise NotHere(what)

    def all(self):
        for after, what in self.script.events:
            self.step(after, what)
        self.take_until(time.monotonic() + GRACE)


def write_pcap(path, kept, v6):
    """With Ethernet, as the captures of `pollux stacktest` are."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for at, sent, packet in kept:
            ends = (b"\2\0\0\0\0\2", b"\2\0\0\0\0\1") if sent else (b"\2\0\0\0\0\1", b"\2\0\0\0\0\2")
            frame = b"".join(ends) + struct.pack("!H", 0x86DD if v6 else 0x0800) + packet
            file.write(struct.pack("<IIII", int(at), int(at % 1 * 1e6), len(frame), len(frame)) + frame)


def capture_of(path):
    return path.removesuffix(".pkt") + ".linux.pcap"


def record(path):
    """In a child, whose namespace and sockets end with it. True: Linux did what the script says."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    code = 2
    try:
        script = Script(path)
        v6 = script.family(path)
        one = Run(script, v6)
        one.all()
        write_pcap(capture_of(path), one.kept, v6)
        for complaint in one.complaints:
            print(f"{path}: {complaint}", flush=True)
        code = 1 if one.complaints else 0
    except NotHere as what:
        print(f"{path}: this program does not know `{what}`", flush=True)
    except Exception as error:  # the child must not go on as the parent
        print(f"{path}: {error!r}", flush=True)
    finally:
        os._exit(code)


def main(paths):
    if not paths:
        captures = glob.glob(os.path.join(HERE, "**/*.linux.pcap"), recursive=True)
        paths = sorted(path.removesuffix(".linux.pcap") + ".pkt" for path in captures)
    done = [record(os.path.abspath(path)) for path in paths]
    print(f"{len(done)} scripts, {sum(done)} of them as they say")


if __name__ == "__main__":
    main(sys.argv[1:])
