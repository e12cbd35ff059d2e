"""Packets watched in network namespaces: their frames, what rules decided, what was counted."""

from __future__ import annotations

import base64
import contextlib
import ctypes
import os
import selectors
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from typing import Any

from playground.agent.kernel.seccomp import Instruction
from playground.agent.kernel.syscalls import read_text
from playground.agent.links.filters import BPF_JMP_JEQ_K, BPF_RET_K, ETH_P_ALL, SO_ATTACH_FILTER
from playground.agent.links.netlink import BATCH
from playground.agent.network.nft_rulesets import filter_tables
from playground.agent.nodes.entering import coming_back, enter_network
from playground.agent.protocol import Request
from playground.agent.watching.tracing import SO_RCVBUFFORCE, read_traces, start_trace

# asm-generic/socket.h
SO_TIMESTAMPNS = 35
# Of each frame, in bytes: headers, and in errors those that they quote.
SNAP_BYTES = 256
# linux/bpf_common.h
BPF_LD_W_ABS = 0x20
BPF_LD_H_ABS = 0x28
BPF_LD_B_ABS = 0x30
BPF_LD_B_IND = 0x50
BPF_LDX_MSH = 0xB1
BPF_JMP_JSET_K = 0x45
# linux/filter.h: what is known of a packet beside its bytes.
SKF_AD_PROTOCOL = 0xFFFFF000
SKF_AD_HATYPE = 0xFFFFF000 + 28
# linux/if_arp.h: interfaces whose packets come with a header of Ethernet.
ARPHRD_ETHER, ARPHRD_LOOPBACK = 1, 772
_WITH_FRAMES = (ARPHRD_ETHER, ARPHRD_LOOPBACK)
# Of frames and of traces in one answer: in a lab where much is going on.
MOST_SEEN = 4000
# How long nothing more may come once it is known how it ended.
SETTLE_S = 0.01
# How long what is watched elsewhere is looked at after its end, where much is going on.
_LINGER_S = 0.2
# Of /proc/net: what a packet leaves behind that is thrown away silently.
_COUNTED = (
    ("netstat", ("IPReversePathFilter", "ListenOverflows", "ListenDrops")),
    ("snmp", ("InAddrErrors", "InNoRoutes", "OutNoRoutes", "InDiscards", "FragFails")),
)


class PacketWatch:
    """Network namespaces that are watched together, and what was seen there until now.

    ``watch`` are their processes, None for this one's own; ``opening`` is for connections of
    TCP, of which no more is taken than what begins and ends them.

    """

    def __init__(self, watch: Sequence[int | None], protocol: int, opening: bool) -> None:
        self._opening = opening
        self._places = [_Place(one, protocol, opening) for one in watch]
        self._frames: list[Any] = []
        self._traces: list[Request] = []
        self._known: set[tuple[int, int]] = set()

    def register(self, selector: selectors.BaseSelector) -> None:
        """Have a selector tell, with the number of a place, that something is to be taken."""
        for number, place in enumerate(self._places):
            for opened in place.sockets:
                selector.register(opened, selectors.EVENT_READ, number)

    def take(self, number: int, opened: Any) -> bool:
        """Take what has come at a place; tell whether there was anything."""
        new, traced = self._places[number].read(opened)
        opening, known = self._opening, self._known
        wanted = [row for row in traced if not opening or _is_opening(number, row, known)]
        self._frames += [[number, *frame] for frame in new]
        self._traces += [{"watch": number, **row} for row in wanted]
        return bool(new or wanted)

    @property
    def is_full(self) -> bool:
        return len(self._frames) > MOST_SEEN

    def seen(self) -> Request:
        """Return all of it, and end the traces."""
        counted = [place.counted() for place in self._places]
        for place in self._places:
            place.stop_tracing()
        return {"frames": self._frames, "traces": self._traces, "counted": counted}


def watch_packets(
    told: int, watch: Sequence[int | None], protocol: int, opening: bool
) -> Iterator[Request | None]:
    """Watch until something comes by a descriptor; yield None once it begins, then what was seen.

    What has happened until it is told is in it.

    """
    places = PacketWatch(watch, protocol, opening)
    yield None
    with selectors.DefaultSelector() as selector:
        places.register(selector)
        selector.register(told, selectors.EVENT_READ, -1)
        until: float | None = None
        while ready := selector.select(None if until is None else SETTLE_S):
            for key, _ in ready:
                if key.data == -1:
                    until = time.monotonic() + _LINGER_S
                    selector.unregister(told)
                else:
                    places.take(key.data, key.fileobj)
            if places.is_full or (until is not None and time.monotonic() > until):
                break
    yield places.seen()


def _is_opening(place: int, row: Request, known: set[tuple[int, int]]) -> bool:
    """Tell whether a trace is of what begins or ends a connection of TCP, or of a packet known.

    Only the first of each chain has headers; they share the packet's number.

    """
    key = (place, row["id"])
    if row["transport"]:
        header = base64.b64decode(row["transport"])
        if len(header) > 13 and header[13] & 0x06:
            known.add(key)
        else:
            known.discard(key)
    return key in known


