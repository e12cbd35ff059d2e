"""Captures at places of several machines, as one: a job on each, whose records become one line.

Pure: what each machine's capture sends goes in, and out comes what one capture would have
sent, as the docstring of `playground.agent` lays it down.  Blocks of the kernel pass untouched;
by how much a machine's clock is ahead stands in the head.  All machines run the same image, so
that they have one order of bytes.

"""

from __future__ import annotations

import base64
import json
import struct
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from playground.agent.protocol import Request

# Of the records: `watching.captures`.
_RECORD = struct.Struct("<iI")
_TIME_NS = struct.Struct("<Q")
_MARK, _END = -1, -2
# Of a place whose machine was lost before it said: LINKTYPE_ETHERNET.
_ETHERNET = 1


class CapturePart:
    """The capture on one machine: its job, the places that it has, how far it has come."""

    def __init__(self, job: int, places: Sequence[int], ahead_ns: int) -> None:
        self.job = job
        self.places = places
        self.ahead_ns = ahead_ns
        self.head: Request | None = None
        self.mark_ns: int | None = None
        self.rows: list[Request] | None = None
        self.over = False
        self._received = bytearray()
        # What it has sent and the library has not taken yet.
        self.owed_bytes = 0

    def records(self, data: bytes) -> list[tuple[int, bytes]]:
        """Take what has come; return the records that are whole now."""
        self._received += data
        self.owed_bytes += len(data)
        if self.head is None:
            line, end, rest = self._received.partition(b"\n")
            if not end:
                return []
            self.head, self._received = json.loads(line), rest
        found, at = [], 0
        while len(self._received) - at >= _RECORD.size:
            number, length = _RECORD.unpack_from(self._received, at)
            end_at = at + _RECORD.size + length
            if end_at > len(self._received):
                break
            found.append((number, bytes(self._received[at + _RECORD.size : end_at])))
            at = end_at
        del self._received[:at]
        return found

    def lose(self) -> None:
        """Take note that no more will come, however it ended."""
        self.over = True
        if self.head is None:
            self.head = {"link_types": [_ETHERNET] * len(self.places)}


class JoinedCapture:
    """One capture of the library's, ``number`` among its jobs."""

    def __init__(self, number: int, parts: Sequence[CapturePart]) -> None:
        self.number = number
        self.parts = {part.job: part for part in parts}
        self._count = sum(len(part.places) for part in parts)
        self._headed = False
        self._ended = False
        self._held: list[tuple[CapturePart, int, bytes]] = []
        self._mark_ns = 0
        self._under_way: deque[tuple[int, dict[int, int]]] = deque()
        self._taken_bytes = 0

    @property
    def over(self) -> bool:
        return all(part.over for part in self.parts.values())

    def hear(self, job: int, message: Request) -> list[Request]:
        """Take an event of one machine's capture; return the events that come of it."""
        part = self.parts[job]
        if message["event"] == "exit":
            part.lose()
            out = self._sent(self._handed_on([]))
            if self.over:
                out.append({"event": "exit", "job": self.number, "returncode": 0})
            return out
        if message["event"] != "stdout":
            return []
        records = part.records(base64.b64decode(message["data"]))
        return self._sent(self._handed_on([(part, *record) for record in records]))

    def _sent(self, data: bytes) -> list[Request]:
        if not data:
            return []
        # With what one part brings, that of others may go which waited for it.
        self._under_way.append((len(data), {part.job: part.owed_bytes for part in self._all}))
        for part in self._all:
            part.owed_bytes = 0
        content = base64.b64encode(data).decode()
        return [{"event": "stdout", "job": self.number, "data": content}]

    def _handed_on(self, records: list[tuple[CapturePart, int, bytes]]) -> bytes:
        """Return the records as those of one capture, once all have said their heads."""
        self._held += records
        if any(part.head is None for part in self.parts.values()):
            return b""
        out = bytearray()
        if not self._headed:
            self._headed = True
            out += json.dumps(self._head()).encode() + b"\n"
        held, self._held = self._held, []
        for part, number, data in held:
            if number == _MARK:
                part.mark_ns = _TIME_NS.unpack(data)[0] - part.ahead_ns
            elif number == _END:
                part.rows = json.loads(data)
            else:
                out += _record(part.places[number], data)
        return bytes(out + self._mark() + self._end())

    def _head(self) -> Request:
        heads = [part.head or {} for part in self.parts.values()]
        orders = [head["byte_order"] for head in heads if "byte_order" in head]
        return {
            "byte_order": (orders or ["little"])[0],
            "link_types": self._by_place({p.job: (p.head or {})["link_types"] for p in self._all}),
            "ahead_ns": self._by_place(
                {part.job: [part.ahead_ns] * len(part.places) for part in self._all}
            ),
        }

    @property
    def _all(self) -> Sequence[CapturePart]:
        return list(self.parts.values())

    def _by_place(self, rows: Mapping[int, Sequence[Any]]) -> list[Any]:
        found: list[Any] = [None] * self._count
        for job, values in rows.items():
            for place, value in zip(self.parts[job].places, values, strict=True):
                found[place] = value
        return found

    def _mark(self) -> bytes:
        """Return a mark where all machines have come further: what is earlier was sent."""
        marks = [part.mark_ns or 0 for part in self._all if not part.over]
        mark_ns = min(marks, default=0)
        if mark_ns <= self._mark_ns:
            return b""
        self._mark_ns = mark_ns
        return _record(_MARK, _TIME_NS.pack(mark_ns))

    def _end(self) -> bytes:
        """Return the end, once all have ended; nothing where none of them came to a proper one."""
        if self._ended or any(part.rows is None and not part.over for part in self._all):
            return b""
        self._ended = True
        if all(part.rows is None for part in self._all):
            return b""
        nothing = {"packets": 0, "dropped": 0}
        rows = self._by_place(
            {part.job: part.rows or [nothing] * len(part.places) for part in self._all}
        )
        return _record(_END, json.dumps(rows).encode())

    def credit(self, count: int) -> dict[int, int]:
        """Take note of bytes that the library has taken; return what each job may send for it."""
        self._taken_bytes += count
        allowed: dict[int, int] = {}
        while self._under_way and self._under_way[0][0] <= self._taken_bytes:
            sent, owed = self._under_way.popleft()
            self._taken_bytes -= sent
            for job, bytes_count in owed.items():
                if bytes_count and not self.parts[job].over:
                    allowed[job] = allowed.get(job, 0) + bytes_count
        return allowed


def _record(number: int, data: bytes) -> bytes:
    return _RECORD.pack(number, len(data)) + data
