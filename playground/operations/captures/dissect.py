"""Frames made readable: `CapturedPacket`, and the `Dissector` that makes them.

dpkt takes the headers apart, but for the most common ones.  Here is what goes over several
packets of a conversation (relative sequence numbers, retransmissions, a TLS record in two
segments) and the words, which are those of Wireshark.  Each layer that cannot be read falls
back to what is known of the layers around it, and to its number of bytes: no packet stops
the others.

"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import dpkt

from playground.agent.network.ip_packets import carried
from playground.model.records import dataclass
from playground.operations.captures import dns_words, protocol_words
from playground.operations.captures.frames import RAW_IP, CapturePoint, Frame
from playground.operations.captures.ipv6_messages import advertisement_words, dhcpv6_words
from playground.operations.captures.protocol_words import Tunnelled

BROADCAST = "ff:ff:ff:ff:ff:ff"

# The headers that most packets have are read here: with dpkt a packet takes twice as long.
# RFC 768: the ports and the length; RFC 9293 section 3.1: all up to the window.
_SHORT = struct.Struct(">H")
_UDP = struct.Struct(">HHH")
_TCP = struct.Struct(">HHIIBBH")
_TCP_HEADER = 20
# RFC 791 in a frame of Ethernet: MAC addresses, the length, what a fragment is told by, the
# protocol, addresses and ports.
_IPV4 = struct.Struct(">12s4xHxxHxBxx12s")
_FRAGMENT = 0x3FFF  # more fragments, and the offset of this one
_PORTS = struct.Struct(">HH")
# IPv4 without options, in a frame without tags: from the type on, and how long both headers are.
_PLAIN, _PLAIN_BYTES = b"\x08\x00\x45", 34
_PORTS_BYTES = 4

# RFC 9293 section 3.1
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
_FLAGS = ((SYN, "SYN"), (FIN, "FIN"), (RST, "RST"), (PSH, "PSH"), (ACK, "ACK"), (0x20, "URG"))
_FLAG_TEXTS = {
    bits: ", ".join(name for bit, name in _FLAGS if bits & bit) or "none" for bits in range(64)
}

RETRANSMISSION = "retransmission"
OUT_OF_ORDER = "out of order"
MISSING = "previous segment missing"
DUPLICATE_ACK = "duplicate ACK"
KEEP_ALIVE = "keep-alive"
_SEEN_BEFORE = (RETRANSMISSION, KEEP_ALIVE)

# A TLS message that is longer is not put together: only its type is told.
_TLS_KEPT_BYTES = 1 << 16
_LINE_CHARACTERS = 100


# Bytes from the network may be anything, and dpkt raises errors that its authors did not
# think of (TypeError, KeyError, UnboundLocalError): whatever it is, the packet is shown.
_UNFIT = (Exception,)

# A tunnel in a tunnel in a tunnel; what is deeper is only counted.
_TUNNELS = 4


def _ip_offset(link_type: int, data: bytes) -> int:
    """Return where the IP packet of a frame begins; -1: there is none."""
    if link_type == RAW_IP:
        return 0
    at = 12
    while data[at : at + 2] in (b"\x81\x00", b"\x88\xa8"):
        at += 4
    return at + 2 if data[at : at + 2] in (b"\x08\x00", b"\x86\xdd") else -1


def _upper(data: bytes) -> tuple[int, bytes]:
    """Return the protocol that an IP packet carries, and its bytes as they were sent.

    Not dpkt's, which writes anew what it has read, and fails where it has read nothing sensible.

    """
    found = carried(data)
    if found is None:
        raise ValueError("no IP packet")
    return found


def _decode(place: CapturePoint, data: bytes) -> Any:
    if place.link_type != RAW_IP:
        return dpkt.ethernet.Ethernet(data)
    return (dpkt.ip6.IP6 if data[:1] >= b"\x60" else dpkt.ip.IP)(data)


class Seconds(float):
    """A time that is shown to the microsecond, in a table too."""

    def __format__(self, spec: str) -> str:
        return super().__format__(".6f" if spec in ("", "g") else spec)


@dataclass(slots=True, eq=False)
class CapturedPacket:
    """One packet, as it was seen at one place.

    The columns of a table come first.  ``time_s`` is since the capture's first packet, or
    since the epoch as ``frame.time_ns``; ``source`` and ``destination`` are IP addresses, or
    MAC addresses where there is no IP.  ``mark`` is "retransmission", "out of order",
    "previous segment missing", "duplicate ACK", "keep-alive" or empty.  Of TCP, ``seq`` and
    ``ack`` are relative.  Of a tunnel's packet (VXLAN, GRE, IP in IP), ``inner`` is the one
    in it.

    """

    number: int
    time_s: float
    where: str
    direction: str
    source: str
    destination: str
    protocol: str
    length_bytes: int
    info: str
    frame: Frame = field(repr=False)
    place: CapturePoint = field(repr=False)
    source_mac: str = field(repr=False, default="")
    destination_mac: str = field(repr=False, default="")
    source_port: int | None = field(repr=False, default=None)
    destination_port: int | None = field(repr=False, default=None)
    transport: str = field(repr=False, default="")
    flags: str = field(repr=False, default="")
    seq: int | None = field(repr=False, default=None)
    ack: int | None = field(repr=False, default=None)
    payload: bytes = field(repr=False, default=b"")
    mark: str = field(repr=False, default="")
    vlan: int | None = field(repr=False, default=None)
    app_info: str = field(repr=False, default="")
    inner: CapturedPacket | None = field(repr=False, default=None)
    _decoded: Any = field(repr=False, default=None)

    @property
    def time(self) -> datetime:
        """When it was seen, to the microsecond, in UTC."""
        return datetime.fromtimestamp(self.frame.time_ns / 1e9, UTC)

    @property
    def data(self) -> bytes:
        """The frame's bytes."""
        return self.frame.data

    @property
    def decoded(self) -> Any:
        """The frame as dpkt's object; None if dpkt can make nothing of it.

        Made when it is asked for: 100,000 of them would be 200 MB.

        """
        if self._decoded is None:
            with suppress(*_UNFIT):
                self._decoded = _decode(self.place, self.frame.data)
        return self._decoded

    @property
    def ip_payload(self) -> bytes:
        """The bytes that its IP packet carries; none where there is no IP packet."""
        at = _ip_offset(self.place.link_type, self.frame.data)
        with suppress(*_UNFIT):
            if at >= 0:
                return _upper(self.frame.data[at:])[1]
        return b""

    @property
    def network(self) -> Any:
        """The IP or ARP packet in it, as dpkt's object; None if there is none."""
        if isinstance(self.decoded, (dpkt.ip.IP, dpkt.ip6.IP6)):
            return self.decoded
        inner = getattr(self.decoded, "data", None)
        return inner if isinstance(inner, dpkt.Packet) else None

    def __str__(self) -> str:
        return (
            f"{self.number} {self.time_s:.6f} {self.where} {self.direction} {self.source} → "
            f"{self.destination} {self.protocol} {self.length_bytes} {self.info}"
        )


