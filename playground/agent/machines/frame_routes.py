"""Frames of published ports: which machine each goes to.  Pure.

The library opens all streams, and gives them their numbers (`ports.streams`).  A port's stream
belongs to the machine of the process that it names, and each connection's to that of its port.

"""

from __future__ import annotations

import json
from dataclasses import dataclass

from playground.agent.machines.numbers import local_pid, machine_of
from playground.agent.ports.streams import END, HEADER, OPEN, RESET

# One of the two ends of a stream.
_LIBRARY, _MACHINE = 0, 1


class Frames:
    """Frames of one line, whole again however they are cut."""

    def __init__(self) -> None:
        self._received = bytearray()

    def take(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """Return the frames that are whole now: kind, number, data."""
        self._received += data
        found, at = [], 0
        while len(self._received) - at >= HEADER.size:
            kind, number, length = HEADER.unpack_from(self._received, at)
            end = at + HEADER.size + length
            if end > len(self._received):
                break
            found.append((kind, number, bytes(self._received[at + HEADER.size : end])))
            at = end
        del self._received[:at]
        return found


def packed(kind: int, number: int, data: bytes = b"") -> bytes:
    return HEADER.pack(kind, number, len(data)) + data


@dataclass
class _Stream:
    machine: int
    ended: set[int]


class FrameRoutes:
    """All streams of a line by their numbers, and on which machine they are."""

    def __init__(self) -> None:
        self._streams: dict[int, _Stream] = {}

    def to_machine(self, kind: int, number: int, data: bytes) -> tuple[int, bytes] | None:
        """Return the machine of a frame of the library's, and the frame as it goes there.

        None for a stream that is over.

        """
        if kind == OPEN:
            wanted = json.loads(data)
            if "pid" in wanted:
                machine = machine_of(wanted["pid"])
                data = json.dumps(wanted | {"pid": local_pid(wanted["pid"])}).encode()
            else:
                port = self._streams.get(wanted["of"])
                if port is None:
                    return None
                machine = port.machine
            self._streams[number] = _Stream(machine, set())
        elif number not in self._streams:
            return None
        machine = self._streams[number].machine
        self._note(kind, number, _LIBRARY)
        return machine, packed(kind, number, data)

    def to_library(self, kind: int, number: int, data: bytes) -> bytes:
        """Return a frame of a machine's as it goes to the library."""
        self._note(kind, number, _MACHINE)
        return packed(kind, number, data)

    def _note(self, kind: int, number: int, end: int) -> None:
        """Forget a stream that was broken off, or that both ends have ended."""
        stream = self._streams.get(number)
        if stream is None:
            return
        if kind == END:
            stream.ended.add(end)
        if kind == RESET or len(stream.ended) == 2:
            del self._streams[number]

    def lose(self, machine: int, error: bytes) -> bytes:
        """Break off all streams of a machine, with an error as the protocol writes it."""
        gone = [number for number, one in self._streams.items() if one.machine == machine]
        for number in gone:
            del self._streams[number]
        return b"".join(packed(RESET, number, error) for number in gone)
