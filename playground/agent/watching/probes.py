"""The fate of one packet, watched in many places at once; for `faults`."""

from __future__ import annotations

import base64
import errno
import os
import selectors
import socket
import struct
import time
from collections.abc import Sequence

from playground.agent.network.addresses import packed_address
from playground.agent.network.dhcp_messages import internet_checksum
from playground.agent.network.ip_packets import carried
from playground.agent.nodes.entering import enter_network
from playground.agent.protocol import Request
from playground.agent.watching.packet_watch import SETTLE_S, PacketWatch


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
    watched = PacketWatch(watch, protocol, opening)
    selector = selectors.DefaultSelector()
    watched.register(selector)
    enter_network(pid)
    family, _ = packed_address(destination)
    raw = base64.b64decode(packet) if packet is not None else None
    sender = _ProbeSender(family, protocol, destination, port, base64.b64decode(payload), raw)
    # A probe refused at once has nothing more to say, and a socket without a peer is writable.
    if sender.socket is not None and not sender.over:
        selector.register(sender.socket, sender.event, -1)
    begin = last = time.monotonic()
    while True:
        over = sender.over
        now = time.monotonic()
        limit = last + (SETTLE_S if over else quiet_s)
        ready = selector.select(max(0.0, limit - now))
        # On a busy machine this may come late, and find that much has happened.
        if not ready or now >= begin + timeout_s or watched.is_full:
            break
        for key, _ in ready:
            if key.data == -1:
                sender.look()
                if sender.over and sender.socket is not None:
                    sender.seconds = time.monotonic() - begin
                    selector.unregister(sender.socket)
                continue
            if watched.take(key.data, key.fileobj):
                last = time.monotonic()
    sender.close()
    return {"outcome": sender.outcome(), **watched.seen()}


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
