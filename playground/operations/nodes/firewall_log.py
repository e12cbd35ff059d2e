"""Watching what a firewall's log rules show: `Watch`, rows of packets.

A small script of Python runs on the node and listens where the kernel sends what
"log" rules take (nfnetlink_log); it prints a line for each packet.

"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from playground.agent.network.ip_packets import carried, ends
from playground.errors import PlaygroundError
from playground.model.records import dataclass
from playground.planning.nft_text import LOG_GROUP

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
    return {
        "prefix": found.get(10, b"").rstrip(b"\0").decode(),
        "interface": device(found.get(4)),
        "out_interface": device(found.get(5)),
        "bytes": len(packet),
        "packet": packet[:256].hex(),
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


# TCP, UDP, DCCP, SCTP, UDP-Lite.
_WITH_PORTS = (6, 17, 33, 132, 136)


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


# The node's root may have made rules with any prefix.
_RULE = re.compile(r"[0-9]{1,9}")


def read_logged(row: Mapping[str, Any]) -> Logged:
    """Make a row of a line that the node has printed."""
    rule = str(row["prefix"]).rpartition(" ")[2]
    packet = bytes.fromhex(row["packet"])
    protocol, data = carried(packet) or (None, b"")
    source, destination = ends(packet) or (None, None)
    ports: tuple[int | None, int | None] = (None, None)
    if protocol in _WITH_PORTS and len(data) >= 4:
        ports = (int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big"))
    return Logged(
        rule=int(rule) if _RULE.fullmatch(rule) else 0,
        interface=row["interface"],
        out_interface=row["out_interface"],
        protocol="unknown" if protocol is None else _PROTOCOLS.get(protocol, str(protocol)),
        source=source or "",
        source_port=ports[0],
        destination=destination or "",
        destination_port=ports[1],
        bytes=row["bytes"],
    )