class _Direction:
    """One direction of a TCP connection, as seen at one place."""

    __slots__ = ("ack_seen", "holes", "kept", "more", "next", "scale", "time_ns", "window")

    def __init__(self) -> None:
        # The number that comes next, when it came to that, and what is missing before it.
        self.next: int | None = None
        self.time_ns = 0
        self.holes: list[tuple[int, int]] = []
        self.ack_seen: tuple[int, int] | None = None
        self.window = -1
        self.scale: int | None = None
        # Of a TLS record that goes on in the next segment: what is missing, what there is.
        self.more = 0
        self.kept = b""


class _TcpView:
    """One direction of a TCP connection as seen at one place, with the one back.

    ``first`` and ``first_back`` are what relative numbers begin from, the same wherever a
    connection is seen: None as long as nobody knows.

    """

    __slots__ = ("back", "first", "first_back", "mine", "title")

    def __init__(
        self,
        title: str,
        mine: _Direction,
        back: _Direction,
        first: _FirstNumber,
        first_back: _FirstNumber,
    ) -> None:
        self.title = title
        self.mine = mine
        self.back = back
        self.first = first
        self.first_back = first_back


class _FirstNumber:
    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number: int | None = None


class _KnownWords(NamedTuple):
    """Words that are the same in all packets of a conversation, and the connection if it is TCP."""

    source: str
    destination: str
    source_mac: str
    destination_mac: str
    connection: _TcpView | None


_UNKNOWN = _KnownWords("", "", "", "", None), b""


