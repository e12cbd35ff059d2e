"""TCP streams: the two directions of each connection, put together again.

Segments sent again count once, those out of order stand where they belong (RFC 9293
section 3.10.7.4).  Pure: packets go in, bytes come out.

"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field

from playground.model.records import dataclass
from playground.operations.captures.dissect import CapturedPacket


@dataclass(frozen=True, eq=False)
class Stream:
    """One TCP connection: what its client has sent and received.

    The client is who began, or who was seen first.  ``missing_bytes`` were not captured;
    what came after them stands where they would begin.  ``turns`` holds the same bytes in
    the order in which they came, ``True`` where the client has sent them.

    """

    number: int
    where: str
    client: str
    server: str
    sent_bytes: int
    received_bytes: int
    missing_bytes: int
    sent: bytes = field(repr=False)
    received: bytes = field(repr=False)
    turns: tuple[tuple[bool, bytes], ...] = field(repr=False)

    @property
    def sent_text(self) -> str:
        """The client's bytes, read as UTF-8; other bytes are shown as �."""
        return self.sent.decode("utf-8", "replace")

    @property
    def received_text(self) -> str:
        """The server's bytes, likewise."""
        return self.received.decode("utf-8", "replace")

    def __str__(self) -> str:
        """The conversation as text, with > before each line of the client's and < else."""
        lines = [f"{self.client} > {self.server}"]
        for from_client, data in self.turns:
            sign = ">" if from_client else "<"
            text = "".join(c if c.isprintable() or c in "\t\n" else "·" for c in _text(data))
            lines += [f"{sign} {line}".rstrip() for line in text.splitlines()]
        return "\n".join(lines)


def follow(packets: Iterable[CapturedPacket]) -> Iterator[Stream]:
    """Yield the TCP connections among packets, in the order in which they began.

    One that was seen at several places is taken from the first of them.  Where NAT
    has changed the addresses on the way, it is another connection.

    """
    connections: list[_Connection] = []
    open_now: dict[tuple[str, str], _Connection] = {}
    for packet in packets:
        if packet.transport != "TCP" or packet.seq is None:
            continue
        source, destination = (
            _end(packet.source, packet.source_port),
            _end(packet.destination, packet.destination_port),
        )
        begins = packet.flags == "SYN"
        connection = open_now.get((source, destination))
        if connection is None or (begins and connection.ended):
            # A server that was seen first: its SYN, ACK answers a client.
            ends = (destination, source) if packet.flags == "SYN, ACK" else (source, destination)
            connection = _Connection(packet.where, *ends)
            connections.append(connection)
            open_now[source, destination] = open_now[destination, source] = connection
        if packet.where == connection.where:
            connection.take(packet, from_client=source == connection.client)
    for number, connection in enumerate(connections, 1):
        yield connection.stream(number)


class _Connection:
    def __init__(self, where: str, client: str, server: str) -> None:
        self.where = where
        self.client = client
        self.server = server
        self.ended = False
        self.turns: list[tuple[bool, list[bytes]]] = []
        self.halves = {True: _Half(), False: _Half()}

    def take(self, packet: CapturedPacket, from_client: bool) -> None:
        self.ended = self.ended or "FIN" in packet.flags or "RST" in packet.flags
        if packet.payload and packet.seq is not None:
            for data in self.halves[from_client].take(packet.seq, packet.payload):
                self._say(from_client, data)

    def _say(self, from_client: bool, data: bytes) -> None:
        if not self.turns or self.turns[-1][0] != from_client:
            self.turns.append((from_client, []))
        self.turns[-1][1].append(data)

    def stream(self, number: int) -> Stream:
        for from_client, half in self.halves.items():
            for data in half.rest():
                self._say(from_client, data)
        sent, received = (b"".join(self.halves[side].data) for side in (True, False))
        return Stream(
            number,
            self.where,
            self.client,
            self.server,
            len(sent),
            len(received),
            sum(half.missing for half in self.halves.values()),
            sent,
            received,
            tuple((side, b"".join(parts)) for side, parts in self.turns),
        )


class _Half:
    """One direction: what came in its order, and what waits for something before it."""

    def __init__(self) -> None:
        self.next: int | None = None
        self.data: list[bytes] = []
        self.missing = 0
        self._waiting: dict[int, bytes] = {}

    def take(self, seq: int, payload: bytes) -> Iterator[bytes]:
        """Yield what can be read now."""
        if self.next is None:
            # Relative numbers: 1 is the first byte after the SYN.
            self.next = 1 if seq <= 1 << 31 else seq
        if len(payload) > len(self._waiting.get(seq, b"")):
            self._waiting[seq] = payload
        # A segment that is ahead waits, and is not looked at again for each that comes.
        if self._distance(seq) <= 0:
            for waiting in self._in_order():
                if self._distance(waiting) > 0:
                    break
                yield from self._read(waiting)

    def rest(self) -> Iterator[bytes]:
        """Yield what still waits, over what is missing."""
        for seq in self._in_order():
            gap = self._distance(seq)
            if gap > 0:
                self.missing += gap
                self.next = seq
            yield from self._read(seq)

    def _in_order(self) -> list[int]:
        return sorted(self._waiting, key=self._distance)

    def _read(self, seq: int) -> Iterator[bytes]:
        """Yield what is new in a segment that waits no longer."""
        fresh = self._waiting.pop(seq)[-self._distance(seq) :]
        if fresh and self.next is not None:
            self.next = (self.next + len(fresh)) & 0xFFFFFFFF
            self.data.append(fresh)
            yield fresh

    def _distance(self, seq: int) -> int:
        """How far a sequence number is ahead, which wraps at 2**32."""
        return ((seq - (self.next or 0) + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def _end(address: str, port: int | None) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\r\n", "\n")
