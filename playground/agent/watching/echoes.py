"""Echo requests from many nodes to many addresses, all by one process.

A raw socket in each node's network namespace sends to all of its targets and hears what
comes back, so that three thousand pairs take three thousand packets and not as many
programs.

"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import struct
import time
from collections.abc import Iterator, Sequence

from playground.agent.links.bridges import RTM_GETNEIGH
from playground.agent.links.netlink import (
    NLM_F_DUMP,
    Message,
    Netlink,
    attribute,
    attributes,
    in_each,
)
from playground.agent.network.addresses import NDA_DST, RTM_DELNEIGH, packed_address
from playground.agent.network.dhcp_messages import internet_checksum
from playground.agent.network.ip_packets import carried
from playground.agent.protocol import Request
from playground.agent.watching.packet_watch import SO_TIMESTAMPNS
from playground.agent.watching.tracing import SO_RCVBUFFORCE

# linux/icmp.h, linux/icmpv6.h: a set bit keeps a type out.
SOL_RAW, ICMP_FILTER = 255, 1
ICMP6_FILTER = 1
# Echo request and reply, and the errors that say that no reply will come.
_TYPES: dict[int, tuple[int, int, tuple[int, int]]] = {
    socket.AF_INET: (8, 0, (3, 11)),
    socket.AF_INET6: (128, 129, (1, 3)),
}
_RECEIVE_BYTES = 1 << 21
_PAYLOAD = bytes(range(56))  # as many bytes as ping(8) sends

# The kernel's table of neighbours is one for all namespaces of a machine, and takes no more
# than 1024 (net.ipv4.neigh.default.gc_thresh3).  So of more pairs than FEW the entries that
# were not there before are taken out again, after so many pairs.  Not where each node asks one:
# an engine starts a lab only where there is room for two neighbours a node, and to look at those
# of one node the kernel walks through all (of 1,000 nodes, 1.8 s of processor time).
FEW = 256
TOGETHER = 128
# The first request to an address is a broadcast, which a switch copies to all of its ports, and
# the kernel drops what is more than a processor's queue holds: net.core.netdev_max_backlog, 1000.
COPIES_TOGETHER = 4000
# Whoever is quiet for so long while others wait may be answered later; when those before them
# were all quiet too, so much sooner.
QUIET_S = 0.1
SOONER = 10


class _Asked:
    """One address asked by one node: how often, and what came back."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.sent = 0
        self.rtts_ms: list[float] = []
        self.problem: Request | None = None
        # By the number of the request: when it was sent.
        self.waiting: dict[int, int] = {}

    def row(self) -> Request:
        return {
            "sent": self.sent,
            "rtts_ms": self.rtts_ms,
            "problem": None if self.rtts_ms else self.problem,
        }


