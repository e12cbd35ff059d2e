"""The relay: impairs frames in user space, where the kernel has no netem.

A process for each impaired direction: it reads frames from a tap, keeps each for
its time, and sends it by the interface that it was meant for.  It ends when its
tap is removed, or the node has ended.

"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import select
import signal
import socket
import struct
import time

from playground.agent.kernel.syscalls import prctl
from playground.agent.links.filters import filter_messages, unmarked
from playground.agent.links.interfaces import (
    IFF_UP,
    IFLA_IFALIAS,
    IFLA_IFNAME,
    IFLA_TXQLEN,
    RTM_GETLINK,
    RTM_NEWLINK,
    index_or_none,
    interface_index,
    kind_or_none,
    link_body,
)
from playground.agent.links.netlink import Message, Netlink, attribute, attributes, text_attribute
from playground.agent.links.tun import IFF_TAP, open_tun
from playground.agent.nodes.sysctls import disable_ipv6
from playground.agent.protocol import Request

SO_MARK = 36
SO_SNDBUFFORCE = 32
PR_SET_TIMERSLACK = 29

# Frames that may wait for a relay which is busy, and bytes of one with all tags.
TAP_FRAMES = 10_000
FRAME_BYTES = 1 << 17
RELAY_BUFFER_BYTES = 64 << 20
# As setpriority(2) counts; higher than what people run, lower than the kernel's own.
RELAY_PRIORITY = -15
# Read in one go, before what is due is sent.
RELAY_READS = 32


def needs_relay(wanted: Request) -> bool:
    """Whether only a relay can do it, where there is no netem."""
    names = ("delay_ms", "duplicate_percent", "corrupt_percent", "reorder_percent")
    return any(wanted[name] for name in names) or bool(wanted["bursts"])


def tap_names(index: int) -> tuple[str, str]:
    """The two names that an interface's tap may have, used in turn."""
    return f"relay{index}", f"relay{index}x"


def taps_there(netlink: Netlink, index: int) -> list[str]:
    """Return those of an interface's taps that are there; another kind of that name is none."""
    return [tap for tap in tap_names(index) if kind_or_none(netlink, tap) == "tun"]


def start_relay(netlink: Netlink, direction: Request, index: int, wanted: Request) -> None:
    """Lead what leaves by an interface of the present namespace through a relay."""
    name = direction["interface"]
    free = [tap for tap in tap_names(index) if index_or_none(tap) is None]
    if not free:
        raise FileExistsError(
            errno.EEXIST,
            f"{name} needs an interface called {tap_names(index)[0]} or {tap_names(index)[1]}, and "
            f"somebody has made others of these names by hand: take them away with `ip link del`",
        )
    tap_name = free[0]
    mark = 0x70000000 | index
    tap = open_tap(tap_name)
    try:
        out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        out.bind((name, 0))
        out.setsockopt(socket.SOL_SOCKET, SO_MARK, mark)
        try:
            out.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, RELAY_BUFFER_BYTES)
        except PermissionError:
            out.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, RELAY_BUFFER_BYTES)
        out.setblocking(False)
        disable_ipv6(tap_name)
        body = link_body(IFF_UP, IFF_UP) + text_attribute(IFLA_IFNAME, tap_name)
        body += attribute(IFLA_TXQLEN, struct.pack("I", TAP_FRAMES))
        # For who looks with `ip link`, and for `impaired`.
        body += text_attribute(IFLA_IFALIAS, json.dumps(relayed(wanted), separators=(",", ":")))
        netlink.send([Message(RTM_NEWLINK, 0, body, f"set the tap {tap_name} up")])
        watched = direction.get("watch")
        handle = os.pidfd_open(watched) if watched else -1
        if os.fork() == 0:
            _detach_relay(tap, out.fileno(), handle, wanted)
        netlink.send(filter_messages(index, unmarked(mark), interface_index(tap_name)))
        out.close()
        if handle >= 0:
            os.close(handle)
    finally:
        os.close(tap)


def relayed(wanted: Request) -> Request:
    """Return the settings that a relay cares for, in words that `impaired` returns."""
    others = ("rate_mbit", "queue_bytes", "burst_bytes", "bursts", "table")
    return {name: value for name, value in wanted.items() if value and name not in others}


def relay_settings(netlink: Netlink, tap: str) -> Request:
    body = link_body() + text_attribute(IFLA_IFNAME, tap)
    [answer] = netlink.ask(Message(RTM_GETLINK, 0, body, f"look at the tap {tap}"))
    alias = attributes(answer[16:]).get(IFLA_IFALIAS, b"{}")
    settings: Request = json.loads(alias.rstrip(b"\0"))
    return settings


