"""Sightings of one packet on its way: frames read, and which belong together.

Pure: what goes in are the bytes that `probe` of the agent has seen at every node and
switch, and what comes out says which of them are the packet that was sent, its
answer, an error about either, or the question who has an address (ARP, neighbour
discovery).  Addresses and ports may change on the way (NAT); a TCP sequence number,
an echo's payload and a datagram's do not.

Headers are read by ourselves and not by dpkt, which refuses what is cut off: an ICMP error may
quote no more than eight bytes of TCP (RFC 792).

"""

# RFC 826 (ARP), 791 (IPv4), 8200 (IPv6), 9293 (TCP), 768 (UDP), 792 and 4443 (ICMP),
# 4861 (neighbour discovery).

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from playground.agent.network.ip_packets import carried, ends
from playground.model.records import dataclass

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
NUMBERS = {"icmp": ICMP, "tcp": TCP, "udp": UDP}

# linux/if_packet.h
_TO_US, _OUTGOING, _OTHER_HOST = 0, 4, 3

_ECHO = {(ICMP, 8), (ICMPV6, 128)}
_ECHO_REPLY = {(ICMP, 0), (ICMPV6, 129)}
# ICMP's errors quote what they are about: RFC 792, RFC 4443 section 2.1.
_ERRORS = {(ICMP, 3), (ICMP, 11), (ICMP, 12)} | {(ICMPV6, number) for number in (1, 2, 3, 4)}
_TOO_BIG = {(ICMP, 3, 4), (ICMPV6, 2, 0)}
# "Administratively prohibited", what a firewall says that rejects.
_FORBIDDEN = {(ICMP, 3, 9), (ICMP, 3, 10), (ICMP, 3, 13), (ICMPV6, 1, 1)}
# "Network unreachable", and in IPv6 "no route to destination".
_NO_ROUTE = {(ICMP, 3, 0), (ICMPV6, 1, 0)}
_PORT_UNREACHABLE = {(ICMP, 3, 3), (ICMPV6, 1, 4)}

_SYN, _RST, _ACK = 0x02, 0x04, 0x10


