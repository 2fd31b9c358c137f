#!/usr/bin/env python3
"""Records the golden captures: scripts/netns python3 test/pcap/record.py [NAME...]

Linux talks to Linux over two veth pairs, with this program between them, which loses, holds and repeats frames as a
scenario says and writes what it passes on. Each end has a network namespace of its own and no offloads, so that
checksums are right and no frame is larger than the MTU. SACK is off: Pollux does not offer it.

    client 198.18.0.1, 2001:2::1  e0 -- m0  this program  m1 -- e0  server 198.18.0.2, 2001:2::2
"""

import ctypes
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CLONE_NEWNET = 0x40000000
PORT = 80
ADDRESSES = {"client": ("198.18.0.1", "2001:2::1"), "server": ("198.18.0.2", "2001:2::2")}
NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
FIN, SYN, RST, ACK = 1, 2, 4, 16


def text(size):
    return bytes((i * 7 + (i >> 8) * 13 + 1) & 0xFF for i in range(size))


def read(sock, size):
    got = b""
    while len(got) < size:
        part = sock.recv(size - len(got))
        if not part:
            break
        got += part
    return got


def read_to_end(sock):
    return read(sock, 1 << 30)


# ---- a frame, as far as rules ask ----


class Tcp:
    """flags and the size of the text of an Ethernet frame with TCP; ValueError if it is none."""

    def __init__(self, frame):
        kind = struct.unpack_from("!H", frame, 12)[0]
        if kind == 0x0800 and frame[23] == 6:
            start, end = 34, 14 + struct.unpack_from("!H", frame, 16)[0]
        elif kind == 0x86DD and frame[20] == 6:
            start, end = 54, 54 + struct.unpack_from("!H", frame, 18)[0]
        else:
            raise ValueError
        self.flags = frame[start + 13]
        self.size = end - start - (frame[start + 12] >> 4) * 4


class Rule:
    """What becomes of a frame: the frames that are passed on now, each with the way it goes (0: to the server)."""

    def __init__(self):
        self.count = [0, 0]  # frames with text, by way

    def pass_on(self, frame, tcp, way):
        return [(frame, way)]

    def __call__(self, frame, way):
        tcp = Tcp(frame)
        self.count[way] += tcp.size > 0
        return self.pass_on(frame, tcp, way)


class LoseText(Rule):
    """The nth frame with text of the server."""

    lost = False

    def pass_on(self, frame, tcp, way):
        if way == 1 and tcp.size > 0 and self.count[1] == 5 and not self.lost:
            self.lost = True
            return []
        return [(frame, way)]


class LoseSynAck(Rule):
    lost = False

    def pass_on(self, frame, tcp, way):
        if tcp.flags & (SYN | ACK) == SYN | ACK and not self.lost:
            self.lost = True
            return []
        return [(frame, way)]


class SwapText(Rule):
    """The server's fourth frame with text comes after its fifth."""

    held = None

    def pass_on(self, frame, tcp, way):
        if way == 1 and tcp.size > 0 and self.count[1] == 4 and self.held is None:
            self.held = frame
            return []
        if way == 1 and tcp.size > 0 and self.count[1] == 5:
            return [(frame, way), (self.held, way)]
        return [(frame, way)]


class RepeatText(Rule):
    """The client's second frame with text comes twice."""

    def pass_on(self, frame, tcp, way):
        twice = way == 0 and tcp.size > 0 and self.count[0] == 2
        return [(frame, way)] * (2 if twice else 1)


class CrossFins(Rule):
    """The first FIN waits until there is one from the other side."""

    held = None
    crossed = False

    def pass_on(self, frame, tcp, way):
        if self.crossed or not tcp.flags & FIN:
            return [(frame, way)]
        if self.held is None:
            self.held = (frame, way)
            return []
        if way == self.held[1]:
            return []  # Sent again while it waits.
        self.crossed = True
        return [self.held, (frame, way)]


# ---- what the ends do ----


def answer_and_close_last(sock):
    read(sock, 100)
    sock.sendall(text(1000))
    read_to_end(sock)


