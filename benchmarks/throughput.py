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
from collections.abc import Callable, Iterator, Mapping, Sequence

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
Offloads().off(sys.argv[2])
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
Way = Callable[[bool], contextlib.AbstractContextManager[Ends]]


def section(runs: int, say: Callable[[str], None]) -> str:
    """Measure all of it and return its part of the page."""
    say("throughput")
    rates = measure(WAYS, (False, True), runs)
    first = next(iter(WAYS))
    rows = []
    for what in WAYS:
        cells = []
        for offload in (False, True):
            ours, theirs = rates[what, offload], rates[first, offload]
            share = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
            cells += [f"{statistics.median(ours):.1f}", f"{100 * share:.0f} %"]
        rows.append(f"| {' | '.join([what, *cells])} |")
    return SECTION.format(seconds=SECONDS, rows="\n".join(rows))


def measure(
    ways: Mapping[str, Way], offloads: Sequence[bool], runs: int
) -> dict[tuple[str, bool], list[float]]:
    """Return the rates of each way without or with offloads, turn by turn, in Gbit/s."""
    rates: dict[tuple[str, bool], list[float]] = {}
    with contextlib.ExitStack() as stack:
        ends = {
            (what, offload): stack.enter_context(way(offload))
            for what, way in ways.items()
            for offload in offloads
        }
        for _ in range(runs):
            for key, end in ends.items():
                rates.setdefault(key, []).append(rate_gbit(*end))
    return rates


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
def networks(count: int) -> Iterator[list[int]]:
    """Networks made by unshare(1), as the process ids of what holds each."""
    with contextlib.ExitStack() as stack:
        pids = []
        for _ in range(count):
            command = ["unshare", "--net", "sh", "-c", "echo; exec sleep infinity"]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
            stack.callback(process.kill)
            assert process.stdout is not None
            process.stdout.readline()
            pids.append(process.pid)
        yield pids


def plug(ends: Sequence[tuple[int, str, str]], offload: bool) -> None:
    """Plug a pair of veth devices into two networks: each end a process id, a name, an address."""
    (pid, name, _), (other, other_name, _) = ends
    pair = f"ip link add {name} type veth peer name {other_name} netns {other}"
    enter(pid, *pair.split())
    for pid, name, address in ends:
        enter(pid, *f"ip addr add {address} dev {name}".split())
        enter(pid, "ip", "link", "set", name, "up")
        if not offload:
            top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
            enter(pid, sys.executable, "-c", PLAIN, top, name)


@contextlib.contextmanager
def bare(offload: bool) -> Iterator[Ends]:
    """Two namespaces and a pair, made by ip(8)."""
    with networks(2) as (a, b):
        plug(((a, "veth0", "10.0.0.1/24"), (b, "veth0", "10.0.0.2/24")), offload)
        yield a, b, "10.0.0.2"


@contextlib.contextmanager
def by_hand(offload: bool, translating: bool = False) -> Iterator[Ends]:
    """Two pairs, and between them a network that forwards, made by ip(8), sysctl(8) and nft(8)."""
    with networks(3) as (a, middle, b):
        plug(((a, "veth0", "10.0.1.2/24"), (middle, "veth0", "10.0.1.1/24")), offload)
        plug(((b, "veth0", "10.0.2.2/24"), (middle, "veth1", "10.0.2.1/24")), offload)
        enter(middle, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        enter(a, *["ip", "route", "add", "default", "via", "10.0.1.1"])
        enter(b, *["ip", "route", "add", "default", "via", "10.0.2.1"])
        if translating:
            chain = "type nat hook postrouting priority srcnat;"
            rule = 'oifname "veth1" masquerade'
            enter(middle, "nft", f"table ip nat {{ chain out {{ {chain} {rule}; }}; }}")
        yield a, b, "10.0.2.2"


def nat_by_hand(offload: bool) -> contextlib.AbstractContextManager[Ends]:
    return by_hand(offload, translating=True)


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


# The first is what the others are held against.
WAYS: dict[str, Way] = {
    "a bare pair of veth devices": bare,
    "a `Link`": link,
    "a `Router`": router,
    "two bare pairs and `ip_forward`": by_hand,
    "a `Router` with NAT": nat,
    "the same by hand with `masquerade`": nat_by_hand,
}
