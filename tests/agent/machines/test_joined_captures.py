"""Captures of several machines whose output is that of one."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

from playground.agent.machines.joined_captures import CapturePart, JoinedCapture


def says(*records: tuple[int, bytes], head: list[int] | None = None) -> dict[str, Any]:
    """Return the event by which one machine's capture hands on its head and records."""
    data = b""
    if head is not None:
        data = json.dumps({"byte_order": "little", "link_types": head}).encode() + b"\n"
    data += b"".join(struct.pack("<iI", number, len(text)) + text for number, text in records)
    return {"event": "stdout", "data": base64.b64encode(data).decode()}


def mark(time_ns: int) -> tuple[int, bytes]:
    return -1, struct.pack("<Q", time_ns)


def end(*rows: tuple[int, int]) -> tuple[int, bytes]:
    return -2, json.dumps([{"packets": p, "dropped": d} for p, d in rows]).encode()


EXIT = {"event": "exit", "returncode": 0}


class Both:
    """A capture of three places, the first and last on one machine, and what it has said."""

    def __init__(self) -> None:
        self.capture = JoinedCapture(9, [CapturePart(1, [0, 2], 0), CapturePart(2, [1], 1000)])
        self.data = b""
        self.exits = 0

    def hear(self, job: int, *events: dict[str, Any]) -> None:
        for event in events:
            for one in self.capture.hear(job, event):
                assert one["job"] == 9
                if one["event"] == "exit":
                    self.exits += 1
                else:
                    self.data += base64.b64decode(one["data"])

    @property
    def head(self) -> Any:
        return json.loads(self.data.partition(b"\n")[0])

    @property
    def records(self) -> list[tuple[int, Any]]:
        rest = self.data.partition(b"\n")[2]
        found: list[tuple[int, Any]] = []
        while rest:
            number, length = struct.unpack_from("<iI", rest)
            text, rest = rest[8 : 8 + length], rest[8 + length :]
            read = {-1: lambda text: struct.unpack("<Q", text)[0], -2: json.loads}
            found.append((number, read.get(number, bytes)(text)))
        return found


def test_the_head_is_of_all_places_once_all_machines_have_said_theirs() -> None:
    both = Both()
    both.hear(1, says((0, b"early"), head=[1, 101]))
    assert both.data == b""
    both.hear(2, says(head=[1]))
    assert both.head == {
        "byte_order": "little",
        "link_types": [1, 1, 101],
        "ahead_ns": [0, 1000, 0],
    }
    assert both.records == [(0, b"early")]


def test_blocks_have_the_numbers_of_the_whole_however_they_come() -> None:
    both = Both()
    both.hear(2, says(head=[1]))
    whole = base64.b64decode(says((1, b"block"), head=[1, 1])["data"])
    for byte in whole:
        part = base64.b64encode(bytes([byte])).decode()
        both.hear(1, {"event": "stdout", "data": part})
    both.hear(2, says((0, b"other")))
    assert both.records == [(2, b"block"), (1, b"other")]


def test_a_mark_is_that_of_the_machine_which_is_behind_by_one_clock() -> None:
    both = Both()
    both.hear(1, says(mark(5000), head=[1, 1]))
    both.hear(2, says(mark(3000), head=[1]))  # 2000 as the others reckon
    both.hear(2, says(mark(9000)))
    assert both.records == [(-1, 2000), (-1, 5000)]


def test_it_ends_when_all_have_ended() -> None:
    both = Both()
    both.hear(1, says(end((5, 0), (6, 1)), head=[1, 1]), EXIT)
    both.hear(2, says(head=[1]))
    assert (both.exits, both.capture.over) == (0, False)
    both.hear(2, says(end((7, 2))), EXIT)
    rows = [(5, 0), (7, 2), (6, 1)]
    assert both.records == [(-2, [{"packets": p, "dropped": d} for p, d in rows])]
    assert (both.exits, both.capture.over) == (1, True)


def test_a_machine_that_is_lost_keeps_no_other_from_going_on() -> None:
    both = Both()
    both.hear(1, says(mark(5000), head=[1, 1]))
    both.hear(2, EXIT)
    both.hear(1, says((0, b"block"), end((1, 0), (0, 0))), EXIT)
    assert both.head["link_types"] == [1, 1, 1]
    kinds = [number for number, _ in both.records]
    assert kinds == [-1, 0, -2]
    assert both.exits == 1


def test_without_a_proper_end_anywhere_none_is_said() -> None:
    both = Both()
    both.hear(1, says(head=[1, 1]), EXIT)
    both.hear(2, says(head=[1]), EXIT)
    assert (both.records, both.exits) == ([], 1)


def test_each_machine_may_send_as_much_as_the_library_has_taken_of_it() -> None:
    both = Both()
    first, other = says(head=[1, 1]), says((0, b"x" * 1000), head=[1])
    sizes = {job: len(base64.b64decode(one["data"])) for job, one in ((1, first), (2, other))}
    both.hear(1, first)
    both.hear(2, other)
    assert both.capture.credit(len(both.data) - 1) == {}
    # Of the first nothing was handed on before the other came: it may go on too.
    assert both.capture.credit(1) == sizes
    data = says((0, b"y"))
    both.hear(1, data)
    assert both.capture.credit(9) == {1: 9}