class Dissector:
    """Makes packets of frames, in the order of their times.

    It remembers the TCP connections that it has seen.

    """

    def __init__(self, places: Sequence[CapturePoint], tunnels: int = _TUNNELS) -> None:
        self._places = places
        # How many tunnels may be in each other, and who reads what is in each.
        self._tunnels = tunnels
        self._inner: dict[tuple[int, str, str], Dissector] = {}
        self._names = [str(place) for place in places]
        self._count = 0
        self._first_ns = 0
        self._connections: dict[tuple[Any, ...], _TcpView] = {}
        self._directions: dict[tuple[Any, ...], _Direction] = {}
        self._firsts: dict[tuple[Any, ...], _FirstNumber] = {}
        self._plain: dict[tuple[int, int, bytes, bytes], _KnownWords] = {}
        self._addresses: dict[bytes, str] = {}

    def read(self, frame: Frame) -> CapturedPacket:
        """Return the next packet."""
        if not self._count:
            self._first_ns = frame.time_ns
        self._count += 1
        place = self._places[frame.place]
        data = frame.data
        known = _UNKNOWN
        if data[12:15] == _PLAIN and place.link_type != RAW_IP:
            known = self._known(frame.place, data)
        (source, destination, source_mac, destination_mac, connection), payload = known
        packet = CapturedPacket(
            self._count,
            Seconds((frame.time_ns - self._first_ns) / 1e9),
            self._names[frame.place],
            "out" if frame.outgoing else "in",
            source,
            destination,
            "",
            frame.length_bytes,
            "",
            frame,
            place,
            source_mac,
            destination_mac,
        )
        try:
            if connection is not None:
                self._tcp(packet, payload, connection)
            elif payload:
                self._udp(packet, payload)
            elif place.link_type == RAW_IP:
                self._network(packet, data)
            else:
                self._ethernet(packet, data)
        except _UNFIT:
            packet.protocol = packet.protocol or "unknown"
            packet.info = packet.info or "malformed, or cut by the capture"
        return packet

    def _known(self, place: int, data: bytes) -> tuple[_KnownWords, bytes]:
        """Return what is the same in all packets of a conversation by TCP or UDP, and its packet.

        By far the most packets are of one that was seen before, and have plain headers: to know
        its names and its connection saves a third of their time.  All others are `_UNKNOWN`.

        """
        if len(data) < _PLAIN_BYTES + _PORTS_BYTES:
            return _UNKNOWN
        macs, length, fragment, protocol, ends = _IPV4.unpack_from(data)
        if fragment & _FRAGMENT:
            return _UNKNOWN
        payload = data[_PLAIN_BYTES : 14 + length] if length >= 20 else data[_PLAIN_BYTES:]
        if protocol == 6:
            if len(payload) < 20 or payload[12] < 0x50:
                return _UNKNOWN  # cut, or malformed
        elif protocol != 17 or len(payload) < 8:
            return _UNKNOWN
        key = (place, protocol, macs, ends)
        known = self._plain.get(key)
        if known is None:
            source, destination = self._ip(ends[:4]), self._ip(ends[4:8])
            connection = None
            if protocol == 6:
                ports = _PORTS.unpack_from(ends, 8)
                connection = self._connection(place, source, destination, *ports)
            known = self._plain[key] = _KnownWords(
                source, destination, self._mac(macs[6:]), self._mac(macs[:6]), connection
            )
        return known, payload

    def _connection(
        self, place: int, source: str, destination: str, sport: int, dport: int
    ) -> _TcpView:
        there, back = (source, sport, destination, dport), (destination, dport, source, sport)
        known = self._connections.get((place, there))
        if known is None:
            mine, other = (
                self._directions.setdefault((place, one), _Direction()) for one in (there, back)
            )
            first, first_back = (
                self._firsts.setdefault(one, _FirstNumber()) for one in (there, back)
            )
            title = f"{sport} → {dport}"
            known = _TcpView(title, mine, other, first, first_back)
            self._connections[place, there] = known
        return known

    # -- the layers ---------------------------------------------------------

    def _ethernet(self, packet: CapturedPacket, data: bytes) -> None:
        packet.source = packet.source_mac = self._mac(data[6:12])
        packet.destination = packet.destination_mac = self._mac(data[:6])
        if data[12:14] == b"\x08\x00":
            # By far the most; to leave Ethernet out here saves a third of the time.
            self._network(packet, data[14:])
            return
        if data[12:14] in (b"\x81\x00", b"\x88\xa8") and len(data) >= 16:
            packet.vlan = int.from_bytes(data[14:16], "big") & 0xFFF
        at = _ip_offset(packet.place.link_type, data)
        if at >= 0:
            self._network(packet, data[at:])
            return
        frame = _decode(packet.place, data)
        if isinstance(frame.data, dpkt.arp.ARP):
            packet.protocol, packet.info = "ARP", _arp(frame.data)
        else:
            packet.protocol, packet.info = _other_frame(frame, data)

    def _network(self, packet: CapturedPacket, data: bytes) -> None:
        four = data[:1] < b"\x60"
        if len(data) < (20 if four else 40):
            packet.protocol = "IPv4" if four else "IPv6"
            packet.info = "malformed, or cut by the capture"
            return
        source, middle, end = (12, 16, 20) if four else (8, 24, 40)
        packet.source, packet.destination = (
            self._ip(data[source:middle]),
            self._ip(data[middle:end]),
        )
        if four:
            fragment = _SHORT.unpack_from(data, 6)[0] & 0x3FFF
            if fragment:  # RFC 791: more fragments, and this one's offset
                at = fragment & 0x1FFF
                (number,) = _SHORT.unpack_from(data, 4)
                packet.protocol = "IPv4"
                packet.info = f"fragment of protocol {data[9]}, offset {at}, id {number:#06x}"
                if at:
                    return
        protocol, payload = _upper(data)
        if protocol == 17 and len(payload) >= 8:
            self._udp(packet, payload)
        elif protocol == 6 and len(payload) >= 20 and payload[12] >> 4 >= 5:
            ports = _PORTS.unpack_from(payload)
            ends = packet.source, packet.destination
            self._tcp(packet, payload, self._connection(packet.frame.place, *ends, *ports))
        else:
            self._rest(packet, data, protocol, payload)

    def _rest(self, packet: CapturedPacket, data: bytes, protocol: int, payload: bytes) -> None:
        """Say what IP carries where that is neither TCP nor UDP."""
        ip = inner = None
        with suppress(*_UNFIT):
            ip = (dpkt.ip.IP if data[:1] < b"\x60" else dpkt.ip6.IP6)(data)
            inner = ip.data
        if isinstance(inner, dpkt.icmp.ICMP):
            packet.protocol, packet.info = "ICMP", f"{len(data)} bytes"
            packet.info = _icmp(inner, getattr(ip, "ttl", 0))
        elif isinstance(inner, dpkt.icmp6.ICMP6):
            packet.protocol, packet.info = "ICMPv6", f"{len(data)} bytes"
            packet.info = _icmp6(inner)
        elif packet.protocol == "":
            packet.protocol = _PROTOCOLS.get(protocol, f"IP {protocol}")
            packet.info = f"{len(payload)} bytes"
            with suppress(*_UNFIT):
                self._carried(packet, protocol, payload)

    def _carried(self, packet: CapturedPacket, protocol: int, payload: bytes) -> None:
        """Say what IP carries where that is neither TCP nor UDP nor ICMP."""
        if protocol == 2:
            packet.protocol, packet.info = protocol_words.igmp(payload)
        elif protocol == 103:
            packet.protocol, packet.info = protocol_words.pim(payload)
        elif protocol == 112:
            packet.info = protocol_words.vrrp(payload)
        elif protocol == 89:
            packet.info = _OSPF.get(payload[1], f"type {payload[1]}")
        elif protocol in (4, 41):  # RFC 2003, RFC 4213
            self._tunnel(packet, Tunnelled("", "ip", payload))
        elif protocol == 47:
            self._tunnel(packet, protocol_words.gre(payload))

    def _udp(self, packet: CapturedPacket, datagram: bytes) -> None:
        _udp(packet, datagram)
        if packet.destination_port in _VXLAN_PORTS and packet.payload:
            with suppress(*_UNFIT):
                packet.protocol = "VXLAN"
                self._tunnel(packet, protocol_words.vxlan(packet.payload))
                packet.app_info = packet.info

    def _tunnel(self, packet: CapturedPacket, tunnel: Tunnelled) -> None:
        """Say what is in a tunnel's packet, as if that had been captured by itself."""
        if tunnel.inside not in ("ip", "frame") or not self._tunnels:
            said = f"{tunnel.inside}, {len(tunnel.data)} bytes"
        else:
            key = (packet.frame.place, packet.protocol, tunnel.title)
            reader = self._inner.get(key)
            if reader is None:
                kind = RAW_IP if tunnel.inside == "ip" else packet.place.link_type
                place = replace(packet.place, link_type=kind)
                reader = self._inner[key] = Dissector([place], self._tunnels - 1)
            cut = packet.frame.length_bytes - len(packet.frame.data)
            length = len(tunnel.data) + max(0, cut)
            inner = reader.read(
                packet.frame._replace(place=0, length_bytes=length, data=tunnel.data)
            )
            packet.inner = inner
            said = f"{inner.protocol} {inner.source} → {inner.destination} {inner.info}"
        packet.info = f"{tunnel.title}: {said}" if tunnel.title else said

    def _tcp(self, packet: CapturedPacket, segment: bytes, connection: _TcpView) -> None:
        sport, dport, number, answer, offset, flags, window = _TCP.unpack_from(segment)
        flags &= 0x3F
        begin = (offset >> 4) * 4
        payload = packet.payload = segment[begin:]
        frame = packet.frame
        # Bytes that a capture cut off were sent all the same: the IP header knows.
        length = len(payload) + frame.length_bytes - len(frame.data)
        packet.source_port, packet.destination_port = sport, dport
        packet.transport, packet.flags = "TCP", _FLAG_TEXTS[flags]
        mine, other, first = connection.mine, connection.back, connection.first
        syn = flags & SYN
        if syn or first.number is None:
            # Data of which no SYN was seen begins with 1, as if there had been one.
            first.number = number if syn else number - 1
        seq = packet.seq = (number - first.number) & 0xFFFFFFFF
        ack = None
        if flags & ACK:
            if connection.first_back.number is None:
                connection.first_back.number = answer - 1
            ack = packet.ack = (answer - connection.first_back.number) & 0xFFFFFFFF

        mark = packet.mark = _mark(mine, other, flags, seq, ack, length, window, frame.time_ns)
        options = ""
        if syn:
            options = _syn_options(segment[_TCP_HEADER:begin], mine)
        elif mine.scale is not None and other.scale is not None:
            window <<= mine.scale

        packet.protocol = "TCP"
        if payload and mark not in _SEEN_BEFORE:
            with suppress(*_UNFIT):
                _stream(packet, payload, mine)
        if packet.app_info:
            packet.info = packet.app_info
            return
        acked = "" if ack is None else f" Ack={ack}"
        marked = f"[{mark}] " if mark else ""
        packet.info = (
            f"{marked}{connection.title} [{packet.flags}] Seq={seq}{acked} Win={window} "
            f"Len={length}{options}"
        )

    def _ip(self, packed: bytes) -> str:
        text = self._addresses.get(packed)
        if text is None:
            family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
            text = self._addresses[packed] = socket.inet_ntop(family, packed)
        return text

    def _mac(self, packed: bytes) -> str:
        text = self._addresses.get(packed)
        if text is None:
            text = self._addresses[packed] = packed.hex(":")
        return text


