"""Traffic for facts about networks: small servers and clients that nodes run.

Nearly all of it is Python that a node runs, since what programs a host has depends on
its engine.  Nothing waits for time to pass: a server says when it listens.

"""

from __future__ import annotations

import json

from playground.operations.connection.commands import Job
from playground.operations.network import Host, Router

# Says who asks, on TCP or UDP, as "address port".
_SERVER = """
import socket, sys
kind, port = sys.argv[1], int(sys.argv[2])
family = socket.AF_INET6
if kind == "tcp":
    server = socket.create_server(("::", port), family=family, dualstack_ipv6=True)
else:
    server = socket.socket(family, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", port))
print("listening", flush=True)
while True:
    if kind == "tcp":
        line, who = server.accept()
        line.sendall(f"{who[0].removeprefix('::ffff:')} {who[1]}".encode())
        line.close()
    else:
        data, who = server.recvfrom(2048)
        print(who[0].removeprefix("::ffff:"), who[1], data.decode(), flush=True)
        server.sendto(b"answer to " + data, who)
"""

# Sends a datagram to each target that it is told, all from one port; says what comes back.
_SPEAKER = """
import select, socket, sys
speaker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
speaker.bind(("0.0.0.0", int(sys.argv[1])))
print("bound", flush=True)
while True:
    ready, _, _ = select.select([0, speaker], [], [])
    if 0 in ready:
        line = sys.stdin.buffer.raw.readline().decode()
        if not line:
            break
        address, port = line.split(":")
        speaker.sendto(b"hello", (address, int(port)))
    if speaker in ready:
        data, who = speaker.recvfrom(2048)
        print(who[0], data.decode(), flush=True)
"""


def serve(node: Host | Router, port: int, kind: str = "tcp") -> Job:
    """Start a server that says who asks; it listens when this returns."""
    job = node.start(["python3", "-c", _SERVER, kind, str(port)])
    assert job.stdout.readline() == "listening", job.stderr.read()
    return job


def speak(node: Host | Router, port: int) -> Job:
    """Start what sends a datagram from a port for each line "address:port" that it is written."""
    job = node.start(["python3", "-c", _SPEAKER, str(port)])
    assert job.stdout.readline() == "bound", job.stderr.read()
    return job


def ask(node: Host | Router, address: str, port: int, timeout_s: float = 1) -> str:
    """Connect by TCP; return what the server says, or "refused", "unreachable", "silence"."""

    def connect(address: str, port: int, timeout_s: float) -> str:
        import socket

        try:
            with socket.create_connection((address, port), timeout=timeout_s) as line:
                return line.recv(100).decode()
        except ConnectionRefusedError:
            return "refused"
        except TimeoutError:
            return "silence"
        except OSError:
            return "unreachable"

    return str(node.call(connect, address, port, timeout_s))


def send(node: Host | Router, address: str, port: int, timeout_s: float = 5) -> str:
    """Send a datagram; return the answer, or "refused" or "silence"."""

    def exchange(address: str, port: int, timeout_s: float) -> str:
        import socket

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.settimeout(timeout_s)
            line.connect((address, port))
            line.send(b"unasked")
            try:
                return line.recv(2048).decode()
            except ConnectionRefusedError:
                return "refused"
            except TimeoutError:
                return "silence"

    return str(node.call(exchange, address, port, timeout_s))


# Says how many bytes came on one connection, and in how many seconds.
_SINK = """
import socket, time
server = socket.create_server(("", 5201))
print("listening", flush=True)
line, _ = server.accept()
line.recv(1)
begin, count = time.monotonic(), 0
while data := line.recv(1 << 16):
    count += len(data)
    end = time.monotonic()
print(count, end - begin, flush=True)
"""


def tcp_mbit(source: Host, target: Host, seconds: float = 0.5) -> float:
    """Send by TCP for a while; return what arrived, in Mbit/s of payload."""

    def pour(address: str, seconds: float) -> None:
        import socket
        import time

        with socket.create_connection((address, 5201)) as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 17)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                line.sendall(bytes(1 << 14))

    with target.start(["python3", "-c", _SINK]) as sink:
        assert sink.stdout.readline() == "listening", sink.stderr.read()
        source.call(pour, target.address, seconds)
        count, took_s = (sink.stdout.readline() or "").split()
    return int(count) * 8 / 1e6 / float(took_s)


def iperf3_mbit(source: Host, target: Host, seconds: int = 1) -> float:
    """Send by TCP for a while; return what arrived, as iperf3(1) says, in Mbit/s."""
    with target.start(["iperf3", "--server", "--one-off", "--forceflush"]) as server:
        assert any("listening" in line for line in server.stdout), server.stderr.read()
        said = source.run(
            ["iperf3", "--client", str(target.address), "--time", str(seconds), "--json"]
        ).stdout
    return float(json.loads(said)["end"]["sum_received"]["bits_per_second"]) / 1e6