def ask_and_close(sock):
    sock.sendall(text(100))
    read(sock, 1000)


def send_and_close(size):
    def act(sock):
        sock.sendall(text(size))
        sock.shutdown(socket.SHUT_WR)
        read_to_end(sock)

    return act


def answer_at_the_end(sock):
    read_to_end(sock)
    sock.sendall(text(8000))


def ask_then_half_close(sock):
    sock.sendall(text(5000))
    sock.shutdown(socket.SHUT_WR)
    read_to_end(sock)


def send_in_parts(sock):
    for _ in range(4):
        sock.sendall(text(500))
        time.sleep(0.02)
    read(sock, 10)


def read_parts(sock):
    read(sock, 2000)
    sock.sendall(text(10))
    read_to_end(sock)


def reset_after_text(sock):
    sock.sendall(text(1000))
    read(sock, 10)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def answer_then_wait(sock):
    read(sock, 1000)
    sock.sendall(text(10))
    try:
        sock.recv(1)
    except ConnectionResetError:
        pass


def read_late(sock):
    time.sleep(1)
    read_to_end(sock)


def idle_with_keep_alive(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    sock.sendall(text(10))
    time.sleep(2.5)


def close_both(sock):
    sock.sendall(text(300))
    read(sock, 300)
    sock.shutdown(socket.SHUT_WR)
    read_to_end(sock)


class Scenario:
    def __init__(self, server, client, v6=False, rule=Rule, sysctls=(), receive_buffer=None):
        self.server, self.client, self.v6, self.rule = server, client, v6, rule
        self.sysctls, self.receive_buffer = sysctls, receive_buffer


SCENARIOS = {
    "client_closes": Scenario(answer_and_close_last, ask_and_close),
    "server_closes": Scenario(send_and_close(3000), read_to_end, v6=True),
    "half_close": Scenario(answer_at_the_end, ask_then_half_close),
    "refused": Scenario(None, None),
    "bulk": Scenario(send_and_close(40_000), read_to_end, v6=True),
    "lost_text": Scenario(send_and_close(20_000), read_to_end, rule=LoseText),
    "lost_syn_ack": Scenario(answer_and_close_last, ask_and_close, rule=LoseSynAck),
    "swapped_text": Scenario(send_and_close(20_000), read_to_end, v6=True, rule=SwapText),
    "repeated_text": Scenario(read_parts, send_in_parts, rule=RepeatText),
    "reset": Scenario(answer_then_wait, reset_after_text),
    "zero_window": Scenario(read_late, send_and_close(30_000), receive_buffer=4000),
    "no_options": Scenario(answer_at_the_end, ask_then_half_close, sysctls=("tcp_timestamps=0", "tcp_window_scaling=0")),
    "crossing_fins": Scenario(close_both, close_both, v6=True, rule=CrossFins),
    "keep_alive": Scenario(read_to_end, idle_with_keep_alive),
}


# ---- the ends' namespaces ----


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def enter_namespace(end, pipes, scenario):
    """In a child: a namespace with e0 in it, which the parent makes, ready to be used."""
    ready, go = pipes
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    os.write(ready, b"n")
    os.read(go, 1)
    for setting in ("net.ipv6.conf.e0.accept_dad=0", "net.ipv4.tcp_sack=0", *(f"net.ipv4.{s}" for s in scenario.sysctls)):
        run("sysctl", "-qw", setting)
    run("ip", "link", "set", "lo", "up")
    run("ethtool", "-K", "e0", "tx", "off", "tso", "off", "gso", "off", "gro", "off")
    run("ip", "addr", "add", ADDRESSES[end][0] + "/24", "dev", "e0")
    run("ip", "-6", "addr", "add", ADDRESSES[end][1] + "/64", "dev", "e0", "nodad")
    run("ip", "link", "set", "e0", "up")
    os.write(ready, b"r")
    os.read(go, 1)


def be_server(scenario, ready):
    listener = socket.socket(socket.AF_INET6 if scenario.v6 else socket.AF_INET)
    if scenario.receive_buffer:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, scenario.receive_buffer)
    listener.setsockopt(*NO_DELAY)
    listener.bind((ADDRESSES["server"][scenario.v6], PORT))
    if scenario.server is None:
        os.write(ready, b"l")
        return
    listener.listen()
    os.write(ready, b"l")
    sock, _ = listener.accept()
    sock.settimeout(10)
    scenario.server(sock)
    sock.close()