def _after(first: int, second: int) -> int:
    """How far a sequence number is behind another, which wraps at 2**32 (RFC 1982)."""
    return ((first - second + 0x80000000) & 0xFFFFFFFF) - 0x80000000


# Of a segment that another overtook, as Wireshark has it: later ones were sent again.
_OVERTAKEN_NS = 3_000_000


def _mark(
    mine: _Direction,
    other: _Direction,
    flags: int,
    seq: int,
    ack: int | None,
    length: int,
    window: int,
    time_ns: int,
) -> str:
    """Say what is strange about a segment, and note what it has brought."""
    if seq == mine.next and length and not flags & (SYN | FIN | RST):
        # As nearly all are: data that was to come next.
        mine.next, mine.time_ns = (seq + length) & 0xFFFFFFFF, time_ns
        if ack is not None:
            mine.ack_seen, mine.window = (ack, mine.next), window
        return ""
    size = length + bool(flags & SYN) + bool(flags & FIN)
    end = (seq + size) & 0xFFFFFFFF
    mark = ""
    ahead = 0 if mine.next is None else _after(seq, mine.next)
    if mine.next is None or (flags & SYN and not flags & ACK and ahead < -1):
        mine.next, mine.holes = end, []  # or a new connection of the same ports
    elif ahead == -1 and length <= 1 and not flags & (SYN | FIN | RST):
        mark = KEEP_ALIVE
    elif size and ahead < 0:
        was_missing = _fill(mine.holes, seq, end)
        overtaken = was_missing and time_ns - mine.time_ns < _OVERTAKEN_NS
        mark = OUT_OF_ORDER if overtaken else RETRANSMISSION
        if _after(end, mine.next) > 0:
            mine.next = end
    elif size:
        if ahead > 0:
            mark = MISSING
            mine.holes.append((mine.next, seq))
        mine.next, mine.time_ns = end, time_ns
    if (
        ack is not None
        and not size
        and not flags & (RST | SYN | FIN)
        and not mark
        and mine.ack_seen == (ack, seq)
        and mine.window == window
        and other.next is not None
        and _after(other.next, ack) > 0
    ):
        mark = DUPLICATE_ACK
    if ack is not None:
        mine.ack_seen = (ack, end)
        mine.window = window
    return mark


