"""Rows of a ladder: one `Rung` for each packet, from machine to machine.

Pure: packets and the addresses of a lab go in.  Seen at one machine, a packet goes from
who sent it to whom it is for.  Seen at several, what was seen of it is put together
again: the frames of one hop (it left here, came there), then the hops of one way, over
routers and through NAT.

"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import field

import dpkt

from playground.model.records import dataclass
from playground.operations.captures.dissect import BROADCAST, CapturedPacket
from playground.operations.captures.frames import CapturePoint, Directory

# To everybody on the segment.
EVERYBODY = "*"


@dataclass(frozen=True)
class Rung:
    """One packet on its way.

    ``path`` holds the machines that it passed; of a broadcast it is the sender, and
    ``heard`` are those who got it (or `EVERYBODY`).  ``lost`` says that it did not come to
    the last of the path, ``stops`` that it ended there and was for another.  ``changes``
    tells what NAT made of it, and where.

    """

    number: int
    time_ns: int
    path: tuple[str, ...]
    protocol: str
    title: str
    detail: str
    mark: str = ""
    heard: tuple[str, ...] = ()
    lost: bool = False
    stops: bool = False
    changes: tuple[tuple[str, str], ...] = ()
    tooltip: str = ""


def rungs(
    packets: Sequence[CapturedPacket],
    places: Sequence[CapturePoint],
    directory: Directory,
    *,
    hops: bool,
    lossless: bool = True,
) -> list[Rung]:
    """Return the rungs of a ladder, in the order of time.

    With ``lossless`` the capture has lost nothing: what was not seen did not come.

    """
    if len(places) == 1:
        # On loopback each is seen twice.
        return [
            _between_ends(packet, directory)
            for packet in packets
            if packet.place.interface != "lo" or packet.direction == "out"
        ]
    ways = _join(_hops(packets, directory), directory)
    found = [way.rung(places, directory, lossless) for way in ways]
    if hops:
        return found
    return [
        dataclasses.replace(rung, path=(rung.path[0], rung.path[-1]), changes=())
        if len(rung.path) > 2
        else rung
        for rung in found
    ]


# -- seen at one place -------------------------------------------------------


def _between_ends(packet: CapturedPacket, directory: Directory) -> Rung:
    segment = packet.place.segment
    if packet.place.interface == "lo":
        return _rung(packet, (packet.place.node, packet.place.node))
    source = _sender(packet, directory)
    if isinstance(packet.network, dpkt.arp.ARP) and packet.network.op == 1:
        target = directory.node(_ip(packet.network.tpa), segment)
        return _rung(packet, (source, target) if target and target != source else (source,))
    if _is_for_many(packet):
        return _rung(packet, (source,))
    destination = directory.node(packet.destination, segment, packet.destination_mac)
    owner = directory.owner(packet.destination)  # where there is no IP
    if destination is None:
        destination = owner.node if owner else packet.destination
    return _rung(packet, (source, destination))


def _sender(packet: CapturedPacket, directory: Directory) -> str:
    owner = directory.owner(packet.source_mac)
    if packet.source == packet.source_mac or packet.source in ("0.0.0.0", "::"):
        return owner.node if owner else packet.source_mac
    node = directory.node(packet.source, packet.place.segment, packet.source_mac)
    return node or packet.source


def _is_for_many(packet: CapturedPacket) -> bool:
    """Whether it is a broadcast or a multicast: the lowest bit of the first byte."""
    return bool(packet.destination_mac) and int(packet.destination_mac[:2], 16) & 1 == 1


def _ip(packed: bytes) -> str:
    return ".".join(map(str, packed))


def _rung(packet: CapturedPacket, path: tuple[str, ...], **more: object) -> Rung:
    title, detail = _words(packet)
    if packet.vlan is not None:
        detail = f"{detail}, VLAN {packet.vlan}" if detail else f"VLAN {packet.vlan}"
    values = {
        "number": packet.number,
        "time_ns": packet.frame.time_ns,
        "path": path,
        "protocol": packet.protocol,
        "title": title,
        "detail": detail,
        "mark": packet.mark,
        "heard": (EVERYBODY,) if len(path) < 2 else (),
        "tooltip": f"{packet.number}: {packet.source} → {packet.destination}  {packet.info}",
    }
    return Rung(**(values | more))  # type: ignore[arg-type]


def _words(packet: CapturedPacket) -> tuple[str, str]:
    """Return what stands above an arrow, and below it."""
    ports = f"{packet.source_port} → {packet.destination_port}"
    if packet.transport == "TCP":
        _, _, numbers = packet.info.partition("] Seq=")
        if packet.app_info or not numbers:
            numbers = f"{packet.seq} Ack={packet.ack} Len={len(packet.payload)}"
        numbers = " ".join(
            word for word in numbers.split() if not word.startswith(("Win=", "SACK", "WS="))
        )
        data = f"{len(packet.payload)} bytes" if packet.payload else packet.flags
        return packet.app_info or data, f"{ports}  Seq={numbers}"
    if packet.transport == "UDP":
        # Of what looks for the way: traceroute(8) asks up to 30 routers.
        ttl = getattr(packet.network, "ttl", 64)
        low = f"  ttl={ttl}" if ttl <= 30 else ""
        return packet.app_info or f"{len(packet.payload)} bytes", f"{ports}{low}"
    title, between, numbers = packet.info.partition(" id=")
    if between:
        return title, f"id={numbers}"
    if packet.protocol == "ARP":
        return packet.info, "broadcast" if packet.destination == BROADCAST else ""
    return packet.info, ""


# -- seen at several ---------------------------------------------------------


@dataclass(eq=False)
class _Hop:
    """One frame on one segment: from a machine to another, or to all."""

    packet: CapturedPacket
    sender: str
    receiver: str | None  # None: for many
    heard: list[str] = field(default_factory=list)

    @property
    def arrived(self) -> bool:
        return self.receiver in self.heard


def _hops(packets: Iterable[CapturedPacket], directory: Directory) -> Iterator[_Hop]:
    """Join the frame that left with the same one that came; in the order of leaving."""
    hops: list[_Hop] = []
    alike: dict[bytes, list[_Hop]] = {}
    for packet in packets:
        # A switch takes the tag of a VLAN off, for whom it is not to see that.
        key = packet.data if packet.vlan is None else packet.data[:12] + packet.data[16:]
        here = packet.place.node
        if packet.direction == "out":
            hop = _Hop(packet, here, _receiver(packet, directory))
            hops.append(hop)
            alike.setdefault(key, []).append(hop)
            continue
        if not _is_for_many(packet) and _receiver(packet, directory) not in (here, None):
            continue  # a switch that did not know better sent it to all
        # The one that left last, of those that did not come here yet: an earlier one was lost.
        waiting = (
            hop for hop in reversed(alike.get(key, ())) if here not in [hop.sender, *hop.heard]
        )
        found = next(waiting, None)
        if found is None:
            owner = directory.owner(packet.source_mac)
            sender = owner.node if owner else _sender(packet, directory)
            found = _Hop(packet, sender, _receiver(packet, directory) or here)
            if _is_for_many(packet):
                found.receiver = None
            hops.append(found)
            alike.setdefault(key, []).append(found)
        found.heard.append(here)
    return iter(hops)


def _receiver(packet: CapturedPacket, directory: Directory) -> str | None:
    if _is_for_many(packet):
        return None
    if owner := directory.owner(packet.destination_mac):
        return owner.node
    if packet.direction == "in":
        return packet.place.node
    return directory.node(packet.destination, packet.place.segment) or packet.destination


@dataclass(eq=False)
class _Way:
    """The hops of one packet, over routers."""

    hops: list[_Hop]

    def rung(self, places: Sequence[CapturePoint], directory: Directory, lossless: bool) -> Rung:
        first, last = self.hops[0], self.hops[-1]
        if last.receiver is None:
            heard = tuple(name for name in directory.nodes if name in last.heard)
            if len(self.hops) == 1:
                return _rung(first.packet, (first.sender,), heard=heard)
        nodes = (first.sender, *(hop.receiver for hop in self.hops if hop.receiver))
        lost = lossless and not last.arrived and _is_watched(last.packet, places, directory)
        stops = (
            lossless
            and not lost
            and last.receiver in directory.routers
            and last.receiver in {place.node for place in places}
            and _is_for_another(last.packet, last.receiver, directory)
        )
        # A retransmission that another sees is one of the sender's, wherever it is seen.
        return _rung(
            first.packet,
            nodes,
            lost=lost,
            stops=stops,
            changes=tuple(self._changes()),
        )

    def _changes(self) -> Iterator[tuple[str, str]]:
        for before, after in zip(self.hops, self.hops[1:], strict=False):
            for what in ("source", "destination"):
                old, new = (_end(hop.packet, what) for hop in (before, after))
                if old != new:
                    if old[1] == new[1]:
                        old, new = old[:1], new[:1]
                    old_text, new_text = (":".join(end) for end in (old, new))
                    yield after.sender, f"{what} {old_text} becomes {new_text}"
            if before.packet.payload != after.packet.payload:
                yield after.sender, f"data becomes {after.packet.app_info or 'other'}"


def _is_watched(
    packet: CapturedPacket, places: Sequence[CapturePoint], directory: Directory
) -> bool:
    """Whether the interface that a packet is for is one of those captured at."""
    owner = directory.owner(packet.destination_mac)
    if owner is None:
        return False
    wire = owner.parent or owner.interface
    return any((place.node, place.interface) == (owner.node, wire) for place in places)


def _is_for_another(packet: CapturedPacket, node: str, directory: Directory) -> bool:
    """Whether a packet that came to a router is for a machine that is known, and not this."""
    destination = directory.node(packet.destination, packet.place.segment)
    own = packet.destination in directory.addresses(node)
    return packet.network is not None and destination is not None and not own


def _end(packet: CapturedPacket, what: str) -> tuple[str, ...]:
    port = getattr(packet, f"{what}_port")
    return getattr(packet, what), "" if port is None else str(port)


@dataclass(eq=False)
class _Waiting:
    """A packet that came to a router and did not leave it yet."""

    way: _Way
    left: bool = False


def _join(hops: Iterable[_Hop], directory: Directory) -> list[_Way]:
    """Join the hop that came to a router with the one by which the same packet left it."""
    ways: list[_Way] = []
    waiting: dict[tuple[str, Hashable], deque[_Waiting]] = {}
    for hop in hops:
        signs = [*_signs(hop.packet)]
        way = None
        for sign in signs:
            queue = waiting.get((hop.sender, sign), deque())
            while queue and queue[0].left:
                queue.popleft()
            if queue:
                queue[0].left = True
                way = queue[0].way
                way.hops.append(hop)
                break
        if way is None:
            way = _Way([hop])
            ways.append(way)
        if hop.receiver is not None and hop.receiver in directory.routers:
            entry = _Waiting(way)
            for sign in signs:
                waiting.setdefault((hop.receiver, sign), deque()).append(entry)
    return ways


def _signs(packet: CapturedPacket) -> Iterator[Hashable]:
    """Yield by what a packet is known again behind a router, the surest first."""
    content = _content(packet)
    if content is None:
        return
    yield content
    number = getattr(packet.network, "id", 0)
    if packet.transport == "TCP" and number:
        # NAT may have to write other addresses into what FTP says, and shifts the numbers of
        # all that follows: what is left is the other end, which it does not translate.
        yield number, packet.flags, "to", packet.destination, packet.destination_port
        yield number, packet.flags, "from", packet.source, packet.source_port


def _content(packet: CapturedPacket) -> Hashable:
    """Return what routers and NAT leave as it is; None for what they do not forward."""
    ip = packet.network
    if not isinstance(ip, (dpkt.ip.IP, dpkt.ip6.IP6)):
        return None
    number = getattr(ip, "id", 0)
    inner = ip.data
    if isinstance(inner, dpkt.tcp.TCP):
        return number, "TCP", inner.seq, inner.ack, inner.flags, packet.payload
    if isinstance(inner, dpkt.udp.UDP):
        return number, "UDP", packet.payload
    if isinstance(inner, dpkt.icmp.ICMP):
        # An echo's id is NAT's to change, and so is the packet that an error holds.
        body = getattr(inner.data, "seq", None)
        return number, "ICMP", inner.type, inner.code, body
    if isinstance(inner, dpkt.icmp6.ICMP6):
        return "ICMPv6", packet.ip_payload[4:]
    return number, getattr(ip, "p", 0), packet.ip_payload