@dataclass(frozen=True)
class Packet:
    """The headers of an IP packet; ``quoted`` is the packet that an ICMP error is about.

    ``kind`` and ``code`` are those of ICMP, ``mss_bytes`` is the option of a TCP SYN,
    ``next_mtu_bytes`` what an error "too big" tells.  ``labels`` are those of MPLS before it,
    the first of which says its ``ttl``.

    """

    protocol: int
    source: str
    destination: str
    source_port: int | None = None
    destination_port: int | None = None
    ttl: int = 64
    size_bytes: int = 0
    flags: int = 0
    sequence: int = 0
    acknowledged: int = 0
    mss_bytes: int | None = None
    kind: int | None = None
    code: int | None = None
    next_mtu_bytes: int | None = None
    payload: bytes = b""
    quoted: Packet | None = None
    labels: tuple[int, ...] = ()

    @property
    def version(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.source else 4

    @property
    def is_error(self) -> bool:
        """Whether it is an ICMP error."""
        return (self.protocol, self.kind) in _ERRORS

    @property
    def is_too_big(self) -> bool:
        """Whether it is "fragmentation needed", in IPv6 "packet too big"."""
        return (self.protocol, self.kind, self.code) in _TOO_BIG

    @property
    def is_forbidding(self) -> bool:
        """Whether it says that a firewall has rejected a packet."""
        return (self.protocol, self.kind, self.code) in _FORBIDDEN

    @property
    def is_unreachable(self) -> bool:
        """Whether it says that a router had no route."""
        return (self.protocol, self.kind, self.code) in _NO_ROUTE

    @property
    def is_refusal(self) -> bool:
        """Whether it says that nobody listens: a TCP reset, or "port unreachable"."""
        if self.protocol == TCP:
            return bool(self.flags & _RST)
        return (self.protocol, self.kind, self.code) in _PORT_UNREACHABLE

    @property
    def flow(self) -> tuple[str, int | None, str, int | None]:
        """Who sends to whom: source, its port, destination, its port."""
        return self.source, self.source_port, self.destination, self.destination_port

    @property
    def back(self) -> tuple[str, int | None, str, int | None]:
        """The `flow` of its answer."""
        return self.destination, self.destination_port, self.source, self.source_port


@dataclass(frozen=True)
class Neighbourly:
    """A question who has an address, or the answer to it: ARP, or neighbour discovery."""

    address: str
    asks: bool
    sender: str


@dataclass(frozen=True)
class Sighting:
    """One frame at one interface of a node or switch, going ``way`` "in" or "out".

    ``way`` is "passing" for a frame that is meant for another machine.

    """

    place: str
    interface: str
    way: str
    at_s: float
    mac_source: str
    mac_destination: str
    what: Packet | Neighbourly


@dataclass(frozen=True)
class Marks:
    """By what the packet that was sent is known again, wherever it is seen.

    ``sequence`` is TCP's, ``payload`` that of a datagram or an echo request.

    """

    protocol: int
    sequence: int | None = None
    payload: bytes = b""

    def is_probe(self, packet: Packet) -> bool:
        """Tell whether this is the packet that was sent, perhaps translated."""
        if packet.protocol != self.protocol:
            return False
        if self.protocol == TCP:
            return packet.sequence == self.sequence and not packet.flags & _RST
        kind = self.protocol == UDP or (self.protocol, packet.kind) in _ECHO
        return kind and self.carries(packet)

    def carries(self, packet: Packet) -> bool:
        """Tell whether a packet carries the payload, of which the end may be cut off.

        What rules of nftables tell of shows 20 bytes after the IP header.

        """
        length = min(len(packet.payload), len(self.payload))
        return length > 0 and packet.payload[:length] == self.payload[:length]


class Trail:
    """All that was seen of one packet, its answer, and errors about them.

    ``probe``, ``answer`` and ``errors`` are sightings in the order of time, ``asked``
    those of `Neighbourly`.

    """

    def __init__(self, sightings: Iterable[Sighting], marks: Marks) -> None:
        self.probe: list[Sighting] = []
        self.answer: list[Sighting] = []
        self.errors: list[Sighting] = []
        self.asked: list[Sighting] = []
        self.marks = marks
        ordered = sorted(sightings, key=lambda one: one.at_s)
        flows = set()
        for one in ordered:
            if isinstance(one.what, Neighbourly):
                self.asked.append(one)
            elif marks.is_probe(one.what):
                self.probe.append(one)
                flows.add(one.what.back)
        self._flows = flows
        forward = {(b, bp, a, ap) for a, ap, b, bp in flows}
        for one in ordered:
            packet = one.what
            if isinstance(packet, Neighbourly) or marks.is_probe(packet):
                continue
            if packet.quoted is not None and (
                packet.quoted.flow in flows or packet.quoted.flow in forward
            ):
                self.errors.append(one)
            elif self.is_answer(packet):
                self.answer.append(one)

    def is_answer(self, packet: Packet) -> bool:
        """Tell whether a packet answers the one that was sent."""
        if packet.protocol != self.marks.protocol or self.marks.is_probe(packet):
            return False
        if packet.protocol == TCP:
            known = ((self.marks.sequence or 0) + 1) & 0xFFFFFFFF
            return packet.acknowledged == known and bool(packet.flags & (_SYN | _RST))
        if packet.protocol == UDP:
            return packet.flow in self._flows
        is_reply = (packet.protocol, packet.kind) in _ECHO_REPLY
        return is_reply and self.marks.carries(packet)

    def role(self, packet: Packet) -> str | None:
        """Return "probe", "answer", "error" or None for what is none of these."""
        if self.marks.is_probe(packet):
            return "probe"
        if self.is_answer(packet):
            return "answer"
        return "error" if packet.is_error else None


def first_sequence(
    sightings: Iterable[Sighting], place: str, source_port: int | None
) -> int | None:
    """Return the sequence number of the first TCP SYN that a node has sent from a port.

    Others may be there: what waited for a neighbour leaves when it is found, whoever has
    given up by then.

    """
    for one in sorted(sightings, key=lambda one: one.at_s):
        packet = one.what
        if isinstance(packet, Neighbourly) or packet.protocol != TCP or one.place != place:
            continue
        opens = packet.flags & (_SYN | _ACK) == _SYN
        if opens and packet.source_port == source_port:
            return packet.sequence
    return None


# -- frames ------------------------------------------------------------------


def read_frame(place: str, interface: str, kind: int, at_s: float, data: bytes) -> Sighting | None:
    """Read an Ethernet frame, of which the end may be cut off; None for what is neither."""
    if len(data) < 14:
        return None
    (ethertype,) = struct.unpack_from(">H", data, 12)
    start = 14
    while ethertype in (0x8100, 0x88A8) and len(data) >= start + 4:
        (ethertype,) = struct.unpack_from(">H", data, start + 2)
        start += 4
    what: Packet | Neighbourly | None = None
    if ethertype == 0x0806:
        what = _read_arp(data[start:])
    elif ethertype in (0x0800, 0x86DD):
        what = read_packet(data[start:])
        what = _neighbourly(what) if what is not None else None
    elif ethertype == 0x8847:
        what = _read_labelled(data[start:])
    if what is None:
        return None
    way = {_OUTGOING: "out", _OTHER_HOST: "passing"}.get(kind, "in")
    return Sighting(place, interface, way, at_s, data[6:12].hex(":"), data[:6].hex(":"), what)


def _read_labelled(data: bytes) -> Packet | None:
    """Read a packet behind labels of MPLS (RFC 3032 section 2.1)."""
    entries: list[int] = []
    while not entries or not entries[-1] >> 8 & 1:  # the last is marked
        if len(data) < 4 * len(entries) + 4:
            return None
        entries += struct.unpack_from(">I", data, 4 * len(entries))
    packet = read_packet(data[4 * len(entries) :])
    if packet is None:
        return None
    labels = tuple(entry >> 12 for entry in entries)
    return dataclasses.replace(packet, ttl=entries[0] & 0xFF, labels=labels)


def read_packet(data: bytes) -> Packet | None:
    """Read an IP packet, of which the end may be cut off; None for what is none.

    >>> read_packet(segment).destination_port
    80

    """
    found, sides = carried(data), ends(data)
    if found is None or sides is None:
        return None
    (protocol, rest), (source, destination) = found, sides
    if data[0] >> 4 == 4:
        size, ttl = struct.unpack_from(">H4xB", data, 2)
    else:
        length, ttl = struct.unpack_from(">HxB", data, 4)
        size = 40 + length
    if protocol == TCP and len(rest) >= 8:
        ports = struct.unpack_from(">HHI", rest)
        acknowledged, length, flags = 0, 20, 0
        if len(rest) >= 14:  # an error may quote eight bytes only
            acknowledged, length, flags = struct.unpack_from(">IBB", rest, 8)
            length = (length >> 4) * 4
        return Packet(
            protocol,
            source,
            destination,
            ports[0],
            ports[1],
            ttl=ttl,
            size_bytes=size,
            flags=flags,
            sequence=ports[2],
            acknowledged=acknowledged,
            mss_bytes=_maximum_segment(rest[20:length]),
            payload=rest[length:],
        )
    if protocol == UDP and len(rest) >= 4:
        ports = struct.unpack_from(">HH", rest)
        return Packet(
            protocol, source, destination, ports[0], ports[1], ttl, size, payload=rest[8:]
        )
    if protocol in (ICMP, ICMPV6) and len(rest) >= 2:
        kind, code = rest[0], rest[1]
        is_error = (protocol, kind) in _ERRORS
        next_mtu = None
        if (protocol, kind, code) in _TOO_BIG and len(rest) >= 8:
            (number,) = struct.unpack_from(">I", rest, 4)
            next_mtu = number & 0xFFFF if protocol == ICMP else number
        return Packet(
            protocol,
            source,
            destination,
            ttl=ttl,
            size_bytes=size,
            kind=kind,
            code=code,
            next_mtu_bytes=next_mtu,
            payload=rest[8:],
            quoted=read_packet(rest[8:]) if is_error else None,
        )
    return Packet(protocol, source, destination, ttl=ttl, size_bytes=size)


def _maximum_segment(options: bytes) -> int | None:
    at = 0
    while at < len(options) and options[at] != 0:
        if options[at] == 1:
            at += 1
            continue
        if at + 4 <= len(options) and options[at] == 2:
            return int(struct.unpack_from(">H", options, at + 2)[0])
        if at + 1 >= len(options) or options[at + 1] < 2:
            return None
        at += options[at + 1]
    return None


def _read_arp(data: bytes) -> Neighbourly | None:
    if len(data) < 28 or data[:6] != b"\x00\x01\x08\x00\x06\x04":
        return None
    asks = data[7] == 1
    sender, target = str(ip_address(data[14:18])), str(ip_address(data[24:28]))
    return Neighbourly(target if asks else sender, asks, sender)


def _neighbourly(packet: Packet) -> Packet | Neighbourly:
    """Return a neighbour solicitation or advertisement as what it is."""
    if packet.protocol == ICMPV6 and packet.kind in (135, 136) and len(packet.payload) >= 16:
        target = str(ip_address(packet.payload[:16]))
        return Neighbourly(target, packet.kind == 135, packet.source)
    return packet


# -- packets to send ------------------------------------------------------------


def make_packet(
    protocol: int,
    flow: Sequence[str | int | None],
    size_bytes: int,
    *,
    flags: int = _SYN,
    sequence: int = 0,
    acknowledged: int = 0,
    payload: bytes = b"",
) -> bytes:
    """Make an IP packet of this size that must not be fragmented, filled up with zeros.

    ``flow`` is source, its port, destination, its port, as `Packet.flow`; ``flags`` and the
    two numbers are TCP's.

    """
    source, destination = ip_address(str(flow[0])), ip_address(str(flow[2]))
    source_port, port = int(flow[1] or 0), int(flow[3] or 0)
    head_bytes = 20 if source.version == 4 else 40
    length = size_bytes - head_bytes
    if protocol == TCP:
        head = struct.pack(
            ">HHIIBBHHH", source_port, port, sequence, acknowledged, 5 << 4, flags, 65535, 0, 0
        )
        place = 16
    elif protocol == UDP:
        head, place = struct.pack(">HHHH", source_port, port, length, 0), 6
    else:
        kind = 8 if source.version == 4 else 128
        head, place = struct.pack(">BBHHH", kind, 0, 0, source_port, 1), 2
    segment = bytearray((head + payload).ljust(length, b"\0"))
    # The pseudo-header: RFC 9293 section 3.1, RFC 8200 section 8.1; ICMP's own has none.
    pseudo = source.packed + destination.packed + struct.pack(">HH", protocol, length)
    if protocol == ICMP:
        pseudo = b""
    segment[place : place + 2] = struct.pack(">H", _checksum(pseudo + bytes(segment)))
    if source.version == 4:
        # The kernel sets length, identification and checksum: raw(7).
        ip = struct.pack(">BBHHHBBH", 0x45, 0, size_bytes, 0, 0x4000, 64, protocol, 0)
    else:
        ip = struct.pack(">IHBB", 6 << 28, length, protocol, 64)
    return ip + source.packed + destination.packed + bytes(segment)


def _checksum(data: bytes) -> int:
    """The Internet's checksum, RFC 1071."""
    data += bytes(len(data) % 2)
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
