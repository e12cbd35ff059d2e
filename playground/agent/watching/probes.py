"""The fate of one packet, watched in many places at once; for `faults`."""

from __future__ import annotations

import base64
import contextlib
import ctypes
import errno
import os
import selectors
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

from playground.agent.kernel.seccomp import Instruction
from playground.agent.kernel.syscalls import read_text
from playground.agent.links.filters import BPF_JMP_JEQ_K, BPF_RET_K, ETH_P_ALL, SO_ATTACH_FILTER
from playground.agent.links.netlink import BATCH
from playground.agent.network.addresses import packed_address
from playground.agent.network.dhcp_messages import internet_checksum
from playground.agent.network.ip_packets import carried
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
# Of /proc/net: what a packet leaves behind that is thrown away silently.
_COUNTED = (
    ("netstat", ("IPReversePathFilter", "ListenOverflows", "ListenDrops")),
    ("snmp", ("InAddrErrors", "InNoRoutes", "OutNoRoutes", "InDiscards", "FragFails")),
)


def probe(
    pid: int,
    watch: Sequence[int | None],
    protocol: int,
    destination: str,
    port: int | None,
    payload: str,
    packet: str | None = None,
    quiet_s: float = 0.3,
    timeout_s: float = 3.0,
) -> Request:
    opening = protocol == socket.IPPROTO_TCP and packet is None
    places = [_Place(one, protocol, opening) for one in watch]
    selector = selectors.DefaultSelector()
    for number, place in enumerate(places):
        for opened in place.sockets:
            selector.register(opened, selectors.EVENT_READ, number)
    enter_network(pid)
    family, _ = packed_address(destination)
    raw = base64.b64decode(packet) if packet is not None else None
    sender = _ProbeSender(family, protocol, destination, port, base64.b64decode(payload), raw)
    # A probe refused at once has nothing more to say, and a socket without a peer is writable.
    if sender.socket is not None and not sender.over:
        selector.register(sender.socket, sender.event, -1)
    begin = last = time.monotonic()
    frames: list[Any] = []
    traces: list[Request] = []
    known: set[tuple[int, int]] = set()
    while True:
        over = sender.over
        now = time.monotonic()
        limit = last + (SETTLE_S if over else quiet_s)
        ready = selector.select(max(0.0, limit - now))
        # On a busy machine this may come late, and find that much has happened.
        if not ready or now >= begin + timeout_s or len(frames) > MOST_SEEN:
            break
        for key, _ in ready:
            if key.data == -1:
                sender.look()
                if sender.over and sender.socket is not None:
                    sender.seconds = time.monotonic() - begin
                    selector.unregister(sender.socket)
                continue
            new, traced = places[key.data].read(key.fileobj)
            wanted = [row for row in traced if not opening or _is_opening(key.data, row, known)]
            if new or wanted:
                last = time.monotonic()
            frames += [[key.data, *frame] for frame in new]
            traces += [{"watch": key.data, **row} for row in wanted]
    sender.close()
    counted = [place.counted() for place in places]
    for place in places:
        place.stop_tracing()
    return {
        "outcome": sender.outcome(),
        "frames": frames,
        "traces": traces,
        "counted": counted,
    }


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


class _ProbeSender:
    """Sends one packet as a program would, and looks what comes of it."""

    def __init__(
        self,
        family: int,
        protocol: int,
        destination: str,
        port: int | None,
        payload: bytes,
        raw: bytes | None,
    ) -> None:
        self.protocol = protocol
        self.payload = payload
        self.answered = False
        self.errno: int | None = None
        self.seconds: float | None = None
        self.source: tuple[str, int] | None = None
        self.socket: socket.socket | None = None
        self.event = selectors.EVENT_READ
        self.over = False
        try:
            if raw is not None:
                self.socket = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
                self.socket.sendto(raw, (destination, 0))
            elif protocol == socket.IPPROTO_TCP:
                self._connect(family, destination, port or 0)
            elif protocol == socket.IPPROTO_UDP:
                self.socket = socket.socket(family, socket.SOCK_DGRAM)
                self.socket.setblocking(False)
                self.socket.connect((destination, port or 0))
                self.source = self.socket.getsockname()[:2]
                self.socket.send(payload)
            else:
                self._echo(family, destination)
        except OSError as error:
            self._failed(error.errno)

    def _connect(self, family: int, destination: str, port: int) -> None:
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        # Its end is a reset: nothing of it is kept in mind here.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.event = selectors.EVENT_WRITE
        number = self.socket.connect_ex((destination, port))
        self.source = self.socket.getsockname()[:2]
        if number not in (0, errno.EINPROGRESS):
            self._failed(number)

    def _echo(self, family: int, destination: str) -> None:
        self.socket = socket.socket(family, socket.SOCK_RAW, self.protocol)
        self.socket.setblocking(False)
        kind = 8 if family == socket.AF_INET else 128
        head = struct.pack(">BBHHH", kind, 0, 0, os.getpid() & 0xFFFF, 1)
        # The kernel sums up ICMPv6 itself (RFC 3542 section 3.1).
        total = internet_checksum(head + self.payload) if family == socket.AF_INET else 0
        self.socket.connect((destination, 0))
        self.source = self.socket.getsockname()[:2]
        self.socket.send(head[:2] + struct.pack(">H", total) + head[4:] + self.payload)

    def _failed(self, number: int | None) -> None:
        self.errno = number
        self.over = True

    def look(self) -> None:
        assert self.socket is not None
        if self.protocol == socket.IPPROTO_TCP:
            number = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self.answered, self.over = number == 0, True
            self.errno = number or None
            return
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError as error:
            self._failed(error.errno)
            return
        # Of ICMP the answer is what brings back the payload: type 0, in IPv6 129.
        if self.protocol == socket.IPPROTO_UDP:
            self.answered = self.over = True
        elif data.endswith(self.payload):
            # A raw socket of IPv4 gives the IP header too.
            found = carried(data) if self.protocol == socket.IPPROTO_ICMP else (0, data)
            self.answered = self.over = found is not None and found[1][:1] in (b"\0", b"\x81")

    def outcome(self) -> Request:
        source, port = self.source or (None, None)
        return {
            "answered": self.answered,
            "errno": self.errno,
            "seconds": self.seconds,
            "source": source,
            "source_port": port,
        }

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()


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
    """A program that takes ARP, ICMP, what has a VLAN's tag, and one protocol of IP.

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
        (BPF_JMP_JEQ_K, 3, 0, 0x0806),
        (BPF_JMP_JEQ_K, 2, 0, 0x8100),
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