def open_tap(name: str) -> int:
    try:
        return open_tun(name, IFF_TAP)
    except PermissionError:
        raise PermissionError(
            errno.EACCES,
            "this kernel has no netem, and in its place frames would pass through a tap, for "
            "which this user may not open /dev/net/tun: let root load the module sch_netem, or "
            "run `chmod 666 /dev/net/tun` (a rate or a loss alone need neither)",
        ) from None


def _detach_relay(tap: int, out: int, handle: int, wanted: Request) -> None:
    """Become, in a fresh child, a relay that nobody waits for."""
    try:
        os.setsid()
        if os.fork() != 0:
            os._exit(0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        kept = [fd for fd in (tap, out, handle) if fd >= 0]
        floor = 3
        for fd in sorted(kept):
            os.closerange(floor, fd)
            floor = fd + 1
        os.closerange(floor, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        null = os.open("/dev/null", os.O_RDWR)
        for fd in range(3):
            os.dup2(null, fd)
        prctl(PR_SET_TIMERSLACK, 1)
        # Who waits for the processor adds that to the delay; only root need not.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, RELAY_PRIORITY)
        Relay(tap, out, handle, wanted).serve()
    finally:
        os._exit(0)


class Relay:
    """Frames from a tap to an interface, each as late as it is to be."""

    def __init__(self, tap: int, out: int, handle: int, wanted: Request) -> None:
        # Here, for an agent in a lab that needs no relay does without them.
        import heapq
        import random

        self._push = heapq.heappush
        self._pop = heapq.heappop
        self.tap = tap
        self.out = out
        self.handle = handle
        self.wanted = wanted
        self.limit = wanted["queue_packets"]
        self.random = random.Random().random
        self.waiting: list[tuple[float, int, bytes]] = []
        self.count = 0
        self.losing = False

    def serve(self) -> None:
        """Relay until the tap or the node is gone, and what was waiting is sent."""
        ends = [fd for fd in (self.tap, self.handle) if fd >= 0]
        while ends or self.waiting:
            timeout_s = None
            if self.waiting:
                timeout_s = max(0.0, self.waiting[0][0] - time.monotonic())
            # select(2) waits to the microsecond, epoll_wait(2) to the millisecond.
            ready, _, _ = select.select(ends, [], [], timeout_s)
            if self.handle in ready:
                return
            if self.tap in ready and not self._read():
                ends.clear()
            self._send()

    def _read(self) -> bool:
        for _ in range(RELAY_READS):
            try:
                frame = os.read(self.tap, FRAME_BYTES)
            except BlockingIOError:
                return True
            except OSError:
                return False  # the tap was removed
            self.take(frame, time.monotonic())
        return True

    def _send(self) -> None:
        now = time.monotonic()
        while self.waiting and self.waiting[0][0] <= now:
            _, _, frame = self._pop(self.waiting)
            # A full queue and an interface that is down lose it, as a wire does.
            with contextlib.suppress(OSError):
                os.write(self.out, frame)

    def take(self, frame: bytes, now: float) -> None:
        """Decide what becomes of a frame, in the order in which netem does."""
        copies = 1
        if self._chance("duplicate_percent"):
            copies += 1
        if self._lost():
            copies -= 1
        for _ in range(copies):
            if len(self.waiting) >= self.limit:
                return
            self.count += 1
            if self._chance("corrupt_percent"):
                frame = self._corrupted(frame)
            self._push(self.waiting, (now + self._delay_s(), self.count, frame))

    def _chance(self, name: str) -> bool:
        percent = self.wanted[name]
        return bool(percent) and self.random() * 100 < percent

    def _lost(self) -> bool:
        bursts = self.wanted["bursts"]
        if not bursts:
            return self._chance("loss_percent")
        begin, end = bursts
        self.losing = self.random() * 100 < (100 - end if self.losing else begin)
        return self.losing

    def _corrupted(self, frame: bytes) -> bytes:
        bit = int(self.random() * len(frame) * 8)
        changed = bytearray(frame)
        changed[bit // 8] ^= 1 << bit % 8
        return bytes(changed)

    def _delay_s(self) -> float:
        wanted = self.wanted
        if self._chance("reorder_percent"):
            return 0.0
        delay: float = wanted["delay_ms"]
        if wanted["jitter_ms"]:
            table = wanted.get("table")
            if table:
                spread = table[int(self.random() * len(table))] / 8192
            else:
                spread = 2 * self.random() - 1
            delay += spread * wanted["jitter_ms"]
        return max(0.0, delay / 1000)
