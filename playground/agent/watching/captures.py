"""Captures: what interfaces send and take, handed on in blocks of the kernel's.

A process for each capture.  The kernel puts frames into a ring of blocks for each
interface (packet(7), Documentation/networking/packet_mmap.rst), and the process hands
full blocks on as they are: nothing is done here for each frame.

"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from playground.agent.kernel.syscalls import (
    CLONE_NEWNET,
    checked,
    libc,
    setns,
)
from playground.agent.line.forked_job import fork_job
from playground.agent.line.loop import Loop
from playground.agent.links.filters import ETH_P_ALL, SO_ATTACH_FILTER
from playground.agent.nodes.entering import enter_network
from playground.agent.nodes.regular_files import write_all
from playground.agent.protocol import Request
from playground.agent.watching.capture_filters import (
    LINKTYPE_ETHERNET,
    LINKTYPE_RAW,
    compile_filters,
)

# linux/if_packet.h
SOL_PACKET = 263
PACKET_RX_RING = 5
PACKET_STATISTICS = 6
PACKET_VERSION = 10
TPACKET_V3 = 2
TP_STATUS_KERNEL = 0
TP_STATUS_USER = 1

# linux/if_arp.h: what comes with an Ethernet header; all else begins with IP's.
ARPHRD_ETHER = 1
ARPHRD_LOOPBACK = 772

# A block holds the longest frame.  All rings of a capture together have this much, and
# each at least so many blocks.
CAPTURE_BLOCK_BYTES = 256 << 10
CAPTURE_MEMORY_BYTES = 64 << 20
CAPTURE_LEAST_BLOCKS = 4
# A block that is not full is handed on after two of these.
CAPTURE_RETIRE_MS = 8
# At the end: until nothing came for so long, what is under way is waited for.
CAPTURE_QUIET_S = 0.02
CAPTURE_LINGER_S = 0.2

# In place of a number of an interface: all that was seen before was sent; the end.
CAPTURE_MARK = -1
CAPTURE_END = -2


def capture(
    agent: Loop,
    request_id: Any,
    places: Sequence[Request],
    filter: str = "",  # noqa: A002 - as tcpdump's users call it
    snaplen_bytes: int = 1 << 18,
) -> Any:
    """Start a job that captures; see the protocol."""
    return fork_job(agent, request_id, lambda: Recorder(places, filter, snaplen_bytes).serve)


class Recorder:
    """The frames that some interfaces send and receive, handed on in the blocks of the kernel."""

    def __init__(self, places: Sequence[Request], text: str, snaplen_bytes: int) -> None:
        self.ending = False
        signal.signal(signal.SIGTERM, self._end)
        own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        # Before anything is opened: a wrong filter is refused.
        programs = compile_filters(text, snaplen_bytes)
        blocks = max(
            CAPTURE_LEAST_BLOCKS,
            CAPTURE_MEMORY_BYTES // CAPTURE_BLOCK_BYTES // max(1, len(places)),
        )
        self.rings = open_rings(places, programs, blocks, own)
        self.watched: dict[int, list[Ring]] = {}
        handles: dict[int, int] = {}
        for place, ring in zip(places, self.rings, strict=True):
            pid = place["pid"]
            if pid is not None:
                if pid not in handles:
                    handles[pid] = os.pidfd_open(pid)
                self.watched.setdefault(handles[pid], []).append(ring)
        os.close(own)
        self.poll = select.poll()
        self.by_socket = {ring.socket.fileno(): ring for ring in self.rings}
        for fd in self.by_socket:
            self.poll.register(fd, select.POLLIN)
        for handle in self.watched:
            self.poll.register(handle, select.POLLIN)

    def _end(self, number: int, frame: Any) -> None:
        self.ending = True

    def serve(self, out: int) -> None:
        """Hand on until SIGTERM, and then what is under way."""
        head = {"byte_order": sys.byteorder, "link_types": [ring.link_type for ring in self.rings]}
        write_all(out, json.dumps(head).encode() + b"\n")
        while not self.ending:
            self._round(out, 0.1)
        until = time.monotonic() + CAPTURE_LINGER_S
        while self._round(out, CAPTURE_QUIET_S) and time.monotonic() < until:
            pass
        # All that the kernel has counted until now is handed on, however full its block.
        for ring in self.rings:
            ring.count()
        until = time.monotonic() + 1
        while any(ring.behind() for ring in self.rings) and time.monotonic() < until:
            self._round(out, CAPTURE_QUIET_S)
        end = [{"packets": ring.seen, "dropped": ring.dropped} for ring in self.rings]
        self._record(out, CAPTURE_END, json.dumps(end).encode())

    def _round(self, out: int, limit_s: float) -> bool:
        """Hand on the blocks that are there, waiting for one; whether anything came."""
        began_ns = time.time_ns()
        for fd, events in self.poll.poll(limit_s * 1000):
            if fd in self.watched:
                self._lose(fd)
            elif events & select.POLLERR and fd in self.by_socket:
                self.by_socket[fd].take_error()
        came = False
        for number, ring in enumerate(self.rings):
            for block in ring.blocks():
                came = True
                self._record(out, number, block)
        if came or limit_s >= CAPTURE_QUIET_S:
            safe_ns = began_ns - 3 * CAPTURE_RETIRE_MS * 1_000_000
            self._record(out, CAPTURE_MARK, struct.pack("<Q", safe_ns))
        return came

    def _lose(self, handle: int) -> None:
        """A node has ended: its interfaces go once nobody holds them."""
        self.poll.unregister(handle)
        for ring in self.watched.pop(handle):
            fd = ring.socket.fileno()
            self.poll.unregister(fd)
            del self.by_socket[fd]
            ring.close()
        os.close(handle)

    def _record(self, out: int, place: int, data: bytes) -> None:
        write_all(out, struct.pack("<iI", place, len(data)) + data)


def open_rings(
    places: Sequence[Request], programs: dict[int, bytes], blocks: int, own: int
) -> list[Ring]:
    """Open a ring for each place, side by side: the kernel lets each wait for others (RCU).

    A thread enters a network namespace for itself alone (setns(2)).

    """
    import threading

    rings: dict[int, Ring] = {}
    errors: list[Exception] = []

    def open_one(number: int, place: Request) -> None:
        try:
            if place["pid"] is None:
                setns(own, CLONE_NEWNET)
            else:
                enter_network(place["pid"])
            rings[number] = Ring(place["interface"], programs, blocks)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=open_one, args=item) for item in enumerate(places)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [rings[number] for number in range(len(places))]


class Ring:
    """The ring of one interface of the present network namespace, open and filling."""

    def __init__(self, interface: str, programs: dict[int, bytes], blocks: int) -> None:
        self.seen = 0
        self.dropped = 0
        self.counted = 0
        self.next = 0
        self.open = True
        # With protocol 0 it hears nothing until it is bound.
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.bind((interface, 0))
        kind = self.socket.getsockname()[3]
        ethernet = kind in (ARPHRD_ETHER, ARPHRD_LOOPBACK)
        self.link_type = LINKTYPE_ETHERNET if ethernet else LINKTYPE_RAW
        program = programs[self.link_type]
        buffer = ctypes.create_string_buffer(program, len(program))
        packed = struct.pack("HP", len(program) // 8, ctypes.addressof(buffer))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, packed)
        self.socket.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V3)
        size = CAPTURE_BLOCK_BYTES
        # struct tpacket_req3
        request = struct.pack(
            "7I", size, blocks, 2048, size * blocks // 2048, CAPTURE_RETIRE_MS, 0, 0
        )
        # As Python's own setsockopt() does not, this lets other threads go on meanwhile.
        result = libc.setsockopt(
            self.socket.fileno(), SOL_PACKET, PACKET_RX_RING, request, len(request)
        )
        checked(result, "making a ring for packets")
        import mmap

        self.memory = mmap.mmap(self.socket.fileno(), size * blocks)
        self.offsets = range(0, size * blocks, size)
        self.socket.bind((interface, ETH_P_ALL))

    def blocks(self) -> Iterator[bytes]:
        """Take the blocks that the kernel has handed over."""
        while self.open:
            start = self.offsets[self.next]
            # struct tpacket_block_desc
            status, packets, _, length = struct.unpack_from("4I", self.memory, start + 8)
            if not status & TP_STATUS_USER:
                return
            block = self.memory[start : start + length]
            struct.pack_into("I", self.memory, start + 8, TP_STATUS_KERNEL)
            self.next = (self.next + 1) % len(self.offsets)
            self.seen += packets
            if packets:
                yield block

    def take_error(self) -> None:
        """Take note that the interface is down (ENETDOWN): it captures again once it is up.

        An error that nobody takes keeps poll(2) from waiting for anything else.

        """
        self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def count(self) -> None:
        """Ask the kernel how many frames it took and lost; it begins anew each time."""
        if self.open:
            answer = self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 12)
            packets, dropped, _ = struct.unpack("3I", answer)
            self.counted += packets - dropped
            self.dropped += dropped

    def behind(self) -> bool:
        """Whether frames that were counted are not handed on yet."""
        return self.open and self.seen < self.counted

    def close(self) -> None:
        self.count()
        self.open = False
        self.memory.close()
        self.socket.close()