def _fill(holes: list[tuple[int, int]], seq: int, end: int) -> bool:
    """Note that a segment came; whether any of it was missing."""
    for number, (begin, behind) in enumerate(holes):
        if _after(seq, begin) >= 0 and _after(behind, seq) > 0:
            rest = [(begin, seq), (end, behind)]
            holes[number : number + 1] = [hole for hole in rest if _after(hole[1], hole[0]) > 0]
            return True
    return False


def _syn_options(options: bytes, mine: _Direction) -> str:
    text = ""
    mine.scale = None
    for kind, value in filter(None, dpkt.tcp.parse_opts(options)):  # None: malformed
        if kind == dpkt.tcp.TCP_OPT_MSS:
            text += f" MSS={int.from_bytes(value, 'big')}"
        elif kind == dpkt.tcp.TCP_OPT_WSCALE:
            mine.scale = min(value[0], 14)
            text += f" WS={1 << mine.scale}"
        elif kind == dpkt.tcp.TCP_OPT_SACKOK:
            text += " SACK_PERM"
    return text


# -- what TCP carries --------------------------------------------------------

_LINES = {21: "FTP", 25: "SMTP", 587: "SMTP", 110: "POP", 143: "IMAP"}
_METHODS = (b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"CONNECT ")
_HTTP = (b"HTTP/1.", *_METHODS)
_STREAM_PORTS = frozenset({22, 23, 53, 80, 179, 8080, *_LINES})
# What begins with another byte tells no protocol by itself.
_TELLING = frozenset({*dpkt.ssl.RECORD_TYPES, b"S"[0], *(words[0] for words in _HTTP)})


