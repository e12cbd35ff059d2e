"""Watching what a firewall's log rules show: `Watch`, rows of packets.

A small script of Python runs on the node and listens where the kernel sends what
"log" rules take (nfnetlink_log); it prints a line for each packet.

"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from playground.errors import PlaygroundError
from playground.planning.nft import LOG_GROUP

if TYPE_CHECKING:
    from playground.operations.nodes.node import NodeOperations

# linux/netfilter/nfnetlink_log.h.  The kernel waits for a hundred packets, or a second,
# before it says anything, unless NFULA_CFG_QTHRESH is 1.
_SCRIPT = r"""
import json, socket, struct, sys

def attribute(kind, data):
    return struct.pack("HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)

def configure(*attributes):
    body = struct.pack(">BBH", 0, 0, group) + b"".join(attributes)
    line.send(struct.pack("IHHII", 16 + len(body), 0x0401, 5, 1, 0) + body)
    answer = line.recv(1 << 16)
    number = -struct.unpack_from("i", answer, 16)[0]
    if number:
        raise OSError(number, "listening to the log")

def attributes(data):
    found, offset = {}, 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("HH", data, offset)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found

def device(data):
    try:
        return socket.if_indextoname(struct.unpack(">I", data)[0]) if data else None
    except OSError:
        return None

def row(found):
    packet = found.get(9, b"")
    six = packet[:1] and packet[0] >> 4 == 6
    start = 40 if six else (packet[0] & 15) * 4 if packet else 0
    protocol = packet[6 if six else 9] if len(packet) >= 20 else None
    family, first, size = (socket.AF_INET6, 8, 16) if six else (socket.AF_INET, 12, 4)
    sides = [packet[first + n * size : first + (n + 1) * size] for n in (0, 1)]
    ports = [None, None]
    if protocol in (6, 17, 33, 132, 136) and len(packet) >= start + 4:
        ports = struct.unpack_from(">HH", packet, start)
    return {
        "prefix": found.get(10, b"").rstrip(b"\0").decode(),
        "interface": device(found.get(4)),
        "out_interface": device(found.get(5)),
        "protocol": protocol,
        "source": socket.inet_ntop(family, sides[0]) if len(sides[1]) == size else None,
        "source_port": ports[0],
        "destination": socket.inet_ntop(family, sides[1]) if len(sides[1]) == size else None,
        "destination_port": ports[1],
        "bytes": len(packet),
    }

group = int(sys.argv[1])
line = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
line.bind((0, 0))
configure(attribute(1, b"\x01"))
configure(attribute(2, struct.pack(">IBx", 0xFFFF, 2)), attribute(5, struct.pack(">I", 1)))
print("listening", flush=True)
while True:
    answer, offset = line.recv(1 << 18), 0
    while offset + 16 <= len(answer):
        length, kind = struct.unpack_from("IH", answer, offset)
        if kind == 0x0400:
            print(json.dumps(row(attributes(answer[offset + 20 : offset + length]))), flush=True)
        offset += (length + 3) & ~3
"""

# IANA's numbers, by the names that rules know.
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 58: "icmp", 89: "ospf", 132: "sctp"}


@dataclass(frozen=True)
class Logged:
    """One packet that a "log" rule has taken.

    ``rule`` is the rule's number, ``bytes`` the packet's length; ports are None
    where the protocol has none, and interfaces where it was not seen there.

    """

    rule: int
    interface: str | None
    out_interface: str | None
    protocol: str
    source: str
    source_port: int | None
    destination: str
    destination_port: int | None
    bytes: int


class Watch:
    """The packets that a node's "log" rules take, from now on, as they come.

    An iterator that never ends by itself: leave its ``with`` block, or `close` it.

    """

    def __init__(self, node: NodeOperations) -> None:
        self._name = node.name
        self._job = node.start(["python3", "-I", "-c", _SCRIPT, str(LOG_GROUP)])
        try:
            self._begin()
        except BaseException:
            self._job.stop()
            raise

    def _begin(self) -> None:
        if self._job.stdout.readline() != "listening":
            said = self._job.stderr.read()
            if "PermissionError" in said:  # the group has a listener: nfulnl_recv_config()
                raise PlaygroundError(
                    f"somebody watches the log of {self._name} already: close that watch first"
                )
            raise PlaygroundError(f"the log of {self._name} cannot be watched:\n{said.strip()}")

    def next(self, timeout_s: float | None = 30) -> Logged:
        """Return the next packet.

        Raises `NotReady` when none came in time, `PlaygroundError` when it was closed.

        """
        line = self._job.stdout.readline(timeout_s)
        if line is None:
            raise PlaygroundError(f"this watch of {self._name} was closed: watch anew for others")
        return read_logged(json.loads(line))

    def close(self) -> None:
        """Watch no more."""
        self._job.stop()

    def __repr__(self) -> str:
        return f"<Watch of what {self._name} logs>"

    def __iter__(self) -> Iterator[Logged]:
        return self

    def __next__(self) -> Logged:
        line = self._job.stdout.readline(None)
        if line is None:
            raise StopIteration
        return read_logged(json.loads(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read_logged(row: dict[str, object]) -> Logged:
    """Make a row of a line that the node has printed."""
    prefix, protocol = str(row.pop("prefix")), row.pop("protocol")
    rule = prefix.rpartition(" ")[2]
    name = _PROTOCOLS.get(protocol, str(protocol)) if isinstance(protocol, int) else "unknown"
    return Logged(rule=int(rule) if rule.isdigit() else 0, protocol=name, **row)  # type: ignore[arg-type]