class _Place:
    """A network namespace that is watched: its frames, its rules, its counters."""

    def __init__(self, pid: int | None, protocol: int, opening: bool) -> None:
        with coming_back():
            if pid is not None:
                enter_network(pid)
            self.before = _counters()
            self.packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self._prepare(protocol, opening)
            self.tracing = start_trace(pid) if pid is not None and filter_tables(pid) else None
            self.counters = [
                os.open(f"/proc/thread-self/net/{name}", os.O_RDONLY) for name, _ in _COUNTED
            ]
        self.sockets = [self.packets, *([self.tracing.socket] if self.tracing else [])]

    def _prepare(self, protocol: int, opening: bool) -> None:
        program = b"".join(struct.pack("HBBI", *one) for one in _watching(protocol, opening))
        buffer = ctypes.create_string_buffer(program)
        head = struct.pack("HP", len(program) // 8, ctypes.addressof(buffer))
        self.packets.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, head)
        self.packets.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        with contextlib.suppress(OSError):
            self.packets.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
        self.packets.setblocking(False)

    def read(self, opened: Any) -> tuple[list[Any], list[Request]]:
        """Return what has come: rows of interface, direction, time, frame; and traces."""
        if self.tracing is not None and opened is self.tracing.socket:
            return [], read_traces(self.tracing)
        frames = []
        for _ in range(BATCH):
            try:
                data, ancillary, _, address = self.packets.recvmsg(SNAP_BYTES, 64)
            except BlockingIOError:
                break
            except OSError:
                continue  # an interface has gone down
            stamp = next((item[2] for item in ancillary if item[1] == SO_TIMESTAMPNS), bytes(16))
            seconds, nanoseconds = struct.unpack("qq", stamp)
            when = seconds + nanoseconds / 1e9
            if address[3] not in _WITH_FRAMES:
                # An interface of bare packets, of a tunnel: as if it had MAC addresses of zeros.
                data = bytes(12) + struct.pack(">H", address[1]) + data
            frames.append([address[0], address[2], when, base64.b64encode(data).decode()])
        return frames, []

    def counted(self) -> dict[str, int]:
        """Return which counters have moved since the beginning, and by how much."""
        after: dict[str, int] = {}
        for (_, names), fd in zip(_COUNTED, self.counters, strict=True):
            after |= _counter_values(os.pread(fd, 1 << 16, 0).decode(), names)
        return {
            name: value - self.before.get(name, 0)
            for name, value in after.items()
            if value != self.before.get(name, 0)
        }

    def stop_tracing(self) -> None:
        """Take the trace's table away; all else goes with this process.

        To close a packet socket takes 10 ms, for which nobody has to wait.

        """
        if self.tracing is not None:
            self.tracing.close()


def _watching(protocol: int, opening: bool) -> list[Instruction]:
    """A program that takes ARP, ICMP, what has a tag of a VLAN or a label, and one protocol of IP.

    With ``opening`` of TCP no more than begins or ends a connection (SYN, RST): beside
    a large transfer nothing else would be seen.

    """
    accept, refuse = (BPF_RET_K, 0, 0, SNAP_BYTES), (BPF_RET_K, 0, 0, 0)

    def family(next_protocol: int, icmp: int, flags: list[Instruction]) -> list[Instruction]:
        flags = [*flags, (BPF_JMP_JSET_K, 0, 1, 0x06)] if opening else []
        return [
            (BPF_LD_B_ABS, 0, 0, next_protocol),
            (BPF_JMP_JEQ_K, 1 + len(flags), 0, icmp),
            (BPF_JMP_JEQ_K, 0, 1 + len(flags), protocol),
            *flags,
            accept,
            refuse,
        ]

    # The flags are byte 13 of TCP's header, after the bytes of Ethernet and those of IP.
    def both(ethernet: int) -> tuple[list[Instruction], list[Instruction]]:
        flags4 = [(BPF_LDX_MSH, 0, 0, ethernet), (BPF_LD_B_IND, 0, 0, ethernet + 13)]
        flags6 = [(BPF_LD_B_ABS, 0, 0, ethernet + 53)]
        return (
            family(ethernet + 9, socket.IPPROTO_ICMP, flags4),
            family(ethernet + 6, socket.IPPROTO_ICMPV6, flags6),
        )

    v4, v6 = both(0)
    bare = [
        (BPF_LD_W_ABS, 0, 0, SKF_AD_PROTOCOL),
        (BPF_JMP_JEQ_K, 2, 0, 0x0800),
        (BPF_JMP_JEQ_K, 1 + len(v4), 0, 0x86DD),
        refuse,
        *v4,
        *v6,
    ]
    v4, v6 = both(14)
    return [
        (BPF_LD_W_ABS, 0, 0, SKF_AD_HATYPE),
        (BPF_JMP_JEQ_K, 1 + len(bare), 0, ARPHRD_ETHER),
        (BPF_JMP_JEQ_K, len(bare), 0, ARPHRD_LOOPBACK),
        *bare,
        (BPF_LD_H_ABS, 0, 0, 12),  # the type of the frame
        (BPF_JMP_JEQ_K, 4, 0, 0x0806),
        (BPF_JMP_JEQ_K, 3, 0, 0x8100),
        (BPF_JMP_JEQ_K, 2, 0, 0x8847),
        (BPF_JMP_JEQ_K, 3, 0, 0x0800),
        (BPF_JMP_JEQ_K, 2 + len(v4), 1, 0x86DD),
        accept,
        refuse,
        *v4,
        *v6,
    ]


def _counters() -> dict[str, int]:
    found: dict[str, int] = {}
    for name, wanted in _COUNTED:
        found |= _counter_values(read_text(f"/proc/thread-self/net/{name}"), wanted)
    return found


def _counter_values(text: str, wanted: Sequence[str]) -> dict[str, int]:
    """Read pairs of lines, names and values, of /proc/net/snmp or netstat."""
    lines = text.splitlines()
    found = {}
    for head, values in zip(lines[::2], lines[1::2], strict=False):
        for name, value in zip(head.split()[1:], values.split()[1:], strict=False):
            if name in wanted:
                found[name] = int(value)
    return found