def _stream(packet: CapturedPacket, payload: bytes, mine: _Direction) -> None:
    ports = (packet.source_port, packet.destination_port)
    telling = payload[0] in _TELLING
    if mine.more or (telling and payload[0] in dpkt.ssl.RECORD_TYPES and payload[1:2] == b"\x03"):
        _tls(packet, payload, mine)
    elif telling and payload.startswith(_HTTP):
        packet.protocol, packet.app_info = "HTTP", _first_line(payload)
    elif telling and payload.startswith(b"SSH-"):
        packet.protocol, packet.app_info = "SSH", f"protocol {_first_line(payload)}"
    elif _STREAM_PORTS.isdisjoint(ports):
        return
    elif 22 in ports:
        packet.protocol, packet.app_info = "SSH", f"packet, {len(payload)} bytes"
    elif 53 in ports and len(payload) > 14:
        packet.protocol, packet.app_info = "DNS", _dns(payload[2:])
    elif 23 in ports:
        packet.protocol, packet.app_info = "TELNET", _telnet(payload)
    elif 179 in ports and len(payload) > 18 and payload[:16] == b"\xff" * 16:
        packet.protocol, packet.app_info = "BGP", _BGP.get(payload[18], "message")
    elif 80 in ports or 8080 in ports:
        packet.protocol, packet.app_info = "HTTP", f"data, {len(payload)} bytes"
    else:
        for port in ports:
            if name := _LINES.get(port or 0):
                said = "Response" if port == packet.source_port else "Request"
                packet.protocol, packet.app_info = name, f"{said}: {_first_line(payload)}"
                return


def _first_line(payload: bytes) -> str:
    line = payload.split(b"\n", 1)[0].rstrip(b"\r")[:_LINE_CHARACTERS]
    return _printable(line)


def _printable(data: bytes) -> str:
    return _visible(data.decode("utf-8", "replace"))


def _visible(text: str) -> str:
    """Return a text of one line, which a terminal and XML can show."""
    return "".join(c if c.isprintable() else "·" for c in text)


def _telnet(payload: bytes) -> str:
    if payload[0] == 0xFF:  # RFC 854: interpret as command
        return f"options, {len(payload)} bytes"
    text = payload[:_LINE_CHARACTERS].decode("utf-8", "replace")
    return f"data {text!r}"


def _tls(packet: CapturedPacket, payload: bytes, mine: _Direction) -> None:
    """Name the TLS records of a segment; one that is not complete is named where it ends."""
    names: list[str] = []
    packet.protocol = "TLS"
    if mine.more:
        part, payload = payload[: mine.more], payload[mine.more :]
        mine.more -= len(part)
        if len(mine.kept) + len(part) <= _TLS_KEPT_BYTES:
            mine.kept += part
        if mine.more:
            packet.app_info = "continuation"
            return
        names.append(_tls_record(mine.kept))
    while len(payload) >= 5 and payload[0] in dpkt.ssl.RECORD_TYPES:
        length = 5 + int.from_bytes(payload[3:5], "big")
        record, payload = payload[:length], payload[length:]
        if len(record) < length:
            mine.more, mine.kept = length - len(record), record
            names.append(f"{_tls_name(record)} begins")
            break
        names.append(_tls_record(record))
    packet.app_info = ", ".join(_counted(names)) or f"{len(payload)} bytes"


def _counted(names: Sequence[str]) -> list[str]:
    """Say equal neighbours once, with their number."""
    told: list[str] = []
    count = 0
    for number, name in enumerate(names):
        count += 1
        if number + 1 == len(names) or names[number + 1] != name:
            told.append(f"{count} x {name}" if count > 1 else name)
            count = 0
    return told


# RFC 8446 section 4; what comes after the keys were agreed is encrypted.
_HANDSHAKES = {
    0: "Hello Request",
    1: "Client Hello",
    2: "Server Hello",
    4: "New Session Ticket",
    8: "Encrypted Extensions",
    11: "Certificate",
    12: "Server Key Exchange",
    13: "Certificate Request",
    14: "Server Hello Done",
    15: "Certificate Verify",
    16: "Client Key Exchange",
    20: "Finished",
}
_RECORDS = {20: "Change Cipher Spec", 21: "Alert", 22: "Handshake", 23: "Application Data"}