def be_client(scenario, ready):
    sock = socket.socket(socket.AF_INET6 if scenario.v6 else socket.AF_INET)
    sock.settimeout(10)
    sock.setsockopt(*NO_DELAY)
    try:
        sock.connect((ADDRESSES["server"][scenario.v6], PORT))
    except ConnectionRefusedError:
        return
    scenario.client(sock)
    sock.close()


class End:
    """One end, in a process of its own."""

    def __init__(self, end, link, scenario, act):
        ready_r, ready_w = os.pipe()
        go_r, go_w = os.pipe()
        self.ready, self.go = ready_r, go_w
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                enter_namespace(end, (ready_w, go_r), scenario)
                act(scenario, ready_w)
                code = 0
            finally:
                os.read(go_r, 1)  # The namespace stays until the last frame has passed.
                os._exit(code)
        os.read(self.ready, 1)
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "e0", "netns", str(self.pid))
        run("sysctl", "-qw", f"net.ipv6.conf.{link}.disable_ipv6=1")
        run("ip", "link", "set", link, "up")
        self.tell()
        os.read(self.ready, 1)

    def tell(self):
        os.write(self.go, b"g")

    def wait(self):
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


# ---- between them ----


class Middle:
    """Passes frames from one link to the other, and keeps the TCP ones."""

    def __init__(self, links, rule):
        self.sockets = [socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) for _ in links]
        for sock, link in zip(self.sockets, links):
            sock.bind((link, 0))
        self.rule = rule
        self.kept = []
        self.over = False
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        while not self.over:
            for sock in select.select(self.sockets, [], [], 0.05)[0]:
                frame, address = sock.recvfrom(65536)
                if address[2] != socket.PACKET_OUTGOING:
                    self.take(frame, self.sockets.index(sock))

    def take(self, frame, way):
        try:
            passed = self.rule(frame, way)
        except ValueError:
            self.sockets[1 - way].send(frame)
            return
        for other, its_way in passed:
            self.sockets[1 - its_way].send(other)
            self.kept.append((time.time(), other))

    def end(self):
        self.over = True
        self.thread.join()
        for sock in self.sockets:
            sock.close()


def write_pcap(path, frames):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for at, frame in frames:
            file.write(struct.pack("<IIII", int(at), int(at % 1 * 1e6), len(frame), len(frame)) + frame)


def record(name, scenario):
    server = End("server", "m1", scenario, be_server)
    client = End("client", "m0", scenario, be_client)
    middle = Middle(("m0", "m1"), scenario.rule())
    server.tell()
    os.read(server.ready, 1)
    client.tell()
    # Both have closed when nothing has passed for a while.
    end = time.monotonic() + 20
    while time.monotonic() < end and not (middle.kept and time.time() - middle.kept[-1][0] > 2.2):
        time.sleep(0.1)
    middle.end()
    for one in (server, client):
        one.tell()
    codes = [one.wait() for one in (server, client)]
    for link in ("m0", "m1"):  # A namespace whose last process has ended goes when the kernel finds time.
        subprocess.run(["ip", "link", "del", link], check=False, stderr=subprocess.DEVNULL)
    path = os.path.join(HERE, f"{name}.pcap")
    write_pcap(path, middle.kept)
    print(f"{name}: {len(middle.kept)} frames, {os.path.getsize(path)} bytes, ends exited with {codes}", flush=True)
    return codes == [0, 0]


def main(names):
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        sys.exit(f"there is no scenario {unknown[0]}; there are {', '.join(SCENARIOS)}")
    results = [record(name, SCENARIOS[name]) for name in names or SCENARIOS]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
