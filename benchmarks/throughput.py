"""Measure TCP through a link, a router and NAT, against a bare pair of veth devices.

Part of ``scripts/bench``; `measure.py` puts it on the page.  Both sides are sent and
received by the same program, which enters the network namespaces from outside.

"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator

from playground import Host, Lab, Link, Router
from playground.engines.namespaces.labels import find_nodes

SECONDS = 1.0

# Prints the port, then bytes and seconds, as what arrived tells them.
RECEIVE = """
import socket, time
server = socket.create_server(("0.0.0.0", 0))
print(server.getsockname()[1], flush=True)
line, _ = server.accept()
buffer, count, begin = bytearray(1 << 20), 0, time.perf_counter()
while size := line.recv_into(buffer):
    count += size
print(count, time.perf_counter() - begin, flush=True)
"""
SEND = """
import socket, sys, time
line = socket.create_connection((sys.argv[1], int(sys.argv[2])))
data, end = bytes(1 << 20), time.perf_counter() + float(sys.argv[3])
while time.perf_counter() < end:
    line.sendall(data)
"""
PLAIN = """
import sys
sys.path.insert(0, sys.argv[1])
from playground.agent.kernel.offloads import Offloads
Offloads().off("veth0")
"""

SECTION = """\
## TCP throughput

One connection for {seconds:g} s, in Gbit/s; each share is the median of those of the turns,
against a bare pair of veth devices measured in the same turn, with the same offloads. Links have
none unless `Link(offload=True)` asks for them: without, every frame is one of the textbook's, of
at most 1500 bytes and with its checksum.

| through | without offloads | share | with offloads | share |
|---|---|---|---|---|
{rows}
"""

# The process ids of both hosts, and the address to send to.
Ends = tuple[int, int, str]


def section(runs: int, say: Callable[[str], None]) -> str:
    """Measure all of it and return its part of the page."""
    say("throughput")
    ways = {
        "a bare pair of veth devices": bare,
        "a `Link`": link,
        "a `Router`": router,
        "a `Router` with NAT": nat,
    }
    rates: dict[tuple[str, bool], list[float]] = {}
    with contextlib.ExitStack() as stack:
        ends = {
            (what, offload): stack.enter_context(way(offload))
            for what, way in ways.items()
            for offload in (False, True)
        }
        for _ in range(runs):
            for key, end in ends.items():
                rates.setdefault(key, []).append(rate_gbit(*end))
    first = next(iter(ways))
    rows = []
    for what in ways:
        cells = []
        for offload in (False, True):
            ours, theirs = rates[what, offload], rates[first, offload]
            share = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
            cells += [f"{statistics.median(ours):.1f}", f"{100 * share:.0f} %"]
        rows.append(f"| {' | '.join([what, *cells])} |")
    return SECTION.format(seconds=SECONDS, rows="\n".join(rows))


def rate_gbit(sender: int, receiver: int, address: str) -> float:
    """Send for a while from one process's network to another's; return Gbit/s."""

    def inside(pid: int, *argv: str) -> list[str]:
        return ["nsenter", "--net", "-t", str(pid), sys.executable, "-I", "-S", "-c", *argv]

    with subprocess.Popen(inside(receiver, RECEIVE), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        subprocess.run(inside(sender, SEND, address, port, str(SECONDS)), check=True)
        count, seconds = process.stdout.readline().split()
    return 8e-9 * int(count) / float(seconds)


@contextlib.contextmanager
def bare(offload: bool) -> Iterator[Ends]:
    """Two namespaces and a pair, made by ip(8)."""
    with contextlib.ExitStack() as stack:
        pids = []
        for _ in range(2):
            command = ["unshare", "--net", "sh", "-c", "echo; exec sleep infinity"]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
            stack.callback(process.kill)
            assert process.stdout is not None
            process.stdout.readline()
            pids.append(process.pid)
        pair = "ip link add veth0 type veth peer name veth0 netns"
        enter(pids[0], *pair.split(), str(pids[1]))
        for number, pid in enumerate(pids, 1):
            enter(pid, *f"ip addr add 10.0.0.{number}/24 dev veth0".split())
            enter(pid, "ip", "link", "set", "veth0", "up")
            if not offload:
                top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
                enter(pid, sys.executable, "-c", PLAIN, top)
        yield pids[0], pids[1], "10.0.0.2"


def enter(pid: int, *argv: str) -> None:
    subprocess.run(["nsenter", "--net", "-t", str(pid), *argv], check=True)


@contextlib.contextmanager
def running(a: Host, b: Host) -> Iterator[Ends]:
    with Lab(a, name=f"bench-{id(a)}-{os.getpid()}", engine="namespaces", quiet=True) as lab:
        pids = {name: numbers[0] for name, numbers in find_nodes(lab.id).items()}
        address = str(lab.plan().node(b.name).interfaces[0].addresses[0].ip)
        yield pids[a.name], pids[b.name], address


@contextlib.contextmanager
def link(offload: bool) -> Iterator[Ends]:
    a, b = Host("a"), Host("b")
    Link(a, b, offload=offload)
    with running(a, b) as ends:
        yield ends


@contextlib.contextmanager
def router(offload: bool, translating: bool = False) -> Iterator[Ends]:
    a, middle, b = Host("a"), Router("middle"), Host("b")
    Link(a, middle, offload=offload)
    outer = Link(middle, b, offload=offload)
    if translating:
        middle.masquerade(outer)
    with running(a, b) as ends:
        yield ends


def nat(offload: bool) -> contextlib.AbstractContextManager[Ends]:
    return router(offload, translating=True)