def _tls_name(record: bytes) -> str:
    name = _RECORDS.get(record[0], "Record")
    if record[0] == 22 and len(record) > 5:
        # The first byte of a message that is encrypted may be any.
        length = int.from_bytes(record[6:9], "big")
        if record[5] in _HANDSHAKES and length + 4 <= int.from_bytes(record[3:5], "big"):
            return _HANDSHAKES[record[5]]
        return "Encrypted Handshake Message"
    if record[0] == 21 and len(record) == 7:
        return f"Alert ({'fatal' if record[5] == 2 else 'warning'}, {record[6]})"
    return name


def _tls_record(record: bytes) -> str:
    name = _tls_name(record)
    if record[0] != 22 or name not in _HANDSHAKES.values():
        return name
    names, rest = [], record[5:]
    while len(rest) >= 4:
        length = 4 + int.from_bytes(rest[1:4], "big")
        message, rest = rest[:length], rest[length:]
        told = _HANDSHAKES.get(message[0], "Handshake")
        if message[0] == 1 and (server := _server_name(message)):
            told += f" (SNI={server})"
        names.append(told)
    return ", ".join(names)


def _server_name(message: bytes) -> str:
    """Return the name of the server that a Client Hello asks for (RFC 6066 section 3)."""
    try:
        hello = dpkt.ssl.TLSHandshake(message).data
        for kind, value in getattr(hello, "extensions", ()):
            if kind == 0:
                return _printable(value[5 : 5 + int.from_bytes(value[3:5], "big")])
    except (dpkt.Error, dpkt.ssl.SSL3Exception, IndexError, ValueError, struct.error):
        pass
    return ""


# -- what UDP carries --------------------------------------------------------

_UDP_NAMES = {
    69: "TFTP",
    500: "ISAKMP",
    514: "Syslog",
    51820: "WireGuard",
}
# RFC 7348, and what Linux took before there was a number.
_VXLAN_PORTS = (4789, 8472)
# What goes by other ports is not looked into.
_KNOWN_PORTS = frozenset(
    (53, 5353, 67, 68, 546, 547, 520, *_UDP_NAMES, *protocol_words.BY_PORT),
)


def _udp(packet: CapturedPacket, datagram: bytes) -> None:
    sport, dport, length = _UDP.unpack_from(datagram)
    ports = (sport, dport)
    packet.transport = packet.protocol = "UDP"
    packet.source_port, packet.destination_port = ports
    payload = packet.payload = datagram[8:]
    if payload and not _KNOWN_PORTS.isdisjoint(ports):
        try:
            if 53 in ports or 5353 in ports:
                packet.protocol = "mDNS" if 5353 in ports else "DNS"
                packet.app_info = _dns(payload)
            elif 67 in ports or 68 in ports:
                packet.protocol, packet.app_info = "DHCP", _dhcp(payload)
            elif 546 in ports or 547 in ports:
                packet.protocol, packet.app_info = "DHCPv6", dhcpv6_words(payload)
            elif 520 in ports:
                message = dpkt.rip.RIP(payload)
                kind = "Request" if message.cmd == dpkt.rip.REQUEST else "Response"
                packet.protocol = f"RIPv{message.v}"
                packet.app_info = f"{kind}, {len(message.rtes)} routes"
            else:
                for port in ports:
                    packet.protocol = _UDP_NAMES.get(port, packet.protocol)
                for port in ports:
                    if known := protocol_words.BY_PORT.get(port):
                        packet.protocol, describe = known
                        packet.app_info = _visible(describe(payload))
        except _UNFIT:
            pass
    packet.info = packet.app_info or f"{sport} → {dport} Len={max(0, length - 8)}"


def _dns(payload: bytes) -> str:
    return _visible(dns_words.describe(payload))


# RFC 2132 section 9.6
_DHCP_TYPES = {
    1: "Discover",
    2: "Offer",
    3: "Request",
    4: "Decline",
    5: "ACK",
    6: "NAK",
    7: "Release",
    8: "Inform",
}


def _dhcp(payload: bytes) -> str:
    message = dpkt.dhcp.DHCP(payload)
    options = dict(message.opts)
    kind = options.get(dpkt.dhcp.DHCP_OPT_MSGTYPE, b"\0")[0]
    text = _DHCP_TYPES.get(kind, "message")
    if message.yiaddr:
        text += f" {socket.inet_ntop(socket.AF_INET, message.yiaddr.to_bytes(4, 'big'))}"
    elif wanted := options.get(dpkt.dhcp.DHCP_OPT_REQ_IP):
        text += f" {socket.inet_ntop(socket.AF_INET, wanted)}"
    return f"{text}, transaction {message.xid:#010x}"


# -- what is in IP and Ethernet ----------------------------------------------