class _EchoSender:
    """A node that asks: its sockets, a line to its kernel, what it has asked."""

    def __init__(
        self, netlink: Netlink, targets: Sequence[str], interface: str | None = None
    ) -> None:
        """In the node's network namespace, to which ``netlink`` is a line."""
        self.asked = [_Asked(address) for address in targets]
        self.netlink = netlink
        self.identifier = int.from_bytes(os.urandom(2), "big")
        self.number = 0
        self.by_number: dict[int, _Asked] = {}
        self.sockets: dict[int, socket.socket] = {}
        for family in {packed_address(address)[0] for address in targets}:
            self.sockets[family] = _open(family)
            if interface is not None:
                name = interface.encode()
                self.sockets[family].setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name)
        # Noted where they are to be forgotten.
        self.known: set[tuple[int, int, bytes]] = set()

    @property
    def waits(self) -> bool:
        return any(item.waiting for item in self.asked)

    def send(self, asked: _Asked) -> None:
        """Ask one address once."""
        family = packed_address(asked.address)[0]
        self.number = (self.number + 1) & 0xFFFF
        head = struct.pack("!BBHHH", _TYPES[family][0], 0, 0, self.identifier, self.number)
        # The kernel sums up ICMPv6 itself (RFC 3542 section 3.1).
        total = internet_checksum(head + _PAYLOAD) if family == socket.AF_INET else 0
        data = head[:2] + struct.pack("!H", total) + head[4:] + _PAYLOAD
        self.by_number[self.number] = asked
        asked.waiting[self.number] = time.time_ns()
        asked.sent += 1
        try:
            self.sockets[family].sendto(data, (asked.address, 0))
        except OSError as error:
            del asked.waiting[self.number]
            # A request without a route, or kept back by the node's own rules, was not sent.
            asked.sent -= 1
            asked.problem = {"errno": error.errno, "message": error.strerror}

    def hear(self, family: int) -> bool:
        """Take all that has come; whether any was about what was asked."""
        heard = False
        with contextlib.suppress(BlockingIOError):
            for _ in range(10_000):
                data, extra, _, source = self.sockets[family].recvmsg(2048, 64)
                heard |= self._take(family, data, extra, source[0])
        return heard

    def _take(
        self, family: int, data: bytes, extra: Sequence[tuple[int, int, bytes]], source: str
    ) -> bool:
        _, reply, errors = _TYPES[family]
        four = family == socket.AF_INET
        if four:
            found = carried(data)
            data = found[1] if found is not None else b""
        if len(data) < 8:
            return False
        kind, code = data[0], data[1]
        quoted = data
        if kind in errors:
            inner = carried(data[8:])
            quoted = inner[1] if inner is not None else b""
        elif kind != reply:
            return False
        if len(quoted) < 8:
            return False
        identifier, number = struct.unpack_from("!HH", quoted, 4)
        asked = self.by_number.get(number)
        if asked is None or identifier != self.identifier or number not in asked.waiting:
            return False
        sent_ns = asked.waiting.pop(number)
        if kind in errors:
            asked.problem = {"from": source, "version": 4 if four else 6, "type": kind}
            asked.problem["code"] = code
            return True
        seconds, nanoseconds = struct.unpack("qq", extra[0][2]) if extra else (0, time.time_ns())
        taken_ns = seconds * 1_000_000_000 + nanoseconds - sent_ns
        asked.rtts_ms.append(round(max(0, taken_ns) / 1e6, 3))
        return True

    def neighbours(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield the neighbours that the kernel found out: family, interface, address."""
        question = Message(RTM_GETNEIGH, NLM_F_DUMP, bytes(12), "look at the neighbours")
        for answer in self.netlink.ask(question):
            # struct ndmsg; not NUD_NOARP and NUD_PERMANENT
            family, index, state = struct.unpack_from("BxxxiH", answer)
            address = attributes(answer[12:]).get(NDA_DST)
            if address is not None and not state & 0xC0 and family in _TYPES:
                yield family, index, address

    def forget(self) -> None:
        """Take the neighbours out that were not there before."""
        self.netlink.attempt(
            [
                Message(
                    RTM_DELNEIGH,
                    0,
                    struct.pack("BxxxiHBB", family, index, 0, 0, 0) + attribute(NDA_DST, address),
                    "forget a neighbour",
                )
                for family, index, address in self.neighbours()
                if (family, index, address) not in self.known
            ]
        )


def _open(family: int) -> socket.socket:
    _, reply, errors = _TYPES[family]
    four = family == socket.AF_INET
    protocol = socket.IPPROTO_ICMP if four else socket.IPPROTO_ICMPV6
    opened = socket.socket(family, socket.SOCK_RAW, protocol)
    words = [0xFFFFFFFF] * (1 if four else 8)
    for kind in (reply, *errors):
        words[kind >> 5] &= ~(1 << (kind & 31))
    level, option = (SOL_RAW, ICMP_FILTER) if four else (protocol, ICMP6_FILTER)
    opened.setsockopt(level, option, struct.pack(f"{len(words)}I", *words))
    opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    for size in (socket.SO_RCVBUF, SO_RCVBUFFORCE):  # the second where it may
        with contextlib.suppress(PermissionError):
            opened.setsockopt(socket.SOL_SOCKET, size, _RECEIVE_BYTES)
    opened.setblocking(False)
    return opened


def echo_all(
    nodes: Sequence[Request], count: int, interval_s: float, timeout_s: float
) -> list[list[Request]]:
    selector = selectors.DefaultSelector()
    senders: list[_EchoSender] = []
    for node, netlink in in_each(nodes):
        sender = _EchoSender(netlink, node["targets"], node.get("interface"))
        senders.append(sender)
        for family, opened in sender.sockets.items():
            selector.register(opened, selectors.EVENT_READ, (sender, family))
    pairs = [(sender, asked) for sender in senders for asked in sender.asked]
    crowded = len(pairs) > max(FEW, len(senders))
    if crowded:
        for sender in senders:
            sender.known = set(sender.neighbours())
    together = max(1, min(TOGETHER, COPIES_TOGETHER // max(1, len(senders))))
    last = time.monotonic()
    quiet_s, new = QUIET_S, 0
    for number in range(count):
        begin = time.monotonic()
        for start in range(0, len(pairs), together):
            batch = pairs[start : start + together]
            for sender, asked in batch:
                sender.send(asked)
                _hear(selector, 0)
            last = time.monotonic()
            while any(asked.waiting for _, asked in batch) and _hear(selector, quiet_s):
                pass
            all_quiet = all(asked.waiting for _, asked in batch)
            quiet_s = QUIET_S / SOONER if all_quiet else QUIET_S
            new += len(batch)
            if crowded and new >= TOGETHER:
                new = 0
                for sender in senders:
                    sender.forget()
        if number + 1 < count:
            while (left := begin + interval_s - time.monotonic()) > 0:
                _hear(selector, left)
    while any(sender.waits for sender in senders):
        if (left := last + timeout_s - time.monotonic()) <= 0:
            break
        _hear(selector, left)
    if crowded:
        for sender in senders:
            sender.forget()
    return [[asked.row() for asked in sender.asked] for sender in senders]


def _hear(selector: selectors.BaseSelector, wait_s: float) -> bool:
    """Take what comes within a time; whether anything was about what was asked."""
    heard = False
    for key, _ in selector.select(wait_s):
        sender, family = key.data
        heard |= sender.hear(family)
    return heard