# www.iana.org/assignments/protocol-numbers
_PROTOCOLS = {
    2: "IGMP",
    4: "IPIP",
    6: "TCP",
    17: "UDP",
    41: "6in4",
    47: "GRE",
    50: "ESP",
    51: "AH",
    89: "OSPF",
    103: "PIM",
    112: "VRRP",
    132: "SCTP",
}
_OSPF = {
    1: "Hello",
    2: "Database Description",
    3: "Link State Request",
    4: "Link State Update",
    5: "Link State Acknowledgment",
}
_BGP = {1: "OPEN", 2: "UPDATE", 3: "NOTIFICATION", 4: "KEEPALIVE", 5: "ROUTE-REFRESH"}


def _arp(arp: Any) -> str:
    source = socket.inet_ntop(socket.AF_INET, arp.spa)
    target = socket.inet_ntop(socket.AF_INET, arp.tpa)
    if arp.op == dpkt.arp.ARP_OP_REPLY:
        return f"{source} is at {arp.sha.hex(':')}"
    if source == target:
        return f"announcement for {source}"
    if source == "0.0.0.0":
        return f"who has {target}? (probe)"
    return f"who has {target}? tell {source}"


# RFC 792, RFC 1191
_UNREACHABLE = {
    0: "network unreachable",
    1: "host unreachable",
    2: "protocol unreachable",
    3: "port unreachable",
    4: "fragmentation needed",
    9: "network prohibited",
    10: "host prohibited",
    13: "prohibited by a filter",
}


def _icmp(icmp: Any, ttl: int) -> str:
    body = icmp.data
    if icmp.type in (0, 8):
        kind = "request" if icmp.type == 8 else "reply"
        return f"Echo (ping) {kind} id={body.id:#06x}, seq={body.seq}, ttl={ttl}"
    if icmp.type == 3:
        text = f"Destination unreachable ({_UNREACHABLE.get(icmp.code, f'code {icmp.code}')})"
        if icmp.code == 4:
            text += f", next MTU {body.mtu}"
        return text
    if icmp.type == 11:
        return f"Time-to-live exceeded {'in transit' if icmp.code == 0 else 'in reassembly'}"
    if icmp.type == 5:
        return "Redirect"
    return f"type {icmp.type}, code {icmp.code}"


# RFC 4443, RFC 4861, RFC 3810
_ICMP6 = {
    1: "Destination unreachable",
    2: "Packet too big",
    3: "Hop limit exceeded in transit",
    4: "Parameter problem",
    130: "Multicast Listener Query",
    131: "Multicast Listener Report",
    132: "Multicast Listener Done",
    133: "Router Solicitation",
    134: "Router Advertisement",
    135: "Neighbor Solicitation",
    136: "Neighbor Advertisement",
    137: "Redirect",
    143: "Multicast Listener Report v2",
}


def _icmp6(icmp: Any) -> str:
    body = bytes(icmp.data)
    if icmp.type in (128, 129) and len(body) >= 4:
        kind = "request" if icmp.type == 128 else "reply"
        number, seq = struct.unpack_from(">HH", body)
        return f"Echo (ping) {kind} id={number:#06x}, seq={seq}"
    text = _ICMP6.get(icmp.type, f"type {icmp.type}, code {icmp.code}")
    if icmp.type in (135, 136) and len(body) >= 20:
        return f"{text} for {socket.inet_ntop(socket.AF_INET6, body[4:20])}"
    if icmp.type == 134 and (words := advertisement_words(body)):
        return f"{text}, {words}"
    if icmp.type == 2 and len(body) >= 4:
        return f"{text}, next MTU {int.from_bytes(body[:4], 'big')}"
    return text


_TYPES: Mapping[int, str] = {
    0x0800: "IPv4",
    0x86DD: "IPv6",
    0x0806: "ARP",
    0x8100: "VLAN",
    0x88A8: "VLAN",
    0x8847: "MPLS",
    0x88CC: "LLDP",
    0x888E: "EAPOL",
    0x8809: "LACP",
}


def _other_frame(frame: Any, data: bytes) -> tuple[str, str]:
    llc = getattr(frame, "llc", None)
    bridge = getattr(llc, "data", None)
    if isinstance(bridge, dpkt.stp.STP):
        return "STP", _stp(bridge)
    length = f"{len(data) - 14} bytes"
    if frame.type == 0x8847 and len(data) >= 18:
        # RFC 3032 section 2.1: the label, and how many hops are left.
        (entry,) = struct.unpack_from(">I", data, 14)
        return "MPLS", f"label {entry >> 12}, ttl={entry & 0xFF}, {length}"
    return ("LLC" if llc is not None else _TYPES.get(frame.type, f"{frame.type:#06x}")), length


def _stp(bridge: Any) -> str:
    # IEEE 802.1D section 9.3: topology change notification, configuration.
    if bridge.type == 0x80:
        return "Topology Change Notification"
    root = f"{bridge.root_id[:2].hex()}.{bridge.root_id[2:].hex(':')}"
    return f"Configuration, root {root}, cost {bridge.root_path}"
